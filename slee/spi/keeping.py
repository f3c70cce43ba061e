"""What an adaptor keeps of its own over stops and crashes (DUR-2)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator


class Kept:
    """Octets by key, of one resource adaptor entity: `context.kept.put("letter/7", octets)`.

    For what outlives every activity, such as letters that nobody has acknowledged yet. A change within a transaction
    is undone if that rolls back, and is in the record that has the transaction; one outside is in the next record.
    Without a journal it lasts as long as the entity.
    """

    __slots__ = ()

    @abstractmethod
    def put(self, key: str, value: bytes) -> None:
        """Keep octets under a key, in the place of those that were there."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Forget a key; without effect if there is none."""

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """What is kept under a key; `None` if there is nothing."""

    @abstractmethod
    def items(self) -> Iterator[tuple[str, bytes]]:
        """Every key with what is kept, in the order in which the keys came; after a restart in any."""


__all__ = ["Kept"]
