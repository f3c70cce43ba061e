"""The watch over the profile database: alarms while it cannot be written, and what other programs change in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slee.api.alarm import AlarmLevel
from slee.api.errors import SleeError, UnrecognizedProfileTableError
from slee.api.source import ProfileTableSource, SubsystemSource
from slee.facilities.journalwatch import JournalBounds

if TYPE_CHECKING:
    from slee.facilities.facilities import Facilities
    from slee.facilities.profiles.tables import ProfileTables
    from slee.kernel.kernel import Kernel
    from slee.kernel.profile_storage import OutsideChange, ProfileStorage

PROFILES: Final = SubsystemSource("profiles")
UNWRITABLE: Final = "profile.database"
"""Type of the alarm while the database cannot be written; it clears itself."""
CHANGED_OUTSIDE: Final = "profile.changed-outside"
"""Type of the alarm of a table that another program has changed, and whose change is not taken over."""
INTERVAL: Final = 0.4
"""Seconds between two looks; with the writer's own, a change is seen within a second."""


class ProfileDatabaseWatch:
    """Stands on the kernel's wheel; never waits for the database."""

    __slots__ = ("_alarms", "_bounds", "_kernel", "_storage", "_tables")

    def __init__(
        self,
        kernel: Kernel,
        facilities: Facilities,
        tables: ProfileTables,
        storage: ProfileStorage,
        bounds: JournalBounds | None = None,
    ) -> None:
        """Look every `INTERVAL` seconds from now on; `bounds` are of what may wait while it is not written."""
        self._kernel = kernel
        facilities.add(PROFILES)
        self._alarms = facilities.alarms
        self._tables = tables
        self._storage = storage
        self._bounds = bounds or JournalBounds()
        kernel.schedule.expirers[ProfileDatabaseWatch] = self._due
        kernel.schedule.set(kernel.now + INTERVAL, self, kernel.now)

    def run(self) -> None:
        """Look now."""
        status = self._storage.status()
        following, bounds = self._tables.following, self._bounds
        following.let_go()
        is_over = status.waiting > bounds.records or status.age > bounds.seconds or following.octets > bounds.octets
        following.restrain(full=bool(status.reason) and is_over)
        if status.reason:
            message = f"{status.reason}; {status.waiting} changes wait to be written, none is lost"
            self._alarms.raise_alarm(PROFILES, UNWRITABLE, "database", level=AlarmLevel.CRITICAL, message=message)
        else:
            self._alarms.clear_source(PROFILES, UNWRITABLE)
        for change in self._storage.outside():
            self._judge(change)

    def _judge(self, change: OutsideChange) -> None:
        """Take a change over where components only read, and tell of it elsewhere."""
        try:
            table = self._tables.table(change.table)
        except UnrecognizedProfileTableError:
            return
        if not table.descriptor.read_only:
            self._tell(change, "components may change the table, so that nothing of it was taken over; undo it there")
            return
        if change.everything:
            self._tell(change, "any profile may have changed; reload the table")
        for problem in change.unreadable:
            self._tell(change, problem)
        try:
            self._tables.take_over(change.table, change.rows)
        except SleeError as error:
            self._tell(change, str(error))
        else:
            if not change.unreadable and not change.everything:
                self._alarms.clear_source(ProfileTableSource(change.table), CHANGED_OUTSIDE)

    def _tell(self, change: OutsideChange, problem: str) -> None:
        names = ", ".join(sorted(change.rows)[:5]) or "profiles"
        more = f" and {len(change.rows) - 5} more" if len(change.rows) > 5 else ""
        self._alarms.raise_alarm(
            ProfileTableSource(change.table),
            CHANGED_OUTSIDE,
            change.table,
            level=AlarmLevel.MAJOR,
            message=f"another program has changed {names}{more} in the database: {problem}",
        )

    def _due(self, items: list[ProfileDatabaseWatch], now: float) -> None:
        self.run()
        self._kernel.schedule.set(now + INTERVAL, self, now)


__all__ = ["CHANGED_OUTSIDE", "INTERVAL", "PROFILES", "UNWRITABLE", "ProfileDatabaseWatch"]
