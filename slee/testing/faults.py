"""Faults at named points of the kernel (TST-6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from slee.api.profile import PROFILE_CALLBACKS
from slee.api.sbb import CALLBACKS

if TYPE_CHECKING:
    from slee.testing.clock import ManualClock

BEFORE_COMMIT: Final = "commit.before"
"""After the checks of a transaction, before anything of it takes effect."""
OUTPUT: Final = "output"
"""Before a committed command is handed to its adaptor."""
JOURNAL_APPEND: Final = "journal.append"
"""Before a record is handed to the journal."""
JOURNAL_APPENDED: Final = "journal.appended"
"""Between a record's append and its acknowledgement."""
JOURNAL_ACKNOWLEDGED: Final = "journal.acknowledged"
"""Between an acknowledgement and the outputs that waited for it."""
PROFILES_WRITE: Final = "profiles.write"
"""Between the acknowledgement of a record and the writing of its profile changes to the database (PRF-46).

An exception here or at the next one is an error of the database: an alarm in a server, and tried again.
"""
PROFILES_WRITTEN: Final = "profiles.written"
"""After that, before the writer knows and the journal lets go of them."""
_ADAPTOR: Final = (
    "ra_active",
    "ra_stopping",
    "ra_inactive",
    "query_liveness",
    "administrative_remove",
    "activity_ended",
    "activity_unreferenced",
    "event_processing_successful",
    "event_processing_failed",
    "event_unreferenced",
    "service_active",
    "service_stopping",
    "service_inactive",
)
POINTS: Final = frozenset(
    (
        BEFORE_COMMIT,
        OUTPUT,
        JOURNAL_APPEND,
        JOURNAL_APPENDED,
        JOURNAL_ACKNOWLEDGED,
        PROFILES_WRITE,
        PROFILES_WRITTEN,
        "callback.handler",
        "callback.local",
        "callback.selector",
        "callback.profile_method",
        *(f"callback.{name}" for name in (*CALLBACKS, *PROFILE_CALLBACKS)),
        *(f"adaptor.{name}" for name in _ADAPTOR),
    )
)
"""The points there are: before a call of an author's code, and those above."""


class Crash(KeyboardInterrupt):
    """Ends the process, so to say: no code catches it, and it comes out of the harness where the test waits for it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Time that passes at a point."""

    seconds: float


@dataclass(slots=True)
class _Fault:
    action: BaseException | Delay
    wait: int
    always: bool


class Faults:
    """The faults of one harness: `slee.faults.inject("output", OSError("no route"), nth=3)`."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._faults: dict[str, list[_Fault]] = {}

    def inject(self, point: str, action: BaseException | Delay, *, nth: int = 1, always: bool = False) -> None:
        """Have something happen when `point` is reached.

        Args:
            point: one of `POINTS`.
            action: an exception to raise, `Crash()` among them, or a `Delay` on the manual clock.
            nth: at which time from now on, from 1.
            always: at each later time as well.

        Raises:
            ValueError: there is no such point, or `nth` is below 1 (TST-6).
        """
        if point not in POINTS:
            raise ValueError(f"no point {point!r} [TST-6]; give one of {', '.join(sorted(POINTS))}")
        if nth < 1:
            raise ValueError(f"nth={nth} [TST-6]; count from 1")
        self._faults.setdefault(point, []).append(_Fault(action, nth, always))

    def clear(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    @property
    def pending(self) -> list[str]:
        """The points with a fault that has not happened."""
        return [point for point, faults in self._faults.items() for fault in faults if fault.wait > 0]

    def reach(self, point: str) -> None:
        """Let happen what is due at a point."""
        if not self._faults:
            return
        for fault in tuple(self._faults.get(point, ())):
            fault.wait -= 1
            if fault.wait > 0:
                continue
            if not fault.always:
                self._faults[point].remove(fault)
            if not isinstance(fault.action, Delay):
                raise fault.action
            self._clock.move_to(self._clock.now + fault.action.seconds)


__all__ = [
    "BEFORE_COMMIT",
    "JOURNAL_ACKNOWLEDGED",
    "JOURNAL_APPEND",
    "JOURNAL_APPENDED",
    "OUTPUT",
    "POINTS",
    "PROFILES_WRITE",
    "PROFILES_WRITTEN",
    "Crash",
    "Delay",
    "Faults",
]
