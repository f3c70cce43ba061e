"""From the protocol core to the SLEE: each event of the core goes to the sessions it concerns, or tells of a peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from resource_adaptors.diameter import api
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import text, u32
from resource_adaptors.diameter.protocol.events import (
    Answered,
    Down,
    Impostor,
    RequestReceived,
    Restarted,
    Unanswered,
    Up,
)
from resource_adaptors.diameter.protocol.user_data import ShReply
from resource_adaptors.diameter.user_data import ShToken

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor


def peer_handle(host: str) -> str:
    """The handle of a peer's activity."""
    return f"peer {host.lower()}"


class Inbound:
    """What the core tells, and who is to know of it."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor
        self._handlers: dict[type, Callable[[Any], None]] = {
            Up: self._on_up,
            Down: self._on_down,
            Restarted: self._on_restarted,
            Impostor: self._on_impostor,
            RequestReceived: self._on_request,
            Answered: self._on_answered,
            Unanswered: self._on_unanswered,
        }

    def take(self, event: object) -> None:
        """Act on an event of the core."""
        self._handlers[type(event)](event)

    def _on_up(self, event: Up) -> None:
        self._adaptor.outbox.hasten()
        self._adaptor.fire(peer_handle(event.host), api.PeerUp(event.host))
        self._adaptor.watch.peer_up(event.host)

    def _on_down(self, event: Down) -> None:
        self._adaptor.fire(peer_handle(event.host), api.PeerDown(event.host, event.reason))
        self._adaptor.watch.peers()

    def _on_impostor(self, event: Impostor) -> None:
        self._adaptor.watch.impostor(event.host)

    def _on_restarted(self, event: Restarted) -> None:
        self._adaptor.fire(peer_handle(event.host), api.PeerRestarted(event.host))
        self._adaptor.clients.peer_restarted(event.host)
        self._adaptor.servers.peer_restarted(event.host)

    def _on_request(self, event: RequestReceived) -> None:
        message = event.message
        if message.command in (codes.RE_AUTH, codes.ABORT_SESSION):
            is_reauth = message.command == codes.RE_AUTH
            result = self._adaptor.clients.reauthorise(event) if is_reauth else self._adaptor.clients.abort(event)
            settings = self._adaptor.node.settings
            avps = (
                text(codes.SESSION_ID, message.session_id),
                u32(codes.RESULT_CODE, result),
                text(codes.ORIGIN_HOST, settings.identity),
                text(codes.ORIGIN_REALM, settings.realm),
            )
            self._adaptor.node.answer(message, event.host, event.connection, avps)
        elif message.command == codes.PUSH_NOTIFICATION:
            self._on_notification(event)
        else:
            self._adaptor.servers.request(event)

    def _on_notification(self, event: RequestReceived) -> None:
        settings = self._adaptor.node.settings
        avps = (
            text(codes.SESSION_ID, event.message.session_id),
            self._adaptor.user_data.notified(event),
            text(codes.ORIGIN_HOST, settings.identity),
            text(codes.ORIGIN_REALM, settings.realm),
            *ShReply(result=codes.SUCCESS).avps(),
        )
        self._adaptor.node.answer(event.message, event.host, event.connection, avps)

    def _on_answered(self, event: Answered) -> None:
        if isinstance(event.token, ShToken):
            self._adaptor.user_data.answered(event.token, event)
        else:
            self._adaptor.clients.answered(event)

    def _on_unanswered(self, event: Unanswered) -> None:
        if isinstance(event.token, ShToken):
            self._adaptor.user_data.unanswered(event.token, event)
        else:
            self._adaptor.clients.unanswered(event)
