"""A profile database for simulations: SQL in memory that outlives a crash, written when it is told to.

It does no I/O, starts no thread and reads no clock:

    profiles = SimulatedProfiles()
    database = profiles.open()
    database.append(1, [TableCreated("t", descriptor), RowChange("t", "a", row)])
    profiles.write()                         # in the database now
    profiles.is_away = True
    database.append(2, [RowChange("t", "a", None)])
    profiles.crash()                         # what was not written is lost
    profiles.open(journal)                   # and written now, if the journal has it
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from slee.stores.profiles.database import ProfileDatabase
from slee.stores.profiles.dialect import Sqlite, prepare_engine
from slee.stores.profiles.writer import Writer

if TYPE_CHECKING:
    from slee.kernel.profile_storage import JournalledProfiles
    from slee.stores.profiles.batch import Batch
    from slee.stores.profiles.writer import Appended

__all__ = ["SimulatedProfiles", "SteppedWriter"]


def _pass() -> None:
    """Nothing goes wrong."""


class SteppedWriter(Writer):
    """A writer without a thread."""

    before_write: Callable[[], None] = staticmethod(_pass)
    """Called before the changes that wait are written; what it raises is an error of the writing."""
    after_write: Callable[[], None] = staticmethod(_pass)
    """Called when they are in the database, and the writer does not know it yet."""

    def start(self, connection: sa.Connection) -> None:
        """Begin; a connection is taken for each write, so that a crash leaves none behind."""
        connection.close()

    def write(self) -> None:
        """Try to write everything that waits, in one transaction, and look for changes by others."""
        try:
            self._attempt()
        finally:
            self._drop_connection()

    def _transact(self, connection: sa.Connection, batch: list[Appended]) -> Batch:
        self.before_write()
        work = super()._transact(connection, batch)
        self.after_write()
        return work

    def say(self, reason: str) -> None:
        """Fail for a reason, or not any more."""
        self._become(reason)

    def stop(self) -> None:
        """Write what waits, and end."""
        if not self._reason:
            self.write()


class _InMemory(Sqlite):
    """SQLite without a file; nobody else can own it."""

    where = "simulated database"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=StaticPool, creator=lambda: connection)
        self._seen: tuple[sa.Connection, int] | None = None
        prepare_engine(self.engine)

    def own(self, connection: sa.Connection) -> None:
        """There is nobody else."""

    def back_up(self, label: str) -> None:
        """There is no file."""

    def close(self) -> None:
        """It outlives its owners."""


class SimulatedProfiles:
    """What survives: the tables, as of the last `write`."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._dialect = _InMemory(self._connection)
        self._database: ProfileDatabase | None = None
        self._is_away = False

    @property
    def is_away(self) -> bool:
        """Whether it cannot be reached, so that changes wait; set it at will."""
        return self._is_away

    @is_away.setter
    def is_away(self, away: bool) -> None:
        self._is_away = away
        if self._database is not None:
            self._writer(self._database).say("simulated database: it does not answer" if away else "")

    def open(
        self,
        journal: JournalledProfiles | None = None,
        *,
        identity: str = "",
        before_write: Callable[[], None] | None = None,
        after_write: Callable[[], None] | None = None,
    ) -> ProfileDatabase:
        """Take it over, and bring it up to the journal.

        Args:
            journal: what the journal holds for it.
            identity: of the SLEE that it belongs to.
            before_write: called before each write; may raise.
            after_write: called after the write, before its owner knows; may raise.
        """
        self._is_away = False
        self._database = database = ProfileDatabase(
            self._dialect, identity=identity, journal=journal, writer=SteppedWriter
        )
        writer = self._writer(database)
        writer.before_write, writer.after_write = before_write or _pass, after_write or _pass
        return database

    @property
    def reason(self) -> str:
        """Why it was not written the last time, though it was not away; empty if it was."""
        return "" if self._database is None or self._is_away else self._database.status().reason

    @property
    def is_behind(self) -> bool:
        """Whether something waits that can be written."""
        return self._database is not None and not self._is_away and self._database.status().waiting > 0

    def write(self) -> None:
        """Write what waits, unless it is away, and look for what other programs have changed."""
        if self._database is not None and not self._is_away:
            self._writer(self._database).write()

    def crash(self) -> None:
        """End the process that has it: what it has not written is lost."""
        self._database = None

    def backup(self) -> bytes:
        """A copy as it is now."""
        return self._connection.serialize()

    def restore(self, copy: bytes) -> None:
        """Go back to a copy, whoever has the database; to be called before a crash."""
        self._connection.deserialize(copy)

    def contents(self, table: str) -> dict[str, Any]:
        """The values that are stored of each profile of a table, by its name; for judgements."""
        connection = self._connection
        found = connection.execute("SELECT sql_name FROM slee_profile_tables WHERE name = ?", (table,)).fetchone()
        rows = connection.execute(f"SELECT * FROM {found[0]}").fetchall() if found else []
        return {row[0]: row[1:] for row in rows}

    @staticmethod
    def _writer(database: ProfileDatabase) -> SteppedWriter:
        assert isinstance(database.writer, SteppedWriter)
        return database.writer
