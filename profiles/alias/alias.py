"""Aliases: further addresses-of-record and numbers of a subscriber, or of several."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from slee import Condition, Profile, ProfileVerificationError, attribute, query, where


class Kind(enum.Enum):
    """What an alias is."""

    ALIAS = "alias"
    DID = "did"


class Alias(Profile, vendor="slee", version="1.0", events=True):
    """Whom an address-of-record or a number stands for; the profile's name is the alias."""

    target: Annotated[str, Field(max_length=255)] = attribute("", indexed=True)
    """The address-of-record that it stands for."""
    kind: Kind = Kind.ALIAS
    valid_from: Annotated[float, Field(ge=0)] = 0.0
    """Seconds since the epoch."""
    valid_until: Annotated[float | None, Field(ge=0)] = None
    """Seconds since the epoch; without end if none."""
    permanent: bool = False
    """Whether a redirection by it is answered 301, and its end 410 (APP-17)."""

    def profile_verify(self) -> None:
        """An alias stands for somebody else, and for a time that is not empty."""
        if self.profile_name is None:
            return
        if not self.target or self.target == self.profile_name:
            raise ProfileVerificationError(f"target {self.target!r} is empty, or the alias itself")
        if self.valid_until is not None and self.valid_until <= self.valid_from:
            raise ProfileVerificationError("valid_until is not after valid_from")

    @query(read_only=True)
    def of_target(self, target: str) -> Condition:
        """The aliases of an address-of-record."""
        return where(self.target).equals(target)
