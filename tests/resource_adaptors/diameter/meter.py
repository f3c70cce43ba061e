"""A service of the tests: it does errands with Diameter, and notes what it is told."""

from __future__ import annotations

from typing import ClassVar

from resource_adaptors.diameter.api import (
    DIAMETER,
    CreditDenied,
    CreditGranted,
    FailureHandled,
    FinalUnitGranted,
    PeerRestarted,
    QuotaExhausted,
    ReauthRequested,
    Service,
    SessionAborted,
    Subscription,
    SubscriptionKind,
    Units,
)
from slee import ActivityContext, ActivityEnd, Cmp, Sbb, cmp, event_type, handles, initial_event, resource
from slee.testing import recording_type

CALLER = (Subscription(SubscriptionKind.E164, "43123456"),)


def used(seconds: int) -> tuple[Service, ...]:
    return (Service(rating_group=100, used=(Units(time=seconds),)),)


ASKED = (Service(rating_group=100, requested=Units(time=30)),)


@event_type("test.Do", vendor="test", version="1.0")
class Do:
    """Has the meter do an errand."""

    errand: object


DESK = recording_type(Do)


class Meter(Sbb, vendor="test", version="1.0"):
    """Does errands of a test with Diameter, and notes what it is told."""

    diameter = resource(DIAMETER)
    desk = resource(DESK)
    session: Cmp[ActivityContext | None] = cmp(None)
    told: ClassVar[list[object]] = []

    @initial_event(selector=lambda event: "meter")
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.errand(self)

    @handles
    def on_granted(self, event: CreditGranted, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_denied(self, event: CreditDenied, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_exhausted(self, event: QuotaExhausted, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_final(self, event: FinalUnitGranted, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_reauth(self, event: ReauthRequested, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_abort(self, event: SessionAborted, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_failure(self, event: FailureHandled, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_restart(self, event: PeerRestarted, aci: ActivityContext) -> None:
        Meter.told.append(event)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        Meter.told.append("end")
