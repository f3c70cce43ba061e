"""The stores of the product as the compliance kit sees them."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from slee.kernel.journal import Journal, JournalCondition, JournalStatus
from slee.stores.memory import MemoryJournal
from slee.stores.simulated import SimulatedDisk, SimulatedJournal, StoreFaults
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite.database import Database

LIMIT = 10.0
"""Seconds that a store may take for anything."""


class MemoryStorage:
    keeps = False
    can_fail = False

    def open(
        self,
        *,
        on_acknowledged: Callable[[int], None] | None = None,
        on_status: Callable[[JournalStatus], None] | None = None,
    ) -> Journal:
        return MemoryJournal(on_acknowledged=on_acknowledged)

    def settle(self, journal: Journal) -> None:
        assert journal.status().records == 0

    def crash(self, journal: Journal) -> None:
        pass


class SimulatedStorage:
    keeps = True
    can_fail = True

    def __init__(self, seed: int) -> None:
        self.disk = SimulatedDisk(seed, StoreFaults(lost_acknowledgement=0.3, torn=0.5))
        self.now = 0.0

    def open(
        self,
        *,
        on_acknowledged: Callable[[int], None] | None = None,
        on_status: Callable[[JournalStatus], None] | None = None,
    ) -> SimulatedJournal:
        return self.disk.open(self.now, on_acknowledged=on_acknowledged, on_status=on_status)

    def settle(self, journal: SimulatedJournal) -> None:
        while (due := journal.due) is not None:
            self.now = due
            journal.advance(due)
        assert journal.status().records == 0

    def crash(self, journal: SimulatedJournal) -> None:
        self.disk.crash()

    def fail(self) -> None:
        self.disk.fill()

    def mend(self) -> None:
        self.disk.free()

    def await_condition(self, journal: SimulatedJournal, condition: JournalCondition) -> None:
        assert journal.status().condition is condition


class Gate:
    """A database whose calls wait while the gate is held: nothing is half done then."""

    def __init__(self, database: Database) -> None:
        self.lock = threading.Lock()
        self.is_closed = False
        self._database = database

    @property
    def connection(self) -> sqlite3.Connection:
        return self._database._connection

    def close(self) -> None:
        with self.lock:
            self.is_closed = True
            self._database.close()

    def __getattr__(self, name: str) -> object:
        found = getattr(self._database, name)
        if not callable(found):
            return found

        def call(*arguments: object) -> object:
            with self.lock:
                return found(*arguments)

        return call


class SqliteStorage:
    """A journal in a directory; a crash is a copy of its files, made while no call of the writer is under way."""

    keeps = True
    can_fail = True

    def __init__(self, directory: Path, *, full: bool = False, log_octets: int = 100_000) -> None:
        self.directory = directory
        self.full = full
        self.log_octets = log_octets
        self.generation = 0
        self._changed = threading.Condition()

    @property
    def place(self) -> Path:
        return self.directory / str(self.generation)

    def open(
        self,
        *,
        on_acknowledged: Callable[[int], None] | None = None,
        on_status: Callable[[JournalStatus], None] | None = None,
    ) -> SqliteJournal:
        def acknowledged(sequence: int) -> None:
            if on_acknowledged is not None:
                on_acknowledged(sequence)
            self._notify()

        def status(changed: JournalStatus) -> None:
            if on_status is not None:
                on_status(changed)
            self._notify()

        journal = SqliteJournal(
            self.place,
            full=self.full,
            gather=0.0,
            log_octets=self.log_octets,
            on_acknowledged=acknowledged,
            on_status=status,
        )
        self.gate = journal._writer._database = Gate(journal._writer._database)
        return journal

    def settle(self, journal: SqliteJournal) -> None:
        self._await(lambda: journal.status().records == 0)

    def await_condition(self, journal: SqliteJournal, condition: JournalCondition) -> None:
        self._await(lambda: journal.status().condition is condition)

    def crash(self, journal: SqliteJournal) -> None:
        with self.gate.lock:
            shutil.copytree(self.place, self.directory / str(self.generation + 1))
        self.generation += 1
        journal.close()

    def fail(self) -> None:
        """The database may not grow: SQLite says that the disk is full. Real disks are in test_full_disk.py."""
        self._limit_pages(1)

    def mend(self) -> None:
        self._limit_pages(1 << 30)

    def _limit_pages(self, pages: int) -> None:
        with self.gate.lock:
            if not self.gate.is_closed:
                self.gate.connection.execute(f"PRAGMA max_page_count = {pages}")

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _await(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT
        with self._changed:
            assert self._changed.wait_for(holds, end - time.monotonic()), f"not within {LIMIT} s"
