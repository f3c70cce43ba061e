"""What SBBs call on WebSockets; a part of the interface `Http` (HTTP-11)."""

from __future__ import annotations

from collections.abc import Sequence

from slee.api.activity import ActivityContext
from slee.spi import ResourceInterface, command, opening_command, query


class WebSocketCalls(ResourceInterface):
    """Accept, send, close: carried out after the handler's transaction has committed, in the order of the calls."""

    @opening_command
    def open_socket(self, aci: ActivityContext, *, headers: Sequence[tuple[str, str]] = ()) -> ActivityContext:
        """Accept a `WsRequest`, and return the context of its WebSocketActivity: attach to it.

        Messages can be sent on it in the same handler. To deny the request, answer it with `respond` or `problem`.

        Args:
            aci: the request's context.
            headers: further header fields of the 101.

        Raises:
            LocalProtocolError: the request asks for no WebSocket, or was answered already.
        """
        raise NotImplementedError

    @query
    def is_writable(self, aci: ActivityContext) -> bool:
        """Whether `send_message` would take a message: the WebSocket is open, and its buffer is not full."""
        raise NotImplementedError

    @command
    def send_message(self, aci: ActivityContext, message: str | bytes) -> None:
        """Send a message on a WebSocket: text as text, octets as binary.

        One to a client that has gone is dropped: `WsClosed` tells of it.

        Raises:
            LocalProtocolError: `limits.unsent` octets wait to be sent already: go on at `Writable`; or the service has
                closed it, or its activity has ended.
        """
        raise NotImplementedError

    @command
    def close_socket(self, aci: ActivityContext, code: int = 1000, reason: str = "") -> None:
        """Close a WebSocket; what was sent before goes out first, and `WsClosed` follows.

        Args:
            aci: context of a WebSocketActivity.
            code: 1000, or another that may be sent (RFC 6455 7.4); 3000 to 4999 are for you to define.
            reason: at most 123 octets of UTF-8.
        """
        raise NotImplementedError
