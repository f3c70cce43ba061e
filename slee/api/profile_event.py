"""Profile ids, and the events that tell of changes to profiles (PRF-4, PRF-40 to PRF-43)."""

from __future__ import annotations

import msgspec

from slee.api.address import Address, AddressPlan
from slee.api.errors import InvalidArgumentError
from slee.api.event import event_type


class ProfileID(msgspec.Struct, frozen=True, order=True):
    """Names one profile: its table, and its name in it (PRF-4)."""

    table: str
    profile: str

    def __post_init__(self) -> None:
        for part in (self.table, self.profile):
            given: object = part
            if not isinstance(given, str):
                raise TypeError(f"a profile id of {self.table!r} and {self.profile!r} [PRF-4]; give two texts")
        if not self.table or "/" in self.table:
            raise InvalidArgumentError(f"table name {self.table!r} [PRF-1]; give a text that is not empty, without /")
        if not self.profile:
            raise InvalidArgumentError(f"a profile of {self.table} without name [PRF-4]; give a text")

    def __str__(self) -> str:
        return f"{self.table}/{self.profile}"

    @classmethod
    def parse(cls, text: str) -> ProfileID:
        """Read the text form: the first `/` separates, so that a profile's name may hold one.

        Raises:
            InvalidArgumentError: a part is empty.
        """
        table, _, profile = text.partition("/")
        return cls(table, profile)

    @property
    def address(self) -> Address:
        """The address that events about this profile are fired with (PRF-41)."""
        return Address(AddressPlan.SLEE_PROFILE, str(self))


@event_type("slee.ProfileAdded", vendor="slee", version="1.0")
class ProfileAdded:
    """A profile has been added; fired on the table's activity."""

    profile: ProfileID
    address: Address
    added: object
    """Read-only snapshot, of the specification's class, of the values committed."""


@event_type("slee.ProfileUpdated", vendor="slee", version="1.0")
class ProfileUpdated:
    """A profile has been changed; fired on the table's activity."""

    profile: ProfileID
    address: Address
    before: object
    """Read-only snapshot of the values before the transaction."""
    after: object
    """Read-only snapshot of the values committed."""


@event_type("slee.ProfileRemoved", vendor="slee", version="1.0")
class ProfileRemoved:
    """A profile has been removed; fired on the table's activity."""

    profile: ProfileID
    address: Address
    removed: object
    """Read-only snapshot of the values last committed."""


__all__ = ["ProfileAdded", "ProfileID", "ProfileRemoved", "ProfileUpdated"]
