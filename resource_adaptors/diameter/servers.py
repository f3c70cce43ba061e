"""Requests of peers as activities and events, until a service has answered them (DIA-35, DIA-45, DIA-48)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter import api
from resource_adaptors.diameter.clients import SilentToken
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, i32, text, u32
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, P, R, decode
from resource_adaptors.diameter.protocol.capabilities import error_answer, result_avp
from resource_adaptors.diameter.protocol.charging import CreditAnswer, RequestType, SubscriptionKind, read_request
from resource_adaptors.diameter.protocol.events import RequestReceived
from resource_adaptors.diameter.protocol.user_data import UserIdentity, read_sh_request
from slee.api.address import Address, AddressPlan
from slee.api.errors import FireEventError, InvalidStateError
from slee.spi import ActivityFlags, EventFlags
from slee.spi.wheel import Timer, TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor
    from resource_adaptors.diameter.protocol.charging import CreditRequest

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_UNREFERENCED: Final = int(ActivityFlags.UNREFERENCED)
_PLANS: Final = {
    SubscriptionKind.E164: AddressPlan.E164,
    SubscriptionKind.IMSI: AddressPlan.E164_MOBILE,
    SubscriptionKind.SIP_URI: AddressPlan.SIP,
    SubscriptionKind.NAI: AddressPlan.UNDEFINED,
    SubscriptionKind.PRIVATE: AddressPlan.UNDEFINED,
}
_FINAL_KINDS: Final = (RequestType.TERMINATION, RequestType.EVENT)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a session over a restart."""

    session_id: str
    origin: str
    realm: str
    number: int
    answer: bytes
    supervised_until: float | None


_decoder: Final = msgspec.msgpack.Decoder(_Kept)


class Served:
    """A server activity: a session of a peer, or a single request."""

    __slots__ = (
        "activity",
        "answered",
        "handle",
        "kind",
        "last_answer",
        "last_number",
        "origin",
        "realm",
        "timer",
        "waiting",
    )

    def __init__(self, handle: str, activity: object) -> None:
        self.handle = handle
        self.activity = activity
        self.waiting: RequestReceived | None = None
        """The request that waits for a service's answer."""
        self.answered = False
        """A service has answered it, in a delivery that may not have committed yet."""
        self.kind: RequestType | None = None
        self.origin = ""
        self.realm = ""
        self.last_number: int | None = None
        self.last_answer: Message | None = None
        self.timer: Timer[Served] | None = None

    def is_last(self, result: int) -> bool:
        """Whether the session is over with an answer of this result to the request that waits."""
        return self.kind in _FINAL_KINDS or (self.kind is RequestType.INITIAL and result // 1000 != 2)

    def forget_answer(self) -> None:
        """The delivery that answered rolled back."""
        self.answered = False


class Servers:
    """All server activities."""

    def __init__(self, adaptor: DiameterAdaptor, boot: str) -> None:
        self._adaptor = adaptor
        self._boot = boot
        self._count = 0
        self.activities: dict[str, Served] = {}
        self.unanswered = 0
        self.received: frozenset[type] = frozenset()
        """Event classes that an active service receives."""
        self._timers: TimerWheel[Served] = TimerWheel(0.1)

    def next_deadline(self) -> float | None:
        """When to call `tick` next."""
        return self._timers.next_deadline()

    def tick(self, now: float) -> None:
        """Answer what no service did in time (DIA-48), and end sessions that nobody reports on (DIA-35)."""
        for served in self._timers.expire(now):
            served.timer = None
            if served.waiting is not None:
                self.unanswered += 1
                self.refuse(served, codes.UNABLE_TO_COMPLY, "no service answered in time")
            else:
                self._end(served)

    # Requests.

    def request(self, event: RequestReceived) -> None:
        """A sound request has come."""
        message = event.message
        try:
            sh_event = api.SH_EVENTS.get(message.command)
            if message.command == codes.CREDIT_CONTROL:
                self._credit_request(event)
            elif sh_event is not None and sh_event in self.received:
                request = read_sh_request(message)
                self._single(event, sh_event(request, message), user_address(request.user))
            elif api.DiameterRequest in self.received:
                self._single(event, api.DiameterRequest(message), None)
            else:
                raise RemoteProtocolError(codes.COMMAND_UNSUPPORTED, f"no service answers {message.name}")
        except RemoteProtocolError as error:
            self._refuse_at_once(event, error)

    def _single(self, event: RequestReceived, told: object, address: Address | None) -> None:
        """A request outside a session of credit control."""
        self._count += 1
        handle = f"r {self._boot} {self._count}"
        self._begin(Served(handle, api.DiameterTransaction(handle, event.message.name)), event, told, address)

    def _credit_request(self, event: RequestReceived) -> None:
        request = read_request(event.message)
        event_class = api.SERVER_EVENTS[request.kind]
        if event_class not in self.received:
            is_served = any(known in self.received for known in api.SERVER_EVENTS.values())
            result = codes.COMMAND_UNSUPPORTED if is_served else codes.APPLICATION_UNSUPPORTED
            raise RemoteProtocolError(result, f"no service takes {request.kind.name} requests of credit control")
        handle = f"@{request.session_id}"
        served = self.activities.get(handle)
        if served is not None and served.last_number == request.number:
            self._repeat(served, event)
            return
        if request.kind in (RequestType.INITIAL, RequestType.EVENT):
            if served is not None:
                raise RemoteProtocolError(codes.UNABLE_TO_COMPLY, "the session has begun already")
            served = Served(handle, api.CreditControlSession(request.session_id, is_client=False))
        elif served is None:
            raise RemoteProtocolError(codes.UNKNOWN_SESSION_ID, "the session is not known here")
        elif served.waiting is not None:
            raise RemoteProtocolError(codes.UNABLE_TO_COMPLY, "a request of the session is being worked on")
        served.kind, served.last_number = request.kind, request.number
        served.origin, served.realm = request.origin_host, request.origin_realm
        self._begin(served, event, event_class(request, event.message), _address(request))

    def _repeat(self, served: Served, event: RequestReceived) -> None:
        """The same request of a session once more, with another End-to-End (DIA-24)."""
        self._adaptor.node.statistics.duplicates += 1
        if served.last_answer is not None:
            self._adaptor.node.answer(event.message, event.host, event.connection, served.last_answer.avps)

    def _begin(self, served: Served, event: RequestReceived, told: object, address: Address | None) -> None:
        adaptor = self._adaptor
        served.waiting, served.answered = event, False
        self._arm(served, adaptor.settings.answer_deadline)
        is_new = served.handle not in self.activities
        self.activities[served.handle] = served
        endpoint = adaptor.context.endpoint
        try:
            if is_new:
                endpoint.start_activity(served.handle, served.activity, _UNREFERENCED)
            endpoint.fire(served.handle, told, address, None, _OUTCOME)
        except (InvalidStateError, FireEventError):
            self.refuse(served, codes.TOO_BUSY, "no new work is taken now")

    # Answers.

    def served(self, handle: object, what: str) -> Served:
        """The activity of a handle that waits for an answer; `LocalProtocolError` if it is none."""
        served = self.activities.get(str(handle))
        if served is None or served.waiting is None or served.answered:
            raise LocalProtocolError(f"{what}: {handle} has no request that waits for its answer [DIA-35]")
        return served

    def answer_credit(self, handle: str, answer: CreditAnswer) -> None:
        """Answer a CCR, if it waits for that."""
        served = self.activities.get(handle)
        if served is None or served.waiting is None:
            return
        avps = self._credit_avps(served.waiting.message, answer)
        self._reply(served, avps, supervision=_supervision(answer))
        if served.is_last(answer.result):
            self._end(served)

    def _credit_avps(self, message: Message, answer: CreditAnswer) -> tuple[Avp, ...]:
        settings = self._adaptor.node.settings
        kind, number = find(message.avps, codes.CC_REQUEST_TYPE), find(message.avps, codes.CC_REQUEST_NUMBER)
        assert kind is not None
        assert number is not None
        return (
            text(codes.SESSION_ID, message.session_id),
            u32(codes.RESULT_CODE, answer.result),
            text(codes.ORIGIN_HOST, settings.identity),
            text(codes.ORIGIN_REALM, settings.realm),
            u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
            kind,
            number,
            *answer.avps(),
        )

    def answer_other(self, handle: str, result: int, avps: tuple[Avp, ...], vendor: int) -> None:
        """Answer any other request, if it waits for that."""
        served = self.activities.get(handle)
        if served is None or served.waiting is None:
            return
        settings = self._adaptor.node.settings
        session = find(served.waiting.message.avps, codes.SESSION_ID)
        head = () if session is None else (session,)
        self._reply(
            served,
            (
                *head,
                result_avp(result, vendor),
                text(codes.ORIGIN_HOST, settings.identity),
                text(codes.ORIGIN_REALM, settings.realm),
                *avps,
            ),
        )
        self._end(served)

    # Over restarts.

    def save(self, served: Served, answer: CreditAnswer) -> None:
        """Have a session kept with the answer that a delivery gives, from its commit on (DIA-24, DIA-50)."""
        event = served.waiting
        if event is None or served.is_last(answer.result):
            return
        supervision = _supervision(answer)
        kept = _Kept(
            event.message.session_id,
            served.origin,
            served.realm,
            served.last_number or 0,
            event.message.answer(self._credit_avps(event.message, answer)).encode(),
            None if supervision is None else self._adaptor.context.now + supervision,
        )
        self._adaptor.save(served.handle, b"S", msgspec.msgpack.encode(kept))

    def restore(self, handle: str, state: bytes) -> api.CreditControlSession:
        """Take up a session of a peer: it knows the last request and its answer, and when the next one is overdue."""
        kept = _decoder.decode(state)
        activity = api.CreditControlSession(kept.session_id, is_client=False)
        served = self.activities[handle] = Served(handle, activity)
        served.kind, served.origin, served.realm = RequestType.UPDATE, kept.origin, kept.realm
        served.last_number, served.last_answer = kept.number, decode(kept.answer)
        if kept.supervised_until is not None:
            self._arm(served, max(0.0, kept.supervised_until - self._adaptor.now))
        return activity

    def refuse(self, served: Served, result: int, reason: str) -> None:
        """Answer with an error, and end the activity where nothing of it goes on."""
        event = served.waiting
        if event is None:
            return
        served.last_answer = answer = error_answer(self._adaptor.node.settings, event.message, result, reason)
        served.waiting = None
        self._disarm(served)
        self._adaptor.node.arrivals.answer(event.message, event.host, event.connection, answer)
        if served.kind is not RequestType.UPDATE:
            self._end(served)

    def _refuse_at_once(self, event: RequestReceived, error: RemoteProtocolError) -> None:
        node = self._adaptor.node
        answer = error_answer(
            node.settings, event.message, error.result, error.reason, failed=error.failed, vendor=error.vendor
        )
        node.arrivals.answer(event.message, event.host, event.connection, answer)

    def _reply(self, served: Served, avps: tuple[Avp, ...], *, supervision: float | None = None) -> None:
        event = served.waiting
        assert event is not None
        served.waiting = None
        self._disarm(served)
        if supervision is not None:
            self._arm(served, supervision)
        answer = event.message.answer(avps)
        served.last_answer = answer
        self._adaptor.node.arrivals.answer(event.message, event.host, event.connection, answer)

    # What the SLEE tells.

    def processed(self, handle: str, *, was_served: bool, rolled_back: bool) -> None:
        """The request's event has been delivered: is somebody going to answer (COM-8 to COM-10)?"""
        served = self.activities.get(handle)
        if served is None or served.waiting is None or served.answered:
            return
        if not was_served:
            self.refuse(served, codes.COMMAND_UNSUPPORTED, "no service took the request")
        elif rolled_back:
            self.refuse(served, codes.UNABLE_TO_COMPLY, "the service failed")

    def failed(self, handle: str) -> None:
        """The request's event could not be delivered (COM-10)."""
        served = self.activities.get(handle)
        if served is not None and not served.answered:
            self.refuse(served, codes.TOO_BUSY, "too much work waits")

    def unreferenced(self, handle: str) -> None:
        """Nobody is left who could answer (COM-8)."""
        served = self.activities.get(handle)
        if served is not None and served.waiting is not None and not served.answered:
            self.unanswered += 1
            self.refuse(served, codes.UNABLE_TO_COMPLY, "no service answered")

    def remove(self, handle: str) -> None:
        """An operator removes an activity."""
        served = self.activities.get(handle)
        if served is not None:
            self.refuse(served, codes.UNABLE_TO_COMPLY, "the session was ended by an operator")
            self._disarm(served)
            self.activities.pop(handle, None)

    def peer_restarted(self, host: str) -> None:
        """A client has lost its sessions: they end here too (DIA-16)."""
        for served in list(self.activities.values()):
            if served.origin.lower() == host:
                self._adaptor.fire(served.handle, api.PeerRestarted(host))
                self._end(served)

    def ask(self, handle: str, command: int) -> None:
        """Send a RAR or ASR for a session, if it is still there."""
        served = self.activities.get(handle)
        if served is None:
            return
        settings = self._adaptor.node.settings
        avps = [
            text(codes.SESSION_ID, served.handle.removeprefix("@")),
            text(codes.ORIGIN_HOST, settings.identity),
            text(codes.ORIGIN_REALM, settings.realm),
            text(codes.DESTINATION_REALM, served.realm),
            text(codes.DESTINATION_HOST, served.origin),
            u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
        ]
        if command == codes.RE_AUTH:
            avps.append(i32(codes.RE_AUTH_REQUEST_TYPE, 0))
        request = Message(command, codes.CREDIT_CONTROL_APPLICATION, R | P, 0, 0, tuple(avps))
        self._adaptor.node.send(request, SilentToken(), self._adaptor.now)

    def _end(self, served: Served) -> None:
        self._disarm(served)
        if self.activities.pop(served.handle, None) is not None:
            self._adaptor.end(served.handle)

    def _arm(self, served: Served, seconds: float) -> None:
        self._disarm(served)
        served.timer = self._timers.set(self._adaptor.now + seconds, served)

    def _disarm(self, served: Served) -> None:
        if served.timer is not None:
            served.timer.cancel()
            served.timer = None


def _address(request: CreditRequest) -> Address | None:
    """The default address of a request's event: who is charged (DIA-45)."""
    first = next(iter(request.subscriptions), None)
    return None if first is None or not first.data else Address(_PLANS[first.kind], first.data)


def user_address(user: UserIdentity) -> Address:
    """The default address of a request for user data: whose data (DIA-45)."""
    if user.public_identity:
        return Address(AddressPlan.SIP, user.public_identity)
    return Address(AddressPlan.E164, user.msisdn)


def _supervision(answer: CreditAnswer) -> float | None:
    """Seconds after which the next request of a session is overdue: twice the validity of what was granted (DIA-35)."""
    validities = [grant.validity for grant in answer.grants if grant.validity]
    return 2.0 * min(validities) if validities else None
