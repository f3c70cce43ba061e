"""Token buckets: how many requests a principal or a source may make (HTTP-35)."""

from __future__ import annotations

from typing import Final

_MOST: Final = 65_536


class Buckets:
    """One bucket for each key; a full one is not remembered."""

    __slots__ = ("_levels", "burst", "rate")

    def __init__(self, rate: float, burst: int) -> None:
        """Make buckets that are full.

        Args:
            rate: tokens that come in a second.
            burst: tokens in a full bucket.
        """
        self.rate = rate
        self.burst = burst
        self._levels: dict[str, tuple[float, float]] = {}
        """Tokens left and when that was, by key; the one used longest ago first."""

    def take(self, key: str, now: float) -> float:
        """Take a token: 0, or the seconds until there is one."""
        levels = self._levels
        found = levels.pop(key, None)
        if found is None:
            level = float(self.burst)
            if len(levels) >= _MOST:
                del levels[next(iter(levels))]
        else:
            level = min(self.burst, found[0] + (now - found[1]) * self.rate)
        if level < 1.0:
            levels[key] = (level, now)
            return (1.0 - level) / self.rate
        levels[key] = (level - 1.0, now)
        return 0.0

    def forget_full(self, now: float) -> None:
        """Let go of the buckets that have filled up again."""
        levels = self._levels
        for key in [k for k, (level, at) in levels.items() if level + (now - at) * self.rate >= self.burst]:
            del levels[key]

    def __len__(self) -> int:
        return len(self._levels)
