"""Many schedules: creation, memory and look-up; by themselves and with their activities: `scripts/bench timer`."""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from resource_adaptors.timer.config import TimerConfiguration
from resource_adaptors.timer.protocol.schedule import Origin, Plan
from resource_adaptors.timer.protocol.scheduler import Scheduler
from resource_adaptors.timer.protocol.timing import Cron, Every, Once, Timing
from resource_adaptors.timer.register import Register
from resource_adaptors.timer.testing import TimerSimulator
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness

NOW = 1_000_000_000.0
KINDS: tuple[Callable[[int], Timing], ...] = (
    lambda number: Once(NOW + 1e6 + number),
    lambda number: Every(3600.0 + number % 1000),
    lambda number: Cron(f"{number % 60} {number // 60 % 24} * * *", "Europe/Vienna"),
)


def no_holidays(calendar: str) -> None:
    """No calendar of days off is known."""


def resident() -> int:
    """Octets of memory that the process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def schedules(count: int) -> tuple[float, float, float]:
    """Creations a second, octets of each, and seconds of one look-up of the next; without activities."""
    register = Register(TimerConfiguration(), no_holidays)
    scheduler = Scheduler(bytes)
    before, began = resident(), time.perf_counter()
    for number in range(count):
        schedule = register.make(f"{number}", Plan(name=f"s{number}", timing=KINDS[number % 3](number)), NOW)
        register.add(schedule)
        scheduler.begin(schedule, NOW)
    took, used = time.perf_counter() - began, resident() - before
    began = time.perf_counter()
    for _ in range(1000):
        scheduler.next_deadline()
    return count / took, used / count, (time.perf_counter() - began) / 1000


def activities(count: int) -> tuple[float, float]:
    """Creations a second, and octets of each; as activities that a journal keeps."""
    slee = SleeHarness(leftovers_allowed=True, serialise=False, journal=SimulatedDisk())
    timer = slee.add_resource("timer", TimerSimulator(), TimerConfiguration())
    before, began = resident(), time.perf_counter()
    for number in range(count):
        plan = Plan(name=f"s{number}", timing=KINDS[number % 3](number))
        handle, now = timer.new_handle(plan.name), timer.time_of(plan.timing)
        timer.keeping.start(timer.register.make(handle, plan, now, origin=Origin.OPERATOR))
    return count / (time.perf_counter() - began), (resident() - before) / count


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="scripts/bench timer", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    gc.disable()
    few = max(1, options.schedules // 5)
    rate, octets = activities(few)
    print(f"{few:,} with activities that a journal keeps: {rate:,.0f} made a second, {octets:.0f} octets each")
    gc.collect()
    rate, octets, seconds = schedules(options.schedules)
    print(f"{options.schedules:,} schedules: {rate:,.0f} made a second, {octets:.0f} octets each")
    print(f"the next of them is found in {seconds * 1e6:.2f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
