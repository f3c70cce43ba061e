"""A clock that moves only when a test says so (TST-1)."""

from __future__ import annotations


class ManualClock:
    """Time for tests, in seconds since the epoch; moved by `SleeHarness.advance`."""

    __slots__ = ("now",)

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self.now = start

    def move_to(self, time: float) -> None:
        """Go to a later time.

        Raises:
            ValueError: the time lies in the past (TST-1).
        """
        if time < self.now:
            raise ValueError(f"the clock stands at {self.now} and cannot go back to {time} [TST-1]; advance it")
        self.now = time
