"""Schedules as configuration and bundles declare them, and as operators see them (TIM-23, TIM-27)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DeclaredSchedule(BaseModel):
    """A schedule that is made when what declares it becomes active; gives one of `cron`, `every`, `rule`, `at`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    cron: str | None = None
    """Five fields, or six with leading seconds."""
    every: str | None = None
    """`Rn/START/DURATION`; `R/` for no end."""
    rule: str | None = None
    """An RFC 5545 recurrence rule."""
    at: datetime.datetime | None = None
    """A single time; without offset it is local to `zone`."""
    start: datetime.datetime | None = None
    """Local time at which `rule` begins, as DTSTART does; the creation of the schedule if not given."""
    exdates: tuple[str, ...] = ()
    """Local times that `rule` leaves out, such as `20261224T063000`."""
    rdates: tuple[str, ...] = ()
    """Local times besides those of `rule`."""
    zone: str | None = None
    """IANA name; the adaptor's default unless given."""
    payload: str | None = None
    priority: int = 0
    missed: Literal["all", "last", "skip"] = "last"
    overlap: Literal["allow", "skip", "queue_one"] = "allow"
    jitter: Seconds = 0.0
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_delay: Seconds = 1.0
    valid_from: datetime.datetime | None = None
    """With an offset."""
    valid_until: datetime.datetime | None = None
    holidays: str | None = None
    """Name of a calendar of days off; with `rule` only."""
    on_holiday: Literal["skip", "shift_before", "shift_after"] = "skip"

    @model_validator(mode="after")
    def _has_one_timing(self) -> DeclaredSchedule:
        given = [name for name in ("cron", "every", "rule", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"schedule {self.name}: give one of cron, every, rule and at, not {len(given)}")
        of_rule = ("start", "exdates", "rdates", "holidays")
        if self.rule is None and (wrong := [name for name in of_rule if getattr(self, name)]):
            raise ValueError(f"schedule {self.name}: {', '.join(wrong)} without rule; give it with rule only")
        for name in ("valid_from", "valid_until"):
            value: datetime.datetime | None = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise ValueError(f"schedule {self.name}: {name} without offset; end it with Z or +HH:MM")
        return self


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


__all__ = ["DeclaredSchedule", "ScheduleInfo", "Scheduling", "Seconds"]
