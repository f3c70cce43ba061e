"""Configuration of the timer resource adaptor (E4). Unknown keys are refused; durations are in seconds."""

from __future__ import annotations

import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from resource_adaptors.timer.protocol.errors import LocalProtocolError
from resource_adaptors.timer.protocol.schedule import Missed, Overlap, Plan
from resource_adaptors.timer.protocol.timing import Calendar, Cron, Once, Timing, parse_interval
from resource_adaptors.timer.protocol.zones import find_zone
from slee.spi.scheduling import DeclaredSchedule

LIVE: Final = frozenset({"fires_per_second", "max_schedules", "max_schedules_of_service", "holidays", "holidays_table"})
"""Keys that can be changed while the entity works (TIM-31)."""
Number = Annotated[int, Field(ge=1)]


def plan_of(declared: DeclaredSchedule, zone_default: str) -> Plan:
    """A declared schedule as the adaptor makes it; `LocalProtocolError` if its interval is malformed."""
    return Plan(
        name=declared.name,
        timing=_timing(declared, declared.zone or zone_default),
        payload=declared.payload,
        priority=declared.priority,
        missed=Missed(declared.missed),
        overlap=Overlap(declared.overlap),
        jitter=declared.jitter,
        retries=declared.retries,
        retry_delay=declared.retry_delay,
        valid_from=None if declared.valid_from is None else declared.valid_from.timestamp(),
        valid_until=None if declared.valid_until is None else declared.valid_until.timestamp(),
    )


def _timing(declared: DeclaredSchedule, zone: str) -> Timing:
    if declared.cron is not None:
        return Cron(declared.cron, zone)
    if declared.every is not None:
        return parse_interval(declared.every)
    if declared.rule is not None:
        return Calendar(
            declared.rule,
            zone,
            start=declared.start,
            exdates=declared.exdates,
            rdates=declared.rdates,
            holidays=declared.holidays,
            on_holiday=declared.on_holiday,
        )
    assert declared.at is not None
    return Once(declared.at, zone)


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
    schedules: tuple[DeclaredSchedule, ...] = ()
    holidays: dict[str, frozenset[datetime.date]] = Field(default_factory=dict[str, "frozenset[datetime.date]"])
    """Days off, by the name of their calendar (TIM-5)."""
    holidays_table: str | None = None
    """Profile table with further days off: attributes `calendar` and `day`, as the shipped `holiday` has them."""

    @field_validator("zone_default")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            find_zone(value)
        except LocalProtocolError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _has_names_once(self) -> TimerConfiguration:
        names = [schedule.name for schedule in self.schedules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"schedules: {', '.join(twice)} twice [TIM-10]; give each a name of its own")
        return self
