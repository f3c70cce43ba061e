"""Requests that are sent until they are answered, whatever happens in between (DIA-33, DIA-39).

The store behind it is a port: where it keeps its entries decides what a crash leaves of them.
"""

from __future__ import annotations

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


class OutboxStore(Protocol):
    """Keeps entries."""

    def load(self) -> Iterable[Entry]:
        """What was kept, oldest first."""
        ...

    def put(self, entry: Entry) -> None:
        """Keep an entry; it is durable when this returns, as far as the store makes it so."""

    def remove(self, key: str) -> None:
        """Forget an entry; without effect if there is none."""

    def close(self) -> None:
        """Let go of what it holds."""


class MemoryStore:
    """Keeps entries in memory: a restart loses them."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def load(self) -> Iterable[Entry]:
        """Nothing, at first."""
        return tuple(self._entries.values())

    def put(self, entry: Entry) -> None:
        """Keep an entry until the process ends."""
        self._entries[entry.key] = entry

    def remove(self, key: str) -> None:
        """Forget an entry."""
        self._entries.pop(key, None)

    def close(self) -> None:
        """There is nothing to let go of."""


class Outbox:
    """Entries in order; of each session only the oldest is under way."""

    __slots__ = ("_entries", "_retry_at", "_store", "_under_way", "retry_after")

    def __init__(self, store: OutboxStore, *, retry_after: float = 10.0) -> None:
        """Take up what the store has kept; an entry that was not answered is sent again after `retry_after` seconds."""
        self._store = store
        self.retry_after = retry_after
        self._entries: dict[str, Entry] = {entry.key: entry for entry in store.load()}
        self._under_way: set[str] = set()
        self._retry_at: dict[str, float] = dict.fromkeys(self._entries, 0.0)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, key: str, message: Message, now: float) -> None:
        """Keep a request, to be sent when its turn comes."""
        entry = Entry(key, message.session_id, now, message.encode())
        self._store.put(entry)
        self._entries[key] = entry
        self._retry_at[key] = now

    def due(self, now: float) -> list[tuple[str, Message]]:
        """Requests to be sent now, with T: they may have been received before."""
        found: list[tuple[str, Message]] = []
        sessions: set[str] = set()
        for key, entry in self._entries.items():
            if entry.session in sessions:
                continue
            sessions.add(entry.session)
            if key not in self._under_way and self._retry_at[key] <= now:
                self._under_way.add(key)
                message = decode(entry.data)
                found.append((key, msgspec.structs.replace(message, flags=message.flags | T)))
        return found

    def answered(self, key: str) -> None:
        """An entry is done with."""
        self._entries.pop(key, None)
        self._retry_at.pop(key, None)
        self._under_way.discard(key)
        self._store.remove(key)

    def failed(self, key: str, now: float) -> None:
        """An entry was not answered: it is sent again later."""
        self._under_way.discard(key)
        if key in self._entries:
            self._retry_at[key] = now + self.retry_after

    def hasten(self) -> None:
        """A peer has come up: what waits is due now."""
        for key in self._retry_at:
            self._retry_at[key] = 0.0

    def next_deadline(self) -> float | None:
        """When something is due next, `None` if nothing is or all is under way."""
        return min((at for key, at in self._retry_at.items() if key not in self._under_way), default=None)

    def oldest(self, now: float) -> float:
        """Age of the oldest entry in seconds, 0 if there is none."""
        first = next(iter(self._entries.values()), None)
        return 0.0 if first is None else max(0.0, now - first.since)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
