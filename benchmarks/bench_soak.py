"""Two million events through a service of three SBBs: are all accounted for, and does memory stay where it was?

`scripts/bench soak [--events N] [--parts N]`. A call is an activity; its root makes two legs, one of which makes a
meter; all of them handle events, write CMP fields and shared attributes, set and cancel timers, and now and then roll
back, or are removed and made again. After each million the conservation sum and the resident memory are printed;
memory after the last one may be at most 2 % above that after the first.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from pathlib import Path
from typing import Final

from benchmarks.engine import Engine
from benchmarks.report import table
from slee import (
    ActivityContext,
    ActivityContextView,
    ActivityEnd,
    Cmp,
    Sbb,
    SbbLocal,
    Select,
    Shared,
    TimerEvent,
    TimerID,
    child,
    cmp,
    event_type,
    fires,
    handles,
    initial_event,
    local,
    shared,
)
from slee.testing import recording_type

MILLION: Final = 1_000_000
GROWTH: Final = 1.02
"""What resident memory may be after the last million, as a multiple of that after the first."""
CALLS: Final = 1_000
"""Calls that are up at once."""
UPDATES: Final = 6
"""Events of a call between its set-up and its end."""


@event_type("soak.SetUp", vendor="slee", version="1.0")
class SetUp:
    """Begins a call."""

    number: int


@event_type("soak.Update", vendor="slee", version="1.0")
class Update:
    """Goes to root and legs."""

    number: int


@event_type("soak.Charge", vendor="slee", version="1.0")
class Charge:
    """From the root to the meter."""

    units: int


RA = recording_type(SetUp, Update, Charge)


class Meter(Sbb, vendor="slee", version="1.0"):
    """Counts units."""

    units: Cmp[int] = cmp(0)

    @handles
    def on_charge(self, event: Charge, aci: ActivityContext) -> None:
        self.units = self.units + event.units

    @local
    def total(self) -> int:
        return self.units


class LegView(ActivityContextView):
    """What the legs of a call share."""

    updates: Shared[int] = shared(0)


class Leg(Sbb, vendor="slee", version="1.0"):
    """One side of a call."""

    state: Cmp[str] = cmp("idle")
    seen: Cmp[tuple[int, ...]] = cmp(())
    meters = child(Meter)

    @local
    def measure(self, aci: ActivityContext) -> None:
        """Have the call charged on this leg."""
        aci.attach(self.meters.create())

    @handles
    def on_update(self, event: Update, aci: LegView) -> None:
        self.seen = (*self.seen[-3:], event.number)
        self.state = f"updated {event.number}"
        aci.updates = aci.updates + 1

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.state = "timed"


class CallView(ActivityContextView):
    """What the call notes on its activity."""

    number: Shared[int] = shared(0)
    note: Shared[str] = shared("")


class Call(Sbb, vendor="slee", version="1.0"):
    """The root: makes the legs, guards the call by a timer, charges."""

    number: Cmp[int] = cmp(0)
    updates: Cmp[int] = cmp(0)
    guard: Cmp[TimerID | None] = cmp(None)
    caller: Cmp[SbbLocal[Leg] | None] = cmp(None)
    legs = child(Leg, default_priority=1)
    charge = fires(Charge)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_set_up(self, event: SetUp, aci: CallView) -> None:
        self.number = aci.number = event.number
        self.caller = caller = self.legs.create()
        for leg in (caller, self.legs.create()):
            aci.attach(leg)
        caller.measure(aci)
        self.guard = self.timers.set(aci, after=5.0)
        self.timers.set(aci, after=0.5, period=0.5, repetitions=2)

    @handles
    def on_update(self, event: Update, aci: CallView) -> None:
        self.updates = self.updates + 1
        aci.note = f"update {self.updates} of call {self.number}"
        self.charge(Charge(1), aci)
        if self.guard is not None:
            self.timers.cancel(self.guard)
        self.guard = self.timers.set(aci, after=5.0)
        if event.number % 50 == 0:
            self.set_rollback_only()
        elif event.number % 20 == 0:
            self._renew(aci)

    def _renew(self, aci: ActivityContext) -> None:
        """Replace the leg that is charged."""
        if self.caller is not None:
            self.caller.remove()
        self.caller = caller = self.legs.create()
        aci.attach(caller)
        caller.measure(aci)

    @handles
    def on_timer(self, event: TimerEvent, aci: CallView) -> None:
        aci.note = f"timer {event.remaining}"

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        self.guard = None


class Soak(Engine):
    """Calls without end: while the youngest are set up, the oldest end."""

    def __init__(self) -> None:
        super().__init__(Call, RA)
        self.calls = self.updates = 0

    @property
    def accepted(self) -> int:
        return sum(event.accepted for event in self.kernel.statistics().events)

    def until(self, accepted: int) -> None:
        """Let calls come and go until so many events have been accepted in all."""
        while self.accepted < accepted:
            for _ in range(CALLS):
                self.one()

    def one(self) -> None:
        """One call more, updates for those that are up, one call less, and 2 ms pass."""
        self.calls += 1
        handle = f"call-{self.calls}"
        self.endpoint.start_activity(handle, handle)
        self.fire(handle, SetUp(self.calls))
        up = min(self.calls, CALLS)
        for at in range(UPDATES):
            self.updates += 1
            self.fire(f"call-{self.calls - up * at // UPDATES}", Update(self.updates))
        if self.calls > CALLS:
            self.endpoint.end_activity(f"call-{self.calls - CALLS}")
        self.now += 0.002
        self.run()

    def check(self) -> str:
        """The conservation sum of what was accepted so far, checked; no failure was reported."""
        self.slee.check()
        assert not self.slee.failures, self.slee.failures[:3]
        events = self.kernel.statistics().events
        accepted, delivered = (sum(event.accepted for event in events), sum(event.delivered for event in events))
        failed, expired = sum(event.failed for event in events), sum(event.expired for event in events)
        queued = sum(context.queued for context in self.kernel.contexts())
        assert accepted == delivered + failed + expired + queued
        return f"{accepted:,} = {delivered:,} + {failed} + {expired} + {queued}"


def resident() -> float:
    """Resident memory of this process, in MiB, after a full collection."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def main(arguments: list[str] | None = None) -> int:
    """Run, and say whether it held; 1 if not."""
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--events", type=int, default=MILLION, help="in each of the parts (default: a million)")
    parser.add_argument("--parts", type=int, default=2, help="how many times (default: 2)")
    options = parser.parse_args(arguments)
    soak = Soak()
    rows: list[list[str]] = []
    memory: list[float] = []
    for part in range(1, options.parts + 1):
        started = time.process_time()
        before = soak.accepted
        soak.until(part * options.events)
        cost = (time.process_time() - started) / (soak.accepted - before) * 1e6
        memory.append(resident())
        services = soak.kernel.statistics().services
        entities = sum(service.entities for service in services)
        rows.append([str(part), soak.check(), f"{entities:,}", f"{cost:.1f}", f"{memory[-1]:.1f}"])
    print(
        table(
            ["part", "accepted = delivered + failed + expired + queued", "entities", "CPU µs an event", "RSS MiB"], rows
        )
    )
    growth = memory[-1] / memory[0]
    kept = growth <= GROWTH
    print(f"\nMemory after the last part is {growth:.4f} times that after the first; at most {GROWTH}: {kept}.")
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())
