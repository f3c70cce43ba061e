"""One SQL transaction of the writer: changes in the order of their commits, each profile written once.

A profile's row is deleted and inserted anew, all deletions before all insertions: so values of unique attributes may
be swapped in one transaction (PRF-19), which the unique indexes would refuse row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from slee.api.errors import StateDirectoryError
from slee.kernel.profile_storage import ProfileChange, RowChange, TableCreated, TableRemoved, TableSwitched
from slee.stores.profiles import catalogue
from slee.stores.profiles.columns import store_text
from slee.stores.profiles.schema import POSITION, SqlTable

if TYPE_CHECKING:
    import sqlalchemy as sa

    from slee.kernel.profile_storage import TableRenamed
    from slee.model.profile import Row
    from slee.stores.profiles.dialect import Dialect


class Deed:
    """Something other than a change of profiles that the database is to do, at its place among the changes."""

    def do(self, batch: Batch) -> None:
        """Do it within the transaction of a batch that has nothing else in it; a retry does it again."""
        raise NotImplementedError


class Follower(Protocol):
    """A table beside another one, which gets the same changes."""

    def follow(self, batch: Batch, rows: Mapping[str, Row | None]) -> None:
        """Take changes of the table that it stands beside."""
        ...

    def switch(self, batch: Batch, change: TableSwitched) -> None:
        """Take that table's place."""
        ...


Change = ProfileChange | Deed


class Batch:
    """What is written in one transaction."""

    def __init__(
        self,
        dialect: Dialect,
        connection: sa.Connection,
        tables: dict[str, SqlTable],
        followers: Mapping[str, Follower] | None = None,
    ) -> None:
        """Begin with what was known before; `tables` and `followers` are then what the transaction leaves."""
        self.known = tables
        """The tables that were known before."""
        self.tables = dict(tables)
        self.followers = dict(followers or {})
        self.afterwards: list[Callable[[], None]] = []
        """To be called once the transaction has committed."""
        self.dialect = dialect
        self.connection = connection
        self._rows: dict[str, dict[str | None, Row | None]] = {}

    def apply(self, changes: Iterable[Change], position: int) -> None:
        """Write the changes, and the position that they bring the database to (PRF-46)."""
        self.connection.execute(POSITION.update().values(writing=1))
        for change in changes:
            if isinstance(change, Deed):
                change.do(self)
            elif isinstance(change, RowChange):
                self._rows.setdefault(change.table, {})[change.profile] = change.row
            else:
                self._change_table(change)
        for table in tuple(self._rows):
            self._flush(table)
        self.connection.execute(POSITION.update().values(writing=0, position=position))

    def _change_table(self, change: TableCreated | TableRemoved | TableRenamed | TableSwitched) -> None:
        if isinstance(change, TableCreated):
            self.tables[change.table] = catalogue.create(self.connection, change.table, change.descriptor)
        elif isinstance(change, TableRemoved):
            self._rows.pop(change.table, None)
            self.followers.pop(change.table, None)
            catalogue.remove(self.connection, self.tables.pop(change.table))
        elif isinstance(change, TableSwitched):
            self._flush(change.table)
            if change.table not in self.followers:
                problem = f"profile table {change.table}: the table that was made anew is gone"
                raise StateDirectoryError(f"{problem} [UPG-15]; restart the server, which comes back to the old one")
            self.followers[change.table].switch(self, change)
        else:
            self._flush(change.table)
            self.followers.pop(change.table, None)
            table = self.tables[change.renamed] = self.tables.pop(change.table)
            catalogue.rename(self.connection, table, change.renamed)

    def _flush(self, name: str) -> None:
        rows = self._rows.pop(name, None)
        if rows is None:
            return
        table = self.tables[name]
        default = rows.pop(None, None)
        if default is not None:
            catalogue.set_default(self.connection, table, default)
        profiles = [stored for profile in rows if (stored := store_text(profile)) is not None]
        if not profiles:
            return
        self.dialect.delete(self.connection, table, profiles)
        kept = [table.stored(name, row) for name, row in rows.items() if name is not None and row is not None]
        if kept:
            self.dialect.insert(self.connection, table, kept)
        follower = self.followers.get(name)
        if follower is not None:
            follower.follow(self, {name: row for name, row in rows.items() if name is not None})


__all__ = ["Batch", "Change", "Deed", "Follower"]
