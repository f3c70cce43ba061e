"""Stateless answers to malformed requests, so many per source and second (SIP-22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resource_adaptors.sip.message.writer import build_error_response

if TYPE_CHECKING:
    from resource_adaptors.sip.message.errors import RemoteProtocolError
    from resource_adaptors.sip.protocol.transaction import Address

DEFAULT_PORT = 5060


class MalformedAnswers:
    """Decides which malformed requests are answered."""

    __slots__ = ("_answered", "_limit", "_second")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._second = 0
        self._answered: dict[str, int] = {}
        """Answers in the current second, by source host."""

    def answer(self, error: RemoteProtocolError, source: Address, now: float) -> tuple[bytes, Address] | None:
        """The answer and where it goes; `None` if the source has had its share of this second."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._answered.clear()
        count = self._answered.get(source[0], 0)
        if count >= self._limit:
            return None
        self._answered[source[0]] = count + 1
        partial = error.partial
        assert partial is not None
        data = build_error_response(partial, error.status, error.reason, received=source)
        return data, source if partial.has_rport else (source[0], partial.port or DEFAULT_PORT)
