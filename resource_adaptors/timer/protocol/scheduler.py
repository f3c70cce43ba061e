"""Decides which occurrences fire when: catch-up, overlap, jitter, storm control, retries (TIM-11 to TIM-19).

Times given to it are of the wall clock, by which schedules are written; the shell waits by the monotonic clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

import msgspec

from resource_adaptors.timer.protocol.schedule import Missed, Overlap, Schedule

_COUNT_LIMIT: Final = 100_000
"""Missed occurrences that are counted one by one."""
_DRAW_OCTETS: Final = 4
_WHOLE: Final = 0.999
"""Share of an occurrence that the budget must hold: seconds since the epoch are too coarse for more."""


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

    __slots__ = ("_budget", "_budget_at", "_count", "_heap", "_random", "catch_up", "late_after", "missed", "rate")

    def __init__(
        self, random: Callable[[int], bytes], *, rate: float = 2000.0, catch_up: int = 1000, late_after: float = 1.0
    ) -> None:
        """Make an empty one.

        Args:
            random: octets from a seeded source, for the jitter (TIM-15).
            rate: occurrences released in a second at most (TIM-18).
            catch_up: missed occurrences that `Missed.ALL` fires at most (TIM-13).
            late_after: seconds of delay from which on an occurrence counts as missed.
        """
        self._random = random
        self.rate = rate
        self.catch_up = catch_up
        self.late_after = late_after
        self._heap: list[tuple[float, int, str, int, int, Schedule]] = []
        self._count = 0
        self._budget = rate
        self._budget_at = 0.0
        self.missed: dict[str, int] = {policy.value: 0 for policy in Missed}

    # Making and changing.

    def begin(self, schedule: Schedule, now: float) -> None:
        """Find the first occurrence of a new schedule, and wait for it."""
        progress = schedule.progress
        after = now if schedule.kind != "once" else float("-inf")
        if schedule.kind == "every":
            after = progress.created - 1e-9
        valid_from = schedule.plan.valid_from
        if valid_from is not None and valid_from - 1e-6 > after:
            after = valid_from - 1e-6
        self._set_due(schedule, schedule.occurrences.next_after(after))
        self.enqueue(schedule)

    def enqueue(self, schedule: Schedule) -> None:
        """Wait for the next occurrence or retry of a schedule, in place of what it waited for."""
        schedule.generation += 1
        progress = schedule.progress
        if progress.is_suspended:
            return
        times = [t for t in (progress.retry_due, _release(schedule)) if t is not None]
        if times:
            # Something stable must part two of the same due, priority and name: a name may be used again.
            self._count += 1
            entry = (
                min(times),
                -schedule.plan.priority,
                schedule.plan.name,
                self._count,
                schedule.generation,
                schedule,
            )
            heapq.heappush(self._heap, entry)

    def remove(self, schedule: Schedule) -> None:
        """Wait no more for a schedule."""
        schedule.generation += 1

    def suspend(self, schedule: Schedule) -> None:
        """Keep its place, and fire nothing (TIM-19)."""
        schedule.progress.is_suspended = True
        schedule.generation += 1

    def resume(self, schedule: Schedule) -> None:
        """Go on; what has come due meanwhile is missed, or not, by its policy (TIM-19)."""
        schedule.progress.is_suspended = False
        self.enqueue(schedule)

    def run_ended(self, schedule: Schedule) -> None:
        """The work of the last run is over: a postponed occurrence may fire (TIM-14)."""
        schedule.is_running = False
        if schedule.postponed:
            schedule.postponed = False
            self.enqueue(schedule)

    def retry(self, schedule: Schedule, now: float) -> bool:
        """Every handler of the last occurrence rolled back: fire it once more if its rule says so (TIM-17)."""
        progress = schedule.progress
        if progress.retried >= schedule.plan.retries:
            return False
        progress.retried += 1
        progress.retry_due = now + schedule.plan.retry_delay
        self.enqueue(schedule)
        return True

    # Time.

    def next_deadline(self) -> float | None:
        """When `release` has something to do, `None` if nothing is waited for."""
        heap = self._heap
        while heap and heap[0][4] != heap[0][5].generation:
            heapq.heappop(heap)
        if not heap:
            return None
        if self._budget < _WHOLE:
            return max(heap[0][0], self._budget_at + (1.0 - self._budget) / self.rate)
        return heap[0][0]

    def backlog(self, now: float) -> float:
        """Seconds by which the earliest occurrence is late, 0 if none is."""
        heap = self._heap
        while heap and heap[0][4] != heap[0][5].generation:
            heapq.heappop(heap)
        return max(0.0, now - heap[0][0]) if heap else 0.0

    def release(self, now: float) -> list[Notice]:
        """What is to be fired now, in order (TIM-11), within the allowed rate (TIM-18)."""
        self._budget = min(self.rate, self._budget + max(0.0, now - self._budget_at) * self.rate)
        self._budget_at = now
        notices: list[Notice] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            generation, schedule = heap[0][4:]
            if generation != schedule.generation:
                heapq.heappop(heap)
                continue
            if self._budget < _WHOLE:
                break
            heapq.heappop(heap)
            before = len(notices)
            self._turn(schedule, now, notices)
            self._budget -= sum(type(notice) is Fired for notice in notices[before:])
        return notices

    def _turn(self, schedule: Schedule, now: float, notices: list[Notice]) -> None:
        progress = schedule.progress
        if progress.retry_due is not None and progress.retry_due <= now:
            progress.retry_due = None
            assert progress.last_due is not None
            notices.append(Fired(schedule, progress.last_due, progress.last_index, is_retry=True))
        elif schedule.is_running and schedule.plan.overlap is not Overlap.ALLOW:
            self._overlap(schedule, now, notices)
            return
        else:
            self._due(schedule, now, notices)
        self._go_on(schedule, notices)

    def _overlap(self, schedule: Schedule, now: float, notices: list[Notice]) -> None:
        progress = schedule.progress
        if schedule.plan.overlap is Overlap.QUEUE_ONE:
            later = progress.due if progress.due is None else schedule.occurrences.next_after(progress.due)
            schedule.postponed = True
            if later is None or later > now:
                schedule.generation += 1
                if later is not None:
                    self._await_again(schedule, later)
                return
        self._drop(schedule, 1, notices)
        self._go_on(schedule, notices)

    def _await_again(self, schedule: Schedule, later: float) -> None:
        """Look again when a second occurrence is due, of which only one is kept."""
        self._count += 1
        entry = (later, -schedule.plan.priority, schedule.plan.name, self._count, schedule.generation, schedule)
        heapq.heappush(self._heap, entry)

    def _due(self, schedule: Schedule, now: float, notices: list[Notice]) -> None:
        """Fire the occurrence that is due; if it is late, as the policy says (TIM-13)."""
        progress, policy = schedule.progress, schedule.plan.missed
        due = progress.due
        assert due is not None
        missed = 0
        release = _release(schedule)
        assert release is not None
        if now - release > self.late_after:
            if policy is Missed.SKIP:
                self._drop(schedule, self._overdue(schedule, now - self.late_after), notices)
                return
            overdue = self._overdue(schedule, now)
            if policy is Missed.LAST and overdue > 1:
                missed = overdue - 1
                self._advance(schedule, missed)
                self.missed[policy.value] += missed
            elif overdue > self.catch_up:
                self._drop(schedule, overdue - self.catch_up, notices)
            due = progress.due
            assert due is not None
        notices.append(Fired(schedule, due, progress.index, missed))
        progress.last_due, progress.last_index = due, progress.index
        progress.retried = 0
        progress.retry_due = None
        self._advance(schedule, 1)

    def _overdue(self, schedule: Schedule, until: float) -> int:
        """How many occurrences have been due at `until`, the next one included."""
        count, due = 0, schedule.progress.due
        while due is not None and due <= until and count < _COUNT_LIMIT:
            count += 1
            due = schedule.occurrences.next_after(due)
        return count

    def _drop(self, schedule: Schedule, count: int, notices: list[Notice]) -> None:
        first = schedule.progress.due
        if first is None or not count:
            return
        self._advance(schedule, count - 1)
        last = schedule.progress.due
        assert last is not None
        self._advance(schedule, 1)
        self.missed[schedule.plan.missed.value] += count
        notices.append(MissedRun(schedule, count, first, last))

    def _advance(self, schedule: Schedule, count: int) -> None:
        progress = schedule.progress
        due = progress.due
        for _ in range(count):
            assert due is not None
            due = schedule.occurrences.next_after(due)
        if count:
            progress.index += count
            self._set_due(schedule, due)

    def _set_due(self, schedule: Schedule, due: float | None) -> None:
        until = schedule.plan.valid_until
        progress = schedule.progress
        progress.due = None if due is not None and until is not None and due > until else due
        progress.draw = 0.0
        if schedule.plan.jitter and progress.due is not None:
            draw = int.from_bytes(self._random(_DRAW_OCTETS), "big") / 2 ** (8 * _DRAW_OCTETS)
            progress.draw = draw * schedule.plan.jitter

    def _go_on(self, schedule: Schedule, notices: list[Notice]) -> None:
        progress = schedule.progress
        if progress.due is None and progress.retry_due is None:
            schedule.generation += 1
            until = schedule.plan.valid_until
            is_cut = until is not None and schedule.occurrences.next_after(until) is not None
            notices.append(Exhausted(schedule, "valid_until" if is_cut else "completed"))
        else:
            self.enqueue(schedule)


def _release(schedule: Schedule) -> float | None:
    due = schedule.progress.due
    return None if due is None else due + schedule.progress.draw
