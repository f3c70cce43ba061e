"""The callback log: which code of services and adaptors was called, for what, and how it ended (TST-7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from slee.kernel.firing import Firing
    from slee.kernel.transaction import Transaction

_OPEN: Final = "open"
COMMITTED: Final = "committed"
ROLLED_BACK: Final = "rolled back"
_NONE: Final = "no transaction"


@dataclass(slots=True)
class CallbackEntry:
    """One call of an author's code."""

    number: int
    """From 1, in the order of the calls."""
    transaction: int | None
    """The same number as in `Handed.transaction` and `ResourceAdaptorContext.transaction_id`."""
    event: int | None
    """Number of the event being delivered, from 1, in the order of first delivery."""
    where: str
    """The SBB entity, the service of a selector, or the RA entity."""
    callback: str
    """Name of the method."""
    activity: str
    """The activity of the event; empty without."""
    outcome: str
    """`open`, `committed`, `rolled back`, or `no transaction`."""

    def __str__(self) -> str:
        tx = "-" if self.transaction is None else f"tx{self.transaction}"
        event = "-" if self.event is None else f"event{self.event}"
        return f"{self.number} {tx} {event} {self.where} {self.callback} [{self.activity or '-'}] {self.outcome}"


class CallbackLog:
    """The calls of one harness; of the last 100,000 of them, so that a long run stays within bounds."""

    def __init__(self, limit: int = 100_000) -> None:
        self._entries: deque[CallbackEntry] = deque(maxlen=limit)
        self._open: dict[Transaction, list[CallbackEntry]] = {}
        self._events: WeakKeyDictionary[Firing, int] = WeakKeyDictionary()
        self._calls = 0
        self._seen = 0

    def add(self, where: str, callback: str, tx: Transaction | None, firing: Firing | None) -> None:
        """Note a call, before it is made."""
        self._calls += 1
        entry = CallbackEntry(
            self._calls,
            None if tx is None else tx.id,
            None if firing is None else self._number(firing),
            where,
            callback,
            "" if firing is None else repr(firing.context),
            _NONE if tx is None else _OPEN,
        )
        self._entries.append(entry)
        if tx is not None:
            self._open.setdefault(tx, []).append(entry)

    def end(self, tx: Transaction, outcome: str) -> None:
        """Note how a transaction ended."""
        for entry in self._open.pop(tx, ()):
            entry.outcome = outcome

    def last(self, count: int) -> list[CallbackEntry]:
        """The last calls, oldest first."""
        return list(self._entries)[-count:]

    def names(self) -> list[str]:
        """The names of the callbacks, in order."""
        return [entry.callback for entry in self._entries]

    def _number(self, firing: Firing) -> int:
        number = self._events.get(firing)
        if number is None:
            self._seen += 1
            number = self._events[firing] = self._seen
        return number

    def __iter__(self) -> Iterator[CallbackEntry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        return "\n".join(str(entry) for entry in self._entries)


__all__ = ["COMMITTED", "ROLLED_BACK", "CallbackEntry", "CallbackLog"]
