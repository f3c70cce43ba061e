"""CPU of the kernel by itself, by what is alive in it, beside a bare call as the floor.

`scripts/bench kernel [--deliveries N] [--live N,N] [--profile]`. The SBB reads three and writes two CMP fields in each
delivery. Columns: `delivery` of an event to the entity attached, round all live contexts; `timer`, one that an SBB sets
and that comes due; `activity`, the whole life of one: start, initial event, delivery to a new root, end, reclamation.
Figures are the best of several rounds, because other processes on the machine only ever add.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Callable

from benchmarks.engine import Engine
from benchmarks.report import table
from slee import ActivityContext, Cmp, Sbb, Select, TimerEvent, child, cmp, event_type, handles, initial_event
from slee.testing import recording_type

ROUNDS = 5
CONTEXTS = 1_000
"""Contexts that events go round where it is not contexts that are many."""
BOUND = 6.7
"""Microseconds that a delivery may cost."""
SLOPE = 1.5
"""What a delivery among the most may cost, as a multiple of one among the fewest."""
FAR = 1e6
"""Seconds until the timers come due that are only there."""
RANDOM_STRIDE = 7919
"""Contexts from one event to the next where none is near the last one: every access misses the processor's caches."""


@event_type("bench.Open", vendor="slee", version="1.0")
class Open:
    """Makes the entity."""

    number: int


@event_type("bench.Update", vendor="slee", version="1.0")
class Update:
    """Goes to the entity that is attached."""

    number: int


@event_type("bench.Fill", vendor="slee", version="1.0")
class Fill:
    """Gives the entity children and timers."""

    children: int
    timers: int


@event_type("bench.Wake", vendor="slee", version="1.0")
class Wake:
    """Has the entity set a timer."""

    after: float


RA = recording_type(Open, Update, Fill, Wake)


class Part(Sbb, vendor="slee", version="1.0"):
    """A child that is there."""

    value: Cmp[int] = cmp(0)


class Counting(Sbb, vendor="slee", version="1.0"):
    """Reads three fields and writes two, as a small service does."""

    total: Cmp[int] = cmp(0)
    last: Cmp[int] = cmp(0)
    name: Cmp[str] = cmp("x")
    parts = child(Part)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_open(self, event: Open, aci: ActivityContext) -> None:
        self.last = event.number

    @handles
    def on_update(self, event: Update, aci: ActivityContext) -> None:
        if self.name and self.last < event.number:
            self.last = event.number
        self.total = self.total + 1

    @handles
    def on_fill(self, event: Fill, aci: ActivityContext) -> None:
        for _ in range(event.children):
            self.parts.create()
        for number in range(event.timers):
            self.timers.set(aci, after=FAR + number)

    @handles
    def on_wake(self, event: Wake, aci: ActivityContext) -> None:
        self.timers.set(aci, after=event.after)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.total = self.total + 1


class Bench(Engine):
    """A kernel with live contexts, each with its entity, and children and timers spread over them."""

    def __init__(self, contexts: int, *, children: int = 0, timers: int = 0, stride: int = 1) -> None:
        super().__init__(Counting, RA)
        self.contexts = contexts
        self.at = 0
        self.stride = stride
        for number in range(contexts):
            self.endpoint.start_activity(number, "activity")
            self.fire(number, Open(number))
            if children or timers:
                self.fire(number, Fill(children // contexts, timers // contexts))

    def deliver(self, count: int) -> None:
        """Fire and deliver `count` events, round the live activities."""
        fire, step, contexts = self.endpoint.fire, self.kernel.step, self.contexts
        at, stride = self.at, self.stride  # goes on where the last round stopped, so that each meets others
        for number in range(count):
            at = (at + stride) % contexts
            fire(at, Update(number))
            while step(1.0):
                pass
        self.at = at

    def wake(self, count: int) -> None:
        """Let `count` timers be set in deliveries, come due and be delivered."""
        fire, step, contexts = self.endpoint.fire, self.kernel.step, self.contexts
        for number in range(count):
            fire(number % contexts, Wake(0.015))
            while step(self.now):
                pass
            self.now += 0.02
            while step(self.now):
                pass

    def activities(self, count: int) -> None:
        """Let `count` activities live: start, initial event, delivery to a new root, end, reclamation."""
        start, fire, end, step = (
            self.endpoint.start_activity,
            self.endpoint.fire,
            self.endpoint.end_activity,
            self.kernel.step,
        )
        for number in range(-count, 0):
            start(number, "activity")
            fire(number, Open(number))
            while step(1.0):
                pass
            end(number)
            while step(1.0):
                pass


class _State:
    total = 0
    last = 0
    name = "x"

    def on_update(self, event: Update, aci: object) -> None:
        if self.name and self.last < event.number:
            self.last = event.number
        self.total = self.total + 1


def floor(count: int) -> None:
    """The same handler called on plain objects found in a dictionary: what no kernel can go below."""
    states = {number: _State() for number in range(1000)}
    for number in range(count):
        states[number % 1000].on_update(Update(number), None)


def best(work: Callable[[int], None], count: int) -> float:
    """Microseconds of process CPU for one of `count`, the best of several rounds."""
    figures: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work(count)
        figures.append((time.process_time() - started) / count * 1e6)
    return min(figures)


AT_RANDOM = "contexts, at random"

LIVE: dict[str, Callable[[int], Bench]] = {
    "contexts": Bench,
    AT_RANDOM: lambda live: Bench(live, stride=RANDOM_STRIDE),
    "entities": lambda live: Bench(CONTEXTS, children=live),
    "timers": lambda live: Bench(CONTEXTS, timers=live),
}
"""What may be many in a kernel: contexts with their entities, in the order of their start and across it; entities in
their trees; timers."""


def measure(kind: str, live: int, count: int) -> tuple[float, float, float]:
    """Microseconds of a delivery, a timer and an activity, with so many of a kind alive."""
    bench = LIVE[kind](live)
    gc.collect()
    gc.freeze()  # as the server does once it runs
    try:
        return best(bench.deliver, count), best(bench.wake, count), best(bench.activities, count)
    finally:
        gc.unfreeze()


def compare(lives: list[int], count: int) -> tuple[str, bool]:
    """The table, and whether a delivery keeps to its bounds."""
    rows = [["bare call", "", f"{best(floor, count):.2f}", "", "", ""]]
    kept = True
    for kind in LIVE:
        first: tuple[float, float, float] | None = None
        for live in lives:
            figures = measure(kind, live, count)
            first = first or figures
            ratio = figures[0] / first[0]
            kept = kept and first[0] <= BOUND and (ratio <= SLOPE or kind == AT_RANDOM)
            rows.append([kind, f"{live:,}", *(f"{figure:.2f}" for figure in figures), f"{ratio:.2f}"])
    header = ["live", "number", "delivery µs", "timer µs", "activity µs", f"delivery, times that at {lives[0]:,}"]
    return table(header, rows), kept


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or the profile of deliveries, timers and activities."""
    parser = argparse.ArgumentParser(prog="scripts/bench kernel", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000, help="in each round")
    parser.add_argument("--live", default="1000,1000000", help="how many are alive: numbers, with commas")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args(arguments)
    if options.profile:
        bench = Bench(CONTEXTS)
        for work in (bench.deliver, bench.wake, bench.activities):
            profile = cProfile.Profile()
            profile.runcall(work, options.deliveries)
            pstats.Stats(profile).sort_stats("tottime").print_stats(16)
        return 0
    text, kept = compare([int(number) for number in options.live.split(",")], options.deliveries)
    print(text)
    print(f"\nA delivery costs at most {BOUND} µs, and at most {SLOPE} times as much: {'yes' if kept else 'NO'}.")
    print("The second bound is not for contexts at random: there the processor waits for its memory.")
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())
