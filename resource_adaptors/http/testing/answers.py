"""What a client of a test has received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from resource_adaptors.http.testing.client import HttpClient


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
