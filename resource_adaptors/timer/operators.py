"""What operators do with schedules (TIM-27)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from resource_adaptors.timer.config import plan_of
from resource_adaptors.timer.protocol.errors import AlreadyExistsError, LocalProtocolError, ResourceExhaustedError
from resource_adaptors.timer.protocol.schedule import Origin, Schedule
from resource_adaptors.timer.protocol.scheduler import Fired
from resource_adaptors.timer.protocol.timing import Calendar, Cron, Every, Once, Timing
from slee.api.errors import (
    InvalidArgumentError,
    InvalidStateError,
    ScheduleAlreadyExistsError,
    UnrecognizedScheduleError,
)
from slee.spi.scheduling import DeclaredSchedule, ScheduleInfo

if TYPE_CHECKING:
    from resource_adaptors.timer.adaptor import TimerAdaptor

_SHOWN: Final = 5
"""Times that a schedule is due, where it is shown."""
OUT_OF_TURN: Final = -1
"""Index of a run that an operator asked for."""


class Operators:
    """The schedules of one entity, for its operators."""

    def __init__(self, adaptor: TimerAdaptor) -> None:
        self._adaptor = adaptor

    def find(self, prefix: str) -> tuple[ScheduleInfo, ...]:
        """The schedules whose names begin so, by name, each with its next time."""
        found = (schedule for schedule in self._adaptor.register if schedule.plan.name.startswith(prefix))
        return tuple(self._info(schedule, 1) for schedule in sorted(found, key=lambda schedule: schedule.plan.name))

    def show(self, name: str) -> ScheduleInfo:
        """One schedule, with its next five times."""
        return self._info(self._get(name), _SHOWN)

    def create(self, name: str, properties: Mapping[str, object]) -> ScheduleInfo:
        """Make a schedule that is fired to every service."""
        adaptor = self._adaptor
        if not adaptor.is_working:
            raise InvalidStateError(
                f"schedule {name}: {adaptor.context.entity_name} does not work [RA-6]; activate it, and start the SLEE"
            )
        try:
            given = {key.replace("-", "_"): value for key, value in properties.items()}
            if given.setdefault("name", name) != name:
                raise InvalidArgumentError(f"schedule {name}: name: {given['name']!r} [TIM-10]; leave the property out")
            plan = plan_of(DeclaredSchedule.model_validate(given), adaptor.settings.zone_default)
            adaptor.register.check_room(plan, None, replace=False)
            handle, now = adaptor.new_handle(name), adaptor.time_of(plan.timing)
            schedule = adaptor.register.make(handle, plan, now, origin=Origin.OPERATOR)
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in found["loc"]) or name
            raise InvalidArgumentError(
                f"schedule {name}: {where}: {found['msg']} [TIM-9]; mend the property"
            ) from error
        except AlreadyExistsError as error:
            raise ScheduleAlreadyExistsError(str(error)) from error
        except ResourceExhaustedError as error:
            adaptor.watch.limit_reached(None, error)
            raise ScheduleAlreadyExistsError(str(error)) from error
        except LocalProtocolError as error:
            raise InvalidArgumentError(str(error)) from error
        adaptor.keeping.start(schedule)
        return self._info(schedule, _SHOWN)

    def suspend(self, name: str) -> ScheduleInfo:
        """Let a schedule rest; without effect if it does."""
        schedule = self._get(name)
        self._adaptor.suspend(schedule)
        return self._info(schedule, _SHOWN)

    def resume(self, name: str) -> ScheduleInfo:
        """Let a schedule go on; without effect if it does."""
        schedule = self._get(name)
        if schedule.progress.is_suspended:
            self._adaptor.resume(schedule)
        return self._info(schedule, _SHOWN)

    def fire(self, name: str) -> ScheduleInfo:
        """Fire a schedule once, out of turn."""
        schedule = self._get(name)
        adaptor = self._adaptor
        wall = adaptor.wall_now()
        progress = schedule.progress
        progress.last_due, progress.last_index, progress.retried = (
            adaptor.scheduler.line(schedule, wall),
            OUT_OF_TURN,
            0,
        )
        adaptor.firing.occurrence(Fired(schedule, wall, OUT_OF_TURN), wall)
        adaptor.keeping.save(schedule)
        return self._info(schedule, _SHOWN)

    def cancel(self, name: str) -> None:
        """End a schedule that no configuration and no bundle declares (TIM-23)."""
        schedule = self._get(name)
        if schedule.origin in (Origin.CONFIGURATION, Origin.BUNDLE):
            raise InvalidStateError(
                f"schedule {name}: the {schedule.origin.value} declares it [TIM-23]; suspend it, or take it out there"
            )
        self._adaptor.end(schedule, "cancelled")

    def _get(self, name: str) -> Schedule:
        schedule = self._adaptor.register.named(name)
        if schedule is None:
            raise UnrecognizedScheduleError(f"schedule {name}: there is none of that name [TIM-27]; list them first")
        return schedule

    def _info(self, schedule: Schedule, times: int) -> ScheduleInfo:
        plan, progress = schedule.plan, schedule.progress
        return ScheduleInfo(
            name=plan.name,
            kind=schedule.kind,
            timing=_text(plan.timing),
            origin=schedule.origin.value,
            service=None if schedule.service is None else str(schedule.service),
            state="suspended" if progress.is_suspended else "active",
            due=self._adaptor.scheduler.dues(schedule, times),
            fired=progress.index,
            missed=plan.missed.value,
            overlap=plan.overlap.value,
            failures=schedule.failures,
        )


def _text(timing: Timing) -> str:
    """A timing for people."""
    if isinstance(timing, Once):
        return f"{timing.at} {timing.zone}" if not isinstance(timing.at, float) else f"{timing.at:.3f}"
    if isinstance(timing, Every):
        start = "its creation" if timing.start is None else f"{timing.start:.3f}"
        count = f", {timing.count} times" if timing.count else ""
        return f"{timing.period:g} s from {start}{count}"
    if isinstance(timing, Cron):
        return f"{timing.expression} {timing.zone}"
    assert isinstance(timing, Calendar)
    return f"{timing.rule} {timing.zone}"
