"""What the catalogue says of the profile tables stored, and how tables come, go and get other names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from slee.api.ids import ProfileSpecificationID, parse_id
from slee.kernel.profile_storage import StoredTable
from slee.model.profile_text import convert, json_builtin
from slee.stores.profiles.columns import load_text, store_text
from slee.stores.profiles.schema import (
    CHANGES,
    REMAKES,
    TABLES,
    SqlTable,
    sql_table,
    unwatch_statements,
    watch_statements,
)

if TYPE_CHECKING:
    from slee.model.profile import ProfileDescriptor, Row

_JSON: Final = msgspec.json.Encoder(order="deterministic")


class StoredColumn(msgspec.Struct, frozen=True):
    """One attribute as it was when the table was made or last migrated."""

    attribute: str
    column: str
    kind: str
    """The value type, as text."""
    sql: str
    indexed: bool
    unique: bool
    collation: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One profile table in the catalogue."""

    serial: int
    name: str
    sql_name: str
    specification: ProfileSpecificationID
    schema_hash: str
    columns: tuple[StoredColumn, ...]
    default_row: str

    @property
    def stored(self) -> StoredTable:
        """As the port tells it."""
        return StoredTable(self.name, self.specification, self.schema_hash)


def entries(connection: sa.Connection) -> dict[str, Entry]:
    """The catalogue, by name of the table."""
    found: dict[str, Entry] = {}
    for row in connection.execute(sa.select(TABLES).order_by(TABLES.c.serial)):
        specification = parse_id(row.specification, ProfileSpecificationID)
        name = load_text(row.name)
        assert name is not None
        columns = msgspec.json.decode(row.columns, type=tuple[StoredColumn, ...])
        found[name] = Entry(row.serial, name, row.sql_name, specification, row.schema_hash, columns, row.default_row)
    return found


def create(connection: sa.Connection, name: str, descriptor: ProfileDescriptor) -> SqlTable:
    """Make a table."""
    made = sql_table(next_serial(connection), name, descriptor)
    made.table.create(connection)
    for statement in watch_statements(connection.dialect.name, made):
        connection.exec_driver_sql(statement)
    connection.execute(
        TABLES.insert().values(
            serial=made.serial,
            name=store_text(name),
            sql_name=made.name,
            default_row=default_text(descriptor, descriptor.defaults),
            **described(descriptor, made),
        )
    )
    return made


def next_serial(connection: sa.Connection) -> int:
    """A number that no table has, nor one that is being made or kept."""
    highest = [connection.scalar(sa.select(sa.func.max(t.c.serial))) or 0 for t in (TABLES, REMAKES)]
    return 1 + max(highest)


def replace(connection: sa.Connection, old: SqlTable, new: SqlTable, default: Row) -> None:
    """Have another SQL table be the one that a profile table lies in."""
    for statement in unwatch_statements(connection.dialect.name, old.name):
        connection.exec_driver_sql(statement)
    for statement in watch_statements(connection.dialect.name, new):
        connection.exec_driver_sql(statement)
    connection.execute(CHANGES.delete().where(CHANGES.c.serial == old.serial))
    connection.execute(
        TABLES.update()
        .where(TABLES.c.serial == old.serial)
        .values(
            serial=new.serial,
            sql_name=new.name,
            default_row=default_text(new.descriptor, default),
            **described(new.descriptor, new),
        )
    )


def described(descriptor: ProfileDescriptor, table: SqlTable) -> dict[str, Any]:
    """What the catalogue says of a table's specification."""
    columns = tuple(
        StoredColumn(
            attribute=attribute.name,
            column=kind.name,
            kind=str(attribute.kind),
            sql=str(kind.type),
            indexed=attribute.indexed,
            unique=attribute.unique,
            collation=attribute.collation and attribute.collation.value,
        )
        for attribute, kind in zip(descriptor.attributes, table.columns, strict=True)
    )
    return {
        "specification": str(descriptor.id),
        "schema_hash": descriptor.schema_hash,
        "columns": _JSON.encode(columns).decode(),
    }


def remove(connection: sa.Connection, table: SqlTable) -> None:
    """Remove a table with everything in it."""
    for statement in unwatch_statements(connection.dialect.name, table.name):
        connection.exec_driver_sql(statement)
    table.table.drop(connection)
    connection.execute(CHANGES.delete().where(CHANGES.c.serial == table.serial))
    connection.execute(TABLES.delete().where(TABLES.c.serial == table.serial))


def rename(connection: sa.Connection, table: SqlTable, renamed: str) -> None:
    """Give a table another name."""
    connection.execute(TABLES.update().where(TABLES.c.serial == table.serial).values(name=store_text(renamed)))


def set_default(connection: sa.Connection, table: SqlTable, row: Row) -> None:
    """Keep the default profile's values."""
    text = default_text(table.descriptor, row)
    connection.execute(TABLES.update().where(TABLES.c.serial == table.serial).values(default_row=text))


def default_text(descriptor: ProfileDescriptor, row: Row) -> str:
    """The default profile's values as JSON by attribute."""
    text = _JSON.encode({name: json_builtin(value) for name, value in descriptor.values(row).items()}).decode()
    stored = store_text(text)
    assert stored is not None
    return stored


def default_row(descriptor: ProfileDescriptor, text: str) -> Row:
    """The default profile's values; those of attributes that were not there are the specification's defaults."""
    loaded = load_text(text)
    assert loaded is not None
    values: dict[str, object] = msgspec.json.decode(loaded)
    by_name = descriptor.by_name
    return descriptor.row({n: convert(v, by_name[n].annotation) for n, v in values.items() if n in by_name})


__all__ = [
    "Entry",
    "StoredColumn",
    "create",
    "default_row",
    "default_text",
    "described",
    "entries",
    "next_serial",
    "remove",
    "rename",
    "replace",
    "set_default",
]
