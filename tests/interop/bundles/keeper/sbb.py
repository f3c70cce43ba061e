"""An SBB that keeps what MESSAGEs tell it on a null activity, sets a timer for each, and answers with all it knows.

MESSAGE sip:keep-KEY@DOMAIN with `X-Serial: N` and `X-After: SECONDS` has the keeper of that key write the serial number
down and set a timer; without `X-Serial` it only asks. The answer has `X-Kept`, the serial numbers, and `X-Fired`, those
whose timers have fired, once for each firing. A serial number that is there already is not kept again: its answer was
lost, and the client repeats the request.
"""

from __future__ import annotations

from resource_adaptors.sip.api import SIP, Message, SipUri
from slee import ActivityContext, Cmp, Sbb, TimerEvent, TimerID, cmp, handles, initial_event, resource


def key_of(event: Message) -> str | None:
    """Initial event selector: the key in the user part."""
    uri = event.request.uri
    return uri.user if isinstance(uri, SipUri) and uri.user and uri.user.startswith("keep-") else None


class Keeper(Sbb, vendor="test", version="1.0"):
    """One key's."""

    sip = resource(SIP)
    home: Cmp[ActivityContext | None] = cmp(None)
    kept: Cmp[tuple[int, ...]] = cmp(())
    armed: Cmp[tuple[tuple[TimerID, int], ...]] = cmp(())
    fired: Cmp[tuple[int, ...]] = cmp(())

    @initial_event(selector=key_of)
    def on_message(self, event: Message, aci: ActivityContext) -> None:
        request = event.request
        serial = int(request.header("X-Serial") or 0)
        if serial and serial not in self.kept:
            home = self.home
            if home is None:
                home = self.home = self.null_activities.create()
                home.attach(self)
            self.kept = (*self.kept, serial)
            timer = self.timers.set(home, after=float(request.header("X-After") or 1.0))
            self.armed = (*self.armed, (timer, serial))
        kept, fired = (",".join(map(str, numbers)) for numbers in (self.kept, self.fired))
        self.sip.respond(aci, 200, headers=[("X-Kept", f"-{kept}"), ("X-Fired", f"-{fired}")])

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.fired = (*self.fired, dict(self.armed)[event.timer_id])
