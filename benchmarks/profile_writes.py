"""What a profile write costs on its way through journal and database: processor time, and time until it is durable."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from slee.facilities.facilities import Facilities
from slee.facilities.profiles.tables import ProfileTables
from slee.kernel.journalling import Journalling
from slee.kernel.kernel import Kernel
from slee.model.profile import ProfileDescriptor, Row
from slee.runtime.observer import LoggingObserver
from slee.stores import open_store
from slee.stores.profiles.database import ProfileDatabase, open_profile_database

BETWEEN_FLUSHES: Final = 20
"""Writes that one record has, when nobody waits for it: what comes in 2 ms at 10,000 writes a second."""
Tell = Callable[[str, float], None]


class Written:
    """One table of a kernel with a journal and a database, or without."""

    def __init__(self, descriptor: ProfileDescriptor, rows: dict[str, Row], folder: Path | None) -> None:
        facilities = Facilities(now=time.time, random=os.urandom)
        self.kernel = Kernel(observer=LoggingObserver(facilities), random=os.urandom, ticks=time.perf_counter)
        self.tables = ProfileTables(self.kernel, facilities)
        self.journalling: Journalling | None = None
        self.database: ProfileDatabase | None = None
        if folder is not None:
            self.journalling = Journalling(self.kernel, open_store("sqlite", folder))
            self.database = open_profile_database(None, folder)
            self.tables.follow_with(self.database, self.journalling)
        self.tables.add_specification(descriptor)
        self.tables.create_table("Written", descriptor.id)
        self.tables.put_rows("Written", rows)
        self.view: Any = self.tables.view("Written")
        self.flush(wait=True)

    def write(self, name: str) -> None:
        """One transaction that changes one attribute."""
        tx = self.kernel.begin()
        self.view.find(name).calls += 1
        if not self.kernel.finish(tx):
            raise RuntimeError("the write was refused")

    def flush(self, *, wait: bool = False) -> None:
        """Make a record; `wait` until it is acknowledged, as the outputs of a `sync` service do."""
        if self.journalling is None:
            return
        sequence = self.journalling.flush(time.time())
        if wait:
            self.journalling.journal.hasten()
            while self.journalling.journal.acknowledged < sequence:
                time.sleep(0.00002)
        self.journalling.acknowledged(self.journalling.journal.acknowledged)
        self.tables.following.let_go()

    def close(self) -> None:
        """Write what is left."""
        if self.journalling is not None and self.database is not None:
            self.flush(wait=True)
            self.journalling.journal.close()
            self.database.close()


@contextmanager
def written(descriptor: ProfileDescriptor, rows: dict[str, Row], *, durable: bool) -> Iterator[Written]:
    """A table to write to, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = Written(descriptor, rows, Path(folder) if durable else None)
        try:
            yield made
        finally:
            made.close()


def measure(descriptor: ProfileDescriptor, rows: dict[str, Row], tell: Tell) -> None:
    """Tell what a write costs with nothing behind it, with a record for several, and with one for each."""
    names = list(rows)
    with written(descriptor, rows, durable=False) as memory:
        started = time.thread_time()
        for name in names:
            memory.write(name)
        tell("write, store memory: processor time", (time.thread_time() - started) / len(names) * 1e6)
    with written(descriptor, rows, durable=True) as kept:
        started = time.thread_time()
        for count, name in enumerate(names, 1):
            kept.write(name)
            if not count % BETWEEN_FLUSHES:
                kept.flush()
        kept.flush()
        tell(
            "write, async: processor time, with its share of the record",
            (time.thread_time() - started) / len(names) * 1e6,
        )
        few = names[:300]
        started, busy = time.perf_counter(), time.thread_time()
        for name in few:
            kept.write(name)
            kept.flush(wait=True)
        tell("write, sync: processor time, with a record of its own", (time.thread_time() - busy) / len(few) * 1e6)
        tell("write, sync: until it is acknowledged", (time.perf_counter() - started) / len(few) * 1e6)


__all__ = ["Written", "measure", "written"]
