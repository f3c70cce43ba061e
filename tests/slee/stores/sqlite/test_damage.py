"""A journal whose files are cut or changed anywhere is recovered to a whole record, or refused and left as it is.

The suite takes a sample; `SLEE_DAMAGE=whole python -m pytest tests/slee/stores/sqlite/test_damage.py` cuts at every
octet of the last 64 KiB of each file and changes every octet there, which is an hour's work.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from slee.api.errors import JournalDamagedError, JournalError
from slee.kernel.journal import Entry
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite.layout import DATABASE_FILE
from slee.stores.sqlite.mark import MARK_FILE, Mark, MarkFile, read_mark
from tests.slee.stores.storages import SqliteStorage

WHOLE = os.environ.get("SLEE_DAMAGE") == "whole"
LAST = 64 << 10
DATABASE, WAL = DATABASE_FILE, f"{DATABASE_FILE}-wal"
pytestmark = pytest.mark.timeout(3600 if WHOLE else 20)


class Sample(NamedTuple):
    """The files of a journal, and what it held after each record."""

    files: dict[str, bytes]
    states: list[dict[bytes, bytes]]
    synchronised: int


def make(directory: Path, *, closed: bool) -> Sample:
    """A journal with folded keys, keys in the log, removed ones and freed pages; its process killed, or ended."""
    rng = random.Random(5)
    storage = SqliteStorage(directory, log_octets=60_000)
    journal = storage.open()
    states: list[dict[bytes, bytes]] = [{}]
    for number in range(400):
        entries = [
            Entry(b"E%d" % rng.randrange(60), None if rng.random() < 0.3 else rng.randbytes(rng.choice((40, 300, 900))))
            for _ in range(rng.randrange(1, 4))
        ]
        journal.append(entries)
        state = dict(states[-1])
        for key, value in entries:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        states.append(state)
        if number % 7 == 0:
            storage.settle(journal)
        if number == 250:
            storage.gate.checkpoint()
    storage.settle(journal)
    if closed:
        journal.close()
    else:
        storage.crash(journal)
    files = {
        name: (storage.place / name).read_bytes()
        for name in (DATABASE, WAL, MARK_FILE)
        if (storage.place / name).exists()
    }
    mark = read_mark(storage.place / MARK_FILE)
    assert mark is not None
    return Sample(files, states, mark.synchronised)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("killed"), closed=False)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("closed"), closed=True)


class Bench:
    """Opens damaged copies, and judges what comes of each."""

    def __init__(self, sample: Sample, directory: Path) -> None:
        self.sample = sample
        self.place = directory / "journal"
        self.recovered = 0
        self.refused = 0

    def judge(self, name: str, content: bytes) -> None:
        """Open the sample with another content of one file."""
        files = {**self.sample.files, name: content}
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        for file, data in files.items():
            (self.place / file).write_bytes(data)
        try:
            journal = SqliteJournal(self.place)
        except JournalError as error:
            assert {file: (self.place / file).read_bytes() for file in files} == files, "refused, and changed"
            assert "[DUR-" in str(error)
            assert "; " in str(error)
            if isinstance(error, JournalDamagedError):
                assert error.file in str(error)
            self.refused += 1
            return
        recovery = journal.recovery
        journal.append([Entry(b"After", b"damage")])
        journal.close()
        assert recovery.sequence >= self.sample.synchronised
        assert recovery.entries == self.sample.states[recovery.sequence]
        assert bool(recovery.report) == (recovery.sequence < len(self.sample.states) - 1)
        again = SqliteJournal(self.place)
        again.close()
        assert again.recovery.sequence == recovery.sequence + 1
        assert again.recovery.entries == {**self.sample.states[recovery.sequence], b"After": b"damage"}
        assert again.recovery.report == ""
        self.recovered += 1


@pytest.fixture
def fast_path(tmp_path: Path) -> Iterable[Path]:
    """A directory in memory if there is one: the damage is the same, and no disk is waited for."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    place = shared / f"damage-{os.getpid()}"
    place.mkdir()
    yield place
    shutil.rmtree(place)


def offsets(size: int, count: int, *, first: int) -> list[int]:
    """Every offset from `first` on, or so many of them by lot."""
    every = range(first, size)
    return list(every) if WHOLE else sorted(random.Random(size).sample(every, min(count, len(every))))


@pytest.mark.parametrize("name", [WAL, DATABASE])
def test_dur_5_truncated_after_a_kill(killed: Sample, fast_path: Path, name: str) -> None:
    content = killed.files[name]
    bench = Bench(killed, fast_path)
    for size in [0, 1, *offsets(len(content), 250, first=max(0, len(content) - LAST))]:
        bench.judge(name, content[:size])
    if name == WAL:
        assert bench.refused == 0
    else:  # pages that are in the WAL as well need not be in the database
        assert bench.refused > 0
    print(f"{name}: {bench.recovered} recovered, {bench.refused} refused")


def test_dur_5_truncated_after_an_end(closed: Sample, fast_path: Path) -> None:
    content = closed.files[DATABASE]
    bench = Bench(closed, fast_path)
    for size in [0, 1, *offsets(len(content), 250, first=max(0, len(content) - LAST))]:
        bench.judge(DATABASE, content[:size])
    assert bench.refused > 0  # a last page that is free may be missing
    print(f"{bench.recovered} recovered, {bench.refused} refused")


@pytest.mark.parametrize("name", [WAL, DATABASE, MARK_FILE])
def test_dur_5_changed_after_a_kill(killed: Sample, fast_path: Path, name: str) -> None:
    flip(Bench(killed, fast_path), name)


@pytest.mark.parametrize("name", [DATABASE, MARK_FILE])
def test_dur_5_changed_after_an_end(closed: Sample, fast_path: Path, name: str) -> None:
    flip(Bench(closed, fast_path), name)


def flip(bench: Bench, name: str) -> None:
    content = bench.sample.files[name]
    rng = random.Random(11)
    first = max(0, len(content) - LAST) if WHOLE else 0
    for offset in sorted({*offsets(len(content), 250, first=first), *range(min(len(content), 110))}):
        changed = bytearray(content)
        changed[offset] ^= rng.randrange(1, 256)
        bench.judge(name, bytes(changed))
    print(f"{name}: {bench.recovered} recovered, {bench.refused} refused")


@pytest.mark.parametrize("name", [WAL, DATABASE, MARK_FILE])
def test_dur_5_missing_file(killed: Sample, fast_path: Path, name: str) -> None:
    bench = Bench(
        Sample({k: v for k, v in killed.files.items() if k != name}, killed.states, killed.synchronised), fast_path
    )
    other = next(iter(bench.sample.files))
    bench.judge(other, bench.sample.files[other])
    assert bench.recovered == (name == WAL)


def test_dur_5_loss_of_records_that_were_on_disk_is_refused_and_not_reported(killed: Sample, tmp_path: Path) -> None:
    for name, content in killed.files.items():
        (tmp_path / name).write_bytes(content)
    mark = MarkFile(tmp_path / MARK_FILE)
    mark.set(Mark(400, 400))  # as `full` writes it
    mark.close()
    os.truncate(tmp_path / WAL, 0)
    with pytest.raises(JournalDamagedError, match=r"to 400, which were on disk, are gone \[DUR-5\]"):
        SqliteJournal(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("DELETE FROM state WHERE key = (SELECT max(key) FROM state)", r"folded keys \d+ are there"),
        ("DELETE FROM log WHERE first_sequence = (SELECT min(first_sequence) FROM log)", r"record \d+ is missing"),
        ("DELETE FROM log WHERE last_sequence = 400", "which were on disk, are gone"),
        ("UPDATE meta SET folded = folded - 1", "its description of itself"),
        ("UPDATE state SET value = x'00'", "the value of key .* is damaged"),
        ("UPDATE log SET data = x'90'", r"records \d+ to \d+ are damaged"),
    ],
)
def test_dur_5_row_that_is_missing_or_changed_stops_the_start(
    closed: Sample, tmp_path: Path, change: str, problem: str
) -> None:
    for name, content in closed.files.items():
        (tmp_path / name).write_bytes(content)
    connection = sqlite3.connect(tmp_path / DATABASE)
    assert connection.execute(change).rowcount > 0
    connection.commit()
    connection.close()
    with pytest.raises(JournalDamagedError, match=problem):
        SqliteJournal(tmp_path)
