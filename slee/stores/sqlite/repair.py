"""Look at a journal that nobody has open, and make a damaged one usable again (DUR-5).

`examine` changes nothing and says what a repair would drop; `repair` does it, and keeps the damaged files beside the
new ones. What is kept of the log is what stands before the damage; nothing behind it is used.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from slee.api.errors import JournalDamagedError, JournalError
from slee.stores.sqlite.database import create
from slee.stores.sqlite.layout import (
    COUNT_LOG,
    DATABASE_FILE,
    Meta,
    connect,
    log_checksum,
    state_checksum,
)
from slee.stores.sqlite.mark import MARK_FILE, read_mark
from slee.stores.sqlite.owner import Ownership, read_owner
from slee.stores.sqlite.reading import decode_records, read, read_log, read_meta, read_state, require_header

__all__ = ["Examination", "examine", "repair"]

_WAL: Final = f"{DATABASE_FILE}-wal"
_KEPT: Final = "damaged-"
_INTERRUPTED: Final = "a repair was interrupted; what it repairs is in "
"""Stands in the place of the mark, followed by the name of the folder, until there is a whole journal again."""
_KEYS_TOLD: Final = 20


@dataclass(slots=True)
class Examination:
    """What a journal holds, and what of it is lost."""

    directory: Path
    place: Path
    """Where the files are that are examined: the directory, or what a repair kept that was interrupted."""
    exists: bool = False
    owner: str = ""
    """Who has it, or had it last."""
    problem: str = ""
    """Why it cannot be opened; empty if it can."""
    epoch: int = 0
    sequence: int = 0
    """The last record that can be kept."""
    entries: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """The live keys that can be kept."""
    dropped: list[str] = field(default_factory=list[str])
    """What a repair would drop, or opening has to; empty if nothing."""
    log_records: int = 0
    """Records in the log, of those that can be kept."""

    @property
    def kinds(self) -> dict[str, int]:
        """Number of live keys by their first letter."""
        return dict(sorted(Counter(key[:1].decode("ascii", "replace") for key in self.entries).items()))

    @property
    def octets(self) -> int:
        """Size of the files."""
        paths = [self.place / name for name in (DATABASE_FILE, _WAL, MARK_FILE)]
        return sum(path.stat().st_size for path in paths if path.exists())


def examine(directory: Path) -> Examination:
    """What the journal in a directory holds; no file is changed.

    Raises:
        JournalError: it is of another format, or its files cannot be read.
    """
    found = Examination(directory, directory, owner=read_owner(directory))
    try:
        found.place = _interrupted(directory) or directory
        contents = read(found.place)
    except OSError as error:
        raise JournalError(f"{directory}: it cannot be read: {error} [DUR-5]; run this as the server's user") from error
    except JournalDamagedError as error:
        found.exists = True
        found.problem = str(error)
        _salvage(found)
        return found
    if contents is not None:
        found.exists = True
        found.epoch, found.sequence, found.entries = contents.meta.epoch, contents.sequence, contents.entries
        found.log_records = contents.sequence - contents.meta.folded
        found.dropped = [contents.report] if contents.report else []
    return found


def repair(directory: Path) -> tuple[Examination, Path]:
    """Make a damaged journal anew from what can be kept; returns what was done, and where the damaged files are now.

    Raises:
        JournalInUseError: a process has it.
        JournalError: there is nothing to repair, or the files cannot be written.
    """
    try:
        ownership = Ownership(directory)
        try:
            found = examine(directory)
            if not found.problem:
                raise JournalError(f"{directory}: the journal is not damaged [DUR-5]; start the server")
            return found, _make_anew(found)
        finally:
            ownership.close()
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"{directory}: it cannot be repaired: {error} [DUR-5]; make room, and try again") from error


def _make_anew(found: Examination) -> Path:
    """Put a new journal in the place of the damaged one.

    Interrupted anywhere, the next start refuses what it finds, and the next repair begins with the damaged files again.
    """
    directory, kept = found.directory, found.place
    if kept == directory:
        kept = directory / f"{_KEPT}{1 + max(_kept(directory), default=0)}"
        kept.mkdir(mode=0o700)
        for name in (DATABASE_FILE, _WAL, MARK_FILE):
            if (directory / name).exists():
                shutil.copy2(directory / name, kept / name)
        (directory / MARK_FILE).write_bytes(f"{_INTERRUPTED}{kept.name}\n".encode())
    create(directory, found.entries, found.sequence, found.epoch)
    return kept


def _kept(directory: Path) -> list[int]:
    """The numbers of the folders of damaged files."""
    numbers = [path.name.removeprefix(_KEPT) for path in directory.glob(f"{_KEPT}*")]
    return [int(number) for number in numbers if number.isdecimal()]


def _interrupted(directory: Path) -> Path | None:
    """The folder of damaged files that a repair had kept before it was interrupted."""
    mark = directory / MARK_FILE
    text = mark.read_text(errors="replace") if mark.exists() else ""
    if not text.startswith(_INTERRUPTED):
        return None
    kept = directory / Path(text.removeprefix(_INTERRUPTED).strip()).name
    return kept if kept.is_dir() else None


def _salvage(found: Examination) -> None:
    """Read what is whole, and note the rest as dropped."""
    path = found.place / DATABASE_FILE
    try:
        require_header(path)
        connection = connect(found.place, writing=False)
    except (JournalDamagedError, sqlite3.Error):
        found.dropped.append("everything: the database cannot be opened")
        return
    try:
        connection.execute("BEGIN")
        meta = _salvage_meta(found, connection, path)
        _salvage_state(found, connection, meta)
        _salvage_log(found, connection, meta)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        found.dropped.append(f"what SQLite cannot read any more: {error}")
    finally:
        connection.close()
    _tell_gone(found)


def _salvage_meta(found: Examination, connection: sqlite3.Connection, path: Path) -> Meta | None:
    try:
        meta = read_meta(connection, path)
    except (JournalDamagedError, sqlite3.Error):
        found.dropped.append("the journal's description of itself, and with it the proof that no folded key is missing")
        return None
    found.epoch, found.sequence = meta.epoch, meta.folded
    return meta


def _salvage_state(found: Examination, connection: sqlite3.Connection, meta: Meta | None) -> None:
    bad: list[bytes] = []
    count = 0
    try:
        for key, sequence, checksum, value in read_state(connection):
            count += 1
            if state_checksum(key, sequence, value) == checksum:
                found.entries[key] = value
            else:
                bad.append(key)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        found.dropped.append(f"folded keys from number {count + 1} on: {error}")
    else:
        if meta is not None and count < meta.keys:
            found.dropped.append(f"{meta.keys - count} folded keys of which nothing is left")
    if bad:
        more = f" and {len(bad) - _KEYS_TOLD} more" if len(bad) > _KEYS_TOLD else ""
        found.dropped.append(f"damaged values of the keys {', '.join(map(repr, bad[:_KEYS_TOLD]))}{more}")


def _salvage_log(found: Examination, connection: sqlite3.Connection, meta: Meta | None) -> None:
    path = found.place / DATABASE_FILE
    expected = None if meta is None else meta.folded + 1
    try:
        for first, last, checksum, data in read_log(connection):
            if first != (expected or first) or last < first or log_checksum(first, last, data) != checksum:
                break
            records = decode_records(data, first, last, path)
            for record in records:
                for key, value in record:
                    if value is None:
                        found.entries.pop(key, None)
                    else:
                        found.entries[key] = value
            found.sequence = last
            found.log_records += len(records)
            expected = last + 1
    except (JournalDamagedError, sqlite3.Error, UnicodeDecodeError, OverflowError):
        found.dropped.append(f"the log behind record {found.sequence}, which cannot be read")
        return
    (behind,) = connection.execute(COUNT_LOG, (found.sequence,)).fetchone()
    if behind:
        found.dropped.append(f"{behind} group commits behind record {found.sequence}, where the damage is")


def _tell_gone(found: Examination) -> None:
    """Say how many records the mark knows of that are not kept."""
    try:
        mark = read_mark(found.place / MARK_FILE)
    except JournalDamagedError:
        found.dropped.append("the high-water mark, and with it the knowledge whether the last records are there")
        return
    if mark is not None and mark.written > found.sequence:
        found.dropped.append(f"records {found.sequence + 1} to {mark.written}, of {mark.written}")
