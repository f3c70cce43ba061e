"""What a change of versions costs: the switch, events beside it, and the migration of live entities.

`scripts/bench upgrade [--events N] [--trees N]`. `switch` is the one step in which a version takes another's place,
with as many trees alive; `activity` the whole life of one with one initial event and one more: before the switch, while
trees of the old version are left, and after the last of them. The stream is of initial events, each on an activity of
its own, with the switch in its middle and most of them queued; each must make one root, of one version.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.engine import Unwatched
from slee import ActivityContext, Cmp, Sbb, Select, ServiceID, cmp, event_type, handles, initial_event, migrates
from slee.kernel.states import ServiceState
from slee.management.upgrade_migration import Migration
from slee.testing import RecordingResource, recording_type

ROUNDS: Final = 5


@event_type("bench.Begin", vendor="slee", version="1.0")
class Begin:
    """Makes the root."""

    number: int


@event_type("bench.Go", vendor="slee", version="1.0")
class Go:
    """Goes to the root."""

    number: int


RA = recording_type(Begin, Go)
HANDLED: Counter[int] = Counter()


class One(Sbb, name="Call", vendor="slee", version="1.0"):
    """The old version."""

    total: Cmp[int] = cmp(0)
    last: Cmp[int] = cmp(0)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_begin(self, event: Begin, aci: ActivityContext) -> None:
        HANDLED[event.number] += 1
        self.last = event.number

    @handles
    def on_go(self, event: Go, aci: ActivityContext) -> None:
        self.total = self.total + 1


class Two(One, name="Call", vendor="slee", version="2.0"):
    """The new version, with a field more."""

    word: Cmp[str] = cmp()

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return {**old, "word": f"call {old['last']}"}


class Bench:
    """A kernel with both versions."""

    def __init__(self, trees: int) -> None:
        HANDLED.clear()
        self.slee = Unwatched(failures_allowed=True, leftovers_allowed=True, serialise=False)
        self.kernel = self.slee.kernel
        self.endpoint = self.slee.add_resource("bench", RecordingResource(RA)).endpoint
        self.old = self.slee.install(One)
        self.new = self.slee.install(Two, activate=False)
        self.trees = trees
        for number in range(trees):
            self.endpoint.start_activity(number, "activity")
            self.endpoint.fire(number, Begin(-1 - number))
        self.run()

    def run(self) -> None:
        """Step until nothing is ready."""
        step, now = self.kernel.step, self.kernel.now
        while step(now):
            pass

    def switch(self) -> float:
        """The new version takes the place of the old one; seconds."""
        began = time.perf_counter()
        self.kernel.registry.switch([(self.old, self.new)])
        return time.perf_counter() - began

    def activities(self, count: int = 4_000) -> float:
        """Microseconds of one whole life, the best of some rounds."""
        best = float("inf")
        for turn in range(ROUNDS):
            began = time.process_time()
            for number in range(count):
                handle = ("new", turn, number)
                self.endpoint.start_activity(handle, "activity")
                self.endpoint.fire(handle, Begin(number))
                self.endpoint.fire(handle, Go(number))
                self.endpoint.end_activity(handle)
                self.run()
            best = min(best, time.process_time() - began)
        return best / count * 1e6

    def end_old(self) -> None:
        """End the activities that the old version has."""
        for number in range(self.trees):
            self.endpoint.end_activity(number)
        self.run()


def switch_costs(trees: int) -> None:
    """The switch, and activities before, beside and after what is left of the old version."""
    bench = Bench(trees)
    before = bench.activities()
    seconds = bench.switch()
    beside = bench.activities()
    bench.end_old()
    assert bench.kernel.service_state(bench.old) is ServiceState.INACTIVE
    after = bench.activities()
    print(f"switch with {trees:,} trees alive: {seconds * 1e6:.0f} µs")
    print(f"activity: {before:.2f} µs before, {beside:.2f} µs while old trees are left, {after:.2f} µs after")


def stream(events: int) -> None:
    """Initial events across the switch."""
    bench = Bench(0)
    kernel, seconds = bench.kernel, 0.0
    for number in range(events):
        bench.endpoint.start_activity(number, "activity")
        bench.endpoint.fire(number, Begin(number))
        if number % 3 == 0:
            kernel.step(kernel.now)
        if number == events // 2:
            seconds = bench.switch()
    bench.run()
    roots = {service: len(kernel.services[service].roots) for service in (bench.old, bench.new)}
    wrong = [number for number in range(events) if HANDLED[number] != 1]
    assert not wrong, f"{len(wrong)} events were handled by nobody or twice"
    assert sum(roots.values()) == events
    owners = Counter(len(context.attached) for context in kernel.contexts() if context.resource is not None)
    assert owners == {1: events}
    split = ", ".join(f"{count:,} by {_version(service)}" for service, count in roots.items())
    print(f"{events:,} initial events across the switch ({seconds * 1e6:.0f} µs): {split}, none twice, none by nobody")


def migration(trees: int) -> None:
    """Migrate live trees while events go on."""
    bench = Bench(trees)
    kernel = bench.kernel
    bench.switch()
    done: list[float] = []
    problems: list[str] = []
    began = time.perf_counter()
    moving = Migration(
        kernel,
        bench.old,
        bench.new,
        failed=lambda tree, cause: problems.append(f"{tree}: {cause}"),
        done=lambda: done.append(time.perf_counter()),
    )
    longest, fired, busy, at = 0.0, 0, 0.0, kernel.now
    while not done:
        at += 0.001
        for _ in range(4):
            bench.endpoint.fire(fired % trees, Go(fired))
            fired += 1
        while True:
            stepped = time.perf_counter()
            moved = moving.migrated
            more = kernel.step(at)
            spent = time.perf_counter() - stepped
            if moving.migrated != moved:
                busy += spent
                longest = max(longest, spent)
            if not more:
                break
    assert not problems, problems[0]
    assert moving.migrated == trees
    assert len(kernel.services[bench.new].roots) == trees
    handled = [root.state["total"] for root in kernel.services[bench.new].roots]
    total = sum(count for count in handled if isinstance(count, int))
    assert total == fired, f"{fired} events were fired, {total} were handled"
    assert all(root.state["word"] == f"call {root.state['last']}" for root in kernel.services[bench.new].roots)
    print(
        f"migration of {trees:,} trees with a new field: {at - bench.slee.clock.now:.2f} s of the clock, "
        f"{busy * 1e3:.0f} ms of work, {busy / trees * 1e6:.1f} µs each, longest slice {longest * 1e3:.1f} ms, "
        f"{fired:,} events served meanwhile ({done[0] - began:.2f} s elapsed)"
    )


def _version(service: ServiceID) -> str:
    return service.version


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench upgrade", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--trees", type=int, default=10_000)
    given = parser.parse_args()
    switch_costs(given.trees)
    stream(given.events)
    migration(given.trees)


if __name__ == "__main__":
    main()
