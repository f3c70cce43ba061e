"""Events and activities of WebSocket (HTTP-11, HTTP-17)."""

from __future__ import annotations

import msgspec

from resource_adaptors.http.message.request import Request
from slee.api.event import event_type


class WebSocketActivity(msgspec.Struct, frozen=True):
    """Activity of an open WebSocket; ends when either side closes it, or the connection is lost.

    It lives as long as somebody is attached: one without is closed with 1011.
    """

    request: Request
    """The request that it began with: its route, fields, principal and session."""
    subprotocol: str | None = None
    """The one of the route's subprotocols that is spoken."""

    def __repr__(self) -> str:
        return f"WebSocket {self.request.route}"


@event_type("http.WsRequest", vendor="slee", version="1.0")
class WsRequest:
    """A client asks for a WebSocket, on a RequestActivity: accept it with `open_socket`, or answer it with a status."""

    request: Request


@event_type("http.WsOpened", vendor="slee", version="1.0")
class WsOpened:
    """The upgrade has been answered: messages go both ways."""


@event_type("http.WsMessage", vendor="slee", version="1.0")
class WsMessage:
    """The client has sent a message, whole, however it was cut into frames."""

    text: str | None = None
    """What was sent as text; `None` if it was sent as octets."""
    data: bytes | None = None
    """What was sent as octets; `None` if it was sent as text."""


@event_type("http.WsClosed", vendor="slee", version="1.0")
class WsClosed:
    """The WebSocket is closed, whoever did it; nothing further comes but the end of its activity."""

    code: int
    """Of the close frame that came first; 1005 if it had none, 1006 if there was no such frame (RFC 6455 7.4.1)."""
    reason: str
    by: str
    """`peer`, `service`, `adaptor` (limits, bad frames, stopping) or `network`."""
