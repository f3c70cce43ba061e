"""What SBBs call on Diameter: each command is judged at the call, and enlisted in the delivery's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from resource_adaptors.diameter.api import AccountingSession, CreditControlSession, Diameter, DiameterTransaction
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, text
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol import credit_table as table
from resource_adaptors.diameter.protocol.accounting import Accounting, RecordType
from resource_adaptors.diameter.protocol.charging import (
    Action,
    CreditAnswer,
    FailureHandling,
    Subscription,
)
from resource_adaptors.diameter.protocol.session import CreditSession
from resource_adaptors.diameter.protocol.units import Grant, Service
from resource_adaptors.diameter.protocol.validation import check_request

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor
    from resource_adaptors.diameter.servers import Served
    from slee.api.activity import ActivityContext

_LARGEST_RESULT: Final = 5999


class Begin(msgspec.Struct, frozen=True):
    """Ask for credit."""

    session: CreditSession
    services: tuple[Service, ...]


class ChargeEvent(msgspec.Struct, frozen=True):
    """Charge once."""

    session: CreditSession
    action: Action
    services: tuple[Service, ...]
    correlation: bytes


class Report(msgspec.Struct, frozen=True):
    """Tell what was used."""

    session: CreditSession
    services: tuple[Service, ...]


class End(msgspec.Struct, frozen=True):
    """End a session."""

    session: CreditSession
    services: tuple[Service, ...]
    cause: int


class Record(msgspec.Struct, frozen=True):
    """Make an accounting record."""

    accounting: Accounting
    kind: RecordType
    avps: tuple[Avp, ...]


class Send(msgspec.Struct, frozen=True):
    """Send a request of a service."""

    key: str
    message: Message


class ReplyCredit(msgspec.Struct, frozen=True):
    """Answer a CCR."""

    served: Any
    answer: CreditAnswer


class Reply(msgspec.Struct, frozen=True):
    """Answer another request."""

    served: Any
    result: int
    avps: tuple[Avp, ...]


class Ask(msgspec.Struct, frozen=True):
    """Send a RAR or ASR."""

    served: Any
    command: int


class Disconnect(msgspec.Struct, frozen=True):
    """Say goodbye to a peer."""

    host: str
    cause: int


class DiameterProvider(Diameter):
    """The interface of one Diameter resource adaptor entity."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor

    def open_session(
        self,
        subscriptions: tuple[Subscription, ...],
        services: tuple[Service, ...],
        *,
        realm: str,
        context: str | None = None,
        failure_handling: FailureHandling | None = None,
    ) -> ActivityContext:
        session = self._session(subscriptions, services, realm, context)
        if failure_handling is not None:
            session.failure_handling = failure_handling
        activity = self._start(session)
        self._adaptor.context.enlist(Begin(session, services))
        return activity

    def charge_event(
        self,
        action: Action,
        subscriptions: tuple[Subscription, ...],
        services: tuple[Service, ...],
        *,
        realm: str,
        context: str | None = None,
        correlation: bytes = b"",
    ) -> ActivityContext:
        session = self._session(subscriptions, services, realm, context)
        activity = self._start(session)
        self._adaptor.context.enlist(ChargeEvent(session, action, services, correlation))
        return activity

    def report(self, session: ActivityContext, services: tuple[Service, ...]) -> None:
        found = self._client(session, "report")
        _encode(services)
        if found.queued_end:
            raise LocalProtocolError(f"report: session {found.session_id} is ending [DIA-28]; give use with close")
        self._adaptor.context.enlist(Report(found, services))

    def close(self, session: ActivityContext, services: tuple[Service, ...] = (), *, cause: int = 1) -> None:
        found = self._client(session, "close")
        _encode(services)
        found.check(table.END)
        self._adaptor.context.enlist(End(found, services, cause))

    def open_accounting(self, avps: tuple[Avp, ...] = (), *, realm: str, is_event: bool = False) -> ActivityContext:
        if not realm:
            raise LocalProtocolError("accounting without realm [DIA-19]; give the Destination-Realm")
        adaptor = self._adaptor
        accounting = Accounting(adaptor.new_session_id(), realm)
        sessions, handle = adaptor.clients.accounting, accounting.session_id
        sessions[handle] = accounting
        adaptor.context.on_rollback(sessions.pop, handle, None)
        activity = adaptor.context.endpoint.start_activity_transacted(handle, AccountingSession(handle))
        adaptor.context.enlist(Record(accounting, RecordType.EVENT if is_event else RecordType.START, avps))
        return activity

    def record(self, accounting: ActivityContext, avps: tuple[Avp, ...] = (), *, is_last: bool = False) -> None:
        adaptor = self._adaptor
        found = adaptor.clients.accounting.get(str(adaptor.context.handle_of(accounting)))
        if found is None or found.is_over:
            raise LocalProtocolError(f"record: {accounting!r} is no accounting session that goes on [DIA-38]")
        adaptor.context.enlist(Record(found, RecordType.STOP if is_last else RecordType.INTERIM, avps))

    def send(self, message: Message) -> ActivityContext:
        if not message.is_request:
            raise LocalProtocolError(f"send: {message!r} is no request [DIA-46]; answer with answer()")
        adaptor = self._adaptor
        missing: list[Avp] = []
        settings = adaptor.node.settings
        for code, value in (
            (codes.SESSION_ID, adaptor.new_session_id()),
            (codes.ORIGIN_HOST, settings.identity),
            (codes.ORIGIN_REALM, settings.realm),
        ):
            if message.find(code) is None:
                missing.append(text(code, value))
        whole = msgspec.structs.replace(message, avps=(*missing, *message.avps))
        try:
            check_request(whole, adaptor.node.dictionary)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"send: {error.reason} [DIA-7]; mend the request") from error
        key = f"s {adaptor.new_session_id()}"
        activity = adaptor.context.endpoint.start_activity_transacted(key, DiameterTransaction(key, whole.name))
        adaptor.context.enlist(Send(key, whole))
        return activity

    def grant(self, session: ActivityContext, grants: tuple[Grant, ...], *, answer: CreditAnswer | None = None) -> None:
        full = msgspec.structs.replace(answer or CreditAnswer(result=codes.SUCCESS), grants=grants)
        full.avps()  # refuses here what does not fit
        self._answer_credit(session, "grant", full)

    def deny(self, session: ActivityContext, result: int) -> None:
        if not 3000 <= result <= _LARGEST_RESULT:
            raise LocalProtocolError(f"deny: result {result} is no failure [DIA-35]; give 3000 to 5999")
        self._answer_credit(session, "deny", CreditAnswer(result=result))

    def answer(self, aci: ActivityContext, result: int, avps: tuple[Avp, ...] = ()) -> None:
        served = self._served(aci, "answer")
        self._adaptor.context.enlist(Reply(served, result, avps))

    def reauthorise(self, session: ActivityContext) -> None:
        self._adaptor.context.enlist(Ask(self._open_served(session, "reauthorise"), codes.RE_AUTH))

    def abort(self, session: ActivityContext) -> None:
        self._adaptor.context.enlist(Ask(self._open_served(session, "abort"), codes.ABORT_SESSION))

    def disconnect(self, host: str, cause: int = 0) -> None:
        if host.lower() not in self._adaptor.node.peers or cause not in (0, 1, 2):
            raise LocalProtocolError(f"disconnect: {host} with cause {cause} [DIA-46]; give a peer, and 0, 1 or 2")
        self._adaptor.context.enlist(Disconnect(host, cause))

    def is_reachable(self, realm: str, application: int = codes.CREDIT_CONTROL_APPLICATION) -> bool:
        node = self._adaptor.node
        return bool(node.routes.candidates(realm, application, "", now=self._adaptor.context.now, tried=set()))

    # Within.

    def _session(
        self,
        subscriptions: tuple[Subscription, ...],
        services: tuple[Service, ...],
        realm: str,
        context: str | None,
    ) -> CreditSession:
        adaptor = self._adaptor
        if not services:
            raise LocalProtocolError("a session without services [DIA-28]; give at least one Service")
        if not realm:
            raise LocalProtocolError("a session without realm [DIA-19]; give the Destination-Realm")
        for subscription in subscriptions:
            subscription.avp()
        _encode(services)
        settings = adaptor.settings
        return CreditSession(
            adaptor.clients,
            adaptor.new_session_id(),
            subscriptions,
            origin=(settings.identity, settings.realm),
            context=context or settings.context,
            realm=realm,
            failure_handling=settings.failure_handling,
            stores_events=settings.stores_events,
            fails_over=settings.session_failover,
        )

    def _start(self, session: CreditSession) -> ActivityContext:
        handle = session.session_id
        sessions, context = self._adaptor.clients.sessions, self._adaptor.context
        sessions[handle] = session
        context.on_rollback(sessions.pop, handle, None)
        return context.endpoint.start_activity_transacted(handle, CreditControlSession(handle, True))

    def _client(self, aci: ActivityContext, what: str) -> CreditSession:
        session = self._adaptor.clients.sessions.get(str(self._adaptor.context.handle_of(aci)))
        if session is None:
            raise LocalProtocolError(f"{what}: {aci!r} is no session of ours that goes on [DIA-28]")
        return session

    def _served(self, aci: ActivityContext, what: str) -> Served:
        served = self._adaptor.servers.served(self._adaptor.context.handle_of(aci), what)
        served.answered = True
        self._adaptor.context.on_rollback(served.forget_answer)
        return served

    def _answer_credit(self, aci: ActivityContext, what: str, answer: CreditAnswer) -> None:
        served = self._served(aci, what)
        self._adaptor.context.enlist(ReplyCredit(served, answer))

    def _open_served(self, aci: ActivityContext, what: str) -> Served:
        handle = str(self._adaptor.context.handle_of(aci))
        served = self._adaptor.servers.activities.get(handle)
        if served is None or not served.origin:
            raise LocalProtocolError(f"{what}: {aci!r} is no session of a peer that goes on [DIA-35]")
        return served


def _encode(services: tuple[Service, ...]) -> None:
    """Refuse values that do not fit at the call, not when the request is built (COM-4)."""
    for service in services:
        service.avp()
