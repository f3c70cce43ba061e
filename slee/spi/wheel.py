"""temporary"""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, TypeVar

T = TypeVar("T")


class Timer(Generic[T]):
    __slots__ = ("deadline", "item", "live", "seq", "wheel")

    def cancel(self) -> None:
        self.live = False


class TimerWheel(Generic[T]):
    def __init__(self, resolution: float) -> None:
        self.h: list[tuple[float, int, Timer[T]]] = []
        self.c = itertools.count()

    def set(self, deadline: float, item: T) -> Timer[T]:
        t: Timer[T] = Timer()
        t.deadline = deadline
        t.item = item
        t.live = True
        heapq.heappush(self.h, (deadline, next(self.c), t))
        return t

    def next_deadline(self) -> float | None:
        while self.h and not self.h[0][2].live:
            heapq.heappop(self.h)
        return self.h[0][0] if self.h else None

    def expire(self, now: float) -> list[T]:
        out = []
        while self.h and self.h[0][0] <= now:
            t = heapq.heappop(self.h)[2]
            if t.live:
                t.live = False
                out.append(t.item)
        return out
