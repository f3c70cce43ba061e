"""SIP for service tests: the adaptor itself without a socket, and telephones that speak to it (COM-21).

with SleeHarness() as slee:
    sip = slee.add_resource("sip-main", SipSimulator())
    slee.install(Proxy)
    alice, bob = sip.phone("alice"), sip.phone("bob")
    call = alice.request("INVITE", "sip:bob@example.test")
    bob.answer(180)
    assert call.statuses == [100, 180]
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from pydantic import BaseModel

from resource_adaptors.sip.adaptor import Listener, SipAdaptor
from resource_adaptors.sip.config import UdpListener as ListenerConfiguration
from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Message, Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import ack_for, build_request, build_response, cancel_for
from resource_adaptors.sip.transport.udp import Address

SERVER: Final[Address] = ("192.0.2.1", 5060)
"""Where the simulated adaptor listens."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram that the adaptor sent."""

    data: bytes
    destination: Address

    @property
    def message(self) -> Request | Response:
        """The message; `RemoteProtocolError` for an answer that repeats what was malformed (SIP-22)."""
        return parse_message(self.data)


class MemoryListener:
    """A listener without a socket: keeps what is sent, and hands it to the telephone at the destination."""

    def __init__(self, simulator: SipSimulator) -> None:
        self.host, self.port = SERVER
        self._simulator = simulator

    def send(self, data: bytes, address: Address) -> str | None:
        """Keep one datagram; an unreachable destination is told as the socket would tell it."""
        return self._simulator.carry(Datagram(data, address))

    def close(self) -> None:
        """There is nothing to close."""


class SipSimulator(SipAdaptor):
    """The SIP adaptor on a wire made of memory."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Datagram] = []
        """Every message sent, in order."""
        self.too_long = 65_507
        """Octets of the longest datagram that can be sent."""
        self.unreachable: set[Address] = set()
        """Destinations that ICMP reports as unreachable."""
        self._phones: dict[Address, Phone] = {}

    def ra_configure(self, configuration: BaseModel) -> None:
        listener = ListenerConfiguration(host=SERVER[0], port=SERVER[1])
        super().ra_configure(configuration.model_copy(update={"listeners": (listener,)}))

    def _open_listener(self) -> Listener:
        return MemoryListener(self)

    def carry(self, datagram: Datagram) -> str | None:
        """Take one datagram from the adaptor to its destination; a telephone drops what it cannot parse."""
        if datagram.destination in self.unreachable:
            return "refused"
        if len(datagram.data) > self.too_long:
            return "send_failed"
        self.sent.append(datagram)
        phone = self._phones.get(datagram.destination)
        if phone is not None:
            with suppress(RemoteProtocolError):
                phone.received.append(datagram.message)
        return None

    def deliver(self, message: Message | bytes, source: Address) -> None:
        """Have the adaptor receive a datagram, and the SLEE process it."""
        data = message if isinstance(message, bytes) else message.raw
        self._now = self.context.now
        self.receive(data, source)
        self.context.pump()

    def phone(self, user: str, *, domain: str = "example.test") -> Phone:
        """A telephone with an address of its own."""
        address = (f"198.51.100.{len(self._phones) + 1}", 5060)
        phone = self._phones[address] = Phone(self, user, domain, address)
        return phone

    def adopt(self, phone: Phone) -> None:
        """Take over a telephone that has been on the wire of another simulator: the server has been started again."""
        self._phones[phone.address] = phone
        phone.reconnect(self)

    def request(
        self, method: str, uri: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Transaction:
        """Send a request from a telephone that is used for nothing else."""
        return self.phone("caller").request(method, uri, headers=headers, body=body)


@dataclass(slots=True)
class Transaction:
    """A request that a telephone has sent, and what came back."""

    phone: Phone
    request: Request
    ignored: int = field(default=0)

    @property
    def responses(self) -> list[Response]:
        """The responses to it, in order."""
        branch = self.request.top_via.branch
        return [
            m
            for m in self.phone.received
            if isinstance(m, Response) and m.top_via.branch == branch and m.cseq.method == self.request.method
        ]

    @property
    def statuses(self) -> list[int]:
        """The statuses of the responses, in order."""
        return [response.status for response in self.responses]

    @property
    def final(self) -> Response:
        """The final response, however often it was repeated; `AssertionError` if there is none or another one."""
        finals = list(dict.fromkeys(response for response in self.responses if response.status >= 200))
        assert len(finals) == 1, f"{len(finals)} final responses to {self.request!r}: {finals}"
        return finals[0]

    def repeat(self) -> None:
        """Send the same request once more, as a retransmission."""
        self.phone.send(self.request)

    def cancel(self) -> None:
        """Cancel the INVITE (RFC 3261 9.1)."""
        self.phone.send(cancel_for(self.request))

    def ack(self) -> None:
        """Acknowledge the final response, by the route that it gave if it is a 2xx (RFC 3261 13.2.2.4)."""
        final = self.final
        if final.status >= 300:
            self.phone.send(ack_for(self.request, final))
        else:
            self.phone.send(self.in_dialog("ACK", self.request.cseq.number))

    def bye(self) -> Transaction:
        """End the call that the 2xx began."""
        request = self.in_dialog("BYE", self.request.cseq.number + 1)
        self.phone.send(request)
        return Transaction(self.phone, request)

    def in_dialog(self, method: str, cseq: int) -> Request:
        """A request inside the dialog that the 2xx made (RFC 3261 12.2.1.1)."""
        final = self.final
        routes = [("Route", route.text) for route in reversed(final.record_routes)]
        return build_request(
            method,
            final.contacts[0].uri.text,
            via=self.phone.new_via(),
            from_=self.request.from_.text,
            to=final.to.text,
            call_id=self.request.call_id,
            cseq=cseq,
            headers=routes,
        )


class Phone:
    """A user agent under the test's control: it sends what it is told to, and answers only then."""

    def __init__(self, simulator: SipSimulator, user: str, domain: str, address: Address) -> None:
        self._simulator = simulator
        self.user = user
        self.aor = f"sip:{user}@{domain}"
        self.address = address
        self.contact = f"sip:{user}@{address[0]}:{address[1]}"
        self.received: list[Request | Response] = []
        """Every message received, in order."""
        self._count = 0

    def reconnect(self, simulator: SipSimulator) -> None:
        """Speak to another simulator from now on; `SipSimulator.adopt` calls it."""
        self._simulator = simulator

    def send(self, message: Message | bytes) -> None:
        """Send a message to the server."""
        self._simulator.deliver(message, self.address)

    def new_via(self) -> str:
        """A Via value with a branch of its own."""
        self._count += 1
        return (
            f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};branch=z9hG4bK{self.user}{self._count}x{self.address[0]}"
        )

    def request(
        self,
        method: str,
        uri: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        call_id: str | None = None,
        cseq: int = 1,
        to: str | None = None,
    ) -> Transaction:
        """Send a request outside a dialog; Contact is added where the method needs one."""
        named = list(headers)
        if method in ("INVITE", "SUBSCRIBE") and not any(name == "Contact" for name, _ in named):
            named.append(("Contact", f"<{self.contact}>"))
        request = build_request(
            method,
            uri,
            via=self.new_via(),
            from_=f"<{self.aor}>;tag={self.user}{self._count}",
            to=f"<{to or uri}>",
            call_id=call_id or f"{self.user}-{self._count}@{self.address[0]}",
            cseq=cseq,
            headers=named,
            body=body,
        )
        self.send(request)
        return Transaction(self, request)

    def register(
        self,
        *contacts: str,
        expires: int | None = 3600,
        call_id: str | None = None,
        cseq: int = 1,
    ) -> Transaction:
        """Register contacts for this phone's address-of-record, its own address if none is given."""
        values = [("Contact", contact) for contact in contacts or (f"<{self.contact}>",)]
        if expires is not None:
            values.append(("Expires", str(expires)))
        domain = self.aor.partition("@")[2]
        return self.request("REGISTER", f"sip:{domain}", headers=values, to=self.aor, call_id=call_id, cseq=cseq)

    @property
    def requests(self) -> list[Request]:
        """The requests received, in order."""
        return [message for message in self.received if isinstance(message, Request)]

    @property
    def methods(self) -> list[str]:
        """The methods of the requests received, in order."""
        return [request.method for request in self.requests]

    def last(self, method: str) -> Request:
        """The last request of that method; `LookupError` if there is none."""
        for request in reversed(self.requests):
            if request.method == method:
                return request
        raise LookupError(f"{self.user} received no {method}; received {self.methods}")

    def answer(
        self,
        status: int,
        *,
        to: str = "INVITE",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer the last request of method `to`; a 2xx to INVITE carries this phone's Contact."""
        request = self.last(to)
        named = list(headers)
        if to == "INVITE" and status < 300:
            named.append(("Contact", f"<{self.contact}>"))
        self.send(build_response(request, status, to_tag=f"{self.user}{self.address[0]}", headers=named, body=body))


class Party(Protocol):
    """What can hang on a wire: a core, or anything with the verbs of one."""

    @property
    def sends(self) -> list[tuple[bytes, Address]]:
        """Datagrams to send; the wire takes them out."""
        ...

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram."""

    def next_deadline(self) -> float | None:
        """When to call `tick` next, `None` if no timer is set."""

    def tick(self, now: float) -> None:
        """Do what is due."""


class LossyWire:
    """A network between parties on a manual clock: it drops, duplicates, delays and so reorders datagrams (COM-21).

    What happens to a datagram is drawn from a seed, so that a failing run can be repeated.
    """

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.1,
        duplication: float = 0.1,
        delay: float = 0.2,
        start: float = 1_000_000_000.0,
    ) -> None:
        """Make a wire.

        Args:
            seed: the same seed gives the same fate to the same datagrams.
            loss: share of the datagrams that never arrive, 0 to 1.
            duplication: share of the datagrams that arrive twice, 0 to 1.
            delay: seconds that a datagram takes at most; it takes at least a hundredth of that.
            start: where the clock begins.
        """
        self.now = start
        self.loss = loss
        self.duplication = duplication
        self._delay = delay
        self._random = random.Random(seed)
        self._parties: dict[Address, Party] = {}
        self._flying: list[tuple[float, int, bytes, Address, Address]] = []
        self._count = 0
        self.drains: list[Callable[[], None]] = []
        """Called after every event: a test lets its services react here."""

    def attach(self, party: Party, address: Address) -> None:
        """Hang a party on the wire; what is sent to an address where nobody hangs is lost."""
        self._parties[address] = party

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is in flight and no party has a timer set."""
        return not self._flying and all(party.next_deadline() is None for party in self._parties.values())

    def run(self, seconds: float) -> None:
        """Let time pass; datagrams arrive and timers expire, each at its own instant."""
        end = self.now + seconds
        self.collect()
        while (due := self._next()) is not None and due <= end:
            self.now = max(self.now, due)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, data, source, destination = heapq.heappop(self._flying)
                self._parties[destination].receive(data, source, self.now)
            for party in self._parties.values():
                deadline = party.next_deadline()
                if deadline is not None and deadline <= self.now:
                    party.tick(self.now)
            self.collect()
        self.now = end

    def collect(self) -> None:
        """Take what the parties have sent, and decide its fate."""
        for drain in self.drains:
            drain()
        for source, party in self._parties.items():
            leaving = party.sends.copy()
            party.sends.clear()
            for data, destination in leaving:
                if destination in self._parties and self._random.random() >= self.loss:
                    self._fly(data, source, destination)
                    if self._random.random() < self.duplication:
                        self._fly(data, source, destination)

    def _next(self) -> float | None:
        times = [due for party in self._parties.values() if (due := party.next_deadline()) is not None]
        if self._flying:
            times.append(self._flying[0][0])
        return min(times, default=None)

    def _fly(self, data: bytes, source: Address, destination: Address) -> None:
        self._count += 1
        arrival = self.now + self._delay * self._random.uniform(0.01, 1.0)
        heapq.heappush(self._flying, (arrival, self._count, data, source, destination))
