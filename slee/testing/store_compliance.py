"""The compliance kit of the store port: subclass `StoreCompliance`, say how a store is opened and crashed, run pytest.

    class TestMyStore(StoreCompliance):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)

A `Storage` is one place where a journal lies, with what can be done to it. Each test gets an empty one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import pytest

from slee.api.errors import FencedError, JournalInUseError
from slee.kernel.journal import Entry, Journal, JournalCondition, JournalStatus

__all__ = ["Storage", "StoreCompliance", "state_after"]

_SEEDS: Final = range(5)


class Storage(Protocol):
    """Where one journal lies."""

    keeps: bool
    """Whether records survive; false for a store that is only there while the process is."""
    can_fail: bool
    """Whether `fail` and `mend` are offered."""

    def open(
        self,
        *,
        on_acknowledged: Callable[[int], None] | None = None,
        on_status: Callable[[JournalStatus], None] | None = None,
    ) -> Journal:
        """Open the journal as a process that starts does."""
        ...

    def settle(self, journal: Journal) -> None:
        """Return when all that was appended is acknowledged; raise if that takes more than some seconds."""
        ...

    def crash(self, journal: Journal) -> None:
        """End its process as `kill -9` does, at once; the next `open` is another process."""
        ...

    def fail(self) -> None:
        """Let writing fail from now on, as on a full disk."""
        ...

    def mend(self) -> None:
        """Let writing work again."""
        ...

    def await_condition(self, journal: Journal, condition: JournalCondition) -> None:
        """Return when the journal is in a condition; raise if that takes more than some seconds."""
        ...


def state_after(records: Sequence[Sequence[Entry]]) -> dict[bytes, bytes]:
    """The live keys after so many records: what every store has to recover."""
    found: dict[bytes, bytes] = {}
    for record in records:
        for key, value in record:
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
    return found


def _record(rng: random.Random, keys: int = 40) -> list[Entry]:
    """A record such as the kernel makes: some keys set, some removed, values of different sizes."""
    entries: list[Entry] = []
    for _ in range(rng.randrange(1, 6)):
        key = b"E%d" % rng.randrange(keys)
        entries.append(Entry(key, None if rng.random() < 0.3 else rng.randbytes(rng.choice((0, 1, 30, 700, 5000)))))
    return entries


class StoreCompliance:
    """What a store promises the kernel; each test is one promise."""

    @pytest.fixture
    def storage(self) -> Storage:
        """An empty place for a journal; a subclass gives it."""
        raise NotImplementedError("give a fixture `storage` that returns a Storage")

    def test_a_new_journal_is_empty(self, storage: Storage) -> None:
        journal = storage.open()
        assert journal.recovery.entries == {}
        assert journal.recovery.sequence == 0
        assert journal.recovery.epoch >= 1
        assert journal.recovery.report == ""
        assert journal.acknowledged == 0
        journal.close()

    def test_sequence_numbers_count_from_one(self, storage: Storage) -> None:
        journal = storage.open()
        assert [journal.append([Entry(b"E1", b"x")]) for _ in range(5)] == [1, 2, 3, 4, 5]
        journal.close()

    def test_acknowledgements_rise_to_the_last_record_and_not_above(self, storage: Storage) -> None:
        told: list[int] = []
        journal = storage.open(on_acknowledged=told.append)
        for number in range(50):
            journal.append([Entry(b"E%d" % number, b"x")])
            assert journal.acknowledged <= number + 1
        storage.settle(journal)
        assert journal.acknowledged == told[-1] == 50
        assert told == sorted(set(told))
        journal.close()

    def test_status_counts_what_is_not_acknowledged(self, storage: Storage) -> None:
        journal = storage.open()
        journal.append([Entry(b"E1", b"x" * 100)])
        storage.settle(journal)
        assert journal.status() == JournalStatus(JournalCondition.WRITING, "", 0, 0, 0.0)
        journal.close()

    def test_acknowledged_records_survive_a_crash(self, storage: Storage) -> None:
        _require(storage.keeps, "keeps nothing")
        records = [_record(random.Random(1)) for _ in range(100)]
        journal = storage.open()
        for record in records:
            journal.append(record)
        storage.settle(journal)
        storage.crash(journal)
        after = storage.open()
        assert (after.recovery.sequence, after.recovery.entries) == (100, state_after(records))
        assert after.acknowledged == 100
        after.close()

    def test_closing_writes_what_was_appended(self, storage: Storage) -> None:
        _require(storage.keeps, "keeps nothing")
        records = [_record(random.Random(2)) for _ in range(100)]
        journal = storage.open()
        for record in records:
            journal.append(record)
        journal.close()
        after = storage.open()
        assert (after.recovery.sequence, after.recovery.entries) == (100, state_after(records))
        after.close()

    def test_numbers_go_on_and_epochs_grow_over_a_restart(self, storage: Storage) -> None:
        _require(storage.keeps, "keeps nothing")
        epochs: list[int] = []
        for expected in (1, 2, 3):
            journal = storage.open()
            epochs.append(journal.recovery.epoch)
            assert journal.append([Entry(b"E1", b"%d" % expected)]) == expected
            journal.close()
        assert epochs == sorted(set(epochs))

    def test_what_has_been_rebuilt_is_not_kept_and_nothing_else_changes(self, storage: Storage) -> None:
        journal = storage.open()
        journal.append([Entry(b"E1", b"x"), Entry(b"E2", b"y")])
        journal.close()
        after = storage.open()
        before = after.recovery
        after.release()
        assert after.recovery == before._replace(entries={})
        number = after.append([Entry(b"E2", None), Entry(b"E3", b"z")])
        assert number == before.sequence + 1
        after.release()
        storage.settle(after)
        after.close()
        last = storage.open()
        assert last.recovery.entries == ({b"E1": b"x", b"E3": b"z"} if storage.keeps else {})
        last.close()

    @pytest.mark.parametrize("seed", _SEEDS)
    def test_what_is_recovered_is_a_prefix_with_all_that_was_acknowledged(self, storage: Storage, seed: int) -> None:
        _require(storage.keeps, "keeps nothing")
        rng = random.Random(seed)
        records: list[list[Entry]] = []
        for _ in range(6):
            journal = storage.open()
            assert journal.recovery.sequence == len(records)
            assert journal.recovery.entries == state_after(records)
            for _ in range(rng.randrange(60)):
                records.append(_record(rng))
                assert journal.append(records[-1]) == len(records)
                if rng.random() < 0.1:
                    storage.settle(journal)
            acknowledged = journal.acknowledged
            storage.crash(journal)
            after = storage.open()
            assert acknowledged <= after.recovery.sequence <= len(records)
            del records[after.recovery.sequence :]
            after.close()

    def test_a_removed_key_stays_removed_through_compaction(self, storage: Storage) -> None:
        _require(storage.keeps, "keeps nothing")
        rng = random.Random(3)
        records = [[Entry(b"E%d" % number, b"x" * 900)] for number in range(50)]
        records += [_record(rng, keys=50) for _ in range(1500)]
        records += [[Entry(b"E%d" % number, None)] for number in range(45)]
        records += [[Entry(b"E49", rng.randbytes(900))] for _ in range(800)]
        journal = storage.open()
        for number, record in enumerate(records):
            journal.append(record)
            if number % 50 == 0:
                storage.settle(journal)
        storage.settle(journal)
        storage.crash(journal)
        after = storage.open()
        assert after.recovery.entries == state_after(records)
        after.close()

    @pytest.mark.parametrize(
        "record",
        [
            [],
            [Entry(b"E1", b"")],
            [Entry(b"E1", b"first"), Entry(b"E1", None), Entry(b"E1", b"last")],
            [Entry(b"E1", b"value"), Entry(b"E1", None)],
            [Entry(b"Nothing", None)],
            [Entry(bytes(range(256)), bytes(range(256)))],
            [Entry(b"E1", bytes(3_000_000))],
            [Entry(b"E%d" % number, b"%d" % number) for number in range(5000)],
        ],
        ids=["empty", "empty value", "key thrice", "made and removed", "unknown removed", "octets", "large", "many"],
    )
    def test_any_record_comes_back(self, storage: Storage, record: list[Entry]) -> None:
        _require(storage.keeps, "keeps nothing")
        journal = storage.open()
        journal.append([Entry(b"E2", b"before")])
        journal.append(record)
        storage.settle(journal)
        storage.crash(journal)
        after = storage.open()
        assert after.recovery.sequence == 2
        assert after.recovery.entries == {b"E2": b"before", **state_after([record])}
        after.close()

    def test_a_second_owner_is_refused_or_takes_over(self, storage: Storage) -> None:
        _require(storage.keeps, "keeps nothing")
        first = storage.open()
        first.append([Entry(b"E1", b"first")])
        storage.settle(first)
        try:
            second = storage.open()
        except JournalInUseError:
            first.append([Entry(b"E1", b"still the owner")])
            storage.settle(first)
            first.close()
            return
        assert second.recovery.epoch > first.recovery.epoch
        with suppress(FencedError):  # at once, or when the owner has learnt of it
            first.append([Entry(b"E1", b"of an earlier owner")])
        storage.await_condition(first, JournalCondition.LOST)
        with pytest.raises(FencedError):
            first.append([Entry(b"E1", b"of an earlier owner")])
        first.close()
        second.append([Entry(b"E2", b"second")])
        storage.settle(second)
        second.close()
        third = storage.open()
        assert third.recovery.entries == {b"E1": b"first", b"E2": b"second"}
        third.close()

    def test_failure_loses_nothing_and_ends_by_itself(self, storage: Storage) -> None:
        _require(storage.can_fail, "offers no failure")
        told: list[JournalStatus] = []
        journal = storage.open(on_status=told.append)
        records = [[Entry(b"E%d" % number, b"x" * 300)] for number in range(300)]
        journal.append(records[0])
        storage.settle(journal)
        storage.fail()
        for record in records[1:]:
            journal.append(record)
        storage.await_condition(journal, JournalCondition.FAILING)
        status = journal.status()
        assert status.reason
        assert status.records == 300 - journal.acknowledged > 0
        assert status.octets >= 300
        storage.mend()
        storage.settle(journal)
        storage.await_condition(journal, JournalCondition.WRITING)
        assert [status.condition for status in told] == [JournalCondition.FAILING, JournalCondition.WRITING]
        storage.crash(journal)
        after = storage.open()
        assert (after.recovery.sequence, after.recovery.entries) == (300, state_after(records))
        after.close()

    def test_a_crash_while_failing_leaves_a_prefix(self, storage: Storage) -> None:
        _require(storage.can_fail, "offers no failure")
        journal = storage.open()
        records = [[Entry(b"E%d" % number, b"x" * 300)] for number in range(100)]
        for record in records[:50]:
            journal.append(record)
        storage.settle(journal)
        storage.fail()
        for record in records[50:]:
            journal.append(record)
        storage.await_condition(journal, JournalCondition.FAILING)
        acknowledged = journal.acknowledged
        storage.crash(journal)
        storage.mend()
        after = storage.open()
        assert acknowledged <= after.recovery.sequence <= 100
        assert after.recovery.entries == state_after(records[: after.recovery.sequence])
        after.close()


def _require(offered: bool, what: str) -> None:
    if not offered:
        pytest.skip(f"this store {what}")
