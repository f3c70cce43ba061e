"""Garbage is collected often and little at a time, and no cycle that a service makes stays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from deploy.collector import Collector


class Cycle:
    """Refers to itself, as careless services do."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def waiting() -> Iterator[list[Callable[[], None]]]:
    """What the collector asked to be called later; the interpreter's own collections are as before afterwards."""
    thresholds = gc.get_threshold()
    waiting: list[Callable[[], None]] = []
    yield waiting
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.enable()


def test_a_cycle_goes_with_the_next_portion(waiting: list[Callable[[], None]]) -> None:
    Collector(lambda seconds, function: waiting.append(function)).start()
    gone = weakref.ref(Cycle())
    assert gone() is not None
    waiting.pop()()
    assert gone() is None


def test_a_cycle_that_outlived_a_portion_goes_with_a_later_one(waiting: list[Callable[[], None]]) -> None:
    Collector(lambda seconds, function: waiting.append(function)).start()
    cycle = Cycle()
    gone = weakref.ref(cycle)
    waiting.pop()()
    del cycle
    portions = 0
    while gone() is not None:
        waiting.pop()()
        portions += 1
        assert portions < 50
    assert portions > 1  # the youngest were looked at alone before


def test_what_start_up_made_is_looked_at_no_more(waiting: list[Callable[[], None]]) -> None:
    early = Cycle()
    Collector(lambda seconds, function: waiting.append(function)).start()
    assert all(one is not early for generation in range(3) for one in gc.get_objects(generation))
