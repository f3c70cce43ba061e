"""The timer resource adaptor: joins the scheduler to the SLEE; the schedules' rules are in `protocol`.

The scheduler works in the time of the wall clock, by which schedules are written. The SLEE's clock is monotonic, and
waits; the difference between the two is looked at whenever something is due and every second, so that a step of the
wall clock is noticed, and what is due by it is never early (TIM-12, TIM-16).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import ClassVar, Final

from pydantic import BaseModel

from resource_adaptors.timer.api import TIMER, ScheduleActivity
from resource_adaptors.timer.config import LIVE, TimerConfiguration
from resource_adaptors.timer.declared import Declared, verify_configuration
from resource_adaptors.timer.firing import Firing
from resource_adaptors.timer.keeping import Keeping
from resource_adaptors.timer.metrics import TimerStatistics
from resource_adaptors.timer.operators import Operators
from resource_adaptors.timer.protocol.schedule import Schedule
from resource_adaptors.timer.protocol.scheduler import Scheduler
from resource_adaptors.timer.protocol.timing import Timing
from resource_adaptors.timer.provider import Cancel, Create, Reschedule, Resume, Suspend, TimerProvider
from resource_adaptors.timer.register import Register
from resource_adaptors.timer.watch import Watch
from slee.api.errors import InvalidConfigurationError
from slee.api.ids import ResourceAdaptorID, ServiceID
from slee.api.resource import ResourceAdaptorType
from slee.spi import (
    EventFlags,
    FailureReason,
    ReceivableService,
    ResourceAdaptor,
    ResourceAdaptorContext,
    ResourceInterface,
)
from slee.spi.scheduling import ScheduleInfo

_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_CLOCK_STEP: Final = 0.9
"""Seconds that the wall clock must step between two looks to be noticed: a clock that stands is (TIM-16)."""
_LOOK: Final = 1.0
"""Seconds between two looks at the wall clock, and at runs that an occurrence waits for."""


class TimerAdaptor(ResourceAdaptor):
    """One timer resource adaptor entity."""

    id: ClassVar[ResourceAdaptorID] = ResourceAdaptorID("timer", "slee", "1.0")
    ra_types = (TIMER,)
    configuration: ClassVar[type[BaseModel] | None] = TimerConfiguration
    reconfigures_while_active = True
    is_gathering: ClassVar[bool] = True
    """Whether occurrences due within the resolution fire together."""

    context: ResourceAdaptorContext
    settings: TimerConfiguration
    scheduler: Scheduler
    register: Register
    watch: Watch

    def __init__(self) -> None:
        self.is_watching = True
        """Whether the wall clock is looked at every second though nothing is due."""
        self.is_working = False
        """Whether the entity is Active and the SLEE Running, or either on its way out."""
        self._offset = 0.0
        """Wall clock minus the SLEE's clock."""
        self._looked_at = 0.0
        self._looked_offset = 0.0
        self._ticked_at = 0.0
        self._clock_steps = 0
        self.firing = Firing(self)
        self.keeping = Keeping(self)
        self.declared = Declared(self)
        self._operators = Operators(self)
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
        self.watch = Watch(context)

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, TimerConfiguration)
        verify_configuration(configuration)
        if self.is_working:
            fixed = [key for key in type(configuration).model_fields if key not in LIVE]
            changed = [key for key in fixed if getattr(configuration, key) != getattr(self.settings, key)]
            if changed:
                keys = ", ".join(changed).replace("_", "-")
                raise InvalidConfigurationError(
                    f"{self.context.entity_name}: {keys} of an entity at work [TIM-31, COM-17]; stop the SLEE first"
                )

    def ra_configure(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, TimerConfiguration)
        self.settings = configuration
        self.register = Register(configuration, self.declared.days_off)
        self.scheduler = Scheduler(
            self.context.random_bytes,
            rate=configuration.fires_per_second,
            catch_up=configuration.max_catch_up,
            late_after=configuration.missed_after,
            is_busy=self.firing.is_busy,
        )

    def ra_configuration_update(self, configuration: BaseModel) -> None:
        if not self.is_working:
            self.ra_configure(configuration)
            return
        assert isinstance(configuration, TimerConfiguration)
        self.settings = self.register.settings = configuration
        self.scheduler.rate = configuration.fires_per_second
        self.declared.look()

    def ra_active(self) -> None:
        self.is_working = True
        self._looked_at = self.context.now
        self._offset = self._looked_offset = self.wall_clock() - self._looked_at
        self.scheduler.shift = 0.0
        self.keeping.rise()
        self.declared.make_configured()

    def ra_stopping(self) -> None:
        """Fire nothing more: put the schedules away if the SLEE stops, end them if the entity does (COM-18, RA-9)."""
        if self.context.is_entity_active:
            self.keeping.rest()
            return
        for schedule in list(self.register):
            self.end(schedule, "adaptor_stopping")

    def ra_inactive(self) -> None:
        self.is_working = False
        self.register.clear()

    def new_handle(self, name: str) -> str:
        """A handle for a schedule: a name may be used again before the end of an earlier activity is complete."""
        return f"{name} {self.context.random_bytes(6).hex()}"

    @staticmethod
    def activity_of(schedule: Schedule) -> ScheduleActivity:
        """The activity object of a schedule."""
        return ScheduleActivity(schedule.plan.name, schedule.kind)

    def end(self, schedule: Schedule, reason: str) -> None:
        """End a schedule, and tell why."""
        self.firing.end(schedule, reason)

    def drop(self, schedule: Schedule) -> None:
        """End a schedule without a word."""
        self.scheduler.remove(schedule)
        self.register.remove(schedule)
        if self.context.activity_context(schedule.handle) is not None:
            self.context.endpoint.end_activity(schedule.handle)

    # Time.

    def wall_clock(self) -> float:
        """Seconds since the epoch as the system's clock shows them now, steps included."""
        return time.time()

    def wall_now(self) -> float:
        """The same by the SLEE's clock and the difference seen last."""
        return self.context.now + self._offset

    def time_of(self, timing: Timing) -> float:
        """The present on the time line of a timing."""
        return self.scheduler.time_of(timing, self.wall_now())

    def next_deadline(self) -> float | None:
        if not self.is_working or self.keeping.is_resting:
            return None
        looks = self.is_watching or self.scheduler.postponed
        deadline = self._looked_at + _LOOK if looks else math.inf
        due = self.scheduler.next_deadline()
        if due is not None:
            at = due - self._offset
            while at + self._offset < due:  # rounded down, it would be early by a hair, and come again and again
                at = math.nextafter(at, math.inf)
            if self.is_gathering:
                at = max(at, self._ticked_at + self.settings.resolution)
            deadline = min(deadline, at)
        return deadline if deadline < math.inf else None

    def tick(self, now: float) -> None:
        if not self.is_working or self.keeping.is_resting:
            return
        self._ticked_at = now
        self.look_at_clock()
        if now >= self._looked_at + _LOOK:
            self.look(now)
        wall = self.wall_now()
        for notice in self.scheduler.release(wall):
            self.firing.tell(notice, wall)
            self.keeping.save(notice.schedule)
        self.watch.look(self.scheduler.backlog(wall))

    def look_at_clock(self) -> None:
        """See what the wall clock shows; what goes by the steady line is not moved by it (TIM-16)."""
        offset = self.wall_clock() - self.context.now
        self.scheduler.shift += offset - self._offset
        self._offset = offset

    def look(self, now: float) -> None:
        """Has the wall clock been stepped since the last look? And is a run over that an occurrence waits for?"""
        self._looked_at = now
        step = self._offset - self._looked_offset
        self._looked_offset = self._offset
        if abs(step) > _CLOCK_STEP:
            self.clock_stepped(step)
        for schedule in tuple(self.scheduler.postponed):
            self.scheduler.look_again(schedule)
        self.declared.look()

    def clock_stepped(self, seconds: float) -> None:
        """Count a step, tell of it, and keep what goes by the steady line as it is now by the wall clock."""
        self._clock_steps += 1
        self.watch.clock_stepped(seconds)
        for schedule in self.register:
            if schedule.is_steady:
                self.keeping.save(schedule)

    # What the SLEE tells.

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        is_failed = bool(flags & _ROLLED_BACK) and bool(flags & _PROCESSED)
        self.firing.processed(handle, is_failed=is_failed)

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self.firing.processed(handle, is_failed=True)

    def activity_unreferenced(self, handle: Hashable) -> None:
        schedule = self.register.by_handle.get(str(handle))
        if schedule is not None:
            self.scheduler.look_again(schedule)

    def administrative_remove(self, handle: Hashable) -> None:
        schedule = self.register.by_handle.get(str(handle))
        if schedule is not None:
            self.end(schedule, "removed")

    def query_liveness(self, handle: Hashable) -> None:
        if str(handle) not in self.register.by_handle and self.context.activity_context(handle) is not None:
            self.context.endpoint.end_activity(handle)

    def get_activity(self, handle: Hashable) -> object:
        schedule = self.register.by_handle.get(str(handle))
        return None if schedule is None else self.activity_of(schedule)

    def restore_activity(self, handle: Hashable, state: bytes | None) -> object | None:
        """Take up a schedule that was kept; what came due meanwhile is missed, or not, by its policy (TIM-13)."""
        return self.keeping.restore(handle, state)

    def verify_service(self, service: ReceivableService, active: Sequence[ReceivableService]) -> None:
        self.declared.verify(service, active)

    def service_active(self, service: ReceivableService) -> None:
        self.declared.service_active(service)

    def service_removed(self, service: ServiceID, others: Sequence[ServiceID]) -> None:
        self.keeping.service_removed(service, others)

    # Commands.

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return TimerProvider(self)

    def perform(self, command: object) -> None:
        self._commands[type(command)](command)

    def _create(self, command: Create) -> None:
        self.scheduler.begin(command.schedule, self.wall_now())
        self.keeping.save(command.schedule)

    def _cancel(self, command: Cancel) -> None:
        self.end(command.schedule, command.reason)

    def _suspend(self, command: Suspend) -> None:
        self.suspend(command.schedule)

    def _resume(self, command: Resume) -> None:
        self.resume(command.schedule)

    def _reschedule(self, command: Reschedule) -> None:
        schedule = command.schedule
        self.register.retime(schedule, command.timing, self.time_of(command.timing))
        self.scheduler.begin(schedule, self.wall_now())
        self.keeping.save(schedule)

    def suspend(self, schedule: Schedule) -> None:
        """Let a schedule rest (TIM-19)."""
        self.scheduler.suspend(schedule)
        self.keeping.save(schedule)

    def resume(self, schedule: Schedule) -> None:
        """Let a schedule go on (TIM-19)."""
        self.scheduler.resume(schedule)
        self.keeping.save(schedule)

    # What operators do (slee.spi.Scheduling).

    def list_schedules(self, prefix: str) -> tuple[ScheduleInfo, ...]:
        """The schedules whose names begin so, by name."""
        return self._operators.find(prefix)

    def show_schedule(self, name: str) -> ScheduleInfo:
        """One schedule, with its next five times."""
        return self._operators.show(name)

    def create_schedule(self, name: str, properties: Mapping[str, object]) -> ScheduleInfo:
        """Make a schedule that is fired to every service."""
        return self._operators.create(name, properties)

    def suspend_schedule(self, name: str) -> ScheduleInfo:
        """Let a schedule rest (TIM-19)."""
        return self._operators.suspend(name)

    def resume_schedule(self, name: str) -> ScheduleInfo:
        """Let a schedule go on (TIM-19)."""
        return self._operators.resume(name)

    def fire_schedule(self, name: str) -> ScheduleInfo:
        """Fire a schedule once, out of turn."""
        return self._operators.fire(name)

    def cancel_schedule(self, name: str) -> None:
        """End a schedule that nothing declares (TIM-23)."""
        self._operators.cancel(name)

    def statistics(self) -> TimerStatistics:
        """A frozen picture of all counters (TIM-29)."""
        return TimerStatistics(
            schedules=self.register.kinds(),
            fired=dict(self.firing.fired),
            missed=dict(self.scheduler.missed),
            lateness=self.firing.lateness.histogram(),
            backlog=self.scheduler.backlog(self.wall_now()),
            retries=self.firing.retries,
            clock_steps=self._clock_steps,
        )
