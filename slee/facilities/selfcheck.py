"""The self-check: compares the sums of events at an interval, and raises an alarm when they differ (CON-15)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from slee.api.alarm import AlarmLevel
from slee.facilities.incidents import ROUTER
from slee.kernel.conservation import unaccounted

if TYPE_CHECKING:
    from slee.facilities.alarms import Alarms
    from slee.kernel.kernel import Kernel

UNACCOUNTED: Final = "slee.events-unaccounted"


class SelfCheck:
    """Stands on the kernel's wheel; runs between two steps, so that it sees one consistent picture."""

    __slots__ = ("_alarms", "_interval", "_kernel")

    def __init__(self, kernel: Kernel, alarms: Alarms, interval: float) -> None:
        """Check every `interval` seconds from now on.

        Raises:
            ValueError: the interval is not above 0, or endless.
        """
        if not 0 < interval < math.inf:
            raise ValueError(f"a self-check every {interval} seconds [CON-15]; give a finite number above 0")
        self._kernel = kernel
        self._alarms = alarms
        self._interval = interval
        kernel.schedule.expirers[SelfCheck] = self._due
        kernel.schedule.set(kernel.now + interval, self, kernel.now)

    def run(self) -> list[str]:
        """Check now; what differs, of which an alarm tells that is cleared when all is well again."""
        found = unaccounted(self._kernel)
        if found:
            self._alarms.raise_alarm(ROUTER, UNACCOUNTED, "router", level=AlarmLevel.CRITICAL, message="; ".join(found))
        else:
            self._alarms.clear_source(ROUTER, UNACCOUNTED)
        return found

    def _due(self, items: list[SelfCheck], now: float) -> None:
        self.run()
        self._kernel.schedule.set(now + self._interval, self, now)
