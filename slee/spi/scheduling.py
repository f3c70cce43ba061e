"""What operators do with the schedules of an adaptor that has any (TIM-27)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """One schedule. Times are seconds since the epoch, by the wall clock."""

    name: str
    kind: str
    """`once`, `every`, `cron` or `calendar`."""
    timing: str
    """As it was written, with its zone."""
    origin: str
    """Who made it: `service`, `configuration`, `bundle` or `operator`."""
    service: str | None
    """The service that it belongs to, if any."""
    state: str
    """`active` or `suspended`."""
    due: tuple[float, ...]
    """When it is due next: one time in lists, five where one schedule is shown."""
    fired: int
    """Number of the next occurrence, from 0: so many have fired or been missed."""
    missed: str
    """Policy for missed occurrences: `all`, `last` or `skip`."""
    overlap: str
    """Policy for overlapping runs: `allow`, `skip` or `queue_one`."""
    failures: int
    """Runs in a row whose handlers all rolled back."""


@runtime_checkable
class Scheduling(Protocol):
    """An adaptor with schedules.

    Whatever names a schedule raises `UnrecognizedScheduleError` if there is none of that name.
    """

    def list_schedules(self, prefix: str) -> tuple[ScheduleInfo, ...]:
        """Those whose names begin so, by name."""
        ...

    def show_schedule(self, name: str) -> ScheduleInfo:
        """One, with its next five times."""
        ...

    def create_schedule(self, name: str, properties: Mapping[str, object]) -> ScheduleInfo:
        """Make one, from the properties that one of the configuration has.

        Raises:
            InvalidArgumentError: a property is unknown or does not fit, or it would never fire.
            ScheduleAlreadyExistsError: the name is taken, or there are too many.
        """
        ...

    def suspend_schedule(self, name: str) -> ScheduleInfo:
        """Fire nothing until it is resumed; it keeps its place."""
        ...

    def resume_schedule(self, name: str) -> ScheduleInfo:
        """Go on; what came due meanwhile is treated by its policy for missed occurrences."""
        ...

    def fire_schedule(self, name: str) -> ScheduleInfo:
        """Fire once out of turn; its own occurrences stay as they are."""
        ...

    def cancel_schedule(self, name: str) -> None:
        """End it; `InvalidStateError` if configuration or a bundle declares it."""
        ...


__all__ = ["ScheduleInfo", "Scheduling"]
