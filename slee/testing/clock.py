"""A clock that moves only when a test says so (TST-1)."""

from __future__ import annotations

from collections.abc import Callable


class ManualClock:
    """Time for tests, in seconds since the epoch; `SleeHarness.clock` runs everything due as it is advanced."""

    __slots__ = ("_drive", "now")

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self.now = start
        self._drive: Callable[[float], None] | None = None

    def drives(self, drive: Callable[[float], None]) -> None:
        """Have `advance` call `drive` with the time to reach; it moves the clock with `move_to`."""
        self._drive = drive

    def advance(self, seconds: float) -> None:
        """Go on by `seconds`; whatever is due in between happens, each thing at its own instant.

        Raises:
            ValueError: `seconds` is negative (TST-1).
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds}) [TST-1]; give 0 or more seconds")
        end = self.now + seconds
        if self._drive is not None:
            self._drive(end)
        self.move_to(end)

    def move_to(self, time: float) -> None:
        """Go to a later time, without anything happening.

        Raises:
            ValueError: the time lies in the past (TST-1).
        """
        if time < self.now:
            raise ValueError(f"the clock stands at {self.now} and cannot go back to {time} [TST-1]; advance it")
        self.now = time
