"""The alarms of one timer adaptor entity: each is cleared when what it tells of is over (TIM-30)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.timer.register import owner
from slee.api.alarm import AlarmLevel

if TYPE_CHECKING:
    from resource_adaptors.timer.protocol.schedule import Schedule
    from slee.api.alarm import AlarmID
    from slee.api.ids import ServiceID
    from slee.spi import ResourceAdaptorContext

BACKLOG: Final = 5.0
"""Seconds of delay at which the alarm is raised (TIM-18)."""
FAILING: Final = 5
"""Runs in a row whose handlers all rolled back."""
QUIET: Final = 600.0
"""Seconds without a step after which the wall clock is trusted again."""


class Watch:
    """Raises and clears."""

    def __init__(self, context: ResourceAdaptorContext) -> None:
        self._context = context
        self._stepped_at: float | None = None
        self._is_behind = False
        self._full: dict[object, AlarmID] = {}
        """By owner, `None` for the limit of all."""
        self._failing: dict[str, AlarmID] = {}
        """By name of the schedule."""

    def clock_stepped(self, seconds: float) -> None:
        """The wall clock was stepped."""
        self._stepped_at = self._context.now
        self._raise(
            "timer.clock_step",
            f"the wall clock was stepped by {seconds:+.1f} s; schedules by wall clock follow it: see to its source",
            AlarmLevel.WARNING,
        )

    def look(self, backlog: float) -> None:
        """Called often, with the delay of the occurrence that is due first."""
        if self._stepped_at is not None and self._context.now - self._stepped_at > QUIET:
            self._stepped_at = None
            self._context.alarms.clear_type("timer.clock_step")
        if backlog >= BACKLOG:
            self._is_behind = True
            self._raise(
                "timer.backlog",
                f"occurrences fire {backlog:.0f} s late; raise fires-per-second or spread the schedules",
                AlarmLevel.MAJOR,
            )
        elif self._is_behind and not backlog:
            self._is_behind = False
            self._context.alarms.clear_type("timer.backlog")

    def processed(self, schedule: Schedule) -> None:
        """A run was processed, well or not."""
        name = schedule.plan.name
        if schedule.failures >= FAILING and name not in self._failing:
            self._failing[name] = self._context.alarms.raise_alarm(
                "timer.schedule_failing",
                name,
                level=AlarmLevel.MAJOR,
                message=f"every handler of the last {FAILING} runs of schedule {name} rolled back; see the log for why",
            )
        elif not schedule.failures:
            self.ended(schedule)

    def ended(self, schedule: Schedule) -> None:
        """A schedule is over, or does well again."""
        alarm = self._failing.pop(schedule.plan.name, None)
        if alarm is not None:
            self._context.alarms.clear(alarm)

    def limit_reached(self, service: ServiceID | None, error: Exception) -> None:
        """A schedule of a service was refused, since there are too many (TIM-28)."""
        instance = self._context.entity_name if service is None else f"{service.vendor}/{service.name}"
        self._full[owner(service)] = self._context.alarms.raise_alarm(
            "timer.limit", instance, level=AlarmLevel.MAJOR, message=str(error)
        )

    def room_made(self, service: ServiceID | None) -> None:
        """A schedule of a service has gone."""
        for key in (owner(service), None):
            alarm = self._full.pop(key, None)
            if alarm is not None:
                self._context.alarms.clear(alarm)

    def _raise(self, alarm_type: str, message: str, level: AlarmLevel) -> None:
        self._context.alarms.raise_alarm(alarm_type, self._context.entity_name, level=level, message=message)
