"""Work that is done in steps, between which the loop carries calls."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

Wait = Callable[[], object]
"""Blocks for a moment until there is more to do; for another thread than the loop's."""
Pauses = Generator[Wait | None, None, T]
"""Gives after each step what to wait for before the next one; `None` for nothing."""


class Steps(Generic[T]):
    """Iterate over it to the end, and wait after each step as it says; `result` is there then."""

    def __init__(self, work: Pauses[T]) -> None:
        self._work = work
        self._result: list[T] = []

    def __iter__(self) -> Iterator[Wait | None]:
        self._result.append((yield from self._work))

    @property
    def result(self) -> T:
        """What came of it."""
        return self._result[0]

    def run(self) -> T:
        """Do it in one go, as where there is no loop."""
        for wait in self:
            if wait is not None:
                wait()
        return self.result


__all__ = ["Pauses", "Steps", "Wait"]
