"""One SQL transaction of the writer: changes in the order of their commits, each profile written once.

A profile's row is deleted and inserted anew, all deletions before all insertions: so values of unique attributes may
be swapped in one transaction (PRF-19), which the unique indexes would refuse row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slee.kernel.profile_storage import RowChange, TableCreated, TableRemoved, TableRenamed
from slee.stores.profiles import catalogue
from slee.stores.profiles.columns import store_text
from slee.stores.profiles.schema import POSITION, SqlTable

if TYPE_CHECKING:
    import sqlalchemy as sa

    from slee.kernel.profile_storage import ProfileChange
    from slee.model.profile import Row
    from slee.stores.profiles.dialect import Dialect


class Batch:
    """What is written in one transaction."""

    def __init__(self, dialect: Dialect, connection: sa.Connection, tables: dict[str, SqlTable]) -> None:
        """Begin with the tables known before; `tables` afterwards has those that the transaction leaves."""
        self.tables = dict(tables)
        self._dialect = dialect
        self._connection = connection
        self._rows: dict[str, dict[str | None, Row | None]] = {}

    def apply(self, changes: Iterable[ProfileChange], position: int) -> None:
        """Write the changes, and the position that they bring the database to (PRF-46)."""
        self._connection.execute(POSITION.update().values(writing=1))
        for change in changes:
            if isinstance(change, RowChange):
                self._rows.setdefault(change.table, {})[change.profile] = change.row
            else:
                self._change_table(change)
        for table in tuple(self._rows):
            self._flush(table)
        self._connection.execute(POSITION.update().values(writing=0, position=position))

    def _change_table(self, change: TableCreated | TableRemoved | TableRenamed) -> None:
        if isinstance(change, TableCreated):
            self.tables[change.table] = catalogue.create(self._connection, change.table, change.descriptor)
        elif isinstance(change, TableRemoved):
            self._rows.pop(change.table, None)
            catalogue.remove(self._connection, self.tables.pop(change.table))
        else:
            self._flush(change.table)
            table = self.tables[change.renamed] = self.tables.pop(change.table)
            catalogue.rename(self._connection, table, change.renamed)

    def _flush(self, name: str) -> None:
        rows = self._rows.pop(name, None)
        if rows is None:
            return
        table = self.tables[name]
        default = rows.pop(None, None)
        if default is not None:
            catalogue.set_default(self._connection, table, default)
        profiles = [stored for profile in rows if (stored := store_text(profile)) is not None]
        if not profiles:
            return
        self._dialect.delete(self._connection, table, profiles)
        kept = [table.stored(name, row) for name, row in rows.items() if name is not None and row is not None]
        if kept:
            self._dialect.insert(self._connection, table, kept)


__all__ = ["Batch"]
