"""Calls with accounting, driven over HTTP: each record that was answered 200 has to be delivered, whatever happens."""

from __future__ import annotations

from resource_adaptors.diameter.api import DIAMETER, AccountingAccepted, AccountingRejected
from resource_adaptors.diameter.message.avp import Avp, text
from resource_adaptors.http.api import HTTP, PostRequest
from slee import ActivityContext, Cmp, Sbb, cmp, handles, initial_event, resource

USER_NAME = 1
"""The AVP that names the call in its records."""


def call(event: PostRequest) -> str:
    """One entity for each call."""
    return event.request.fields["call"]


class Recorded(Sbb, vendor="test", version="1.0"):
    """POST begins a call, makes a record of it, or ends it."""

    diameter = resource(DIAMETER)
    http = resource(HTTP)
    accounting: Cmp[ActivityContext | None] = cmp(None)

    @initial_event(selector=call, option="POST /calls/{call}, POST /calls/{call}/record, POST /calls/{call}/end")
    def on_order(self, event: PostRequest, aci: ActivityContext) -> None:
        avps: tuple[Avp, ...] = (text(USER_NAME, event.request.fields["call"]),)
        if self.accounting is None:
            made = self.diameter.open_accounting(avps, realm="fd.test")
            made.attach(self)
            self.accounting = made
        else:
            self.diameter.record(self.accounting, avps, is_last=event.request.path.endswith("/end"))
        self.http.respond(aci, 200)

    @handles
    def on_accepted(self, event: AccountingAccepted, aci: ActivityContext) -> None:
        """The server has it."""

    @handles
    def on_rejected(self, event: AccountingRejected, aci: ActivityContext) -> None:
        """The server refuses it; the lane sees that it is missing."""
