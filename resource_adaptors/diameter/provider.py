"""What SBBs call on Diameter: each command is judged at the call, and enlisted in the delivery's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter.api import AccountingSession, CreditControlSession, DiameterTransaction
from resource_adaptors.diameter.commands import (
    Ask,
    Begin,
    ChargeEvent,
    Disconnect,
    End,
    Record,
    Reply,
    ReplyCredit,
    Report,
    Send,
)
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
from resource_adaptors.diameter.protocol.ims import ImsInformation
from resource_adaptors.diameter.protocol.session import CreditSession
from resource_adaptors.diameter.protocol.units import Grant, Service
from resource_adaptors.diameter.protocol.validation import check_request
from resource_adaptors.diameter.user_data_provider import UserDataProvider
from slee.spi import ActivityFlags

if TYPE_CHECKING:
    from resource_adaptors.diameter.servers import Served
    from slee.api.activity import ActivityContext

_LARGEST_RESULT: Final = 5999


class DiameterProvider(UserDataProvider):
    """The interface of one Diameter resource adaptor entity."""

    def open_session(
        self,
        subscriptions: tuple[Subscription, ...],
        services: tuple[Service, ...],
        *,
        realm: str,
        context: str | None = None,
        failure_handling: FailureHandling | None = None,
        information: ImsInformation | None = None,
    ) -> ActivityContext:
        session = self._session(subscriptions, services, realm, context, information)
        if failure_handling is not None:
            session.failure_handling = failure_handling
        activity = self._start(session)
        self._adaptor.context.enlist(Begin(session.session_id, session.new_serial(), services))
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
        information: ImsInformation | None = None,
    ) -> ActivityContext:
        session = self._session(subscriptions, services, realm, context, information)
        activity = self._start(session)
        self._adaptor.context.enlist(
            ChargeEvent(session.session_id, session.new_serial(), action, services, correlation)
        )
        return activity

    def report(self, session: ActivityContext, services: tuple[Service, ...]) -> None:
        found = self._client(session, "report")
        _encode(services)
        if found.queued_end:
            raise LocalProtocolError(f"report: session {found.session_id} is ending [DIA-28]; give use with close")
        self._adaptor.context.enlist(Report(found.session_id, found.new_serial(), services))

    def close(self, session: ActivityContext, services: tuple[Service, ...] = (), *, cause: int = 1) -> None:
        found = self._client(session, "close")
        _encode(services)
        found.check(table.END)
        self._adaptor.context.enlist(End(found.session_id, found.new_serial(), services, cause))

    def open_accounting(self, avps: tuple[Avp, ...] = (), *, realm: str, is_event: bool = False) -> ActivityContext:
        if not realm:
            raise LocalProtocolError("accounting without realm [DIA-19]; give the Destination-Realm")
        adaptor = self._adaptor
        accounting = adaptor.accounting.new(realm)
        handle = accounting.session_id
        adaptor.context.on_rollback(adaptor.accounting.sessions.pop, handle, None)
        activity = adaptor.context.endpoint.start_activity_transacted(
            handle, AccountingSession(handle), ActivityFlags.UNREFERENCED
        )
        adaptor.accounting.save(accounting)
        self._record(accounting, RecordType.EVENT if is_event else RecordType.START, avps)
        return activity

    def record(self, accounting: ActivityContext, avps: tuple[Avp, ...] = (), *, is_last: bool = False) -> None:
        adaptor = self._adaptor
        found = adaptor.accounting.sessions.get(str(adaptor.context.handle_of(accounting)))
        if found is None or found.is_closing:
            raise LocalProtocolError(f"record: {accounting!r} is no accounting session that goes on [DIA-38]")
        self._record(found, RecordType.STOP if is_last else RecordType.INTERIM, avps)

    def _record(self, accounting: Accounting, kind: RecordType, avps: tuple[Avp, ...]) -> None:
        self._adaptor.context.on_rollback(accounting.take_back, accounting.next_number)
        number = accounting.ask(kind)
        self._adaptor.context.enlist(Record(accounting.session_id, number, kind, avps))

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
        self._adaptor.context.enlist(Reply(served.handle, result, avps))

    def reauthorise(self, session: ActivityContext) -> None:
        self._adaptor.context.enlist(Ask(self._open_served(session, "reauthorise").handle, codes.RE_AUTH))

    def abort(self, session: ActivityContext) -> None:
        self._adaptor.context.enlist(Ask(self._open_served(session, "abort").handle, codes.ABORT_SESSION))

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
        information: ImsInformation | None,
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
            debits_anyway=settings.ddfh == "CONTINUE",
            fails_over=settings.session_failover,
            extra=() if information is None else (information.avp(),),
        )

    def _start(self, session: CreditSession) -> ActivityContext:
        handle = session.session_id
        sessions, context = self._adaptor.clients.sessions, self._adaptor.context
        sessions[handle] = session
        context.on_rollback(sessions.pop, handle, None)
        activity = context.endpoint.start_activity_transacted(
            handle, CreditControlSession(handle, True), ActivityFlags.UNREFERENCED
        )
        self._adaptor.clients.save(session)
        return activity

    def _client(self, aci: ActivityContext, what: str) -> CreditSession:
        session = self._adaptor.clients.sessions.get(str(self._adaptor.context.handle_of(aci)))
        if session is None:
            raise LocalProtocolError(f"{what}: {aci!r} is no session of ours that goes on [DIA-28]")
        return session

    def _answer_credit(self, aci: ActivityContext, what: str, answer: CreditAnswer) -> None:
        served = self._served(aci, what)
        self._adaptor.servers.save(served, answer)
        self._adaptor.context.enlist(ReplyCredit(served.handle, answer))

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
