"""Cyclic garbage, collected often and little at a time, so that no call waits long for it.

What lives for a call is freed by reference counts; the collector only finds the cycles that services make. By itself it
looks when some thousand more objects have come than gone. While calls end as fast as they come that is seldom, and
then it looks at all that has come meanwhile in one go, for a tenth of a second and more. Asked every few milliseconds,
it looks at each object twice, as before, but for a millisecond at a time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Final

_EVERY: Final = 0.02
"""Seconds between two young collections."""
_OLDER_EACH: Final = 16
"""Every so many of them the middle generation is collected too."""
_THRESHOLDS: Final = (100_000, 100, 10_000)
"""The interpreter's own, for bursts of work; it looks at the oldest generation after an hour, if that grew."""


class Collector:
    """Has the garbage collector look in portions, for as long as the loop runs."""

    def __init__(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        """Give what calls a function after some seconds, the loop's `call_later` say."""
        self._later = later
        self._portions = 0

    def start(self) -> None:
        """Take what start-up made out of the collector's sight, and have it look at what comes from now on."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()
        self._later(_EVERY, self._look)

    def _look(self) -> None:
        self._portions += 1
        gc.collect(0 if self._portions % _OLDER_EACH else 1)
        self._later(_EVERY, self._look)


__all__ = ["Collector"]
