"""Profile changes as octets for the journal: rows in the form in which the database stores them.

So `slee.stores.profiles.replay` can bring a database up to the journal before any bundle is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from slee.kernel.profile_storage import RowChange, TableCreated, TableRemoved, TableSwitched
from slee.stores.profiles.catalogue import default_text, described
from slee.stores.profiles.columns import store_text
from slee.stores.profiles.schema import sql_table

if TYPE_CHECKING:
    from slee.kernel.profile_storage import ProfileChange, TableRenamed
    from slee.model.profile import ProfileDescriptor, Row
    from slee.stores.profiles.schema import SqlTable

FORMAT: Final = 1
"""Version of the octets."""
CREATED: Final = 0  # name, specification, hash of the schema, columns as JSON, default profile as JSON
REMOVED: Final = 1  # name
RENAMED: Final = 2  # name, new name
SWITCHED: Final = 4  # name, and then what CREATED has, and the label
ROWS: Final = 3  # name of the table, default profile as JSON or None, rows as stored, names of profiles removed
_pack: Final = msgspec.msgpack.Encoder().encode


class ChangeEncoder:
    """Knows how the rows of each table are stored; to be asked in the order of the changes."""

    def __init__(self) -> None:
        self._tables: dict[str, SqlTable] = {}
        self._undo: SqlTable | None = None
        """As what the last undo's rows are stored."""

    def learn(self, name: str, table: SqlTable) -> None:
        """A table has been loaded."""
        self._tables[name] = table

    def encoded(self, changes: Iterable[ProfileChange]) -> bytes:
        """The changes of one append; of a profile's rows, the last one."""
        parts: list[tuple[object, ...]] = []
        rows: dict[str, dict[str | None, Row | None]] = {}
        for change in changes:
            if isinstance(change, RowChange):
                rows.setdefault(change.table, {})[change.profile] = change.row
                continue
            parts.extend(self._rows(rows))
            rows.clear()
            parts.append(self._table_change(change))
        parts.extend(self._rows(rows))
        return _pack([FORMAT, parts])

    def undo(
        self, table: str, descriptor: ProfileDescriptor, changes: Mapping[str, tuple[Row | None, Row | None]]
    ) -> bytes:
        """What takes changes back: by profile a digest of the row that it is to have now, and the row before."""
        if self._undo is None or self._undo.descriptor is not descriptor:
            self._undo = sql_table(0, table, descriptor)
        stored, width = self._undo.stored, len(self._undo.columns) + 1
        kept: list[tuple[object, ...]] = []
        for name, (before, after) in changes.items():
            # Read back is a row without the columns that stand for others.
            now = None if after is None else digest(stored(name, after)[:width])
            kept.append((store_text(name), now, None if before is None else stored(name, before)))
        return _pack([FORMAT, store_text(table), kept])

    def _rows(self, rows: Mapping[str, Mapping[str | None, Row | None]]) -> list[tuple[object, ...]]:
        return [self._rows_of(name, changed) for name, changed in rows.items()]

    def _rows_of(self, name: str, changed: Mapping[str | None, Row | None]) -> tuple[object, ...]:
        table = self._tables[name]
        stored = table.stored
        default = changed.get(None)
        kept = [stored(profile, row) for profile, row in changed.items() if profile is not None and row is not None]
        removed = [store_text(profile) for profile, row in changed.items() if row is None]
        text = None if default is None else default_text(table.descriptor, default)
        return ROWS, store_text(name), text, kept, removed

    def _table_change(self, change: TableCreated | TableRemoved | TableRenamed | TableSwitched) -> tuple[object, ...]:
        name = store_text(change.table)
        if isinstance(change, TableCreated):
            descriptor = change.descriptor
            table = self._tables[change.table] = sql_table(0, change.table, descriptor)
            told = described(descriptor, table)
            default = default_text(descriptor, descriptor.defaults)
            return CREATED, name, told["specification"], told["schema_hash"], told["columns"], default
        if isinstance(change, TableSwitched):
            table = self._tables[change.table] = sql_table(0, change.table, change.descriptor)
            told = described(change.descriptor, table)
            default = default_text(change.descriptor, change.default)
            return SWITCHED, name, told["specification"], told["schema_hash"], told["columns"], default, change.label
        table = self._tables.pop(change.table)
        if isinstance(change, TableRemoved):
            return REMOVED, name
        self._tables[change.renamed] = table
        return RENAMED, name, store_text(change.renamed)


def digest(values: Iterable[Any]) -> bytes:
    """Tells whether a stored row is the one that was meant; SQLite gives numbers for truth values."""
    plain = [int(value) if value is True or value is False else value for value in values]
    return hashlib.blake2b(_pack(plain), digest_size=12).digest()


__all__ = ["CREATED", "FORMAT", "REMOVED", "RENAMED", "ROWS", "SWITCHED", "ChangeEncoder", "digest"]
