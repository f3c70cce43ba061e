"""A store that is made of chance: for simulations, with a seed that reproduces every one of its faults.

It does no I/O and reads no clock. `SimulatedDisk` survives a crash, `SimulatedJournal` is what a process has of it:

    disk = SimulatedDisk(seed=7, faults=StoreFaults(torn=1.0))
    journal = disk.open(now=0.0)
    journal.append([Entry(b"E1", b"...")])
    journal.advance(journal.due)             # durable, and acknowledged
    journal.append([Entry(b"E2", b"...")])
    disk.crash()                             # between append and acknowledgement: E2 is kept, lost or torn, by lot
    disk.open(now=1.0).recovery
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slee.api.errors import FencedError
from slee.kernel.journal import Entry, JournalCondition, JournalStatus, Recovery
from slee.stores.profiles.simulated import SimulatedProfiles

__all__ = ["SimulatedDisk", "SimulatedJournal", "StoreFaults"]


@dataclass(frozen=True, slots=True)
class StoreFaults:
    """What goes wrong, and how often."""

    delay: tuple[float, float] = (0.0, 0.005)
    """Seconds from the append of a record until it is durable: between these."""
    acknowledgement_delay: tuple[float, float] = (0.0, 0.001)
    """Seconds from then until the owner knows."""
    lost_acknowledgement: float = 0.0
    """Share of acknowledgements that do not arrive; the next one covers them, or it is asked again after `resend`."""
    resend: float = 0.1
    """Seconds after which a lost acknowledgement is asked for again."""
    survives: float = 0.5
    """Probability that a record which is not durable when the process crashes is durable all the same, if those before
    it are."""
    torn: float = 0.0
    """Probability that the first one which is not leaves a torn remainder, which opening cuts off and reports."""


@dataclass(slots=True)
class _Waiting:
    sequence: int
    entries: tuple[Entry, ...]
    octets: int
    at: float
    durable: float
    """When it will be on the disk."""
    known: float
    """When its owner will know."""


class SimulatedDisk:
    """What survives: the live keys as of the last durable record, and the count of owners."""

    def __init__(self, seed: int = 0, faults: StoreFaults | None = None) -> None:
        self.faults = faults or StoreFaults()
        self.is_full = False
        """Whether nothing more can be written; `fill` and `free` change it."""
        self.entries: dict[bytes, bytes] = {}
        """The live keys, as of `sequence`."""
        self.sequence = 0
        """The last durable record."""
        self._random = random.Random(seed)
        self._epoch = 0
        self._report = ""
        self._journal: SimulatedJournal | None = None
        self._profiles: SimulatedProfiles | None = None

    @property
    def profiles(self) -> SimulatedProfiles:
        """The profile database beside the journal; made at the first use."""
        if self._profiles is None:
            self._profiles = SimulatedProfiles()
        return self._profiles

    @property
    def has_profiles(self) -> bool:
        """Whether there is one."""
        return self._profiles is not None

    def open(
        self,
        now: float,
        *,
        on_acknowledged: Callable[[int], None] | None = None,
        on_status: Callable[[JournalStatus], None] | None = None,
        on_due: Callable[[float], None] | None = None,
    ) -> SimulatedJournal:
        """Take the journal over; whoever has it is fenced, and what it has not made durable is not there.

        `on_due` is told a time, by the clock of `now`, at which `SimulatedJournal.advance` is to be called.
        """
        if self._journal is not None:
            self._journal.fence()
        self._epoch += 1
        recovery = Recovery(dict(self.entries), self.sequence, self._epoch, self._report)
        self._report = ""
        self._journal = SimulatedJournal(
            self, recovery, now, on_acknowledged=on_acknowledged, on_status=on_status, on_due=on_due
        )
        return self._journal

    def crash(self, *, survivors: int | None = None, torn: bool | None = None) -> None:
        """End the owner's process at its present time: what is not durable is kept, lost or torn, by lot.

        A test says instead how many of the undecided records survive, and whether the one behind them is torn.
        """
        journal, self._journal = self._journal, None
        if self._profiles is not None:
            self._profiles.crash()
        if journal is None:
            return
        waiting = journal.abandon()
        while waiting and (waiting[0].durable <= journal.now and not self.is_full):
            self.take(waiting.popleft().entries)
        count = 0
        while waiting and not self.is_full and self._survives(count, survivors):
            self.take(waiting.popleft().entries)
            count += 1
        if waiting and (torn if torn is not None else self._random.random() < self.faults.torn):
            self._report = f"simulated disk: record {waiting[0].sequence} was torn, and is cut off [DUR-5]"

    def fill(self) -> None:
        """Let nothing more be written."""
        self.is_full = True
        if self._journal is not None:
            self._journal.advance(self._journal.now)

    def free(self) -> None:
        """Make room."""
        self.is_full = False
        if self._journal is not None:
            self._journal.advance(self._journal.now)

    def take(self, entries: Sequence[Entry]) -> None:
        """Make a record durable."""
        for key, value in entries:
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        self.sequence += 1

    def between(self, bounds: tuple[float, float]) -> float:
        """A time between two, by lot."""
        return self._random.uniform(*bounds)

    def happens(self, probability: float) -> bool:
        """Whether something of a probability happens, by lot."""
        return self._random.random() < probability

    def _survives(self, count: int, survivors: int | None) -> bool:
        return self.happens(self.faults.survives) if survivors is None else count < survivors


class SimulatedJournal:
    """One process's hold of a simulated disk. Nothing happens but in `advance`, `append` and the calls of the disk."""

    def __init__(
        self,
        disk: SimulatedDisk,
        recovery: Recovery,
        now: float,
        *,
        on_acknowledged: Callable[[int], None] | None,
        on_status: Callable[[JournalStatus], None] | None,
        on_due: Callable[[float], None] | None,
    ) -> None:
        self.now = now
        """The time up to which everything has happened."""
        self._disk = disk
        self._recovery = recovery
        self._on_acknowledged = on_acknowledged
        self._on_status = on_status
        self._on_due = on_due
        self._sequence = self._acknowledged = recovery.sequence
        self._writing: deque[_Waiting] = deque()
        self._written: deque[_Waiting] = deque()
        self._condition = JournalCondition.WRITING
        self._reason = ""
        self._told_due = float("inf")
        self._is_closed = False

    @property
    def recovery(self) -> Recovery:
        """What the disk held."""
        return self._recovery

    def release(self) -> None:
        """The disk keeps its own."""
        self._recovery = self._recovery._replace(entries={})

    @property
    def acknowledged(self) -> int:
        """The highest sequence number that the owner knows to be durable."""
        return self._acknowledged

    @property
    def due(self) -> float | None:
        """When `advance` has something to do next; None if nothing is waiting, or the disk is full."""
        times = [one.known for one in self._written]
        if self._writing and not self._disk.is_full:
            times.append(self._writing[0].durable)
        return min(times, default=None)

    def append(self, entries: Sequence[Entry]) -> int:
        """Put a record on its way."""
        if self._condition is JournalCondition.LOST or self._is_closed:
            raise FencedError(f"epoch {self._recovery.epoch}: {self._reason or 'the journal is closed'} [DUR-16]")
        disk, faults = self._disk, self._disk.faults
        self._sequence += 1
        durable = self.now + disk.between(faults.delay)
        if self._writing and self._writing[-1].durable > durable:
            durable = self._writing[-1].durable  # records become durable in their order
        known = durable + disk.between(faults.acknowledgement_delay)
        if disk.happens(faults.lost_acknowledgement):
            known += faults.resend
        octets = sum(len(key) + len(value or b"") for key, value in entries)
        self._writing.append(_Waiting(self._sequence, tuple(entries), octets, self.now, durable, known))
        self._tell_due()
        return self._sequence

    def hasten(self) -> None:
        """The delays are what they are."""

    def advance(self, now: float | None) -> None:
        """Let everything happen that is due by a time; earlier than the last one, or None, is the last one."""
        if now is not None and now > self.now:
            self.now = now
        if self._is_closed or self._condition is JournalCondition.LOST:
            return
        while self._writing and not self._disk.is_full and self._writing[0].durable <= self.now:
            one = self._writing.popleft()
            self._disk.take(one.entries)
            self._written.append(one)
        known = max((one.sequence for one in self._written if one.known <= self.now), default=0)
        while self._written and self._written[0].sequence <= known:
            self._written.popleft()
        if self._disk.is_full:
            self._become(JournalCondition.FAILING, "simulated disk: full [DUR-13]")
        if known:
            self._acknowledged = known
            if self._on_acknowledged is not None:
                self._on_acknowledged(known)
        if not self._disk.is_full:
            self._become(JournalCondition.WRITING, "")
        self._told_due = float("inf")
        self._tell_due()

    def status(self) -> JournalStatus:
        """How it fares now."""
        waiting = [*self._written, *self._writing]
        age = self.now - waiting[0].at if waiting else 0.0
        return JournalStatus(self._condition, self._reason, len(waiting), sum(one.octets for one in waiting), age)

    def close(self) -> None:
        """Let everything become durable that can, and end."""
        if not self._is_closed and self._condition is not JournalCondition.LOST:
            self.advance(max((one.known for one in [*self._written, *self._writing]), default=self.now))
        self._is_closed = True

    def lose(self, reason: str) -> None:
        """Report that acknowledged records are gone (DUR-14)."""
        self._become(JournalCondition.LOST, reason)

    def fence(self) -> None:
        """Another owner has the disk: nothing more of this one gets to it (DUR-16)."""
        self._writing.clear()
        if not self._is_closed:
            self._become(JournalCondition.LOST, "another owner has taken the simulated disk over [DUR-16]")

    def abandon(self) -> deque[_Waiting]:
        """End with the process; what was not durable by the last `advance`."""
        self._is_closed = True
        return self._writing

    def _become(self, condition: JournalCondition, reason: str) -> None:
        if condition is not self._condition:
            self._condition, self._reason = condition, reason
            if self._on_status is not None:
                self._on_status(self.status())

    def _tell_due(self) -> None:
        due = self.due
        if due is not None and due < self._told_due and self._on_due is not None:
            self._told_due = due
            self._on_due(due)
