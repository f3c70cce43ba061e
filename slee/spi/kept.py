"""Records of an adaptor's own, which outlast activities, a stop of the SLEE and the process (RA-9, DUR-2)."""

from __future__ import annotations

from abc import abstractmethod


class KeptRecords:
    """What one resource adaptor entity keeps beside its activities: octets by key.

    A record is there until the adaptor removes it or the entity is removed. In a transaction a change is undone if that
    rolls back; it is durable with the record of the commit or, outside, with the next one. Without a journal records
    last as long as the process. For what belongs to an activity there is `SleeEndpoint.save_activity`.
    """

    __slots__ = ()

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """The record under a key, `None` if there is none."""

    @abstractmethod
    def items(self) -> tuple[tuple[str, bytes], ...]:
        """Every record with its key, the ones kept longest first."""

    @abstractmethod
    def put(self, key: str, record: bytes) -> None:
        """Keep a record, in place of the one under the same key; `TypeError` if it is no `bytes`."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Forget a record; without effect if there is none."""


__all__ = ["KeptRecords"]
