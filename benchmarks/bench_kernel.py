"""CPU of the kernel by itself: one delivery, and the whole life of an activity, next to a bare call as the floor.

`python -m benchmarks.bench_kernel [deliveries] [--profile]` prints microseconds at 1,000 and at 100,000 live contexts.
The SBB reads three and writes two CMP fields in each delivery. Figures are the best of several rounds, because other
processes on the machine only ever add.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import time
from collections.abc import Callable

from slee import ActivityContext, Cmp, Sbb, Select, cmp, event_type, handles, initial_event
from slee.api.ids import ServiceID
from slee.kernel.adaptor_context import AdaptorContext
from slee.kernel.kernel import Kernel
from slee.model.descriptor import describe_service
from slee.testing import RecordingObserver, RecordingResource, recording_type

ROUNDS = 5


@event_type("bench.Open", vendor="slee", version="1.0")
class Open:
    """Makes the entity."""

    number: int


@event_type("bench.Update", vendor="slee", version="1.0")
class Update:
    """Goes to the entity that is attached."""

    number: int


RA = recording_type(Open, Update)


class Counting(Sbb, vendor="slee", version="1.0"):
    """Reads three fields and writes two, as a small service does."""

    total: Cmp[int] = cmp(0)
    last: Cmp[int] = cmp(0)
    name: Cmp[str] = cmp("x")

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_open(self, event: Open, aci: ActivityContext) -> None:
        self.last = event.number

    @handles
    def on_update(self, event: Update, aci: ActivityContext) -> None:
        if self.name and self.last < event.number:
            self.last = event.number
        self.total = self.total + 1


class _Shell:
    def now(self) -> float:
        return 1.0

    def pump(self) -> None: ...

    def spawn_reader(self, fileno: int, ready: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError


class Bench:
    """A running kernel with one adaptor and one service."""

    def __init__(self, live: int) -> None:
        observer = RecordingObserver()
        self.kernel = Kernel(observer=observer, random=os.urandom, ticks=time.perf_counter)
        adaptor = RecordingResource(RA)
        entity = self.kernel.create_resource("bench", adaptor)
        adaptor.set_context(AdaptorContext(self.kernel, entity, _Shell(), observer.adaptor("bench")))
        entity.activate()
        descriptor = describe_service(ServiceID("bench", "slee", "1.0"), Counting)
        self.kernel.add_service(descriptor, {})
        self.kernel.activate_service(descriptor.id)
        self.kernel.start()
        self._run()
        self.endpoint = adaptor.endpoint
        self.live = live
        for number in range(live):
            self.endpoint.start_activity(number, "activity")
            self.endpoint.fire(number, Open(number))
        self._run()

    def _run(self) -> None:
        step = self.kernel.step
        while step(1.0):
            pass

    def deliver(self, count: int) -> None:
        """Fire and deliver `count` events, round the live activities."""
        fire, step, live = self.endpoint.fire, self.kernel.step, self.live
        for number in range(count):
            fire(number % live, Update(number))
            while step(1.0):
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


def main(arguments: list[str] | None = None) -> None:
    """Print the table, or the profile of deliveries and activities."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deliveries", nargs="?", type=int, default=20_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args(arguments)
    count: int = options.deliveries
    if options.profile:
        bench = Bench(1000)
        for work in (bench.deliver, bench.activities):
            profile = cProfile.Profile()
            profile.runcall(work, count)
            pstats.Stats(profile).sort_stats("tottime").print_stats(16)
        return
    print(f"{'live contexts':>13}  {'delivery':>9}  {'activity':>9}   CPU in microseconds")
    print(f"{'(bare call)':>13}  {best(floor, count):9.2f}")
    for live in (1_000, 100_000):
        bench = Bench(live)
        gc.collect()
        gc.freeze()
        print(f"{live:13,}  {best(bench.deliver, count):9.2f}  {best(bench.activities, count):9.2f}")
        gc.unfreeze()


if __name__ == "__main__":
    main()
