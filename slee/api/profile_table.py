"""Profile tables as SBBs use them, and the declaration that binds one (PRF-21)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from slee.api.declaration import Declaration
from slee.api.errors import ComponentDefinitionError, Issue
from slee.api.profile import Profile

if TYPE_CHECKING:
    from typing import Self

    from slee.api.query import Condition, Query
    from slee.api.sbb import Sbb

P = TypeVar("P", bound=Profile)


class ProfileTable(Generic[P]):
    """A profile table as an SBB uses it; every operation needs a delivery (PRF-21)."""

    __slots__ = ()

    @abstractmethod
    def create(self, name: str) -> P:
        """Make a profile with the default profile's values; `ProfileAlreadyExistsError` if there is one (PRF-5)."""

    @abstractmethod
    def find(self, name: str) -> P | None:
        """The profile of that name, or `None`."""

    @abstractmethod
    def get(self, name: str) -> P:
        """The profile of that name; `UnrecognizedProfileError` if there is none."""

    @abstractmethod
    def find_all(self) -> Collection[P]:
        """Every profile of the table."""

    @abstractmethod
    def find_all_by(self, attribute: str, value: object) -> Collection[P]:
        """The profiles with that value; `ValueError` for an attribute or value that does not fit (PRF-23, PRF-24)."""

    @abstractmethod
    def find_by(self, attribute: str, value: object) -> P | None:
        """Any profile with that value, or `None`."""

    @abstractmethod
    def query(self, query: str | Query, *arguments: object) -> Collection[P]:
        """The profiles that a static query selects (PRF-30)."""

    @abstractmethod
    def select(self, condition: Condition) -> Collection[P]:
        """The profiles that meet a condition made at run time (PRF-32)."""

    @abstractmethod
    def remove(self, name: str) -> bool:
        """Remove a profile; whether it existed."""


class Profiles(Declaration, Generic[P]):
    """Declares the use of a profile table."""

    __slots__ = ("specification", "table")

    def __init__(self, specification: type[P], table: str | None) -> None:
        if not isinstance(specification, type) or not issubclass(specification, Profile):
            raise ComponentDefinitionError(
                [Issue(f"profiles({specification!r})", "PRF-21", "that is no Profile class", "give a subclass of it")]
            )
        self.specification = specification
        self.table = table or specification.specification_id.name
        """Name of the table; by default that of the specification."""

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> ProfileTable[P]: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | ProfileTable[P]:
        if instance is None:
            return self
        return cast("ProfileTable[P]", instance._slee.bound(self.name))


def profiles(specification: type[P], *, table: str | None = None) -> Profiles[P]:
    """Declare the use of a profile table: `subscribers = profiles(Subscriber)`.

    Args:
        specification: what the table holds.
        table: the table's name; by default the specification's.
    """
    return Profiles(specification, table)


__all__ = ["ProfileTable", "Profiles", "profiles"]
