"""The journal of a harness, and its end and beginning again (TST-9)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from slee.facilities.profiles.following import journalled_profiles
from slee.kernel.journalling import Journalling
from slee.testing.faults import JOURNAL_ACKNOWLEDGED, JOURNAL_APPEND, JOURNAL_APPENDED, PROFILES_WRITE, PROFILES_WRITTEN

if TYPE_CHECKING:
    from slee.facilities.volatile import VolatileTables
    from slee.kernel.kernel import Kernel
    from slee.stores.profiles.database import ProfileDatabase
    from slee.stores.simulated import SimulatedDisk
    from slee.testing.faults import Faults
    from slee.testing.harness import SleeHarness

H = TypeVar("H", bound="SleeHarness")


class CrashableJournal:
    """Keeps what lasts of a harness on a simulated disk; a record is made after every step."""

    def __init__(self, kernel: Kernel, tables: VolatileTables, disk: SimulatedDisk, faults: Faults) -> None:
        self.disk = disk
        self._faults = faults
        self.journal = disk.open(kernel.now)
        self.journalling = Journalling(kernel, self.journal)
        self.journalling.join(tables)
        self.is_crashed = False

    def flush(self, now: float) -> None:
        """Record what has changed, and hand over what the disk has acknowledged."""
        journalling = self.journalling
        if journalling.is_due:
            self._faults.reach(JOURNAL_APPEND)
            journalling.flush(now)
            self._faults.reach(JOURNAL_APPENDED)
        self.journal.advance(now)
        if journalling.is_behind:
            self._faults.reach(JOURNAL_ACKNOWLEDGED)
        journalling.acknowledged(self.journal.acknowledged)
        if self.disk.has_profiles and self.disk.profiles.is_behind:
            self.disk.profiles.write()

    def open_profiles(self) -> ProfileDatabase:
        """The profile database beside the journal, brought up to it."""
        return self.disk.profiles.open(
            journalled_profiles(self.journal.recovery.entries),
            before_write=partial(self._faults.reach, PROFILES_WRITE),
            after_write=partial(self._faults.reach, PROFILES_WRITTEN),
        )

    def problems(self) -> list[str]:
        """That the profile database was not written, if so, unless a test has it away."""
        reason = self.disk.profiles.reason if self.disk.has_profiles else ""
        return [f"profile database: {reason}"] if reason else []

    def crash(self, harness: H, survivors: int | None, downtime: float) -> H:
        """End the process of a harness; the one that is returned is Stopped, on the same disk."""
        self.is_crashed = True
        self.disk.crash(survivors=survivors)
        again = type(harness)(
            seed=harness.seed + 1,
            limits=harness.kernel.limits,
            failures_allowed=harness.failures_allowed,
            leftovers_allowed=harness.leftovers_allowed,
            serialise=harness.kernel.serialises,
            random_schedule=harness.watch.lot is not None,
            journal=self.disk,
            start=False,
        )
        again.clock.move_to(harness.clock.now + downtime)
        again.kernel.now = again.clock.now
        return again


__all__ = ["CrashableJournal"]
