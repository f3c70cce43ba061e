"""Greets whoever is heard, and notes the place."""

from __future__ import annotations

from profiles.places.places import PLACES, Place
from pydantic import BaseModel, ConfigDict
from sbbs.greeter import words

from slee import (
    ActivityContext,
    Cmp,
    Sbb,
    Select,
    UsageParameters,
    cmp,
    configuration,
    counter,
    initial_event,
    resource,
    usage_parameters,
    volatile,
)
from tests.deploy.echo import ECHO, Heard


class GreeterConfiguration(BaseModel):
    """What an operator sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ending: str
    repeat: int = 1


class GreeterUsage(UsageParameters):
    """What is counted."""

    greeted = counter("Greetings said")


class Greeter(Sbb, vendor="test", version="1.0"):
    """One entity per activity."""

    echo = resource(ECHO)
    config = configuration(GreeterConfiguration)
    usage = usage_parameters(GreeterUsage)
    places = volatile(PLACES)
    times: Cmp[int] = cmp(0)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: ActivityContext) -> None:
        self.times += 1
        self.places.put(event.who, (Place(event.words),))
        self.usage.greeted.increment()
        self.echo.say(f"{words.ANSWER} {event.who}{self.config.ending * self.config.repeat}")
