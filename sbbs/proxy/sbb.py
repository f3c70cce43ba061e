"""Proxy: route requests to the contacts under which the callee is registered (RFC 3261 16)."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from profiles.location.location import LOCATION
from resource_adaptors.sip import api
from sbbs.proxy.routing import targets_of
from slee import (
    ActivityContext,
    Sbb,
    Select,
    UsageParameters,
    configuration,
    counter,
    handles,
    initial_event,
    resource,
    usage_parameters,
    volatile,
)

DIALOG_FORMING: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})
"""Requests after which we stay on the path of the dialog (RFC 3261 16.6 step 4)."""


class ProxyConfiguration(BaseModel):
    """What an operator sets in `[config.Proxy]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record_route: bool = True
    """Whether to stay on the path of dialogs."""


class ProxyUsage(UsageParameters):
    """What the proxy counts."""

    forwarded = counter("Requests forwarded to at least one contact")
    branches = counter("Branches made")
    unknown = counter("Requests for users without a binding, answered 404")
    unreachable = counter("Requests none of whose contacts could be reached, answered 480")


class Proxy(Sbb, vendor="slee", version="1.0"):
    """Looks the callee up, and forwards the request to every contact at once; the adaptor does the rest."""

    sip = resource(api.SIP)
    location = volatile(LOCATION)
    config = configuration(ProxyConfiguration)
    usage = usage_parameters(ProxyUsage)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: api.Invite, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_options(self, event: api.Options, aci: ActivityContext) -> None:
        uri = event.request.uri
        is_for_domain = isinstance(uri, api.SipUri) and not uri.user and self.sip.is_served(uri)
        if is_for_domain and self.sip.is_waiting(aci):
            self.sip.respond(aci, 200, headers=[("Allow", self.sip.allowed()), ("Accept", "application/sdp")])
        else:
            self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_message(self, event: api.Message, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_subscribe(self, event: api.Subscribe, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_notify(self, event: api.Notify, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_publish(self, event: api.Publish, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_refer(self, event: api.Refer, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_other_request(self, event: api.OtherRequest, aci: ActivityContext) -> None:
        self._route(event.request, aci)

    @handles
    def on_exhausted(self, event: api.ForkExhausted, aci: ActivityContext) -> None:
        """No branch is left: a user none of whose contacts can be reached is unavailable, not unknown."""
        if event.unreachable:
            self.usage.unreachable.increment()
            self.sip.reject(aci, 480)

    def _route(self, request: api.Request, aci: ActivityContext) -> None:
        """Forward to the contacts of a served user, and as it is anywhere else."""
        if not self.sip.is_waiting(aci):
            return  # a service of higher priority has decided, or the caller has given up
        targets = targets_of(request, self.sip, self.location)
        if isinstance(targets, int):
            if targets == 404:
                self.usage.unknown.increment()
            self.sip.reject(aci, targets)
            return
        record_route = self.config.record_route and request.method in DIALOG_FORMING
        self.usage.branches.increment(len(self.sip.fork(aci, targets, record_route=record_route)))
        self.usage.forwarded.increment()
