"""What many schedules cost (TIM-26), in small: `scripts/bench` prints the figures of a million."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from types import FrameType

from resource_adaptors.timer.config import TimerConfiguration
from resource_adaptors.timer.protocol.schedule import Plan
from resource_adaptors.timer.protocol.scheduler import Scheduler
from resource_adaptors.timer.protocol.timing import Cron, Every, Once, Timing
from resource_adaptors.timer.register import Register

NOW = 1_000_000_000.0


def filled(count: int, timing: Timing) -> tuple[Register, Scheduler]:
    register = Register(TimerConfiguration(), {}.get)
    scheduler = Scheduler(lambda size: bytes(size))
    for number in range(count):
        plan = Plan(name=f"s{number}", timing=timing)
        schedule = register.make(f"{number}", plan, NOW)
        register.add(schedule)
        scheduler.begin(schedule, NOW)
    return register, scheduler


def test_tim_26_a_schedule_takes_at_most_700_bytes() -> None:
    for timing in (Once(NOW + 100), Every(100), Cron("30 2 * * *", "Europe/Vienna")):
        filled(10, timing)
        gc.collect()
        tracemalloc.start()
        held = filled(2_000, timing)
        used = tracemalloc.get_traced_memory()[0] / 2_000
        tracemalloc.stop()
        assert used <= 700, timing
        del held


def test_tim_26_the_next_one_is_found_without_looking_at_the_others() -> None:
    """No more is looked at for many than for few: calls are counted, not seconds."""

    calls: list[int] = []
    for count in (100, 10_000):
        register, scheduler = filled(count, Every(100))
        number = 0

        def count_call(frame: FrameType, event: str, argument: object) -> None:
            nonlocal number
            number += event in ("call", "c_call")

        sys.setprofile(count_call)
        try:
            for _ in range(10):
                assert scheduler.next_deadline() == NOW + 100
            schedule = register.get("s7")
            scheduler.suspend(schedule)
            scheduler.resume(schedule)
        finally:
            sys.setprofile(None)
        calls.append(number)
    assert calls[0] == calls[1]
