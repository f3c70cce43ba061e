"""Virtual time, and an event loop for each simulated process that runs on it.

Nothing here waits: the time jumps from one deadline to the next. A process that dies leaves what it had scheduled
behind, and none of that is called.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

START = 1_000_000_000.0
"""Where every simulation begins, in seconds since the epoch."""


class Due:
    """Something scheduled; in the order of time, and of scheduling where the time is the same."""

    __slots__ = ("arguments", "callback", "loop", "number", "when")

    def __init__(
        self, when: float, number: int, callback: Callable[..., object], arguments: Any, loop: VirtualLoop | None
    ) -> None:
        self.when = when
        self.number = number
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments
        self.loop = loop

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: Due) -> bool:
        return (self.when, self.number) < (other.when, other.number)


class VirtualTime:
    """The one clock of a simulation, and what is due on it."""

    def __init__(self) -> None:
        self.now = START
        self._heap: list[Due] = []
        self._count = 0

    def at(
        self, when: float, callback: Callable[..., object], *arguments: object, loop: VirtualLoop | None = None
    ) -> Due:
        self._count += 1
        due = Due(max(when, self.now), self._count, callback, arguments, loop)
        heapq.heappush(self._heap, due)
        return due

    def after(self, seconds: float, callback: Callable[..., object], *arguments: object) -> Due:
        return self.at(self.now + seconds, callback, *arguments)

    def run_until(self, end: float) -> None:
        """Do everything due up to `end`, each at its own instant."""
        heap = self._heap
        while heap and heap[0].when <= end:
            due = heapq.heappop(heap)
            callback, loop = due.callback, due.loop
            if callback is None or (loop is not None and not loop.alive):
                continue
            self.now = due.when
            asyncio._set_running_loop(loop)
            try:
                callback(*due.arguments)
            finally:
                asyncio._set_running_loop(None)
        self.now = end


class VirtualLoop:
    """What the driver asks of an event loop, for one process; also the process's clock."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self.alive = True

    def time(self) -> float:
        return self._time.now

    def call_soon(self, callback: Callable[..., object], *arguments: object) -> Due:
        return self._time.at(self._time.now, callback, *arguments, loop=self)

    call_soon_threadsafe = call_soon

    def is_closed(self) -> bool:
        return not self.alive

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be the loop that runs, for what asks for it at once."""
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def call_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Due:
        return self._time.at(when, callback, *arguments, loop=self)

    def call_later(self, delay: float, callback: Callable[..., object], *arguments: object) -> Due:
        return self.call_at(self._time.now + delay, callback, *arguments)

    # The clock of the product (slee.runtime.clock).

    def now(self) -> float:
        return self._time.now

    def to_monotonic(self, moment: float) -> float:
        return moment
