"""What an operator sets of the subscriber data service, and sees of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from slee import UsageParameters, counter, sample


class SubscriberDataConfiguration(BaseModel):
    """What an operator sets in `[config.SubscriberData]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    realm: str = Field(min_length=1)
    """Realm of the home subscriber server."""
    host: str = ""
    """Its host, where the realm has several that do not know all subscribers."""
    services: tuple[str, ...] = ()
    """Names of data that may be read and written; all if empty."""
    longest: int = Field(32_768, ge=1, le=131_072)
    """Characters of one service's data; more are refused with 413."""


class SubscriberDataUsage(UsageParameters):
    """What the service counts."""

    read = counter("Requests answered with data of a subscriber")
    written = counter("Data written, or removed")
    refused = counter("Requests refused with 4xx")
    failed = counter("Requests that no server has answered, answered 502, 503 or 504")
    delay = sample("Time from the request to its answer, in milliseconds")
