"""Wake-up: a MESSAGE to a subscriber at the time that was ordered by HTTP, again until it is accepted (APP-11)."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec

from resource_adaptors.http.api import HTTP, DeleteRequest, GetRequest, PutRequest
from resource_adaptors.http.api import LocalProtocolError as HttpRefusal
from resource_adaptors.sip.api import SIP, HearsOutcomes, Outcome, parse_uri
from resource_adaptors.timer.api import TIMER, LocalProtocolError, Plan, ScheduleFired, UnknownScheduleError
from sbbs.wake_up.config import WakeUpConfiguration, WakeUpUsage
from sbbs.wake_up.orders import PREFIX, WAKE_UPS, Order, WakeUp
from slee import (
    ActivityContext,
    AlarmLevel,
    Cmp,
    NullActivity,
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

_PATIENCE: Final = 40.0
"""Seconds after which a message has an outcome, unless a restart has lost it (timer F: 32 s)."""
LONGEST_TEXT: Final = 800
"""Octets; with the headers a MESSAGE may have 1,300 (RFC 3428 8)."""
_ALARM: Final = "wake_up.undelivered"
_NO_TARGET: Final = "wake_up.no_target"


def run(event: ScheduleFired) -> tuple[str, int] | None:
    """Initial event selector: one entity for each time that one of our schedules fires."""
    return (event.name, event.index) if event.name.startswith(PREFIX) else None


class WakeUps(HearsOutcomes, Sbb, vendor="slee", version="1.0"):
    """One entity for each HTTP request, and one for each time that has come, until its result is known."""

    sip = resource(SIP)
    http = resource(HTTP)
    timer = resource(TIMER)
    wake_ups = volatile(WAKE_UPS)
    config = configuration(WakeUpConfiguration)
    usage = usage_parameters(WakeUpUsage)

    wake_up: Cmp[str] = cmp("")
    """Id of the wake-up whose time has come, until its result is known."""
    attempts: Cmp[int] = cmp(0)
    """Messages sent."""
    timer_id: Cmp[TimerID | None] = cmp(None)
    is_sending: Cmp[bool] = cmp(False)
    """Whether a message has no outcome yet."""

    # Orders.

    @initial_event(Select.ACTIVITY_CONTEXT, option="PUT /v1/wake-ups/{id} application/json")
    def on_put(self, event: PutRequest, aci: ActivityContext) -> None:
        if not self.http.is_waiting(aci):
            return
        identity = event.request.fields["id"]
        if event.request.is_streamed:
            self.usage.refused.increment()
            self.http.problem(aci, 413, code="too-long", detail="an order is much shorter")
            return
        try:
            order = msgspec.json.decode(event.request.body, type=Order)
            self._judge(order)
            timing = order.timing(self.config.zone, self.now)
            self.timer.create(Plan(name=PREFIX + identity, timing=timing), replace=True)
        except (msgspec.DecodeError, LocalProtocolError) as error:
            self.usage.refused.increment()
            self.http.problem(aci, 422, code="invalid-order", detail=str(error))
            return
        is_new = not self.wake_ups.find(identity)
        zone = order.zone or self.config.zone
        ordered = WakeUp(identity, order.to, order.text, order.at, order.cron, zone)
        self.wake_ups.put(identity, (ordered,))
        self.usage.ordered.increment()
        headers = [("Location", f"/v1/wake-ups/{identity}")]
        self.http.respond_json(aci, self._show(ordered), status=201 if is_new else 200, headers=headers)

    def _judge(self, order: Order) -> None:
        """Refuse at once what could not be sent when the time comes."""
        try:
            if not self.sip.is_served(parse_uri(order.to)):
                raise LocalProtocolError(f"{order.to} is at no domain of ours")
        except ValueError as error:
            raise LocalProtocolError(str(error)) from error
        if len(order.text.encode()) > LONGEST_TEXT:
            raise LocalProtocolError(f"the text is longer than {LONGEST_TEXT} octets")

    @initial_event(Select.ACTIVITY_CONTEXT, option="GET /v1/wake-ups/{id}, GET /v1/wake-ups")
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None:
        if not self.http.is_waiting(aci):
            return
        identity = event.request.fields.get("id")
        if identity is None:
            names = self.timer.find(PREFIX)
            rows = [row for name in names for row in self.wake_ups.find(name.removeprefix(PREFIX))]
            self.http.respond_json(aci, {"wake_ups": [self._show(row, self._next(row.id)) for row in rows]})
        elif found := self.wake_ups.find(identity):
            self.http.respond_json(aci, self._show(found[0], self._next(identity)))
        else:
            self.http.problem(aci, 404, code="unknown-wake-up", detail="there is no wake-up of that id")

    @initial_event(Select.ACTIVITY_CONTEXT, option="DELETE /v1/wake-ups/{id}")
    def on_delete(self, event: DeleteRequest, aci: ActivityContext) -> None:
        if not self.http.is_waiting(aci):
            return
        identity = event.request.fields["id"]
        if not self.wake_ups.find(identity):
            self.http.problem(aci, 404, code="unknown-wake-up", detail="there is no wake-up of that id")
            return
        with contextlib.suppress(UnknownScheduleError):  # its last time has passed
            self.timer.cancel(PREFIX + identity)
        self.wake_ups.put(identity, ())
        self.usage.cancelled.increment()
        self.http.respond(aci, 204)

    def _next(self, identity: str) -> float | None:
        """When a wake-up is due next; `None` after its last time."""
        try:
            return self.timer.next(PREFIX + identity)
        except UnknownScheduleError:
            return None

    def _show(self, row: WakeUp, due: float | None = None) -> dict[str, object]:
        """A wake-up as clients see it, with its next time."""
        shown: dict[str, object] = {"id": row.id, "to": row.to, "text": row.text, "zone": row.zone, "state": row.state}
        shown |= {"at": row.at} if row.cron is None else {"cron": row.cron}
        if row.last:
            shown |= {"last": row.last, "attempts": row.attempts, "status": row.status, "reason": row.reason}
        if due is not None:
            shown["next"] = due
        return shown

    # The time has come.

    @initial_event(selector=run)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        aci.detach(self)
        identity = event.name.removeprefix(PREFIX)
        found = self.wake_ups.find(identity)
        if not found:
            return  # cancelled at this instant
        self.wake_up = identity
        self.usage.lateness.record(round((self.now - event.due) * 1000))
        is_over = self._next(identity) is None
        expires_at = self.now + self.config.keep if is_over else found[0].expires_at
        self.wake_ups.put(identity, (msgspec.structs.replace(found[0], last=event.due, expires_at=expires_at),))
        waiting = self.null_activities.create()
        waiting.attach(self)
        self._send(waiting)

    def _send(self, waiting: ActivityContext) -> None:
        """Send the message once more; the timer is for an outcome that a restart has lost."""
        row = self._change(state="sending", attempts=self.attempts + 1)
        if row is None:
            waiting.detach(self)  # cancelled meanwhile
            return
        self.attempts += 1
        self.is_sending = True
        self.usage.sent.increment()
        self.sip.message(row.to, from_=self.config.sender, body=row.text).attach(self)
        self._set_timer(waiting, _PATIENCE)

    def on_outcome(self, outcome: Outcome, aci: ActivityContext) -> None:
        self._tried(outcome.status, outcome.reason)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        if self.is_sending:
            self._tried(0, "the outcome was lost")
        else:
            self._send(aci)

    def _tried(self, status: int, reason: str) -> None:
        """A message has an outcome: it was accepted, is sent again later, or was the last."""
        self.is_sending = False
        (waiting,) = (aci for aci in self.activities if isinstance(aci.activity, NullActivity))
        if not 200 <= status < 300 and self.attempts < self.config.attempts:
            self._change(status=status, reason=reason)
            self._set_timer(waiting, self.config.interval)
            return
        waiting.detach(self)
        if 200 <= status < 300:
            state = "stored" if status == 202 else "delivered"
            self.usage.delivered.increment()
            self.alarms.clear_type(_ALARM)
        else:
            state = "failed"
            self.usage.undelivered.increment()
            text = f"wake-up {self.wake_up} was not delivered in {self.attempts} attempts: {status} {reason}"
            self.alarms.raise_alarm(_ALARM, self.wake_up, level=AlarmLevel.MINOR, message=text)
        row = self._change(state=state, status=status, reason=reason)
        if row is not None and self.config.webhook:
            self._tell(row)

    def _tell(self, row: WakeUp) -> None:
        """Hand a web-hook over; without its target the result is known all the same."""
        body = msgspec.json.encode({"type": "wake-up.result", **self._show(row)})
        try:
            self.http.webhook(self.config.webhook, body, ordering_key=row.id)
        except HttpRefusal as error:
            self.alarms.raise_alarm(_NO_TARGET, self.config.webhook, level=AlarmLevel.MAJOR, message=str(error))
        else:
            self.alarms.clear_type(_NO_TARGET)

    def _set_timer(self, waiting: ActivityContext, seconds: float) -> None:
        if self.timer_id is not None:
            self.timers.cancel(self.timer_id)
        self.timer_id = self.timers.set(waiting, after=seconds)

    def _change(self, **fields: object) -> WakeUp | None:
        """Write what has happened into the table; `None` if the wake-up was cancelled."""
        found = self.wake_ups.find(self.wake_up)
        if not found:
            return None
        row = msgspec.structs.replace(found[0], **fields)
        self.wake_ups.put(self.wake_up, (row,))
        return row
