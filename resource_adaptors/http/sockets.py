"""The open WebSockets of an entity: their activities, and what services send (HTTP-11)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from resource_adaptors.http import events
from resource_adaptors.http.census import unavailable
from resource_adaptors.http.message.errors import LocalProtocolError
from resource_adaptors.http.message.headers import STATUS_LINES
from resource_adaptors.http.protocol.frames import GOING_AWAY, INTERNAL_ERROR, LOST, TRY_AGAIN, Closed
from resource_adaptors.http.websocket import WebSocket
from resource_adaptors.http.websocket_events import WsClosed, WsMessage, WsOpened
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi import EventFlags

if TYPE_CHECKING:
    from resource_adaptors.http.commands import CloseSocket, OpenSocket, SendMessage
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.protocol.frames import Closer, Message
    from resource_adaptors.http.serving import Serving
    from resource_adaptors.http.sessions import Sessions
    from slee.spi import ResourceAdaptorContext

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)


class WebSockets:
    """Every WebSocket from its 101 to the end of its activity."""

    def __init__(self, context: ResourceAdaptorContext, serving: Serving, sessions: Sessions) -> None:
        self._context = context
        self._serving = serving
        self._sessions = sessions
        self.open: dict[Hashable, WebSocket] = {}
        self.coming: dict[Hashable, WebSocket] = {}
        """Those that services accept in transactions that have not ended."""
        self.left: dict[Hashable, WebSocket] = {}
        """Closed ones, as long as services may know their contexts."""
        serving.message_done = self.done

    # Commands.

    def prepare(self, exchange: Exchange, handle: Hashable) -> WebSocket:
        """Make the WebSocket of a request that a service accepts; messages can be sent behind the 101 at once."""
        socket = self.coming[handle] = WebSocket(exchange.connection, handle, exchange.session, self, self._serving)
        return socket

    def forget(self, handle: Hashable) -> None:
        """The delivery that accepted it rolled back."""
        del self.coming[handle]

    def begin(self, command: OpenSocket) -> None:
        """Answer a request with 101, and hand its connection over."""
        exchange, socket, serving = command.exchange, command.socket, self._serving
        connection, handle = exchange.connection, socket.handle
        del self.coming[handle]
        if exchange.gone or exchange.is_done:
            serving.counts.drop("answer_to_gone_client")
            self._miss(socket, "network")
            return
        if len(self.open) >= serving.limits.websockets:
            serving.limit_hit("websockets")
            self._miss(socket, "adaptor")
            serving.refuse(exchange, unavailable("websockets"))
            return
        exchange.status = 101
        exchange.is_done = True
        connection.write(b"".join((STATUS_LINES[101], serving.common(), exchange.extra, command.fields, b"\r\n")))
        self.open[handle] = socket
        socket.take_over(connection)
        if not self._fire(handle, WsOpened()) and not self._context.attached(handle):
            self.unreferenced(handle)  # the SLEE tells of that after an event, and there is none
        serving.conclude(exchange)
        if serving.is_stopping:
            socket.shutdown()

    def _miss(self, socket: WebSocket, by: Closer) -> None:
        """The client will not have it."""
        socket.is_ended = True
        self.left[socket.handle] = socket
        self._tell_closed(socket.handle, Closed(LOST, "", by))

    def send(self, command: SendMessage) -> None:
        """Send a message; one to a peer that has gone is dropped (as HTTP-18 has it)."""
        socket = command.socket
        socket.held -= command.octets
        if not socket.frames.is_open or socket.is_ended:
            self._serving.counts.drop("message_to_gone_client")
            return
        self._serving.counts.message("out")
        socket.send(command.message)
        if socket.was_refused and not socket.is_full:
            self.writable(socket)

    def close(self, command: CloseSocket) -> None:
        """Begin to close one."""
        command.socket.close(command.code, command.reason, "service")

    # What connections tell.

    def received(self, socket: WebSocket, message: Message) -> None:
        """Hand a message over; a service that receives none need not be asked."""
        self._serving.counts.message("in")
        if WsMessage not in self._serving.received:
            self._serving.counts.drop("unreceived_message")
            return
        event = WsMessage(text=message) if isinstance(message, str) else WsMessage(data=message)
        if self._fire(socket.handle, event, _OUTCOME):
            socket.unhandled += 1
        else:
            socket.fail(TRY_AGAIN, "overload")  # a message that is lost is not lost silently

    def writable(self, socket: WebSocket) -> None:
        """There is room again for what a service wants to send."""
        socket.was_refused = False
        self._fire(socket.handle, events.Writable())

    def closed(self, socket: WebSocket) -> None:
        """One is closed, by whomever."""
        if self.open.pop(socket.handle, None) is None:
            return
        self.left[socket.handle] = socket
        self._tell_closed(socket.handle, socket.closed)

    # What the SLEE tells.

    def done(self, handle: Hashable, failed: bool) -> None:
        """A message has been handled, or could not be."""
        socket = self.open.get(handle)
        if socket is None:
            return
        socket.unhandled -= 1
        socket.hand_over()
        if failed:
            socket.fail(TRY_AGAIN, "overload")

    def unreferenced(self, handle: Hashable) -> None:
        """Nobody is attached who could hear what comes: the peer is told (COM-8)."""
        socket = self.open.get(handle)
        if socket is not None and not socket.is_closing:
            self._serving.counts.drop("unattended_websocket")
            socket.close(INTERNAL_ERROR, "no service", "adaptor")

    def remove(self, handle: Hashable) -> bool:
        """An operator ends it: say goodbye, and wait for nothing (COM-6); `False` if it is no WebSocket."""
        socket = self.open.get(handle)
        if socket is None:
            return False
        socket.fail(GOING_AWAY, "removed by an operator")
        return True

    def stop(self) -> None:
        """The adaptor stops: every peer is told to go elsewhere (COM-18)."""
        for socket in tuple(self.open.values()):
            socket.shutdown()

    def look(self, now: float) -> None:
        """Keep the sessions of open ones, and forget those that nobody knows any more."""
        for socket in self.open.values():
            if socket.session is not None:
                self._sessions.use(socket.session, now)
        for handle in [h for h in self.left if self._context.activity_context(h) is None]:
            del self.left[handle]

    def of(self, handle: Hashable, what: str) -> WebSocket:
        """The WebSocket behind a handle; `LocalProtocolError` if it is none, or its activity has ended."""
        socket = self.open.get(handle) or self.coming.get(handle) or self.left.get(handle)
        if socket is None:
            raise LocalProtocolError(f"{what}: it is no WebSocket, or its activity has ended [HTTP-11, COM-4]")
        return socket

    # Events.

    def _tell_closed(self, handle: Hashable, how: Closed) -> None:
        self._serving.counts.socket_closed(how)
        self._fire(handle, WsClosed(how.code, how.reason, how.by))
        if self._context.activity_context(handle) is not None:
            self._context.endpoint.end_activity(handle)

    def _fire(self, handle: Hashable, event: object, flags: int = 0) -> bool:
        if type(event) not in self._serving.received:
            return False
        try:
            self._context.endpoint.fire(handle, event, None, None, flags)
        except (ActivityError, FireEventError, InvalidStateError):
            self._serving.counts.drop("unfired")
            return False
        return True
