"""Our sessions of credit control and requests, and what the SLEE is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter import api
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.accounting import Accounting, RecordType, accounting_request
from resource_adaptors.diameter.protocol.charging import CreditAnswer, FailureHandling, RequestType, read_answer
from resource_adaptors.diameter.protocol.events import Answered, RequestReceived, Unanswered
from resource_adaptors.diameter.protocol.session import LOGOUT, CreditSession, Told
from slee.api.alarm import AlarmLevel
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi.wheel import Timer, TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor

_RESOLUTION: Final = 0.1


class SessionToken:
    """Names a request of a session."""

    __slots__ = ("number", "session")

    def __init__(self, session: CreditSession, number: int) -> None:
        self.session = session
        self.number = number


class StoredToken:
    """Names an entry of the outbox."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class RequestToken:
    """Names a request that a service sent by itself; `key` is the handle of its activity."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class SilentToken:
    """Names a request whose answer changes nothing: RAR and ASR of the server side."""

    __slots__ = ()


class Clients:
    """The owner of client sessions."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor
        self.sessions: dict[str, CreditSession] = {}
        """Live sessions by Session-Id, which is the handle of their activity."""
        self.accounting: dict[str, Accounting] = {}
        """Live accounting sessions by Session-Id."""
        self.dead_letters = 0
        """Accounting records that were refused for good."""
        self._timers: TimerWheel[CreditSession] = TimerWheel(_RESOLUTION)
        self._validity: dict[str, Timer[CreditSession]] = {}

    def next_deadline(self) -> float | None:
        """When to call `tick` next."""
        return self._timers.next_deadline()

    def tick(self, now: float) -> None:
        """Report on sessions whose validity is over."""
        for session in self._timers.expire(now):
            self._validity.pop(session.session_id, None)
            session.validity_over(now)

    # What sessions ask for.

    def send(self, session: CreditSession, message: Message) -> None:
        """Send a request of a session."""
        adaptor = self._adaptor
        adaptor.node.send(message, SessionToken(session, session.number), adaptor.now)

    def store(self, session: CreditSession, message: Message) -> None:
        """Send a request until it is answered."""
        number = message.number(codes.CC_REQUEST_NUMBER)
        self._adaptor.outbox.add(f"{session.session_id} {number}", message, self._adaptor.now, was_sent=True)

    def await_until(self, session: CreditSession, deadline: float | None) -> None:
        """Have a session told when its validity is over."""
        timer = self._validity.pop(session.session_id, None)
        if timer is not None:
            timer.cancel()
        if deadline is not None:
            self._validity[session.session_id] = self._timers.set(deadline, session)

    def tell(self, session: CreditSession, told: Told) -> None:
        """Fire what the service is to know."""
        handle = session.session_id
        if told.what == "finished":
            self.sessions.pop(handle, None)
            self._end(handle)
            return
        answer = told.answer or CreditAnswer(result=0)
        if told.what in ("granted", "free"):
            is_free = told.what == "free"
            self._fire(handle, api.CreditGranted(handle, session.kind, answer, is_free))
            for grant in answer.grants:
                if grant.final is not None:
                    self._fire(handle, api.FinalUnitGranted(handle, grant.rating_group, grant.final))
        elif told.what == "denied":
            self._fire(handle, api.CreditDenied(handle, session.kind, answer.result, answer))
        elif told.what == "exhausted":
            assert told.key is not None
            self._fire(handle, api.QuotaExhausted(handle, *told.key))
        else:
            self._tell_failure(session, told)

    def _tell_failure(self, session: CreditSession, told: Told) -> None:
        goes_on = told.what == "continue"
        action = FailureHandling.CONTINUE if goes_on else FailureHandling.TERMINATE
        self._fire(session.session_id, api.FailureHandled(session.session_id, session.kind, action, told.reason))
        if goes_on and session.kind is not RequestType.EVENT:
            self._adaptor.context.alarms.raise_alarm(
                "dia.ccfh_continue",
                session.realm,
                level=AlarmLevel.MAJOR,
                message=f"calls go on uncharged: realm {session.realm} cannot be asked ({told.reason})",
            )

    # What the network tells.

    def answered(self, event: Answered) -> None:
        """An answer to a request of ours has come."""
        now, token = self._adaptor.now, event.token
        if isinstance(token, SessionToken):
            session = token.session
            if self.sessions.get(session.session_id) is session and token.number == session.number:
                session.answered(_read(event), event.message.text(codes.ORIGIN_HOST), now)
        elif isinstance(token, StoredToken):
            result = event.error or event.message.result
            if result // 1000 in (3, 4) or result == codes.UNABLE_TO_COMPLY:
                self._adaptor.outbox.failed(token.key, now)
            else:
                self._adaptor.outbox.answered(token.key)
                self._tell_recorded(token.key, event.message, result)
        elif isinstance(token, RequestToken):
            self._fire(token.key, api.DiameterAnswer(token.key, event.message, event.error))
            self._end(token.key)

    def _tell_recorded(self, key: str, message: Message, result: int) -> None:
        """What became of an accounting record; after the last one the session is over (DIA-39)."""
        session_id, _, number = key.rpartition(" ")
        if message.command != codes.ACCOUNTING:
            return
        if result // 1000 == 2:
            self._fire(session_id, api.AccountingAccepted(session_id, int(number), message))
        else:
            self.dead_letters += 1
            self._fire(session_id, api.AccountingRejected(session_id, int(number), result))
        accounting = self.accounting.get(session_id)
        if accounting is not None and accounting.is_over and int(number) == accounting.number - 1:
            del self.accounting[session_id]
            self._end(session_id)

    def record(self, accounting: Accounting, kind: RecordType, avps: tuple[Avp, ...]) -> None:
        """Keep an accounting record, which is sent until it is answered."""
        number = accounting.number
        accounting.number += 1
        accounting.is_over = kind in (RecordType.STOP, RecordType.EVENT)
        message = accounting_request(accounting, kind, number, avps, self._adaptor.node.settings)
        message = msgspec.structs.replace(message, end_to_end=self._adaptor.node.new_end_to_end())
        self._adaptor.outbox.add(f"{accounting.session_id} {number}", message, self._adaptor.now, was_sent=False)

    def unanswered(self, event: Unanswered) -> None:
        """No answer will come."""
        now, token = self._adaptor.now, event.token
        if isinstance(token, SessionToken):
            session = token.session
            if self.sessions.get(session.session_id) is session and token.number == session.number:
                session.failed(event.reason, now)
        elif isinstance(token, StoredToken):
            self._adaptor.outbox.failed(token.key, now)
        elif isinstance(token, RequestToken):
            is_timeout = event.reason == "timeout"
            told = api.AnswerTimeout(token.key) if is_timeout else api.Undeliverable(token.key, event.reason)
            self._fire(token.key, told)
            self._end(token.key)

    def reauthorise(self, event: RequestReceived) -> int:
        """A RAR has come; the Result-Code of its answer (DIA-34)."""
        session = self.sessions.get(event.message.session_id)
        if session is None:
            return codes.UNKNOWN_SESSION_ID
        rating = event.message.number(codes.RATING_GROUP)
        self._fire(session.session_id, api.ReauthRequested(session.session_id, rating))
        return codes.LIMITED_SUCCESS if session.reauthorise(self._adaptor.now) else codes.SUCCESS

    def abort(self, event: RequestReceived) -> int:
        """An ASR has come; the Result-Code of its answer (DIA-34)."""
        session = self.sessions.get(event.message.session_id)
        if session is None:
            return codes.UNKNOWN_SESSION_ID
        self._fire(session.session_id, api.SessionAborted(session.session_id))
        session.end((), LOGOUT, self._adaptor.now)
        return codes.SUCCESS

    def peer_restarted(self, host: str) -> None:
        """A server has lost its sessions: tell those of ours that it had (DIA-16)."""
        for session in list(self.sessions.values()):
            if session.host.lower() == host:
                self._fire(session.session_id, api.PeerRestarted(host))

    def remove(self, session_id: str) -> None:
        """An operator ends a session: say so to the server, with what was reported so far (DIA-47)."""
        session = self.sessions.get(session_id)
        if session is not None:
            session.end((), LOGOUT, self._adaptor.now)

    # To the SLEE.

    def _fire(self, handle: str, event: object) -> None:
        self._adaptor.fire(handle, event)

    def _end(self, handle: str) -> None:
        self._adaptor.end(handle)


def _read(event: Answered) -> CreditAnswer:
    """What an answer says; one that is malformed counts as the Result-Code that it deserves (DIA-5)."""
    if event.error:
        return CreditAnswer(result=event.error)
    try:
        return read_answer(event.message)
    except RemoteProtocolError as error:
        return CreditAnswer(result=error.result)


LOST: Final = (ActivityError, FireEventError, InvalidStateError)
"""What the SLEE raises where it does not take an event; it counts that itself."""
