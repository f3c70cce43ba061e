"""Requests that services make, kept for the test to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resource_adaptors.http.config import ClientSection
from resource_adaptors.http.outgoing import Done, Told
from resource_adaptors.http.protocol.calls import Call, Failure, Opened, Outcome, Reply


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
