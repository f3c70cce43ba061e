"""What adaptors keep of their own over stops and crashes, beside their activities (DUR-2).

An activity ends with an orderly stop at the latest. What an adaptor owes to others may not: a web-hook that nobody has
acknowledged, say. Such things are entries of the entity's own, octets by key, changed with the transaction if one is
active.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from slee.kernel.journal import Entry
from slee.kernel.keys import pack
from slee.spi.keeping import Kept

if TYPE_CHECKING:
    from slee.kernel.journalling import Journalling
    from slee.kernel.kernel import Kernel

_KIND = b"K"


class KeptEntry:
    """One entry; what it holds at the flush is recorded."""

    __slots__ = ("journal_key", "key", "owner", "value")

    def __init__(self, owner: str, key: str) -> None:
        self.owner = owner
        self.key = key
        self.value: bytes | None = None
        self.journal_key: bytes | None = None
        """Under which the journal has it; `None` if it has not."""


class KeptStore(Kept):
    """The entries of one resource adaptor entity."""

    __slots__ = ("_entries", "_kernel", "_owner")

    def __init__(self, kernel: Kernel, owner: str) -> None:
        self._kernel = kernel
        self._owner = owner
        self._entries: dict[str, KeptEntry] = {}

    def put(self, key: str, value: bytes) -> None:
        if type(key) is not str or type(value) is not bytes:
            raise TypeError(f"{self._owner}: put({key!r}, {value!r}) [DUR-2]; give a str and bytes")
        self._change(key, value)

    def remove(self, key: str) -> None:
        if key in self._entries:
            self._change(key, None)

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def items(self) -> Iterator[tuple[str, bytes]]:
        for key, entry in tuple(self._entries.items()):
            if entry.value is not None:
                yield key, entry.value

    def _change(self, key: str, value: bytes | None) -> None:
        tx = self._kernel.transaction
        if tx is not None:
            tx.undo.append((self._set, (key, self.get(key))))
        self._set(key, value)

    def _set(self, key: str, value: bytes | None) -> None:
        entry = self._entries.get(key)
        if entry is None:
            if value is None:
                return
            entry = self._entries[key] = KeptEntry(self._owner, key)
        entry.value = value
        if value is None:
            del self._entries[key]
        if self._kernel.journalling is not None:
            self._kernel.dirty[entry] = None

    def recover(self, key: str, journal_key: bytes, value: bytes) -> None:
        """Take an entry that the journal held."""
        entry = self._entries[key] = KeptEntry(self._owner, key)
        entry.value, entry.journal_key = value, journal_key

    def clear(self) -> None:
        """Forget everything: the entity is removed."""
        for key in tuple(self._entries):
            self._set(key, None)


def _entry(kept: KeptEntry) -> Entry | None:
    key = kept.journal_key
    if kept.value is None:
        kept.journal_key = None
        return None if key is None else Entry(key, None)
    if key is None:
        kept.journal_key = key = _KIND + pack([kept.owner, kept.key])
    return Entry(key, kept.value)


class Keeping:
    """The entries of all entities in the journal (slee.kernel.journalling.Participant)."""

    def __init__(self, journalling: Journalling, kernel: Kernel) -> None:
        self._journalling = journalling
        self._kernel = kernel

    @property
    def kind(self) -> bytes:
        """Entries are kept under keys that begin with K."""
        return _KIND

    @property
    def encoders(self) -> Mapping[type, Callable[[Any], Entry | None]]:
        """One entry of the journal for each."""
        return {KeptEntry: _entry}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Give the entities back what they kept; what one kept that is gone is dropped."""
        for key, octets in entries.items():
            owner, name = msgspec.msgpack.decode(key[1:])
            resource = self._kernel.resources.get(owner)
            if resource is None:
                self._journalling.drop_key(key)
            else:
                resource.kept.recover(name, key, octets)


__all__ = ["Keeping", "KeptEntry", "KeptStore"]
