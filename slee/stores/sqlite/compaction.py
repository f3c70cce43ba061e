"""Compaction: what of the log goes into `state`, and when (DUR-15).

The newest value of each key in the log is kept in memory. Once the log is large, these values are set aside as the
*fold*, its slices are written to `state` one transaction each, and then the rows of the log that they came from are
deleted, the oldest first. A crash between any two of these leaves a journal that reads the same: the rest of the log
still ends with the values that were folded. A key that was made and removed meanwhile never reaches `state`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from slee.stores.sqlite.layout import LogRow, Meta, Record, state_checksum
from slee.stores.sqlite.reading import Contents

__all__ = [
    "LOG_OCTETS",
    "Compaction",
    "Slice",
]

LOG_OCTETS: Final = 8 << 20
"""The log is folded when it is larger than this and than the state."""
_SLICE_KEYS: Final = 128
_SLICE_OCTETS: Final = 256 << 10
"""What one slice may hold: it delays the records that arrive meanwhile by about a millisecond."""

_StateRow = tuple[bytes, int, int, bytes]


@dataclass(slots=True)
class Slice:
    """One transaction of a compaction."""

    meta: Meta
    """The row of `meta` after it."""
    rows: list[_StateRow] = field(default_factory=list[_StateRow])
    """Rows to put into `state`."""
    removed: list[bytes] = field(default_factory=list[bytes])
    """Keys to remove from `state`."""
    deleted: list[LogRow] = field(default_factory=list[LogRow])
    """Rows to delete from the log."""


class Compaction:
    """What is in the log and in `state`, and the fold in progress."""

    def __init__(self, contents: Contents, *, log_octets: int = LOG_OCTETS) -> None:
        self.meta = contents.meta
        self._least = log_octets
        self._stored = contents.stored
        self._pending = contents.pending
        self._log = deque(contents.rows)
        self._octets = sum(row.octets for row in contents.rows)
        self._fold: dict[bytes, bytes | None] = {}
        self._through = contents.meta.folded

    @property
    def is_due(self) -> bool:
        """Whether there is a slice to do."""
        return self._has_begun or self._octets > self._bound

    @property
    def is_behind(self) -> bool:
        """Whether the log is so large that records have to wait for a slice."""
        return self._octets > 2 * self._bound

    @property
    def log_octets(self) -> int:
        """Size of the log's records."""
        return self._octets

    def add(self, row: LogRow, records: Iterable[Record]) -> None:
        """Note a row that has been written to the log."""
        self._log.append(row)
        self._octets += row.octets
        pending, stored, fold = self._pending, self._stored, self._fold
        for record in records:
            for key, value in record:
                if value is not None or key in stored or key in fold:
                    pending[key] = value
                else:
                    pending.pop(key, None)

    def next(self) -> Slice:
        """The next slice; `is_due` has said that there is one."""
        if not self._has_begun:
            self._fold, self._pending = self._pending, {}
            self._through = self._log[-1].last
        return self._folding() if self._fold else self._deleting()

    def done(self, part: Slice) -> None:
        """Note that a slice has been committed."""
        fold, stored = self._fold, self._stored
        for key, _, checksum, value in part.rows:
            del fold[key]
            stored[key] = (len(key) + len(value)) << 32 | checksum
        for key in part.removed:
            del fold[key]
            stored.pop(key, None)
        for row in part.deleted:
            self._log.popleft()
            self._octets -= row.octets
        self.meta = part.meta

    @property
    def _bound(self) -> int:
        return max(self._least, self.meta.octets)

    @property
    def _has_begun(self) -> bool:
        return bool(self._fold) or self.meta.folded < self._through

    def _folding(self) -> Slice:
        rows: list[_StateRow] = []
        removed: list[bytes] = []
        keys, octets, total, through = self.meta.keys, self.meta.octets, self.meta.total, self._through
        size = 0
        for key, value in self._fold.items():
            if len(rows) + len(removed) >= _SLICE_KEYS or size >= _SLICE_OCTETS:
                break
            before = self._stored.get(key)
            if before is not None:
                keys, octets, total = keys - 1, octets - (before >> 32), total - (before & 0xFFFFFFFF)
            if value is None:
                removed.append(key)
            else:
                checksum = state_checksum(key, through, value)
                rows.append((key, through, checksum, value))
                keys, octets, total = keys + 1, octets + len(key) + len(value), total + checksum
                size += len(key) + len(value)
        return Slice(self.meta._replace(keys=keys, octets=octets, total=total), rows, removed)

    def _deleting(self) -> Slice:
        deleted: list[LogRow] = []
        size = 0
        for row in self._log:
            if row.last > self._through or size >= _SLICE_OCTETS:
                break
            deleted.append(row)
            size += row.octets
        return Slice(self.meta._replace(folded=deleted[-1].last), deleted=deleted)
