"""The databases under the profile tests: each test that asks for `database` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.postgresql import PostgresqlServer, programs, running_postgresql

KINDS: Final = ("sqlite", "postgresql")


@dataclass(frozen=True)
class DatabaseUnderTest:
    """An empty database."""

    url: str
    outside: Callable[[str], list[tuple[Any, ...]]]
    """Runs one statement as another program, and gives the rows that it returns."""
    server: PostgresqlServer | None = None


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """The server; a machine without PostgreSQL skips, and fails under CI=true."""
    binaries = programs()
    if binaries is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed; run scripts/peers")
        pytest.skip("PostgreSQL is not installed; run scripts/peers")
    with running_postgresql(binaries) as server:
        yield server


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    """An empty database of each kind."""
    with a_database(request, tmp_path) as found:
        yield found


@pytest.fixture(scope="module", params=KINDS)
def module_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseUnderTest]:
    """An empty database of each kind, for all tests of a module."""
    with a_database(request, tmp_path_factory.mktemp("database")) as found:
        yield found


@contextmanager
def a_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[DatabaseUnderTest]:
    """The database of a fixture that has `KINDS` for parameters."""
    if request.param == "sqlite":
        yield sqlite_database(folder / "profiles.sqlite")
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    with postgresql_database(server) as found:
        yield found


@contextmanager
def postgresql_database(server: PostgresqlServer) -> Iterator[DatabaseUnderTest]:
    """A database of a server of PostgreSQL, which others get afterwards."""
    name = server.take_database()

    def outside(statement: str) -> list[tuple[Any, ...]]:
        with server.connect(name) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    yield DatabaseUnderTest(server.url(name), outside, server)
    server.give_back(name)


def sqlite_database(path: Path) -> DatabaseUnderTest:
    """A database of SQLite in a file."""

    def outside(statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(path, timeout=5.0)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    return DatabaseUnderTest(f"sqlite:///{path}", outside)
