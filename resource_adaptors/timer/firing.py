"""From the scheduler to the SLEE: what it releases becomes events, and what became of them decides how it goes on."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from resource_adaptors.timer.api import ScheduleEnded, ScheduleFired, ScheduleMissed
from resource_adaptors.timer.metrics import Lateness
from resource_adaptors.timer.protocol.schedule import KINDS, Schedule
from resource_adaptors.timer.protocol.scheduler import Exhausted, Fired, MissedRun, Notice
from slee.api.address import Address, AddressPlan
from slee.api.alarm import AlarmLevel
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi import EventFlags

if TYPE_CHECKING:
    from resource_adaptors.timer.adaptor import TimerAdaptor

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_FAILING: Final = 5
"""Runs in a row that roll back before an alarm is raised (TIM-30)."""


class Firing:
    """The occurrences that were fired, and the schedules that end with their last one."""

    def __init__(self, adaptor: TimerAdaptor) -> None:
        self._adaptor = adaptor
        self.lateness = Lateness()
        self.fired = dict.fromkeys(KINDS, 0)
        """Occurrences fired, by kind of schedule."""
        self.retries = 0
        self._in_flight: dict[str, int] = {}
        """Occurrences fired and not yet processed, by handle."""
        self._exhausted: dict[str, str] = {}
        """Why schedules end once nothing of theirs is in flight, by handle."""

    def tell(self, notice: Notice, wall: float) -> None:
        """What the scheduler has released: an occurrence, runs that were missed, or the end."""
        schedule = notice.schedule
        if isinstance(notice, Fired):
            self.occurrence(notice, wall)
        elif isinstance(notice, MissedRun):
            self._fire(schedule, ScheduleMissed(schedule.plan.name, notice.count, notice.first, notice.last))
        else:
            assert isinstance(notice, Exhausted)
            self._exhausted[schedule.handle] = notice.reason
            self._end_if_exhausted(schedule)

    def occurrence(self, notice: Fired, wall: float) -> None:
        """Fire one occurrence."""
        schedule = notice.schedule
        plan = schedule.plan
        self.lateness.observe(max(0.0, wall - notice.due))
        self.fired[schedule.kind] += 1
        self.retries += notice.is_retry
        schedule.is_running = not schedule.is_held
        schedule.is_held = True
        event = ScheduleFired(plan.name, notice.due, wall, notice.index, notice.missed, plan.payload)
        if self._fire(schedule, event, _OUTCOME):
            self._in_flight[schedule.handle] = self._in_flight.get(schedule.handle, 0) + 1

    def _fire(self, schedule: Schedule, event: object, flags: int = 0) -> bool:
        """Fire an event; `False` if the SLEE does not take it, which it counts itself."""
        address = Address(AddressPlan.UNDEFINED, schedule.plan.name)
        try:
            self._adaptor.context.endpoint.fire(schedule.handle, event, address, None, flags)
        except (ActivityError, FireEventError, InvalidStateError):
            return False
        return True

    def processed(self, handle: Hashable, *, is_failed: bool) -> None:
        """An occurrence was processed: it may be tried again, or have been the last."""
        schedule = self._adaptor.register.by_handle.get(str(handle))
        if schedule is None:
            return
        self._in_flight[schedule.handle] = max(0, self._in_flight.get(schedule.handle, 0) - 1)
        schedule.failures = schedule.failures + 1 if is_failed else 0
        if is_failed and self._adaptor.scheduler.retry(schedule, self._adaptor.wall_now()):
            self._exhausted.pop(schedule.handle, None)
            self._adaptor.save(schedule)
        if schedule.failures == _FAILING:
            self._adaptor.context.alarms.raise_alarm(
                "timer.schedule_failing",
                schedule.plan.name,
                level=AlarmLevel.MAJOR,
                message=f"every handler of the last {_FAILING} runs of schedule {schedule.plan.name} rolled back",
            )
        self._end_if_exhausted(schedule)

    def _end_if_exhausted(self, schedule: Schedule) -> None:
        """End a schedule that fires no more, once its last occurrence was delivered (TIM-20)."""
        if not self._in_flight.get(schedule.handle) and schedule.handle in self._exhausted:
            self.end(schedule, self._exhausted[schedule.handle])

    def end(self, schedule: Schedule, reason: str) -> None:
        """End a schedule and its activity, and tell why."""
        self._adaptor.scheduler.remove(schedule)
        self._adaptor.register.remove(schedule)
        self._in_flight.pop(schedule.handle, None)
        self._exhausted.pop(schedule.handle, None)
        self._fire(schedule, ScheduleEnded(schedule.plan.name, reason))
        if self._adaptor.context.activity_context(schedule.handle) is not None:
            self._adaptor.context.endpoint.end_activity(schedule.handle)
