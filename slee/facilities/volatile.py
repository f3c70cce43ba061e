"""Volatile tables: rows in memory that SBBs write, committed with the delivery, removed when they expire.

The location table of the registrar is one. A row costs its object and its place in a tuple; a key costs one entry of a
dictionary and, if its rows expire, one timer on the kernel's wheel. There is no pydantic model, activity or SQL
statement per row or write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from slee.api.activity import TableActivity
from slee.api.errors import RecoveryError
from slee.api.event import RowExpired
from slee.api.facilities import Rows, VolatileTable
from slee.api.ids import ProfileSpecificationID
from slee.kernel.journal import Entry
from slee.kernel.keys import pack
from slee.kernel.states import ContextState, SleeState

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.kernel import Kernel
    from slee.spi.wheel import Timer

R = TypeVar("R", bound=msgspec.Struct)
_NEVER: Final = float("inf")


class _Group:
    """The rows of one key; stands on the wheel for the one of them that expires first."""

    __slots__ = ("journal_key", "key", "passing", "rows", "table", "timer")

    def __init__(self, table: TableRows[Any], key: str) -> None:
        self.table = table
        self.key = key
        self.rows: tuple[Any, ...] = ()
        self.timer: Timer[Any] | None = None
        self.passing = False
        """Whether code of a memory service wrote the rows: no record has them (DUR-1)."""
        self.journal_key: bytes | None = None
        """Under which the journal has the rows; `None` if it has not."""


class TableRows(Rows[R], Generic[R]):
    """The rows of one table, and their use by SBBs."""

    __slots__ = ("_context", "_expires", "_groups", "_kernel", "count", "table")

    def __init__(self, kernel: Kernel, table: VolatileTable[R]) -> None:
        self._kernel = kernel
        self.table = table
        self._expires = table.expires
        self._context: Context | None = None
        """Of the table's activity, which starts with the first removal that is told while the SLEE runs."""
        self._groups: dict[str, _Group] = {}
        self.count = 0
        """Rows in the table."""

    def find(self, key: str) -> tuple[R, ...]:
        if self._kernel.transaction is None:
            self._kernel.transaction_for(f"{self.table}.find", "PRF-21")
        group = self._groups.get(key)
        if group is None:
            return ()
        rows: tuple[R, ...] = group.rows
        expires = self._expires
        if expires is None:
            return rows
        now = self._kernel.now
        for row in rows:
            if getattr(row, expires) <= now:
                return tuple(row for row in rows if getattr(row, expires) > now)
        return rows

    def put(self, key: str, rows: tuple[R, ...]) -> None:
        tx = self._kernel.transaction_for(f"{self.table}.put", "PRF-21")
        row_type = self.table.row_type
        if type(rows) is not tuple or any(type(row) is not row_type for row in rows):
            raise TypeError(f"{self.table}: put({key!r}) of {rows!r} [PRF-17]; give a tuple of {row_type.__name__}")
        tx.undo.append((self._replace, (key, self._rows_of(key))))
        self._replace(key, rows, passing=bool(tx.running) and not tx.running[-1].env.rank)

    def __len__(self) -> int:
        return len(self._groups)

    def _rows_of(self, key: str) -> tuple[R, ...]:
        """The rows under a key, expired or not."""
        group = self._groups.get(key)
        return () if group is None else group.rows

    def _replace(self, key: str, rows: tuple[R, ...], *, passing: bool = False) -> None:
        """Set the rows of a key, and the timer for the first of them that expires."""
        group = self._groups.get(key)
        if group is None:
            if not rows:
                return
            group = self._groups[key] = _Group(self, key)
        if self._kernel.journalling is not None:
            group.passing = passing
            self._kernel.dirty[group] = None
        self.count += len(rows) - len(group.rows)
        group.rows = rows
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None
        if not rows:
            del self._groups[key]
        elif self._expires is not None:
            first = min(getattr(row, self._expires) for row in rows)
            if first < _NEVER:
                group.timer = self._kernel.schedule.set(first, group, self._kernel.now)

    def recover(self, stored: Iterable[tuple[str, bytes, list[Any]]]) -> None:
        """Take the rows that the journal held; those whose time has passed expire when the SLEE runs.

        Raises:
            RecoveryError: they are not of the row type as it is now.
        """
        for key, journal_key, plain in stored:
            try:
                rows = msgspec.convert(plain, tuple[self.table.row_type, ...])  # type: ignore[name-defined]
            except msgspec.ValidationError as error:
                raise RecoveryError(
                    f"{self.table}: rows under {key!r} do not fit {self.table.row_type.__name__}: {error} [DUR-12]; "
                    f"install the version that wrote them"
                ) from error
            self._replace(key, rows)
            group = self._groups[key]
            group.journal_key = journal_key
            self._kernel.dirty.pop(group, None)

    def clear(self) -> None:
        """Drop every row, without telling anybody."""
        for key in tuple(self._groups):
            self._replace(key, ())

    def expire(self, key: str, now: float) -> None:
        """Remove the rows of a key whose time has come, and tell each removal."""
        assert self._expires is not None
        kept: list[R] = []
        gone: list[R] = []
        for row in self._rows_of(key):
            (kept if getattr(row, self._expires) > now else gone).append(row)
        self._replace(key, tuple(kept))
        kernel = self._kernel
        if RowExpired not in kernel.initial or kernel.state is not SleeState.RUNNING:
            return
        context = self._context
        if context is None or context.state is not ContextState.ACTIVE:
            name = self.table.id.name
            self._context = context = kernel.own_context(("table", self.table.id), TableActivity(name))
            if kernel.journalling is not None:
                context.last_on()
        for row in gone:
            context.accept(kernel.firing(RowExpired(self.table.id.name, key, row), context))


def _entry(group: _Group) -> Entry | None:
    """The newest rows of a key, for the journal."""
    key = group.journal_key
    if not group.rows or group.passing:
        group.journal_key = None
        return None if key is None else Entry(key, None)
    if key is None:
        group.journal_key = key = b"V" + pack([str(group.table.table.id), group.key])
    return Entry(key, pack([1, group.rows]))


class VolatileTables:
    """The volatile tables of one kernel, by id: every service that declares one shares its rows."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._tables: dict[ProfileSpecificationID, TableRows[Any]] = {}
        self._recovered: dict[str, list[tuple[str, bytes, list[Any]]]] = {}
        """Rows that the journal held, of tables that no service has declared yet."""
        kernel.schedule.expirers[_Group] = self._expire

    # The journal (slee.kernel.journalling.Participant).

    @property
    def kind(self) -> bytes:
        """Rows are kept under keys that begin with V."""
        return b"V"

    @property
    def encoders(self) -> Mapping[type, Callable[[Any], Entry | None]]:
        """The rows of one key are one entry."""
        return {_Group: _entry}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Keep what the journal held until the table is declared; then it is there before any event."""
        for key, octets in entries.items():
            table, row_key = msgspec.msgpack.decode(key[1:])
            _, rows = msgspec.msgpack.decode(octets)
            self._recovered.setdefault(table, []).append((row_key, key, rows))
        for found in self._tables.values():
            found.recover(self._recovered.pop(str(found.table.id), ()))

    def rows(self, table: VolatileTable[R]) -> Rows[R]:
        """The rows of a table; made at first use."""
        found = self._tables.get(table.id)
        if found is None:
            found = self._tables[table.id] = TableRows(self._kernel, table)
            found.recover(self._recovered.pop(str(table.id), ()))
        return found

    def remove(self, table: ProfileSpecificationID) -> None:
        """Forget a table with its rows; without effect if nobody has used it."""
        found = self._tables.pop(table, None)
        if found is not None:
            found.clear()

    @property
    def tables(self) -> Mapping[ProfileSpecificationID, TableRows[Any]]:
        """Every table in use."""
        return self._tables

    def _expire(self, items: list[_Group], now: float) -> None:
        for item in items:
            item.table.expire(item.key, now)
