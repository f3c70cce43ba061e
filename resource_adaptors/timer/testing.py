"""The timer adaptor for service tests: it runs on the harness's clock, whose steps a test makes (COM-21).

with SleeHarness() as slee:
    timer = slee.add_resource("timer", TimerSimulator())
    slee.install(WakeUp)
    slee.advance(86_400)
"""

from __future__ import annotations

import math
from typing import ClassVar

from resource_adaptors.timer.adaptor import TimerAdaptor


class TimerSimulator(TimerAdaptor):
    """The timer adaptor with a wall clock that shows what the SLEE's does, until it is stepped."""

    clock_check: ClassVar[float] = math.inf  # nobody steps this clock unseen

    def __init__(self) -> None:
        super().__init__()
        self._stepped = 0.0

    def wall_clock(self) -> float:
        return self.context.now + self._stepped

    def step_clock(self, seconds: float) -> None:
        """Put the wall clock forward, or back if below 0, and let the adaptor notice (TIM-16)."""
        self._stepped += seconds
        self.check_clock()
        self.context.pump()
