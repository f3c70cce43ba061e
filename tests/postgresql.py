"""A PostgreSQL server for the tests: started by the first that needs it, on a Unix socket, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

_USER: Final = "slee"


def programs() -> Path | None:
    """Where the server's programs are; Debian keeps them away from PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class PostgresqlServer:
    """One server; it refuses to run as root, so that root starts it as another user."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.folder = folder
        self._binaries = binaries
        self._run_as = _unprivileged()
        self._names = count(1)
        self._empty: list[str] = []
        if self._run_as is not None:
            os.chown(folder, *self._run_as)
        self._data = folder / "data"
        self._call("initdb", "--no-sync", "--auth=trust", f"--username={_USER}", "--encoding=UTF8", "--locale=C.UTF-8")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off -c shared_buffers=32MB"
        )
        self._call("pg_ctl", "start", "--wait", "--silent", f"--log={self.folder}/log", "-o", options)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        self._call("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    def take_database(self) -> str:
        """The name of an empty database; making one takes longer than emptying one that was used before."""
        if self._empty:
            return self._empty.pop()
        name = f"test_{next(self._names)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def give_back(self, name: str) -> None:
        """Empty a database for the next who wants one, unless somebody still uses it."""
        try:
            with self.connect(name) as connection:
                connection.execute("SET lock_timeout = '1s'")
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")
        except psycopg.OperationalError:
            return
        self._empty.append(name)

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def connect(self, database: str) -> psycopg.Connection:
        """A connection of a program that is not the SLEE."""
        return psycopg.connect(host=str(self.folder), user=_USER, dbname=database, autocommit=True)

    def _call(self, program: str, *arguments: str) -> None:
        user, group = self._run_as or (None, None)
        subprocess.run(
            [str(self._binaries / program), f"--pgdata={self._data}", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
            cwd=self.folder,
            user=user,
            group=group,
        )


@contextmanager
def running_postgresql(binaries: Path) -> Iterator[PostgresqlServer]:
    """A server, and nothing left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        server = PostgresqlServer(binaries, folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> tuple[int, int] | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise LookupError("neither postgres nor nobody is a user of this machine")
