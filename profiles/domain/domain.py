"""Domains: the hosts that this server is responsible for, and how each is served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slee import Collation, Condition, Profile, ProfileVerificationError, attribute, query, where


class Domain(Profile, vendor="slee", version="1.0", events=True, read_only=True):
    """How a domain is served; the profile's name is the host in lower case."""

    realm: Annotated[str, Field(max_length=255)] = ""
    """Realm of challenges; the domain itself without."""
    alias_of: Annotated[str | None, Field(max_length=255)] = attribute(None, indexed=True, collation=Collation.CASELESS)
    """The domain whose subscribers are meant, if this one is another name of it."""
    relay: Literal["none", "authenticated", "any"] = "authenticated"
    """Who may have requests to other domains relayed."""
    expires_min: Annotated[int, Field(ge=1)] = 60
    expires_default: Annotated[int, Field(ge=1)] = 3_600
    expires_max: Annotated[int, Field(ge=1)] = 7_200
    """Bounds of a registration, in seconds."""
    path: Literal["off", "lazy", "strict"] = "lazy"
    gruu: bool = False
    methods: Annotated[frozenset[str], Field(max_length=50)] = frozenset()
    """Methods that are served; all if empty."""
    trust: Literal["trusted", "untrusted"] = "untrusted"
    mode: Literal["stateless", "transaction", "call"] = "transaction"

    def profile_verify(self) -> None:
        """The bounds are in their order, and no domain is an alias of itself (APP-1, APP-17)."""
        if not self.expires_min <= self.expires_default <= self.expires_max:
            raise ProfileVerificationError("expires_min, expires_default and expires_max are not in ascending order")
        if self.alias_of is not None and self.alias_of == self.profile_name:
            raise ProfileVerificationError("alias_of is the domain itself")

    @query(read_only=True)
    def aliases_of(self, domain: str) -> Condition:
        """The other names of a domain."""
        return where(self.alias_of).equals(domain)
