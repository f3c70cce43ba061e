"""An SBB with a fault: it raises in the INVITE to one user, after it has asked for an answer."""

from __future__ import annotations

from resource_adaptors.sip.api import SIP, Invite, SipUri
from slee import ActivityContext, Cmp, Sbb, cmp, initial_event, resource


def is_for_victim(event: Invite) -> str | None:
    """Initial event selector: only calls to `victim` are ours."""
    uri = event.request.uri
    return event.request.call_id if isinstance(uri, SipUri) and uri.user == "victim" else None


class Faulty(Sbb, vendor="test", version="1.0"):
    """Answers and raises."""

    sip = resource(SIP)
    calls: Cmp[int] = cmp(0)

    @initial_event(selector=is_for_victim)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        self.calls += 1
        self.sip.respond(aci, 200)
        raise RuntimeError("this service has a fault")
