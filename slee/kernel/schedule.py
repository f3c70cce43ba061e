"""What the kernel does later: timers, suspensions, expiries and the stop's deadline, on one wheel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from slee.spi.wheel import Timer, TimerWheel

RESOLUTION: Final = 0.01
"""Seconds within which what is due is done, when the SLEE is idle (TMR-14)."""


class Appointment:
    """Stands on the wheel for a function that management has called at its time."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function


class Schedule:
    """The wheel of one kernel; an item that comes due goes to the expirer of its class."""

    __slots__ = ("_wheel", "expirers", "has_news")

    def __init__(self) -> None:
        self._wheel: TimerWheel[Any] = TimerWheel(RESOLUTION)
        self.expirers: dict[type, Callable[[list[Any], float], None]] = {Appointment: _keep}
        self.has_news = True
        """Whether time has moved, or something was set that is due at once, since `expire` was last called."""

    def set(self, deadline: float, item: object, now: float) -> Timer[Any]:
        """Have `item` expire at `deadline`, in seconds since the epoch."""
        if deadline <= now:
            self.has_news = True
        return self._wheel.set(deadline, item)

    def call_at(self, deadline: float, function: Callable[[], None], now: float) -> Timer[Any]:
        """Have a function called between two steps of the router, at `deadline` in seconds since the epoch."""
        return self.set(deadline, Appointment(function), now)

    def next_deadline(self) -> float | None:
        """When to call `expire` next; `None` if nothing is set."""
        return self._wheel.next_deadline()

    def expire(self, now: float) -> None:
        """Hand what has come due to its expirers, the items of one class together."""
        self.has_news = False
        due = self._wheel.next_deadline()
        if due is None or due > now:
            return
        by_class: dict[type[object], list[object]] = {}
        for item in self._wheel.expire(now):
            cls: type[object] = item.__class__
            by_class.setdefault(cls, []).append(item)
        for cls, items in by_class.items():
            self.expirers[cls](items, now)


def _keep(items: list[Appointment], _now: float) -> None:
    for item in items:
        item.function()
