"""A process whose journal meets a disk that takes nothing, and that goes on when it takes something again."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from slee.kernel.journal import Entry, JournalCondition, JournalStatus
from slee.stores.sqlite import SqliteJournal

LIMIT = 8.0
RECORDS = 300


class Session:
    """A journal whose conditions can be waited for."""

    def __init__(self, place: Path) -> None:
        self._changed = threading.Condition()
        self.told: list[JournalStatus] = []
        self.journal = SqliteJournal(place, on_status=self._on_status, on_acknowledged=self._on_acknowledged)
        self.count = self.journal.recovery.sequence

    def append(self, count: int) -> None:
        for _ in range(count):
            self.count += 1
            self.journal.append([Entry(b"E%d" % self.count, b"%d" % self.count * 1000)])

    def settle(self) -> None:
        self.wait(lambda: self.journal.status().records == 0)

    def wait_for(self, condition: JournalCondition) -> None:
        self.wait(lambda: self.journal.status().condition is condition)

    def wait(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, LIMIT):
                raise TimeoutError(str(self.journal.status()))

    def _on_status(self, status: JournalStatus) -> None:
        with self._changed:
            self.told.append(status)
            self._changed.notify_all()

    def _on_acknowledged(self, sequence: int) -> None:
        with self._changed:
            self._changed.notify_all()


def limit_size(place: Path) -> Callable[[], None]:
    """No file of this process may grow past a size, by the operating system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(place: Path) -> Callable[[], None]:
    """Take all the room that the disk has; for a small one."""
    ballast = place.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast.unlink


def make_read_only(place: Path) -> Callable[[], None]:
    """Let the open files refuse to be written, as those of a disk do that the system has made read-only."""
    names = {str(file.resolve()): file for file in place.iterdir() if file.name.startswith("journal.db")}
    saved: list[tuple[int, int]] = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if target in names and not target.endswith("-shm"):
            number = int(link.name)
            saved.append((number, os.dup(number)))
            refusing = os.open(target, os.O_RDONLY)
            os.dup2(refusing, number)
    assert saved

    def restore() -> None:
        for number, original in saved:
            os.dup2(original, number)

    return restore


FAILURES = {"limit": limit_size, "full": fill, "read-only": make_read_only}


def main(kind: str, place: Path, *, mended: bool) -> None:
    """Append, fail, append, mend (or close), and print what was seen."""
    session = Session(place)
    session.append(RECORDS // 3)
    session.settle()
    before = session.journal.acknowledged
    mend = FAILURES[kind](place)
    session.append(RECORDS // 3)
    session.wait_for(JournalCondition.FAILING)
    session.append(RECORDS - 2 * (RECORDS // 3))
    status = session.journal.status()
    if mended:
        mend()
        session.settle()
        session.wait_for(JournalCondition.WRITING)
    session.journal.close()
    print(
        json.dumps(
            {
                "before": before,
                "waiting": status.records,
                "octets": status.octets,
                "age": status.age,
                "reason": status.reason,
                "told": [one.condition.value for one in session.told],
                "acknowledged": session.journal.acknowledged,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), mended=sys.argv[3] == "mended")
