"""The writer thread of a profile database: follows the commits, tries again while it cannot, watches for others.

    WRITING --error--> FAILING --success--> WRITING

While it fails, changes wait in their order; nothing is dropped.
"""

from __future__ import annotations

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
            return StorageStatus(self._reason, waiting, age)

    def stop(self) -> None:
        """Write what waits, if that works at once, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work_until_closed()
        except BaseException as error:
            self._become(f"the writer of the profile database failed: {error!r}")
            raise
        finally:
            self._drop_connection()

    def _work_until_closed(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(_LOOK)
                batch = self._next_batch()
                closing = self._closing
            if closing and not batch:
                return
            try:
                self._work(batch)
            except (exc.SQLAlchemyError, self._dialect.driver.Error, StateDirectoryError, OSError) as error:
                self._fail(error)
                if closing:
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE
                self._become("")

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

    def _work(self, batch: list[Appended]) -> None:
        connection = self._connected()
        if batch:
            self._write(connection, batch)
        found = self._watch.look(connection, self.tables)
        if found:
            with self._changed:
                self._outside.extend(found)

    def _write(self, connection: sa.Connection, batch: list[Appended]) -> None:
        position = batch[-1].position
        work = Batch(self._dialect, connection, self.tables, self._followers)
        with connection.begin():
            work.apply((change for appended in batch for change in appended.changes), position)
        self._become("")
        with self._changed:
            self.tables = work.tables
            self._followers = work.followers
            self.position = position
            for tell in work.afterwards:
                tell()
            for _ in batch:
                self._waiting.popleft()
            self._changed.notify_all()

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
        with self._changed:
            waiting = [each for each in self._waiting if each.is_deed or each.position > held]
            if len(waiting) < len(self._waiting):
                self.position = held
            self._waiting = deque(waiting)
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        self._drop_connection()
        cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
        self._become(f"{self._dialect.where}: {' '.join(str(cause).split())}")

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except exc.SQLAlchemyError:
                connection.invalidate()

    def _become(self, reason: str) -> None:
        if reason != self._reason:
            with self._changed:
                self._reason = reason
            self._tell(self.status())


__all__ = ["Appended", "Writer"]
