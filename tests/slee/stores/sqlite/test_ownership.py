"""One journal has one owner (DUR-16)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slee.api.errors import FencedError, JournalInUseError
from slee.kernel.journal import Entry, JournalCondition
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite.owner import OWNER_FILE
from tests.slee.stores.storages import SqliteStorage


def test_dur_16_second_journal_is_refused_with_the_owners_identity(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    with pytest.raises(JournalInUseError, match=rf"in use by process {os.getpid()} on .+ since .+\[DUR-16\]; stop it"):
        SqliteJournal(tmp_path)
    journal.close()
    SqliteJournal(tmp_path).close()


def test_dur_16_second_process_is_refused(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    code = f"import pathlib, slee.stores.sqlite as s; s.SqliteJournal(pathlib.Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"in use by process {os.getpid()} on " in done.stderr
    journal.close()


def test_dur_16_owner_that_lost_the_journal_appends_nothing_more(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path)
    first = storage.open()
    first.append([Entry(b"E1", b"first")])
    storage.settle(first)
    (storage.place / OWNER_FILE).unlink()  # as a lock is lost on a file system that forgets it
    second = storage.open()
    assert second.recovery.epoch == first.recovery.epoch + 1
    first.append([Entry(b"E1", b"of the earlier owner")])
    storage.await_condition(first, JournalCondition.LOST)
    assert "another owner" in first.status().reason
    with pytest.raises(FencedError, match=r"epoch 1: .*\[DUR-16\]"):
        first.append([Entry(b"E1", b"again")])
    assert first.acknowledged == 1
    first.close()
    second.append([Entry(b"E2", b"second")])
    storage.settle(second)
    second.close()
    third = storage.open()
    assert third.recovery.entries == {b"E1": b"first", b"E2": b"second"}
    third.close()
