"""Requests with an Idempotency-Key: a repeated one gets the answer that the first one got (HTTP-33)."""

from __future__ import annotations

import hashlib
import heapq
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.headers import find

if TYPE_CHECKING:
    from resource_adaptors.http.access_config import IdempotencySection
    from resource_adaptors.http.exchange import Exchange
    from slee.spi import KeptRecords

_PREFIX: Final = "answer/"
_LONGEST_KEY: Final = 255


class KeptAnswer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to the first request of a key."""

    digest: bytes
    """Of that request's body."""
    status: int
    fields: bytes
    """Header lines, without those of the framing."""
    body: bytes
    until: float
    """Seconds since the epoch."""


class Claim(msgspec.Struct, frozen=True):
    """A request that is the first of its key, and has no answer yet."""

    name: str
    digest: bytes
    keep: float


class Answers:
    """The answers that are kept, over a restart too, and the keys of requests that are being served."""

    def __init__(self, kept: KeptRecords, most: int, now: float) -> None:
        """Take up what was kept.

        Args:
            kept: where answers are kept.
            most: answers at once; the one that would go first goes when there are more.
            now: seconds since the epoch.
        """
        self._kept = kept
        self.most = most
        self._answers: dict[str, KeptAnswer] = {}
        self._running: dict[str, bytes] = {}
        self._order: list[tuple[float, str]] = []
        for key, octets in kept.items():
            if key.startswith(_PREFIX):
                answer = msgspec.msgpack.decode(octets, type=KeptAnswer)
                self._answers[key] = answer
                self._order.append((answer.until, key))
        heapq.heapify(self._order)
        self.forget(now)

    def claim(self, exchange: Exchange, section: IdempotencySection, body: bytes) -> KeptAnswer | None:
        """The answer that was kept for a request; `None` if it is the first of its key, or has none.

        Raises:
            RemoteProtocolError: 400, there is no key and one is needed, or it is none; 409, the first request is still
                being served; 413, the body is too long to be compared; 422, it is not the body of the first request.
        """
        key = find(exchange.headers, b"idempotency-key")
        if key is None:
            if section.required:
                raise RemoteProtocolError(400, "idempotency_key", "The route needs an Idempotency-Key.")
            return None
        if not 0 < len(key) <= _LONGEST_KEY:
            raise RemoteProtocolError(400, "idempotency_key", "The key has 1 to 255 characters.")
        if exchange.is_streamed:
            raise RemoteProtocolError(413, "idempotency_body", "Bodies with a key have to be shorter.", close=True)
        name, digest = self._name(exchange, key), hashlib.sha256(body).digest()
        answer = self._answers.get(name)
        first = self._running.get(name) if answer is None else answer.digest
        if first is None:
            self._running[name] = digest
            exchange.claim = Claim(name, digest, section.keep)
            return None
        if first != digest:
            raise RemoteProtocolError(422, "idempotency_body", "The key was used with another body.")
        if answer is None:
            raise RemoteProtocolError(409, "idempotency_running", "The first request is still being served.")
        return answer

    def _name(self, exchange: Exchange, key: bytes) -> str:
        """The same for requests that count as one: of one principal, on one path, with one key."""
        principal = "" if exchange.principal is None else exchange.principal.name
        path = "" if exchange.target is None else exchange.target.path
        text = f"{principal}\0{exchange.method}\0{path}".encode() + b"\0" + key
        return _PREFIX + hashlib.sha256(text).hexdigest()

    def keep(self, claim: Claim, status: int, fields: bytes, body: bytes, now: float) -> None:
        """Keep the answer to the first request of a key."""
        self._running.pop(claim.name, None)
        answer = KeptAnswer(claim.digest, status, fields, body, now + claim.keep)
        self._answers[claim.name] = answer
        self._kept.put(claim.name, msgspec.msgpack.encode(answer))
        heapq.heappush(self._order, (answer.until, claim.name))
        self.forget(now)

    def release(self, claim: Claim) -> None:
        """The request has got no answer of a service: the next of its key is served."""
        self._running.pop(claim.name, None)

    def forget(self, now: float) -> None:
        """Let go of answers whose time is over, and of some if there are too many."""
        order = self._order
        while order and (order[0][0] <= now or len(self._answers) > self.most):
            until, name = heapq.heappop(order)
            answer = self._answers.get(name)
            if answer is not None and answer.until == until:
                del self._answers[name]
                self._kept.remove(name)

    def __len__(self) -> int:
        return len(self._answers)
