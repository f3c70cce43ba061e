"""The product's clock: seconds since the epoch that never step back while the process runs."""

from __future__ import annotations

import time


class SystemClock:
    """The system's monotonic clock, moved once to the epoch.

    A step of the wall clock (by an operator or a time server) therefore neither fires nor delays protocol timers.
    """

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, by the wall clock as it stood at the start of the process."""
        return time.monotonic() + self._offset

    def to_monotonic(self, moment: float) -> float:
        """The same moment in the time of the event loop."""
        return moment - self._offset
