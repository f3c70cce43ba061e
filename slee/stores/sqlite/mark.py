"""The high-water mark: a small file beside the database that says how far the journal went (DUR-5).

After a crash SQLite discards the end of its WAL without a word, if that end is torn. The mark tells how much is gone,
and whether it may be: what was written and not yet synchronised may, what was synchronised may not.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from slee.api.errors import JournalDamagedError

__all__ = ["MARK_FILE", "Mark", "MarkFile", "read_mark"]

MARK_FILE: Final = "mark"
_FORM: Final = struct.Struct(">8sQQI")
_MAGIC: Final = b"sleemrk1"


class Mark(NamedTuple):
    """How far a journal went."""

    written: int
    """The last record that was handed to the operating system."""
    synchronised: int
    """The last record that was on disk for certain; at most `written`."""


class MarkFile:
    """The open file; each `set` is one system call, and none waits for the disk but `synchronise`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def set(self, mark: Mark) -> None:
        """Write the mark; `OSError` if the system refuses it."""
        packed = _FORM.pack(_MAGIC, mark.written, mark.synchronised, 0)
        os.pwrite(self._file, packed[:-4] + zlib.crc32(packed).to_bytes(4, "big"), 0)

    def shorten(self) -> None:
        """Cut off what another program has left in the file behind the mark."""
        os.ftruncate(self._file, _FORM.size)

    def synchronise(self) -> None:
        """Wait until the mark is on disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_mark(path: Path) -> Mark | None:
    """The mark in a file; None without the file.

    Raises:
        JournalDamagedError: the file holds no mark.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) == _FORM.size:
        magic, written, synchronised, checksum = _FORM.unpack(data)
        if magic == _MAGIC and checksum == zlib.crc32(data[:-4] + bytes(4)) and synchronised <= written:
            return Mark(written, synchronised)
    raise JournalDamagedError(
        f"{path}: the high-water mark is damaged [DUR-5]; `slee journal repair` makes it anew",
        str(path),
        0,
    )
