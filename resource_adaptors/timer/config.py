"""Configuration of the timer resource adaptor (E4). Unknown keys are refused; durations are in seconds."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from resource_adaptors.timer.protocol.errors import LocalProtocolError
from resource_adaptors.timer.protocol.schedule import Missed, Overlap, Plan
from resource_adaptors.timer.protocol.timing import Calendar, Cron, Holidays, Once, Timing, parse_interval
from resource_adaptors.timer.protocol.zones import find_zone

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=1)]


class ConfiguredSchedule(BaseModel):
    """A schedule that is made when the entity becomes active (TIM-23); gives one of `cron`, `every`, `rule`, `at`."""

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
    zone: str | None = None
    """IANA name; `zone_default` unless given."""
    payload: str | None = None
    priority: int = 0
    missed: Literal["all", "last", "skip"] = "last"
    overlap: Literal["allow", "skip", "queue_one"] = "allow"
    jitter: Seconds = 0.0
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_delay: Seconds = 1.0
    holidays: str | None = None
    """Name of a calendar of `holidays`; with `rule` only."""
    on_holiday: Literal["skip", "shift_before", "shift_after"] = "skip"

    @model_validator(mode="after")
    def _has_one_timing(self) -> ConfiguredSchedule:
        given = [name for name in ("cron", "every", "rule", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"schedule {self.name}: give one of cron, every, rule and at, not {len(given)}")
        return self

    def plan(self, zone_default: str) -> Plan:
        """The schedule as the adaptor makes it; `LocalProtocolError` if the interval is malformed."""
        return Plan(
            name=self.name,
            timing=self._timing(self.zone or zone_default),
            payload=self.payload,
            priority=self.priority,
            missed=Missed(self.missed),
            overlap=Overlap(self.overlap),
            jitter=self.jitter,
            retries=self.retries,
            retry_delay=self.retry_delay,
        )

    def _timing(self, zone: str) -> Timing:
        if self.cron is not None:
            return Cron(self.cron, zone)
        if self.every is not None:
            return parse_interval(self.every)
        if self.rule is not None:
            return Calendar(self.rule, zone, holidays=self.holidays, on_holiday=self.on_holiday)
        assert self.at is not None
        return Once(self.at, zone)


class TimerConfiguration(BaseModel):
    """Everything an operator can set for a timer resource adaptor entity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolution: Annotated[float, Field(ge=0.001, le=1)] = 0.01
    """Seconds within which occurrences fire together (TIM-12)."""
    zone_default: str = "UTC"
    """Zone of configured schedules that name none."""
    max_catch_up: Number = 1000
    """Missed occurrences that fire at most where the policy is `all` (TIM-13)."""
    missed_after: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Delay from which on an occurrence counts as missed."""
    fires_per_second: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2000.0
    """Occurrences released in a second at most (TIM-18)."""
    max_schedules: Number = 1_000_000
    max_schedules_of_service: Number = 100_000
    schedules: tuple[ConfiguredSchedule, ...] = ()
    holidays: dict[str, frozenset[datetime.date]] = Field(default_factory=dict[str, "frozenset[datetime.date]"])
    """Days off, by the name of their calendar (TIM-5)."""

    @field_validator("zone_default")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            find_zone(value)
        except LocalProtocolError as error:
            raise ValueError(str(error)) from error
        return value

    @property
    def days_off(self) -> Holidays:
        """Days off by the name of their calendar."""
        return self.holidays
