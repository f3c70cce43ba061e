"""The writer thread of a profile database: follows the commits, tries again while it cannot, watches for others.

    WRITING --error--> FAILING --success--> WRITING

While it fails, changes wait in their order; nothing is dropped. An error of whatever kind is told and tried again: the
changes are in memory and in the journal, and a writer that gave up would let them pile up for nothing. So is a database
that neither fails nor answers told of.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc

from slee.api.errors import StateDirectoryError
from slee.kernel.profile_storage import OutsideChange, StorageStatus
from slee.stores.profiles.batch import Batch, Deed
from slee.stores.profiles.outside import OutsideWatch

if TYPE_CHECKING:
    from slee.stores.profiles.batch import Change, Follower
    from slee.stores.profiles.dialect import Dialect
    from slee.stores.profiles.schema import SqlTable

_BATCH: Final = 10_000
"""Changes in one SQL transaction, unless one append has more."""
_LOOK: Final = 0.4
"""Seconds between two looks for changes by other programs."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_SILENCE: Final = 10.0
"""Seconds without progress, while changes wait, after which the database is said not to answer."""
_LOG: Final = logging.getLogger(__name__)


class Appended(NamedTuple):
    """The changes of one append."""

    position: int
    changes: Sequence[Change]
    at: float
    """By the monotonic clock."""

    @property
    def is_deed(self) -> bool:
        """Whether it is no append, but something else to do after those before it."""
        return isinstance(self.changes[0], Deed) if self.changes else False


class Writer:
    """Owns the writing connection; everything but the public methods happens on its thread."""

    def __init__(
        self, dialect: Dialect, *, position: int, tables: dict[str, SqlTable], tell: Callable[[StorageStatus], None]
    ) -> None:
        """Take the tables stored; `tell` is called on the writer's thread when the reason of a failure changes."""
        self.position = position
        """Of the last append that the database holds."""
        self.tables = tables
        """Replaced as a whole, never changed."""
        self._followers: dict[str, Follower] = {}
        self._dialect = dialect
        self._tell = tell
        self._waiting: deque[Appended] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._reason = ""
        self._connection: sa.Connection | None = None
        self._doubtful: tuple[int, Batch] | None = None
        """What was to be committed last, with its position, until it is known to be."""
        self._moved = 0.0
        """When something last got on, or began to wait, by the monotonic clock."""
        self._watch = OutsideWatch(dialect)
        self._outside: list[OutsideChange] = []
        self._thread = threading.Thread(target=self._run, name="profiles", daemon=True)

    def start(self, connection: sa.Connection) -> None:
        """Begin with a connection that owns the database."""
        self._connection = connection
        self._thread.start()

    def put(self, appended: Appended) -> None:
        """Take changes; does not wait for the database."""
        with self._changed:
            if not self._waiting:
                self._moved = time.monotonic()
            self._waiting.append(appended)
            self._changed.notify_all()

    def replace_tables(self, tables: Mapping[str, SqlTable]) -> None:
        """Take tables that the loader has described."""
        with self._changed:
            self.tables = {**self.tables, **tables}

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until something that the database does has come about, at most `timeout` seconds; whether it has."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wait(self, position: int, timeout: float) -> bool:
        """Wait until the database holds a position and deeds are done, at most `timeout` seconds; whether it is so."""
        return self.wait_for(lambda: self.position >= position and not any(a.is_deed for a in self._waiting), timeout)

    def outside(self) -> Sequence[OutsideChange]:
        """What other programs have changed since the last call."""
        with self._changed:
            found, self._outside = self._outside, []
        return found

    def status(self) -> StorageStatus:
        """How it fares."""
        with self._changed:
            waiting = sum(len(appended.changes) for appended in self._waiting)
            age = time.monotonic() - self._waiting[0].at if self._waiting else 0.0
            return StorageStatus(self._reason or self._silence(), waiting, age)

    def _silence(self) -> str:
        """That the database does not answer, if so; a deed may take its time."""
        silence = time.monotonic() - self._moved
        if silence < _SILENCE or not self._waiting or self._waiting[0].is_deed:
            return ""
        return f"{self._dialect.where}: it has not answered for {silence:.0f} s [PRF-46]"

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write what waits, if that works at once, and end the thread; a database that is silent is not waited for."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is None:
            return
        while self._thread.is_alive():
            moved = self._moved
            self._thread.join(_SILENCE)
            if moved == self._moved:
                return

    def _run(self) -> None:
        try:
            self._work_until_closed()
        finally:
            self._drop_connection()

    def _work_until_closed(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(_LOOK)
                closing = self._closing
                if closing and not self._waiting:
                    return
            if self._attempt():
                pause = _FIRST_PAUSE
                continue
            if closing:
                return
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _attempt(self) -> bool:
        """Write the next batch, and look for changes by others; whether that went well."""
        where = self._dialect.where
        try:
            self._work()
        except (exc.SQLAlchemyError, self._dialect.driver.Error, StateDirectoryError, OSError) as error:
            cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
            self._fail(f"{where}: {' '.join(str(cause).split())}")
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            self._fail(
                f"{where}: the writer failed: {error!r} [PRF-46]; it is tried again, report what the log has", error
            )
        else:
            self._become("")
            return True
        return False

    def _next_batch(self) -> list[Appended]:
        """The first appends that wait; they stay there until they are written."""
        batch: list[Appended] = []
        size = 0
        for appended in self._waiting:
            size += len(appended.changes)
            if batch and (size > _BATCH or appended.is_deed or batch[0].is_deed):
                break
            batch.append(appended)
        return batch

    def _work(self) -> None:
        connection = self._connected()  # which may find that something was written after all
        with self._changed:
            batch = self._next_batch()
        if batch:
            self._write(connection, batch)
        found = self._watch.look(connection, self.tables)
        if found:
            with self._changed:
                self._outside.extend(found)

    def _write(self, connection: sa.Connection, batch: list[Appended]) -> None:
        work = self._transact(connection, batch)
        self._doubtful = None
        self._moved = time.monotonic()  # or what is told now would be that it was silent
        self._become("")
        with self._changed:
            self._adopt(work, batch[-1].position)
            for _ in batch:
                self._waiting.popleft()
            self._changed.notify_all()

    def _transact(self, connection: sa.Connection, batch: list[Appended]) -> Batch:
        """Write a batch in one SQL transaction; what it leaves."""
        position = batch[-1].position
        work = Batch(self._dialect, connection, self.tables, self._followers)
        with connection.begin():
            work.apply((change for appended in batch for change in appended.changes), position)
            if not batch[0].is_deed:
                self._doubtful = position, work
        return work

    def _adopt(self, work: Batch, position: int) -> None:
        """Something has been committed; called with the lock held."""
        # What the loader has described meanwhile stays.
        described = {name: table for name, table in self.tables.items() if work.known.get(name) is not table}
        self.tables = {**work.tables, **described}
        self._followers = work.followers
        self.position = position
        self._moved = time.monotonic()
        for tell in work.afterwards:
            tell()

    def _connected(self) -> sa.Connection:
        if self._connection is None:
            connection = self._dialect.engine.connect().execution_options(writes=True)
            self._connection = connection
            with connection.begin():
                self._dialect.own(connection)
                held = self._watch.position(connection)
            self._settle(held)
        return self._connection

    def _settle(self, held: int) -> None:
        """After a connection was lost within a commit: take for written what the database has."""
        doubtful, self._doubtful = self._doubtful, None
        with self._changed:
            if doubtful is not None and doubtful[0] <= held:
                self._adopt(doubtful[1], doubtful[0])
            waiting = [each for each in self._waiting if each.is_deed or each.position > held]
            if len(waiting) < len(self._waiting):
                self.position = held
            self._waiting = deque(waiting)
            self._changed.notify_all()

    def _fail(self, reason: str, unforeseen: Exception | None = None) -> None:
        self._drop_connection()
        if unforeseen is not None and reason != self._reason:  # it is tried again every second
            _LOG.error("%s", reason, exc_info=unforeseen)
        self._become(reason)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (exc.SQLAlchemyError, self._dialect.driver.Error):
                connection.invalidate()

    def _become(self, reason: str) -> None:
        if reason != self._reason:
            with self._changed:
                self._reason = reason
            self._tell(self.status())


__all__ = ["Appended", "Writer"]
