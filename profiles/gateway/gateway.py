"""Gateways to other networks, and the number prefixes that lead to them; the longest prefix decides."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field

from slee import Condition, Profile, ProfileVerificationError, attribute, query, where

Digits = Annotated[str, Field(pattern=r"^\+?[0-9*#]*$", max_length=32)]


class GatewayState(enum.Enum):
    """Whether calls go to a gateway."""

    ACTIVE = "active"
    DRAINING = "draining"
    OUT_OF_SERVICE = "out of service"


class Gateway(Profile, vendor="slee", version="1.0", events=True):
    """One gateway; the profile's name is its id."""

    uri: Annotated[str, Field(pattern=r"^(sips?:[^\s]+)?$", max_length=255)] = ""
    group: Annotated[str, Field(max_length=64)] = attribute("", indexed=True)
    transport: Literal["udp", "tcp", "tls", "ws", "wss"] = "udp"
    capacity: Annotated[int | None, Field(ge=0)] = None
    """Most calls at once; no bound without."""
    calls_per_second: Annotated[float | None, Field(gt=0)] = None
    strip: Annotated[int, Field(ge=0, le=32)] = 0
    """Digits taken off the front of the number before `prepend` is put there."""
    prepend: Digits = ""
    headers: Annotated[tuple[tuple[str, str], ...], Field(max_length=20)] = ()
    """Names and values of headers that are added."""
    ping: Annotated[float | None, Field(gt=0)] = None
    """Seconds between probes by OPTIONS; none without."""
    codecs: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    state: GatewayState = GatewayState.ACTIVE

    def profile_verify(self) -> None:
        """A gateway has an address (APP-14)."""
        if self.profile_name is not None and not self.uri:
            raise ProfileVerificationError("uri is empty")

    @query(read_only=True)
    def of_group(self, group: str) -> Condition:
        """The gateways of a group."""
        return where(self.group).equals(group)


class Route(Profile, vendor="slee", version="1.0", events=True):
    """Where numbers of a prefix go; the profile's name is `GROUP/PREFIX`, or the prefix alone."""

    prefix: Digits = attribute("", indexed=True)
    gateways: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """Ids of gateways, in the order in which they are tried."""
    cost: Annotated[float, Field(ge=0)] = 0.0
    priority: Annotated[int, Field(ge=0, le=1_000)] = 0
    bands: frozenset[str] = frozenset()
    """Time bands that the route holds in; always if empty."""
    minimum_length: Annotated[int, Field(ge=0, le=32)] = 0
    maximum_length: Annotated[int, Field(ge=0, le=32)] = 32
    """Digits that a number must have."""

    def profile_verify(self) -> None:
        """A route leads somewhere, and its name ends in its prefix (APP-14)."""
        if self.minimum_length > self.maximum_length:
            raise ProfileVerificationError("minimum_length is above maximum_length")
        if self.profile_name is None:
            return
        if not self.gateways:
            raise ProfileVerificationError("gateways is empty")
        if self.profile_name.rpartition("/")[2] != self.prefix:
            raise ProfileVerificationError(f"prefix {self.prefix!r} is not what the name {self.profile_name} ends in")

    @query(read_only=True)
    def best(self, number: str) -> Condition:
        """The routes of the longest prefix that the number begins with."""
        return where(self.prefix).longest_prefix_of(number)
