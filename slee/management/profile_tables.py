"""The profile specifications and tables that bundles bring (DU-24, DU-26, DU-29)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from slee.api.errors import DeploymentError, ProfileVerificationError
from slee.api.ids import BundleID, ComponentID, ProfileSpecificationID
from slee.api.profile import Profile
from slee.management.profiles import Profiles
from slee.model.profile import describe_profile

if TYPE_CHECKING:
    from slee.facilities.profiles.tables import ProfileTables
    from slee.management.bundle import LoadedBundle


class BundleTables:
    """Takes the profile specifications of bundles in, and out again."""

    def __init__(self, tables: ProfileTables) -> None:
        self._tables = tables
        self._made: dict[tuple[BundleID, str], None] = {}
        """Tables that installations of this process have made."""

    def take_in(self, loaded: LoadedBundle) -> None:
        """Install a bundle's specifications, load their tables, and make those of its manifest that are not there yet.

        Raises:
            CreateError: a callback of a default profile raised; nothing of the bundle is left.
            DeploymentError: profiles of a seed do not fit; likewise.
        """
        # Without a pause in between, so that a journal has a table and its seed in one record; a database without a
        # journal is told of both at once, when the whole ends.
        whole = self._tables.whole()
        try:
            for specification in specifications(component.definition for component in loaded.components):
                self._tables.add_specification(describe_profile(specification))
                self._tables.load_stored(specification.specification_id)
            for name, identity in loaded.tables:
                if name not in self._tables.by_name and name not in self._tables.dormant:
                    self._tables.create_table(name, identity)
                    self._made[loaded.manifest.id, name] = None
                    if name in loaded.seeds:
                        self._sow(name, *loaded.seeds[name])
        except BaseException:
            self.undo(loaded)
            raise
        finally:
            whole.end()

    def _sow(self, table: str, seed: str, octets: bytes) -> None:
        """Fill a new table with the profiles that its bundle gives it."""
        form = seed.rpartition(".")[2]
        try:
            Profiles(self._tables).import_(table, form, source=seed).run([octets])
        except ProfileVerificationError as error:
            raise DeploymentError(str(error)) from error

    def undo(self, loaded: LoadedBundle) -> None:
        """Take back what `take_in` did, for an installation that failed later (DU-17)."""
        for name, _ in loaded.tables:
            if (loaded.manifest.id, name) in self._made:
                del self._made[loaded.manifest.id, name]
                self._tables.remove_table(name)
        self.take_out(component.descriptor.id for component in loaded.components)

    def take_out(self, components: Iterable[ComponentID]) -> None:
        """Uninstall the specifications among a bundle's components; none of them has a table."""
        for identity in self._own(components):
            self._tables.remove_specification(identity)

    def needs(self, components: Iterable[ComponentID]) -> Iterator[str]:
        """The tables that keep a bundle installed (DU-29)."""
        for identity in self._own(components):
            for name in self._tables.tables(identity):
                yield f"{name}: is a profile table of {identity} [DU-29]; remove it first"

    def _own(self, components: Iterable[ComponentID]) -> list[ProfileSpecificationID]:
        known = self._tables.specifications
        return [c for c in components if isinstance(c, ProfileSpecificationID) and c in known]


def specifications(definitions: Iterable[object]) -> Iterator[type[Profile]]:
    """The profile specifications among what defines components."""
    for definition in definitions:
        if isinstance(definition, type) and issubclass(definition, Profile):
            yield definition


__all__ = ["BundleTables", "specifications"]
