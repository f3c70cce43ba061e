"""Decides which occurrences fire when: catch-up, overlap, jitter, storm control, retries (TIM-11 to TIM-19).

There are two time lines. Most schedules are written by the wall clock, which may be stepped; a period that is counted
from the creation of its schedule goes by the steady line, which nobody steps; `shift` is what the wall clock shows
more. Times given to the scheduler and told by it are of the wall clock; those of a schedule's `Progress` are of its own
line.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

import msgspec

from resource_adaptors.timer.protocol.catchup import Overdue, overdue
from resource_adaptors.timer.protocol.schedule import Missed, Overlap, Schedule, is_steady
from resource_adaptors.timer.protocol.timing import LATEST, Timing

_DRAW_OCTETS: Final = 4
_WHOLE: Final = 0.999
"""Share of an occurrence that the budget must hold: seconds since the epoch are too coarse for more."""
_AT_ONCE: Final = float("-inf")

_Entry = tuple[float, int, str, int, int, Schedule]
"""When, minus priority, name, a number that parts equals, generation."""


class Fired(msgspec.Struct, frozen=True):
    """An occurrence is to be fired."""

    schedule: Schedule
    due: float
    index: int
    missed: int = 0
    is_retry: bool = False


class MissedRun(msgspec.Struct, frozen=True):
    """Occurrences were dropped."""

    schedule: Schedule
    count: int
    first: float
    last: float


class Exhausted(msgspec.Struct, frozen=True):
    """No occurrence is left; comes after the last one."""

    schedule: Schedule
    reason: str
    """`completed` or `valid_until`."""


Notice = Fired | MissedRun | Exhausted


class Scheduler:
    """All schedules of one resource adaptor entity, by when they are due."""

    __slots__ = (
        "_budget",
        "_budget_at",
        "_count",
        "_is_busy",
        "_random",
        "_steady",
        "_wall",
        "catch_up",
        "late_after",
        "missed",
        "postponed",
        "rate",
        "shift",
    )

    def __init__(
        self,
        random: Callable[[int], bytes],
        *,
        rate: float = 2000.0,
        catch_up: int = 1000,
        late_after: float = 1.0,
        is_busy: Callable[[Schedule], bool] = lambda _: False,
    ) -> None:
        """Make an empty one.

        Args:
            random: octets from a seeded source, for the jitter (TIM-15).
            rate: occurrences released in a second at most (TIM-18).
            catch_up: missed occurrences that `Missed.ALL` fires at most (TIM-13).
            late_after: seconds of delay from which on an occurrence counts as missed.
            is_busy: tells whether the last run of a schedule goes on (TIM-14).
        """
        self._random = random
        self._is_busy = is_busy
        self.rate = rate
        self.catch_up = catch_up
        self.late_after = late_after
        self.shift = 0.0
        """What the wall clock shows more than the steady one, in seconds."""
        self._wall: list[_Entry] = []
        self._steady: list[_Entry] = []
        self._count = 0
        self._budget = rate
        self._budget_at = 0.0
        self.missed: dict[str, int] = {policy.value: 0 for policy in Missed}
        self.postponed: dict[Schedule, None] = {}
        """Schedules with an occurrence that waits for the end of the run before (TIM-14)."""

    def time_of(self, timing: Timing, wall: float) -> float:
        """A time of the wall clock, on the time line of a timing."""
        return wall - self.shift if is_steady(timing) else wall

    def line(self, schedule: Schedule, wall: float) -> float:
        """A time of the wall clock, on a schedule's own time line."""
        return wall - self.shift if schedule.is_steady else wall

    def _told(self, schedule: Schedule, time: float) -> float:
        return time + self.shift if schedule.is_steady else time

    def next_due(self, schedule: Schedule) -> float | None:
        """When the next occurrence is due, by the wall clock."""
        due = schedule.progress.due
        return None if due is None else self._told(schedule, due)

    def dues(self, schedule: Schedule, count: int) -> tuple[float, ...]:
        """The next times that a schedule is due, by the wall clock."""
        found: list[float] = []
        until = schedule.plan.valid_until
        due = schedule.progress.due
        while due is not None and len(found) < count and (until is None or due <= self.line(schedule, until)):
            found.append(self._told(schedule, due))
            due = schedule.occurrences.next_after(due)
        return tuple(found)

    # Making and changing.

    def begin(self, schedule: Schedule, now: float) -> None:
        """Find the first occurrence of a schedule that is new, or has a new timing, and wait for it."""
        progress = schedule.progress
        after = self.line(schedule, now) if schedule.kind != "once" else float("-inf")
        if schedule.kind == "every":
            after = progress.created - 1e-9
        valid_from = schedule.plan.valid_from
        if valid_from is not None:
            after = max(after, self.line(schedule, valid_from) - 1e-6)
        self._set_due(schedule, schedule.occurrences.next_after(after))
        self.enqueue(schedule)

    def enqueue(self, schedule: Schedule) -> None:
        """Wait for the next occurrence or retry of a schedule, in place of what it waited for.

        One without any is told as `Exhausted` at the next release.
        """
        schedule.generation += 1
        self.postponed.pop(schedule, None)
        progress = schedule.progress
        if not progress.is_suspended:
            self._push(schedule, min(_times(schedule), default=_AT_ONCE))

    def _push(self, schedule: Schedule, time: float) -> None:
        # Something stable must part two of the same due, priority and name: a name may be used again.
        self._count += 1
        heap = self._steady if schedule.is_steady else self._wall
        plan = schedule.plan
        heapq.heappush(heap, (time, -plan.priority, plan.name, self._count, schedule.generation, schedule))

    def remove(self, schedule: Schedule) -> None:
        """Wait no more for a schedule."""
        schedule.generation += 1
        self.postponed.pop(schedule, None)

    def suspend(self, schedule: Schedule) -> None:
        """Keep its place, and fire nothing (TIM-19)."""
        schedule.progress.is_suspended = True
        self.remove(schedule)

    def resume(self, schedule: Schedule) -> None:
        """Go on; what has come due meanwhile is missed, or not, by its policy (TIM-19)."""
        schedule.progress.is_suspended = False
        self.enqueue(schedule)

    def look_ahead(self, schedule: Schedule, now: float) -> None:
        """What a timing depends on has changed: find the next occurrence anew, unless one is due already."""
        due, line = schedule.progress.due, self.line(schedule, now)
        if due is None or due > line:
            last = schedule.progress.last_due
            self._set_due(schedule, schedule.occurrences.next_after(line if last is None else max(line, last)))
            self.enqueue(schedule)

    def look_again(self, schedule: Schedule) -> None:
        """The work of the last run may be over: a postponed occurrence fires then (TIM-14)."""
        if schedule in self.postponed and not self._is_busy(schedule):
            self.enqueue(schedule)

    def retry(self, schedule: Schedule, now: float) -> bool:
        """Every handler of the last occurrence rolled back: fire it once more if its rule says so (TIM-17)."""
        progress = schedule.progress
        if progress.retried >= schedule.plan.retries:
            return False
        progress.retried += 1
        progress.retry_due = self.line(schedule, now) + schedule.plan.retry_delay
        self.enqueue(schedule)
        return True

    # Time.

    def _first(self) -> tuple[float, list[_Entry]] | None:
        """When the first entry is due by the wall clock, and the heap that it leads."""
        found: tuple[tuple[float, int, str, int], list[_Entry]] | None = None
        for heap, shift in ((self._wall, 0.0), (self._steady, self.shift)):
            while heap and heap[0][4] != heap[0][5].generation:
                heapq.heappop(heap)
            if heap:
                time, priority, name, number = heap[0][:4]
                key = (time + shift, priority, name, number)
                if found is None or key < found[0]:
                    found = key, heap
        return None if found is None else (found[0][0], found[1])

    def next_deadline(self) -> float | None:
        """When `release` has something to do, `None` if nothing is waited for."""
        first = self._first()
        if first is None:
            return None
        if self._budget < _WHOLE:
            return max(first[0], self._budget_at + (1.0 - self._budget) / self.rate)
        return first[0]

    def backlog(self, now: float) -> float:
        """Seconds by which the earliest occurrence is late, 0 if none is."""
        first = self._first()
        return 0.0 if first is None or first[0] == _AT_ONCE else max(0.0, now - first[0])

    def release(self, now: float) -> list[Notice]:
        """What is to be fired now, in order (TIM-11), within the allowed rate (TIM-18)."""
        self._budget = min(self.rate, self._budget + max(0.0, now - self._budget_at) * self.rate)
        self._budget_at = now
        notices: list[Notice] = []
        while (first := self._first()) is not None and first[0] <= now and self._budget >= _WHOLE:
            schedule = heapq.heappop(first[1])[5]
            before = len(notices)
            self._turn(schedule, now, notices)
            self._budget -= sum(type(notice) is Fired for notice in notices[before:])
        return notices

    def _turn(self, schedule: Schedule, now: float, notices: list[Notice]) -> None:
        progress = schedule.progress
        line = self.line(schedule, now)
        if progress.retry_due is not None and progress.retry_due <= line:
            progress.retry_due = None
            assert progress.last_due is not None
            due = self._told(schedule, progress.last_due)
            notices.append(Fired(schedule, due, progress.last_index, is_retry=True))
        elif progress.due is not None:
            if schedule.plan.overlap is not Overlap.ALLOW and self._is_busy(schedule):
                self._overlap(schedule, line, notices)
                return
            self._due(schedule, line, notices)
        self._go_on(schedule, notices)

    def _overlap(self, schedule: Schedule, now: float, notices: list[Notice]) -> None:
        """The run before goes on: drop the occurrence, unless it is the one that is kept."""
        due = schedule.progress.due
        assert due is not None
        if schedule.plan.overlap is Overlap.QUEUE_ONE:
            later = schedule.occurrences.next_after(due)
            self.postponed[schedule] = None
            if later is None or later > now:
                schedule.generation += 1
                schedule.owed = max(schedule.owed, 1)  # it waits, and is not missed
                times = [time for time in (later, schedule.progress.retry_due) if time is not None]
                if times:  # look again when there is a second one, of which only one is kept
                    self._push(schedule, min(times))
                return
        self._tell_dropped(schedule, 1, due, schedule.occurrences.next_after(due), notices)
        self._go_on(schedule, notices)

    def _due(self, schedule: Schedule, now: float, notices: list[Notice]) -> None:
        """Fire the occurrence that is due; if it is late, as the policy says (TIM-13)."""
        progress, policy = schedule.progress, schedule.plan.missed
        assert progress.due is not None
        missed = 0
        if schedule.owed:
            schedule.owed -= 1
        elif now - progress.due - progress.draw > self.late_after:
            if policy is Missed.SKIP:
                self._drop(schedule, now - self.late_after, 0, notices)
                return
            if policy is Missed.LAST:
                missed = self._leave_last(schedule, now)
            else:
                self._drop(schedule, now, self.catch_up, notices)
        due = progress.due
        notices.append(Fired(schedule, self._told(schedule, due), progress.index, missed))
        progress.last_due, progress.last_index = due, progress.index
        progress.retried = 0
        progress.retry_due = None
        self._advance(schedule, 1, schedule.occurrences.next_after(due))

    def _leave_last(self, schedule: Schedule, now: float) -> int:
        """Go on to the last occurrence that is overdue; the number of those before it."""
        found = self._overdue(schedule, now, 1)
        missed = found.count - 1
        if missed > 0:
            self._advance(schedule, missed, found.latest[-1])
            self.missed[Missed.LAST.value] += missed
        return max(0, missed)

    def _drop(self, schedule: Schedule, until: float, spared: int, notices: list[Notice]) -> None:
        """Drop what is overdue, but for the latest ones, which are owed then; tell what was dropped."""
        found = self._overdue(schedule, until, spared + 1)
        schedule.owed = max(0, min(found.count, spared) - 1)
        if found.count > spared:
            last, *others = found.latest[-spared - 1 :]
            following = others[0] if others else schedule.occurrences.next_after(last)
            self._tell_dropped(schedule, found.count - spared, last, following, notices)

    def _overdue(self, schedule: Schedule, until: float, keep: int) -> Overdue:
        due, valid_until = schedule.progress.due, schedule.plan.valid_until
        assert due is not None
        if valid_until is not None:
            until = min(until, self.line(schedule, valid_until))
        return overdue(schedule.occurrences, due, until, keep)

    def _tell_dropped(
        self, schedule: Schedule, count: int, last: float, following: float | None, notices: list[Notice]
    ) -> None:
        first = schedule.progress.due
        assert first is not None
        self.missed[schedule.plan.missed.value] += count
        notices.append(MissedRun(schedule, count, self._told(schedule, first), self._told(schedule, last)))
        self._advance(schedule, count, following)

    def _advance(self, schedule: Schedule, count: int, due: float | None) -> None:
        schedule.progress.index += count
        self._set_due(schedule, due)

    def _set_due(self, schedule: Schedule, due: float | None) -> None:
        plan, progress = schedule.plan, schedule.progress
        until = plan.valid_until
        progress.due = None if due is not None and until is not None and due > self.line(schedule, until) else due
        progress.draw = 0.0
        if plan.jitter and progress.due is not None:
            draw = int.from_bytes(self._random(_DRAW_OCTETS), "big") / 2 ** (8 * _DRAW_OCTETS)
            progress.draw = draw * plan.jitter

    def _go_on(self, schedule: Schedule, notices: list[Notice]) -> None:
        if _times(schedule):
            self.enqueue(schedule)
            return
        self.remove(schedule)
        until = schedule.plan.valid_until
        is_cut = (
            until is not None and schedule.occurrences.next_after(self.line(schedule, min(until, LATEST))) is not None
        )
        notices.append(Exhausted(schedule, "valid_until" if is_cut else "completed"))


def _times(schedule: Schedule) -> list[float]:
    """When a schedule fires next: its occurrence, and its retry."""
    progress = schedule.progress
    times = [] if progress.due is None else [progress.due + progress.draw]
    if progress.retry_due is not None:
        times.append(progress.retry_due)
    return times
