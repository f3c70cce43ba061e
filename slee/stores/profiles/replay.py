"""Brings a profile database up to the journal at a start: what it had not got is written, once and in order (PRF-46).

Rows are as they are stored, and tables as the catalogue tells them, so that no specification is needed. Imports that
are to take effect as a whole and have not come to their end are taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc

from slee.api.errors import RecoveryError, StateDirectoryError
from slee.stores.profiles import catalogue
from slee.stores.profiles.columns import load_text
from slee.stores.profiles.journalled import CREATED, FORMAT, REMOVED, RENAMED, SWITCHED, digest
from slee.stores.profiles.schema import OWNER, POSITION

if TYPE_CHECKING:
    from slee.kernel.profile_storage import JournalledProfiles
    from slee.stores.profiles.dialect import Dialect
    from slee.stores.profiles.schema import StoredRows

_TOLD: Final[tuple[str, ...]] = ("specification", "schema_hash", "columns", "default_row")
_FEW: Final = 500
"""Names in one SELECT: SQLite of old admits 999 parameters."""


def bring_up(dialect: Dialect, connection: sa.Connection, journal: JournalledProfiles) -> int:
    """Write what the database lacks, within a transaction; returns the position that it has then.

    Raises:
        StateDirectoryError: the database lacks what the journal has let go of.
        RecoveryError: an entry of the journal is of a newer format, or does not fit the database.
    """
    position: int = connection.execute(sa.select(POSITION.c.position)).scalar_one()
    if position < journal.floor:
        raise StateDirectoryError(
            f"{dialect.where}: it has profile changes up to {position}, and the journal has let go of those up to "
            f"{journal.floor} because the database had them [PRF-46]; restore the database as it was, or one of the "
            f"same backup as the state directory"
        )
    missing = sorted(number for number in journal.changes if number > position)
    if not missing and not journal.undo:
        return position
    replay = Replay(dialect, connection)
    connection.execute(POSITION.update().values(writing=1))
    for number in missing:
        try:
            replay.apply(_decoded(journal.changes[number])[0])
            if number == missing[-1]:
                replay.write()
        except (exc.SQLAlchemyError, dialect.driver.Error, KeyError) as error:
            raise RecoveryError(
                f"{dialect.where}: change {number} of the journal does not fit: {error} [PRF-46]; restore database and "
                f"state directory from one backup"
            ) from error
        position = number
    for octets in journal.undo:
        replay.undo(*_decoded(octets))
    connection.execute(POSITION.update().values(writing=0, position=position))
    return position


def claim(dialect: Dialect, connection: sa.Connection, identity: str) -> None:
    """Make the database that of a state directory, for good; `StateDirectoryError` if it is another's."""
    owner = connection.scalar(sa.select(OWNER.c.identity))
    if owner is None:
        connection.execute(OWNER.insert().values(id=1, identity=identity))
    elif owner != identity:
        raise StateDirectoryError(
            f"{dialect.where}: it follows the journal of another SLEE, {owner}, and this one is {identity} [PRF-46]; "
            f"give the state directory that it belongs to, or, if that is gone for good, delete the row of the table "
            f"{OWNER.name} and start again"
        )


class Replay:
    """Applies changes as the journal keeps them; of rows, only the newest: a row written over and over costs once."""

    def __init__(self, dialect: Dialect, connection: sa.Connection) -> None:
        self._dialect = dialect
        self._connection = connection
        self._tables = {
            name: catalogue.stored_rows(entry.serial, entry.sql_name, entry.columns)
            for name, entry in catalogue.entries(connection).items()
        }
        self._rows: dict[str, dict[str, Sequence[object] | None]] = {}
        """What is to be written: by table and profile the row, None to remove it."""

    def apply(self, parts: Sequence[Any]) -> None:
        """Make the changes of one entry; those of rows with `write`."""
        for kind, name, *rest in parts:
            table = str(load_text(name))
            if kind in (CREATED, REMOVED, RENAMED, SWITCHED):
                self.write()
            if kind == CREATED:
                self._create(table, *rest)
            elif kind == REMOVED:
                catalogue.remove(self._connection, self._tables.pop(table))
            elif kind == RENAMED:
                renamed = str(load_text(rest[0]))
                self._tables[renamed] = self._tables.pop(table)
                catalogue.rename(self._connection, self._tables[renamed], renamed)
            elif kind == SWITCHED:
                self._switch(table, *rest)
            else:
                self._take(table, *rest)

    def write(self) -> None:
        """Write the rows that have been taken."""
        for name, rows in self._rows.items():
            if not rows:
                continue
            made = [tuple(row) for row in rows.values() if row is not None]
            # All of them go first: a unique value may have passed from one to another.
            self._dialect.delete(self._connection, self._tables[name], list(rows))
            if made:
                self._dialect.insert(self._connection, self._tables[name], made)
        self._rows.clear()

    def undo(self, name: str, changes: Sequence[tuple[str, bytes | None, Sequence[object] | None]]) -> None:
        """Take changes of a table back, of profiles that are as these changes left them."""
        table = self._tables.get(str(load_text(name)))
        if table is None:
            return
        for begin in range(0, len(changes), _FEW):
            few = changes[begin : begin + _FEW]
            rows = self._dialect.read(self._connection, table, [profile for profile, _, _ in few])
            now = {row[0]: digest(row) for row in rows}
            meant = [(profile, before) for profile, after, before in few if now.get(profile) == after]
            if not self._put_back(table, meant):
                for one in meant:  # somebody has taken a unique value meanwhile, and keeps it
                    self._put_back(table, [one])

    def _put_back(self, table: StoredRows, rows: Sequence[tuple[str, Sequence[object] | None]]) -> bool:
        try:
            with self._connection.begin_nested():
                self._replace(table, [profile for profile, _ in rows], [row for _, row in rows if row is not None])
        except (exc.IntegrityError, self._dialect.driver.IntegrityError):
            return False
        return True

    def _create(self, name: str, *told: str) -> None:
        self._tables[name] = catalogue.create_told(self._connection, name, dict(zip(_TOLD, told, strict=True)))

    def _switch(self, name: str, *told: str) -> None:
        """Exchange a table for the one that was made anew: it was copied before the exchange was recorded."""
        *values, label = told
        found = catalogue.remake(self._connection, name, label)
        if found is None or found.state != catalogue.BESIDE:
            raise KeyError(f"profile table {name}, made anew as {label}")
        given: dict[str, str] = dict(zip(_TOLD, values, strict=True))
        made = catalogue.stored_rows(found.serial, found.sql_name, catalogue.columns_of(given["columns"]))
        tables = (self._tables[name], made)
        catalogue.exchange(self._dialect, self._connection, name, label, tables, given)
        self._tables[name] = made

    def _take(self, name: str, default: str | None, rows: Sequence[Sequence[object]], removed: Sequence[str]) -> None:
        table = self._tables[name]
        if default is not None:
            catalogue.set_default_text(self._connection, table, default)
        taken = self._rows.setdefault(name, {})
        taken.update(dict.fromkeys(removed))
        taken.update((str(row[0]), row) for row in rows)

    def _replace(self, table: StoredRows, profiles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        if profiles:
            self._dialect.delete(self._connection, table, profiles)
        if rows:
            self._dialect.insert(self._connection, table, [tuple(row) for row in rows])


def _decoded(octets: bytes) -> Sequence[Any]:
    number, *parts = cast("list[Any]", msgspec.msgpack.decode(octets))
    if number > FORMAT:
        raise RecoveryError(
            f"a profile change of the journal has format {number}, and this program reads formats up to {FORMAT} "
            f"[DUR-12]; start the newer program that wrote it"
        )
    return parts


__all__ = ["Replay", "bring_up", "claim"]
