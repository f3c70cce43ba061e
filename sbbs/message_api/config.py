"""What operators set of the message API, and what they see of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from resource_adaptors.sip.api import SipUri, parse_uri
from slee import UsageParameters, counter, sample


class MessageApiConfiguration(BaseModel):
    """What an operator sets in `[config.MessageApi]`; times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    senders: Annotated[tuple[str, ...], Field(min_length=1)] = ("sip:messages@localhost",)
    """URIs that messages may come from; the first is taken where the client names none."""
    wait: Annotated[float, Field(ge=0, le=25)] = 5.0
    """How long an HTTP request waits for the outcome before it is answered 202; 0 never waits."""
    keep: Annotated[float, Field(ge=60)] = 86_400.0
    """How long the status of a message can be asked for."""
    relay: bool = False
    """Whether recipients may be at domains that are not ours; 403 otherwise."""
    webhook: str = ""
    """Target of `[http.webhooks.targets]` that is told every outcome; none if empty."""

    @field_validator("senders")
    @classmethod
    def _are_uris(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for uri in value:
            if not isinstance(parse_uri(uri), SipUri):
                raise ValueError(f"senders: {uri!r} is no sip URI")
        return value


class MessageApiUsage(UsageParameters):
    """What the message API counts."""

    sent = counter("Messages sent for clients")
    refused = counter("Requests of clients refused with 4xx")
    delivered = counter("Messages answered 200")
    stored = counter("Messages answered 202")
    failed = counter("Messages refused, unanswered, or without a way to the recipient")
    unknown = counter("Messages whose outcome was lost with a process")
    delay = sample("Time from the order to the outcome, in milliseconds")
