"""What the benchmarks have in common on their command line, and the run that they share."""

from __future__ import annotations

import argparse
import os
import pstats
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.contenders import LOAD_CORE, contenders
from benchmarks.loads import Load
from benchmarks.measurement import Measurement, measure
from benchmarks.report import publish, section


def parser(description: str, *, seconds: float = 15.0, rates: Sequence[float] = ()) -> argparse.ArgumentParser:
    """Return a parser of the common options."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--seconds", type=float, default=seconds, help="length of the loaded window (%(default)s)")
    if rates:
        told = ", ".join(f"{rate:g}" for rate in rates)
        found.add_argument(
            "--rate", type=float, action="append", help=f"operations a second; may be repeated (default: {told})"
        )
    found.add_argument(
        "--only",
        action="append",
        default=[],
        choices=["slee", "kamailio", "kamailio-fm"],
        help="measure this server; kamailio stands for both allocators (default: all)",
    )
    found.add_argument("--profile", action="store_true", help="run slee alone under cProfile and print its top")
    found.add_argument("--record", action="store_true", help="put the tables into benchmarks/README.md")
    return found


def take_load_core() -> None:
    """Move this program to the load generator's processor, away from the server's."""
    # Only the calling thread moves, and those that it starts; the server gets its own processor by taskset.
    if LOAD_CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {LOAD_CORE})


def compare(loads: Sequence[Load], seconds: float, only: Sequence[str]) -> list[Measurement]:
    """Measure the servers in turn under each load."""
    take_load_core()
    found: list[Measurement] = []
    for load in loads:
        for contender in contenders(only):
            print(f"{load.name} at {load.rate:g}/s: {contender.name} ...", file=sys.stderr, flush=True)
            found.append(measure(contender, load, seconds))
    return found


def main(title: str, make: Callable[[float], Load], rates: Sequence[float], seconds: float = 15.0) -> None:
    """Run one kind of load's benchmark from the command line."""
    options = parser(title, seconds=seconds, rates=rates).parse_args()
    loads = [make(rate) for rate in options.rate or rates]
    if options.profile:
        profile(loads[-1], options.seconds)
        return
    publish([section(title, compare(loads, options.seconds, options.only))], record=options.record)


def profile(load: Load, seconds: float) -> None:
    """Load the product under cProfile and print where its time goes; how long it took is no measurement."""
    take_load_core()
    with tempfile.TemporaryDirectory(prefix="profile-") as place:
        written = Path(place) / "slee.prof"
        (contender,) = contenders(["slee"], profile=written)
        found = measure(contender, load, seconds)
        print(f"{found.operations} {load.name} under cProfile, {found.cpu_us:.0f} µs each, {found.failed} failed")
        statistics = pstats.Stats(str(written))
        statistics.sort_stats("tottime").print_stats(45)
        statistics.sort_stats("cumulative").print_stats(60)
