"""Writes down every occurrence that it is told of, and makes a schedule of its own."""

from __future__ import annotations

import msgspec

from resource_adaptors.timer.api import TIMER, Every, Missed, Plan, ScheduleFired, ScheduleMissed, by_name
from slee import ActivityContext, Sbb, VolatileTable, initial_event, resource, volatile


class Line(msgspec.Struct, frozen=True):
    """One occurrence, or a run of occurrences that were dropped."""

    due: float
    fired: float
    index: int
    missed: int
    """Occurrences that it stands for, or that were dropped."""
    is_dropped: bool = False


LEDGER = VolatileTable("ledger", Line, vendor="test", version="1.0")


class Ledger(Sbb, vendor="test", version="1.0"):
    """One entity for each schedule."""

    timer = resource(TIMER)
    ledger = volatile(LEDGER)

    @initial_event(selector=by_name)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        self._write(event.name, Line(event.due, event.fired, event.index, event.missed))
        if event.name == "all" and not self.timer.find("own"):
            self.timer.create(Plan(name="own", timing=Every(0.25), missed=Missed.ALL))

    @initial_event(selector=by_name)
    def on_missed(self, event: ScheduleMissed, aci: ActivityContext) -> None:
        self._write(event.name, Line(event.first, event.last, -1, event.count, is_dropped=True))

    def _write(self, name: str, line: Line) -> None:
        self.ledger.put(name, (*self.ledger.find(name), line))
