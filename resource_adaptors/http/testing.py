"""HTTP for service tests: the adaptor itself without a socket, clients that speak to it, and servers that it asks.

with SleeHarness() as slee:
    http = slee.add_resource("http-main", HttpSimulator())
    slee.install(ClickToDial)
    answer = http.client().post("/calls", json={"to": "sip:bob@example.test"})
    assert answer.status == 201
    http.calls[0].answer(200, b"{}")        # a request that the service has made
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
import uvicorn
from uvicorn.server import ServerState

from resource_adaptors.http.adaptor import HttpAdaptor
from resource_adaptors.http.config import ClientSection
from resource_adaptors.http.connection import Connection
from resource_adaptors.http.outgoing import Done, Sender, Told
from resource_adaptors.http.protocol.calls import Call, Failure, Opened, Outcome, Reply

HOST: Final = "slee.example.test"
"""Host that clients name unless told otherwise."""


class MemoryTransport(asyncio.Transport):
    """A connection made of memory; the test reads what was written."""

    def __init__(self, simulator: HttpSimulator, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer})
        self._simulator = simulator
        self.written = bytearray()
        self.is_full = False
        """Set it with `HttpClient.stall`: nothing is taken any more."""
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self._closing:
            self.written += data

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._simulator.closing.append(self)

    def abort(self) -> None:
        self.close()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The peer sees the end of what is written."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The buffer has no limit."""

    def pause_reading(self) -> None:
        """The test sends nevertheless."""

    def resume_reading(self) -> None:
        """The test sends whenever it likes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client has received for one request."""

    status: int
    headers: list[tuple[str, str]]
    """Names in lower case."""
    body: bytes
    is_complete: bool = True

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self) -> Any:
        """The body's JSON value."""
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()


@dataclass(slots=True)
class Pending:
    """A request that a client has sent; it may be answered later."""

    client: HttpClient
    place: int

    @property
    def answer(self) -> Answer:
        """Its answer, `AssertionError` if there is none yet."""
        answers = self.client.answers
        assert self.place < len(answers), f"no answer yet; received {bytes(self.client.transport.written)!r}"
        return answers[self.place]

    @property
    def is_answered(self) -> bool:
        """Whether the whole answer has come."""
        answers = self.client.answers
        return self.place < len(answers) and answers[self.place].is_complete

    @property
    def status(self) -> int:
        """Status of the answer."""
        return self.answer.status

    @property
    def body(self) -> bytes:
        """Body of the answer, as far as it has come."""
        return self.answer.body

    @property
    def text(self) -> str:
        """Body of the answer as text."""
        return self.answer.text

    def json(self) -> Any:
        """JSON value of the answer's body."""
        return self.answer.json()

    def header(self, name: str) -> str | None:
        """The first value of a field of the answer."""
        return self.answer.header(name)


class HttpClient:
    """One connection to the adaptor, under the test's control."""

    def __init__(self, simulator: HttpSimulator, peer: tuple[str, int]) -> None:
        self._simulator = simulator
        self.transport = MemoryTransport(simulator, peer)
        self.connection = simulator.connect(self.transport)
        self.cookies: dict[str, str] = {}
        """Sent with every request; those of answers are not kept by themselves."""
        self._methods: list[str] = []

    def send(self, data: bytes) -> None:
        """Send octets as they are."""
        if not self.transport.is_closing():
            self.connection.data_received(data)
        self._simulator.settle()

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
        self.connection.pause_writing()

    def drain(self) -> None:
        """Take what has waited."""
        self.connection.resume_writing()
        self._simulator.settle()

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection."""
        return self.transport.is_closing()

    @property
    def answers(self) -> list[Answer]:
        """Everything received, in order; 100 and other provisional answers are left out."""
        return parse_answers(bytes(self.transport.written), self._methods, is_closed=self.is_closed)


def parse_answers(data: bytes, methods: Sequence[str], *, is_closed: bool = True) -> list[Answer]:
    """The answers in what a client has received; the last one may be incomplete."""
    answers: list[Answer] = []
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        status = int(start.split(" ")[1])
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        if status < 200:
            continue
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        fields = dict(headers)
        is_complete = True
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif "transfer-encoding" in fields:
            body, data, is_complete = _unchunk(data)
        elif "content-length" in fields:
            length = int(fields["content-length"])
            body, data, is_complete = data[:length], data[length:], len(data) >= length
        else:
            body, data, is_complete = data, b"", is_closed
        answers.append(Answer(status, headers, body, is_complete))
    return answers


def _unchunk(data: bytes) -> tuple[bytes, bytes, bool]:
    """Body, what follows it, and whether its end has come."""
    body = b""
    while b"\r\n" in data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body, rest.partition(b"\r\n")[2], True
        body += rest[:length]
        data = rest[length + 2 :]
    return body, b"", False


@dataclass(slots=True)
class MadeCall:
    """A request that a service has made, waiting for the test to answer it."""

    call: Call
    _done: Done
    _told: Told
    is_over: bool = False
    """Answered, failed or given up."""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def answer(self, status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer it."""
        self._end(Reply(status, tuple((name.lower(), value) for name, value in headers), body))

    def open(self, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Begin to answer a request with `stream=True`; `piece` goes on, and `answer` or `fail` ends it."""
        self._told(Opened(status, tuple((name.lower(), value) for name, value in headers)))

    def piece(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._told(data)

    def fail(self, reason: str) -> None:
        """Let it fail, for one of `api.REASONS`."""
        self._end(Failure(reason))

    def _end(self, outcome: Outcome) -> None:
        assert not self.is_over, f"{self.call.method} {self.call.url} is answered or was given up"
        self.is_over = True
        self._done(outcome)


class RecordingSender:
    """Keeps the tries of requests instead of making them."""

    def __init__(self) -> None:
        self.calls: list[MadeCall] = []

    def send(self, call: Call, done: Done, told: Told) -> Callable[[], None]:
        """Keep a try."""
        made = MadeCall(call, done, told, headers={name.lower(): value for name, value in call.headers})
        self.calls.append(made)

        def cancel() -> None:
            made.is_over = True

        return cancel

    def take(self, settings: ClientSection) -> None:
        """Nothing of it matters to what is only kept."""

    def close(self) -> None:
        """There is nothing to close."""


class HttpSimulator(HttpAdaptor):
    """The HTTP adaptor on connections made of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.closing: list[MemoryTransport] = []
        """Transports that were closed and whose connections have not been told."""
        self._recording = RecordingSender()
        self._config = uvicorn.Config(_nothing, lifespan="off", log_config=None)
        self._connections: dict[MemoryTransport, Connection] = {}
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
        """Tell connections that they are closed, as the event loop would."""
        while self.closing:
            transport = self.closing.pop(0)
            connection = self._connections.pop(transport)
            connection.connection_lost(None)

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
