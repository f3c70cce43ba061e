"""What differs between the databases: how to connect, own, write many rows, and read many."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import NullPool

from slee.api.errors import InvalidConfigurationError, StateDirectoryError
from slee.stores.profiles.schema import KEY

if TYPE_CHECKING:
    from slee.stores.profiles.schema import StoredRows

_FETCH: Final = 5_000
_OWNER_LOCK: Final = 0x51330F11E5
"""Number of PostgreSQL's advisory lock that the owner of a profile database holds."""


_PATIENCE: Final = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 5}
"""Of connections to PostgreSQL, unless the URL has its own: a peer that has vanished is an error within seconds."""
_LOCK_TIMEOUT: Final = "5s"
"""Time for which a lock that another program holds is waited for, as SQLite's `busy_timeout`."""


class Dialect(Protocol):
    """One kind of database."""

    name: str
    engine: sa.Engine
    where: str
    """The URL without its password, for messages."""

    @property
    def driver(self) -> Any:
        """The driver's module: its errors come through where SQLAlchemy does not stand between."""
        ...

    def own(self, connection: sa.Connection) -> None:
        """Make sure that this process is the one that writes; `StateDirectoryError` if another is."""
        ...

    def has_changed(self, connection: sa.Connection) -> bool:
        """Whether another connection may have committed since the last call."""
        ...

    def delete(self, connection: sa.Connection, table: StoredRows, profiles: Sequence[str]) -> None:
        """Remove rows, there or not."""
        ...

    def insert(self, connection: sa.Connection, table: StoredRows, rows: Iterable[tuple[object, ...]]) -> None:
        """Add rows."""
        ...

    def read(
        self, connection: sa.Connection, table: StoredRows, profiles: Sequence[str] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Name and values of every row, or of those of some profiles; a few thousand are held at a time."""
        ...

    def back_up(self, label: str) -> None:
        """Copy what is committed to a file beside the database, in one step; does nothing where it is no file."""
        ...

    def keep(self, connection: sa.Connection, table: str, label: str) -> str:
        """Put an SQL table that is no longer used out of the way; gives the name that it has then."""
        ...

    def forget(self, connection: sa.Connection, table: str) -> None:
        """Let go of a table that was kept: it is dropped, unless it is the only backup that there is."""
        ...

    def close(self) -> None:
        """Give up what `own` holds."""
        ...


class Sqlite:
    """A file of SQLite."""

    name = "sqlite"
    driver: Any = sqlite3

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:":
            raise InvalidConfigurationError(f"{url}: profiles need a file [PRF-46]; give sqlite:///PATH")
        self.where = str(url)
        self._path = Path(url.database)
        self.engine = sa.create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
        prepare_engine(self.engine)
        self._lock: int | None = None
        self._seen: tuple[sa.Connection, int] | None = None
        """The connection of the last look, held so that no other is taken for it, and what it saw."""

    def own(self, connection: sa.Connection) -> None:
        if self._lock is not None:
            return
        path = self._path.with_name(self._path.name + ".owner")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise StateDirectoryError(f"{self.where}: another SLEE owns it [PRF-46]; stop that one first") from error
        self._lock = lock

    def has_changed(self, connection: sa.Connection) -> bool:
        version: int = connection.exec_driver_sql("PRAGMA data_version").scalar_one()  # counts within a connection
        seen, self._seen = self._seen, (connection, version)
        return seen is None or seen[0] is not connection or seen[1] != version

    def delete(self, connection: sa.Connection, table: StoredRows, profiles: Sequence[str]) -> None:
        connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {KEY} = ?", [(name,) for name in profiles])

    def insert(self, connection: sa.Connection, table: StoredRows, rows: Iterable[tuple[object, ...]]) -> None:
        marks = ", ".join("?" for _ in table.table.columns)
        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(rows))

    def read(
        self, connection: sa.Connection, table: StoredRows, profiles: Sequence[str] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        cursor: Any = connection.connection.cursor()
        statement = _select(connection, table)
        if profiles is None:
            cursor.execute(statement)
        else:
            cursor.execute(f"{statement} WHERE {KEY} IN ({', '.join('?' for _ in profiles)})", list(profiles))
        yield from cursor
        cursor.close()

    def back_up(self, label: str) -> None:
        target = self._path.with_name(f"{self._path.name}.{label}.backup")
        new = target.with_name(f"{target.name}.new")
        new.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(new)) as copy:
            source.backup(copy)
        new.replace(target)

    def keep(self, connection: sa.Connection, table: str, label: str) -> str:
        kept = f"backup_{label}_{table}"
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {kept}")
        return kept

    def forget(self, connection: sa.Connection, table: str) -> None:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")

    def close(self) -> None:
        self.engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Postgresql:
    """A database of a PostgreSQL server."""

    name = "postgresql"

    def __init__(self, url: sa.URL) -> None:
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self.where = url.render_as_string(hide_password=True)
        told = {name: value for name, value in _PATIENCE.items() if name not in url.query}
        self.engine = sa.create_engine(url, poolclass=NullPool, connect_args=told)
        event.listen(self.engine, "connect", _prepare_postgresql)
        self.driver: Any = self.engine.dialect.loaded_dbapi

    def own(self, connection: sa.Connection) -> None:
        # The server may take a moment to see that the owner before has gone.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        try:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_OWNER_LOCK})")
        except exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            raise StateDirectoryError(f"{self.where}: another SLEE owns it [PRF-46]; stop that one first") from error

    def has_changed(self, connection: sa.Connection) -> bool:
        return True

    def delete(self, connection: sa.Connection, table: StoredRows, profiles: Sequence[str]) -> None:
        connection.exec_driver_sql(f"DELETE FROM {table.name} WHERE {KEY} = ANY(%s)", (list(profiles),))

    def insert(self, connection: sa.Connection, table: StoredRows, rows: Iterable[tuple[object, ...]]) -> None:
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def read(
        self, connection: sa.Connection, table: StoredRows, profiles: Sequence[str] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        driver: Any = connection.connection
        statement = _select(connection, table)
        if profiles is not None:
            with driver.cursor() as cursor:
                yield from cursor.execute(f"{statement} WHERE {KEY} = ANY(%s)", (list(profiles),))
            return
        with driver.cursor("profiles") as cursor:  # on the server's side
            cursor.itersize = _FETCH
            yield from cursor.execute(statement)

    def back_up(self, label: str) -> None:
        """The tables that `keep` puts away are the backup."""

    def keep(self, connection: sa.Connection, table: str, label: str) -> str:
        tries = (f"slee_backup_{label}" + (f"_{number}" if number > 1 else "") for number in count(1))
        is_free = "SELECT to_regclass(%s) IS NULL"  # the same upgrade may have been applied, and rolled back, before
        schema = next(s for s in tries if connection.exec_driver_sql(is_free, (f"{s}.{table}",)).scalar_one())
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.exec_driver_sql(f"ALTER TABLE {table} SET SCHEMA {schema}")
        return f"{schema}.{table}"

    def forget(self, connection: sa.Connection, table: str) -> None:
        """An operator drops the schema, when the backup is not wanted any more."""

    def close(self) -> None:
        self.engine.dispose()


def dialect_of(url: str) -> Dialect:
    """The kind of database that a URL names.

    Raises:
        InvalidConfigurationError: it is no URL, or of a kind that profiles are not kept in.
    """
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise InvalidConfigurationError(
            "the URL of the profile database is none [PRF-46]; give sqlite:///PATH or postgresql://USER@HOST/NAME"
        ) from error
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return Sqlite(parsed)
    if kind == "postgresql":
        return Postgresql(parsed)
    raise InvalidConfigurationError(f"profiles are not kept in {kind} [PRF-46]; give a URL of sqlite or postgresql")


def _select(connection: sa.Connection, table: StoredRows) -> str:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join((KEY, *(quote(kind.name) for kind in table.columns)))
    return f"SELECT {columns} FROM {table.name}"


def prepare_engine(engine: sa.Engine) -> None:
    """Have an engine of SQLite begin its transactions as the writer needs it."""
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin_sqlite`, DDL among them
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=5000")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


__all__ = ["Dialect", "Postgresql", "Sqlite", "dialect_of", "prepare_engine"]
