"""Credit control: a call goes on when its caller has credit, and is charged for the time that it lasts (RFC 8506)."""

from __future__ import annotations

import math

from profiles.location.location import LOCATION
from resource_adaptors.diameter.api import (
    DIAMETER,
    CreditAnswer,
    CreditControlSession,
    CreditDenied,
    CreditGranted,
    FailureHandled,
    FailureHandling,
    RequestType,
    Service,
    SessionAborted,
    Subscription,
    SubscriptionKind,
    Units,
)
from resource_adaptors.sip.api import (
    SIP,
    Answered,
    Bye,
    DialogTerminated,
    ForkExhausted,
    Invite,
    ProxyDialog,
    ServerTransaction,
)
from sbbs.credit_control.config import CreditControlConfiguration, CreditControlUsage
from sbbs.proxy.routing import targets_of
from slee import (
    ActivityContext,
    ActivityEnd,
    AlarmLevel,
    Cmp,
    EventContext,
    Sbb,
    Select,
    TimerEvent,
    TimerID,
    cmp,
    configuration,
    handles,
    initial_event,
    resource,
    usage_parameters,
    volatile,
)


class CreditControl(Sbb, vendor="slee", version="1.0"):
    """Holds an INVITE until credit is granted, forwards it, and follows the call to its end."""

    sip = resource(SIP)
    diameter = resource(DIAMETER)
    location = volatile(LOCATION)
    config = configuration(CreditControlConfiguration)
    usage = usage_parameters(CreditControlUsage)

    invite: Cmp[ActivityContext | None] = cmp(None)
    """The caller's request, until it has its final answer."""
    held: Cmp[EventContext | None] = cmp(None)
    """Its delivery to services of lower priority, while the charging server is asked."""
    session: Cmp[ActivityContext | None] = cmp(None)
    """The credit-control session, until it is closed."""
    granted: Cmp[int] = cmp(0)
    """Seconds granted last, counted from what was reported last."""
    reported: Cmp[int] = cmp(0)
    """Seconds reported so far."""
    answered_at: Cmp[float | None] = cmp(None)
    hung_up_at: Cmp[float | None] = cmp(None)
    """When the BYE came that was seen last."""
    hung_up_by: Cmp[tuple[bool, int]] = cmp((False, -1))
    """Who sent that BYE, whether the caller, and its CSeq: a copy of it changes nothing."""
    timer: Cmp[TimerID | None] = cmp(None)
    """What is waited for: the charging server, the callee, or the end of the quota."""

    # The beginning.

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        if not self.sip.is_waiting(aci):
            return  # a service of higher priority has decided
        config = self.config
        payer = Subscription(SubscriptionKind.SIP_URI, event.request.from_.uri.aor)
        wanted = Service(rating_group=config.rating_group, requested=Units(time=config.request_seconds))
        self.session = session = self.diameter.open_session(
            (payer,),
            (wanted,),
            realm=config.realm,
            context=config.context,
            failure_handling=config.on_failure.handling,
        )
        session.attach(self)
        self.invite, self.held = aci, self.event_context
        self.event_context.suspend(timeout=config.answer_within + 5)
        self.timer = self.timers.set(session, after=config.answer_within)

    @handles
    def on_granted(self, event: CreditGranted, aci: ActivityContext) -> None:
        if event.kind is RequestType.TERMINATION:
            return
        if event.kind is RequestType.INITIAL:
            self._clear_outage()
            if event.is_free:
                self.session = None
                self.usage.free.increment()
            else:
                self.usage.authorised.increment()
                self.granted = self._granted(event.answer)
            self._go_on()
        elif self.session is not None:
            self._clear_outage()
            self.granted = self._granted(event.answer)
            self._await_quota()

    @handles
    def on_denied(self, event: CreditDenied, aci: ActivityContext) -> None:
        if event.kind is RequestType.INITIAL:
            self.usage.denied.increment()
            self._refuse(self.config.status(event.result))
        elif event.kind is RequestType.UPDATE:
            self._overrun()

    @handles
    def on_failure(self, event: FailureHandled, aci: ActivityContext) -> None:
        self.alarms.raise_alarm(
            "credit_control.server_unreachable",
            self.config.realm,
            level=AlarmLevel.CRITICAL,
            message=f"no charging server of {self.config.realm} can be asked: {event.reason}",
        )
        if event.kind is RequestType.UPDATE:
            self.usage.failures.increment()
            self._set_timer(self.config.request_seconds)
        elif event.action is FailureHandling.CONTINUE:
            self.usage.uncharged.increment()
            self.session = None
            self._go_on()
        else:
            self.usage.refused.increment()
            self._refuse(self.config.failure_status)

    def _go_on(self) -> None:
        """Send the INVITE on; follow the call if it is charged."""
        invite = self.invite
        if invite is None or not self.sip.is_waiting(invite):
            self._close()  # the caller has given up
            self._resume()
            return
        activity = invite.activity
        assert isinstance(activity, ServerTransaction)
        found = targets_of(activity.request, self.sip, self.location)
        if isinstance(found, int):
            self.sip.reject(invite, found)
            self._close()
        else:
            is_charged = self.session is not None
            for branch in self.sip.fork(invite, found, record_route=True, track=is_charged):
                if is_charged:
                    branch.attach(self)
            if is_charged:
                self._set_timer(self.config.setup_within)
        self._resume()

    def _refuse(self, status: int) -> None:
        """Turn the caller away; the session is over."""
        self.session = None
        invite = self.invite
        if invite is not None and self.sip.is_waiting(invite):
            headers = [("Retry-After", "10")] if status == 503 else []
            self.sip.reject(invite, status, headers=headers)
        self._resume()

    def _resume(self) -> None:
        held, self.held = self.held, None
        if held is not None and held.is_suspended:
            held.resume()

    @handles
    def on_exhausted(self, event: ForkExhausted, aci: ActivityContext) -> None:
        """No branch is left: a user none of whose contacts can be reached is unavailable, not unknown."""
        if event.unreachable:
            self.sip.reject(aci, 480)

    # The call.

    @handles
    def on_answered(self, event: Answered, aci: ActivityContext) -> None:
        if self.answered_at is not None or self.session is None:
            return
        if event.dialog is None:
            self.tracer.warning("the callee answers without a tag: the end of the call cannot be seen, nor charged")
            self._close()
            return
        event.dialog.attach(self)
        self.answered_at = self.now
        self.usage.answered.increment()
        self._await_quota()

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        """The quota is used up; or the charging server, or the callee, takes too long."""
        if event.timer_id != self.timer:
            return
        self.timer = None
        if self.answered_at is not None:
            self._report()
        elif self.held is not None:
            self.usage.refused.increment()
            self._close()
            self._refuse(self.config.failure_status)
        elif self.invite is None:
            self._close()  # a restart has ended the attempt
        else:
            self._set_timer(self.config.setup_within)

    def _report(self) -> None:
        """Tell what was used; the adaptor asks for more when that is the whole grant."""
        used = int(self.now - (self.answered_at or self.now)) - self.reported
        if self.session is not None and used > 0:
            self.reported += used
            self.usage.seconds.increment(used)
            self.diameter.report(self.session, (self._used(used),))

    def _await_quota(self) -> None:
        """Report when what was granted is used up."""
        if self.answered_at is not None:
            used = self.now - self.answered_at - self.reported
            self._set_timer(max(1.0, self.granted - used))

    def _overrun(self) -> None:
        """Credit is out, and the call cannot be cut off by a proxy: it goes on, and is seen."""
        self.session = None
        if self.answered_at is not None:
            self.usage.overrun.increment()

    @handles
    def on_aborted(self, event: SessionAborted, aci: ActivityContext) -> None:
        """The server ends the session; the adaptor has told what was reported."""
        self._overrun()

    # The end.

    @handles
    def on_bye(self, event: Bye, aci: ActivityContext) -> None:
        said = (event.is_from_caller, event.request.cseq.number)
        if said != self.hung_up_by:
            self.hung_up_by, self.hung_up_at = said, self.now

    @handles
    def on_terminated(self, event: DialogTerminated, aci: ActivityContext) -> None:
        is_bye = event.cause == "bye" and self.hung_up_at is not None
        self._end_of_call(self.hung_up_at if is_bye else self.now)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        """The request has been answered, the call is followed no more, or the session is over."""
        activity = aci.activity
        if isinstance(activity, ProxyDialog):
            self._end_of_call(self.now)
        elif isinstance(activity, ServerTransaction):
            self.invite = None
            if self.answered_at is None:
                self._close()
        elif isinstance(activity, CreditControlSession) and self.session is not None:
            self._overrun()

    def _end_of_call(self, at: float | None) -> None:
        """Tell the last seconds, a begun one counting as whole, and close the session."""
        if self.session is None or self.answered_at is None or at is None:
            return
        used = max(0, math.ceil(at - self.answered_at) - self.reported)
        self.reported += used
        self.usage.ended.increment()
        self.usage.seconds.increment(used)
        self._close(used)

    def _close(self, used: int = 0) -> None:
        """Close the session, and give back what was not used."""
        session, self.session = self.session, None
        if session is not None:
            self.diameter.close(session, (self._used(used),) if used else ())
        if self.timer is not None:
            self.timers.cancel(self.timer)
            self.timer = None

    def _used(self, seconds: int) -> Service:
        return Service(rating_group=self.config.rating_group, used=(Units(time=seconds),))

    def _granted(self, answer: CreditAnswer) -> int:
        """Seconds granted; a grant that names no time is asked after as often as we ask for credit."""
        for grant in answer.grants:
            if grant.granted is not None and grant.granted.time is not None:
                return grant.granted.time
        return self.config.request_seconds

    def _set_timer(self, after: float) -> None:
        if self.timer is not None:
            self.timers.cancel(self.timer)
        self.timer = None if self.session is None else self.timers.set(self.session, after=after)

    def _clear_outage(self) -> None:
        self.alarms.clear_type("credit_control.server_unreachable")
