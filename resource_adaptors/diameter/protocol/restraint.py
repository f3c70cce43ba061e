"""How a peer is spared when it is busy, and restrained when it sends too much (DIA-25, DIA-55)."""

from __future__ import annotations

from typing import Final

_SHORTEST: Final = 5.0
_LONGEST: Final = 60.0


class Penalty:
    """How long a peer is spared that says that it is too busy: longer each time, until it answers again."""

    __slots__ = ("_next", "until")

    def __init__(self) -> None:
        self.until = 0.0
        """Until when it is spared."""
        self._next = _SHORTEST

    def add(self, now: float) -> None:
        """It said so now."""
        self.until = now + self._next
        self._next = min(self._next * 2, _LONGEST)

    def forget(self) -> None:
        """It answers: it is busy no more."""
        self._next = _SHORTEST


class Bucket:
    """Requests that a peer may send: so many a second, and so many at once."""

    __slots__ = ("_at", "_left")

    def __init__(self, burst: int) -> None:
        self._left = float(burst)
        self._at = 0.0

    def take(self, now: float, rate: float, burst: int) -> bool:
        """Whether one more fits."""
        self._left = min(float(burst), self._left + (now - self._at) * rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
