"""The SQL schema: a catalogue of profile tables, the position in the journal, a log of changes by others, the tables.

A profile table lies in the SQL table `profile_SERIAL_NAME`; its serial number never changes, so that a rename touches
the catalogue alone. The default profile's values are in the catalogue, where no unique constraint sees them (PRF-7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from slee.stores.profiles.columns import ColumnKind, column_kind, store_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slee.model.profile import ProfileDescriptor, Row

FORMAT: Final = 1
"""Version of what this module lays out."""
KEY: Final = "profile_name"
"""The column of the profiles' names; no attribute can have this name."""
_CATALOGUE: Final = sa.MetaData()
_DIGEST: Final = (
    "CREATE OR REPLACE FUNCTION slee_profile_digest(text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE "
    "RETURN sha256(convert_to($1, 'UTF8'))"
)
"""What unique indexes of texts hold in PostgreSQL, which takes no function of its own that does this for immutable."""

TABLES: Final = sa.Table(
    "slee_profile_tables",
    _CATALOGUE,
    sa.Column("serial", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("sql_name", sa.Text, nullable=False),
    sa.Column("specification", sa.Text, nullable=False),
    sa.Column("schema_hash", sa.Text, nullable=False),
    sa.Column("columns", sa.Text, nullable=False),  # JSON: what a migration compares with
    sa.Column("default_row", sa.Text, nullable=False),  # JSON: the default profile by attribute
)
POSITION: Final = sa.Table(
    "slee_profile_position",
    _CATALOGUE,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("writing", sa.Integer, nullable=False),  # 1 within the owner's transactions; no other program sees it
)
OWNER: Final = sa.Table(
    "slee_profile_owner",
    _CATALOGUE,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.Text, nullable=False),  # of the state directory whose journal the database follows
)
CHANGES: Final = sa.Table(
    "slee_profile_changes",
    _CATALOGUE,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("serial", sa.Integer, nullable=False),
    sa.Column("profile", sa.Text),  # NULL: all of the table
)
REMAKES: Final = sa.Table(
    "slee_profile_remakes",
    _CATALOGUE,
    sa.Column("label", sa.Text, primary_key=True),  # of the upgrade
    sa.Column("profile_table", sa.Text, primary_key=True),
    sa.Column("serial", sa.Integer, nullable=False),
    sa.Column("sql_name", sa.Text, nullable=False),
    sa.Column("specification", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # `beside` the table in use, or a `backup` of it
)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of one profile table in SQL, as far as they are known without its specification."""

    serial: int
    name: str
    """The SQL table's."""
    columns: tuple[ColumnKind, ...]
    """By the attributes' positions."""
    table: sa.Table


@dataclass(frozen=True, slots=True)
class SqlTable(StoredRows):
    """One profile table in SQL, with what makes its rows of profiles."""

    keys: tuple[tuple[int, Any], ...]
    """Position and collation of each attribute that has a column of its collation keys."""
    descriptor: ProfileDescriptor

    def stored(self, profile: str, row: Row) -> tuple[object, ...]:
        """A profile as the values of an INSERT."""
        values: list[object] = [store_text(profile)]
        for kind, value in zip(self.columns, row, strict=True):
            values.append(value if kind.store is None else kind.store(value))
        for position, collation in self.keys:
            text = row[position]
            values.append(None if text is None else store_text(collation.key(text)))
        return tuple(values)


def sql_table(serial: int, profile_table: str, descriptor: ProfileDescriptor, sql_name: str | None = None) -> SqlTable:
    """The SQL table of a profile table.

    Args:
        serial: its number in the catalogue.
        profile_table: its name, which a part of the SQL table's name is made of.
        descriptor: what it holds.
        sql_name: its name in SQL, if it has one already.
    """
    name = sql_name or name_in_sql(serial, profile_table)
    attributes = descriptor.attributes
    kinds = tuple(column_kind(attribute) for attribute in attributes)
    laid_out = [(k.name, a.indexed, a.unique, a.collation is not None) for k, a in zip(kinds, attributes, strict=True)]
    table = layout(serial, name, kinds, laid_out)
    keyed = [a for a in descriptor.indexed if a.collation is not None]
    keys = tuple((a.position, a.collation) for a in keyed)
    return SqlTable(serial, name, kinds, table, keys, descriptor)


def name_in_sql(serial: int, profile_table: str) -> str:
    """The name of a new SQL table."""
    return f"profile_{serial}_{re.sub('[^a-z0-9]+', '_', profile_table.lower())[:32].strip('_')}"


def layout(
    serial: int, name: str, kinds: Sequence[ColumnKind], attributes: Sequence[tuple[str, bool, bool, bool]]
) -> sa.Table:
    """Columns and indexes of an SQL table.

    Args:
        serial: its number in the catalogue.
        name: its name in SQL.
        kinds: the columns of the attributes.
        attributes: of each the column's name, and whether it is indexed, unique, and has a collation.
    """
    columns: list[sa.Column[Any]] = [sa.Column(KEY, sa.Text, primary_key=True)]
    columns.extend(sa.Column(kind.name, kind.type, nullable=True) for kind in kinds)
    indexed = [(column, unique, collated) for column, indexed, unique, collated in attributes if indexed]
    columns.extend(sa.Column(key_column(column), sa.Text) for column, _, collated in indexed if collated)
    table = sa.Table(name, sa.MetaData(), *columns)
    for column, unique, collated in indexed:
        _index(table, f"profile_{serial}_{column}", table.c[key_column(column) if collated else column], unique=unique)
    return table


def _index(table: sa.Table, prefix: str, column: sa.Column[Any], *, unique: bool) -> None:
    """Make an index; in PostgreSQL one of texts holds digests, for its trees take at most 2,704 octets."""
    if not unique:
        using = "hash" if isinstance(column.type, sa.Text) else "btree"
        assert sa.Index(f"{prefix}_ix", column, postgresql_using=using).table is table
    elif not isinstance(column.type, sa.Text):
        assert sa.Index(f"{prefix}_uq", column, unique=True).table is table
    else:
        for dialect, indexed in (("sqlite", column), ("postgresql", sa.func.slee_profile_digest(column))):
            index = sa.Index(f"{prefix}_uq", indexed, unique=True)
            index.ddl_if(dialect=dialect)
            assert index.table is table


def key_column(column: str) -> str:
    """The column that holds what stands for the texts of an attribute with a collation (PRF-35)."""
    return f"{column}__key"


def create_catalogue(connection: sa.Connection) -> None:
    """Make what is missing of the catalogue."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_DIGEST)
    _CATALOGUE.create_all(connection)
    if connection.scalar(sa.select(POSITION.c.position)) is None:
        connection.execute(sa.insert(POSITION).values(id=1, format=FORMAT, position=0, writing=0))


def watch_statements(dialect: str, table: StoredRows) -> list[str]:
    """What logs the changes that other programs make to a table: triggers that ask whether the owner is writing."""
    row = "INSERT INTO slee_profile_changes (serial, profile)"
    is_own = "(SELECT writing FROM slee_profile_position) = 1"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table.name}_{event.lower()} AFTER {event} ON {table.name} WHEN NOT {is_own} BEGIN "
            + "".join(f"{row} VALUES ({table.serial}, {record}.{KEY}); " for record in records)
            + "END"
            for event, records in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",)))
        ]
    name = table.name
    function = (
        f"CREATE FUNCTION {name}_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {is_own} THEN RETURN NULL; END IF; "
        f"IF TG_OP = 'TRUNCATE' THEN {row} VALUES ({table.serial}, NULL); RETURN NULL; END IF; "
        f"IF TG_OP <> 'INSERT' THEN {row} VALUES ({table.serial}, OLD.{KEY}); END IF; "
        f"IF TG_OP <> 'DELETE' THEN {row} VALUES ({table.serial}, NEW.{KEY}); END IF; "
        "RETURN NULL; END $$"
    )
    call = f"EXECUTE FUNCTION {name}_changed()"
    return [
        function,
        f"CREATE TRIGGER {name}_rows AFTER INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW {call}",
        f"CREATE TRIGGER {name}_all AFTER TRUNCATE ON {name} FOR EACH STATEMENT {call}",
    ]


def unwatch_statements(dialect: str, table: str) -> list[str]:
    """What removes the watching of a table."""
    if dialect == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {table}_{event}" for event in ("insert", "update", "delete")]
    return [f"DROP FUNCTION IF EXISTS {table}_changed() CASCADE"]


__all__ = [
    "CHANGES",
    "FORMAT",
    "KEY",
    "OWNER",
    "POSITION",
    "REMAKES",
    "TABLES",
    "SqlTable",
    "StoredRows",
    "create_catalogue",
    "key_column",
    "layout",
    "name_in_sql",
    "sql_table",
    "unwatch_statements",
    "watch_statements",
]
