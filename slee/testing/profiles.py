"""Profile tables in a harness: a table is there as soon as an SBB that uses it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slee.facilities.profiles.tables import ProfileTables
from slee.model.profile import describe_profile

if TYPE_CHECKING:
    from slee.api.profile import Profile
    from slee.api.profile_table import Profiles
    from slee.facilities.facilities import Facilities
    from slee.kernel.kernel import Kernel
    from slee.testing.crash import CrashableJournal


class HarnessProfiles(ProfileTables):
    """The profile tables of a harness; with a journal, a simulated database follows them."""

    def __init__(self, kernel: Kernel, facilities: Facilities, journal: CrashableJournal | None) -> None:
        super().__init__(kernel, facilities)
        self._journal = journal
        if journal is not None and journal.disk.has_profiles:
            self.follow_with(journal.open_profiles(), journal.journalling)

    def provide(self, specification: type[Profile], name: str | None = None) -> None:
        """Install a specification and make a table of it, named like it unless told; what is there already stays."""
        identity = specification.specification_id
        if self._journal is not None and self.following.storage is None:
            self.follow_with(self._journal.open_profiles(), self._journal.journalling)
        if identity not in self.specifications:
            self.add_specification(describe_profile(specification))
            self.load_stored(identity)
        if (name or identity.name) not in self.by_name:
            self.create_table(name or identity.name, identity)

    def bind(self, declared: Mapping[str, Profiles[Any]]) -> dict[str, object]:
        """What the declarations of an SBB stand for in its instances."""
        for declaration in declared.values():
            self.provide(declaration.specification, declaration.table)
        return {attribute: self.view(declaration.table) for attribute, declaration in declared.items()}


__all__ = ["HarnessProfiles"]
