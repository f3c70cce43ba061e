"""Requests that are sent until they are answered, whatever happens in between (DIA-33, DIA-39).

The store behind it is a port: where it keeps its entries decides what a crash leaves of them.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from typing import Protocol

import msgspec

from resource_adaptors.diameter.message.message import Message, T, decode


class Entry(msgspec.Struct, frozen=True):
    """One request to be sent."""

    key: str
    """Session-Id and record or request number: entries of one session go in the order of their making."""
    session: str
    since: float
    """When it was made, in seconds since the epoch."""
    data: bytes
    """The message, encoded."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A request that was refused for good: operators may look at it."""

    entry: Entry
    result: int
    """Result-Code of the refusal."""


class OutboxStore(Protocol):
    """Keeps entries."""

    def load(self) -> Iterable[Entry]:
        """What was kept, oldest first."""
        ...

    def put(self, entry: Entry) -> None:
        """Keep an entry; it is durable when this returns, as far as the store makes it so."""

    def renew(self, entry: Entry) -> None:
        """Keep other data of an entry; its place among the others stays."""

    def remove(self, key: str) -> None:
        """Forget an entry; without effect if there is none."""

    def bury(self, letter: DeadLetter) -> None:
        """Keep an entry among the dead letters, and no longer among those to be sent."""

    def dead_letters(self) -> Iterable[DeadLetter]:
        """The entries that were refused for good, oldest first."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""


class MemoryStore:
    """Keeps entries in memory: a restart loses them."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._dead: list[DeadLetter] = []

    def load(self) -> Iterable[Entry]:
        """Nothing, at first."""
        return tuple(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Keep an entry until the process ends."""
        self._entries[entry.key] = entry

    def remove(self, key: str) -> None:
        """Forget an entry."""
        self._entries.pop(key, None)

    def renew(self, entry: Entry) -> None:
        """Keep other data of an entry."""
        self._entries[entry.key] = entry

    def bury(self, letter: DeadLetter) -> None:
        """Keep it until the process ends."""
        self.remove(letter.entry.key)
        self._dead.append(letter)

    def dead_letters(self) -> Iterable[DeadLetter]:
        """Those of this process."""
        return tuple(self._dead)

    def close(self) -> None:
        """There is nothing to let go of."""


class Outbox:
    """Entries in order; of each session only the oldest is under way."""

    __slots__ = ("_due", "_entries", "_sent", "_sessions", "_store", "_waits", "retry_after")

    def __init__(self, store: OutboxStore, *, retry_after: float = 10.0) -> None:
        """Take up what the store has kept; an entry that was not answered is sent again after `retry_after` seconds."""
        self._store = store
        self.retry_after = retry_after
        self._entries: dict[str, Entry] = {}
        self._sessions: dict[str, deque[str]] = {}
        """Keys by session, oldest first."""
        self._due: list[tuple[float, str]] = []
        """Heap of the times at which oldest entries are sent; those that are not in `_waits` are out of date."""
        self._waits: dict[str, float] = {}
        """When the oldest entry of a session is sent, unless it is under way."""
        self._sent: set[str] = set()
        """Entries that may have been received: they are sent with T."""
        for entry in store.load():
            self._sent.add(entry.key)
            self._take(entry, 0.0)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def add(self, key: str, message: Message, now: float, *, was_sent: bool) -> None:
        """Keep a request, to be sent when its turn comes; `was_sent` if that has been tried already.

        One that is there already stays as it is.
        """
        if key in self._entries:
            return
        if was_sent:
            self._sent.add(key)
        entry = Entry(key, message.session_id, now, message.encode())
        self._store.put(entry)
        self._take(entry, now)

    def due(self, now: float) -> list[tuple[str, Message]]:
        """Requests to be sent now; with T if they may have been received before (RFC 6733 9.4)."""
        found: list[tuple[str, Message]] = []
        while self._due and self._due[0][0] <= now:
            at, key = heapq.heappop(self._due)
            if self._waits.get(key) != at:
                continue
            del self._waits[key]
            message = decode(self._entries[key].data)
            if key in self._sent:
                message = msgspec.structs.replace(message, flags=message.flags | T)
            self._sent.add(key)
            found.append((key, message))
        return found

    def answered(self, key: str) -> None:
        """An entry is done with: the next one of its session has its turn."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._store.remove(key)
            self._go_on(entry)

    def bury(self, key: str, result: int) -> None:
        """An entry was refused for good: it is kept as a dead letter, and its session goes on."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._store.bury(DeadLetter(entry, result))
            self._go_on(entry)

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The entries that were refused for good, oldest first."""
        return tuple(self._store.dead_letters())

    def _go_on(self, entry: Entry) -> None:
        self._sent.discard(entry.key)
        self._waits.pop(entry.key, None)
        keys = self._sessions[entry.session]
        keys.remove(entry.key)
        if keys:
            self._wait(keys[0], 0.0)
        else:
            del self._sessions[entry.session]

    def failed(self, key: str, now: float) -> None:
        """An entry was not answered: it is sent again later."""
        if key in self._entries:
            self._wait(key, now + self.retry_after)

    def renew(self, key: str, end_to_end: int) -> None:
        """Give an entry another End-to-End: its server knows the old one, and has no answer for it any more."""
        entry = self._entries.get(key)
        if entry is not None:
            message = msgspec.structs.replace(decode(entry.data), end_to_end=end_to_end)
            self._entries[key] = entry = msgspec.structs.replace(entry, data=message.encode())
            self._store.renew(entry)

    def hasten(self) -> None:
        """A peer has come up: what waits is due now."""
        for key in tuple(self._waits):
            self._wait(key, 0.0)

    def next_deadline(self) -> float | None:
        """When something is due next, `None` if nothing is or all is under way."""
        while self._due and self._waits.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def oldest(self, now: float) -> float:
        """Age of the oldest entry in seconds, 0 if there is none."""
        first = next(iter(self._entries.values()), None)
        return 0.0 if first is None else max(0.0, now - first.since)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def _take(self, entry: Entry, at: float) -> None:
        self._entries[entry.key] = entry
        keys = self._sessions.setdefault(entry.session, deque())
        keys.append(entry.key)
        if len(keys) == 1:
            self._wait(entry.key, at)

    def _wait(self, key: str, at: float) -> None:
        self._waits[key] = at
        heapq.heappush(self._due, (at, key))
