"""One request on a connection and its answer: the wire's side of a `RequestActivity`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.http.message.headers import BODILESS, STATUS_LINES, RawHeaders, header_lines
from resource_adaptors.http.message.problem import TYPE, problem

if TYPE_CHECKING:
    from collections.abc import Hashable

    from resource_adaptors.http.admission import Owner
    from resource_adaptors.http.connection import Connection
    from resource_adaptors.http.events import RequestActivity
    from resource_adaptors.http.idempotency import Claim
    from resource_adaptors.http.message.coding import Inflater
    from resource_adaptors.http.message.errors import RemoteProtocolError
    from resource_adaptors.http.message.request import Principal
    from resource_adaptors.http.message.target import Target
    from resource_adaptors.http.protocol.routes import Match
    from resource_adaptors.http.protocol.tokens import Token
    from resource_adaptors.http.protocol.upgrade import Upgrade

_PROBLEM: Final = b"content-type: " + TYPE.encode() + b"\r\n"


class Exchange:
    """A request that has arrived, from its header section to the end of its answer."""

    # Most of it stays as it is for most requests: what is not set costs nothing.
    target: Target | None = None
    match: Match[Owner] | None = None
    extra = b""
    """Header lines that every answer to it carries."""
    refusal: RemoteProtocolError | None = None
    """Why no service will see it."""
    # Of the body.
    parts: list[bytes] | None = None
    """What has been received and not handed over."""
    has_body = False
    """The header section announces one."""
    coding: bytes | None = None
    """Content-Encoding, in lower case."""
    received = 0
    """Octets of the body received."""
    is_complete = False
    """The whole request has been received."""
    is_streamed = False
    """Its body is handed over in pieces."""
    is_read = False
    """All of a streamed body has been handed over."""
    is_expecting = False
    """The client waits for a 100 before it sends the body."""
    credit = 0
    """Octets of the body that the service still asks for."""
    # Of the answer.
    is_chunked = False
    is_open_ended = False
    """A service sends the answer's body in pieces, and has not ended it."""
    held = 0
    """Octets of pieces whose transaction has not committed."""
    was_refused = False
    """A service was told that there is no room for a piece, and waits for `Writable`."""
    is_done = False
    """The answer has been written whole."""
    status = 0
    # Of the activity.
    activity: RequestActivity | None = None
    handle: Hashable = None
    has_begun = False
    in_process = False
    """The request's own event has not been processed yet."""
    answered = False
    """A service has given the final answer."""
    gone = False
    """The client has gone before its answer."""
    is_late = False
    """The deadline has passed, and the service has its last chance."""
    stream: Hashable = None
    """Handle of the event stream that the answer has become."""
    session: Hashable = None
    """Handle of the session that it belongs to."""
    principal: Principal | None = None
    claim: Claim | None = None
    """It is the first of its idempotency key."""
    callback_text: str | None = None
    """The token of a callback URL."""
    callback: Token | None = None
    """What its callback token says."""
    inflater: Inflater | None = None
    """Decodes its body."""
    asks_socket = False
    """It asks for an upgrade to WebSocket."""
    upgrade: Upgrade | None = None
    """Its handshake, on a route of WebSocket."""
    is_unproven = False
    """Its signature has to be judged once the body is there."""

    def __init__(
        self, connection: Connection, method: str, headers: RawHeaders, keep_alive: bool, started: float
    ) -> None:
        self.connection = connection
        self.method = method
        self.headers = headers
        self.keep_alive = keep_alive
        self.started = started
        """When the header section was complete."""
        self.body_since = started

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to answer it."""
        return not (self.answered or self.is_done or self.gone)

    def forget_answer(self) -> None:
        """The delivery that answered rolled back."""
        self.answered = False

    def forget_body(self) -> None:
        """The delivery that began the body rolled back."""
        self.is_open_ended = False

    def open_again(self) -> None:
        """The delivery that ended the body rolled back."""
        self.is_open_ended = True

    def answer(self, status: int, fields: bytes = b"", body: bytes = b"") -> None:
        """Write the whole answer.

        Args:
            status: the final status.
            fields: header lines, without those of the framing.
            body: nothing of it is written for HEAD.
        """
        connection = self.connection
        self.status = status
        lines = connection.gate.common()
        has_body = status not in BODILESS
        length = b"content-length: %d\r\n" % len(body) if has_body else b""
        if self.keep_alive and self.is_complete and not connection.is_ending:
            end = b"\r\n"
        else:
            self.keep_alive = False
            end = b"connection: close\r\n\r\n"
        if self.method == "HEAD" or not has_body:
            body = b""
        connection.write(b"%b%b%b%b%b%b%b" % (STATUS_LINES[status], lines, self.extra, fields, length, end, body))
        self._finish()

    def refuse(self, error: RemoteProtocolError) -> None:
        """Answer with the problem document that an error deserves (HTTP-8)."""
        if error.close:
            self.keep_alive = False
        fields = header_lines(error.headers) if error.headers else b""
        if error.status in BODILESS:
            self.answer(error.status, fields)
        else:
            self.answer(error.status, _PROBLEM + fields, problem(error.status, error.code, error.detail))

    def open(self, status: int, fields: bytes = b"") -> None:
        """Write the head of an answer whose body comes in pieces."""
        connection = self.connection
        self.status = status
        head = STATUS_LINES[status] + connection.gate.common() + self.extra + fields
        self.is_chunked = connection.version == "1.1"
        self.keep_alive = self.keep_alive and self.is_chunked and self.is_complete and not connection.is_ending
        if self.is_chunked:
            head += b"transfer-encoding: chunked\r\n"
        if not self.keep_alive:
            head += b"connection: close\r\n"
        connection.write(head + b"\r\n")

    def send(self, data: bytes) -> None:
        """Write a piece of the body."""
        if data and self.method != "HEAD":
            self.connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked else data)

    def close(self) -> None:
        """Write the end of the body."""
        if self.is_chunked and self.method != "HEAD":
            self.connection.write(b"0\r\n\r\n")
        self._finish()

    def abort(self) -> None:
        """Break an answer off whose end cannot be told otherwise."""
        self.keep_alive = False
        self._finish()

    def _finish(self) -> None:
        self.is_done = True
        self.parts = None
        self.connection.finished(self)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another piece of the answer."""
        connection = self.connection
        unsent = connection.transport.get_write_buffer_size() + self.held
        return connection.stalled_since > 0 or unsent >= connection.gate.limits.unsent

    def hold(self, octets: int) -> None:
        """A piece waits for its transaction, or with less than 0 does not any more."""
        self.held += octets

    def send_held(self, data: bytes) -> None:
        """Send a piece that has waited for its transaction; a service that was refused one hears when there is room."""
        self.held -= len(data)
        if self.gone:
            return
        self.send(data)
        if self.was_refused and not self.held and not self.connection.stalled_since:
            self.connection.gate.writable(self)

    def take_body(self, most: int | None = None) -> bytes:
        """The body received so far, or `most` octets of it, taken out."""
        parts, self.parts = self.parts, None
        if not parts:
            return b""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if most is not None and len(data) > most:
            data, self.parts = data[:most], [data[most:]]
        return data

    def __repr__(self) -> str:
        return f"{self.method} {self.match.route.template if self.match else '?'}"
