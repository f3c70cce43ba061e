"""The store port: what a shard's journal offers to the kernel (DUR).

A journal is append-only, fenced and compacted by key. One *record* is a sequence of entries, each the newest value of
one key or its removal; a record is recovered whole or not at all. No call waits: a record is acknowledged later, in the
order of the sequence numbers, so that a journal across a network fits behind the same port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

__all__ = ["Entry", "Journal", "JournalCondition", "JournalStatus", "Recovery"]


class Entry(NamedTuple):
    """The newest value of a key; None removes it. The first byte of a key tells its kind."""

    key: bytes
    value: bytes | None


class JournalCondition(Enum):
    """How a journal fares."""

    WRITING = "writing"
    FAILING = "failing"  # nothing is lost: records wait until writing works again (DUR-13)
    LOST = "lost"  # acknowledged records are gone, or another owner has the journal (DUR-14, DUR-16)


class JournalStatus(NamedTuple):
    """A journal's condition, and what it has not acknowledged yet."""

    condition: JournalCondition
    reason: str
    """Why it is not writing, for the operator; empty while it is."""
    records: int
    """Records appended and not acknowledged."""
    octets: int
    """Their size."""
    age: float
    """Seconds since the oldest of them was appended; 0.0 without one."""


class Recovery(NamedTuple):
    """What a journal held when it was opened: a prefix of the records, every acknowledged one among them (DUR-3)."""

    entries: Mapping[bytes, bytes]
    """The live keys; empty after `Journal.release`."""
    sequence: int
    """The number of the last record; 0 in an empty journal."""
    epoch: int
    """Counts the owners; what an earlier one still appends is refused."""
    report: str
    """What was cut off as torn, for the log; empty if nothing was (DUR-5)."""


class Journal(Protocol):
    """The journal of one shard, opened by its one owner."""

    @property
    def recovery(self) -> Recovery:
        """What it held when it was opened."""
        ...

    def release(self) -> None:
        """Let go of `recovery.entries`: their owner has rebuilt its state from them, and keeps it elsewhere now."""
        ...

    @property
    def acknowledged(self) -> int:
        """The highest sequence number that is durable; all below it are."""
        ...

    def append(self, entries: Sequence[Entry]) -> int:
        """Take a record, without waiting; returns its sequence number, the last one's plus 1.

        A failure to write shows in `status`, and the record waits.

        Raises:
            FencedError: another owner has the journal (DUR-16).
        """
        ...

    def hasten(self) -> None:
        """Say that somebody waits for the last record's acknowledgement: it is gathered with fewer others.

        A `sync` transaction's outputs wait so; nobody waits for the records of `async` ones.
        """
        ...

    def status(self) -> JournalStatus:
        """How it fares now."""
        ...

    def close(self) -> None:
        """Write what was appended, if it can be written, and give the journal up."""
        ...
