"""The database of a journal, open for writing: one owner, one thread, and each call one transaction."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Mapping
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
    LAST_LOG,
    PAGE_SIZE,
    SELECT_META,
    TABLES,
    UPDATE_META,
    UPSERT_STATE,
    LogRow,
    Meta,
    connect,
    log_checksum,
    meta_checksum,
    state_checksum,
)
from slee.stores.sqlite.mark import MARK_FILE, Mark, MarkFile

__all__ = [
    "Database",
    "Fenced",
    "create",
]

_CHECKPOINT_OCTETS: Final = 16 << 20
"""The WAL is copied into the database when so much has been written to it."""
_LOG: Final = logging.getLogger(__name__)
_ROW_PAGES: Final = 2
"""Pages that a row of the log costs beside its data."""


class Fenced(Exception):
    """The journal has another epoch: another owner."""


class Database:
    """The connection of a journal's writer, and the mark beside it."""

    def __init__(self, directory: Path, meta: Meta, sequence: int, *, full: bool) -> None:
        """Open it and take a new epoch; `sqlite3.Error` or `OSError` if it cannot be written.

        Raises:
            Fenced: another owner has written to it since it was read.
        """
        self._full = full
        self._sequence = sequence
        self._since = 0
        self._directory = directory
        self._helper: threading.Thread | None = None
        self._connection = connect(directory, writing=True)
        try:
            execute = self._connection.execute
            execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            execute("PRAGMA wal_autocheckpoint = 0")
            execute(f"PRAGMA journal_size_limit = {4 * _CHECKPOINT_OCTETS}")
            self.meta = meta._replace(epoch=meta.epoch + 1)
            self._take(meta)
            self._mark = MarkFile(directory / MARK_FILE)
        except BaseException:
            self._connection.close()
            raise
        self._synchronised = 0
        try:
            self.checkpoint()
        except BaseException:
            self.close()
            raise

    def _take(self, meta: Meta) -> None:
        """Write the new epoch, if the journal is still what was read: its lock may be lost to another process."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        (last,) = execute(LAST_LOG).fetchone() or (meta.folded,)
        if last != self._sequence or execute(SELECT_META).fetchone() != (*meta, meta_checksum(meta)):
            raise Fenced
        execute(INSERT_META, (*self.meta, meta_checksum(self.meta)))
        execute("COMMIT")

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
        """Whether much has been written since the last one, and no thread is at it."""
        if self._helper is not None:
            return not self._helper.is_alive()
        return self._since >= _CHECKPOINT_OCTETS

    def maintain(self) -> None:
        """Begin a checkpoint on a thread of its own, or end it here, once that has done the most.

        It waits for the disk, some hundred milliseconds perhaps, in which records are written all the same.
        """
        if self._helper is None:
            self._helper = threading.Thread(target=_copy_wal, args=(self._directory,), name="journal-checkpoint")
            self._helper.start()
        else:
            self._helper = None
            self.checkpoint()

    def checkpoint(self) -> None:
        """Bring the WAL to disk and into the database, and note in the mark that all of it is there.

        Raises:
            Fenced: another owner has the journal, and the mark.
        """
        if self._connection.execute(SELECT_META).fetchone()[1] != self.meta.epoch:
            raise Fenced
        busy, frames, done = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._since = 0
        if not busy and frames == done:
            self._synchronised = self._sequence
            self._mark.set(Mark(self._sequence, self._synchronised))
            self._mark.synchronise()

    def finish(self) -> None:
        """Leave nothing in the WAL, and all of it synchronised, at an orderly end.

        Raises:
            Fenced: another owner has the journal, and the mark.
        """
        if self._helper is not None:
            self._helper.join()
            self._helper = None
        self.checkpoint()

    def close(self) -> None:
        """Close the files."""
        if self._helper is not None:
            self._helper.join()
            self._helper = None
        self._connection.close()
        self._mark.close()


def _copy_wal(directory: Path) -> None:
    """Make a checkpoint of what is in the WAL by now; on a thread beside the writer's."""
    try:
        connection = connect(directory, writing=True)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        _LOG.warning("%s: no checkpoint beside the writer, which makes it itself: %s", directory, error)


def create(directory: Path, entries: Mapping[bytes, bytes] | None = None, sequence: int = 0, epoch: int = 0) -> Meta:
    """Make a journal in one step: it is there when its database has its name and its mark is whole.

    The mark of an empty one is written before, that of one with entries after: without it, they cannot be opened.
    """
    new = directory / f".{DATABASE_FILE}.new"
    new.unlink(missing_ok=True)
    for name in (new.name, DATABASE_FILE):  # SQLite would take the log of an earlier database for that of the new one
        for ending in ("-wal", "-shm"):
            (directory / f"{name}{ending}").unlink(missing_ok=True)
    rows = [(key, sequence, state_checksum(key, sequence, value), value) for key, value in (entries or {}).items()]
    octets = sum(len(key) + len(value) for key, _, _, value in rows)
    meta = Meta(FORMAT, epoch, sequence, len(rows), octets, sum(row[2] for row in rows))
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        new.chmod(0o600)
        execute = connection.execute
        for pragma in (f"page_size = {PAGE_SIZE}", f"application_id = {APPLICATION}", "journal_mode = WAL"):
            execute(f"PRAGMA {pragma}")
        execute("BEGIN")
        for statement in TABLES:
            execute(statement)
        connection.executemany(f"{UPSERT_STATE} (?, ?, ?, ?)", rows)
        execute(INSERT_META, (*meta, meta_checksum(meta)))
        execute("COMMIT")
    finally:
        connection.close()
    if not sequence:
        _write_mark(directory, Mark(0, 0))
    new.rename(directory / DATABASE_FILE)
    _synchronise_directory(directory)
    if sequence:
        _write_mark(directory, Mark(sequence, sequence))
    return meta


def _write_mark(directory: Path, mark: Mark) -> None:
    file = MarkFile(directory / MARK_FILE)
    try:
        file.set(mark)
        file.shorten()
        file.synchronise()
    finally:
        file.close()


def _synchronise_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
