"""The composition root: one kernel with its clock, loop, tables and management."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import anyio

from slee.api.errors import InvalidStateError, JournalError, StateDirectoryError
from slee.api.source import ResourceSource
from slee.facilities.facilities import Facilities
from slee.facilities.profiles.following import journalled_profiles
from slee.facilities.profiles.tables import ProfileTables
from slee.facilities.profiles.watch import ProfileDatabaseWatch
from slee.facilities.selfcheck import SelfCheck
from slee.facilities.volatile import VolatileTables
from slee.kernel.adaptor_context import AdaptorContext
from slee.kernel.kernel import Kernel
from slee.kernel.ports import Limits
from slee.kernel.states import SleeState, StateChange
from slee.management.management import Equipment, Management
from slee.runtime.clock import SystemClock
from slee.runtime.driver import Driver
from slee.runtime.journal import JournalKeeper
from slee.runtime.observer import LoggingObserver
from slee.stores.opening import JOURNAL_FOLDER, open_store
from slee.stores.profiles.database import ProfileDatabase, open_profile_database

if TYPE_CHECKING:
    from slee.api.facilities import VolatileTable
    from slee.api.ids import ProfileSpecificationID
    from slee.facilities.journalwatch import JournalBounds
    from slee.kernel.resource import ResourceEntity
    from slee.management.store import StateDirectory
    from slee.runtime.journal import OpenJournal
    from slee.spi.adaptor import ResourceAdaptor

_KEPT_WITHIN: Final = 5.0
"""Seconds that an operation waits at most for the journal."""


class Slee:
    """One server's SLEE; make it on a running loop."""

    def __init__(
        self,
        *,
        store: StateDirectory,
        adaptors: Sequence[type[ResourceAdaptor]],
        sections: Mapping[str, Mapping[str, Any]],
        limits: Limits | None = None,
        self_check: float = 60.0,
        profile_database: str | None = None,
        open_journal: OpenJournal | None = None,
        bounds: JournalBounds | None = None,
        spread: float = 1.0,
    ) -> None:
        """Put the parts together; the SLEE is Stopped and nothing is restored.

        Args:
            store: the state directory, held.
            adaptors: resource adaptors of the built-in bundle.
            sections: the sections of the configuration that configure resource adaptor entities.
            limits: bounds of the kernel.
            self_check: seconds between two checks that no event is unaccounted for (CON-15).
            profile_database: URL of the database of profile tables; a file in the state directory without one.
            open_journal: opens the journal; without one every durability class is as `memory`.
            bounds: of what the journal may be behind (DUR-13).
            spread: seconds over which timers that came due while the process was down are spread (DUR-8).

        Raises:
            SleeError: the journal or the profile database cannot be opened.
        """
        clock = SystemClock()
        self.facilities = Facilities(now=clock.now, random=os.urandom)
        self.observer = LoggingObserver(self.facilities)
        self.kernel = Kernel(
            observer=self.observer,
            random=os.urandom,
            ticks=time.perf_counter,
            limits=limits,
            thread=threading.get_ident,
        )
        self.kernel.now = clock.now()
        SelfCheck(self.kernel, self.facilities.alarms, self_check)
        self.driver = Driver(self.kernel, clock)
        self.tables = VolatileTables(self.kernel)
        self.keeper: JournalKeeper | None = None
        """The journal on the loop."""
        if open_journal is not None:
            self.keeper = keeper = JournalKeeper(
                self.kernel,
                open_journal,
                self.facilities,
                pump=self.pump,
                now=clock.now,
                lost=self._lose,
                bounds=bounds,
                spread=spread,
            )
            keeper.journalling.join(self.tables)
            self.driver.pumped = keeper.pumped
        self._database = self._open_profiles(profile_database, store)
        self.profiles = ProfileTables(self.kernel, self.facilities)
        self.profiles.follow_with(self._database, None if self.keeper is None else self.keeper.journalling)
        ProfileDatabaseWatch(self.kernel, self.facilities, self.profiles, self._database, bounds)
        self.shutdown_asked = anyio.Event()
        """Set when an operator asks for the end of the process (SLE-12)."""
        self._stopped = anyio.Event()
        self.observer.listeners.append(self._changed)
        self.is_shut_down = False
        """Whether an operator has shut it down: nothing but `close` is left to call (SLE-12)."""
        self._management = Management(engine=self.kernel, host=self, store=store, adaptors=adaptors, sections=sections)

    @property
    def management(self) -> Management:
        """Everything that an operator can do; `InvalidStateError` after `shutdown` (SLE-12)."""
        self._require_open()
        return self._management

    def start(self, equipment: Equipment) -> None:
        """Restore what is desired, deploy the equipment at a first start, and run if that is desired (SLE-1).

        Raises:
            InvalidStateError: it is shut down.
            InvalidConfigurationError: the configuration of a resource adaptor entity does not fit.
        """
        self._require_open()
        self.pump()
        self.management.restore()
        self.management.equip(equipment)
        if self.keeper is not None:
            self.keeper.recover()
        self.management.resume()
        self.pump()

    async def stop(self, within: float) -> None:
        """Stop, ending what is left after `within` seconds; the desired states stay (SLE-10, SLE-15).

        Raises:
            InvalidStateError: it is shut down.
        """
        self._require_open()
        self.pump()
        if self.kernel.state is SleeState.RUNNING:
            self.kernel.stop(within=within)
            self.pump()
        if self.kernel.state is SleeState.STOPPING:
            await self._stopped.wait()

    def close(self) -> None:
        """Let go of timers, modules and the state directory."""
        self.driver.close()
        if self.keeper is not None:
            self.keeper.close()
        self._database.close()
        self._management.close()

    # What management asks of its host.

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.driver.now()

    def pump(self) -> None:
        """Let the kernel work on what is ready."""
        self.driver.pump()

    def context(self, name: str, endpoint: ResourceEntity) -> AdaptorContext:
        """What the adaptor object of an entity is given first of all (RA-1)."""
        return AdaptorContext(self.kernel, endpoint, self.driver, self.facilities.of(ResourceSource(name)))

    def table(self, table: VolatileTable[Any]) -> object:
        """The rows of a volatile table."""
        return self.tables.rows(table)

    def drop_table(self, table: ProfileSpecificationID) -> None:
        """Forget a table whose bundle is uninstalled."""
        self.tables.remove(table)

    async def kept(self) -> None:
        """Wait until committed profile changes are durable (PRF-46, MGT-3).

        Raises:
            JournalError: the journal is not written.
        """
        keeper = self.keeper
        if keeper is not None and self.profiles.following.is_behind and not await keeper.kept(_KEPT_WITHIN):
            raise JournalError(
                "it has been done, but the journal is not written, so that it may not outlast the process [DUR-13]; "
                "see the alarms, and look again when they are cleared"
            )

    def shut_down(self) -> None:
        """End the process once the present operation has been answered."""
        self.is_shut_down = True
        self.shutdown_asked.set()

    def _lose(self) -> None:
        self.shutdown_asked.set()

    @property
    def has_lost_journal(self) -> bool:
        """Whether the process has to end because nothing can be kept any more (DUR-14)."""
        return self.keeper is not None and self.keeper.watch.is_lost

    def _open_profiles(self, url: str | None, store: StateDirectory) -> ProfileDatabase:
        journal = None
        if self.keeper is not None:
            journal = journalled_profiles(self.keeper.journal.recovery.entries)
        try:
            if self.keeper is None and (store.path / JOURNAL_FOLDER).exists():
                return _opened_beside_journal(url, store)
            return open_profile_database(url, store.path, identity=store.identity, journal=journal)
        except BaseException:
            if self.keeper is not None:
                self.keeper.close()
            raise

    def _require_open(self) -> None:
        if self.is_shut_down:
            raise InvalidStateError("the SLEE is shut down [SLE-12]; make another")

    def _changed(self, change: StateChange) -> None:
        if change.new is SleeState.STOPPED:
            self._stopped.set()
        elif change.new is SleeState.STARTING:
            self._stopped = anyio.Event()


def _opened_beside_journal(url: str | None, store: StateDirectory) -> ProfileDatabase:
    """The profile database for a server that keeps no journal, in a state directory that has one from before.

    Raises:
        StateDirectoryError: the journal has changes that the database lacks: they would be lost, for what is written
            from now on takes their positions.
    """
    journal = open_store("sqlite", store.path)
    try:
        left = journalled_profiles(journal.recovery.entries)
    finally:
        journal.close()
    floor = left._replace(changes={}, undo=[])
    database = open_profile_database(url, store.path, identity=store.identity, journal=floor)
    waiting = sum(position > database.position for position in left.changes)
    if not waiting and not left.undo:
        return database
    where = database.dialect.where
    database.close()
    what = "an import that was cut off, to be taken back," if left.undo else f"{waiting} records of profile changes"
    raise StateDirectoryError(
        f"{where}: the journal of {store.path} holds {what} that the database lacks [PRF-46]; start once with "
        f'store.kind = "sqlite" and stop, which brings the database up, and then change store.kind'
    )
