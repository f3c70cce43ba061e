"""Records gather between two commits; one that somebody waits for does not wait for others (DUR-1)."""

from __future__ import annotations

import threading
from pathlib import Path

from slee.kernel.journal import Entry
from slee.stores.sqlite import SqliteJournal


class Session:
    def __init__(self, place: Path, gather: float) -> None:
        self.told: list[int] = []
        self._changed = threading.Condition()
        self.journal = SqliteJournal(place, gather=gather, on_acknowledged=self._on_acknowledged)

    def put(self, number: int) -> None:
        assert self.journal.append([Entry(b"E1", b"x")]) == number

    def settle(self, limit: float = 10.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.journal.status().records == 0, limit)

    def _on_acknowledged(self, sequence: int) -> None:
        with self._changed:
            self.told.append(sequence)
            self._changed.notify_all()


def test_record_that_comes_alone_waits_for_nothing_and_those_after_it_gather(tmp_path: Path) -> None:
    session = Session(tmp_path, gather=3600.0)
    session.put(1)
    assert session.settle()
    for number in range(2, 30):
        session.put(number)
    assert not session.settle(0.05)
    session.journal.close()
    assert session.told == [1, 29]


def test_record_that_somebody_waits_for_is_committed_soon(tmp_path: Path) -> None:
    session = Session(tmp_path, gather=3600.0)
    session.put(1)
    assert session.settle()
    for number in range(2, 5):
        session.put(number)
        session.journal.hasten()
        assert session.settle()
    session.journal.close()


def test_closing_waits_for_no_gathering(tmp_path: Path) -> None:
    session = Session(tmp_path, gather=3600.0)
    session.put(1)
    assert session.settle()
    session.put(2)
    session.journal.close()
    assert session.told[-1] == 2
