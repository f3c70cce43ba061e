"""Speed dial: what a short code stands for, each subscriber's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slee import Condition, Profile, ProfileVerificationError, attribute, query, where


class SpeedDial(Profile, vendor="slee", version="1.0", events=True):
    """One entry; the profile's name is `ADDRESS-OF-RECORD/CODE`."""

    owner: Annotated[str, Field(max_length=255)] = attribute("", indexed=True)
    """The address-of-record whose entry it is; what the name begins with."""
    target: Annotated[str, Field(max_length=255)] = ""
    """A number, or an address-of-record."""
    label: Annotated[str, Field(max_length=128)] = ""

    def profile_verify(self) -> None:
        """The name is owner and code, and the target is another than the code (APP-16)."""
        if self.profile_name is None:
            return
        owner, slash, code = self.profile_name.rpartition("/")
        if not slash or not owner or not code or owner != self.owner:
            raise ProfileVerificationError(f"{self.profile_name} is not owner/code with owner {self.owner!r}")
        if not self.target or self.target == code:
            raise ProfileVerificationError(f"target {self.target!r} is empty, or the code itself")

    @query(read_only=True)
    def of_owner(self, owner: str) -> Condition:
        """The entries of a subscriber."""
        return where(self.owner).equals(owner)
