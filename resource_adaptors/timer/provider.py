"""What SBBs call on the timer adaptor: judged and noted at the call, performed after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.timer.api import Plan, Timer, Timing
from resource_adaptors.timer.protocol.errors import LocalProtocolError, ResourceExhaustedError, UnknownScheduleError
from resource_adaptors.timer.protocol.schedule import Origin, Schedule
from slee.spi import ActivityFlags

if TYPE_CHECKING:
    from resource_adaptors.timer.adaptor import TimerAdaptor
    from slee.api.activity import ActivityContext

_UNREFERENCED: Final = int(ActivityFlags.UNREFERENCED)


class Create(msgspec.Struct, frozen=True):
    """Let a schedule begin."""

    schedule: Schedule


class Cancel(msgspec.Struct, frozen=True):
    """End a schedule."""

    schedule: Schedule
    reason: str


class Suspend(msgspec.Struct, frozen=True):
    """Let a schedule rest."""

    schedule: Schedule


class Resume(msgspec.Struct, frozen=True):
    """Let a schedule go on."""

    schedule: Schedule


class Reschedule(msgspec.Struct, frozen=True):
    """Give a schedule another timing."""

    schedule: Schedule
    timing: Timing


class TimerProvider(Timer):
    """The interface of one timer resource adaptor entity."""

    def __init__(self, adaptor: TimerAdaptor) -> None:
        self._adaptor = adaptor

    def create(self, plan: Plan, *, replace: bool = False) -> ActivityContext:
        adaptor = self._adaptor
        register, context = adaptor.register, adaptor.context
        service = context.invoking_service
        schedule = register.make(adaptor.new_handle(plan.name), plan, adaptor.time_of(plan.timing), service=service)
        try:
            existing = register.check_room(plan, service, replace=replace)
        except ResourceExhaustedError as error:
            adaptor.watch.limit_reached(service, error)
            raise
        if existing is not None:
            self._give_up(existing, "replaced")
        activity = context.endpoint.start_activity_transacted(
            schedule.handle, adaptor.activity_of(schedule), _UNREFERENCED
        )
        context.on_rollback(register.remove, schedule)
        register.add(schedule)
        context.endpoint.save_activity(schedule.handle, schedule.record(adaptor.scheduler.shift))
        context.enlist(Create(schedule))
        return activity

    def cancel(self, name: str) -> None:
        schedule = self._get(name)
        if schedule.origin is not Origin.SERVICE:
            raise LocalProtocolError(
                f"schedule {name!r}: its {schedule.origin.value} declares it [TIM-23]; suspend it instead"
            )
        self._give_up(schedule, "cancelled")

    def suspend(self, name: str) -> None:
        self._adaptor.context.enlist(Suspend(self._get(name)))

    def resume(self, name: str) -> None:
        self._adaptor.context.enlist(Resume(self._get(name)))

    def reschedule(self, name: str, timing: Timing) -> None:
        schedule = self._get(name)
        self._adaptor.register.check_timing(schedule, timing, self._adaptor.time_of(timing))
        self._adaptor.context.enlist(Reschedule(schedule, timing))

    def next(self, name: str) -> float | None:
        schedule = self._get(name)
        due = self._adaptor.scheduler.next_due(schedule)
        return None if schedule.progress.is_suspended else due

    def find(self, prefix: str = "") -> tuple[str, ...]:
        return self._adaptor.register.names(prefix, self._adaptor.context.invoking_service)

    def activity(self, name: str) -> ActivityContext | None:
        schedule = self._adaptor.register.find(name, self._adaptor.context.invoking_service)
        return None if schedule is None else self._adaptor.context.activity_context(schedule.handle)

    def _give_up(self, schedule: Schedule, reason: str) -> None:
        """Have a schedule ended at the commit; its name is free at once."""
        register, context = self._adaptor.register, self._adaptor.context
        register.release_name(schedule)
        context.on_rollback(register.reclaim_name, schedule)
        context.enlist(Cancel(schedule, reason))

    def _get(self, name: str) -> Schedule:
        schedule = self._adaptor.register.find(name, self._adaptor.context.invoking_service)
        if schedule is None:
            raise UnknownScheduleError(f"schedule {name!r}: this service has none of that name [TIM-32]; see find()")
        return schedule
