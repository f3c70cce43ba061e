"""Events about profiles in the journal, with the rows of their snapshots: none dies with the process (DUR-2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from slee.api.errors import UnrecognizedProfileSpecificationError
from slee.api.ids import ProfileSpecificationID, parse_id
from slee.api.profile_event import ProfileAdded, ProfileID, ProfileRemoved, ProfileUpdated
from slee.facilities.profiles.news import news_of
from slee.facilities.profiles.snapshot import Snapshot
from slee.model.codec import Carrier, Codec

if TYPE_CHECKING:
    from slee.api.profile import Profile
    from slee.facilities.profiles.table import Table
    from slee.model.codec import References
    from slee.model.profile import ProfileDescriptor

FindTable = Callable[[str, ProfileSpecificationID], "Table"]


def news_carriers(find: FindTable) -> dict[type, Carrier]:
    """The carriers of the three events.

    Args:
        find: gives the table of a snapshot by its name and specification, be it one that has been removed;
            raises `UnrecognizedProfileSpecificationError` if the specification is not installed.
    """
    return {cls: _carrier(cls, find) for cls in (ProfileAdded, ProfileUpdated, ProfileRemoved)}


def _carrier(cls: type, find: FindTable) -> Carrier:
    def plain(event: Any, references: References) -> object:
        identity: ProfileID = event.profile
        snapshots = [_snapshot(event, field) for field in _snapshot_fields(cls)]
        descriptor = snapshots[0].descriptor
        carriers = _row_carriers(descriptor)
        rows = [
            [carrier.plain(value, references) for carrier, value in zip(carriers, snapshot.row, strict=True)]
            for snapshot in snapshots
        ]
        return [identity.table, identity.profile, str(descriptor.id), descriptor.schema_hash, rows]

    def value(parts: Any, references: References) -> object:
        name, profile, specification, schema_hash, rows = parts
        try:
            table = find(name, parse_id(specification, ProfileSpecificationID))
        except UnrecognizedProfileSpecificationError:
            return None
        if table.descriptor.schema_hash != schema_hash:
            return None
        carriers = _row_carriers(table.descriptor)
        made = [
            tuple(carrier.value(part, references) for carrier, part in zip(carriers, row, strict=True)) for row in rows
        ]
        return news_of(table, cls, ProfileID(name, profile), made)

    return Carrier(cls.__name__, plain, value)


def _snapshot_fields(cls: type) -> tuple[str, ...]:
    return tuple(name for name in cls.__annotations__ if name not in ("profile", "address"))


def _snapshot(event: object, field: str) -> Snapshot:
    return cast("Snapshot", cast("Profile", getattr(event, field))._slee)


def _row_carriers(descriptor: ProfileDescriptor) -> list[Carrier]:
    codec = Codec()
    return [codec.carrier(attribute.annotation) for attribute in descriptor.attributes]


__all__ = ["FindTable", "news_carriers"]
