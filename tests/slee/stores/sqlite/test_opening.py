"""What an opening that fails, an opening that is interrupted, and a closing leave behind (DUR-5, DUR-13, DUR-14)."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from slee.api.errors import JournalError
from slee.kernel.journal import Entry, JournalCondition, JournalStatus
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite import owner as owning
from slee.stores.sqlite.database import Database, Fenced
from slee.stores.sqlite.layout import DATABASE_FILE
from tests.slee.stores.storages import SqliteStorage


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_dur_14_a_writer_that_fails_at_once_tells_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SqliteJournal(tmp_path)
    journal.append([Entry(b"E1", b"x" * 100)])
    journal.close()

    def refuse(*_: object) -> None:
        raise Fenced

    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        real(thread)
        thread.join(5.0)

    told: list[JournalStatus] = []
    monkeypatch.setattr(Database, "apply", refuse)
    monkeypatch.setattr(threading.Thread, "start", start)
    journal = SqliteJournal(tmp_path, log_octets=1, on_status=told.append)
    assert [status.condition for status in told] == [JournalCondition.LOST]
    journal.close()


def test_dur_13_records_that_closing_could_not_write_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = SqliteStorage(tmp_path)
    journal = storage.open()
    journal.append([Entry(b"E1", b"x")])
    storage.settle(journal)
    storage.fail()
    for _ in range(200):
        journal.append([Entry(b"E2", b"x" * 1000)])
    storage.await_condition(journal, JournalCondition.FAILING)
    left = journal.status().records
    journal.close()
    (line,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert f"{left} records were not written" in line
    assert "[DUR-13]" in line


def test_an_opening_that_fails_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteJournal(tmp_path).close()

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "checkpoint", fail)
        with pytest.raises(JournalError, match=r"disk is full \[DUR-13\]"):
            SqliteJournal(tmp_path)
    assert open_files() == before


def test_dur_16_an_owner_that_cannot_write_its_name_holds_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(owning.os, "pwrite", fail)
        with pytest.raises(JournalError, match=r"No space left on device \[DUR-13\]"):
            SqliteJournal(tmp_path)
    SqliteJournal(tmp_path).close()


def test_dur_5_a_log_without_its_database_does_not_get_into_a_new_one(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    journal = storage.open()
    journal.append([Entry(b"E1", b"of an earlier journal")])
    storage.settle(journal)
    storage.crash(journal)
    for path in storage.place.iterdir():
        if path.name != f"{DATABASE_FILE}-wal":
            path.unlink()
    journal = storage.open()
    assert (journal.recovery.sequence, journal.recovery.entries) == (0, {})
    assert journal.append([Entry(b"E2", b"new")]) == 1
    storage.settle(journal)
    storage.crash(journal)
    journal = storage.open()
    assert journal.recovery.entries == {b"E2": b"new"}
    journal.close()
