"""How a specification says that an attribute holds a digest of a password: the password itself is stored nowhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

Algorithm = Literal["SHA-256", "MD5"]

PASSWORD: Final = "password"
"""What a password is given as, beside the attributes of the profile that it belongs to."""


@dataclass(frozen=True, slots=True)
class Ha1:
    """Marks an attribute as HA1 of the profile's password: `Annotated[str | None, Ha1("SHA-256")]` (RFC 7616 3.4.2).

    The profile's name is an address-of-record, whose user part is the user name. Where the profile is given a
    password, the digest is made of it; MD5 only where that is asked for, and else there is none.
    """

    algorithm: Algorithm
    realm: str = "realm"
    """The attribute that holds the realm; the host of the address-of-record where there is none."""

    def digest(self, profile: str, realm: str | None, password: str) -> str:
        """HA1 in lower-case hexadecimal digits; `ValueError` if the profile's name has no user and host."""
        address = profile.partition(":")[2] if profile.startswith(("sip:", "sips:")) else profile
        user, at, host = address.rpartition("@")
        if not at or not user or not host:
            raise ValueError(f"a password needs a profile named user@host, not {profile!r} [APP-12]; give HA1 itself")
        secret = f"{user}:{realm or host}:{password}".encode()
        if self.algorithm == "SHA-256":
            return hashlib.sha256(secret).hexdigest()
        return hashlib.md5(secret, usedforsecurity=False).hexdigest()


__all__ = ["PASSWORD", "Algorithm", "Ha1"]
