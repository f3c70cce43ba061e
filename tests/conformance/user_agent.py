"""A user agent server for the verdicts that are a user agent's to give (correction 10 of the protocols)."""

from __future__ import annotations

from typing import Final

from resource_adaptors.sip.api import SIP, Invite, Message, Options, OtherRequest, Register, Request, SipUri
from slee import ActivityContext, Sbb, Select, initial_event, resource

UNDERSTOOD: Final = frozenset(("application/sdp",))
PRODUCED: Final = frozenset(("application/sdp", "application/*", "*/*"))
CHALLENGE: Final = 'Digest realm="example.com", nonce="4f1cfe2b", algorithm=MD5, qop="auth"'


class UserAgent(Sbb, vendor="test", version="1.0"):
    """Knows the methods of RFC 3261 and SDP, no extension, and has one realm for REGISTER."""

    sip = resource(SIP)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        self._answer(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_options(self, event: Options, aci: ActivityContext) -> None:
        self._answer(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_message(self, event: Message, aci: ActivityContext) -> None:
        self.sip.respond(aci, 501)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_register(self, event: Register, aci: ActivityContext) -> None:
        credentials = event.request.header("Authorization") or ""
        if not credentials.lower().startswith("digest "):
            self.sip.respond(aci, 401, headers=[("WWW-Authenticate", CHALLENGE)])
        else:
            self._answer(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_other_request(self, event: OtherRequest, aci: ActivityContext) -> None:
        self.sip.respond(aci, 501)

    def _answer(self, request: Request, aci: ActivityContext) -> None:
        """The inspections of RFC 3261 8.2.2 and 8.2.3, in their order."""
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        if not isinstance(request.uri, SipUri):
            self.sip.respond(aci, 416)
        elif request.has("Require"):
            self.sip.respond(aci, 420, headers=[("Unsupported", ", ".join(request.values("Require")))])
        elif request.body and kind not in UNDERSTOOD:
            self.sip.respond(aci, 415, headers=[("Accept", ", ".join(sorted(UNDERSTOOD)))])
        elif request.has("Accept") and PRODUCED.isdisjoint(request.values("Accept")):
            self.sip.respond(aci, 406)
        else:
            self.sip.respond(aci, 200)
