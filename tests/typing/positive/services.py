"""What a service declares has its type on the class and on the instance."""

from __future__ import annotations

from typing import assert_type

from slee import (
    ActivityContext,
    ChildRelation,
    Cmp,
    EventContext,
    InitialEventSelection,
    ResourceAdaptorType,
    Sbb,
    SbbLocal,
    Select,
    TimerID,
    child,
    cmp,
    event_type,
    fires,
    handles,
    initial_event,
    local,
    resource,
)
from slee.spi import ResourceInterface, command


@event_type("example.Call", vendor="example.net", version="1.0")
class Call:
    number: int


@event_type("example.Done", vendor="example.net", version="1.0")
class Done:
    text: str = ""


class Phone(ResourceInterface):
    @command
    def ring(self, times: int) -> None: ...


PHONE = ResourceAdaptorType("Phone", vendor="example.net", version="1.0", interface=Phone, events=(Call,))


def number(event: Call) -> int:
    return event.number


def judged(event: Call, selection: InitialEventSelection[Call]) -> InitialEventSelection[Call]:
    assert_type(selection.event, Call)
    return selection


class Leg(Sbb, vendor="example.net", version="1.0"):
    @local
    def hang_up(self, reason: str) -> bool:
        return bool(reason)

    @initial_event(Select.ADDRESS, selector=judged)
    def on_call(self, event: Call, aci: ActivityContext, event_context: EventContext) -> None:
        event_context.suspend(timeout=5)


class Service(Sbb, vendor="example.net", version="1.0"):
    phone = resource(PHONE)
    done = fires(Done)
    legs = child(Leg, default_priority=3)
    leg: Cmp[SbbLocal[Leg] | None] = cmp(None)
    timer: Cmp[TimerID | None] = cmp(None)

    @initial_event(Select.ACTIVITY_CONTEXT | Select.ADDRESS, selector=number)
    def on_call(self, event: Call, aci: ActivityContext) -> None:
        assert_type(self.phone, Phone)
        assert_type(self.legs, ChildRelation[Leg])
        assert_type(self.legs.create(), SbbLocal[Leg])
        self.phone.ring(3)
        self.leg = self.legs.create()
        for leg in self.legs:
            assert_type(leg, SbbLocal[Leg])
        self.done(Done("x"), aci)
        self.timer = self.timers.set(aci, after=1)

    @initial_event()
    def on_done(self, event: Done, aci: ActivityContext) -> None:
        aci.attach(self)
        aci.mask_events(self, {Call, Done})

    @handles(mask_on_attach=True, option="any")
    def on_other(self, event: Done, aci: ActivityContext) -> None: ...


assert_type(Call(1).number, int)
