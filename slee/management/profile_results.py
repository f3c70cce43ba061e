"""Results of the operations on profiles: nothing of a secret attribute is ever in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slee.management.identities import SpecificationRef
from slee.management.provisioning.rejects import Reject

if TYPE_CHECKING:
    from slee.facilities.profiles.table import Table


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """One attribute of a profile table."""

    name: str
    type: str
    indexed: bool
    unique: bool
    secret: bool


@dataclass(frozen=True, slots=True)
class ProfileTableInfo:
    """One profile table."""

    name: str
    specification: SpecificationRef
    profiles: int
    """How many there are, the default profile not counted."""
    read_only: bool
    """Whether components may not change it."""
    attributes: tuple[AttributeInfo, ...]

    @classmethod
    def of(cls, table: Table) -> ProfileTableInfo:
        """What a table is."""
        descriptor = table.descriptor
        attributes = tuple(
            AttributeInfo(a.name, str(a.kind), a.indexed, a.unique, a.secret) for a in descriptor.attributes
        )
        return cls(table.name, descriptor.id, len(table.resident.rows), descriptor.read_only, attributes)


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """One profile."""

    table: str
    profile: str | None
    """`None` for the default profile."""
    values: Mapping[str, Any]
    """By attribute; secret ones are left out."""


@dataclass(frozen=True, slots=True)
class ReloadInfo:
    """What reading a table anew has changed."""

    table: str
    changed: int
    """Profiles added, changed or removed."""


@dataclass(frozen=True, slots=True)
class ImportInfo:
    """What an import has done, or would do."""

    table: str
    dry_run: bool
    read: int
    """Records of the file."""
    added: int
    changed: int
    unchanged: int
    rejects: tuple[Reject, ...]
    header: str
    """What a file of the rejected records begins with."""


__all__ = ["AttributeInfo", "ImportInfo", "ProfileInfo", "ProfileTableInfo", "ReloadInfo"]
