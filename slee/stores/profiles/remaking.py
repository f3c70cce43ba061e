"""A profile table made anew under another specification, beside the one in use, and exchanged in one transaction.

    COPYING --copied--> READY --switch--> SWITCHED
    COPYING, READY --a profile does not fit--> FAILED
    any --abandon--> dropped

From READY on each change of the table is written to both. The old table is kept as a backup, from which a way back
takes what the new one has no attribute for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import exc

from slee.api.errors import SleeError, StateDirectoryError
from slee.stores.profiles import catalogue
from slee.stores.profiles.batch import Batch, Deed
from slee.stores.profiles.columns import store_text
from slee.stores.profiles.rows import all_rows
from slee.stores.profiles.schema import REMAKES, SqlTable, sql_table

if TYPE_CHECKING:
    from slee.kernel.profile_storage import TableSwitched
    from slee.model.profile import ProfileDescriptor, Row
    from slee.stores.profiles.dialect import Dialect

_CHUNK: Final = 2_000
"""Rows that are read and written at once."""


class SqlRemaking:
    """One table on its way to another specification; see `slee.kernel.profile_storage.Remaking`."""

    def __init__(
        self,
        do: Callable[[Deed], None],
        wait_for: Callable[[Callable[[], bool], float], bool],
        table: str,
        descriptor: ProfileDescriptor,
        convert: Callable[[str, Row], Row],
        label: str,
    ) -> None:
        self.table = table
        self.descriptor = descriptor
        self.convert = convert
        self.label = label
        self.made: SqlTable | None = None
        """The new SQL table, once it has been copied."""
        self.is_switched = False
        self.problem = ""
        self._do = do
        self._wait_for = wait_for

    @property
    def is_ready(self) -> bool:
        """Whether the table has been copied."""
        return self.made is not None and not self.problem

    def abandon(self) -> None:
        """Drop the new table."""
        self.problem = self.problem or "abandoned"
        self._do(Drop(self))

    def wait(self, timeout: float) -> None:
        """Wait for the next thing to come about."""
        before = (self.is_ready, self.is_switched, self.problem)
        self._wait_for(lambda: (self.is_ready, self.is_switched, self.problem) != before, timeout)

    def follow(self, batch: Batch, rows: Mapping[str, Row | None]) -> None:
        """Write changes of the old table to the new one too (Follower)."""
        made = self.made
        assert made is not None
        names = [stored for name in rows if (stored := store_text(name)) is not None]

        def write() -> None:
            batch.dialect.delete(batch.connection, made, names)
            kept = [(name, row) for name, row in rows.items() if row is not None]
            batch.dialect.insert(batch.connection, made, list(self.converted(made, kept)))

        if not self.attempt(batch, write):
            del batch.followers[self.table]
            _drop(batch, self)

    def switch(self, batch: Batch, change: TableSwitched) -> None:
        """Take the place of the table that it stands beside (Follower)."""
        made = self.made
        if made is None or self.problem or self.label != change.label:
            problem = f"profile table {self.table}: it cannot be made anew: {self.problem}"
            raise StateDirectoryError(f"{problem} [UPG-15]; restart the server, which comes back to the old one")
        told = {
            **catalogue.described(change.descriptor, made),
            "default_row": catalogue.default_text(change.descriptor, change.default),
        }
        tables = (batch.tables[self.table], made)
        catalogue.exchange(batch.dialect, batch.connection, self.table, self.label, tables, told)
        batch.tables[self.table] = made
        del batch.followers[self.table]
        batch.afterwards.append(self._switched)

    def _switched(self) -> None:
        self.is_switched = True

    def attempt(self, batch: Batch, write: Callable[[], None]) -> bool:
        """Write to the new table, or give it up if it does not take a row; whether that went well."""
        try:
            with batch.connection.begin_nested():
                write()
        except exc.OperationalError:
            raise  # the database, not the row: it is tried again
        except (exc.DBAPIError, SleeError, ValueError, TypeError, ArithmeticError) as error:
            cause = error.orig if isinstance(error, exc.DBAPIError) else error
            self.problem = self.problem or f"{self.table}: {' '.join(str(cause).split())}"
            return False
        return True

    def converted(self, made: SqlTable, rows: Iterable[tuple[str, Row]]) -> Iterator[tuple[object, ...]]:
        """Rows of the old table as values of INSERTs into the new one."""
        for name, row in rows:
            yield made.stored(name, self.convert(name, row))


class Begin(Deed):
    """Copies a table to one beside it."""

    def __init__(self, remaking: SqlRemaking) -> None:
        self._remaking = remaking

    def do(self, batch: Batch) -> None:
        remaking, connection = self._remaking, batch.connection
        old = batch.tables.get(remaking.table)
        if old is None or remaking.problem:
            remaking.problem = remaking.problem or f"there is no profile table {remaking.table}"
            return
        made = sql_table(catalogue.new_serial(connection), remaking.table, remaking.descriptor)

        def copy() -> None:
            made.table.create(connection)
            catalogue.forget_remake(connection, remaking.table, remaking.label)
            known = (made.serial, made.name, str(remaking.descriptor.id))
            catalogue.note_remake(connection, remaking.table, remaking.label, known, state=catalogue.BESIDE)
            rows = all_rows(batch.dialect, connection, old)
            while chunk := list(islice(rows, _CHUNK)):
                batch.dialect.insert(connection, made, list(remaking.converted(made, chunk)))

        def ready() -> None:
            remaking.made = made

        if remaking.attempt(batch, copy):
            batch.followers[remaking.table] = remaking
            batch.afterwards.append(ready)


class Drop(Deed):
    """Drops the new table."""

    def __init__(self, remaking: SqlRemaking) -> None:
        self._remaking = remaking

    def do(self, batch: Batch) -> None:
        if batch.followers.get(self._remaking.table) is self._remaking:
            del batch.followers[self._remaking.table]
            _drop(batch, self._remaking)


class BackUp(Deed):
    """Copies the database to a file."""

    def __init__(self, label: str) -> None:
        self._label = label

    def do(self, batch: Batch) -> None:
        batch.dialect.back_up(self._label)


class ForgetBackup(Deed):
    """Drops the tables that were kept of an upgrade."""

    def __init__(self, label: str) -> None:
        self._label = label

    def do(self, batch: Batch) -> None:
        of_label = (REMAKES.c.label == self._label) & (REMAKES.c.state == catalogue.BACKUP)
        for name in batch.connection.scalars(sa.select(REMAKES.c.sql_name).where(of_label)).all():
            batch.dialect.forget(batch.connection, name)
        batch.connection.execute(REMAKES.delete().where(of_label))


def sweep(connection: sa.Connection) -> None:
    """Drop the tables that a process which has ended was making."""
    is_beside = REMAKES.c.state == catalogue.BESIDE
    for name in connection.scalars(sa.select(REMAKES.c.sql_name).where(is_beside)).all():
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    connection.execute(REMAKES.delete().where(is_beside))


def kept_rows(
    dialect: Dialect, connection: sa.Connection, label: str, table: str, descriptor: ProfileDescriptor
) -> dict[str, Row]:
    """The profiles of a table that was kept; none if there is no such table, or it is of another specification."""
    found = catalogue.remake(connection, table, label)
    if found is None or found.state != catalogue.BACKUP or found.specification != str(descriptor.id):
        return {}
    return dict(all_rows(dialect, connection, sql_table(found.serial, table, descriptor, found.sql_name)))


def _drop(batch: Batch, remaking: SqlRemaking) -> None:
    assert remaking.made is not None
    batch.connection.exec_driver_sql(f"DROP TABLE IF EXISTS {remaking.made.name}")
    catalogue.forget_remake(batch.connection, remaking.table, remaking.label)


__all__ = ["BackUp", "Begin", "Drop", "ForgetBackup", "SqlRemaking", "kept_rows", "sweep"]
