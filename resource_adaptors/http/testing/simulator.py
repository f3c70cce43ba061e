"""The HTTP adaptor on connections made of memory."""

from __future__ import annotations

import asyncio
from typing import cast

import uvicorn
from uvicorn.server import ServerState

from resource_adaptors.http.adaptor import HttpAdaptor
from resource_adaptors.http.connection import Connection
from resource_adaptors.http.outgoing import Sender
from resource_adaptors.http.testing.client import HttpClient
from resource_adaptors.http.testing.sender import MadeCall, RecordingSender
from resource_adaptors.http.testing.transport import MemoryTransport
from resource_adaptors.http.testing.websocket import SocketClient
from resource_adaptors.http.websocket import WebSocket


class HttpSimulator(HttpAdaptor):
    """The HTTP adaptor on connections made of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.closing: list[MemoryTransport] = []
        """Transports that were closed and whose connections have not been told."""
        self._recording = RecordingSender()
        self._config = uvicorn.Config(_nothing, ws="none", lifespan="off", log_config=None)
        self._connections: dict[MemoryTransport, Connection] = {}
        self.websockets: list[SocketClient] = []
        """The WebSockets of clients, in the order in which they were asked for."""
        self._clients = 0

    @property
    def calls(self) -> list[MadeCall]:
        """Every try of a request that services have made, in order."""
        return self._recording.calls

    def client(self, host: str = "198.51.100.7") -> HttpClient:
        """A client with a connection of its own."""
        self._clients += 1
        return HttpClient(self, (host, 40_000 + self._clients))

    def connect(self, transport: MemoryTransport) -> Connection:
        """Have the adaptor accept a connection."""
        loop = cast("asyncio.AbstractEventLoop", _NoLoop())
        connection = Connection(self.serving, self._config, ServerState(), {}, loop)
        self._connections[transport] = connection
        connection.connection_made(transport)
        return connection

    def settle(self) -> None:
        """Tell connections what has happened, as the event loop would, and let WebSockets answer."""
        while self._has_closed() or any(socket.read() for socket in self.websockets):
            """Something has happened."""

    def _has_closed(self) -> bool:
        is_any = bool(self.closing)
        while self.closing:
            transport = self.closing.pop(0)
            connection: Connection | WebSocket = self._connections.pop(transport)
            if isinstance(transport.protocol, WebSocket):
                connection = transport.protocol
            connection.connection_lost(None)
        return is_any

    def perform(self, command: object) -> None:
        super().perform(command)
        self.settle()

    def tick(self, now: float) -> None:
        super().tick(now)
        self.settle()

    def ra_inactive(self) -> None:
        for transport in tuple(self._connections):
            transport.close()
        super().ra_inactive()
        self.settle()

    def _sender(self) -> Sender:
        return self._recording

    def _open_listeners(self) -> None:
        """Clients connect by `client`."""


class _NoLoop:
    """Stands where uvicorn expects a loop that is not used here."""


async def _nothing(scope: object, receive: object, send: object) -> None:
    """Never called."""
