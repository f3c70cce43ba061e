"""A profile database: SQLite or PostgreSQL, opened by the one SLEE that owns it (PRF-46)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import exc

from slee.api.errors import InvalidConfigurationError, SchemaMismatchError, StateDirectoryError
from slee.stores.profiles import catalogue
from slee.stores.profiles.dialect import Dialect, dialect_of
from slee.stores.profiles.journalled import ChangeEncoder
from slee.stores.profiles.remaking import BackUp, Begin, ForgetBackup, SqlRemaking, kept_rows, sweep
from slee.stores.profiles.replay import bring_up, claim
from slee.stores.profiles.rows import all_rows
from slee.stores.profiles.schema import FORMAT, POSITION, create_catalogue, sql_table
from slee.stores.profiles.writer import Appended, Writer

if TYPE_CHECKING:
    from slee.kernel.profile_storage import (
        JournalledProfiles,
        OutsideChange,
        ProfileChange,
        StorageStatus,
        StoredTable,
    )
    from slee.model.profile import ProfileDescriptor, Row
    from slee.stores.profiles.batch import Deed

DATABASE_FILE: Final = "profiles.sqlite"
"""The embedded database's file in a state directory."""


class ProfileDatabase:
    """The storage port over SQLAlchemy Core; see `slee.kernel.profile_storage.ProfileStorage`."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        identity: str = "",
        journal: JournalledProfiles | None = None,
        on_status: Callable[[StorageStatus], None] | None = None,
        writer: type[Writer] = Writer,
    ) -> None:
        """Open the database, make its catalogue if it is empty, and bring it up to the journal.

        Use `open_profile_database`, which has the same arguments.
        """
        self.dialect = dialect
        self._encoder = ChangeEncoder()
        connection = dialect.engine.connect().execution_options(writes=True)
        try:
            with connection.begin():
                dialect.own(connection)
                create_catalogue(connection)
                marker = connection.execute(sa.select(POSITION.c.format, POSITION.c.position)).one()
                if marker.format != FORMAT:
                    raise StateDirectoryError(
                        f"{dialect.where}: format {marker.format}, this is {FORMAT} [PRF-46]; use the newer product"
                    )
                if identity:
                    claim(dialect, connection, identity)
                position: int = marker.position
                if journal is not None:
                    position = bring_up(dialect, connection, journal)
                sweep(connection)
                self._entries = catalogue.entries(connection)
        except BaseException:
            connection.close()
            dialect.close()
            raise
        self.writer = writer(dialect, position=position, tables={}, tell=on_status or _nobody)
        self._appended = position
        self.writer.start(connection)

    @property
    def position(self) -> int:
        """Of the last append that the database holds."""
        return self.writer.position

    def tables(self) -> Mapping[str, StoredTable]:
        """The tables that were stored when it was opened."""
        return {name: entry.stored for name, entry in self._entries.items()}

    def load(self, table: str, descriptor: ProfileDescriptor) -> Iterator[tuple[str | None, Row]]:
        """Every profile of a table, the default profile first."""
        with self.dialect.engine.connect() as connection, connection.begin():
            entry = catalogue.entries(connection)[table]
            if entry.schema_hash != descriptor.schema_hash or entry.specification != descriptor.id:
                raise SchemaMismatchError(
                    f"profile table {table} is stored as {entry.specification} with other attributes than "
                    f"{descriptor.id} [PRF-46]; plan and apply its migration first"
                )
            made = sql_table(entry.serial, table, descriptor, entry.sql_name)
            self.writer.replace_tables({table: made})
            self._encoder.learn(table, made)
            yield None, catalogue.default_row(descriptor, entry.default_row)
            yield from all_rows(self.dialect, connection, made)

    def append(self, position: int, changes: Sequence[ProfileChange]) -> None:
        """Take changes; at or below the position held they are there already."""
        if position <= self._appended:
            return
        self._appended = position
        self.writer.put(Appended(position, tuple(changes), time.monotonic()))

    def encoded(self, changes: Sequence[ProfileChange]) -> bytes:
        """The changes of an append, to come, as the journal keeps them."""
        return self._encoder.encoded(changes)

    def encoded_undo(
        self, table: str, descriptor: ProfileDescriptor, changes: Mapping[str, tuple[Row | None, Row | None]]
    ) -> bytes:
        """What takes changes of a table's profiles back, for the journal."""
        return self._encoder.undo(table, descriptor, changes)

    def remake(
        self, table: str, descriptor: ProfileDescriptor, convert: Callable[[str, Row], Row], label: str
    ) -> SqlRemaking:
        """Begin to make a table anew under another specification."""
        made = SqlRemaking(self._do, self.writer.wait_for, table, descriptor, convert, label)
        self._do(Begin(made))
        return made

    def back_up(self, label: str) -> None:
        """Copy the database to a file beside it, if it is one."""
        self._do(BackUp(label))

    def backup(self, label: str, table: str, descriptor: ProfileDescriptor) -> Mapping[str, Row]:
        """The profiles that a table had when it was made anew."""
        with self.dialect.engine.connect() as connection, connection.begin():
            return kept_rows(self.dialect, connection, label, table, descriptor)

    def forget_backup(self, label: str) -> None:
        """Drop what is kept within the database of tables that were made anew."""
        self._do(ForgetBackup(label))

    def _do(self, deed: Deed) -> None:
        self.writer.put(Appended(self._appended, (deed,), time.monotonic()))

    def outside(self) -> Sequence[OutsideChange]:
        """What other programs have changed in tables that are loaded, since the last call."""
        return self.writer.outside()

    def reach(self, position: int, timeout: float) -> bool:
        """Wait until the database holds a position."""
        return self.writer.wait_for(lambda: self.writer.position >= position, timeout)

    def flush(self, timeout: float) -> bool:
        """Wait until everything appended is written, at most `timeout` seconds; whether it is."""
        return self.writer.wait(self._appended, timeout)

    def status(self) -> StorageStatus:
        """How it fares now."""
        return self.writer.status()

    def close(self) -> None:
        """Write what was appended, if it can be written, and give the database up."""
        self.writer.stop()
        self.dialect.close()


def open_profile_database(
    url: str | None,
    directory: Path,
    *,
    identity: str = "",
    journal: JournalledProfiles | None = None,
    on_status: Callable[[StorageStatus], None] | None = None,
) -> ProfileDatabase:
    """Open the profile database of a URL; without one, the embedded file in the state directory.

    Args:
        url: `sqlite:///PATH` or `postgresql://USER@HOST/NAME`.
        directory: the state directory.
        identity: of the SLEE that the database is to belong to for good; an empty one leaves that open.
        journal: what a crash may have kept from the database, which is written now.
        on_status: told on the database's thread when it cannot be written, and when it can again.

    Raises:
        InvalidConfigurationError: the URL is none, or the database cannot be reached.
        StateDirectoryError: another SLEE owns it, it is of another format, or older than the journal.
        RecoveryError: what the journal holds does not fit it.
    """
    dialect = dialect_of(url or f"sqlite:///{directory / DATABASE_FILE}")
    try:
        return ProfileDatabase(dialect, identity=identity, journal=journal, on_status=on_status)
    except exc.SQLAlchemyError as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        raise InvalidConfigurationError(
            f"{dialect.where}: {' '.join(str(cause).split())} [PRF-46]; make it reachable, "
            "or give another URL as profiles.database"
        ) from error


def _nobody(_status: StorageStatus) -> None:
    """Nobody listens."""


__all__ = ["DATABASE_FILE", "ProfileDatabase", "open_profile_database"]
