"""A connection of the server: uvicorn's protocol on httptools, held to the rules that it leaves open (HTTP-1 to 13).

The parser's callbacks make exchanges; a complete one goes straight to the adaptor, within the reader's callback. There
is no task, future or queue for a request: what answers it writes to the transport (docs/adr/0016).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.head import judge_head, malformed, too_large
from resource_adaptors.http.message.certificate import certificate_names
from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.request import Source
from resource_adaptors.http.protocol.routes import KNOWN_METHODS
from resource_adaptors.http.protocol.upgrade import is_asked

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from resource_adaptors.http.gate import Gate
    from resource_adaptors.http.message.coding import Inflater

_METHODS: Final = {method.encode(): method for method in KNOWN_METHODS}
_LINGER: Final = 2.0
"""Seconds that a refused client has to read its answer before the connection is cut."""


class Connection(HttpToolsProtocol, asyncio.BufferedProtocol):
    """One client's connection, read into a buffer that all share: asyncio would allocate 256 KiB for every read."""

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(
        self,
        gate: Gate,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any] | None = None,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state or {}, _loop)
        self.parser = httptools.HttpRequestParser(self)  # a new one: without the leniency that uvicorn asks for
        self.gate = gate
        self.url = b""
        self.source = Source("", 0)
        self.is_forwarder = False
        """It may say whom it asks for."""
        self.certificate_names: frozenset[str] = frozenset()
        """Names in the client's certificate, such as `DNS:pbx.example.net`."""
        self.idle_since = 0.0
        """When it last had nothing to do."""
        self.head_since = 0.0
        """When the header section that is being received began."""
        self.lingering_since = 0.0
        """Since when a refused client has time to read its answer; 0 if none does."""
        self.version = "1.1"
        self.requests = 0
        self.is_ending = False
        """The answer being written is the last one."""
        self.is_deaf = False
        """What comes further is not read."""
        self.incoming: Exchange | None = None
        """The request whose body is being received."""
        self.current: Exchange | None = None
        """The request that is being answered."""
        self.queue: deque[Exchange] = deque()
        """Requests behind it, in order."""
        self.stalled_since = 0.0
        """Since when the peer has taken nothing of what waits to be sent; 0 while it does."""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_octets = 0
        self._head_bound = 0
        """The header section that is being received has at most so many octets."""
        self._trailer_octets = 0
        self._in_head = True
        self._piece = 0
        """Octets of what is being read."""
        self._refusal: RemoteProtocolError | None = None
        self._opening = b""

    # The transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.flow = FlowControl(self.transport)
        peer = get_remote_addr(self.transport) or ("", 0)
        self.source = Source(peer[0], peer[1], "https" if is_ssl(self.transport) else "http")
        self.certificate_names = certificate_names(self.transport.get_extra_info("peercert"))
        self.transport.set_write_buffer_limits(high=self.gate.limits.unsent)
        self.is_forwarder = self.gate.is_forwarder(self.source.host)
        self.connections.add(self)
        self.idle_since = self.gate.now()
        refusal = self.gate.opened(self)
        if refusal is not None:
            self._give_up(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self.is_deaf = True
        self.gate.closed(self)
        left = [exchange for exchange in (self.current, self.incoming, *self.queue) if exchange is not None]
        self.current = self.incoming = None
        self.queue.clear()
        for exchange in left:
            if exchange.is_done or exchange.gone:
                continue
            exchange.gone = True
            self.gate.gone(exchange)
        self.gate.read_all()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.gate.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.gate.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self.is_deaf:
            self._drop_early()
            return
        self.gate.now()
        if not self.requests and len(self._opening) < 16:
            self._opening += data[:16]
        octets = self._piece = len(data)
        if self._in_head:
            self._head_octets += octets
            self._head_bound += octets
        else:
            self._head_bound = octets
        self._read(data, octets)
        self.gate.read_all()

    def _read(self, data: bytes, octets: int) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as halt:
            self.is_deaf = self.is_ending = True  # unless it is WebSocket, the answer is HTTP; no request follows
            if halt.args[0] < octets:
                self._drop_early()
        except httptools.HttpParserError as error:
            self._fail(error)
        else:
            if self._in_head and self._head_octets > self.gate.limits.request_line + self.gate.limits.header_section:
                self._give_up(too_large(self.gate, 431, "header_section"))

    def _drop_early(self) -> None:
        """Cut a client off that sends on its WebSocket before it has the 101 (RFC 6455 4.1)."""
        last = self.queue[-1] if self.queue else self.current
        if last is not None and last.upgrade is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        self.flow.pause_writing()
        self.stalled_since = self.gate.now()

    def resume_writing(self) -> None:
        self.flow.resume_writing()
        self.stalled_since = 0.0
        if self.current is not None and not self.current.is_done:
            self.gate.writable(self.current)
            self.gate.read_all()

    def shutdown(self) -> None:
        """The listener closes: nothing more is read; what is being answered is answered."""
        self.is_ending = True
        if self.current is None and self.incoming is None and not self.lingering_since:
            self.cut()

    def cut(self) -> None:
        """Close the connection, whatever it is doing."""
        self.is_deaf = True
        self.transport.close()

    # The parser.

    def on_message_begin(self) -> None:
        self.url = b""
        self._fields = []
        self._in_head = True
        self.head_since = self.gate.moment
        if len(self.queue) + (self.current is not None) >= self.gate.limits.pipelined:
            self._refuse(too_large(self.gate, 429, "pipelined"))

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) + len(" HTTP/1.1\r\nGET ") > self.gate.limits.request_line:
            self._refuse(too_large(self.gate, 414, "request_line"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._fields.append((name.lower(), value))
            return
        self._trailer_octets += len(name) + len(value) + 4  # counted, and never mixed with the header section
        if self._trailer_octets > self.gate.limits.trailers:
            self._refuse(too_large(self.gate, 431, "trailers"))

    def on_headers_complete(self) -> None:
        parser, gate, fields = self.parser, self.gate, self._fields
        limits = gate.limits
        self._in_head = False
        self._head_octets = self._trailer_octets = 0
        self.requests += 1
        self.version = version = parser.get_http_version()
        octets = parser.get_method()
        method = _METHODS.get(octets) or octets.decode("ascii")
        keep_alive = version == "1.1" and parser.should_keep_alive()
        if self.requests >= limits.requests_per_connection:
            gate.limit_hit("requests_per_connection")
            keep_alive = False
        exchange = self.incoming = Exchange(self, method, fields, keep_alive, gate.moment)
        if parser.should_upgrade():
            exchange.keep_alive = False
            exchange.asks_socket = method == "GET" and version == "1.1" and is_asked(fields)
        try:
            judge_head(exchange, version, gate, self._head_bound)
            gate.admit(exchange, self.url)
        except RemoteProtocolError as error:
            if error.close:
                self._refuse(error)
            exchange.refusal = error  # its body is read and dropped, and the connection goes on
        if exchange.is_expecting and self.current is None:
            self._ask_for_body(exchange)

    def on_body(self, body: bytes) -> None:
        exchange = self.incoming
        if exchange is None:
            return
        exchange.received += len(body)
        if exchange.received > self.gate.limits.body:
            self._refuse(too_large(self.gate, 413, "body"))
        if exchange.is_done or exchange.refusal is not None:
            return
        if exchange.inflater is not None:
            body = self._inflated(exchange, exchange.inflater, body)
        if exchange.parts is None:
            exchange.parts = [body]
        else:
            exchange.parts.append(body)
        if exchange.received > self.gate.limits.inline_body:
            self._stream(exchange)

    def _inflated(self, exchange: Exchange, inflater: Inflater, body: bytes) -> bytes:
        try:
            found = inflater.feed(body)
        except RemoteProtocolError as error:
            self._refuse(error)
        exchange.received += len(found) - len(body)
        return found

    def _stream(self, exchange: Exchange) -> None:
        """A long body is handed over in pieces; until somebody asks for more, nothing more is read (HTTP-20)."""
        exchange.is_streamed = True
        if not exchange.credit:
            self.flow.pause_reading()
        if self.current is None:
            self._start(exchange)
        if exchange.has_begun:
            self.gate.body_arrived(exchange)

    def on_message_complete(self) -> None:
        exchange, self.incoming = self.incoming, None
        if exchange is None:
            return
        exchange.is_complete = self._in_head = True
        self._head_bound = self._piece
        self.url = b""
        self._fields = []
        if exchange.is_streamed and exchange.has_begun:
            self.gate.body_arrived(exchange)
        elif self.current is None and not exchange.is_done:
            self._start(exchange)
        elif exchange is not self.current:
            self.queue.append(exchange)
            if len(self.queue) + 1 >= self.gate.limits.pipelined:
                self.flow.pause_reading()

    def _start(self, exchange: Exchange) -> None:
        self.current = exchange
        exchange.has_begun = True
        if exchange.refusal is not None:
            self.gate.refuse_unread(exchange, exchange.refusal)
        else:
            self.gate.begin(exchange)

    def _ask_for_body(self, exchange: Exchange) -> None:
        """Tell a client that waits for a 100 to send the body, or that it is refused (RFC 9110 10.1.1)."""
        exchange.is_expecting = False
        if exchange.refusal is not None:
            exchange.refusal.close = True
            self._refuse(exchange.refusal)
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def write(self, data: bytes) -> None:
        """Write what belongs to the answer whose turn it is."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def finished(self, exchange: Exchange) -> None:
        """An answer is complete: go on with the next request, or close."""
        if exchange is not self.current:
            return
        self.current = None
        if not exchange.keep_alive:
            self._end(at_once=exchange.is_complete)
            return
        if self.queue:
            self._start(self.queue.popleft())
        elif self.incoming is None:
            self.idle_since = self.gate.moment
        elif self.incoming.is_expecting:
            self._ask_for_body(self.incoming)
        if self.flow.read_paused:
            self.flow.resume_reading()

    # Refusals.

    def _refuse(self, error: RemoteProtocolError) -> NoReturn:
        """Stop the parser: what it is told to refuse is answered when it has come to a halt."""
        self._refusal = error
        raise error

    def _fail(self, error: httptools.HttpParserError) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is None and isinstance(error, httptools.HttpParserCallbackError):
            raise error
        self._give_up(refusal or malformed(error, b"" if self.requests else self._opening))

    def _give_up(self, error: RemoteProtocolError) -> None:
        """Answer what cannot be read further, after the requests before it, and close."""
        self.is_deaf = True
        exchange, self.incoming = self.incoming, None
        if exchange is not None and exchange.has_begun and exchange.is_open:
            exchange.gone = True
            self.gate.gone(exchange)
        if exchange is None or exchange.has_begun:
            exchange = Exchange(self, "GET", (), False, self.gate.now())
        exchange.keep_alive = False
        exchange.refusal = error
        if self.current is not None and self.current.gone and self.current.status:
            self.transport.abort()  # its answer has begun: only this tells the client that it has no end
        elif self.current is None or self.current.gone:
            self._start(exchange)
        else:
            self.queue.append(exchange)

    def _end(self, *, at_once: bool) -> None:
        """Close after what has been written; a client that is still sending gets time to read its answer."""
        self.is_deaf = True
        if at_once:
            self.transport.close()
            return
        self.lingering_since = self.gate.now()
        if self.transport.can_write_eof():  # TLS cannot: such a client closes when it has the whole answer
            self.transport.write_eof()
        self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Uvicorn's timer is not used: `look` has all of them."""

    def look(self, now: float) -> None:
        """Have the time limits of HTTP-13 looked at, about once a second."""
        limits = self.gate.limits
        if self.stalled_since and now - self.stalled_since >= limits.stalled:
            self.gate.limit_hit("stalled")
            self.transport.abort()
        elif self.lingering_since:
            if now - self.lingering_since >= _LINGER:
                self.transport.abort()
        elif self.incoming is not None:
            if self._is_slow(now):
                self._give_up(self._slow("body_rate"))
        elif self.current is None and (self.url or self._fields):
            if now - self.head_since >= limits.header_time:
                self._give_up(self._slow("header_time"))
        elif self.current is None and now - self.idle_since >= limits.idle:
            self.cut()

    def _is_slow(self, now: float) -> bool:
        """A body that comes more slowly than it may, unless it is we who do not read."""
        exchange, limits = self.incoming, self.gate.limits
        if exchange is None or self.flow.read_paused:
            return False
        passed = now - exchange.body_since
        return passed >= limits.body_grace and exchange.received < limits.body_rate * passed

    def _slow(self, limit: str) -> RemoteProtocolError:
        self.gate.limit_hit(limit)
        return RemoteProtocolError(408, limit, "The request came too slowly.", close=True)
