"""What becomes of each message that comes: greetings, watchdogs, goodbyes, and the rest for open peers (DIA-13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, P, Unreadable
from resource_adaptors.diameter.protocol import tables
from resource_adaptors.diameter.protocol.capabilities import capabilities_answer, judge_capabilities
from resource_adaptors.diameter.protocol.connection import Connection
from resource_adaptors.diameter.protocol.events import Impostor
from resource_adaptors.diameter.protocol.peer import Peer
from resource_adaptors.diameter.protocol.settings import PeerSettings
from resource_adaptors.diameter.protocol.validation import check_request

if TYPE_CHECKING:
    from resource_adaptors.diameter.protocol.node import Node

_CONNECTION_COMMANDS: Final = {codes.DEVICE_WATCHDOG: "DW", codes.DISCONNECT_PEER: "DP"}
_GREETING: Final = (tables.WAIT_I_CEA, tables.WAIT_RETURNS)


class Reception:
    """Messages on their way in."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def take(self, message: Message, connection: Connection) -> None:
        peer = connection.peer
        self._node.statistics.messages[peer.host if peer else "", message.name, "in"] += 1
        if peer is None or peer.connection is not connection or not peer.is_open:
            self._before_open(message, connection)
            return
        peer.heard(message)
        side = "I" if connection is peer.initiated else "R"
        kind = _CONNECTION_COMMANDS.get(message.command)
        if kind is not None:
            event = f"{side}-Rcv-{kind}{'R' if message.is_request else 'A'}"
            if message.is_request and not self._node.arrivals.is_sound(message, connection):
                return
        elif message.command == codes.CAPABILITIES_EXCHANGE:
            self._node.statistics.dropped["state"] += 1
            return
        else:
            event = f"{side}-Rcv-Message"
        if not peer.step(event, message, connection):
            self._node.statistics.dropped["state"] += 1

    def _before_open(self, message: Message, connection: Connection) -> None:
        """Nothing but capabilities and goodbyes is heard outside the open states (DIA-13)."""
        peer = connection.peer
        if message.command == codes.CAPABILITIES_EXCHANGE and message.is_request and not connection.was_opened:
            if peer is None:
                self._greeted(message, connection)
        elif peer is not None and connection is peer.initiated and peer.state in _GREETING:
            is_good = message.command == codes.CAPABILITIES_EXCHANGE and not message.is_request
            is_good = is_good and message.result == codes.SUCCESS and self._is(peer, message)
            peer.step(tables.I_RCV_CEA if is_good else tables.I_RCV_NON_CEA, message, connection)
            if not is_good and peer.state == tables.WAIT_RETURNS:
                peer.step(tables.I_PEER_DISC)
        elif peer is not None and peer.state == tables.CLOSING:
            side = "I" if connection is peer.initiated else "R"
            is_goodbye = message.command == codes.DISCONNECT_PEER and not message.is_request
            if not peer.step(f"{side}-Rcv-{'DPA' if is_goodbye else 'Message'}", message, connection):
                self._node.statistics.dropped["state"] += 1
        else:
            self._node.statistics.dropped["before_capabilities"] += 1

    def _is(self, peer: Peer, message: Message) -> bool:
        return message.text(codes.ORIGIN_HOST).lower() == peer.host

    def _greeted(self, message: Message, connection: Connection) -> None:
        """A CER has come on a connection that was opened to us."""
        host = message.text(codes.ORIGIN_HOST)
        peer = self._node.peers.get(host.lower())
        is_impostor = host.lower() == self._node.settings.identity.lower()
        if peer is None and self._node.settings.accept_unknown and host and not is_impostor:
            peer = self._node.peers[host.lower()] = Peer(
                self._node, PeerSettings(host=host, opens=False), is_dynamic=True
            )
        if is_impostor:
            self._node.events.append(Impostor(host))
        result, reason, failed = codes.SUCCESS, "", b""
        try:
            check_request(message, self._node.dictionary)
        except RemoteProtocolError as error:
            result, reason, failed = error.result, error.reason, error.failed
        if result == codes.SUCCESS and peer is None:
            result, reason = codes.UNKNOWN_PEER, f"{host or 'a peer without name'} is not known here"
        if result == codes.SUCCESS:
            result, reason = judge_capabilities(self._node.settings, message)
        if peer is not None and not _is_proven(peer, connection):
            # DIA-17: nothing is answered to somebody who shows another's name.
            self._node.statistics.dropped["wrong_certificate"] += 1
            self._node.close(connection)
            if peer.is_dynamic and not peer.is_open:
                self._node.peers.pop(peer.host, None)
            return
        if result != codes.SUCCESS or peer is None:
            self._node.write(
                connection, _with_failed(capabilities_answer(self._node.settings, message, result, reason), failed)
            )
            self._node.close(connection)
            if peer is not None and peer.is_dynamic and not peer.is_open:
                self._node.peers.pop(peer.host, None)
            return
        if not peer.step(tables.R_CONN_CER, message, connection):
            self._node.close(connection)

    def unreadable(self, found: Unreadable, connection: Connection) -> None:
        peer = connection.peer
        head = found.head
        self._node.statistics.messages[peer.host if peer else "", head.name, "in"] += 1
        if head.is_request or found.error.closes:
            self._node.arrivals.refuse(head, connection, found.error)
        else:
            self._node.statistics.dropped["unreadable_answer"] += 1


def _is_proven(peer: Peer, connection: Connection) -> bool:
    """Whether the certificate of a connection is the peer's; one that is to use TLS must have shown one (DIA-17)."""
    names = connection.names
    return not peer.settings.tls if names is None else peer.host in names


def _with_failed(answer: Message, failed: bytes) -> Message:
    if not failed:
        return answer
    return msgspec.structs.replace(answer, flags=answer.flags & ~P, avps=(*answer.avps, Avp(codes.FAILED_AVP, failed)))
