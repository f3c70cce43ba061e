"""Work that is done in steps, between which the loop carries calls."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_SLICE: Final = 0.002
"""Seconds after which a slice ends."""
_NEXT: Final = 0.01
"""Seconds between two slices."""
_LATER: Final = 0.05
"""The same where something has to be waited for."""

Wait = Callable[[], object]
"""Blocks for a moment until there is more to do; for another thread than the loop's."""
Pauses = Generator[Wait | None, None, T]
"""Gives after each step what to wait for before the next one; `None` for nothing."""


class Steps(Generic[T]):
    """Go through `work` to its end, and wait after each step as it says; `result` is there then."""

    def __init__(self, work: Pauses[T]) -> None:
        self._work = work
        self._result: list[T] = []

    def work(self) -> Pauses[None]:
        """The steps; closing it ends them at once."""
        self._result.append((yield from self._work))

    @property
    def result(self) -> T:
        """What came of it."""
        return self._result[0]

    def run(self) -> T:
        """Do it in one go, as where there is no loop."""
        for wait in self.work():
            if wait is not None:
                wait()
        return self.result


def advance(work: Pauses[T], ticks: Callable[[], float]) -> float | None:
    """Do some steps between two others of the kernel; the seconds after which to go on, `None` at the end.

    What steps wait for is not waited for, but looked at again.
    """
    end = ticks() + _SLICE
    while ticks() <= end:
        try:
            wait = next(work)
        except StopIteration:
            return None
        if wait is not None:
            return _LATER
    return _NEXT


__all__ = ["Pauses", "Steps", "Wait", "advance"]
