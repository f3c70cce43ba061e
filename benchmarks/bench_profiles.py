"""Profile tables in memory: what a row weighs, and what a look-up, a longest-prefix query and a write cost.

`scripts/bench profiles` measures 300,000 subscribers and 1,000,000 routes and judges them against the bounds of the
issue; `--scale 0.1` measures a tenth of that.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.profile_writes import measure
from slee import Condition, Profile, attribute, query, where
from slee.facilities.facilities import Facilities
from slee.facilities.profiles.tables import ProfileTables
from slee.kernel.kernel import Kernel
from slee.model.profile import Row, describe_profile
from slee.runtime.observer import LoggingObserver


class Subscriber(Profile, vendor="bench", version="1.0"):
    """About what a subscriber of a telephone service has."""

    number: str | None = attribute(None, unique=True)
    domain: str = attribute("", indexed=True)
    ha1: str = attribute("", secret=True)
    display_name: str = ""
    forward_to: str | None = None
    no_answer_after: float = 20.0
    is_barred: bool = False
    language: str = "en"
    calls: int = 0


class Route(Profile, vendor="bench", version="1.0"):
    """A prefix and where it leads."""

    prefix: str = attribute("", indexed=True)
    gateway: str = ""

    @query(max_matches=1)
    def best(self, number: str) -> Condition:
        return where(self.prefix).longest_prefix_of(number)


def resident() -> int:
    """Octets of memory that the process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def subscribers(count: int) -> Iterator[tuple[str, Row]]:
    """Rows as a database gives them: every text an object of its own."""
    for n in range(count):
        name = f"sip:user{n:06d}@example{n % 50}.net"
        yield name, (f"+1555{n:07d}", f"example{n % 50}.net", f"{n:064x}", f"User {n}", None, 20.0, False, "en", 0)


def routes(count: int, rng: random.Random) -> Iterator[tuple[str, Row]]:
    """Routes with prefixes of 1 to 10 digits."""
    for n in range(count):
        digits = str(rng.randrange(10**10)).zfill(10)[: 4 + n % 7]
        yield f"route {n}", (digits, f"gateway {n % 100}")


def per_call(function: Callable[[int], object], count: int, repeats: int = 5) -> float:
    """Microseconds of one call: the best of several runs, for what disturbs a run only adds."""
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        for n in range(count):
            function(n)
        best = min(best, time.perf_counter() - started)
    return best / count * 1e6


class Bench:
    """Two tables, and what was found out about them."""

    def __init__(self, scale: float) -> None:
        facilities = Facilities(now=time.time, random=os.urandom)
        self.kernel = Kernel(observer=LoggingObserver(facilities), random=os.urandom, ticks=time.perf_counter)
        self.tables = ProfileTables(self.kernel, facilities)
        self.subscribers = int(300_000 * scale)
        self.routes = int(1_000_000 * scale)
        self.failed = False
        for specification in (Subscriber, Route):
            self.tables.add_specification(describe_profile(specification))
            self.tables.create_table(specification.__name__, specification.specification_id)

    def tell(self, what: str, value: float, unit: str, bound: float | None = None) -> None:
        """Print one figure, and keep whether it is within its bound."""
        fits = bound is None or value <= bound
        self.failed |= not fits
        judged = "" if bound is None else f"  (bound {bound:g}: {'kept' if fits else 'MISSED'})"
        print(f"{what:<58}{value:>12.2f} {unit}{judged}")

    def load(self) -> None:
        """Fill the tables."""
        for name, count, rows, bound in (
            ("Subscriber", self.subscribers, subscribers(self.subscribers), 1200.0),
            ("Route", self.routes, routes(self.routes, random.Random(1)), None),
        ):
            gc.collect()
            before, started = resident(), time.perf_counter()
            self.tables.table(name).resident.load(rows)
            took = time.perf_counter() - started
            self.tell(f"{name}: octets a row, of {count}", (resident() - before) / count, "B", bound)
            self.tell(f"{name}: rows loaded in a second", count / took, "/s")

    def look_up(self) -> None:
        """What an SBB's look-up costs beyond that of a dictionary."""
        view: Any = self.tables.view("Subscriber")
        names = [f"sip:user{n:06d}@example{n % 50}.net" for n in range(0, self.subscribers, 7)]
        numbers = [f"+1555{n:07d}" for n in range(0, self.subscribers, 7)]
        plain = dict.fromkeys(names)
        count = len(names)
        tx = self.kernel.begin()
        base = per_call(lambda n: plain[names[n]], count)
        self.tell(
            "look-up by name, beyond a dictionary's", per_call(lambda n: view.find(names[n]), count) - base, "us", 1
        )
        by_number = per_call(lambda n: view.find_by("number", numbers[n]), count) - base
        self.tell("look-up by a unique attribute, beyond a dictionary's", by_number, "us", 1)
        found = view.find(names[0])
        self.tell("read of one attribute", per_call(lambda _: found.no_answer_after, 100_000), "us")
        self.kernel.roll_back(tx)

    def ask(self) -> None:
        """Longest prefix over all routes."""
        view: Any = self.tables.view("Route")
        rng = random.Random(2)
        asked = [str(rng.randrange(10**12)) for _ in range(20_000)]
        tx = self.kernel.begin()
        took = per_call(lambda n: view.query("best", asked[n]), len(asked))
        self.kernel.roll_back(tx)
        self.tell(f"longest prefix over {self.routes} routes", took, "us", 20)

    def write(self) -> None:
        """One transaction that writes one attribute of one profile."""
        view: Any = self.tables.view("Subscriber")
        names = [f"sip:user{n:06d}@example{n % 50}.net" for n in range(20_000 if self.subscribers > 20_000 else 1000)]

        def change(n: int) -> None:
            tx = self.kernel.begin()
            view.find(names[n]).calls += 1
            if not self.kernel.finish(tx):
                raise RuntimeError("the write was refused")

        self.tell("transaction that writes one attribute", per_call(change, len(names), 2), "us")
        descriptor, rows = describe_profile(Subscriber), dict(subscribers(len(names)))
        measure(descriptor, rows, lambda what, value: self.tell(what, value, "us"))


def main() -> int:
    """Measure, print, and say by the exit status whether the bounds are kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench profiles", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes (default 1)")
    bench = Bench(parser.parse_args().scale)
    bench.load()
    bench.look_up()
    bench.ask()
    bench.write()
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
