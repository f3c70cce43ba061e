"""What operators set of the wake-up service, and what they see of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from resource_adaptors.sip.api import SipUri, parse_uri
from slee import UsageParameters, counter, sample


class WakeUpConfiguration(BaseModel):
    """What an operator sets in `[config.WakeUps]`; times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sender: str = "sip:wake-up@localhost"
    """URI that the messages come from."""
    zone: str = "UTC"
    """Time zone of orders that name none."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Messages sent at most for one time, until one is accepted."""
    interval: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """From a failed message to the next."""
    keep: Annotated[float, Field(ge=60)] = 86_400.0
    """How long the result of a wake-up that is over can be asked for."""
    webhook: str = ""
    """Target of `[http.webhooks.targets]` that is told every result; none if empty."""

    @field_validator("sender")
    @classmethod
    def _is_uri(cls, value: str) -> str:
        if not isinstance(parse_uri(value), SipUri):
            raise ValueError(f"sender: {value!r} is no sip URI")
        return value


class WakeUpUsage(UsageParameters):
    """What the wake-up service counts."""

    ordered = counter("Wake-ups ordered or changed")
    cancelled = counter("Wake-ups cancelled")
    refused = counter("Requests of clients refused with 4xx")
    sent = counter("Messages sent")
    delivered = counter("Times at which a message was accepted")
    undelivered = counter("Times at which no message was accepted")
    lateness = sample("From the time ordered to the first message, in milliseconds")
