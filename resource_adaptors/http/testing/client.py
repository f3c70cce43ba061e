"""A client under the test's control: requests, octets as they are, WebSockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from resource_adaptors.http.connection import Connection
from resource_adaptors.http.testing.answers import Answer, Pending, parse_answers
from resource_adaptors.http.testing.transport import MemoryTransport
from resource_adaptors.http.testing.websocket import SocketClient
from resource_adaptors.http.websocket import WebSocket

if TYPE_CHECKING:
    from resource_adaptors.http.testing.simulator import HttpSimulator

HOST: Final = "slee.example.test"
"""Host that clients name unless told otherwise."""
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""What the handshakes of all clients say: a test is the same in every run."""


class HttpClient:
    """One connection to the adaptor, under the test's control."""

    def __init__(self, simulator: HttpSimulator, peer: tuple[str, int]) -> None:
        self._simulator = simulator
        self.transport = MemoryTransport(simulator, peer)
        self.connection = simulator.connect(self.transport)
        self.cookies: dict[str, str] = {}
        """Sent with every request; those of answers are not kept by themselves."""
        self._methods: list[str] = []
        self._waiting = bytearray()

    def send(self, data: bytes) -> None:
        """Send octets as they are."""
        self.transmit(data)
        self.settle()

    def transmit(self, data: bytes) -> None:
        """Send octets, and let nothing follow from them yet."""
        if not self.transport.is_closing():
            self._waiting += data
        protocol = self._protocol
        if self._waiting and not (self.transport.is_paused and isinstance(protocol, WebSocket)):
            data, self._waiting = bytes(self._waiting), bytearray()
            protocol.data_received(data)

    @property
    def _protocol(self) -> Connection | WebSocket:
        """Who has the connection now."""
        protocol = self.transport.protocol
        return protocol if isinstance(protocol, WebSocket) else self.connection

    def settle(self) -> None:
        """Let everything follow from what was sent."""
        self._simulator.settle()

    def websocket(
        self,
        target: str,
        *,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> SocketClient:
        """Ask for a WebSocket; `origin` is what a browser names for the page that asks."""
        named = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), *headers]
        named.append(("Sec-WebSocket-Key", _KEY))
        if subprotocols:
            named.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
        if origin is not None:
            named.append(("Origin", origin))
        start = len(self.transport.written)
        socket = SocketClient(self, start, self.request("GET", target, headers=named))
        self._simulator.websockets.append(socket)
        self.settle()
        return socket

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        json: object = None,
    ) -> Pending:
        """Send a request; its length and, for JSON, its type are added."""
        named = list(headers)
        if json is not None:
            body = msgspec.json.encode(json)
            named.append(("Content-Type", "application/json"))
        if not any(name.lower() == "host" for name, _ in named):
            named.insert(0, ("Host", HOST))
        if body or method in ("POST", "PUT", "PATCH"):
            named.append(("Content-Length", str(len(body))))
        if self.cookies:
            named.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
            if not any(name.lower() == "origin" for name, _ in named):  # as a browser does, from a page of this server
                named.append(("Origin", f"http://{dict(named)['Host']}"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in named)
        self._methods.append(method)
        self.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        return Pending(self, len(self._methods) - 1)

    def get(self, target: str, **given: Any) -> Pending:
        """Send a GET."""
        return self.request("GET", target, **given)

    def post(self, target: str, **given: Any) -> Pending:
        """Send a POST."""
        return self.request("POST", target, **given)

    def disconnect(self) -> None:
        """Close the connection from the client's side."""
        self.transport.close()
        self._simulator.settle()

    def stall(self) -> None:
        """Take nothing any more: what is written to the client waits from now on."""
        self.transport.is_full = True
        self._protocol.pause_writing()

    def drain(self) -> None:
        """Take what has waited."""
        self.transport.take_all()
        self._protocol.resume_writing()
        self._simulator.settle()

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection."""
        return self.transport.is_closing()

    @property
    def answers(self) -> list[Answer]:
        """Everything received, in order; 100 and other provisional answers are left out."""
        return parse_answers(bytes(self.transport.written), self._methods, is_closed=self.is_closed)
