"""One profile table in one kernel: its rows, and what its profiles reach the SLEE through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from slee.api.errors import NoSuchObjectError
from slee.facilities.profiles.rows import ResidentRows

if TYPE_CHECKING:
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.usage import UsageParameters
    from slee.kernel.context import Context
    from slee.kernel.kernel import Kernel
    from slee.model.profile import ProfileDescriptor, Row


class TableFacilities(Protocol):
    """What the profiles of one table trace, raise alarms and count with."""

    @property
    def tracer(self) -> Tracer:
        """Root tracer of the table."""
        ...

    @property
    def alarms(self) -> AlarmFacility:
        """Alarms of the table."""
        ...

    def usage(self, parameters: type[UsageParameters]) -> UsageParameters:
        """Default usage set of the table."""
        ...


class Table:
    """A profile table."""

    __slots__ = (
        "activates",
        "context",
        "descriptor",
        "enters",
        "facilities",
        "has_looked",
        "kernel",
        "loads",
        "name",
        "passivates",
        "refer",
        "removed",
        "removes",
        "require_room",
        "resident",
        "stores",
        "verifies",
    )

    def __init__(
        self,
        kernel: Kernel,
        name: str,
        descriptor: ProfileDescriptor,
        refer: Callable[[Table, str, bool], Any],
        facilities: TableFacilities,
        require_room: Callable[[str], None],
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.descriptor = descriptor
        self.refer = refer
        """Makes a reference to one of the table's profiles; the last argument locks it against writes."""
        self.facilities = facilities
        self.require_room = require_room
        """Raises, given the table's name, while nothing may be added to what waits for the database (DUR-13)."""
        self.resident = ResidentRows(descriptor)
        self.removed = False
        self.context: Context | None = None
        """Of the table's activity, which starts with the first event while the SLEE runs."""
        self.has_looked = False
        """Whether an activity from before a restart has been looked for."""
        defined = descriptor.callbacks
        self.activates = "profile_activate" in defined
        self.loads = "profile_load" in defined
        self.stores = "profile_store" in defined
        self.passivates = "profile_passivate" in defined
        self.removes = "profile_remove" in defined
        self.verifies = "profile_verify" in defined
        self.enters = self.activates or self.loads or self.stores or self.passivates
        """Whether the first touch of a profile makes an instance."""

    def __str__(self) -> str:
        return self.name

    def usage(self) -> UsageParameters:
        """The default usage set of a table whose specification declares usage parameters (USG-4)."""
        assert self.descriptor.usage is not None, "the specification declares what the table counts"
        return self.facilities.usage(self.descriptor.usage)

    def row(self, name: str | None) -> Row:
        """A profile's values, as the active transaction sees them.

        Raises:
            NoSuchObjectError: the profile or its table has been removed (PRF-28).
        """
        row = self.resident.get(name)
        if row is None or self.removed:
            what = "the table" if self.removed else "the profile"
            raise NoSuchObjectError(f"{self.name}/{name}: {what} has been removed [PRF-28]; find it anew")
        return row


__all__ = ["Table", "TableFacilities"]
