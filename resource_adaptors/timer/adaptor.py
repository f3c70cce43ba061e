"""The timer resource adaptor: joins the scheduler to the SLEE; the schedules' rules are in `protocol`.

The scheduler works in the time of the wall clock, by which schedules are written. The SLEE's clock is monotonic; the
difference between the two is looked at every second, so that a step of the wall clock is noticed (TIM-16).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from typing import ClassVar, Final

from pydantic import BaseModel

from resource_adaptors.timer.api import TIMER, ScheduleActivity, ScheduleEnded, ScheduleFired, ScheduleMissed
from resource_adaptors.timer.config import TimerConfiguration
from resource_adaptors.timer.metrics import Lateness, TimerStatistics
from resource_adaptors.timer.protocol.errors import LocalProtocolError, ResourceExhaustedError
from resource_adaptors.timer.protocol.schedule import KINDS, Schedule, read_record
from resource_adaptors.timer.protocol.scheduler import Exhausted, Fired, MissedRun, Notice, Scheduler
from resource_adaptors.timer.protocol.timing import Every, Timing, compile_timing
from resource_adaptors.timer.provider import Cancel, Create, Reschedule, Resume, Suspend, TimerProvider
from resource_adaptors.timer.register import Register
from slee.api.address import Address, AddressPlan
from slee.api.alarm import AlarmLevel
from slee.api.errors import ActivityError, FireEventError, InvalidConfigurationError, InvalidStateError
from slee.api.ids import ResourceAdaptorID
from slee.api.resource import ResourceAdaptorType
from slee.spi import (
    ActivityFlags,
    EventFlags,
    FailureReason,
    ResourceAdaptor,
    ResourceAdaptorContext,
    ResourceInterface,
)

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_UNREFERENCED: Final = int(ActivityFlags.UNREFERENCED)
_CLOCK_STEP: Final = 1.0
"""Seconds by which the wall clock must step to be noticed (TIM-16)."""
_BACKLOG_ALARM: Final = 5.0
_FAILING: Final = 5
"""Runs in a row that roll back before an alarm is raised (TIM-30)."""


class TimerAdaptor(ResourceAdaptor):
    """One timer resource adaptor entity."""

    id: ClassVar[ResourceAdaptorID] = ResourceAdaptorID("timer", "slee", "1.0")
    ra_types = (TIMER,)
    configuration: ClassVar[type[BaseModel] | None] = TimerConfiguration
    clock_check: ClassVar[float] = 1.0
    """Seconds between two looks at the wall clock."""

    context: ResourceAdaptorContext
    settings: TimerConfiguration
    scheduler: Scheduler
    register: Register

    def __init__(self) -> None:
        self._is_working = False
        self._offset = 0.0
        """Wall clock minus the SLEE's clock."""
        self._checked_at = 0.0
        self._lateness = Lateness()
        self._fired = dict.fromkeys(KINDS, 0)
        self._retries = 0
        self._clock_steps = 0
        self._in_flight: dict[str, int] = {}
        """Occurrences fired and not yet processed, by handle."""
        self._exhausted: dict[str, str] = {}
        """Why schedules end once nothing of theirs is in flight, by handle."""
        self._commands: dict[type, Callable[..., None]] = {
            Create: self._create,
            Cancel: self._cancel,
            Suspend: self._suspend,
            Resume: self._resume,
            Reschedule: self._reschedule,
        }

    # Life cycle.

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self.context = context

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, TimerConfiguration)
        for configured in configuration.schedules:
            try:
                plan = configured.plan(configuration.zone_default)
                compile_timing(plan.timing, 0.0, configuration.days_off)
            except LocalProtocolError as error:
                raise InvalidConfigurationError(f"schedule {configured.name}: {error}") from error

    def ra_configure(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, TimerConfiguration)
        self.settings = configuration
        self.register = Register(configuration)
        self.scheduler = Scheduler(
            self.context.random_bytes,
            rate=configuration.fires_per_second,
            catch_up=configuration.max_catch_up,
            late_after=configuration.missed_after,
        )

    def ra_active(self) -> None:
        self._is_working = True
        self._checked_at = self.context.now
        self._offset = self.wall_clock() - self._checked_at
        for configured in self.settings.schedules:
            plan = configured.plan(self.settings.zone_default)
            if self.register.find(plan.name, None) is None:
                schedule = self.register.make(self.new_handle(plan.name), plan, self.wall_now(), owner=None)
                self.register.add(schedule)
                self.context.endpoint.start_activity(schedule.handle, self.activity_of(schedule), _UNREFERENCED)
                self.scheduler.begin(schedule, self.wall_now())
                self._save(schedule)

    def ra_stopping(self) -> None:
        """Fire nothing more; what was fired is delivered, and each activity then ends (COM-18)."""
        for schedule in list(self.register):
            self._end(schedule, "adaptor_stopping")

    def ra_inactive(self) -> None:
        self._is_working = False
        self.register.clear()

    def wall_clock(self) -> float:
        """Seconds since the epoch as the system's clock shows them now, steps included."""
        return time.time()

    def wall_now(self) -> float:
        """The same by the SLEE's clock and the difference seen last."""
        return self.context.now + self._offset

    def new_handle(self, name: str) -> str:
        """A handle for a schedule: a name may be used again before the end of an earlier activity is complete."""
        return f"{name} {self.context.random_bytes(6).hex()}"

    @staticmethod
    def activity_of(schedule: Schedule) -> ScheduleActivity:
        """The activity object of a schedule."""
        return ScheduleActivity(schedule.plan.name, schedule.kind)

    # Time.

    def next_deadline(self) -> float | None:
        if not self._is_working:
            return None
        due = self.scheduler.next_deadline()
        if due is None:
            return None
        deadline = due - self._offset
        while deadline + self._offset < due:  # rounded down, it would be early by a hair, and come again and again
            deadline = math.nextafter(deadline, math.inf)
        return min(deadline, self._checked_at + self.clock_check)

    def tick(self, now: float) -> None:
        if not self._is_working:
            return
        if now >= self._checked_at + self.clock_check:
            self.check_clock()
        wall = now + self._offset
        for notice in self.scheduler.release(wall):
            self._tell(notice, wall)
            self._save(notice.schedule)
        self._watch_backlog(wall)

    def check_clock(self) -> None:
        """Has the wall clock been stepped? Then what is due by it is due at another time of the SLEE's (TIM-16)."""
        self._checked_at = self.context.now
        step = self.wall_clock() - self._checked_at - self._offset
        if abs(step) <= _CLOCK_STEP:
            return
        self._offset += step
        self._clock_steps += 1
        for schedule in self.register:
            timing = schedule.plan.timing
            if isinstance(timing, Every) and timing.start is None:
                self._shift(schedule, step)
        self.context.alarms.raise_alarm(
            "timer.clock_step",
            self.context.entity_name,
            level=AlarmLevel.WARNING,
            message=f"the wall clock was stepped by {step:+.1f} s; schedules by wall clock were computed anew",
        )

    def _shift(self, schedule: Schedule, step: float) -> None:
        """A period without a start of its own is counted from the creation, whatever the wall clock does."""
        progress = schedule.progress
        progress.created += step
        if progress.due is not None:
            progress.due += step
        schedule.occurrences = self.register.compile(schedule.plan.timing, progress.created)
        self.scheduler.enqueue(schedule)
        self._save(schedule)

    def _watch_backlog(self, wall: float) -> None:
        backlog = self.scheduler.backlog(wall)
        if backlog > _BACKLOG_ALARM:
            self.context.alarms.raise_alarm(
                "timer.backlog",
                self.context.entity_name,
                level=AlarmLevel.MAJOR,
                message=f"occurrences fire {backlog:.0f} s late; raise fires_per_second or spread the schedules",
            )
        elif not backlog:
            self.context.alarms.clear_type("timer.backlog")

    def _tell(self, notice: Notice, wall: float) -> None:
        schedule = notice.schedule
        if isinstance(notice, Fired):
            self._fire_occurrence(notice, wall)
        elif isinstance(notice, MissedRun):
            self._fire(schedule, ScheduleMissed(schedule.plan.name, notice.count, notice.first, notice.last))
        else:
            assert isinstance(notice, Exhausted)
            self._exhausted[schedule.handle] = notice.reason
            self._end_if_exhausted(schedule)

    def _fire_occurrence(self, notice: Fired, wall: float) -> None:
        schedule = notice.schedule
        plan = schedule.plan
        self._lateness.observe(max(0.0, wall - notice.due))
        self._fired[schedule.kind] += 1
        self._retries += notice.is_retry
        schedule.is_running = not schedule.is_held
        schedule.is_held = True
        event = ScheduleFired(plan.name, notice.due, wall, notice.index, notice.missed, plan.payload)
        if self._fire(schedule, event, _OUTCOME):
            self._in_flight[schedule.handle] = self._in_flight.get(schedule.handle, 0) + 1

    def _fire(self, schedule: Schedule, event: object, flags: int = 0) -> bool:
        """Fire an event; `False` if the SLEE does not take it, which it counts itself."""
        address = Address(AddressPlan.UNDEFINED, schedule.plan.name)
        try:
            self.context.endpoint.fire(schedule.handle, event, address, None, flags)
        except (ActivityError, FireEventError, InvalidStateError):
            return False
        return True

    # What the SLEE tells.

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        is_failed = bool(flags & _ROLLED_BACK) and bool(flags & _PROCESSED)
        self._processed(handle, is_failed=is_failed)

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self._processed(handle, is_failed=True)

    def _processed(self, handle: Hashable, *, is_failed: bool) -> None:
        schedule = self.register.by_handle.get(str(handle))
        if schedule is None:
            return
        self._in_flight[schedule.handle] = max(0, self._in_flight.get(schedule.handle, 0) - 1)
        schedule.failures = schedule.failures + 1 if is_failed else 0
        if is_failed and self.scheduler.retry(schedule, self.wall_now()):
            self._exhausted.pop(schedule.handle, None)
            self._save(schedule)
        if schedule.failures == _FAILING:
            self.context.alarms.raise_alarm(
                "timer.schedule_failing",
                schedule.plan.name,
                level=AlarmLevel.MAJOR,
                message=f"every handler of the last {_FAILING} runs of schedule {schedule.plan.name} rolled back",
            )
        self._end_if_exhausted(schedule)

    def _end_if_exhausted(self, schedule: Schedule) -> None:
        """End a schedule that fires no more, once its last occurrence was delivered (TIM-20)."""
        if not self._in_flight.get(schedule.handle) and schedule.handle in self._exhausted:
            self._end(schedule, self._exhausted[schedule.handle])

    def _end(self, schedule: Schedule, reason: str) -> None:
        self.scheduler.remove(schedule)
        self.register.remove(schedule)
        self._in_flight.pop(schedule.handle, None)
        self._exhausted.pop(schedule.handle, None)
        self._fire(schedule, ScheduleEnded(schedule.plan.name, reason))
        if self.context.activity_context(schedule.handle) is not None:
            self.context.endpoint.end_activity(schedule.handle)

    def activity_unreferenced(self, handle: Hashable) -> None:
        schedule = self.register.by_handle.get(str(handle))
        if schedule is not None:
            schedule.is_held = False
            self.scheduler.run_ended(schedule)

    def administrative_remove(self, handle: Hashable) -> None:
        schedule = self.register.by_handle.get(str(handle))
        if schedule is not None:
            self._end(schedule, "removed")

    def query_liveness(self, handle: Hashable) -> None:
        if str(handle) not in self.register.by_handle and self.context.activity_context(handle) is not None:
            self.context.endpoint.end_activity(handle)

    def get_activity(self, handle: Hashable) -> object:
        schedule = self.register.by_handle.get(str(handle))
        return None if schedule is None else self.activity_of(schedule)

    # Across restarts.

    def restore_activity(self, handle: Hashable, state: bytes | None) -> object | None:
        """Take up a schedule that was kept; what came due meanwhile is missed, or not, by its policy (TIM-13)."""
        if state is None:
            return None
        record = read_record(state)
        made_anew = self.register.find(record.plan.name, None) if record.owner is None else None
        if record.owner is None:
            if made_anew is None or made_anew.plan != record.plan:
                return None  # the configuration has changed since
            self._forget(made_anew)
        occurrences = self.register.compile(record.plan.timing, record.progress.created)
        schedule = Schedule(str(handle), record.plan, occurrences, record.progress, record.owner)
        self.register.add(schedule)
        if record.progress.due is None and record.progress.last_due is None:
            self.scheduler.begin(schedule, self.wall_now())
        else:
            self.scheduler.enqueue(schedule)
        return self.activity_of(schedule)

    def _forget(self, schedule: Schedule) -> None:
        self.scheduler.remove(schedule)
        self.register.remove(schedule)
        self.context.endpoint.end_activity(schedule.handle)

    def _save(self, schedule: Schedule) -> None:
        """Have the schedule kept over a restart as it stands (TIM-24)."""
        if schedule.handle in self.register.by_handle:
            self.context.endpoint.save_activity(schedule.handle, schedule.record())

    # Commands.

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return TimerProvider(self)

    def limit_reached(self, error: ResourceExhaustedError) -> None:
        """A service makes more schedules than it may: tell the operators (TIM-28, TIM-30)."""
        self.context.alarms.raise_alarm(
            "timer.limit", self.context.entity_name, level=AlarmLevel.MAJOR, message=str(error)
        )

    def perform(self, command: object) -> None:
        self._commands[type(command)](command)

    def _create(self, command: Create) -> None:
        self.scheduler.begin(command.schedule, self.wall_now())
        self._save(command.schedule)

    def _cancel(self, command: Cancel) -> None:
        self._end(command.schedule, command.reason)

    def _suspend(self, command: Suspend) -> None:
        self.scheduler.suspend(command.schedule)
        self._save(command.schedule)

    def _resume(self, command: Resume) -> None:
        self.scheduler.resume(command.schedule)
        self._save(command.schedule)

    def _reschedule(self, command: Reschedule) -> None:
        self.restart(command.schedule, command.timing)

    def restart(self, schedule: Schedule, timing: Timing) -> None:
        """Let a schedule go on by another timing that begins now."""
        self.register.retime(schedule, timing, self.wall_now())
        self.scheduler.begin(schedule, self.wall_now())
        self._save(schedule)

    # What operators do (TIM-27).

    def show(self, name: str, count: int = 5) -> tuple[float, ...]:
        """The next times that a schedule is due; `UnknownScheduleError` if there is none of that name."""
        schedule = self.register.get(name)
        times: list[float] = []
        due = schedule.progress.due
        while due is not None and len(times) < count:
            times.append(due)
            due = schedule.occurrences.next_after(due)
        return tuple(times)

    def fire_now(self, name: str) -> None:
        """Fire a schedule once, out of turn; its own occurrences stay as they are."""
        schedule = self.register.get(name)
        wall = self.wall_now()
        self._fire_occurrence(Fired(schedule, wall, schedule.progress.index), wall)
        self.context.pump()

    def statistics(self) -> TimerStatistics:
        """A frozen picture of all counters (TIM-29)."""
        return TimerStatistics(
            schedules=self.register.kinds(),
            fired=dict(self._fired),
            missed=dict(self.scheduler.missed),
            lateness=self._lateness.histogram(),
            backlog=self.scheduler.backlog(self.wall_now()),
            retries=self._retries,
            clock_steps=self._clock_steps,
        )
