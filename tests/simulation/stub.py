"""A journal in memory behind the store port, with seeded delays, which outlives the processes that write it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from slee.kernel.journal import Entry, JournalCondition, JournalStatus, Recovery
from tests.simulation.virtual import VirtualTime


class StubDisk:
    """What is durable."""

    def __init__(self, time: VirtualTime, lot: random.Random) -> None:
        self.time = time
        self.lot = lot
        self.entries: dict[bytes, bytes] = {}
        self.sequence = 0
        self.epoch = 0
        self.owner: StubJournal | None = None

    def open(self, on_acknowledged: Callable[[int], None]) -> StubJournal:
        self.epoch += 1
        self.owner = StubJournal(self, on_acknowledged)
        return self.owner

    def crash(self) -> None:
        """Of what was under way, any number of whole records got through; none is acknowledged any more."""
        owner = self.owner
        assert owner is not None
        owner.dead = True
        for sequence, entries in owner.pending[: self.lot.randrange(len(owner.pending) + 1)]:
            self.write(sequence, entries)
        self.owner = None

    def write(self, sequence: int, entries: Sequence[Entry]) -> None:
        self.sequence = sequence
        for key, value in entries:
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value


class StubJournal:
    """One owner's."""

    def __init__(self, disk: StubDisk, on_acknowledged: Callable[[int], None]) -> None:
        self._disk = disk
        self._told = on_acknowledged
        self.recovery = Recovery(dict(disk.entries), disk.sequence, disk.epoch, "")
        self.acknowledged = self._last = disk.sequence
        self.pending: list[tuple[int, Sequence[Entry]]] = []
        self.dead = False
        self.delay = disk.lot.choice((0.0, 0.002, 0.05))

    def append(self, entries: Sequence[Entry]) -> int:
        self._last += 1
        self.pending.append((self._last, tuple(entries)))
        self._disk.time.after(self.delay * self._disk.lot.random(), self._acknowledge)
        return self._last

    def _acknowledge(self) -> None:
        """Whatever is pending is written as one group."""
        if self.dead or not self.pending:
            return
        for sequence, entries in self.pending:
            self._disk.write(sequence, entries)
        self.pending.clear()
        self.acknowledged = self._disk.sequence
        self._told(self.acknowledged)

    def status(self) -> JournalStatus:
        octets = sum(len(entry.value or b"") for _, entries in self.pending for entry in entries)
        return JournalStatus(JournalCondition.WRITING, "", len(self.pending), octets, 0.0)

    def close(self) -> None:
        self.dead = True
