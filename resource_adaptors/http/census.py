"""The open connections, and how many there may be (HTTP-13, HTTP-41)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.http.message.errors import RemoteProtocolError
from slee.api.alarm import AlarmID, AlarmLevel

if TYPE_CHECKING:
    from resource_adaptors.http.connection import Connection
    from resource_adaptors.http.serving import Serving
    from resource_adaptors.http.websocket import WebSocket
    from slee.spi import ResourceAdaptorContext

_ALARM: Final = "http.connection_limit"
_RELIEF: Final = 0.9
"""Share of the limit below which the alarm is cleared."""
RETRY_LATER: Final = (("Retry-After", "10"),)


def unavailable(code: str) -> RemoteProtocolError:
    """There is no room for new work, or it is not taken any more (COM-10)."""
    return RemoteProtocolError(503, code, "Try again later.", headers=RETRY_LATER, close=True)


class Census:
    """Counts connections in and out."""

    def __init__(self, context: ResourceAdaptorContext, serving: Serving) -> None:
        self._context = context
        self._serving = serving
        self.connections: dict[Connection | WebSocket, None] = {}
        self._sources: dict[str, int] = {}
        self._alarm: AlarmID | None = None

    def opened(self, connection: Connection) -> RemoteProtocolError | None:
        """Count a connection in; an error refuses it."""
        serving, host = self._serving, connection.source.host
        limits = serving.limits
        self.connections[connection] = None
        self._sources[host] = count = self._sources.get(host, 0) + 1
        serving.counts.connections += 1
        if count > limits.connections_per_source and not connection.is_forwarder:
            serving.limit_hit("connections_per_source")
            return RemoteProtocolError(429, "connections", "Too many connections.", headers=RETRY_LATER, close=True)
        if len(self.connections) > limits.connections:
            serving.limit_hit("connections")
            self._raise()
            return unavailable("connections")
        return None

    def replace(self, connection: Connection, socket: WebSocket) -> None:
        """A WebSocket has taken a connection over; it is still one of its source."""
        del self.connections[connection]
        self.connections[socket] = None

    def closed(self, connection: Connection | WebSocket) -> None:
        """Count a connection out."""
        host = connection.source.host
        self.connections.pop(connection, None)
        left = self._sources.get(host, 1) - 1
        if left:
            self._sources[host] = left
        else:
            self._sources.pop(host, None)
        if self._alarm is not None and len(self.connections) < _RELIEF * self._serving.limits.connections:
            self._context.alarms.clear(self._alarm)
            self._alarm = None

    def _raise(self) -> None:
        if self._alarm is None:
            text = f"all {self._serving.limits.connections} connections are in use; further clients get 503"
            self._alarm = self._context.alarms.raise_alarm(_ALARM, "server", level=AlarmLevel.MAJOR, message=text)
