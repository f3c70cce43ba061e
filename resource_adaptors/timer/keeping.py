"""What is kept of schedules: over a crash beside their activities, over a stop of the SLEE by themselves (TIM-24).

A stop of the SLEE ends every activity. A schedule is more than its activity: it is put into the entity's records then,
and gets a new activity when the entity begins again. When the entity is deactivated, its schedules end.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.timer.protocol.schedule import Origin, Record, Schedule, read_record
from slee.api.ids import ServiceID, parse_id
from slee.spi import ActivityFlags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resource_adaptors.timer.adaptor import TimerAdaptor

_UNREFERENCED: Final = int(ActivityFlags.UNREFERENCED)


class Keeping:
    """Saves and takes back the schedules of one entity."""

    def __init__(self, adaptor: TimerAdaptor) -> None:
        self._adaptor = adaptor
        self.is_resting = False
        """Whether the SLEE stops: activities end, and schedules wait for the next start."""

    def start(self, schedule: Schedule) -> None:
        """Take in a new schedule, with its activity, and let it begin."""
        adaptor = self._adaptor
        adaptor.register.add(schedule)
        adaptor.context.endpoint.start_activity(schedule.handle, adaptor.activity_of(schedule), _UNREFERENCED)
        adaptor.scheduler.begin(schedule, adaptor.wall_now())
        self.save(schedule)

    def save(self, schedule: Schedule) -> None:
        """Have a schedule kept as it stands."""
        context = self._adaptor.context
        if schedule.handle not in self._adaptor.register.by_handle:
            return
        record = schedule.record(self._adaptor.scheduler.shift)
        if not self.is_resting:
            context.endpoint.save_activity(schedule.handle, record)
            return
        context.kept.put(schedule.plan.name, record)
        if context.activity_context(schedule.handle) is not None:
            context.endpoint.end_activity(schedule.handle)

    def forget(self, schedule: Schedule) -> None:
        """A schedule is over: it does not come back with the next start."""
        if self.is_resting:
            self._adaptor.context.kept.remove(schedule.plan.name)

    # A stop of the SLEE, and the next start.

    def rest(self) -> None:
        """Put every schedule away, and end its activity; what is in progress may change it still."""
        self.is_resting = True
        for schedule in list(self._adaptor.register):
            self._adaptor.scheduler.remove(schedule)
            self.save(schedule)

    def rise(self) -> None:
        """Give every schedule that was put away a new activity."""
        self.is_resting = False
        adaptor = self._adaptor
        for name, octets in adaptor.context.kept.items():
            adaptor.context.kept.remove(name)
            record = read_record(octets)
            if not self._is_wanted(record):
                continue
            schedule = self._made_of(adaptor.new_handle(name), record)
            adaptor.context.endpoint.start_activity(schedule.handle, adaptor.activity_of(schedule), _UNREFERENCED)
            self._go_on(schedule)
            self.save(schedule)

    # A crash.

    def restore(self, handle: Hashable, state: bytes | None) -> object | None:
        """Take back a schedule whose activity goes on; `None` if it is not wanted any more."""
        if not state:
            return None
        adaptor = self._adaptor
        record = read_record(state)
        existing = adaptor.register.named(record.plan.name)
        if existing is not None and existing.origin is not Origin.CONFIGURATION:
            return None  # it was put away, and has a new activity
        if not self._is_wanted(record):
            return None
        if existing is not None:  # made anew, when nobody knew yet that it was kept
            adaptor.drop(existing)
        schedule = self._made_of(str(handle), record)
        self._go_on(schedule)
        return adaptor.activity_of(schedule)

    def _is_wanted(self, record: Record) -> bool:
        """Whether a schedule is to go on: one of the configuration must be in it still, as it was (TIM-23)."""
        adaptor, name = self._adaptor, record.plan.name
        configured = adaptor.declared.plan(name)
        if record.origin is not Origin.CONFIGURATION:
            if configured is not None:
                message = "schedule %s of %s ends: the configuration has one of that name [TIM-10]"
                adaptor.context.tracer.warning(message, name, record.service)
            return configured is None
        if configured is not None and configured != record.plan and record.progress.is_suspended:
            existing = adaptor.register.named(name)
            if existing is not None:
                adaptor.scheduler.suspend(existing)
                self.save(existing)
            else:
                adaptor.declared.suspended.add(name)
        return configured == record.plan

    def _made_of(self, handle: str, record: Record) -> Schedule:
        register = self._adaptor.register
        progress = record.progress
        occurrences = register.compile(record.plan.timing, progress.created, is_kept=True)
        service = None if record.service is None else parse_id(record.service, ServiceID)
        schedule = Schedule(handle, record.plan, occurrences, progress, service=service, origin=record.origin)
        register.add(schedule)
        return schedule

    def _go_on(self, schedule: Schedule) -> None:
        """Wait again; what came due meanwhile is missed, or not, by its policy (TIM-13)."""
        progress = schedule.progress
        if not schedule.plan.retries:
            progress.pending = 0  # what is queued comes before the end all the same
        if progress.due is None and progress.last_due is None and not progress.index:
            self._adaptor.scheduler.begin(schedule, self._adaptor.wall_now())
        else:
            self._adaptor.scheduler.enqueue(schedule)

    # Services that go.

    def service_removed(self, service: ServiceID, others: Sequence[ServiceID]) -> None:
        """Leave the schedules of an uninstalled service to another version of it, or end them (TIM-23)."""
        adaptor, heir = self._adaptor, max(others, default=None)
        for schedule in [schedule for schedule in adaptor.register if schedule.service == service]:
            if heir is None:
                adaptor.end(schedule, "removed")
            else:
                schedule.service = heir
                self.save(schedule)
        kept = adaptor.context.kept
        for name, octets in kept.items():
            record = read_record(octets)
            if record.service == str(service):
                if heir is None:
                    kept.remove(name)
                else:
                    kept.put(name, msgspec.msgpack.encode(msgspec.structs.replace(record, service=str(heir))))
