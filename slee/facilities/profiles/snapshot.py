"""Snapshots of profiles, which events carry: read-only, and for the time of the handler (PRF-41)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from slee.api.errors import InvalidStateError, ReadOnlyProfileError
from slee.api.profile import Profile

if TYPE_CHECKING:
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.profile import Attribute
    from slee.facilities.profiles.table import Table
    from slee.model.profile import ProfileDescriptor, Row


class Snapshot:
    """What the instance of a snapshot reads its values from."""

    __slots__ = ("_table", "event", "name", "row", "table")

    def __init__(self, table: Table, name: str, row: Row) -> None:
        self._table = table
        self.row = row
        self.table = table.name
        self.name = name
        self.event: object = None
        """The event that carries it; in deliveries of it the snapshot can be used."""

    @property
    def descriptor(self) -> ProfileDescriptor:
        """Tells what its values are."""
        return self._table.descriptor

    def instance(self) -> Profile:
        """The snapshot as an instance of its specification."""
        made: Profile = Profile.__new__(self._table.descriptor.cls)
        made._slee = self
        return made

    def read(self, attribute: Attribute) -> object:
        """The value of an attribute."""
        tx = self._table.kernel.transaction
        if tx is None or tx.firing is None or tx.firing.event is not self.event:
            raise InvalidStateError(
                f"{self.table}/{self.name}: {attribute} of a snapshot after its handler [PRF-41]; keep the value"
            )
        return self.row[attribute.position]

    def write(self, attribute: Attribute, value: object) -> NoReturn:
        """Refuse it."""
        raise ReadOnlyProfileError(
            f"{self.table}/{self.name}: {attribute} of a snapshot [PRF-41]; write to the profile, found in its table"
        )

    def remove(self) -> NoReturn:
        """Refuse it."""
        raise ReadOnlyProfileError(f"{self.table}/{self.name}: remove of a snapshot [PRF-41]; remove it in its table")

    @property
    def tracer(self) -> Tracer:
        """The table's root tracer."""
        return self._table.facilities.tracer

    @property
    def alarms(self) -> AlarmFacility:
        """The table's alarms."""
        return self._table.facilities.alarms

    def bound(self, name: str) -> object:
        """The table's default usage set."""
        return self._table.usage()

    @property
    def is_rollback_only(self) -> bool:
        """Whether the transaction is marked."""
        return self._table.kernel.transaction_for("is_rollback_only", "PRF-41").marked

    def set_rollback_only(self) -> None:
        """Mark the transaction."""
        self._table.kernel.transaction_for("set_rollback_only", "PRF-41").marked = True


__all__ = ["Snapshot"]
