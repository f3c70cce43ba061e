"""Our sessions of credit control and requests, and what the SLEE is told of them; sessions outlive restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter import api
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, T
from resource_adaptors.diameter.protocol import credit_table as table
from resource_adaptors.diameter.protocol.charging import CreditAnswer, FailureHandling, RequestType, read_answer
from resource_adaptors.diameter.protocol.events import Answered, RequestReceived, Unanswered
from resource_adaptors.diameter.protocol.session import LOGOUT, CreditSession, Told
from resource_adaptors.diameter.protocol.session_record import record, restored
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi.wheel import Timer, TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor
    from resource_adaptors.diameter.commands import SessionCommand

_RESOLUTION: Final = 0.1


class SessionToken:
    """Names a request of a session."""

    __slots__ = ("is_anew", "number", "session")

    def __init__(self, session: CreditSession, number: int, *, is_anew: bool = False) -> None:
        self.session = session
        self.number = number
        self.is_anew = is_anew
        """Whether it has been refused because its server knew it already."""


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
            self.save(session)

    # What services ask for.

    def perform(self, command: SessionCommand) -> None:
        """Carry out a command on a session, unless it has it behind it."""
        session = self.sessions.get(command.session_id)
        if session is not None and command.serial > session.done:
            session.done = command.serial
            session.serial = max(session.serial, command.serial)
            command.act(session, self._adaptor.now)
            self.save(session)

    def recover(self, command: SessionCommand) -> None:
        """Carry out a command that may have been carried out before a crash (OUT-16)."""
        session = self.sessions.get(command.session_id)
        if session is not None:
            session.is_repeated = command.serial > session.done
            self.perform(command)

    def request(self, key: str, message: Message) -> None:
        """Send a request of a service."""
        self._adaptor.node.send(message, RequestToken(key), self._adaptor.now)

    # Over restarts.

    def save(self, session: CreditSession) -> None:
        """Have a session kept as it stands, unless it is over."""
        if session.session_id in self.sessions:
            self._adaptor.save(session.session_id, b"C", record(session))

    def restore(self, handle: str, state: bytes) -> api.CreditControlSession:
        """Take up a session where it was: what is unanswered is sent again, deadlines are awaited again (DIA-50)."""
        session = restored(self, state)
        self.sessions[session.session_id] = session
        if session.state in table.STORED:
            assert session.last is not None
            self._keep(session, session.last, was_sent=True)
        elif session.state == table.OPEN:
            self.await_until(session, session.quotas.deadline)
        elif session.last is not None:
            token = SessionToken(session, session.number)
            self._adaptor.node.send(session.last, token, self._adaptor.now, is_repeated=True)
        return api.CreditControlSession(session.session_id, is_client=True)

    def unreferenced(self, session_id: str) -> None:
        """Nobody is left who could report on a session or close it: give back what it was granted."""
        session = self.sessions.get(session_id)
        if session is not None and session.kind is not RequestType.EVENT and not session.queued_end:
            session.end((), LOGOUT, self._adaptor.now)
            self.save(session)

    # What sessions ask for.

    def send(self, session: CreditSession, message: Message) -> Message:
        """Send a request of a session."""
        adaptor = self._adaptor
        message = msgspec.structs.replace(message, end_to_end=adaptor.node.new_end_to_end())
        adaptor.node.send(message, SessionToken(session, session.number), adaptor.now)
        return message

    def store(self, session: CreditSession, message: Message, *, was_sent: bool) -> Message:
        """Send a request until it is answered."""
        if not message.end_to_end:
            message = msgspec.structs.replace(message, end_to_end=self._adaptor.node.new_end_to_end())
        self._keep(session, message, was_sent=was_sent)
        return message

    def _keep(self, session: CreditSession, message: Message, *, was_sent: bool) -> None:
        number = message.number(codes.CC_REQUEST_NUMBER)
        self._adaptor.outbox.add(f"{session.session_id} {number}", message, self._adaptor.now, was_sent=was_sent)

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
            self._adaptor.watch.goes_on_uncharged(session.realm, told.reason)

    # What the network tells.

    def answered(self, event: Answered) -> None:
        """An answer to a request of ours has come."""
        now, token = self._adaptor.now, event.token
        if isinstance(token, SessionToken):
            session = token.session
            if self.sessions.get(session.session_id) is session and token.number == session.number:
                if self._is_asked_anew(session, token, event):
                    return
                session.answered(_read(event), event.message.text(codes.ORIGIN_HOST), now)
                self.save(session)
        elif isinstance(token, StoredToken):
            self._stored_answered(token, event)
        elif isinstance(token, RequestToken):
            self._fire(token.key, api.DiameterAnswer(token.key, event.message, event.error))
            self._end(token.key)

    def _is_asked_anew(self, session: CreditSession, token: SessionToken, event: Answered) -> bool:
        """Whether a request goes out once more, because its server says no more of it than that it knows it.

        RFC 6733 5.5.4 lets a server refuse what it has answered already. It books by Session-Id and CC-Request-Number
        (RFC 8506 9), so that another End-to-End brings an answer and no second charge.
        """
        is_refused = event.message.result == codes.UNABLE_TO_COMPLY and event.is_repeated
        if not is_refused or token.is_anew or session.last is None:
            return False
        node = self._adaptor.node
        session.last = msgspec.structs.replace(
            session.last, end_to_end=node.new_end_to_end(), flags=session.last.flags | T
        )
        node.send(session.last, SessionToken(session, token.number, is_anew=True), self._adaptor.now)
        return True

    def _stored_answered(self, token: StoredToken, event: Answered) -> None:
        result = event.error or event.message.result
        if event.message.command == codes.ACCOUNTING:
            self._adaptor.accounting.answered(token.key, event.message, result)
        elif result // 1000 in (3, 4) or result == codes.UNABLE_TO_COMPLY:
            self._adaptor.try_again(token.key, result)
        else:
            self._adaptor.outbox.answered(token.key)
            session = self.sessions.get(token.key.rpartition(" ")[0])
            if session is not None and session.state in table.STORED:
                session.answered(_read(event), event.message.text(codes.ORIGIN_HOST), self._adaptor.now)
                self.save(session)

    def unanswered(self, event: Unanswered) -> None:
        """No answer will come."""
        now, token = self._adaptor.now, event.token
        if isinstance(token, SessionToken):
            session = token.session
            if self.sessions.get(session.session_id) is session and token.number == session.number:
                session.failed(event.reason, now)
                self.save(session)
        elif isinstance(token, StoredToken):
            self._adaptor.outbox.failed(token.key, now)
            self._adaptor.accounting.unanswered(token.key)
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
        is_followed = session.reauthorise(self._adaptor.now)
        self.save(session)
        return codes.LIMITED_SUCCESS if is_followed else codes.SUCCESS

    def abort(self, event: RequestReceived) -> int:
        """An ASR has come; the Result-Code of its answer (DIA-34)."""
        session = self.sessions.get(event.message.session_id)
        if session is None:
            return codes.UNKNOWN_SESSION_ID
        self._fire(session.session_id, api.SessionAborted(session.session_id))
        session.end((), LOGOUT, self._adaptor.now)
        self.save(session)
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
