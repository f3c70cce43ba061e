"""Message API: an HTTP client has a MESSAGE sent to a subscriber, and is told what became of it (RFC 3428)."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from resource_adaptors.http.api import HTTP, GetRequest, PostRequest
from resource_adaptors.http.api import LocalProtocolError as HttpRefusal
from resource_adaptors.http.api import Request as HttpRequest
from resource_adaptors.sip.api import SIP, ClientTransaction, HearsOutcomes, LocalProtocolError, Outcome, parse_uri
from sbbs.message_api.config import MessageApiConfiguration, MessageApiUsage
from sbbs.message_api.orders import (
    DELIVERED,
    FAILED,
    KEYS,
    MESSAGES,
    PENDING,
    STORED,
    UNKNOWN,
    KnownKey,
    MessageStatus,
    Order,
)
from slee import (
    ActivityContext,
    AlarmLevel,
    Cmp,
    Sbb,
    Select,
    TimerEvent,
    cmp,
    configuration,
    handles,
    initial_event,
    resource,
    usage_parameters,
    volatile,
)

_PATIENCE: Final = 60.0
"""Seconds after which no outcome can come any more: timer F fires before (RFC 3261 17.1.2.2)."""
_COOKIE: Final = "z9hG4bK"
_ALARM: Final = "message_api.no_target"


class _Refused(Exception):
    """The client's order cannot be carried out."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class MessageApi(HearsOutcomes, Sbb, vendor="slee", version="1.0"):
    """One entity for each HTTP request; that of an order lives until the outcome of its message is known."""

    sip = resource(SIP)
    http = resource(HTTP)
    messages = volatile(MESSAGES)
    keys = volatile(KEYS)
    config = configuration(MessageApiConfiguration)
    usage = usage_parameters(MessageApiUsage)

    message: Cmp[str] = cmp("")
    """Id of the message, until its outcome is known."""
    request: Cmp[ActivityContext | None] = cmp(None)
    """The HTTP request that waits for the outcome."""
    waiting: Cmp[ActivityContext | None] = cmp(None)
    """A null activity that bears the timers: it survives the process, which the transaction does not."""

    @initial_event(Select.ACTIVITY_CONTEXT, option="POST /v1/messages application/json")
    def on_order(self, event: PostRequest, aci: ActivityContext) -> None:
        if not self.http.is_waiting(aci):
            return
        try:
            self._take(event.request, aci)
        except _Refused as refused:
            self.usage.refused.increment()
            self.http.problem(aci, refused.status, code=refused.code, detail=str(refused))

    @initial_event(Select.ACTIVITY_CONTEXT, option="GET /v1/messages/{id}")
    def on_question(self, event: GetRequest, aci: ActivityContext) -> None:
        found = self.messages.find(event.request.fields["id"])
        if found:
            self.http.respond_json(aci, found[0].shown())
        else:
            self.http.problem(aci, 404, code="unknown-message", detail="no message of that id is remembered")

    def _take(self, request: HttpRequest, aci: ActivityContext) -> None:
        """Send what is ordered, unless that has been done under the same key."""
        if request.is_streamed:
            raise _Refused(413, "too-long", "an order is much shorter")
        try:
            order = msgspec.json.decode(request.body, type=Order)
        except msgspec.DecodeError as error:
            raise _Refused(422, "invalid-order", str(error)) from error
        digest = hashlib.blake2b(request.body, digest_size=16).digest()
        key = _key_of(request)
        if key and (known := self.keys.find(key)):
            self._repeat(known[0], digest, aci)
            return
        message = self._send(order)
        expires_at = self.now + self.config.keep
        if key:
            self.keys.put(key, (KnownKey(message, digest, expires_at),))
        status = MessageStatus(message, order.to, PENDING, 0, "", self.now, expires_at)
        self.messages.put(message, (status,))
        self.usage.sent.increment()
        self.message = message
        self.waiting = waiting = self.null_activities.create()
        waiting.attach(self)
        if self.config.wait:
            self.request = aci
            self.timers.set(waiting, after=self.config.wait)
        else:
            self._answer(aci, status)
            self.timers.set(waiting, after=_PATIENCE)

    def _send(self, order: Order) -> str:
        """Send the message; its id."""
        config = self.config
        sender = order.sender or config.senders[0]
        if sender not in config.senders:
            raise _Refused(403, "sender-not-allowed", f"messages may not come from {sender}")
        try:
            is_ours = self.sip.is_served(parse_uri(order.to))
        except ValueError as error:
            raise _Refused(422, "invalid-recipient", str(error)) from error
        if not is_ours and not config.relay:
            raise _Refused(403, "recipient-not-served", f"{order.to} is at no domain of ours")
        try:
            sent = self.sip.message(order.to, from_=sender, body=order.text, content_type=order.content_type)
        except LocalProtocolError as error:
            raise _Refused(422, "unfit-message", str(error)) from error
        sent.attach(self)
        activity = sent.activity
        assert isinstance(activity, ClientTransaction)
        return activity.branch.removeprefix(_COOKIE)

    def _repeat(self, known: KnownKey, digest: bytes, aci: ActivityContext) -> None:
        """Answer a repeated order as it stands; nothing is sent again."""
        if known.digest != digest:
            raise _Refused(422, "key-reused", "the Idempotency-Key came with another body before")
        found = self.messages.find(known.message)
        if not found:
            raise _Refused(409, "key-expired", "the message of that Idempotency-Key is remembered no more")
        self._answer(aci, found[0])

    # What becomes of it.

    def on_outcome(self, outcome: Outcome, aci: ActivityContext) -> None:
        success = STORED if outcome.status == 202 else DELIVERED
        state = success if outcome.is_success else FAILED
        self._settle(state, outcome.status, outcome.reason)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        """The client has waited long enough; or no outcome comes any more."""
        request, self.request = self.request, None
        if request is not None:
            found = self.messages.find(self.message)
            if found and self.http.is_waiting(request):
                self._answer(request, found[0])
            self.timers.set(aci, after=_PATIENCE)
        else:
            self._settle(UNKNOWN, 0, "")

    def _settle(self, state: str, status: int, reason: str) -> None:
        """The outcome is known: remember and tell it."""
        found = self.messages.find(self.message)
        if found:
            settled = msgspec.structs.replace(found[0], state=state, status=status, reason=reason)
            self.messages.put(self.message, (settled,))
            if self.request is not None and self.http.is_waiting(self.request):
                self._answer(self.request, settled)
            if self.config.webhook:
                self._tell(settled)
            self.usage.delay.record(round((self.now - settled.created) * 1000))
        getattr(self.usage, state).increment()
        self.message, self.request = "", None
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.detach(self)

    def _tell(self, settled: MessageStatus) -> None:
        """Hand a web-hook over; without its target the outcome is known all the same."""
        body = msgspec.json.encode({"type": "message.outcome", **settled.shown()})
        try:
            self.http.webhook(self.config.webhook, body, ordering_key=settled.to)
        except HttpRefusal as error:
            self.alarms.raise_alarm(_ALARM, self.config.webhook, level=AlarmLevel.MAJOR, message=str(error))
        else:
            self.alarms.clear_type(_ALARM)

    def _answer(self, aci: ActivityContext, status: MessageStatus) -> None:
        """201 with the outcome, 202 without."""
        headers = [("Location", f"/v1/messages/{status.id}")]
        self.http.respond_json(aci, status.shown(), status=202 if status.state == PENDING else 201, headers=headers)


def _key_of(request: HttpRequest) -> str:
    """What the client's `Idempotency-Key` is known by; empty without one."""
    key = request.header("idempotency-key")
    name = "" if request.principal is None else request.principal.name
    return "" if key is None else f"{name}\n{key}"
