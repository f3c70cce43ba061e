"""The outbox of web-hooks: what is to be delivered and what was given up, kept over stops and crashes (HTTP-30, 31)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.http.protocol.webhooks import Record
from slee.spi.letters import Letter

if TYPE_CHECKING:
    from slee.spi import KeptRecords

_PENDING: Final = "webhook/"
_DEAD: Final = "dead-webhook/"


class Letters:
    """Records by id."""

    def __init__(self, kept: KeptRecords) -> None:
        self._kept = kept
        self.pending: dict[str, Record] = {}
        """What is to be delivered, oldest first."""
        self.dead: dict[str, Record] = {}
        """What was given up, for an operator to retry or drop, oldest first."""

    def restore(self) -> list[Record]:
        """Take up what was kept; the records to be delivered, in the order of their creation."""
        waiting: list[Record] = []
        dead: list[Record] = []
        for key, octets in self._kept.items():
            if key.startswith(_PENDING):
                waiting.append(msgspec.msgpack.decode(octets, type=Record))
            elif key.startswith(_DEAD):
                dead.append(msgspec.msgpack.decode(octets, type=Record))
        self.dead = {record.id: record for record in sorted(dead, key=_age)}
        return sorted(waiting, key=_age)

    def keep(self, record: Record) -> None:
        """Keep a record as it is now; in a transaction, if that commits."""
        self._kept.put(f"{_PENDING}{record.id}", msgspec.msgpack.encode(record))

    def delivered(self, record: Record) -> None:
        """Forget a record that was acknowledged."""
        self.pending.pop(record.id, None)
        self._kept.remove(f"{_PENDING}{record.id}")

    def bury(self, record: Record) -> None:
        """Keep a record as a dead letter."""
        self.delivered(record)
        self.dead[record.id] = record
        self._kept.put(f"{_DEAD}{record.id}", msgspec.msgpack.encode(record))

    def listed(self) -> list[Letter]:
        """The dead letters as operators see them."""
        return [
            Letter(
                record.id,
                record.target,
                record.created,
                record.attempts,
                f"status {record.status}" if record.status else "no answer",
                len(record.body),
            )
            for record in self.dead.values()
        ]

    def unearth(self, identity: str) -> Record:
        """Take a dead letter out; `KeyError` if there is none of that id."""
        record = self.dead.pop(identity)
        self._kept.remove(f"{_DEAD}{identity}")
        return record


def _age(record: Record) -> tuple[float, int, str]:
    """Records of one moment in the order of their handles' numbers."""
    number = record.id.rpartition("-")[2]
    return record.created, int(number) if number.isdecimal() else 0, record.id
