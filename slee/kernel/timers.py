"""The timer facility: occurrences on a wheel, lateness, and what becomes of late ones (group TMR)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from slee.api.activity import ActivityContext, PreserveMissed
from slee.api.event import TimerEvent, TimerID
from slee.api.facilities import TimerFacility
from slee.kernel.schedule import RESOLUTION
from slee.kernel.states import ContextState

if TYPE_CHECKING:
    from collections.abc import Callable

    from slee.api.address import Address
    from slee.kernel.context import Context
    from slee.kernel.kernel import Kernel
    from slee.spi.wheel import Timer

DEFAULT_TIMEOUT: Final = 1.0


class TimerRecord:
    """One timer of a context."""

    __slots__ = (
        "address",
        "context",
        "id",
        "key",
        "missed",
        "passing",
        "number",
        "period",
        "preserve_missed",
        "repetitions",
        "sequence",
        "start",
        "timeout",
        "timer",
    )

    def __init__(
        self,
        identity: TimerID,
        context: Context,
        start: float,
        period: float | None,
        repetitions: int,
        preserve_missed: PreserveMissed,
        timeout: float,
        address: Address | None,
        sequence: int,
    ) -> None:
        self.id = identity
        self.context = context
        self.start = start
        self.period = period
        self.repetitions = repetitions
        self.preserve_missed = preserve_missed
        self.timeout = timeout
        self.address = address
        self.sequence = sequence
        self.number = 1
        """Number, from 1, of the next occurrence."""
        self.missed = 0
        self.timer: Timer[Any] | None = None
        self.passing = False
        """Whether code of a memory service set it: no record has it (DUR-1)."""
        self.key: bytes | None = None
        """Under which the journal has it; `None` if it has not."""

    @property
    def due(self) -> float:
        """When the next occurrence is scheduled; computed from the start, so that nothing drifts (TMR-3)."""
        return self.start if self.period is None else self.start + (self.number - 1) * self.period

    @property
    def is_over(self) -> bool:
        """Whether no occurrence is outstanding."""
        return self.repetitions > 0 and self.number > self.repetitions

    def remaining(self, number: int) -> int | None:
        """Occurrences after the one of that number (TMR-21)."""
        return None if self.repetitions == 0 else self.repetitions - number

    def release(self, now: float) -> list[TimerEvent]:
        """The occurrences that are due and not dropped, in the order of the schedule (TMR-15 to TMR-18)."""
        events: list[TimerEvent] = []
        held: tuple[int, float] | None = None
        while not self.is_over and self.due <= now:
            scheduled, number = self.due, self.number
            self.number += 1
            late = now > scheduled + self.timeout
            if late and self.preserve_missed is PreserveMissed.NONE:
                self.missed += 1
            elif late and self.preserve_missed is PreserveMissed.LAST:
                if held is not None:
                    self.missed += 1
                held = (number, scheduled)
            else:
                if held is not None:
                    events.append(self._event(*held, now))
                    held = None
                events.append(self._event(number, scheduled, now))
        if held is not None:
            events.append(self._event(*held, now))
        return events

    def _event(self, number: int, scheduled: float, now: float) -> TimerEvent:
        missed, self.missed = self.missed, 0
        return TimerEvent(self.id, scheduled, now, self.period, self.repetitions, self.remaining(number), missed)


class Timers(TimerFacility):
    """The timer facility of one kernel."""

    __slots__ = ("_spent", "kernel", "records")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.records: dict[TimerID, TimerRecord] = {}
        """Timers with occurrences outstanding."""
        self._spent: dict[TimerID, Context] = {}
        kernel.schedule.expirers[TimerRecord] = self.expire

    @property
    def resolution(self) -> float:
        return RESOLUTION

    @property
    def default_timeout(self) -> float:
        return DEFAULT_TIMEOUT

    def set(
        self,
        aci: ActivityContext,
        *,
        at: float | None = None,
        after: float | None = None,
        period: float | None = None,
        repetitions: int | None = None,
        address: Address | None = None,
        preserve_missed: PreserveMissed = PreserveMissed.LAST,
        timeout: float = 0.0,
    ) -> TimerID:
        kernel = self.kernel
        context = kernel.context_of(aci, "timers.set")
        _judge(at, after, period, repetitions, timeout)
        context.require_active("timers.set", "TMR-6")
        start = at if at is not None else kernel.now + (after or 0.0)
        if timeout == 0.0:
            timeout = DEFAULT_TIMEOUT if period is None else min(DEFAULT_TIMEOUT, period)
        count = (1 if period is None else 0) if repetitions is None else repetitions
        record = TimerRecord(
            TimerID(kernel.new_id("timer")),
            context,
            start,
            period,
            count,
            preserve_missed,
            timeout,
            address,
            kernel.next_sequence(),
        )
        self._add(record)
        tx = kernel.transaction
        if tx is not None:
            record.passing = bool(tx.running) and not tx.running[-1].env.rank
            tx.undo.append((self._forget, (record,)))
        return record.id

    def cancel(self, timer_id: TimerID) -> None:
        given: object = timer_id
        if given is None:
            raise TypeError("timers.cancel(None) [TMR-10]; give the TimerID that set() returned")
        record = self.records.get(timer_id)
        if record is None:
            return
        self.drop(record)
        tx = self.kernel.transaction
        if tx is None:
            self.kernel.judge_context(record.context)
        else:
            tx.undo.append((self._revive, (record,)))
            tx.judge_later(record.context)

    def find_context(self, timer_id: TimerID) -> ActivityContext | None:
        self.kernel.transaction_for("timers.find_context", "TMR-23")
        record = self.records.get(timer_id)
        return self._spent.get(timer_id) if record is None else record.context

    def _add(self, record: TimerRecord, released_at: float | None = None) -> None:
        context = record.context
        due = record.due if released_at is None else released_at
        record.timer = self.kernel.schedule.set(due, record, self.kernel.now)
        self.records[record.id] = record
        if context.timers is None:
            context.timers = {}
        context.timers[record] = None
        context.referenced = True
        if context.lasting:
            self.kernel.dirty[record] = None

    def recover(self, records: list[TimerRecord], window: float) -> None:
        """Let recovered timers run; those overdue in the order of their times, spread over a window (DUR-8)."""
        now = self.kernel.now
        records.sort(key=lambda record: (record.due, record.sequence))
        overdue = sum(record.due <= now for record in records)
        for place, record in enumerate(records):
            self._add(record, now + window * place / overdue if place < overdue else None)

    def recover_spent(self, context: Context, identities: list[TimerID]) -> None:
        """Know the ids of a recovered context's timers that are over (TMR-23)."""
        context.spent_timers = identities
        self._spent.update(dict.fromkeys(identities, context))

    def drop(self, record: TimerRecord) -> None:
        """Take a timer out of service; its id stays known until its activity has ended (TMR-23)."""
        if record.timer is not None:
            record.timer.cancel()
            record.timer = None
        context = record.context
        if context.lasting:
            self.kernel.dirty[record] = None
        if self.records.pop(record.id, None) is None or context.timers is None:
            return
        del context.timers[record]
        self._spent[record.id] = context
        if context.spent_timers is None:
            context.spent_timers = []
        context.spent_timers.append(record.id)

    def forget(self, context: Context) -> None:
        """The end of an activity is complete: its timers' ids are unknown from now on (TMR-23)."""
        for identity in context.spent_timers or ():
            self._spent.pop(identity, None)

    def _forget(self, record: TimerRecord) -> None:
        """Undo `set`: the timer never was."""
        self.drop(record)
        self._spent.pop(record.id, None)

    def _revive(self, record: TimerRecord) -> None:
        """Undo `cancel`: the timer runs on."""
        self._spent.pop(record.id, None)
        self._add(record)

    def expire(self, records: list[TimerRecord], now: float) -> None:
        """Release what has come due, in the order of the schedule, then of setting (TMR-30)."""
        released: list[tuple[float, int, TimerRecord, TimerEvent]] = []
        for record in records:
            record.timer = None
            released.extend((e.scheduled, record.sequence, record, e) for e in record.release(now))
        released.sort(key=lambda item: item[:2])
        kernel = self.kernel
        for _, _, record, event in released:
            if record.context.state is ContextState.ACTIVE:
                record.context.accept(kernel.firing(event, record.context, record.address))
        for record in records:
            if record.context.lasting:
                kernel.dirty[record] = None
            if record.is_over:
                self.drop(record)
                kernel.judge_context(record.context)
            else:
                record.timer = kernel.schedule.set(record.due, record, now)


def _judge(
    at: float | None, after: float | None, period: float | None, repetitions: int | None, timeout: float
) -> None:
    """Refuse arguments by TMR-1 and TMR-5, before anything has changed."""
    if (at is None) == (after is None):
        raise TypeError("timers.set needs exactly one of at and after [TMR-1]; give one")
    checks: tuple[tuple[str, float | None, Callable[[float], bool]], ...] = (
        ("at", at, lambda v: v >= 0),
        ("after", after, lambda v: v >= 0),
        ("period", period, lambda v: v > 0),
        ("repetitions", repetitions, lambda v: v >= 0),
        ("timeout", timeout, lambda v: v >= 0 and (period is None or v <= period)),
    )
    for name, value, is_good in checks:
        if value is not None and not (math.isfinite(value) and is_good(value)):
            raise ValueError(f"timers.set: {name}={value} is out of range [TMR-5]; see the docstring")
    if repetitions is not None and period is None and repetitions != 1:
        raise ValueError(f"timers.set: repetitions={repetitions} without a period [TMR-5]; give a period")


__all__ = ["DEFAULT_TIMEOUT", "TimerRecord", "Timers"]
