"""The client side of one credit-control session: quotas, reports, and the table run on it (DIA-28 to DIA-33).

It sends one request at a time. Use that is reported meanwhile is kept for the next request; so is use of a request that
failed, until the session ends.
"""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.errors import LocalProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol import credit_table as table
from resource_adaptors.diameter.protocol.charging import (
    Action,
    CreditAnswer,
    CreditRequest,
    FailureHandling,
    RequestType,
    Subscription,
)
from resource_adaptors.diameter.protocol.units import Grant, Service, Units

Key: TypeAlias = "tuple[int | None, tuple[int, ...]]"
"""Rating group and service identifiers: what tells one service of a session from another."""

_DENIALS: Final = frozenset(
    {
        codes.END_USER_SERVICE_DENIED,
        codes.CREDIT_LIMIT_REACHED,
        codes.AUTHORIZATION_REJECTED,
        codes.USER_UNKNOWN,
        codes.RATING_FAILED,
        codes.UNKNOWN_SESSION_ID,
    }
)
_MEASURES: Final = ("time", "total_octets", "input_octets", "output_octets", "specific")
LOGOUT: Final = 1
"""Termination-Cause DIAMETER_LOGOUT."""


class Told(msgspec.Struct, frozen=True):
    """What a session's owner is told."""

    what: str
    """`granted`, `denied`, `free`, `continue`, `terminate`, `exhausted` or `finished`."""
    answer: CreditAnswer | None = None
    reason: str = ""
    key: Key | None = None


class Owner(Protocol):
    """Who keeps sessions."""

    def send(self, session: CreditSession, message: Message) -> None:
        """Send a request; what comes of it is told to `answered` or `failed`."""

    def store(self, session: CreditSession, message: Message) -> None:
        """Send a request until it is answered, whatever happens."""

    def tell(self, session: CreditSession, told: Told) -> None:
        """The service is to know."""

    def await_until(self, session: CreditSession, deadline: float | None) -> None:
        """Call `validity_over` at a time, or not at all any more."""


class Quota:
    """What one service of a session has been granted, and has used of it."""

    __slots__ = ("grant", "requested", "used", "used_up")

    def __init__(self, requested: Units | None) -> None:
        self.requested = requested
        """What is asked for when it is used up."""
        self.grant: Grant | None = None
        self.used: tuple[Units, ...] = ()
        """Used since the last request that was answered."""
        self.used_up = False
        """Whether its end has been told."""

    @property
    def is_exhausted(self) -> bool:
        """Whether the use has reached what was granted, or the threshold below it (DIA-31)."""
        grant = self.grant
        if grant is None or grant.granted is None:
            return False
        thresholds = {
            "time": grant.time_threshold,
            "specific": grant.unit_threshold,
        }
        for measure in _MEASURES:
            granted: int | None = getattr(grant.granted, measure)
            if granted is None:
                continue
            used = sum(getattr(units, measure) or 0 for units in self.used)
            threshold = thresholds.get(measure, grant.volume_threshold) or 0
            if used >= max(0, granted - (0 if grant.final is not None else threshold)):
                return True
        return False


class CreditSession:
    """One session of ours."""

    __slots__ = (
        "_owner",
        "_quotas",
        "_sent",
        "action",
        "cause",
        "context",
        "correlation",
        "expires_at",
        "fails_over",
        "failure_handling",
        "host",
        "kind",
        "last",
        "now",
        "number",
        "origin",
        "queued_end",
        "queued_update",
        "realm",
        "session_id",
        "state",
        "stores_events",
        "subscriptions",
    )

    def __init__(
        self,
        owner: Owner,
        session_id: str,
        subscriptions: tuple[Subscription, ...],
        *,
        origin: tuple[str, str],
        context: str,
        realm: str,
        failure_handling: FailureHandling,
        stores_events: bool = False,
        fails_over: bool = False,
    ) -> None:
        self._owner = owner
        self.session_id = session_id
        self.subscriptions = subscriptions
        self.origin = origin
        """Our host and realm."""
        self.context = context
        self.realm = realm
        self.host = ""
        """The server that answered first; later requests name it."""
        self.failure_handling = failure_handling
        self.stores_events = stores_events
        """Whether debits that cannot be delivered are stored (DIA-33)."""
        self.fails_over = fails_over
        """Whether another server may go on with the session: its requests then name none (RFC 8506 8.4)."""
        self.state = table.IDLE
        self.number = 0
        self.kind = RequestType.INITIAL
        """What the last request was."""
        self.last: Message | None = None
        self.action: Action | None = None
        self.correlation = b""
        self.cause = LOGOUT
        self.now = 0.0
        self.expires_at: float | None = None
        self.queued_update = self.queued_end = False
        self._quotas: dict[Key, Quota] = {}
        self._sent: dict[Key, int] = {}
        """How many reports of use the request under way carries, by service."""

    # What services do.

    def begin(self, services: tuple[Service, ...], now: float) -> None:
        """Ask for credit."""
        self.now = now
        self._note(services)
        self._step(table.BEGIN)

    def event(self, action: Action, services: tuple[Service, ...], now: float, correlation: bytes = b"") -> None:
        """Debit, give back, or ask."""
        self.now = now
        self.action, self.correlation = action, correlation
        self._note(services)
        self._step(table.EVENT)

    def report(self, services: tuple[Service, ...], now: float) -> None:
        """Units were used, or other ones are wanted; asks for more where that is due (DIA-31)."""
        self.now = now
        wants = self._note(services)
        exhausted = [key for key, quota in self._quotas.items() if quota.is_exhausted]
        for key in exhausted:
            self._tell_exhausted(key)
        if wants or any(not self._is_final(key) for key in exhausted):
            self._step(table.REPORT)

    def end(self, services: tuple[Service, ...], cause: int, now: float) -> None:
        """The service is over."""
        self.now = now
        self.cause = cause
        self._note(services)
        self._step(table.END)

    def check(self, event: str) -> None:
        """`LocalProtocolError` if the session is in no state for that (COM-4)."""
        if (self.state, event) not in table.CREDIT:
            raise LocalProtocolError(f"session {self.session_id}: {event} in state {self.state} [DIA-30]; it has ended")

    # What the network does.

    def reauthorise(self, now: float) -> bool:
        """A RAR has come; whether an update is sent for it now (DIA-34)."""
        self.now = now
        before = self.state
        return self._step(table.REAUTH) and before == table.OPEN

    def validity_over(self, now: float) -> None:
        """The time of the grant is over: report what was used (DIA-31)."""
        self.now = now
        self.expires_at = None
        if self.state == table.OPEN:
            self._step(table.REPORT)

    def answered(self, answer: CreditAnswer, host: str, now: float) -> None:
        """The answer to the request under way has come."""
        self.now = now
        if answer.failure_handling is not None:
            self.failure_handling = answer.failure_handling
        if answer.result // 1000 == 2:
            self.host = self.host or host
            if answer.session_failover is not None:
                self.fails_over = answer.session_failover
            self._take(answer)
            self._step(table.GRANTED, answer)
        elif answer.result == codes.CREDIT_CONTROL_NOT_APPLICABLE:
            self._step(table.NOT_APPLICABLE, answer)
        elif answer.result in _DENIALS or answer.result // 1000 in (4, 5):
            self._step(table.DENIED, answer)
        else:
            self.failed(f"result {answer.result}", now)

    def failed(self, reason: str, now: float) -> None:
        """No answer that decides has come: do as the failure handling says (DIA-32)."""
        self.now = now
        is_stored = self.kind is RequestType.EVENT and self.action is Action.DEBIT and self.stores_events
        if is_stored:
            event = table.FAILED_BUFFER
        elif self.failure_handling is FailureHandling.CONTINUE:
            event = table.FAILED_GO_ON
        else:
            event = table.FAILED_STOP
        self._step(event, reason=reason)

    # Within.

    def _step(self, event: str, answer: CreditAnswer | None = None, reason: str = "") -> bool:
        entry = table.CREDIT.get((self.state, event))
        if entry is None:
            return False
        actions, self.state = entry
        for action in actions:
            _ACTIONS[action](self, answer, reason)
        return True

    def _note(self, services: tuple[Service, ...]) -> bool:
        """Keep what was used and is wanted; whether something is wanted anew."""
        wants = False
        for service in services:
            key = service.rating_group, service.service_ids
            quota = self._quotas.get(key)
            if quota is None:
                quota = self._quotas[key] = Quota(service.requested)
                wants = True
            elif service.requested is not None:
                quota.requested = service.requested
                wants = True
            quota.used += service.used
        return wants

    def _take(self, answer: CreditAnswer) -> None:
        """Units that were reported are done with, those granted begin."""
        for key, count in self._sent.items():
            quota = self._quotas[key]
            quota.used = quota.used[count:]
        self._sent = {}
        for grant in answer.grants:
            key = grant.rating_group, grant.service_ids
            quota = self._quotas.get(key) or self._quotas.setdefault(key, Quota(None))
            quota.grant = grant
            quota.used_up = False
        validities = [g.validity for g in answer.grants if g.validity]
        self.expires_at = (
            self.now + min(validities) if validities and self.kind is not RequestType.TERMINATION else None
        )
        self._owner.await_until(self, self.expires_at)

    def _is_final(self, key: Key) -> bool:
        grant = self._quotas[key].grant
        return grant is not None and grant.final is not None

    def _tell_exhausted(self, key: Key) -> None:
        quota = self._quotas[key]
        if not quota.used_up:
            quota.used_up = True
            self._owner.tell(self, Told("exhausted", key=key))

    def _request(self, kind: RequestType) -> None:
        asks = kind in (RequestType.INITIAL, RequestType.UPDATE, RequestType.EVENT)
        services: list[Service] = []
        for key, quota in self._quotas.items():
            self._sent[key] = len(quota.used)
            requested = (quota.requested or Units()) if asks and not self._is_final(key) else None
            if requested is None and not quota.used and kind is not RequestType.TERMINATION:
                continue
            if requested is None and not quota.used and quota.grant is None:
                continue
            services.append(
                Service(rating_group=key[0], service_ids=key[1], requested=requested, used=_summed(quota.used))
            )
        self.kind = kind
        request = CreditRequest(
            session_id=self.session_id,
            kind=kind,
            number=self.number,
            context=self.context,
            origin_host=self.origin[0],
            origin_realm=self.origin[1],
            realm=self.realm,
            host="" if self.fails_over else self.host,
            subscriptions=self.subscriptions if kind in (RequestType.INITIAL, RequestType.EVENT) else (),
            services=tuple(services),
            action=self.action if kind is RequestType.EVENT else None,
            cause=self.cause if kind is RequestType.TERMINATION else None,
            correlation=self.correlation,
        )
        self.number += 1
        self.last = request.message()
        self._owner.send(self, self.last)

    # Actions of the table.

    def send_initial(self, answer: CreditAnswer | None, reason: str) -> None:
        """Ask for credit."""
        self._request(RequestType.INITIAL)

    def send_update(self, answer: CreditAnswer | None, reason: str) -> None:
        """Report, and ask for more."""
        self.queued_update = False
        self._owner.await_until(self, None)
        self._request(RequestType.UPDATE)

    def send_termination(self, answer: CreditAnswer | None, reason: str) -> None:
        """Report for the last time."""
        self._owner.await_until(self, None)
        self._request(RequestType.TERMINATION)

    def send_event(self, answer: CreditAnswer | None, reason: str) -> None:
        """Debit, give back, or ask, once."""
        self._request(RequestType.EVENT)

    def store(self, answer: CreditAnswer | None, reason: str) -> None:
        """Let the outbox send the last request until it is answered."""
        assert self.last is not None
        self._owner.store(self, self.last)

    def queue_update(self, answer: CreditAnswer | None, reason: str) -> None:
        """Report once the answer has come."""
        self.queued_update = True

    def queue_end(self, answer: CreditAnswer | None, reason: str) -> None:
        """End once the answer has come."""
        self.queued_end = True

    def tell_granted(self, answer: CreditAnswer | None, reason: str) -> None:
        """The service may go on."""
        self._owner.tell(self, Told("granted", answer))

    def tell_denied(self, answer: CreditAnswer | None, reason: str) -> None:
        """The service may not go on."""
        self._owner.tell(self, Told("denied", answer))

    def tell_free(self, answer: CreditAnswer | None, reason: str) -> None:
        """The service may go on; nothing is charged."""
        self._owner.tell(self, Told("free", answer))

    def tell_continue(self, answer: CreditAnswer | None, reason: str) -> None:
        """The service may go on uncharged."""
        self._owner.tell(self, Told("continue", None, reason))

    def tell_terminate(self, answer: CreditAnswer | None, reason: str) -> None:
        """The service is to end: it cannot be charged."""
        self._owner.tell(self, Told("terminate", None, reason))

    def next(self, answer: CreditAnswer | None, reason: str) -> None:
        """Do what was queued."""
        if self.queued_end:
            self._step(table.END)
        elif self.queued_update:
            self._step(table.REPORT)

    def finish(self, answer: CreditAnswer | None, reason: str) -> None:
        """The session is over."""
        self._owner.await_until(self, None)
        self._owner.tell(self, Told("finished"))


_ACTIONS: Final = {
    table.SEND_INITIAL: CreditSession.send_initial,
    table.SEND_UPDATE: CreditSession.send_update,
    table.SEND_TERMINATION: CreditSession.send_termination,
    table.SEND_EVENT: CreditSession.send_event,
    table.STORE: CreditSession.store,
    table.QUEUE_UPDATE: CreditSession.queue_update,
    table.QUEUE_END: CreditSession.queue_end,
    table.TELL_GRANTED: CreditSession.tell_granted,
    table.TELL_DENIED: CreditSession.tell_denied,
    table.TELL_FREE: CreditSession.tell_free,
    table.TELL_CONTINUE: CreditSession.tell_continue,
    table.TELL_TERMINATE: CreditSession.tell_terminate,
    table.NEXT: CreditSession.next,
    table.FINISH: CreditSession.finish,
}


def _summed(used: tuple[Units, ...]) -> tuple[Units, ...]:
    """Reports of one service added up; those before and after a change of tariff stay apart."""
    sums: dict[int | None, Units] = {}
    others: list[Units] = []
    for units in used:
        if units.money is not None:
            others.append(units)
            continue
        before = sums.get(units.change_usage)
        sums[units.change_usage] = units if before is None else _sum(before, units)
    return (*sums.values(), *others)


def _sum(one: Units, other: Units) -> Units:
    total: dict[str, int] = {}
    for measure in _MEASURES:
        values: list[int] = [v for v in (getattr(one, measure), getattr(other, measure)) if v is not None]
        if values:
            total[measure] = sum(values)
    return msgspec.structs.replace(one, **total)
