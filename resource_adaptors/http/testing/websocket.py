"""The client's side of a WebSocket, for tests of services: what `HttpClient.websocket` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from websockets.protocol import Side

from resource_adaptors.http.protocol.frames import Closed, Frames, Message

if TYPE_CHECKING:
    from resource_adaptors.http.testing.answers import Pending
    from resource_adaptors.http.testing.client import HttpClient

_LONGEST: Final = 16 * 1024 * 1024
_SWITCHED: Final = b"HTTP/1.1 101 "


class SocketClient:
    """A client that asks for a WebSocket, and speaks on it once a service has accepted.

    It behaves: it answers pings and close frames. For one that does not, send octets with `HttpClient.send`.
    """

    def __init__(self, client: HttpClient, start: int, pending: Pending) -> None:
        self.client = client
        self.answer: Final = pending
        """What the server has answered, if that was no 101."""
        self.is_silent = False
        """Set it for a client that is there and answers nothing, not even a ping."""
        self._frames = Frames(_LONGEST, Side.CLIENT)
        self._place = start
        self._head: dict[str, str] | None = None
        self._received: list[Message] = []

    @property
    def is_accepted(self) -> bool:
        """Whether the server has answered 101."""
        self.client.settle()
        return self._head is not None

    @property
    def status(self) -> int:
        """Status of the answer: 101 if the service has accepted; `AssertionError` if there is none yet."""
        return 101 if self.is_accepted else self.answer.status

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen."""
        return self.header("sec-websocket-protocol")

    def header(self, name: str) -> str | None:
        """A field of the 101."""
        assert self.is_accepted, "the server has not accepted the WebSocket"
        return (self._head or {}).get(name.lower())

    @property
    def messages(self) -> list[Message]:
        """Every message received so far: text as `str`, octets as `bytes`."""
        self.client.settle()
        return list(self._received)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.is_accepted and self._frames.is_open and not self.client.is_closed

    @property
    def closed(self) -> Closed:
        """The code and reason that came first, and whose they are: `peer` is the server, `service` the test."""
        assert not self.is_open, "it is open"
        return self._frames.closed

    def send(self, message: Message) -> None:
        """Send a message."""
        assert self.is_open, "it is not open"
        self._frames.send(message)
        self._flush()

    def ping(self) -> None:
        """Ask the server whether it is there."""
        self._frames.ping()
        self._flush()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake."""
        assert self.is_open, "it is not open"
        self._frames.close(code, reason, "service")
        self._flush()

    def disconnect(self) -> None:
        """Cut the connection, without a close frame."""
        self.client.disconnect()

    def read(self) -> bool:
        """Take what has been written to the client, and answer it; `False` if there was nothing."""
        self.client.transmit(b"")
        data = bytes(self.client.transport.written[self._place :])
        if self._head is None:
            if not data.startswith(_SWITCHED) or b"\r\n\r\n" not in data:
                return False
            head, _, data = data.partition(b"\r\n\r\n")
            lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
            self._head = {name.lower(): value.strip() for name, _, value in lines}
        self._place = len(self.client.transport.written)
        if not data or self.is_silent:
            return False
        self._received += self._frames.receive(data)
        if answer := self._frames.take():
            self.client.transmit(answer)
        if self._frames.is_concluded:
            self.client.transport.close()
        return True

    def _flush(self) -> None:
        self.client.transmit(self._frames.take())
        self.client.settle()
