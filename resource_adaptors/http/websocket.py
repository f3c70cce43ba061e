"""A WebSocket's connection: takes the transport over from the HTTP connection whose request it began with (HTTP-11)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from resource_adaptors.http.protocol.frames import GOING_AWAY, Closed, Closer, Frames, Message

if TYPE_CHECKING:
    from collections.abc import Hashable

    from resource_adaptors.http.connection import Connection
    from resource_adaptors.http.serving import Serving
    from resource_adaptors.http.sockets import WebSockets

_LINGER: Final = 2.0
"""Seconds that a peer has to close its end after the last frame, before the connection is cut."""
_MOST_PINGS: Final = 2
"""Pings without an answer after which a peer is taken for dead (as SIP-44 has it)."""


class WebSocket(asyncio.BufferedProtocol):
    """One open WebSocket. No task belongs to it: what a service sends is written at the commit."""

    def __init__(
        self, connection: Connection, handle: Hashable, session: Hashable, sockets: WebSockets, serving: Serving
    ) -> None:
        """Stand by; `take_over` begins."""
        self.handle = handle
        self.source = connection.source
        self.is_forwarder = connection.is_forwarder
        self.transport = connection.transport
        self.session = session
        """Handle of the session that its request belongs to."""
        self.held = 0
        """Octets of messages that services have sent in transactions that have not ended."""
        self.was_refused = False
        """A service was told that the buffer is full, and waits for `Writable`."""
        self.unhandled = 0
        """Messages handed over that no handler has finished with."""
        self.is_closing = False
        """A service has asked to close it."""
        self.is_ended = False
        """Services have been told that it is closed."""
        self.frames = Frames(serving.limits.websocket_message)
        self._backlog: deque[Message] = deque()
        """Messages received and not handed over: those of the last read at most."""
        self._server_connections = connection.connections
        self._serving = serving
        self._sockets = sockets
        self._heard = serving.moment
        self._pings = 0
        self._is_full = False
        """The peer does not take what is written."""
        self._is_paused = False
        self._stalled_since = 0.0
        self._closing_since = 0.0
        self._lingering_since = 0.0

    def take_over(self, connection: Connection) -> None:
        """Have the connection's transport, which has been sent the 101."""
        connection.current = None
        self._server_connections.discard(connection)
        self._server_connections.add(self)  # type: ignore[arg-type]  # uvicorn calls `shutdown` on what is in there
        self._serving.census.replace(connection, self)
        self.transport.set_protocol(self)

    @property
    def closed(self) -> Closed:
        """How it was closed."""
        return self.frames.closed

    @property
    def is_full(self) -> bool:
        """Whether as much waits to be sent as may."""
        return self.transport.get_write_buffer_size() + self.held >= self._serving.limits.unsent

    def release(self, octets: int) -> None:
        """A transaction that had sent something rolled back."""
        self.held -= octets

    def stay_open(self) -> None:
        """The delivery that closed it rolled back."""
        self.is_closing = False

    # The transport.

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._serving.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._serving.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Hand over the messages that are complete."""
        if self.is_ended:
            return
        self._heard = self._serving.now()
        self._pings = 0
        self._backlog += self.frames.receive(data)
        self.hand_over()
        self.flush()
        self._serving.read_all()

    def pause_writing(self) -> None:
        self._is_full = True
        self._stalled_since = self._serving.now()
        self.pace()

    def resume_writing(self) -> None:
        self._is_full = False
        self._stalled_since = 0.0
        self.pace()
        self._sockets.writable(self)
        self._serving.read_all()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_connections.discard(self)
        self._serving.closed(self)
        self._serving.now()
        self._finish()
        self.frames.drop()
        self._serving.read_all()

    def hand_over(self) -> None:
        """Hand over as many messages as may wait for their handlers."""
        backlog, most = self._backlog, self._serving.limits.unhandled_messages
        while backlog and self.unhandled < most:
            self._sockets.received(self, backlog.popleft())
        self.pace()

    def pace(self) -> None:
        """Read only as fast as services handle messages, and as the peer takes the answers to its pings."""
        is_busy = self._is_full or self.unhandled >= self._serving.limits.unhandled_messages
        is_paused = is_busy and not self.is_ended
        if is_paused == self._is_paused or self.transport.is_closing():
            return
        self._is_paused = is_paused
        if is_paused:
            self.transport.pause_reading()
        else:
            self._heard = self._serving.moment
            self.transport.resume_reading()

    # What is written.

    def send(self, message: Message) -> None:
        """Send a message."""
        self.frames.send(message)
        self.flush()

    def close(self, code: int, reason: str, by: Closer) -> None:
        """Begin the closing handshake; the peer has some time to answer."""
        if self.frames.is_open:
            self.frames.close(code, reason, by)
            self._closing_since = self._serving.moment
            self.flush()

    def fail(self, code: int, reason: str) -> None:
        """Close without waiting for an answer; what has not been handed over is dropped."""
        self._backlog.clear()
        self.frames.fail(code, reason)
        self.flush()

    def flush(self) -> None:
        """Write what there is, and end if it was the last of it."""
        data = self.frames.take()
        if data and not self.transport.is_closing():
            self.transport.write(data)
        if self.frames.is_over and not self.is_ended:
            self._end()

    def _end(self) -> None:
        self._finish()
        self.pace()
        can_half_close = self.transport.can_write_eof()  # TLS cannot
        if self.frames.is_concluded and not can_half_close:
            self.transport.close()
            return
        self._lingering_since = self._serving.now()  # what the peer is still sending would else cost it our last frame
        if can_half_close:
            self.transport.write_eof()

    def _finish(self) -> None:
        """Tell services that it is closed, after all that has come before."""
        while self._backlog:
            self._sockets.received(self, self._backlog.popleft())
        if not self.is_ended:
            self.is_ended = True
            self._sockets.closed(self)

    def shutdown(self) -> None:
        """The listener closes."""
        self.close(GOING_AWAY, "going away", "adaptor")

    def cut(self) -> None:
        """Close the connection, whatever it is doing."""
        self.transport.abort()

    # Time.

    def look(self, now: float) -> None:
        """Have time limits looked at, about once a second."""
        serving = self._serving
        if self.was_refused and not self.is_full:
            self._sockets.writable(self)
        if self._stalled_since and now - self._stalled_since >= serving.limits.stalled:
            serving.limit_hit("stalled")
            self.transport.abort()
        elif self._lingering_since:
            if now - self._lingering_since >= _LINGER:
                self.transport.abort()
        elif self._closing_since:
            if now - self._closing_since >= serving.settings.deadlines.websocket_close:
                serving.limit_hit("websocket_close")
                self.transport.abort()
        elif not self._is_paused:
            self._ask(now)

    def _ask(self, now: float) -> None:
        """A peer that has been silent for a while is asked whether it is there."""
        serving = self._serving
        if now - self._heard < serving.settings.deadlines.websocket_ping * (self._pings + 1):
            return
        if self._pings == _MOST_PINGS:
            serving.limit_hit("websocket_ping")
            self.transport.abort()
            return
        self._pings += 1
        self.frames.ping()
        self.flush()
