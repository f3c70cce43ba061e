"""Requests of peers as activities and events, until a service has answered them (DIA-35, DIA-45, DIA-48)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.diameter import api
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, i32, text, u32
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.capabilities import error_answer
from resource_adaptors.diameter.protocol.charging import CreditAnswer, RequestType, SubscriptionKind, read_request
from resource_adaptors.diameter.protocol.events import RequestReceived
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
            if message.command == codes.CREDIT_CONTROL:
                self._credit_request(event)
            elif api.DiameterRequest in self.received:
                self._count += 1
                handle = f"r {self._boot} {self._count}"
                served = Served(handle, api.DiameterTransaction(handle, message.name))
                self._begin(served, event, api.DiameterRequest(message), None)
            else:
                raise RemoteProtocolError(codes.COMMAND_UNSUPPORTED, f"no service answers {message.name}")
        except RemoteProtocolError as error:
            self._refuse_at_once(event, error)

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

    def answer_credit(self, served: Served, answer: CreditAnswer) -> None:
        """Answer a CCR."""
        event = served.waiting
        if event is None:
            return
        message = event.message
        settings = self._adaptor.node.settings
        kind, number = find(message.avps, codes.CC_REQUEST_TYPE), find(message.avps, codes.CC_REQUEST_NUMBER)
        assert kind is not None
        assert number is not None
        avps = (
            text(codes.SESSION_ID, message.session_id),
            u32(codes.RESULT_CODE, answer.result),
            text(codes.ORIGIN_HOST, settings.identity),
            text(codes.ORIGIN_REALM, settings.realm),
            u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
            kind,
            number,
            *answer.avps(),
        )
        validities = [grant.validity for grant in answer.grants if grant.validity]
        self._reply(served, avps, supervision=2.0 * min(validities) if validities else None)
        if served.kind in _FINAL_KINDS or (served.kind is RequestType.INITIAL and answer.result // 1000 != 2):
            self._end(served)

    def answer_other(self, served: Served, result: int, avps: tuple[Avp, ...]) -> None:
        """Answer any other request."""
        event = served.waiting
        if event is None:
            return
        settings = self._adaptor.node.settings
        session = find(event.message.avps, codes.SESSION_ID)
        head = () if session is None else (session,)
        self._reply(
            served,
            (
                *head,
                u32(codes.RESULT_CODE, result),
                text(codes.ORIGIN_HOST, settings.identity),
                text(codes.ORIGIN_REALM, settings.realm),
                *avps,
            ),
        )
        self._end(served)

    def refuse(self, served: Served, result: int, reason: str) -> None:
        """Answer with an error, and end the activity where nothing of it goes on."""
        event = served.waiting
        if event is None:
            return
        answer = error_answer(self._adaptor.node.settings, event.message, result, reason)
        served.waiting = None
        self._disarm(served)
        self._adaptor.node.arrivals.answer(event.message, event.host, event.connection, answer)
        if served.kind is not RequestType.UPDATE:
            self._end(served)

    def _refuse_at_once(self, event: RequestReceived, error: RemoteProtocolError) -> None:
        node = self._adaptor.node
        answer = error_answer(node.settings, event.message, error.result, error.reason, failed=error.failed)
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

    def ask(self, served: Served, command: int) -> Message:
        """A RAR or ASR for a session."""
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
        return Message(command, codes.CREDIT_CONTROL_APPLICATION, R | P, 0, 0, tuple(avps))

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
