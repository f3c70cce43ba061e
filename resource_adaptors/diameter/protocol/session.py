"""The client side of one credit-control session: its requests, and the table run on it (DIA-28 to DIA-33).

It sends one request at a time. Use that is reported meanwhile is kept for the next request; an update or termination
that failed is kept itself, in the owner's outbox.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.errors import LocalProtocolError
from resource_adaptors.diameter.message.message import Message, T
from resource_adaptors.diameter.protocol import credit_table as table
from resource_adaptors.diameter.protocol.charging import (
    Action,
    CreditAnswer,
    CreditRequest,
    FailureHandling,
    RequestType,
    Subscription,
)
from resource_adaptors.diameter.protocol.quota import Key, Quotas
from resource_adaptors.diameter.protocol.units import Service

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
_MAYBE_DONE: Final = frozenset({"timeout"})
"""Why a request failed that may have reached its server all the same."""
_REPORTS: Final = (RequestType.UPDATE, RequestType.TERMINATION)
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

    def send(self, session: CreditSession, message: Message) -> Message:
        """Send a request, returned as it is sent; what comes of it is told to `answered` or `failed`."""
        ...

    def store(self, session: CreditSession, message: Message, *, was_sent: bool) -> Message:
        """Send a request, returned as it is sent, until it is answered; `was_sent` if that has been tried."""
        ...

    def tell(self, session: CreditSession, told: Told) -> None:
        """The service is to know."""

    def await_until(self, session: CreditSession, deadline: float | None) -> None:
        """Call `validity_over` at a time, or not at all any more."""


class CreditSession:
    """One session of ours."""

    __slots__ = (
        "_owner",
        "action",
        "cause",
        "context",
        "correlation",
        "debits_anyway",
        "done",
        "extra",
        "fails_over",
        "failure_handling",
        "host",
        "kind",
        "last",
        "now",
        "number",
        "is_repeated",
        "origin",
        "queued_end",
        "queued_update",
        "quotas",
        "realm",
        "serial",
        "session_id",
        "state",
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
        debits_anyway: bool = False,
        fails_over: bool = False,
        extra: tuple[Avp, ...] = (),
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
        self.debits_anyway = debits_anyway
        """Whether the service is given though its debit cannot be delivered (Direct-Debiting-Failure-Handling)."""
        self.fails_over = fails_over
        """Whether another server may go on with the session: its requests then name none (RFC 8506 8.4)."""
        self.extra = extra
        """What every request says besides, such as Service-Information."""
        self.state = table.IDLE
        self.number = 0
        self.kind = RequestType.INITIAL
        """What the last request was."""
        self.last: Message | None = None
        self.action: Action | None = None
        self.correlation = b""
        self.cause = LOGOUT
        self.now = 0.0
        self.queued_update = self.queued_end = False
        self.quotas = Quotas()
        self.serial = 0
        """Number of the last command that a service gave."""
        self.done = 0
        """Number of the last command that was carried out."""
        self.is_repeated = False
        """Whether the next request may have been sent before a crash, and says so."""

    def new_serial(self) -> int:
        """The number of the next command of a service."""
        self.serial += 1
        return self.serial

    # What services do.

    def begin(self, services: tuple[Service, ...], now: float) -> None:
        """Ask for credit."""
        self.now = now
        self.quotas.note(services, now)
        self._step(table.BEGIN)

    def event(self, action: Action, services: tuple[Service, ...], now: float, correlation: bytes = b"") -> None:
        """Debit, give back, or ask."""
        self.now = now
        self.action, self.correlation = action, correlation
        self.quotas.note(services, now)
        self._step(table.EVENT)

    def report(self, services: tuple[Service, ...], now: float) -> None:
        """Units were used, or other ones are wanted; asks for more where that is due (DIA-31)."""
        self.now = now
        wants = self.quotas.note(services, now)
        exhausted = self.quotas.exhausted()
        for key in exhausted:
            self._tell_exhausted(key)
        if wants or any(not self.quotas.entries[key].is_final for key in exhausted):
            self._step(table.REPORT)
        elif self.state == table.OPEN:
            self._await()

    def end(self, services: tuple[Service, ...], cause: int, now: float) -> None:
        """The service is over."""
        self.now = now
        self.cause = cause
        self.quotas.note(services, now)
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
        """The time of a grant is over, or it was not used for too long: report what was used (DIA-31)."""
        self.now = now
        if self.state == table.OPEN:
            self.quotas.give_back(now)
            self._step(table.REPORT)

    def answered(self, answer: CreditAnswer, host: str, now: float) -> None:
        """The answer to the request under way has come."""
        self.now = now
        if answer.failure_handling is not None:
            self.failure_handling = answer.failure_handling
        if answer.debits_anyway is not None:
            self.debits_anyway = answer.debits_anyway
        if answer.result // 1000 == 2:
            self.host = self.host or host
            if answer.session_failover is not None:
                self.fails_over = answer.session_failover
            self.quotas.take(answer.grants, now)
            if self.kind is not RequestType.TERMINATION:
                self._await()
            self._step(table.GRANTED, answer)
        elif answer.result == codes.CREDIT_CONTROL_NOT_APPLICABLE:
            self._step(table.NOT_APPLICABLE, answer)
        elif answer.result == codes.UNABLE_TO_COMPLY and self.kind in _REPORTS:
            self.failed(f"result {answer.result}", now)  # what was used is not lost for it
        elif answer.result in _DENIALS or answer.result // 1000 in (4, 5):
            self._step(table.DENIED, answer)
        else:
            self.failed(f"result {answer.result}", now)

    def failed(self, reason: str, now: float) -> None:
        """No answer that decides has come: do as the failure handling says (DIA-32)."""
        self.now = now
        is_debit = self.kind is RequestType.EVENT and self.action is Action.DEBIT
        if is_debit:
            # RFC 8506 8.15: a debit that may have been made is repeated until that is known; one that has surely not
            # been made ends the service, unless the service goes on whatever becomes of its debits.
            may_be_done = reason in _MAYBE_DONE or self.debits_anyway
            event = table.FAILED_BUFFER if may_be_done else table.FAILED_STOP
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

    def _tell_exhausted(self, key: Key) -> None:
        quota = self.quotas.entries[key]
        if not quota.is_told:
            quota.is_told = True
            self._owner.tell(self, Told("exhausted", key=key))

    def _await(self) -> None:
        """Have the owner call when use is to be reported in any case."""
        self._owner.await_until(self, self.quotas.deadline)

    def _build(self, kind: RequestType) -> Message:
        services = self.quotas.services(
            asks=kind is not RequestType.TERMINATION, is_last=kind is RequestType.TERMINATION
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
            services=services,
            action=self.action if kind is RequestType.EVENT else None,
            cause=self.cause if kind is RequestType.TERMINATION else None,
            correlation=self.correlation,
            extra=self.extra,
        )
        self.number += 1
        message = request.message()
        if self.is_repeated:
            self.is_repeated = False
            message = msgspec.structs.replace(message, flags=message.flags | T)
        return message

    def _request(self, kind: RequestType) -> None:
        self.last = self._owner.send(self, self._build(kind))

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
        self.last = self._owner.store(self, self.last, was_sent=True)
        self.quotas.stored()

    def store_termination(self, answer: CreditAnswer | None, reason: str) -> None:
        """Let the outbox report for the last time."""
        self._owner.await_until(self, None)
        self.last = self._owner.store(self, self._build(RequestType.TERMINATION), was_sent=False)

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
        """Do what was queued; an update that waits in the outbox goes first."""
        if self.queued_end:
            self._step(table.END)
        elif self.queued_update and self.state not in table.STORED:
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
    table.STORE_TERMINATION: CreditSession.store_termination,
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
