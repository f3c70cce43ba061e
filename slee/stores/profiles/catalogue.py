"""What the catalogue says of the profile tables stored, and how tables come, go and get other names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from slee.api.ids import ProfileSpecificationID, parse_id
from slee.kernel.profile_storage import StoredTable
from slee.model.profile_text import convert, json_builtin
from slee.stores.profiles.columns import ColumnKind, load_text, sql_type, store_text
from slee.stores.profiles.schema import (
    CHANGES,
    REMAKES,
    TABLES,
    SqlTable,
    StoredRows,
    layout,
    name_in_sql,
    sql_table,
    unwatch_statements,
    watch_statements,
)

if TYPE_CHECKING:
    from slee.model.profile import ProfileDescriptor, Row
    from slee.stores.profiles.dialect import Dialect

BESIDE: Final = "beside"
BACKUP: Final = "backup"
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
    made = sql_table(new_serial(connection), name, descriptor)
    told = described(descriptor, made)
    _enter(connection, name, made, {**told, "default_row": default_text(descriptor, descriptor.defaults)})
    return made


def create_told(connection: sa.Connection, name: str, told: dict[str, str]) -> StoredRows:
    """Make a table as `described` told it, with its `default_row`: without the specification at hand."""
    serial = new_serial(connection)
    made = stored_rows(serial, name_in_sql(serial, name), columns_of(told["columns"]))
    _enter(connection, name, made, told)
    return made


def new_serial(connection: sa.Connection) -> int:
    """A number that no table has, nor one that is being made or kept."""
    return 1 + max(connection.scalar(sa.select(sa.func.max(t.c.serial))) or 0 for t in (TABLES, REMAKES))


def exchange(
    dialect: Dialect,
    connection: sa.Connection,
    name: str,
    label: str,
    tables: tuple[StoredRows, StoredRows],
    told: dict[str, str],
) -> None:
    """Have a table that was made anew take the place of another, which is kept as a backup (UPG-15).

    Args:
        dialect: the kind of database.
        connection: within a transaction.
        name: of the profile table.
        label: of the backup.
        tables: the one in use, and the new one.
        told: what `described` tells of the new one, with its `default_row`.
    """
    old, new = tables
    for statement in (
        *unwatch_statements(connection.dialect.name, old.name),
        *watch_statements(connection.dialect.name, new),
    ):
        connection.exec_driver_sql(statement)
    connection.execute(CHANGES.delete().where(CHANGES.c.serial == old.serial))
    of_old = TABLES.c.serial == old.serial
    specification = connection.execute(sa.select(TABLES.c.specification).where(of_old)).scalar_one()
    connection.execute(TABLES.update().where(of_old).values(serial=new.serial, sql_name=new.name, **told))
    forget_remake(connection, name, label)
    kept = dialect.keep(connection, old.name, label)
    note_remake(connection, name, label, (old.serial, kept, specification), state=BACKUP)


def note_remake(connection: sa.Connection, name: str, label: str, table: tuple[int, str, str], *, state: str) -> None:
    """Note a table that is made, or kept: its number, its name in SQL, and its specification."""
    serial, sql_name, specification = table
    connection.execute(
        REMAKES.insert().values(
            label=label,
            profile_table=store_text(name),
            serial=serial,
            sql_name=sql_name,
            specification=specification,
            state=state,
        )
    )


def forget_remake(connection: sa.Connection, name: str, label: str) -> None:
    """Forget a table that was made, or kept."""
    connection.execute(REMAKES.delete().where(REMAKES.c.label == label, REMAKES.c.profile_table == store_text(name)))


def remake(connection: sa.Connection, name: str, label: str) -> sa.Row[tuple[object, ...]] | None:
    """What is noted of a table that is made, or kept: a row of `REMAKES`, or None."""
    of_table = (REMAKES.c.label == label) & (REMAKES.c.profile_table == store_text(name))
    return connection.execute(sa.select(REMAKES).where(of_table)).one_or_none()


def _enter(connection: sa.Connection, name: str, made: StoredRows, told: dict[str, str]) -> None:
    made.table.create(connection)
    for statement in watch_statements(connection.dialect.name, made):
        connection.exec_driver_sql(statement)
    values = {"serial": made.serial, "name": store_text(name), "sql_name": made.name, **told}
    connection.execute(TABLES.insert().values(values))


def columns_of(text: str) -> tuple[StoredColumn, ...]:
    """The columns as the catalogue has them in text."""
    return msgspec.json.decode(text, type=tuple[StoredColumn, ...])


def stored_rows(serial: int, sql_name: str, columns: tuple[StoredColumn, ...]) -> StoredRows:
    """The rows of a table as the catalogue tells them."""
    kinds = tuple(ColumnKind(column.column, sql_type(column.sql), None, None) for column in columns)
    laid_out = [(column.column, column.indexed, column.unique, column.collation is not None) for column in columns]
    return StoredRows(serial, sql_name, kinds, layout(serial, sql_name, kinds, laid_out))


def described(descriptor: ProfileDescriptor, table: SqlTable) -> dict[str, str]:
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


def remove(connection: sa.Connection, table: StoredRows) -> None:
    """Remove a table with everything in it."""
    for statement in unwatch_statements(connection.dialect.name, table.name):
        connection.exec_driver_sql(statement)
    table.table.drop(connection)
    connection.execute(CHANGES.delete().where(CHANGES.c.serial == table.serial))
    connection.execute(TABLES.delete().where(TABLES.c.serial == table.serial))


def rename(connection: sa.Connection, table: StoredRows, renamed: str) -> None:
    """Give a table another name."""
    connection.execute(TABLES.update().where(TABLES.c.serial == table.serial).values(name=store_text(renamed)))


def set_default(connection: sa.Connection, table: SqlTable, row: Row) -> None:
    """Keep the default profile's values."""
    set_default_text(connection, table, default_text(table.descriptor, row))


def set_default_text(connection: sa.Connection, table: StoredRows, text: str) -> None:
    """Keep the default profile's values as `default_text` has made them."""
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
    "BACKUP",
    "BESIDE",
    "Entry",
    "StoredColumn",
    "columns_of",
    "create",
    "create_told",
    "default_row",
    "default_text",
    "described",
    "entries",
    "exchange",
    "forget_remake",
    "new_serial",
    "note_remake",
    "remake",
    "remove",
    "rename",
    "set_default",
    "set_default_text",
    "stored_rows",
]
