"""Compaction keeps the journal near the size of the live state, and a crash in it loses nothing (DUR-15)."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from slee.kernel.journal import Entry
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite.compaction import Compaction
from slee.stores.sqlite.database import Database, Fenced, create
from slee.stores.sqlite.layout import LogRow, Meta
from slee.stores.sqlite.reading import Contents, read
from slee.testing.store_compliance import state_after
from tests.slee.stores.storages import SqliteStorage


def compaction(log_octets: int = 0) -> Compaction:
    return Compaction(Contents(Meta(1, 1, 0, 0, 0, 0), 0), log_octets=log_octets)


def put(one: Compaction, number: int, *entries: tuple[bytes, bytes | None]) -> None:
    one.add(LogRow(number, number, 100), [[Entry(*entry) for entry in entries]])


def run(one: Compaction) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Do all slices; returns what was put into the state and what removed from it."""
    rows: dict[bytes, bytes] = {}
    removed: set[bytes] = set()
    while one.is_due:
        part = one.next()
        rows |= {key: value for key, _, _, value in part.rows}
        removed |= set(part.removed)
        one.done(part)
    return rows, removed


def test_dur_15_key_made_and_removed_in_the_log_never_reaches_the_state() -> None:
    one = compaction()
    put(one, 1, (b"E1", b"a"), (b"E2", b"b"))
    put(one, 2, (b"E1", None))
    assert run(one) == ({b"E2": b"b"}, set())
    assert (one.meta.keys, one.meta.folded, one.log_octets) == (1, 2, 0)


def test_dur_15_key_removed_while_it_is_being_folded_is_removed_from_the_state() -> None:
    one = compaction()
    for number in range(1, 400):
        put(one, number, (b"E%d" % number, b"x"))
    one.done(one.next())
    one.add(LogRow(400, 400, 100_000), [[Entry(b"E1", None), Entry(b"E399", None)]])  # folded, and not yet
    rows, removed = run(one)
    assert b"E399" in rows
    assert removed == {b"E1", b"E399"}
    assert one.meta.keys == 397


def test_dur_15_folding_begins_when_the_log_is_larger_than_the_state() -> None:
    one = compaction(log_octets=150)
    put(one, 1, (b"E1", b"x" * 1000))
    assert not one.is_due
    put(one, 2, (b"E2", b"x" * 1000))
    assert one.is_due
    run(one)
    for number in range(3, 23):
        put(one, number, (b"E3", b"y"))
        assert not one.is_due
    put(one, 23, (b"E3", b"y"))
    assert one.is_due


def test_dur_4_crash_between_any_two_transactions_of_a_compaction_loses_nothing(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "made", log_octets=1 << 30)
    rng = random.Random(1)
    journal = storage.open()
    records = [
        [Entry(b"E%d" % rng.randrange(600), None if rng.random() < 0.3 else rng.randbytes(rng.randrange(900)))]
        for _ in range(1500)
    ]
    for number, record in enumerate(records):
        journal.append(record)
        if number % 100 == 0:
            storage.settle(journal)
    journal.close()
    contents = read(storage.place)
    assert contents is not None
    database = Database(storage.place, contents.meta, contents.sequence, full=False)
    contents.meta = database.meta
    one = Compaction(contents, log_octets=0)
    slices = 0
    while one.is_due:
        part = one.next()
        database.apply(part)
        one.done(part)
        slices += 1
        crashed = tmp_path / "crashed"
        shutil.copytree(storage.place, crashed)
        after = read(crashed)
        assert after is not None
        assert after.entries == state_after(records)
        assert after.sequence == 1500
        resumed = SqliteJournal(crashed, log_octets=0)
        resumed.append([])
        resumed.close()
        assert resumed.recovery.entries == state_after(records)
        shutil.rmtree(crashed)
    database.close()
    assert slices > 4


def test_dur_15_files_stay_within_three_times_the_live_state_and_32_mb(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path, log_octets=1_000_000)
    live = b"x" * 1000
    for number in range(30_000):
        journal.append([Entry(b"E%d" % (number % 1000), live), Entry(b"T%d" % number, live[:200])])
        journal.append([Entry(b"T%d" % number, None)])
    journal.close()
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size <= 3 * 1_000_000 + (32 << 20)
    contents = read(tmp_path)
    assert contents is not None
    assert len(contents.entries) == 1000
    assert sum(row.octets for row in contents.rows) <= 12_000_000


def test_dur_16_slice_of_an_earlier_owner_is_refused_whole(tmp_path: Path) -> None:
    meta = create(tmp_path)
    first = Database(tmp_path, meta, 0, full=False)
    row = first.commit(1, 1, b"\x91\x91\x92\xc4\x02E1\xc4\x01x")
    one = Compaction(Contents(first.meta, 0), log_octets=0)
    one.add(row, [[Entry(b"E1", b"x")]])
    second = Database(tmp_path, first.meta, 1, full=False)
    with pytest.raises(Fenced):
        first.apply(one.next())
    with pytest.raises(Fenced):
        first.commit(2, 2, b"\x91\x90")
    second.close()
    first.close()
    contents = read(tmp_path)
    assert contents is not None
    assert (contents.meta.epoch, contents.meta.keys, contents.entries) == (2, 0, {b"E1": b"x"})
