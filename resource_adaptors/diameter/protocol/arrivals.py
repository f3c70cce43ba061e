"""Requests from peers: judged, known again, answered, relayed or handed over (DIA-18, DIA-20, DIA-24)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import find_all, text
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, P
from resource_adaptors.diameter.protocol.accounting import RecordType
from resource_adaptors.diameter.protocol.capabilities import error_answer
from resource_adaptors.diameter.protocol.charging import RequestType
from resource_adaptors.diameter.protocol.events import RequestReceived
from resource_adaptors.diameter.protocol.requests import Duplicates, Pending
from resource_adaptors.diameter.protocol.validation import check_request

if TYPE_CHECKING:
    from resource_adaptors.diameter.protocol.connection import Connection
    from resource_adaptors.diameter.protocol.node import Node
    from resource_adaptors.diameter.protocol.peer import Peer

_REASONS: Final = {
    "timeout": (codes.UNABLE_TO_DELIVER, "no answer came in time"),
    "unroutable": (codes.UNABLE_TO_DELIVER, "no peer can take the request"),
    "unknown_realm": (codes.REALM_NOT_SERVED, "the realm is not served"),
    "queue_full": (codes.TOO_BUSY, "too many requests wait for their answer"),
}


_GOES_ON: Final = frozenset({codes.RE_AUTH, codes.ABORT_SESSION, codes.SESSION_TERMINATION, codes.PUSH_NOTIFICATION})


class Arrivals:
    """Requests on their way in."""

    __slots__ = ("_node", "duplicates")

    def __init__(self, node: Node) -> None:
        self._node = node
        self.duplicates = Duplicates(node.settings.duplicate_time)

    def request(self, peer: Peer, message: Message, connection: Connection) -> None:
        """A request has come on an open connection."""
        node = self._node
        try:
            self._check_origin(peer, message)
            self._limit(peer, message)
            if self._is_for_others(message):
                self._relay(message, connection)
                return
            self._judge(message)
        except RemoteProtocolError as error:
            self.refuse(message, connection, error)
            return
        origin = message.text(codes.ORIGIN_HOST)
        if self.duplicates.is_known(message, origin, node.now):
            node.statistics.duplicates += 1
            answer = self.duplicates.answer_to(message, origin)
            if answer is not None:
                self._write(answer, connection)
            return
        node.events.append(RequestReceived(message, peer.host, connection.number))

    def is_sound(self, message: Message, connection: Connection) -> bool:
        """Judge a DWR or DPR; one that is not sound is answered here."""
        try:
            check_request(message, self._node.dictionary)
        except RemoteProtocolError as error:
            self.refuse(message, connection, error)
            return False
        return True

    def refuse(self, request: Message, connection: Connection, error: RemoteProtocolError) -> None:
        """Answer a request that is broken or not for us (DIA-51)."""
        self._write(
            error_answer(self._node.settings, request, error.result, error.reason, failed=error.failed), connection
        )

    def answer(self, request: Message, host: str, number: int, answer: Message) -> None:
        """Send an answer where its request came from, or to the same peer where that connection has gone."""
        node = self._node
        self.duplicates.keep(request, request.text(codes.ORIGIN_HOST), answer)
        connection = node.connection_of(number)
        if connection is None:
            peer = node.peers.get(host)
            connection = peer.connection if peer is not None and peer.is_open else None
        if connection is None:
            node.statistics.dropped["closed_connection"] += 1
            return
        self._write(answer, connection)

    def relay_back(self, pending: Pending, answer: Message | None, reason: str) -> None:
        """The answer to a request that was passed on, with the Hop-by-Hop that it came with."""
        assert pending.relayed_for is not None
        connection = self._node.connection_of(pending.relayed_for)
        if connection is None:
            self._node.statistics.dropped["closed_connection"] += 1
            return
        if answer is None:
            result, words = _REASONS[reason]
            answer = error_answer(self._node.settings, pending.message, result, words)
        self._write(msgspec.structs.replace(answer, hop_by_hop=pending.origin_hop), connection)

    def _write(self, answer: Message, connection: Connection) -> None:
        peer = connection.peer
        self._node.statistics.results[peer.host if peer else "", answer.result // 1000, "out"] += 1
        self._node.write(connection, answer)

    def _check_origin(self, peer: Peer, message: Message) -> None:
        """May requests of this realm come through that peer (DIA-18)?"""
        realms = peer.settings.realms
        if realms and message.text(codes.ORIGIN_REALM).lower() not in realms:
            reason = f"requests from {message.text(codes.ORIGIN_REALM)} may not come through {peer.host}"
            raise RemoteProtocolError(peer.settings.refusal, reason)

    def _limit(self, peer: Peer, message: Message) -> None:
        """Refuse what begins something new, where a peer sends too much of it (DIA-55, COM-11)."""
        settings = self._node.settings
        if settings.rate and _begins(message) and not peer.bucket.take(self._node.now, settings.rate, settings.burst):
            self._node.statistics.rate_limited += 1
            raise RemoteProtocolError(codes.TOO_BUSY, "this peer sends too many requests")

    def _is_for_others(self, message: Message) -> bool:
        settings = self._node.settings
        host = message.text(codes.DESTINATION_HOST).lower()
        realm = message.text(codes.DESTINATION_REALM).lower()
        if host:
            return host != settings.identity.lower()
        return bool(realm) and realm != settings.realm.lower()

    def _judge(self, message: Message) -> None:
        """Is it for an application and by a command that are served here, and sound (DIA-48, DIA-51)?"""
        node = self._node
        if message.application not in node.settings.applications:
            raise RemoteProtocolError(
                codes.APPLICATION_UNSUPPORTED, f"application {message.application} is not served here"
            )
        if message.command not in codes.COMMAND_NAMES:
            raise RemoteProtocolError(codes.COMMAND_UNSUPPORTED, f"command {message.command} is not served here")
        self._check_loop(message)
        check_request(message, node.dictionary)

    def _check_loop(self, message: Message) -> None:
        identity = self._node.settings.identity.lower()
        for record in find_all(message.avps, codes.ROUTE_RECORD):
            if record.data.decode(errors="replace").lower() == identity:
                raise RemoteProtocolError(codes.LOOP_DETECTED, "the request has been here before")

    def _relay(self, message: Message, connection: Connection) -> None:
        """Pass a request on (RFC 6733 6.1.9)."""
        node = self._node
        self._check_loop(message)
        realm = message.text(codes.DESTINATION_REALM)
        host = message.text(codes.DESTINATION_HOST).lower()
        if not node.routes.relays(realm, message.application) and host not in node.peers:
            if realm and not node.routes.knows(realm) and realm.lower() != node.settings.realm.lower():
                raise RemoteProtocolError(codes.REALM_NOT_SERVED, f"realm {realm} is not served here")
            raise RemoteProtocolError(codes.UNABLE_TO_DELIVER, "requests of others are not passed on here")
        if not node.routes.relays(realm, message.application):
            raise RemoteProtocolError(codes.UNABLE_TO_DELIVER, "requests of others are not passed on here")
        if not message.flags & P:
            raise RemoteProtocolError(codes.UNABLE_TO_DELIVER, "the request may not be passed on")
        assert connection.peer is not None
        record = text(codes.ROUTE_RECORD, connection.peer.settings.host)
        passed = msgspec.structs.replace(message, avps=(*message.avps, record))
        node.outgoing.send(passed, None, node.now, relayed_for=connection.number)


def _begins(message: Message) -> bool:
    """Whether a request begins something, rather than going on with it or ending it."""
    if message.command == codes.CREDIT_CONTROL:
        return message.number(codes.CC_REQUEST_TYPE) in (RequestType.INITIAL, RequestType.EVENT)
    if message.command == codes.ACCOUNTING:
        return message.number(codes.ACCOUNTING_RECORD_TYPE) in (RecordType.START, RecordType.EVENT)
    return message.command not in _GOES_ON
