"""Calls that are charged, driven over HTTP: what was answered 200 has to be charged, whatever happens next."""

from __future__ import annotations

from resource_adaptors.diameter.api import (
    DIAMETER,
    CreditControlSession,
    CreditDenied,
    CreditGranted,
    FailureHandled,
    FailureHandling,
    Service,
    Subscription,
    SubscriptionKind,
    Units,
)
from resource_adaptors.http.api import HTTP, GetRequest, PostRequest
from slee import ActivityContext, ActivityEnd, Cmp, Sbb, cmp, handles, initial_event, resource


def call(event: PostRequest | GetRequest) -> str:
    """One entity for each call."""
    return event.request.fields["call"]


class Charged(Sbb, vendor="test", version="1.0"):
    """POST begins a call, reports seconds, or ends it; GET says how it is."""

    diameter = resource(DIAMETER)
    http = resource(HTTP)
    session: Cmp[ActivityContext | None] = cmp(None)
    state: Cmp[str] = cmp("asked")

    @initial_event(
        selector=call, option="POST /calls/{call}, POST /calls/{call}/seconds/{count}, POST /calls/{call}/end/{count}"
    )
    def on_order(self, event: PostRequest, aci: ActivityContext) -> None:
        fields = event.request.fields
        if "count" in fields:
            self._charge(int(fields["count"]), aci, is_last="/end/" in event.request.path)
            return
        caller = (Subscription(SubscriptionKind.E164, "43123"),)
        asked = (Service(rating_group=100, requested=Units(time=30)),)
        made = self.diameter.open_session(caller, asked, realm="fd.test", failure_handling=FailureHandling.CONTINUE)
        made.attach(self)
        self.session = made
        self.http.respond(aci, 200)

    @initial_event(selector=call, option="GET /calls/{call}")
    def on_question(self, event: GetRequest, aci: ActivityContext) -> None:
        self.http.respond(aci, 200, body=self.state)

    def _charge(self, seconds: int, aci: ActivityContext, *, is_last: bool) -> None:
        if self.session is None:
            self.http.respond(aci, 409)
            return
        used = (Service(rating_group=100, used=(Units(time=seconds),)),)
        if is_last:
            self.diameter.close(self.session, used)
        else:
            self.diameter.report(self.session, used)
        self.http.respond(aci, 200)

    @handles
    def on_granted(self, event: CreditGranted, aci: ActivityContext) -> None:
        self.state = "granted"

    @handles
    def on_denied(self, event: CreditDenied, aci: ActivityContext) -> None:
        self.state = "denied"

    @handles
    def on_failure(self, event: FailureHandled, aci: ActivityContext) -> None:
        self.state = "uncharged"

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        if isinstance(aci.activity, CreditControlSession):
            self.session = None
