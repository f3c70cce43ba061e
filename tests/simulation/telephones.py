"""Telephones that register, call and answer, and keep what they saw: the clients' side of the history.

They are patient as RFC 3261 has it: a request goes out again after T1, twice that, and so on (17.1), and a 2xx until
its ACK comes (13.3.1.4). A request that comes again under another branch, because the server has forgotten that it had
forwarded it, is answered as the first time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import ack_for, build_request, build_response
from resource_adaptors.sip.testing import SERVER
from tests.simulation.virtual import Due, VirtualTime
from tests.simulation.wire import Address, SeededWire

DOMAIN = "example.test"
T1, T2 = 0.5, 4.0
PATIENCE = 64 * T1


@dataclass
class Call:
    """One call, as its ends saw it."""

    call_id: str
    caller: Telephone
    callee: Telephone
    confirmed_at: float | None = None
    """When the caller had the 200."""
    refused: int | None = None
    bye_at: float | None = None
    bye_status: int | None = None
    """The final answer to BYE; 408 when none came."""
    acked: bool = False
    """Whether the callee has the ACK."""


@dataclass
class Registration:
    """One REGISTER, as the telephone saw it."""

    cseq: int
    expires: int
    """0 takes the binding away."""
    sent_at: float
    answered_at: float | None = None
    status: int | None = None
    """408 when no answer came."""


class Asking:
    """A request until its final answer."""

    def __init__(self, phone: Telephone, request: Request, done: Callable[[Response | None], None]) -> None:
        self.phone = phone
        self.request = request
        self.raw = request.raw
        self.done = done
        self.interval = T1
        self.until = phone.time.now + PATIENCE
        self.due: Due | None = None
        self.final: Response | None = None
        self.resend()

    def resend(self) -> None:
        phone = self.phone
        if phone.time.now >= self.until:
            self.due = None
            self.done(None)
            return
        phone.send(self.raw)
        self.due = phone.time.after(self.interval, self.resend)
        self.interval = self.interval * 2 if self.request.method == "INVITE" else min(self.interval * 2, T2)

    def take(self, response: Response) -> None:
        if response.status < 200:
            if self.request.method == "INVITE" and self.due is not None and self.final is None:
                # No more repetitions; but patience with who rings ends, too.
                self.due.cancel()
                self.due = self.phone.time.at(self.until, self.resend)
            return
        first, self.final = self.final is None, response
        if self.request.method == "INVITE":
            ack = self.phone.in_dialog(self.request, response, "ACK") if response.status < 300 else None
            self.phone.send((ack or ack_for(self.request, response)).raw)
        if first and self.due is not None:
            self.due.cancel()
            self.done(response)


@dataclass
class Answering:
    """A call at the callee."""

    invite: Request
    call: Call
    response: bytes | None = None
    interval: float = T1
    until: float = 0.0
    ended: bool = False


@dataclass
class History:
    """What the telephones saw."""

    calls: dict[str, Call] = field(default_factory=dict)
    registrations: dict[str, list[Registration]] = field(default_factory=dict)
    """By address-of-record, in the order sent; each telephone has one REGISTER under way at most."""


class Telephone:
    """A user agent at an address of its own."""

    def __init__(self, number: int, time: VirtualTime, wire: SeededWire, lot: random.Random, history: History) -> None:
        self.time = time
        self.lot = lot
        self.user = f"user{number}"
        self.aor = f"sip:{self.user}@{DOMAIN}"
        self.address: Address = (f"198.51.100.{number}", 5060)
        self.contact = f"sip:{self.user}@{self.address[0]}:5060"
        self.history = history
        self._wire = wire
        self._count = 0
        self._cseq = 0
        self._asking: dict[tuple[str, str], Asking] = {}
        self._answering: dict[str, Answering] = {}
        wire.attach(self.address, self.receive)

    def send(self, data: bytes) -> None:
        self._wire.send(data, self.address, SERVER)

    def receive(self, data: bytes, source: Address) -> None:
        message = parse_message(data)
        if isinstance(message, Response):
            asking = self._asking.get((message.top_via.branch or "", message.cseq.method))
            if asking is not None:
                asking.take(message)
        elif isinstance(message, Request):
            self._serve(message)

    # Asking.

    def _ask(
        self, method: str, uri: str, *, done: Callable[[Response | None], None], call_id: str, cseq: int = 1, to: str,
        headers: tuple[tuple[str, str], ...] = (), from_: str | None = None,
    ) -> None:  # fmt: skip
        request = build_request(
            method, uri, via=self._via(), from_=from_ or f"<{self.aor}>;tag={self.user}", to=to, call_id=call_id,
            cseq=cseq, headers=headers,
        )  # fmt: skip
        self._asking[request.top_via.branch or "", method] = Asking(self, request, done)

    def _via(self) -> str:
        self._count += 1
        return f"SIP/2.0/UDP {self.address[0]}:5060;branch=z9hG4bK{self.user}x{self._count}"

    def register(self, expires: int) -> None:
        """Send a REGISTER, unless one is under way."""
        told = self.history.registrations.setdefault(self.aor, [])
        if told and told[-1].status is None:
            return
        self._cseq += 1
        told.append(Registration(self._cseq, expires, self.time.now))
        headers = (("Contact", f"<{self.contact}>"), ("Expires", str(expires)))
        call_id = f"registration@{self.address[0]}"
        self._ask(
            "REGISTER", f"sip:{DOMAIN}", done=self._registered, call_id=call_id, cseq=self._cseq, to=f"<{self.aor}>",
            headers=headers,
        )  # fmt: skip

    def _registered(self, response: Response | None) -> None:
        last = self.history.registrations[self.aor][-1]
        last.status = 408 if response is None else response.status
        last.answered_at = self.time.now

    def call(self, callee: Telephone) -> None:
        call_id = f"call{self._count}@{self.address[0]}"
        call = self.history.calls[call_id] = Call(call_id, self, callee)

        def done(response: Response | None) -> None:
            if response is None or response.status >= 300:
                call.refused = 408 if response is None else response.status
                return
            call.confirmed_at = self.time.now
            if self.lot.random() < 0.7:
                self.time.after(self.lot.uniform(0.5, 20.0), self._hang_up, call, invite(), response)

        def invite() -> Request:
            return asking.request

        headers = (("Contact", f"<{self.contact}>"),)
        self._ask("INVITE", callee.aor, done=done, call_id=call_id, to=f"<{callee.aor}>", headers=headers)
        asking = next(reversed(self._asking.values()))

    def in_dialog(self, invite: Request, response: Response, method: str) -> Request:
        """A request in the dialog that the 2xx made, from the caller (RFC 3261 12.2.1.1)."""
        return build_request(
            method,
            response.contacts[0].uri.text,
            via=self._via(),
            from_=invite.from_.text,
            to=response.to.text,
            call_id=invite.call_id,
            cseq=1 if method == "ACK" else 2,
            headers=[("Route", route.text) for route in reversed(response.record_routes)],
        )

    def _hang_up(self, call: Call, invite: Request, response: Response) -> None:
        if call.bye_at is None:
            self._bye(call, self.in_dialog(invite, response, "BYE"))

    def _bye(self, call: Call, request: Request) -> None:
        call.bye_at = self.time.now

        def done(response: Response | None) -> None:
            call.bye_status = 408 if response is None else response.status

        self._asking[request.top_via.branch or "", "BYE"] = Asking(self, request, done)

    # Answering.

    def _serve(self, request: Request) -> None:
        method = request.method
        if method == "INVITE":
            self._ring(request)
        elif method == "ACK":
            self._confirmed(request)
        elif method == "BYE":
            answering = self._answering.get(request.call_id)
            if answering is not None:
                answering.ended = True
            call = self.history.calls.get(request.call_id)
            if call is not None and call.bye_at is None:
                call.bye_at = self.time.now
            self.send(build_response(request, 200).raw)
        elif method == "CANCEL":
            self.send(build_response(request, 200).raw)
            answering = self._answering.get(request.call_id)
            if answering is not None and answering.response is None:
                answering.ended = True
                self.send(build_response(answering.invite, 487, to_tag=self.user).raw)
        else:
            self.send(build_response(request, 200, to_tag=self.user).raw)

    def _ring(self, invite: Request) -> None:
        answering = self._answering.get(invite.call_id)
        if answering is None:
            call = self.history.calls[invite.call_id]
            answering = self._answering[invite.call_id] = Answering(invite, call)
            self.time.after(self.lot.uniform(0.0, 3.0), self._answer, answering)
        elif answering.ended or answering.invite.top_via.branch != invite.top_via.branch:
            # The server began anew: this is the INVITE to answer now.
            answering.invite = invite
            if answering.response is not None and not answering.ended:
                self._answer(answering)
                return
        if answering.response is None and not answering.ended:
            self.send(build_response(invite, 180, to_tag=self.user).raw)

    def _answer(self, answering: Answering) -> None:
        if answering.ended:
            return
        first = answering.response is None
        contact = [("Contact", f"<{self.contact}>")]
        answering.response = build_response(answering.invite, 200, to_tag=self.user, headers=contact).raw
        if first:
            answering.until = self.time.now + PATIENCE
            self._repeat(answering)
        else:
            self.send(answering.response)

    def _repeat(self, answering: Answering) -> None:
        if answering.call.acked or answering.ended or self.time.now > answering.until:
            return
        assert answering.response is not None
        self.send(answering.response)
        self.time.after(answering.interval, self._repeat, answering)
        answering.interval = min(2 * answering.interval, T2)

    def _confirmed(self, ack: Request) -> None:
        answering = self._answering.get(ack.call_id)
        if answering is None or answering.call.acked or answering.response is None:
            return
        answering.call.acked = True
        # The caller hangs up in most calls; this end does in those that last.
        self.time.after(25.0, self._hang_up_here, answering)

    def _hang_up_here(self, answering: Answering) -> None:
        call, invite = answering.call, answering.invite
        if call.bye_at is not None or call.confirmed_at is None:
            return
        request = build_request(
            "BYE",
            invite.contacts[0].uri.text,
            via=self._via(),
            from_=f"{invite.to.text};tag={self.user}",
            to=invite.from_.text,
            call_id=invite.call_id,
            cseq=1,
            headers=[("Route", route.text) for route in invite.record_routes],
        )
        self._bye(call, request)
