"""The subscribers: who may register and call, under which identities, and the digests of their passwords."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field, StringConstraints

from slee import Condition, Ha1, Profile, ProfileVerificationError, attribute, query, where

Aor = Annotated[str, StringConstraints(pattern=r"^(sips?:)?[^@\s]+@[^@\s]+$", max_length=255)]
"""An address-of-record: user@host, with or without scheme."""


class Status(enum.Enum):
    """Whether a subscriber is served."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Subscriber(Profile, vendor="slee", version="1.0", events=True):
    """What the operator knows of a subscriber; the profile's name is the address-of-record."""

    display_name: Annotated[str, Field(max_length=128)] = ""
    identity: Annotated[str | None, Field(max_length=255)] = attribute(None, unique=True)
    """A second address-of-record, or a number in E.164 form, that is the subscriber's alone."""
    realm: Annotated[str | None, Field(max_length=255)] = None
    """Realm of the digests; the host of the address-of-record without."""
    ha1_sha256: Annotated[str | None, Ha1("SHA-256"), Field(pattern=r"^[0-9a-f]{64}$")] = attribute(None, secret=True)
    ha1_md5: Annotated[str | None, Ha1("MD5"), Field(pattern=r"^[0-9a-f]{32}$")] = attribute(None, secret=True)
    status: Status = Status.ACTIVE
    groups: frozenset[str] = frozenset()
    """Call classes and other groups that access rules name (APP-20)."""
    max_contacts: Annotated[int, Field(ge=1, le=100)] = 10
    acts_for: Annotated[tuple[Aor, ...], Field(max_length=100)] = ()
    """Addresses-of-record that the subscriber may register and call as."""
    default_identity: Annotated[str | None, Field(max_length=255)] = None
    """What callees see; the address-of-record without."""
    language: Annotated[str, Field(pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)?$")] = ""

    def profile_verify(self) -> None:
        """A subscriber is an address-of-record, and shows an identity that is the subscriber's own."""
        name = self.profile_name
        if name is None:
            return
        user, at, host = name.rpartition("@")
        if not at or not user or not host or not name.isprintable():
            raise ProfileVerificationError(f"{name!r} is no address-of-record; name the profile user@host")
        own = (name, self.identity, *self.acts_for)
        if self.default_identity is not None and self.default_identity not in own:
            raise ProfileVerificationError(f"default_identity {self.default_identity} is not the subscriber's own")

    @query(max_matches=1, read_only=True)
    def of_identity(self, identity: str) -> Condition:
        """The subscriber whose second identity it is."""
        return where(self.identity).equals(identity)
