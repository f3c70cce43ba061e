"""Profile tables in a harness: a table is there as soon as an SBB that uses it is installed.

The code of profiles is called through watched functions, as that of SBBs is: instances are of a subclass whose
callbacks are watched, and references call business methods that are. What an instance calls on itself is its own.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from slee.facilities.profiles.tables import ProfileTables
from slee.model.profile import describe_profile

if TYPE_CHECKING:
    from slee.api.profile import Profile
    from slee.api.profile_table import Profiles
    from slee.facilities.facilities import Facilities
    from slee.facilities.profiles.reference import Referrer
    from slee.facilities.profiles.table import Table
    from slee.kernel.kernel import Kernel
    from slee.model.profile import ProfileDescriptor
    from slee.testing.crash import CrashableJournal
    from slee.testing.kernel import Watch


class HarnessProfiles(ProfileTables):
    """The profile tables of a harness; with a journal, a simulated database follows them."""

    def __init__(self, kernel: Kernel, facilities: Facilities, watch: Watch, journal: CrashableJournal | None) -> None:
        super().__init__(kernel, facilities)
        self._watch = watch
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

    def _table(self, name: str, descriptor: ProfileDescriptor, refer: Referrer) -> Table:
        points = {callback: f"callback.{callback}" for callback in descriptor.callbacks}
        return super()._table(name, self._watched(descriptor, points), refer)

    def _referrer(self, descriptor: ProfileDescriptor) -> Referrer:
        points = dict.fromkeys(descriptor.methods, "callback.profile_method")
        return super()._referrer(self._watched(descriptor, points))

    def _watched(self, descriptor: ProfileDescriptor, points: Mapping[str, str]) -> ProfileDescriptor:
        """The specification with methods that come by a point and are in the callback log (TST-6, TST-7)."""
        if not points:
            return descriptor
        cls = descriptor.cls
        namespace: dict[str, object] = {
            name: self._watched_method(name, point, getattr(cls, name)) for name, point in points.items()
        }
        namespace |= {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
        # `twin`: the subclass is no component of its own.
        made = types.new_class(cls.__name__, (cls,), {"twin": True}, lambda body: body.update(namespace))
        return dataclasses.replace(descriptor, cls=made)

    def _watched_method(self, name: str, point: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(profile: Profile, *args: Any, **kwargs: Any) -> Any:
            tx = self._kernel.transaction
            where = f"{profile.profile_table}/{profile.profile_name or '(default)'}"
            self._watch.log.add(where, name, tx, None if tx is None else tx.firing)
            self._watch.faults.reach(point)
            return function(profile, *args, **kwargs)

        return call


__all__ = ["HarnessProfiles"]
