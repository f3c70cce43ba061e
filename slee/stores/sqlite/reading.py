"""Read a journal and prove it whole, without changing a file: every checksum, every number, every count (DUR-5)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from slee.api.errors import JournalDamagedError, JournalError, JournalInUseError
from slee.stores.sqlite.layout import (
    APPLICATION,
    DATABASE_FILE,
    FORMAT,
    SELECT_LOG,
    SELECT_META,
    SELECT_STATE,
    LogRow,
    Meta,
    connect,
    log_checksum,
    meta_checksum,
    state_checksum,
)
from slee.stores.sqlite.mark import MARK_FILE, Mark, read_mark
from slee.stores.sqlite.owner import read_owner

__all__ = ["Contents", "decode_records", "read", "read_log", "read_meta", "read_state", "require_header"]

_HEADER: Final = b"SQLite format 3\x00"
_REMEDY: Final = (
    "restore the directory from a backup, or see what is left with `slee journal show` and drop the rest with "
    "`slee journal repair`"
)
_RECORDS: Final = msgspec.msgpack.Decoder(list[list[tuple[bytes, bytes | None]]])


@dataclass(slots=True)
class Contents:
    """All that a journal holds."""

    meta: Meta
    sequence: int
    """The last record."""
    entries: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """The live keys."""
    stored: dict[bytes, int] = field(default_factory=dict[bytes, int])
    """What `state` holds: checksum and, above it, size of each row, by key."""
    pending: dict[bytes, bytes | None] = field(default_factory=dict[bytes, bytes | None])
    """The newest value of each key in the log."""
    rows: list[LogRow] = field(default_factory=list[LogRow])
    """The rows of the log."""
    report: str = ""
    """What is missing at the end, and may be."""


def read(directory: Path) -> Contents | None:
    """What the journal in a directory holds; None if there is none yet, or one whose making was interrupted.

    Raises:
        JournalDamagedError: something is wrong before the end.
        JournalInUseError: another process has it open.
        JournalError: it is of another format, or cannot be read.
    """
    path = directory / DATABASE_FILE
    mark = read_mark(directory / MARK_FILE)
    if not path.exists() and (mark is None or mark.written == 0):
        return None
    if mark is None:
        raise _damaged(directory / MARK_FILE, 0, "the high-water mark is missing")
    require_header(path)
    try:
        return _read(directory, path, mark)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise JournalInUseError(
                f"{directory}: the journal is in use by {read_owner(directory) or 'a process'} [DUR-16]; stop it first"
            ) from error
        raise _damaged(path, 0, f"SQLite cannot read it: {error}") from error


def _read(directory: Path, path: Path, mark: Mark) -> Contents:
    connection = connect(directory, writing=False)
    try:
        connection.execute("BEGIN")
        for (problem,) in connection.execute("PRAGMA quick_check(1)"):
            if problem != "ok":
                raise _damaged(path, 0, f"SQLite finds it damaged: {problem}")
        contents = Contents(read_meta(connection, path), 0)
        _take_state(contents, connection, path)
        _take_log(contents, connection, path)
    finally:
        connection.close()
    if contents.sequence < mark.synchronised:
        raise _damaged(
            path,
            contents.sequence,
            f"records {contents.sequence + 1} to {mark.synchronised}, which were on disk, are gone",
        )
    if contents.sequence < mark.written:
        contents.report = (
            f"{path}: records {contents.sequence + 1} to {mark.written} were cut off as torn: they had been written, "
            "not synchronised, when the machine stopped [DUR-5]"
        )
    return contents


def _take_state(contents: Contents, connection: sqlite3.Connection, path: Path) -> None:
    entries, stored = contents.entries, contents.stored
    octets = total = highest = 0
    for key, sequence, checksum, value in read_state(connection):
        if state_checksum(key, sequence, value) != checksum:
            raise _damaged(path, contents.meta.folded, f"the value of key {key!r} of record {sequence} is damaged")
        size = len(key) + len(value)
        entries[key] = value
        stored[key] = size << 32 | checksum
        octets += size
        total += checksum
        if sequence > highest:
            highest = sequence
    meta = contents.meta
    if (len(stored), octets, total) != (meta.keys, meta.octets, meta.total):
        raise _damaged(path, meta.folded, f"of {meta.keys} folded keys {len(stored)} are there")
    contents.sequence = highest


def _take_log(contents: Contents, connection: sqlite3.Connection, path: Path) -> None:
    entries, stored, pending = contents.entries, contents.stored, contents.pending
    expected = contents.meta.folded + 1
    for first, last, checksum, data in read_log(connection):
        if first != expected or last < first:
            raise _damaged(path, expected - 1, f"record {expected} is missing, {first} follows")
        if log_checksum(first, last, data) != checksum:
            raise _damaged(path, expected - 1, f"records {first} to {last} are damaged")
        for record in decode_records(data, first, last, path):
            for key, value in record:
                if value is not None:
                    entries[key] = pending[key] = value
                else:
                    entries.pop(key, None)
                    if key in stored:
                        pending[key] = None
                    else:
                        pending.pop(key, None)
        contents.rows.append(LogRow(first, last, len(data)))
        expected = last + 1
    if contents.sequence >= expected:
        raise _damaged(path, expected - 1, f"records {expected} to {contents.sequence} are missing at the end")
    contents.sequence = expected - 1


def read_meta(connection: sqlite3.Connection, path: Path) -> Meta:
    """The row of `meta`, proved.

    Raises:
        JournalDamagedError: it is not what was written.
        JournalError: it is of another format.
    """
    rows: list[Any] = connection.execute(SELECT_META).fetchall()
    if len(rows) != 1 or not all(isinstance(value, int) and value >= 0 for value in rows[0]):
        raise _damaged(path, 0, "its description of itself is damaged")
    meta = Meta(*rows[0][:-1])
    if meta_checksum(meta) != rows[0][-1]:
        raise _damaged(path, 0, "its description of itself is damaged")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION or meta.format != FORMAT:
        raise JournalError(
            f"{path}: a journal of format {meta.format}, this program reads {FORMAT} [DUR-12]; "
            "run the program that wrote it, or give another --state-dir"
        )
    return meta


def read_state(connection: sqlite3.Connection) -> Iterator[tuple[bytes, int, int, bytes]]:
    """The rows of `state`; `sqlite3.DatabaseError` for one whose columns are not of their types."""
    for key, sequence, checksum, value in connection.execute(SELECT_STATE):
        if type(key) is bytes and type(sequence) is int and type(checksum) is int and type(value) is bytes:
            if sequence < 0:
                raise sqlite3.DatabaseError(f"a row of state has sequence {sequence}")
            yield key, sequence, checksum, value
        else:
            raise sqlite3.DatabaseError("a row of state has columns of wrong types")


def read_log(connection: sqlite3.Connection) -> Iterator[tuple[int, int, int, bytes]]:
    """The rows of `log`, in order; `sqlite3.DatabaseError` for one whose columns are not of their types."""
    for first, last, checksum, data in connection.execute(SELECT_LOG):
        if type(first) is int and type(last) is int and type(checksum) is int and type(data) is bytes and first > 0:
            yield first, last, checksum, data
        else:
            raise sqlite3.DatabaseError("a row of log has columns of wrong types")


def decode_records(data: bytes, first: int, last: int, path: Path) -> list[list[tuple[bytes, bytes | None]]]:
    """The records of a row of the log.

    Raises:
        JournalDamagedError: it does not hold as many records as its numbers say.
    """
    try:
        records = _RECORDS.decode(data)
    except msgspec.DecodeError as error:
        raise _damaged(path, first - 1, f"records {first} to {last} cannot be decoded: {error}") from error
    if len(records) != last - first + 1:
        raise _damaged(path, first - 1, f"records {first} to {last} are {len(records)}")
    return records


def require_header(path: Path) -> None:
    """Refuse what is no database before SQLite sees it: it takes an empty file for a new one, and drops its WAL.

    Raises:
        JournalDamagedError: it is no database in WAL mode, or missing.
        JournalError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise _damaged(path, 0, "the database is missing") from None
    except OSError as error:
        raise JournalError(f"{path}: it cannot be read: {error.strerror} [DUR-5]; give the server access") from error
    if len(header) < 100 or not header.startswith(_HEADER) or header[18:20] != b"\x02\x02":
        raise _damaged(path, 0, "it is no database in WAL mode")


def _damaged(path: Path, sequence: int, problem: str) -> JournalDamagedError:
    after = f" after record {sequence}" if sequence else ""
    return JournalDamagedError(f"{path}: damaged{after}: {problem} [DUR-5]; {_REMEDY}", str(path), sequence)
