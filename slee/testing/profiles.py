"""Profile tables in a harness: a table is there as soon as an SBB that uses it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slee.facilities.profiles.tables import ProfileTables
from slee.model.profile import describe_profile

if TYPE_CHECKING:
    from slee.api.profile import Profile
    from slee.api.profile_table import Profiles


class HarnessProfiles(ProfileTables):
    """The profile tables of a harness."""

    def provide(self, specification: type[Profile], name: str | None = None) -> None:
        """Install a specification and make a table of it, named like it unless told; what is there already stays."""
        identity = specification.specification_id
        if identity not in self.specifications:
            self.add_specification(describe_profile(specification))
        if (name or identity.name) not in self.by_name:
            self.create_table(name or identity.name, identity)

    def bind(self, declared: Mapping[str, Profiles[Any]]) -> dict[str, object]:
        """What the declarations of an SBB stand for in its instances."""
        for declaration in declared.values():
            self.provide(declaration.specification, declaration.table)
        return {attribute: self.view(declaration.table) for attribute, declaration in declared.items()}


__all__ = ["HarnessProfiles"]
