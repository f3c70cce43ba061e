"""The tables of a journal in SQLite, their statements and their checksums.

    log      one row per group commit: all its records as one msgpack array, each an array of [key, value or nil]
    state    what compaction has folded out of the log: the newest value of each key at the time
    meta     one row: format, epoch, how far the log has been deleted, and the sum over all rows of `state`

The journal is `state`, with the rows of `log` applied to it in order. Rows of `log` follow one another without gap from
`meta.folded + 1`; a row of `state` that is missing is missing in `meta`'s count and sum.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from slee.kernel.journal import Entry

__all__ = [
    "APPLICATION",
    "COUNT_LOG",
    "DATABASE_FILE",
    "DELETE_LOG",
    "DELETE_STATE",
    "FORMAT",
    "INSERT_LOG",
    "INSERT_META",
    "LAST_LOG",
    "PAGE_SIZE",
    "SELECT_LOG",
    "SELECT_META",
    "SELECT_STATE",
    "TABLES",
    "UPDATE_META",
    "UPSERT_STATE",
    "LogRow",
    "Meta",
    "Record",
    "connect",
    "log_checksum",
    "meta_checksum",
    "state_checksum",
]

DATABASE_FILE: Final = "journal.db"
APPLICATION: Final = 0x736C6565
"""`application_id` of the database: "slee"."""
FORMAT: Final = 1
PAGE_SIZE: Final = 8192
"""The cheapest size for batches of some kilobytes, by `scripts/bench stores`."""

_LOG: Final = """CREATE TABLE log (
    first_sequence INTEGER PRIMARY KEY, last_sequence INTEGER NOT NULL, checksum INTEGER NOT NULL, data BLOB NOT NULL
)"""
_STATE: Final = """CREATE TABLE state (
    key BLOB PRIMARY KEY, sequence INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID"""
_META: Final = """CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1), format INTEGER NOT NULL, epoch INTEGER NOT NULL, folded INTEGER NOT NULL,
    keys INTEGER NOT NULL, octets INTEGER NOT NULL, total INTEGER NOT NULL, checksum INTEGER NOT NULL
)"""
TABLES: Final = (_LOG, _STATE, _META)
# Written only while the epoch is this owner's: a row that does not appear says that the journal has another one.
INSERT_LOG: Final = "INSERT OR REPLACE INTO log SELECT ?, ?, ?, ? WHERE (SELECT epoch FROM meta) = ?"
COUNT_LOG: Final = "SELECT count(*) FROM log WHERE last_sequence > ?"
LAST_LOG: Final = "SELECT last_sequence FROM log ORDER BY first_sequence DESC LIMIT 1"
SELECT_LOG: Final = "SELECT first_sequence, last_sequence, checksum, data FROM log ORDER BY first_sequence"
DELETE_LOG: Final = "DELETE FROM log WHERE first_sequence <= ?"
UPSERT_STATE: Final = "INSERT OR REPLACE INTO state VALUES"
"""Followed by `(?, ?, ?, ?)` for each row: one call for all of a slice, so that the thread asks for the GIL once."""
DELETE_STATE: Final = "DELETE FROM state WHERE key = ?"
SELECT_STATE: Final = "SELECT key, sequence, checksum, value FROM state"
SELECT_META: Final = "SELECT format, epoch, folded, keys, octets, total, checksum FROM meta"
UPDATE_META: Final = "UPDATE meta SET folded = ?, keys = ?, octets = ?, total = ?, checksum = ? WHERE epoch = ?"
INSERT_META: Final = "INSERT OR REPLACE INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, ?)"

Record = Sequence[Entry]
_PAIR: Final = struct.Struct(">QQ")
_NUMBERS: Final = struct.Struct(">QQQQQQ")


class LogRow(NamedTuple):
    """What is remembered of a row of the log."""

    first: int
    last: int
    octets: int


class Meta(NamedTuple):
    """The row of `meta`, without its checksum."""

    format: int
    epoch: int
    folded: int
    """Rows of the log up to this sequence number have been deleted."""
    keys: int
    """Number of rows of `state`."""
    octets: int
    """Their keys and values."""
    total: int
    """The sum of their checksums."""


def log_checksum(first: int, last: int, data: bytes) -> int:
    """Checksum of a row of the log, over its numbers too."""
    return zlib.crc32(data, zlib.crc32(_PAIR.pack(first, last)))


def state_checksum(key: bytes, sequence: int, value: bytes) -> int:
    """Checksum of a row of the state; the key's length is in it, so that key and value cannot trade octets."""
    return zlib.crc32(value, zlib.crc32(key, sequence * 31 + len(key) & 0xFFFFFFFF))


def meta_checksum(meta: Meta) -> int:
    """Checksum of the row of `meta`."""
    return zlib.crc32(_NUMBERS.pack(*meta))


def connect(directory: Path, *, writing: bool) -> sqlite3.Connection:
    """Open the database of a directory, which has to exist when it is only read.

    A writer keeps the index of the WAL in its own memory, which its threads share: a mapped file would end the process
    with SIGBUS when the disk turns read-only under it. Another process cannot read the database meanwhile.
    """
    name = (directory / DATABASE_FILE).resolve().as_uri()
    connection = sqlite3.connect(
        f"{name}?{'mode=rwc&vfs=unix-excl' if writing else 'mode=ro'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=0.0,
    )
    connection.execute("PRAGMA cell_size_check = ON")
    return connection
