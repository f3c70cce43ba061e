"""The writer thread: gathers records into batches, commits them, tries again, and compacts between them.

Writing has one of three conditions, those of the port:

    WRITING --error--> FAILING --success--> WRITING
    WRITING or FAILING --another owner, or a damaged database--> LOST, the end

While FAILING the thread tries again after a pause that doubles up to `_LONGEST_PAUSE`; records wait in their order.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import msgspec

from slee.kernel.journal import Entry, JournalCondition
from slee.stores.sqlite.compaction import Compaction
from slee.stores.sqlite.database import Database, Fenced

__all__ = ["Pending", "Writer"]

_HURRIED: Final = 0.002
"""Seconds in which records gather when somebody waits for them."""
_BATCH_OCTETS: Final = 4 << 20
"""A row of the log holds no more, unless one record does."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries while writing fails."""
_LOG: Final = logging.getLogger(__name__)
_ENCODER: Final = msgspec.msgpack.Encoder()
_BEYOND_REPAIR: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Pending(NamedTuple):
    """A record on its way."""

    sequence: int
    entries: Sequence[Entry]
    octets: int
    at: float
    """When it was appended, by the monotonic clock."""


class Writer:
    """Owns the database; everything but `put` and `stop` happens on its thread."""

    def __init__(
        self,
        database: Database,
        compaction: Compaction,
        *,
        gather: float,
        acknowledge: Callable[[int, int], None],
        tell: Callable[[JournalCondition, str], None],
    ) -> None:
        self.oldest = 0.0
        """When the first record that is being written was appended; 0.0 while none is."""
        self.is_fenced = False
        """Whether another owner has the journal."""
        self._database = database
        self._compaction = compaction
        self._gather = gather
        self._acknowledge = acknowledge
        self._tell = tell
        self._condition = JournalCondition.WRITING
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._held: Pending | None = None
        self._stopping = threading.Lock()
        self._stopping.acquire()
        self._hurry = threading.Lock()
        self._hurry.acquire()
        self._last_commit = 0.0
        self._next_maintenance = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin; from now on the callbacks are called."""
        self._thread.start()

    def put(self, record: Pending) -> None:
        """Take a record."""
        self._queue.put(record)

    def hasten(self) -> None:
        """Gather no longer than `_HURRIED`. Called by one thread only, that of `put` and `stop`."""
        if self._hurry.locked():
            self._hurry.release()

    def stop(self) -> None:
        """Write what was put, if it can be written, and end the thread."""
        if self._stopping.locked():
            self._stopping.release()
        self.hasten()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except Fenced:
            self.is_fenced = True
            self._become(JournalCondition.LOST, "another owner has taken the journal over [DUR-16]; this process stops")
        except sqlite3.Error as error:
            self._become(JournalCondition.LOST, f"{_told(error)} [DUR-14]; the next start says what is left")
        except BaseException as error:
            self._become(JournalCondition.LOST, f"the writer failed: {error!r} [DUR-14]")
            raise
        finally:
            self._database.close()

    def _work(self) -> None:
        while True:
            batch = self._take()
            if batch is None:
                self._finish()
                return
            if batch and not self._write(batch):
                return
            self._maintain()

    def _take(self) -> list[Pending] | None:
        """The next records; an empty list if there are none while there is maintenance; None at the end."""
        queue = self._queue
        first = self._held
        self._held = None
        if first is None:
            try:
                first = queue.get(block=not self._has_maintenance)
            except Empty:
                return []
        if first is None:
            return None
        self.oldest = first.at
        self._linger()
        batch = [first]
        octets = first.octets
        for _ in range(queue.qsize()):
            record = queue.get()
            if record is None:
                queue.put(None)
                break
            octets += record.octets
            if octets > _BATCH_OCTETS:
                self._held = record
                break
            batch.append(record)
        return batch

    def _write(self, batch: list[Pending]) -> bool:
        """Commit a batch, as often as it takes; False if it stopped before that worked."""
        records = [record.entries for record in batch]
        data = _ENCODER.encode(records)
        first, last = batch[0].sequence, batch[-1].sequence
        pause = _FIRST_PAUSE
        while True:
            try:
                row = self._database.commit(first, last, data)
                break
            except (sqlite3.Error, OSError) as error:
                if _is_final(error):
                    raise
                self._become(JournalCondition.FAILING, _told(error))
            if self._wait(pause):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._last_commit = time.monotonic()
        self._compaction.add(row, records)
        self.oldest = 0.0
        self._acknowledge(last, sum(record.octets for record in batch))
        self._become(JournalCondition.WRITING, "")
        return True

    @property
    def _has_maintenance(self) -> bool:
        due = self._compaction.is_due or self._database.is_checkpoint_due
        return due and time.monotonic() >= self._next_maintenance

    def _maintain(self) -> None:
        """Do one slice of compaction, or more if the log grows faster than that; and a checkpoint."""
        try:
            while self._has_maintenance:
                if self._database.is_checkpoint_due:
                    self._database.maintain()
                else:
                    part = self._compaction.next()
                    self._database.apply(part)
                    self._compaction.done(part)
                if not self._compaction.is_behind:
                    break
        except (sqlite3.Error, OSError) as error:
            if _is_final(error):
                raise
            _LOG.warning("the journal is not compacted now, and grows: %s [DUR-15]; make room", _told(error))
            self._next_maintenance = time.monotonic() + _LONGEST_PAUSE

    def _linger(self) -> None:
        """Let records gather, until it is time for the next commit."""
        pause = self._last_commit + self._gather - time.monotonic()
        if pause > 0.0 and self._hurry.acquire(timeout=pause):
            pause = self._last_commit + _HURRIED - time.monotonic()
            if pause > 0.0:
                self._wait(pause)

    def _finish(self) -> None:
        try:
            self._database.finish()
        except (sqlite3.Error, OSError) as error:
            _LOG.warning("the journal's last records are not synchronised: %s [DUR-5]", _told(error))

    def _wait(self, seconds: float) -> bool:
        """Wait, or less if the journal is closed meanwhile; True if it is."""
        if self._stopping.acquire(timeout=seconds):
            self._stopping.release()
            return True
        return False

    def _become(self, condition: JournalCondition, reason: str) -> None:
        if condition is not self._condition:
            self._condition = condition
            self._tell(condition, reason)


def _is_final(error: sqlite3.Error | OSError) -> bool:
    """Whether trying again is no use: the database is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _BEYOND_REPAIR


def _told(error: sqlite3.Error | OSError) -> str:
    name = getattr(error, "sqlite_errorname", None)
    return f"{error} ({name})" if name else str(error)
