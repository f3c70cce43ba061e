"""Rows of SQL as rows of profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from slee.api.errors import SleeError
from slee.stores.profiles.columns import Convert, load_text

if TYPE_CHECKING:
    from slee.model.profile import Row
    from slee.stores.profiles.dialect import Dialect
    from slee.stores.profiles.schema import SqlTable

_CHUNK: Final = 500
"""Names in one SELECT: SQLite of old admits 999 parameters."""
_Load = Callable[[tuple[Any, ...]], tuple[str, "Row"]]


def all_rows(dialect: Dialect, connection: sa.Connection, table: SqlTable) -> Iterator[tuple[str, Row]]:
    """Every profile of a table; a value that is of no type raises `ValueError` naming profile and attribute."""
    load = row_loader(table, dialect.name)
    for row in dialect.read(connection, table):
        yield load(row)


def changed_rows(
    dialect: Dialect, connection: sa.Connection, table: SqlTable, profiles: Sequence[str]
) -> tuple[dict[str, Row], dict[str, str]]:
    """The rows of some profiles, judged against the specification; and what is wrong with others, by name.

    Args:
        dialect: the kind of database.
        connection: within a transaction.
        table: where to read.
        profiles: names as they are stored.
    """
    load = row_loader(table, dialect.name)
    found: dict[str, Row] = {}
    wrong: dict[str, str] = {}
    for begin in range(0, len(profiles), _CHUNK):
        part = profiles[begin : begin + _CHUNK]
        for row in dialect.read(connection, table, part):
            try:
                name, values = load(row)
                found[name] = table.descriptor.validate(f"{table.name}/{name}", values)
            except (ValueError, TypeError, SleeError) as error:
                wrong[str(load_text(row[0]))] = str(error)
    return found, wrong


def row_loader(table: SqlTable, dialect: str) -> _Load:
    """What makes a profile of a row of SQL."""
    converts = [
        (position, _from_sqlite(bool) if dialect == "sqlite" and _is_boolean(table, position) else kind.load)
        for position, kind in enumerate(table.columns)
    ]
    needed = [(position, convert) for position, convert in converts if convert is not None]
    texts: list[tuple[int, Convert]] = [(p, c) for p, c in needed if c is load_text]
    others = [(p, c) for p, c in needed if c is not load_text]
    attributes = table.descriptor.attributes

    def load(row: tuple[Any, ...]) -> tuple[str, Row]:
        values = list(row)
        name: str = values.pop(0)
        if not name.isascii():
            name = str(load_text(name))
        for position, convert in texts:
            text = values[position]
            if text is not None and not text.isascii():
                values[position] = convert(text)
        for position, convert in others:
            try:
                values[position] = convert(values[position])
            except (ValueError, TypeError, ArithmeticError) as error:
                where = f"{table.name}/{name}.{attributes[position].name}"
                raise ValueError(f"{where}: {error} [PRF-46]; mend the row in the database") from error
        return name, tuple(values)

    return load


def _is_boolean(table: SqlTable, position: int) -> bool:
    return isinstance(table.columns[position].type, sa.Boolean)


def _from_sqlite(kind: type[bool]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else kind(value)


__all__ = ["all_rows", "changed_rows", "row_loader"]
