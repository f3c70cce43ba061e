"""The timer that all adaptors share (RA-43)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class TimerTask(Protocol):
    """One call, or one series of calls, that is to come."""

    @property
    def is_live(self) -> bool:
        """Whether a call is still to come."""
        ...

    def cancel(self) -> None:
        """Let no further call come; without effect when none is to come."""


class SharedTimer(Protocol):
    """Calls functions later, on the kernel's thread and on the product's clock, while the SLEE is not Stopped.

    An exception of a task is logged; other tasks, and the next calls of a periodic one, come. Removing the entity ends
    its tasks. Set from outside a callback, a task wakes an idle SLEE only after `pump`.
    """

    def call_at(self, time: float, function: Callable[..., object], *arguments: object) -> TimerTask:
        """Call `function` once at `time`, in seconds since the epoch; at once if that is past.

        Raises:
            ValueError: `time` is not finite.
        """
        ...

    def call_later(self, delay: float, function: Callable[..., object], *arguments: object) -> TimerTask:
        """Call `function` once in `delay` seconds.

        Raises:
            ValueError: `delay` is negative or not finite.
        """
        ...

    def call_every(self, period: float, function: Callable[..., object], *arguments: object) -> TimerTask:
        """Call `function` every `period` seconds, first in `period` seconds; calls that come too late are left out.

        Raises:
            ValueError: `period` is not positive and finite.
        """
        ...

    def cancel(self) -> None:
        """Refused with `UnsupportedOperationError`: others use the timer as well. Cancel tasks instead."""
