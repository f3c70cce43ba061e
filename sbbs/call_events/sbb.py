"""Call events: web-hooks tell when a call is offered, answered, or over, and how long it lasted."""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.http.api import HTTP
from resource_adaptors.http.api import LocalProtocolError as HttpRefusal
from resource_adaptors.sip.api import (
    SIP,
    Answered,
    Bye,
    Cancel,
    DialogExpired,
    DialogTerminated,
    ForkExhausted,
    Invite,
    Ringing,
    ServerTransaction,
    SipMessage,
)
from sbbs.call_events.config import CallEventsConfiguration, CallEventsUsage, Kind
from slee import (
    ActivityContext,
    ActivityEnd,
    AlarmLevel,
    Cmp,
    Sbb,
    TimerEvent,
    TimerID,
    cmp,
    configuration,
    handles,
    initial_event,
    resource,
    usage_parameters,
)

_GRACE: Final = 1.0
"""Seconds from the end of an INVITE's transaction until the call has failed: its 2xx may be on its way to us."""
_LOOK: Final = 600.0
"""Seconds after which an attempt is looked at: no end is told of one whose transaction went with the process."""
_ALARM: Final = "call_events.no_target"


def _call(message: SipMessage) -> tuple[str, str, int]:
    """What an INVITE and its responses on every branch have in common: Call-ID, the caller's own Via, CSeq."""
    return message.call_id, message.via[-1].branch or "", message.cseq.number


def call_of_invite(event: Invite) -> tuple[str, str, int]:
    """Initial event selector: one entity for each call."""
    return _call(event.request)


def call_of_ringing(event: Ringing) -> tuple[str, str, int]:
    """Initial event selector: the call that a response belongs to, whichever service has forwarded it."""
    return _call(event.response)


def call_of_answer(event: Answered) -> tuple[str, str, int]:
    """Initial event selector: the call that a response belongs to, whichever service has forwarded it."""
    return _call(event.response)


class CallEvents(Sbb, vendor="slee", version="1.0"):
    """One entity for each call; it watches what other services do with it, and changes nothing."""

    sip = resource(SIP)
    http = resource(HTTP)
    config = configuration(CallEventsConfiguration)
    usage = usage_parameters(CallEventsUsage)

    call: Cmp[str] = cmp("")
    """Call-ID."""
    caller: Cmp[str] = cmp("")
    callee: Cmp[str] = cmp("")
    offered_at: Cmp[float | None] = cmp(None)
    answered_at: Cmp[float | None] = cmp(None)
    sequence: Cmp[int] = cmp(0)
    """Number of the next event of this call."""
    is_ringing: Cmp[bool] = cmp(False)
    status: Cmp[int] = cmp(0)
    """Best answer of the branches, as far as it is known."""
    timer: Cmp[TimerID | None] = cmp(None)
    is_over: Cmp[bool] = cmp(False)
    """Whether the INVITE has its final answer."""
    is_cancelled: Cmp[bool] = cmp(False)
    hung_up_by: Cmp[str] = cmp("")
    """`caller` or `callee`."""
    waiting: Cmp[ActivityContext | None] = cmp(None)
    """A null activity that keeps the entity until the call is answered or has failed."""

    @initial_event(selector=call_of_invite)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        if self.offered_at is not None:
            return  # it has come back to us, on a spiral
        request = event.request
        self.call = request.call_id
        self.caller, self.callee = request.from_.uri.aor, request.uri.aor
        self.offered_at = self.now
        self.waiting = self.null_activities.create()
        self.waiting.attach(self)
        self.timer = self.timers.set(self.waiting, after=_LOOK)
        self.usage.offered.increment()
        self._tell("offered")
        if self.sip.is_waiting(aci):
            self.sip.follow(aci)

    @initial_event(selector=call_of_ringing)
    def on_ringing(self, event: Ringing, aci: ActivityContext) -> None:
        aci.detach(self)
        if self.offered_at is not None and not self.is_ringing:
            self.is_ringing = True
            self._tell("ringing")

    @initial_event(selector=call_of_answer)
    def on_answered(self, event: Answered, aci: ActivityContext) -> None:
        aci.detach(self)
        if self.offered_at is None or self.answered_at is not None:
            return  # it began before this service did; or another telephone has answered first
        self.answered_at = self.now
        self.usage.answered.increment()
        self._tell("answered", setup=round(self.now - self.offered_at, 3))
        if event.dialog is not None:
            event.dialog.attach(self)
        self._let_go()

    @handles
    def on_exhausted(self, event: ForkExhausted, aci: ActivityContext) -> None:
        self.status = 480 if event.unreachable else event.status

    @handles
    def on_cancel(self, event: Cancel, aci: ActivityContext) -> None:
        self.is_cancelled = True

    @handles
    def on_bye(self, event: Bye, aci: ActivityContext) -> None:
        self.hung_up_by = "caller" if event.is_from_caller else "callee"

    @handles
    def on_terminated(self, event: DialogTerminated, aci: ActivityContext) -> None:
        self._end(aci, event.cause)

    @handles
    def on_expired(self, event: DialogExpired, aci: ActivityContext) -> None:
        self._end(aci, "expired")

    def _end(self, dialog: ActivityContext, cause: str) -> None:
        dialog.detach(self)
        answered_at = self.answered_at
        if answered_at is not None:
            self.usage.ended.increment()
            self._tell("ended", duration=round(self.now - answered_at, 3), cause=cause, by=self.hung_up_by or None)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        """The INVITE has its final answer: if that is no 2xx, the call has failed."""
        waiting = self.waiting
        if waiting is not None and isinstance(aci.activity, ServerTransaction):
            self.is_over = True
            self._cancel_timer()
            self.timer = self.timers.set(waiting, after=_GRACE)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        if not self.is_over and any(isinstance(each.activity, ServerTransaction) for each in self.activities):
            self.timer = self.timers.set(aci, after=_LOOK)
            return
        self.timer = None
        if self.is_over and self.answered_at is None:
            self.usage.failed.increment()
            reason = "cancelled" if self.is_cancelled else "refused"
            self._tell("failed", reason=reason, status=487 if self.is_cancelled else self.status or None)
        self._let_go()

    def _let_go(self) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._cancel_timer()
            waiting.detach(self)

    def _cancel_timer(self) -> None:
        if self.timer is not None:
            self.timers.cancel(self.timer)
            self.timer = None

    def _tell(self, kind: Kind, **more: object) -> None:
        """Hand one web-hook over; those of a call are delivered in their order."""
        config = self.config
        number, self.sequence = self.sequence, self.sequence + 1
        if kind not in config.kinds:
            return
        told = {
            "type": f"call.{kind}",
            "call": self.call,
            "sequence": number,
            "time": self.now,
            "from": self.caller,
            "to": self.callee,
            **more,
        }
        try:
            self.http.webhook(config.webhook, msgspec.json.encode(told), ordering_key=self.call)
        except HttpRefusal as error:
            self.usage.untold.increment()
            self.alarms.raise_alarm(_ALARM, config.webhook, level=AlarmLevel.MAJOR, message=str(error))
        else:
            self.usage.told.increment()
            self.alarms.clear_type(_ALARM)
