"""The timer resource adaptor type: schedules as activities, the events they fire, and what SBBs call.

A schedule exists by itself: it can start services and survives a restart. To be woken within a call, use the timer
facility (`self.timers`); for "every night at 02:30" or "wake room 114 at 06:45", make a schedule.
"""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.timer.protocol.errors import (
    AlreadyExistsError,
    LocalProtocolError,
    ResourceExhaustedError,
    UnknownScheduleError,
)
from resource_adaptors.timer.protocol.schedule import Missed, Overlap, Payload, Plan
from resource_adaptors.timer.protocol.timing import Calendar, Cron, Every, Once, Timing, parse_interval
from slee.api.activity import ActivityContext
from slee.api.event import event_type
from slee.api.resource import ResourceAdaptorType
from slee.spi import ResourceInterface, command, opening_command, query


class ScheduleActivity(msgspec.Struct, frozen=True):
    """Activity of one schedule; lives until its last occurrence was delivered or it is cancelled (TIM-20)."""

    name: str
    kind: str
    """`once`, `every`, `cron` or `calendar`."""

    def __repr__(self) -> str:
        return f"schedule {self.name} ({self.kind})"


@event_type("timer.ScheduleFired", vendor="slee", version="1.0")
class ScheduleFired:
    """An occurrence. Times are seconds since the epoch, by the wall clock (TIM-11)."""

    name: str
    due: float
    """When it was due; never after `fired`."""
    fired: float
    index: int
    """Number of the occurrence from 0, missed ones counted; the same again on a retry (TIM-17); -1 if an operator had
    the schedule fire out of turn."""
    missed: int
    """Occurrences before this one that this one stands for (TIM-13)."""
    payload: Payload
    """As it was given."""
    is_private: bool = False
    """Whether the payload is masked where the event is shown, in traces say (TIM-32)."""

    def __repr__(self) -> str:
        payload = "***" if self.is_private else repr(self.payload)
        text = f"name={self.name!r}, due={self.due!r}, fired={self.fired!r}, index={self.index!r}"
        return f"ScheduleFired({text}, missed={self.missed!r}, payload={payload})"


@event_type("timer.ScheduleMissed", vendor="slee", version="1.0")
class ScheduleMissed:
    """Occurrences were dropped, because they were late or the run before had not ended (TIM-13, TIM-14)."""

    name: str
    count: int
    first: float
    """When the first of them was due."""
    last: float


@event_type("timer.ScheduleEnded", vendor="slee", version="1.0")
class ScheduleEnded:
    """The schedule fires no more; its activity ends after this."""

    name: str
    reason: str
    """`completed`, `valid_until`, `cancelled`, `replaced`, `removed` or `adaptor_stopping`."""


def by_name(event: ScheduleFired | ScheduleMissed) -> str:
    """Initial event selector: one SBB entity per schedule (TIM-21)."""
    return event.name


def by_payload(event: ScheduleFired) -> str:
    """Initial event selector: one SBB entity for each payload (TIM-21)."""
    return repr(event.payload)


def by_prefix(event: ScheduleFired | ScheduleMissed) -> str:
    """Initial event selector: one SBB entity for all schedules whose names agree up to the first `:` (TIM-21)."""
    return event.name.partition(":")[0]


class Timer(ResourceInterface):
    """What SBBs call. A service sees and changes only schedules that it made (TIM-32)."""

    @opening_command
    def create(self, plan: Plan, *, replace: bool = False) -> ActivityContext:
        """Make a schedule; returns the context of its activity, which exists from the commit on.

        Raises:
            LocalProtocolError: name, timing or payload are malformed or out of range, or it would never fire (TIM-9).
            AlreadyExistsError: there is a schedule of that name, and `replace` is not given (TIM-10).
            ResourceExhaustedError: there are too many schedules (TIM-28).
        """
        raise NotImplementedError

    @command
    def cancel(self, name: str) -> None:
        """End a schedule; `UnknownScheduleError` if this service has none of that name."""
        raise NotImplementedError

    @command
    def suspend(self, name: str) -> None:
        """Fire nothing until `resume`; the schedule keeps its place (TIM-19)."""
        raise NotImplementedError

    @command
    def resume(self, name: str) -> None:
        """Go on; what came due meanwhile is treated by the policy for missed occurrences (TIM-19)."""
        raise NotImplementedError

    @command
    def reschedule(self, name: str, timing: Timing) -> None:
        """Give a schedule another timing, beginning now; its activity and index go on.

        Raises:
            LocalProtocolError: the timing is malformed, or would never fire.
        """
        raise NotImplementedError

    @query
    def next(self, name: str) -> float | None:
        """When a schedule is due next, in seconds since the epoch; `None` if suspended or after the last time."""
        raise NotImplementedError

    @query
    def find(self, prefix: str = "") -> tuple[str, ...]:
        """Names of this service's schedules that begin with a prefix, sorted."""
        raise NotImplementedError

    @query
    def activity(self, name: str) -> ActivityContext | None:
        """The context of a schedule's activity, `None` if this service has no schedule of that name."""
        raise NotImplementedError


TIMER: Final[ResourceAdaptorType[Timer]] = ResourceAdaptorType(
    "Timer",
    vendor="slee",
    version="1.0",
    interface=Timer,
    events=(ScheduleFired, ScheduleMissed, ScheduleEnded),
    activities=(ScheduleActivity,),
)

__all__ = [
    "TIMER",
    "AlreadyExistsError",
    "Calendar",
    "Cron",
    "Every",
    "LocalProtocolError",
    "Missed",
    "Once",
    "Overlap",
    "Payload",
    "Plan",
    "ResourceExhaustedError",
    "ScheduleActivity",
    "ScheduleEnded",
    "ScheduleFired",
    "ScheduleMissed",
    "Timer",
    "Timing",
    "UnknownScheduleError",
    "by_name",
    "by_payload",
    "by_prefix",
    "parse_interval",
]
