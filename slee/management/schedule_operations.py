"""The operations on schedules, with their arguments: a part of the table of operations (TIM-27, MGT-1)."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from slee.api import errors
from slee.management.arguments import Arguments
from slee.management.operation import change, reading, state
from slee.management.schedules import Schedules
from slee.spi.scheduling import ScheduleInfo

_RESOURCE: Final = "entity with schedules; may be left out where one entity has some"


class ScheduleChoice(Arguments):
    """May choose among schedules."""

    prefix: str = Field("", description="how the names begin")
    resource: str | None = Field(None, description=_RESOURCE)


class ScheduleName(Arguments):
    """Names a schedule."""

    name: str = Field(description="name of the schedule")
    resource: str | None = Field(None, description=_RESOURCE)


class NewSchedule(Arguments):
    """A schedule to make."""

    name: str = Field(description="name of the schedule")
    properties: dict[str, Any] = Field(description="properties as in the configuration, such as cron='30 2 * * *'")
    resource: str | None = Field(None, description=_RESOURCE)


_ENTITY: Final = (errors.UnrecognizedResourceAdaptorEntityError,)
_NAMED: Final = (*_ENTITY, errors.UnrecognizedScheduleError)

SCHEDULE_OPERATIONS: Final = (
    reading("schedule.list", ScheduleChoice, tuple[ScheduleInfo, ...], Schedules.list, *_ENTITY),
    reading("schedule.show", ScheduleName, ScheduleInfo, Schedules.show, *_NAMED),
    change(
        "schedule.create",
        NewSchedule,
        ScheduleInfo,
        Schedules.create,
        *_ENTITY,
        errors.InvalidStateError,
        errors.ScheduleAlreadyExistsError,
    ),
    state("schedule.suspend", ScheduleName, ScheduleInfo, Schedules.suspend, *_NAMED),
    state("schedule.resume", ScheduleName, ScheduleInfo, Schedules.resume, *_NAMED),
    state("schedule.fire", ScheduleName, ScheduleInfo, Schedules.fire, *_NAMED),
    change("schedule.cancel", ScheduleName, None, Schedules.cancel, *_NAMED, errors.InvalidStateError),
)


__all__ = ["SCHEDULE_OPERATIONS", "NewSchedule", "ScheduleChoice", "ScheduleName"]
