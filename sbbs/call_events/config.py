"""What operators set of the call events, and what they see of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from slee import UsageParameters, counter

Kind = Literal["offered", "ringing", "answered", "failed", "ended"]


class CallEventsConfiguration(BaseModel):
    """What an operator sets in `[config.CallEvents]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook: Annotated[str, Field(min_length=1)] = "call-events"
    """Target of `[http.webhooks.targets]` that is told."""
    kinds: frozenset[Kind] = frozenset(("offered", "answered", "failed", "ended"))
    """What is told."""


class CallEventsUsage(UsageParameters):
    """What the call events count."""

    offered = counter("Calls offered")
    answered = counter("Calls answered")
    failed = counter("Calls that ended unanswered")
    ended = counter("Answered calls that ended")
    told = counter("Web-hooks handed over")
    untold = counter("Events without a target to tell")
