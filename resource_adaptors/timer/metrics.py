"""The timer adaptor's counters as metrics (TIM-29)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

Histogram: TypeAlias = "tuple[tuple[tuple[float, int], ...], float]"
Figure: TypeAlias = "tuple[str, str, str, Mapping[str, str], float | Histogram]"
"""Name, type, help, labels and value; a histogram's value is its cumulated buckets and the sum."""

BOUNDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds of the buckets of lateness, in seconds."""


class Lateness:
    """How late occurrences fired."""

    __slots__ = ("_buckets", "_sum")

    def __init__(self) -> None:
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one occurrence."""
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def histogram(self) -> Histogram:
        """Cumulated buckets and the sum."""
        count = 0
        cumulated: list[tuple[float, int]] = []
        for bound, number in zip((*BOUNDS, float("inf")), self._buckets, strict=True):
            count += number
            cumulated.append((bound, count))
        return tuple(cumulated), self._sum


class TimerStatistics(msgspec.Struct, frozen=True):
    """A frozen picture of one timer resource adaptor entity."""

    schedules: Mapping[str, int]
    """By kind."""
    fired: Mapping[str, int]
    missed: Mapping[str, int]
    """By policy."""
    lateness: Histogram
    backlog: float
    """Seconds by which the earliest occurrence is late."""
    retries: int
    clock_steps: int

    def metrics(self) -> Iterator[Figure]:
        """Every figure, for the exporter."""
        for name, kind, text, label, counts in (
            ("slee_timer_schedules", "gauge", "Schedules.", "kind", self.schedules),
            ("slee_timer_fired", "counter", "Occurrences fired.", "kind", self.fired),
            ("slee_timer_missed", "counter", "Occurrences that were missed.", "policy", self.missed),
        ):
            for value, count in counts.items():
                yield name, kind, text, {label: value}, count
        yield "slee_timer_lateness_seconds", "histogram", "Delay of occurrences.", {}, self.lateness
        yield "slee_timer_backlog", "gauge", "Seconds by which the earliest occurrence is late.", {}, self.backlog
        yield "slee_timer_retries", "counter", "Occurrences fired once more.", {}, self.retries
        yield "slee_timer_clock_steps", "counter", "Steps of the wall clock noticed.", {}, self.clock_steps
