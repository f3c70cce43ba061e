"""Watches over the journal: what is refused and held while it cannot be written, and the alarm (DUR-13, DUR-14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from slee.api.alarm import AlarmLevel
from slee.api.source import SubsystemSource
from slee.kernel.journal import JournalCondition

if TYPE_CHECKING:
    from slee.facilities.facilities import Facilities
    from slee.kernel.journalling import Journalling

JOURNAL: Final = SubsystemSource("journal")
NOT_WRITTEN: Final = "slee.journal-not-written"


@dataclass(frozen=True, slots=True)
class JournalBounds:
    """What may be unacknowledged while the journal cannot be written, and for how long that may last."""

    records: int = 100_000
    """Records after which no new delivery of a durable service begins."""
    octets: int = 64 * 2**20
    """Their size after which none begins."""
    seconds: float = 30.0
    """Age of the oldest after which none begins."""
    give_up: float = 300.0
    """Seconds without writing after which the process ends (DUR-14)."""


class JournalWatch:
    """Judges the journal's condition; its owner calls `look` when that changes, and now and then while it fails."""

    def __init__(self, journalling: Journalling, facilities: Facilities, bounds: JournalBounds | None = None) -> None:
        self._journalling = journalling
        facilities.add(JOURNAL)
        self._alarms = facilities.alarms
        self._bounds = bounds or JournalBounds()
        self._failing_since: float | None = None
        self.is_lost = False
        """Whether the process has to end: acknowledged data is gone, or the journal did not recover (DUR-14)."""
        self.reason = ""
        """Why, for the operator."""

    @property
    def is_failing(self) -> bool:
        """Whether the journal was not being written at the last look."""
        return self._failing_since is not None

    def look(self, now: float) -> None:
        """See how the journal fares, at a time in seconds."""
        status = self._journalling.journal.status()
        if status.condition is JournalCondition.WRITING:
            if self._failing_since is not None:
                self._failing_since = None
                self._alarms.clear_source(JOURNAL, NOT_WRITTEN)
                self._journalling.restrain(refusing=False, blocked=False)
            return
        if self._failing_since is None:
            self._failing_since = now
            self._alarms.raise_alarm(
                JOURNAL, NOT_WRITTEN, "journal", level=AlarmLevel.CRITICAL, message=status.reason or "it is not written"
            )
        bounds = self._bounds
        blocked = status.records > bounds.records or status.octets > bounds.octets or status.age > bounds.seconds
        self._journalling.restrain(refusing=True, blocked=blocked)
        if status.condition is JournalCondition.LOST:
            self.lose(status.reason)
        elif now - self._failing_since >= bounds.give_up:
            self.lose(f"the journal has not been written for {bounds.give_up:g} s: {status.reason}")

    def lose(self, reason: str) -> None:
        """Nothing more can be kept: the process is to end (DUR-14, DUR-16)."""
        self.is_lost = True
        self.reason = reason
        self._journalling.restrain(refusing=True, blocked=True)


__all__ = ["JOURNAL", "NOT_WRITTEN", "JournalBounds", "JournalWatch"]
