"""Changes that other programs make to the profile tables: found in the log that the tables' triggers write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from slee.kernel.profile_storage import OutsideChange
from slee.stores.profiles.columns import load_text
from slee.stores.profiles.rows import changed_rows
from slee.stores.profiles.schema import CHANGES, POSITION

if TYPE_CHECKING:
    from slee.model.profile import Row
    from slee.stores.profiles.dialect import Dialect
    from slee.stores.profiles.schema import SqlTable


class OutsideWatch:
    """Looks for changes; one transaction for each look that finds some."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def position(self, connection: sa.Connection) -> int:
        """The position that the database holds."""
        return int(connection.execute(sa.select(POSITION.c.position)).scalar_one())

    def look(self, connection: sa.Connection, tables: Mapping[str, SqlTable]) -> list[OutsideChange]:
        """What has changed since the last look; the log is emptied by it."""
        with connection.begin():
            if not self._dialect.has_changed(connection):
                return []
            # In one statement: a change with a lower number may commit after one with a higher, between two.
            logged = connection.execute(CHANGES.delete().returning(CHANGES.c.serial, CHANGES.c.profile)).all()
            if not logged:
                return []
            by_serial: dict[int, list[Any]] = {}
            for change in logged:
                by_serial.setdefault(change.serial, []).append(change.profile)
            return [
                self._found(connection, name, table, by_serial[table.serial])
                for name, table in tables.items()
                if table.serial in by_serial
            ]

    def _found(self, connection: sa.Connection, name: str, table: SqlTable, profiles: list[Any]) -> OutsideChange:
        if None in profiles:
            return OutsideChange(name, {}, (), everything=True)
        rows, unreadable = changed_rows(self._dialect, connection, table, sorted(set(profiles)))
        missing: dict[str, Row | None] = {
            loaded: None for p in profiles if (loaded := load_text(p)) is not None and loaded not in unreadable
        }
        return OutsideChange(name, {**missing, **rows}, tuple(unreadable.values()), everything=False)


__all__ = ["OutsideWatch"]
