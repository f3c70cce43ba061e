"""Mistakes in a service that the types reject before any run."""

from __future__ import annotations

from slee import (
    ActivityContext,
    Cmp,
    EventContext,
    ResourceAdaptorType,
    Sbb,
    SbbLocal,
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


def broken(event: Call) -> float:
    return 1.5


class Leg(Sbb, vendor="example.net", version="1.0"):
    @local
    def hang_up(self) -> None: ...


class Other(Sbb, vendor="example.net", version="1.0"):
    def name(self, event: Call) -> str:
        return str(event.number)


class Declarations(Sbb, vendor="example.net", version="1.0"):
    phone = resource(Phone)  # expect: var-annotated, arg-type | reportUnknownVariableType, reportArgumentType
    legs = child(int)  # expect: type-var | reportUnknownVariableType, reportArgumentType
    twice = child(Leg, default_priority="high")  # expect: arg-type | reportArgumentType


class Handlers(Sbb, vendor="example.net", version="1.0"):
    @initial_event(selector=number)  # expect: arg-type | reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator
    def on_other_event(self, event: Done, aci: ActivityContext) -> None: ...

    @initial_event(selector=Other.name)  # expect: arg-type | reportArgumentType
    def on_method_as_selector(self, event: Call, aci: ActivityContext) -> None: ...

    @initial_event(selector=broken)  # expect: arg-type | reportArgumentType
    def on_wrong_name(self, event: Call, aci: ActivityContext) -> None: ...

    @initial_event("address")  # expect: call-overload, untyped-decorator | reportArgumentType
    def on_text(self, event: Call, aci: ActivityContext) -> None: ...

    @handles  # expect: arg-type | reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator
    async def on_later(self, event: Call, aci: ActivityContext) -> None: ...

    @handles  # expect: arg-type | reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator
    def on_result(self, event: Call, aci: ActivityContext) -> int:
        return 1

    @handles  # expect: arg-type | reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator
    def on_nothing(self, event: Call) -> None: ...

    @handles  # expect: type-var | reportCallIssue, reportArgumentType, reportUntypedFunctionDecorator
    def on_swapped(self, event: Call, context: EventContext) -> None: ...

    @handles
    def on_bare(self, event, aci: ActivityContext) -> None: ...  # expect: no-untyped-def | reportUnknownParameterType, reportMissingParameterType


class Uses(Sbb, vendor="example.net", version="1.0"):
    phone = resource(PHONE)
    done = fires(Done)
    legs = child(Leg)
    leg: Cmp[SbbLocal[Leg] | None] = cmp(None)
    other: Cmp[SbbLocal[Other] | None] = cmp(None)

    @handles
    def on_call(self, event: Call, aci: ActivityContext) -> None:
        self.done(Call(1), aci)  # expect: arg-type | reportArgumentType
        self.done(Done())  # expect: call-arg | reportCallIssue
        self.done(Done(), self)  # expect: arg-type | reportArgumentType
        self.other = self.legs.create()  # expect: assignment | reportAttributeAccessIssue
        self.phone.ring("often")  # expect: arg-type | reportArgumentType
        self.phone.dial()  # expect: attr-defined | reportUnknownMemberType, reportAttributeAccessIssue
        self.timers.set(aci, after="soon")  # expect: arg-type | reportArgumentType
        self.legs.create().priority = "high"  # expect: assignment | reportAttributeAccessIssue
        aci.end()  # expect: attr-defined | reportUnknownMemberType, reportAttributeAccessIssue
        event.number = 2  # expect: misc | reportAttributeAccessIssue
        Call("1")  # expect: arg-type | reportArgumentType
        self.now = 5  # expect: misc | reportAttributeAccessIssue
