"""Records that adaptors keep beside their activities, in memory and in the journal (RA-9, DUR-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from slee.kernel.journal import Entry
from slee.kernel.keys import pack
from slee.spi.kept import KeptRecords

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel


class _Record:
    """One record; without octets it is gone."""

    __slots__ = ("entity", "journal_key", "key", "octets")

    def __init__(self, entity: str, key: str) -> None:
        self.entity = entity
        self.key = key
        self.octets: bytes | None = None
        self.journal_key: bytes | None = None
        """Under which the journal has it; `None` if it has not."""


class EntityRecords(KeptRecords):
    """The records of one RA entity."""

    __slots__ = ("_kernel", "_name", "_records")

    def __init__(self, kernel: Kernel, name: str) -> None:
        self._kernel = kernel
        self._name = name
        self._records: dict[str, _Record] = {}

    def get(self, key: str) -> bytes | None:
        record = self._records.get(key)
        return None if record is None else record.octets

    def items(self) -> tuple[tuple[str, bytes], ...]:
        return tuple((key, record.octets) for key, record in self._records.items() if record.octets is not None)

    def put(self, key: str, record: bytes) -> None:
        if type(record) is not bytes:
            raise TypeError(f"{self._name}: record {key!r} is {record!r} [DUR-2]; give bytes")
        self._change(key, record)

    def remove(self, key: str) -> None:
        if key in self._records:
            self._change(key, None)

    def _change(self, key: str, octets: bytes | None) -> None:
        tx = self._kernel.transaction
        if tx is not None:
            tx.undo.append((self._replace, (key, self.get(key))))
        self._replace(key, octets)

    def _replace(self, key: str, octets: bytes | None) -> None:
        record = self._records.get(key)
        if record is None:
            record = _Record(self._name, key)
        record.octets = octets
        if octets is None:
            self._records.pop(key, None)
        else:
            self._records[key] = record
        if self._kernel.journalling is not None:
            self._kernel.dirty[record] = None

    def recover(self, key: str, octets: bytes, journal_key: bytes) -> None:
        """Take a record that the journal held."""
        self._records[key] = record = _Record(self._name, key)
        record.octets, record.journal_key = octets, journal_key

    def clear(self) -> None:
        """Forget all: the entity is removed."""
        for key in tuple(self._records):
            self._replace(key, None)


def _entry(record: _Record) -> Entry | None:
    """The newest state of a record, for the journal."""
    key = record.journal_key
    if record.octets is None:
        record.journal_key = None
        return None if key is None else Entry(key, None)
    if key is None:
        record.journal_key = key = b"K" + pack([record.entity, record.key])
    return Entry(key, pack([1, record.octets]))


class Kept:
    """The records of every RA entity; a participant of the journal (slee.kernel.journalling.Participant)."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._entities: dict[str, EntityRecords] = {}

    def of(self, name: str) -> EntityRecords:
        """The records of one entity."""
        found = self._entities.get(name)
        if found is None:
            found = self._entities[name] = EntityRecords(self._kernel, name)
        return found

    def remove(self, name: str) -> None:
        """An entity is removed, and its records with it."""
        found = self._entities.pop(name, None)
        if found is not None:
            found.clear()

    @property
    def kind(self) -> bytes:
        """Records are kept under keys that begin with K."""
        return b"K"

    @property
    def encoders(self) -> Mapping[type, Callable[[Any], Entry | None]]:
        """Each record is an entry."""
        return {_Record: _entry}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what the journal held."""
        for journal_key, octets in entries.items():
            name, key = msgspec.msgpack.decode(journal_key[1:])
            _, record = msgspec.msgpack.decode(octets)
            self.of(name).recover(key, record, journal_key)


__all__ = ["EntityRecords", "Kept"]
