"""An outbox that survives a crash: one SQLite file (DIA-39)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from resource_adaptors.diameter.protocol.outbox import DeadLetter, Entry


class FileStore:
    """Keeps entries in a file; each is on the disk when `put` returns."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; `sqlite3.Error` if it cannot be had."""
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS entry "
            "(number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, session TEXT NOT NULL, since REAL NOT NULL, "
            "data BLOB NOT NULL)"
        )
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS dead "
            "(number INTEGER PRIMARY KEY, key TEXT NOT NULL, session TEXT NOT NULL, since REAL NOT NULL, "
            "data BLOB NOT NULL, result INTEGER NOT NULL)"
        )

    def load(self) -> Iterable[Entry]:
        """What was kept, oldest first."""
        rows = self._database.execute("SELECT key, session, since, data FROM entry ORDER BY number")
        return [Entry(*row) for row in rows]

    def put(self, entry: Entry) -> None:
        """Keep an entry."""
        self._database.execute(
            "INSERT OR REPLACE INTO entry (key, session, since, data) VALUES (?, ?, ?, ?)",
            (entry.key, entry.session, entry.since, entry.data),
        )

    def remove(self, key: str) -> None:
        """Forget an entry; without effect if there is none."""
        self._database.execute("DELETE FROM entry WHERE key = ?", (key,))

    def renew(self, entry: Entry) -> None:
        """Keep other data of an entry."""
        self._database.execute("UPDATE entry SET data = ? WHERE key = ?", (entry.data, entry.key))

    def bury(self, letter: DeadLetter) -> None:
        """Move an entry to the dead letters."""
        entry = letter.entry
        self._database.execute("BEGIN")
        self._database.execute(
            "INSERT INTO dead (key, session, since, data, result) VALUES (?, ?, ?, ?, ?)",
            (entry.key, entry.session, entry.since, entry.data, letter.result),
        )
        self.remove(entry.key)
        self._database.execute("COMMIT")

    def dead_letters(self) -> Iterable[DeadLetter]:
        """What was refused for good, oldest first."""
        rows = self._database.execute("SELECT key, session, since, data, result FROM dead ORDER BY number")
        return [DeadLetter(Entry(*row[:4]), row[4]) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()
