"""The timer adaptor for service tests: it runs on the harness's clock, whose steps a test makes (COM-21).

with SleeHarness() as slee:
    timer = slee.add_resource("timer", TimerSimulator())
    slee.install(WakeUp)
    slee.advance(86_400)
"""

from __future__ import annotations

from typing import ClassVar

from resource_adaptors.timer.adaptor import TimerAdaptor


class TimerSimulator(TimerAdaptor):
    """The timer adaptor with a wall clock that shows what the SLEE's does, until it is stepped or stopped."""

    is_gathering: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.is_watching = False  # nobody steps this clock unseen
        self._ahead = 0.0
        self._stands_at: float | None = None

    def wall_clock(self) -> float:
        return self.context.now + self._ahead if self._stands_at is None else self._stands_at

    def step_clock(self, seconds: float) -> None:
        """Put the wall clock forward, or back if below 0, and let the adaptor notice (TIM-16)."""
        self._ahead += seconds
        self._see()

    def stop_clock(self) -> None:
        """Let the wall clock stand, while the SLEE's goes on."""
        self._stands_at = self.wall_clock()
        self.is_watching = True

    def start_clock(self) -> None:
        """Let the wall clock go on from where it stands."""
        if self._stands_at is not None:
            self._ahead, self._stands_at = self._stands_at - self.context.now, None
            self.is_watching = False
            self._see()

    def _see(self) -> None:
        self.look_at_clock()
        self.look(self.context.now)
        self.context.pump()
