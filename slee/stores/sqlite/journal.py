"""The journal of a shard in a SQLite database: what the kernel sees of it."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from slee.api.errors import FencedError, JournalError, JournalInUseError
from slee.kernel.journal import Entry, JournalCondition, JournalStatus, Recovery
from slee.stores.sqlite.compaction import LOG_OCTETS, Compaction
from slee.stores.sqlite.database import Database, Fenced, create
from slee.stores.sqlite.owner import Ownership
from slee.stores.sqlite.reading import Contents, read
from slee.stores.sqlite.writer import Pending, Writer

__all__ = ["SqliteJournal"]

_LOG: Final = logging.getLogger(__name__)
_GATHER: Final = 0.02
"""Seconds from one commit to the next, in which records gather; one that comes alone waits for nothing. A commit costs
as much processor time as thirty records, so that this decides what journalling costs."""


class SqliteJournal:
    """Appends to a queue that a thread of its own writes from.

    `on_acknowledged` and `on_status` are called on that thread, and must neither wait nor raise.
    """

    def __init__(
        self,
        directory: Path,
        *,
        full: bool = False,
        gather: float = _GATHER,
        log_octets: int = LOG_OCTETS,
        on_acknowledged: Callable[[int], None] | None = None,
        on_status: Callable[[JournalStatus], None] | None = None,
    ) -> None:
        """Take the journal in a directory, making it if there is none.

        With `full`, an acknowledged record survives the loss of power; without, it survives the end of the process.

        Raises:
            JournalInUseError: another process has it (DUR-16).
            JournalDamagedError: it is damaged; no file has been changed (DUR-5).
            JournalError: it is of another format, or its files cannot be written.
        """
        self._on_acknowledged = on_acknowledged
        self._on_status = on_status
        self._condition: tuple[JournalCondition, str] = (JournalCondition.WRITING, "")
        self._octets = 0
        self._octets_acknowledged = 0
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._ownership = Ownership(directory)
        except OSError as error:
            raise _unwritable(directory, error) from error
        try:
            contents = read(directory)
            if contents is None:
                contents = Contents(create(directory), 0)
            database = Database(directory, contents.meta, contents.sequence, full=full)
        except Fenced as error:
            self._ownership.close()
            raise JournalInUseError(
                f"{directory}: another process writes to the journal, though it holds no lock [DUR-16]; stop it"
            ) from error
        except (sqlite3.Error, OSError) as error:
            self._ownership.close()
            raise _unwritable(directory, error) from error
        except BaseException:
            self._ownership.close()
            raise
        self._epoch = database.meta.epoch
        self._recovery = Recovery(contents.entries, contents.sequence, self._epoch, contents.report)
        self._sequence = self._acknowledged = contents.sequence
        contents.meta = database.meta
        self._writer = Writer(
            database,
            Compaction(contents, log_octets=log_octets),
            gather=gather,
            acknowledge=self._acknowledge,
            tell=self._tell,
        )
        self._writer.start()

    @property
    def recovery(self) -> Recovery:
        """What it held when it was opened."""
        return self._recovery

    def release(self) -> None:
        """Keep of the entries only what compaction needs: those that are still in the log."""
        self._recovery = self._recovery._replace(entries={})

    @property
    def acknowledged(self) -> int:
        """The highest sequence number that is durable."""
        return self._acknowledged

    def append(self, entries: Sequence[Entry]) -> int:
        """Put a record on its way; `entries` is not to be changed afterwards.

        Raises:
            FencedError: another owner has the journal.
        """
        if self._writer.is_fenced:
            raise FencedError(f"epoch {self._epoch}: {self._condition[1]}")
        octets = 0
        for key, value in entries:
            octets += len(key) + (len(value) if value is not None else 0)
        self._sequence = sequence = self._sequence + 1
        self._octets += octets
        self._writer.put(Pending(sequence, entries, octets, time.monotonic()))
        return sequence

    def hasten(self) -> None:
        """Let the last record wait for the next commit no longer than 2 ms."""
        self._writer.hasten()

    def status(self) -> JournalStatus:
        """How it fares now."""
        condition, reason = self._condition
        oldest = self._writer.oldest
        return JournalStatus(
            condition,
            reason,
            self._sequence - self._acknowledged,
            self._octets - self._octets_acknowledged,
            time.monotonic() - oldest if oldest else 0.0,
        )

    def close(self) -> None:
        """Write what was appended, if it can be written, and give the journal up."""
        self._writer.stop()
        self._ownership.close()
        left, (_, reason) = self._sequence - self._acknowledged, self._condition
        if left:
            _LOG.error("the last %d records were not written, and are lost: %s [DUR-13]; make room", left, reason)

    def _acknowledge(self, sequence: int, octets: int) -> None:
        self._octets_acknowledged += octets
        self._acknowledged = sequence
        if self._on_acknowledged is not None:
            self._on_acknowledged(sequence)

    def _tell(self, condition: JournalCondition, reason: str) -> None:
        self._condition = (condition, reason)
        if self._on_status is not None:
            self._on_status(self.status())


def _unwritable(directory: Path, error: sqlite3.Error | OSError) -> JournalError:
    return JournalError(
        f"{directory}: the journal cannot be written: {error} [DUR-13]; make room and give the server access, or give "
        "another --state-dir"
    )
