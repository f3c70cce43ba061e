"""The database of a journal, open for writing: one owner, one thread, and each call one transaction."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from slee.stores.sqlite.compaction import Slice
from slee.stores.sqlite.layout import (
    APPLICATION,
    DATABASE_FILE,
    DELETE_LOG,
    DELETE_STATE,
    FORMAT,
    INSERT_LOG,
    INSERT_META,
    PAGE_SIZE,
    TABLES,
    UPDATE_META,
    UPSERT_STATE,
    LogRow,
    Meta,
    connect,
    log_checksum,
    meta_checksum,
)
from slee.stores.sqlite.mark import MARK_FILE, Mark, MarkFile

__all__ = [
    "Database",
    "Fenced",
    "create",
]

_CHECKPOINT_OCTETS: Final = 16 << 20
"""The WAL is copied into the database when so much has been written to it."""
_ROW_PAGES: Final = 2
"""Pages that a row of the log costs beside its data."""


class Fenced(Exception):
    """The journal has another epoch: another owner."""


class Database:
    """The connection of a journal's writer, and the mark beside it."""

    def __init__(self, directory: Path, meta: Meta, sequence: int, *, full: bool) -> None:
        """Open it and take a new epoch; `sqlite3.Error` or `OSError` if it cannot be written."""
        self._full = full
        self._sequence = sequence
        self._since = 0
        self._connection = connect(directory, writing=True)
        try:
            execute = self._connection.execute
            execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            execute("PRAGMA wal_autocheckpoint = 0")
            execute(f"PRAGMA journal_size_limit = {4 * _CHECKPOINT_OCTETS}")
            self.meta = meta._replace(epoch=meta.epoch + 1)
            execute(INSERT_META, (*self.meta, meta_checksum(self.meta)))
            self._mark = MarkFile(directory / MARK_FILE)
        except BaseException:
            self._connection.close()
            raise
        self._synchronised = 0
        self.checkpoint()

    def commit(self, first: int, last: int, data: bytes) -> LogRow:
        """Write a row of the log; writing it again is no harm. It is durable when this returns.

        Raises:
            Fenced: another owner has the journal.
        """
        checksum = log_checksum(first, last, data)
        cursor = self._connection.execute(INSERT_LOG, (first, last, checksum, data, self.meta.epoch))
        if cursor.rowcount != 1:
            raise Fenced
        if self._full:
            self._synchronised = last
        self._mark.set(Mark(last, self._synchronised))
        self._sequence = last
        self._since += len(data) + _ROW_PAGES * PAGE_SIZE
        return LogRow(first, last, len(data))

    def apply(self, part: Slice) -> None:
        """Write a slice of a compaction.

        Raises:
            Fenced: another owner has the journal.
        """
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            if part.rows:
                places = ", ".join(["(?, ?, ?, ?)"] * len(part.rows))
                execute(f"{UPSERT_STATE} {places}", [column for row in part.rows for column in row])
            if part.removed:
                self._connection.executemany(DELETE_STATE, [(key,) for key in part.removed])
            if part.deleted:
                execute(DELETE_LOG, (part.deleted[-1].first,))
            meta = part.meta
            values = [meta.folded, meta.keys, meta.octets, meta.total, meta_checksum(meta), meta.epoch]
            if execute(UPDATE_META, values).rowcount != 1:
                raise Fenced
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self.meta = meta
        self._since += sum(len(row[0]) + len(row[3]) for row in part.rows) + _ROW_PAGES * PAGE_SIZE

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether much has been written since the last one."""
        return self._since >= _CHECKPOINT_OCTETS

    def checkpoint(self) -> None:
        """Bring the WAL to disk and into the database, and note in the mark that all of it is there."""
        busy, frames, done = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._since = 0
        if not busy and frames == done:
            self._synchronised = self._sequence
            self._mark.set(Mark(self._sequence, self._synchronised))
            self._mark.synchronise()

    def close(self) -> None:
        """Close the files; SQLite makes a checkpoint."""
        self._connection.close()
        self._mark.close()


def create(directory: Path) -> Meta:
    """Make an empty journal in one step: it is there when its database has its name, and its mark is there before."""
    new = directory / f".{DATABASE_FILE}.new"
    for path in (new, new.with_name(f"{new.name}-wal"), new.with_name(f"{new.name}-shm")):
        path.unlink(missing_ok=True)
    meta = Meta(FORMAT, 0, 0, 0, 0, 0)
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        new.chmod(0o600)
        execute = connection.execute
        for pragma in (f"page_size = {PAGE_SIZE}", f"application_id = {APPLICATION}", "journal_mode = WAL"):
            execute(f"PRAGMA {pragma}")
        execute("BEGIN")
        for statement in TABLES:
            execute(statement)
        execute(INSERT_META, (*meta, meta_checksum(meta)))
        execute("COMMIT")
    finally:
        connection.close()
    mark = MarkFile(directory / MARK_FILE)
    try:
        mark.set(Mark(0, 0))
        mark.synchronise()
    finally:
        mark.close()
    new.rename(directory / DATABASE_FILE)
    _synchronise_directory(directory)
    return meta


def _synchronise_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
