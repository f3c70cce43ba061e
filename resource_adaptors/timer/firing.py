"""From the scheduler to the SLEE: what it releases becomes events, and what became of them decides how it goes on."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, cast

from resource_adaptors.timer.api import ScheduleEnded, ScheduleFired, ScheduleMissed
from resource_adaptors.timer.metrics import Lateness
from resource_adaptors.timer.protocol.schedule import KINDS, Overlap, Payload, Schedule
from resource_adaptors.timer.protocol.scheduler import Exhausted, Fired, MissedRun, Notice
from slee.api.address import Address, AddressPlan
from slee.api.errors import ActivityError, FireEventError, InvalidStateError, UnrecognizedServiceError
from slee.spi import EventFlags

if TYPE_CHECKING:
    from resource_adaptors.timer.adaptor import TimerAdaptor

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)


class Firing:
    """The occurrences that were fired, and the schedules that end with their last one."""

    def __init__(self, adaptor: TimerAdaptor) -> None:
        self._adaptor = adaptor
        self.lateness = Lateness()
        self.fired = dict.fromkeys(KINDS, 0)
        """Occurrences fired, by kind of schedule."""
        self.retries = 0
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
        progress = schedule.progress
        if plan.overlap is not Overlap.ALLOW:
            progress.before = tuple(sorted(self._adaptor.context.attached(schedule.handle)))
        payload = cast("Payload", plan.payload)
        event = ScheduleFired(plan.name, notice.due, wall, notice.index, notice.missed, payload, plan.is_private)
        progress.pending += 1
        if not self._fire(schedule, event, _OUTCOME):
            self.processed(schedule.handle, is_failed=True)

    def is_busy(self, schedule: Schedule) -> bool:
        """Whether the last run goes on: it is not processed, or an entity attached since then is attached (TIM-14)."""
        progress = schedule.progress
        if progress.pending or progress.before is None:
            return bool(progress.pending)
        return not self._adaptor.context.attached(schedule.handle) <= set(progress.before)

    def _fire(self, schedule: Schedule, event: object, flags: int = 0) -> bool:
        """Fire an event; `False` if the SLEE does not take it, which it counts itself."""
        address = Address(AddressPlan.UNDEFINED, schedule.plan.name)
        try:
            self._adaptor.context.endpoint.fire(schedule.handle, event, address, schedule.service, flags)
        except (ActivityError, FireEventError, InvalidStateError, UnrecognizedServiceError):
            return False
        return True

    def processed(self, handle: Hashable, *, is_failed: bool) -> None:
        """An occurrence was processed: it may be tried again, or have been the last."""
        schedule = self._adaptor.register.by_handle.get(str(handle))
        if schedule is None:
            return
        progress = schedule.progress
        progress.pending = max(0, progress.pending - 1)
        schedule.failures = schedule.failures + 1 if is_failed else 0
        is_retried = is_failed and self._adaptor.scheduler.retry(schedule, self._adaptor.wall_now())
        if is_retried:
            self._exhausted.pop(schedule.handle, None)
        if schedule.plan.retries:  # else nothing depends on it after a crash
            self._adaptor.keeping.save(schedule)
        self._adaptor.scheduler.look_again(schedule)
        self._adaptor.watch.processed(schedule)
        self._end_if_exhausted(schedule)

    def _end_if_exhausted(self, schedule: Schedule) -> None:
        """End a schedule that fires no more, once its last occurrence was delivered (TIM-20)."""
        if not schedule.progress.pending and schedule.handle in self._exhausted:
            self.end(schedule, self._exhausted[schedule.handle])

    def end(self, schedule: Schedule, reason: str) -> None:
        """End a schedule and its activity, and tell why."""
        adaptor = self._adaptor
        self._fire(schedule, ScheduleEnded(schedule.plan.name, reason))
        adaptor.keeping.forget(schedule)
        adaptor.drop(schedule)
        self._exhausted.pop(schedule.handle, None)
        adaptor.watch.ended(schedule)
        adaptor.watch.room_made(schedule.service)
