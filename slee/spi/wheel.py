"""A timer wheel: hundreds of thousands of live timers, most of them cancelled before they are due.

Timers lie in slots of equal width, a dictionary each, so that setting and cancelling are one dictionary operation. Only
the slot that `now` has reached is sorted; timers set into it later wait in a small heap. Deadlines are exact: the
resolution chooses the width of a slot, not when a timer is due.
"""

from __future__ import annotations

import heapq
import math
import operator
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

_RESOLUTIONS_PER_SLOT: Final = 64
_NEVER: Final = math.inf
_deadline: Final = operator.attrgetter("deadline")


class Timer(msgspec.Struct, Generic[T], eq=False):
    """A set timer. It does not hold its item: the wheel lets go of that when the timer expires or is cancelled."""

    deadline: float
    """When it is due, in the seconds of the wheel's clock."""
    live: dict[Timer[T], T]
    """The live timers of its slot; the wheel's own."""

    @property
    def is_live(self) -> bool:
        """Whether it is still to expire."""
        return self in self.live

    def cancel(self) -> None:
        """Take it off the wheel and free its item; without effect if it has expired or was cancelled."""
        self.live.pop(self, None)


class TimerWheel(Generic[T]):
    """Timers by deadline. It never reads a clock: `now` is an argument, and may not step back."""

    __slots__ = ("_bound", "_count", "_front", "_late", "_late_live", "_open", "_slots", "_starts", "_width")

    def __init__(self, resolution: float) -> None:
        """Make an empty wheel.

        Args:
            resolution: seconds within which the owner looks at the wheel; chooses the width of the slots.

        Raises:
            ValueError: the resolution is not a positive, finite number.
        """
        if not 0 < resolution < _NEVER:
            raise ValueError(f"TimerWheel: the resolution must be a positive number of seconds, not {resolution!r}")
        # A power of two: multiples of it are exact, so a slot's start is never after a deadline in the slot.
        self._width = 2.0 ** math.floor(math.log2(resolution * _RESOLUTIONS_PER_SLOT))
        self._slots: dict[float, dict[Timer[T], T]] = {}
        self._starts: list[float] = []
        """Heap of the numbers of the slots in `_slots`."""
        self._open = -_NEVER
        """Number of the last slot that was opened; every later one is in `_slots`."""
        self._front: list[Timer[T]] = []
        """Timers of the opened slots, the next one last."""
        self._late: list[tuple[float, int, Timer[T]]] = []
        """Heap of timers that were set into a slot already open."""
        self._late_live: dict[Timer[T], T] = {}
        self._count = 0
        self._bound = _NEVER
        """No live timer is due before this."""

    def __len__(self) -> int:
        """How many timers are live."""
        opened = sum(timer.is_live for timer in self._front)
        return opened + len(self._late_live) + sum(map(len, self._slots.values()))

    def set(self, deadline: float, item: T) -> Timer[T]:
        """Have `expire` return `item` once `deadline` is reached; a deadline in the past is due at once.

        Raises:
            ValueError: the deadline is infinite or not a number.
        """
        slot = deadline // self._width
        if slot > self._open:
            live = self._slots.get(slot)
            if live is None:
                live = self._slots[slot] = {}
                heapq.heappush(self._starts, slot)
            timer = Timer(deadline, live)
        else:
            if not slot <= self._open:  # not a number, which is what dividing an infinity gives
                raise ValueError(f"TimerWheel: a deadline must be a finite number of seconds, not {deadline!r}")
            live = self._late_live
            timer = Timer(deadline, live)
            self._count += 1
            heapq.heappush(self._late, (deadline, self._count, timer))
        live[timer] = item
        if deadline < self._bound:  # a third of the price of min()
            self._bound = deadline
        return timer

    def cancel(self, timer: Timer[T]) -> None:
        """Take a timer off the wheel and free its item; without effect if it has expired or was cancelled."""
        timer.live.pop(timer, None)

    def next_deadline(self) -> float | None:
        """When to call `expire` next: the earliest deadline or a little before it; `None` if nothing is set.

        It is early where the earliest timer was cancelled, or lies in a slot not opened yet; the call to `expire` then
        returns nothing and the next answer is closer.
        """
        return None if self._bound == _NEVER else self._bound

    def expire(self, now: float) -> list[T]:
        """Take off and return the items due at `now`, by deadline and, where equal, in the order they were set."""
        if now < self._bound:
            return []
        due: list[T] = []
        self._open_slots(now // self._width)
        front, late = self._front, self._late
        while True:
            # What lies in the front was set before anything late: it goes first where deadlines are equal.
            if front and (not late or front[-1].deadline <= late[0][0]):
                if front[-1].deadline > now:
                    break
                timer = front.pop()
            elif late and late[0][0] <= now:
                timer = heapq.heappop(late)[2]
            else:
                break
            _take(timer, due)
        self._rebound()
        return due

    def _open_slots(self, last: float) -> None:
        """Sort the timers of all slots up to `last` into the front."""
        starts = self._starts
        if not starts or starts[0] > last:
            return
        opened: list[Timer[T]] = []
        while starts and starts[0] <= last:
            opened.extend(self._slots.pop(heapq.heappop(starts)))
        opened.sort(key=_deadline)
        opened.reverse()
        # Everything in the front lies in an earlier slot.
        self._front[:0] = opened
        self._open = last

    def _rebound(self) -> None:
        """Find the earliest deadline again, dropping cancelled timers in front of it."""
        front, late = self._front, self._late
        while front and not front[-1].is_live:
            front.pop()
        while late and not late[0][2].is_live:
            heapq.heappop(late)
        bound = front[-1].deadline if front else _NEVER
        if late and late[0][0] < bound:
            bound = late[0][0]
        if bound == _NEVER and self._starts:
            bound = self._starts[0] * self._width
        self._bound = bound


_MISSING: Final[Any] = object()


def _take(timer: Timer[T], due: list[T]) -> None:
    """Add the timer's item to `due` unless it was cancelled."""
    item = timer.live.pop(timer, _MISSING)
    if item is not _MISSING:
        due.append(item)
