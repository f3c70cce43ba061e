"""IP access lists: networks whose requests are taken without a digest, or not at all."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import Field

from slee import Condition, Profile, ProfileVerificationError, attribute, query, where


class TrustedAddress(Profile, vendor="slee", version="1.0", events=True, read_only=True):
    """One network; the profile's name is the network in CIDR form, such as `192.0.2.0/24`, or one address."""

    group: Annotated[str, Field(max_length=64)] = attribute("", indexed=True)
    transport: Literal["any", "udp", "tcp", "tls", "ws", "wss"] = "any"
    from_pattern: Annotated[str, Field(max_length=255)] = ""
    """Regular expression that the From URI matches; any URI if empty."""
    trust: Literal["trusted", "untrusted", "refused"] = "trusted"
    tag: Annotated[str, Field(max_length=64)] = ""

    def profile_verify(self) -> None:
        """The name is a network, and the pattern can be compiled (APP-20)."""
        if self.profile_name is not None:
            try:
                network = ipaddress.ip_network(self.profile_name)
            except ValueError as error:
                raise ProfileVerificationError(f"the name is no network: {error}") from error
            if self.profile_name not in (str(network), str(network.network_address)):
                raise ProfileVerificationError(f"the name is not in its usual form; name the profile {network}")
        try:
            re.compile(self.from_pattern)
        except re.error as error:
            raise ProfileVerificationError(f"from_pattern is no regular expression: {error}") from error

    @query(read_only=True)
    def of_group(self, group: str) -> Condition:
        """The networks of a group."""
        return where(self.group).equals(group)
