"""Diameter for service tests: the adaptor on a wire made of memory, and peers that answer by a script (COM-21).

with SleeHarness() as slee:
    diameter = DiameterSimulator()
    ocs = diameter.peer("ocs.example.net", realm="example.net")
    slee.add_resource("diameter-main", diameter, diameter.configuration_for())
    slee.install(Charging)
    ocs.balance = 100
    ...
    assert ocs.charged == 35
"""

from __future__ import annotations

import random
import ssl
from collections import deque
from collections.abc import Callable
from functools import partial

from resource_adaptors.diameter.adaptor import Carrier, DiameterAdaptor
from resource_adaptors.diameter.config import DiameterConfiguration, PeerConfiguration, RealmConfiguration
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import i32, text, u32
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.message.message import Message, P, R, decode
from resource_adaptors.diameter.protocol.charging import CreditAnswer, CreditRequest, RequestType, read_request
from resource_adaptors.diameter.protocol.events import Answered, Close, RequestReceived, Write
from resource_adaptors.diameter.protocol.node import Node
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings, Settings
from resource_adaptors.diameter.protocol.units import FinalUnit, Grant, Units

LATENCY = 0.001
"""Seconds that octets take on the wire."""


class ServerDouble:
    """A peer under the test's control: a node of its own whose answers the test can choose.

    By default it is a charging server: it grants `slice` seconds at a time out of `balance`, and keeps a ledger.
    """

    def __init__(self, simulator: DiameterSimulator, host: str, realm: str) -> None:
        self.host = host
        self.realm = realm
        self.balance = 3600
        """Seconds that can still be granted, to all together."""
        self.slice = 30
        """Seconds granted at a time."""
        self.validity: int | None = None
        self.ends_with_final_unit = False
        """Whether the last units are granted with TERMINATE."""
        self.requests: list[CreditRequest] = []
        """The CCRs received, in order, repetitions apart."""
        self.messages: list[Message] = []
        """All messages received, in order."""
        self.answers: list[Message] = []
        """The answers to requests of its own."""
        self.used: dict[str, int] = {}
        """Seconds reported, by Session-Id."""
        self.script: Callable[[CreditRequest], CreditAnswer | None] | None = None
        """Chooses the answer of a CCR; `None` leaves it unanswered."""
        self.on_credit: Callable[[CreditRequest], object] | None = None
        """Is told of every CCR, before it is answered."""
        self.on_request: Callable[[Message], Message | None] | None = None
        """Chooses the answer of any other request."""
        self.is_silent = False
        """Whether it hears and says nothing, though its connection stands."""
        self.is_dead = False
        """Whether connections to it are refused."""
        self.simulator = simulator
        self._state = 1
        self._granted: dict[str, int] = {}
        self.node = self._new_node()

    @property
    def charged(self) -> int:
        """Seconds reported by all sessions."""
        return sum(self.used.values())

    @property
    def kinds(self) -> list[str]:
        """Which CCRs were received, in order: `INITIAL`, `UPDATE`, `TERMINATION`, `EVENT`."""
        return [request.kind.name for request in self.requests]

    def kill(self) -> None:
        """Drop its connections, and refuse others."""
        self.is_dead = True
        self.simulator.wire.drop(self)

    def restart(self) -> None:
        """Come back with a higher Origin-State-Id; the ledger has survived."""
        self._state += 1
        self.is_dead = self.is_silent = False
        self.node = self._new_node()

    def reauthorise(self, session_id: str) -> None:
        """Send a RAR for a session of the adaptor."""
        self._ask(codes.RE_AUTH, session_id)

    def abort(self, session_id: str) -> None:
        """Send an ASR for a session of the adaptor."""
        self._ask(codes.ABORT_SESSION, session_id)

    def ask(self, request: Message) -> None:
        """Send a request to the adaptor; its answer is in `answers`."""
        now = self.simulator.now_there
        self.node.send(request, None, now)
        self.work()

    def work(self) -> None:
        """Deal with what the node of the double has to tell, and put what it says on the wire."""
        node = self.node
        while node.events or node.actions:
            events = node.events.copy()
            node.events.clear()
            for event in events:
                if isinstance(event, RequestReceived):
                    self._answer(event)
                elif isinstance(event, Answered):
                    self.answers.append(event.message)
            actions = node.actions.copy()
            node.actions.clear()
            for action in actions:
                if isinstance(action, Write):
                    self.simulator.wire.from_double(self, action.connection, action.data)
                elif isinstance(action, Close):
                    self.simulator.wire.closed_by_double(self, action.connection)

    def _new_node(self) -> Node:
        simulator = self.simulator
        settings = Settings(identity=self.host, realm=self.realm, origin_state=self._state)
        ours = simulator.identity
        return Node(
            settings,
            base_dictionary(),
            random.Random(self.host).randbytes,
            peers=[PeerSettings(host=ours, opens=False)],
            realms=[
                RealmSettings(realm=simulator.realm, application=application, peers=(ours,))
                for application in (codes.CREDIT_CONTROL_APPLICATION, codes.BASE_ACCOUNTING, codes.SH)
            ],
        )

    def _answer(self, event: RequestReceived) -> None:
        message = event.message
        if message.command != codes.CREDIT_CONTROL:
            answer = None if self.on_request is None else self.on_request(message)
            if answer is not None:
                self.node.arrivals.answer(message, event.host, event.connection, answer)
            return
        request = read_request(message)
        self.requests.append(request)
        if self.on_credit is not None:
            self.on_credit(request)
        chosen = self._credit(request) if self.script is None else self.script(request)
        if chosen is None:
            return
        head = (
            text(codes.SESSION_ID, request.session_id),
            u32(codes.RESULT_CODE, chosen.result),
            text(codes.ORIGIN_HOST, self.host),
            text(codes.ORIGIN_REALM, self.realm),
            u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
            i32(codes.CC_REQUEST_TYPE, request.kind),
            u32(codes.CC_REQUEST_NUMBER, request.number),
        )
        self.node.answer(message, event.host, event.connection, (*head, *chosen.avps()))

    def _credit(self, request: CreditRequest) -> CreditAnswer:
        """Grant out of the balance; use that is reported is booked, what was not used comes back."""
        session = request.session_id
        used = sum(units.time or 0 for service in request.services for units in service.used)
        self.used[session] = self.used.get(session, 0) + used
        self.balance += self._granted.pop(session, 0) - used
        if request.kind is RequestType.TERMINATION:
            return CreditAnswer(result=codes.SUCCESS)
        granted = min(self.slice, self.balance)
        if granted <= 0:
            return CreditAnswer(result=codes.CREDIT_LIMIT_REACHED)
        if request.kind is RequestType.EVENT:
            return CreditAnswer(result=codes.SUCCESS)
        self.balance -= granted
        self._granted[session] = granted
        is_last = self.ends_with_final_unit and self.balance <= 0
        grants = tuple(
            Grant(
                rating_group=service.rating_group,
                service_ids=service.service_ids,
                granted=Units(time=granted),
                validity=self.validity,
                final=FinalUnit(action=0) if is_last else None,
            )
            for service in request.services[:1]
        )
        return CreditAnswer(result=codes.SUCCESS, grants=grants)

    def _ask(self, command: int, session_id: str) -> None:
        simulator = self.simulator
        avps = [
            text(codes.SESSION_ID, session_id),
            text(codes.ORIGIN_HOST, self.host),
            text(codes.ORIGIN_REALM, self.realm),
            text(codes.DESTINATION_REALM, simulator.realm),
            text(codes.DESTINATION_HOST, simulator.identity),
            u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
        ]
        if command == codes.RE_AUTH:
            avps.append(i32(codes.RE_AUTH_REQUEST_TYPE, 0))
        self.ask(Message(command, codes.CREDIT_CONTROL_APPLICATION, R | P, 0, 0, tuple(avps)))


class MemoryWire:
    """Carries octets between the adaptor and its doubles; each takes `LATENCY`."""

    def __init__(self, simulator: DiameterSimulator) -> None:
        self.simulator = simulator
        self.refusal = "connection refused"
        """Why a double that is dead cannot be reached, as the system would say."""
        self.flying: deque[tuple[float, Callable[[], None]]] = deque()
        self._links: dict[int, tuple[ServerDouble, int]] = {}
        """By number of the adaptor's end: the double, and the number of its end."""

    def open(self, number: int, host: str, port: int, *, tls: ssl.SSLContext | None, name: str) -> None:
        """Connect the adaptor to the double of a host."""
        self._later(lambda: self._connect(number, name))

    def write(self, number: int, data: bytes) -> None:
        """Carry octets to the double."""
        self.simulator.sent.append(data)
        self._later(lambda: self._deliver(number, data))

    def close(self, number: int) -> None:
        """The adaptor closes."""
        self._later(lambda: self._closed_by_adaptor(number))

    def close_all(self) -> None:
        """The adaptor lets go of everything."""
        for number in list(self._links):
            self._closed_by_adaptor(number)
        self.flying.clear()

    def from_double(self, double: ServerDouble, far: int, data: bytes) -> None:
        """Carry octets to the adaptor."""
        number = self._near(double, far)
        if number is not None:
            self._later(lambda: self.simulator.received(number, data) if number in self._links else None)

    def closed_by_double(self, double: ServerDouble, far: int) -> None:
        """The double closes."""
        number = self._near(double, far)
        if number is not None:
            self._later(lambda: self._lose(number))

    def drop(self, double: ServerDouble) -> None:
        """All connections of a double break."""
        for number in [number for number, (other, _) in self._links.items() if other is double]:
            self._later(partial(self._lose, number))

    def _near(self, double: ServerDouble, far: int) -> int | None:
        return next((n for n, (other, number) in self._links.items() if other is double and number == far), None)

    def _later(self, happens: Callable[[], None]) -> None:
        self.flying.append((self.simulator.now_there + LATENCY, happens))

    def _connect(self, number: int, name: str) -> None:
        double = self.simulator.doubles.get(name.lower())
        if double is None or double.is_dead:
            self.simulator.lost(number, self.refusal)
            return
        self._links[number] = double, double.node.accept(self.simulator.now_there)
        self.simulator.connected(number)

    def _deliver(self, number: int, data: bytes) -> None:
        found = self._links.get(number)
        if found is None or found[0].is_dead or found[0].is_silent:
            return
        double, far = found
        double.messages.append(decode(data))
        double.node.receive(far, data, self.simulator.now_there)
        double.work()

    def _closed_by_adaptor(self, number: int) -> None:
        found = self._links.pop(number, None)
        if found is not None:
            found[0].node.closed(found[1], self.simulator.now_there)
            found[0].work()

    def _lose(self, number: int) -> None:
        if self._links.pop(number, None) is not None:
            self.simulator.lost(number)


class DiameterSimulator(DiameterAdaptor):
    """The Diameter adaptor on a wire made of memory."""

    def __init__(self, identity: str = "slee.example.net", realm: str = "slee.net") -> None:
        super().__init__()
        self.identity = identity
        self.realm = realm
        self.sent: list[bytes] = []
        """Every message sent, encoded, in order."""
        self.doubles: dict[str, ServerDouble] = {}
        self.wire = MemoryWire(self)

    @property
    def now_there(self) -> float:
        """The time of the harness."""
        return self.context.now

    def peer(self, host: str, *, realm: str = "example.net") -> ServerDouble:
        """A peer; ask for all of them before the adaptor is added to the harness."""
        double = self.doubles[host.lower()] = ServerDouble(self, host, realm)
        return double

    def configuration_for(self, **others: object) -> DiameterConfiguration:
        """A configuration with the peers asked for, each realm served by its peers in that order."""
        realms: dict[str, list[str]] = {}
        for double in self.doubles.values():
            realms.setdefault(double.realm, []).append(double.host)
        given: dict[str, object] = {
            "identity": self.identity,
            "realm": self.realm,
            "peers": tuple(PeerConfiguration(host=double.host) for double in self.doubles.values()),
            "realms": tuple(
                RealmConfiguration(realm=realm, application=application, peers=tuple(hosts))
                for realm, hosts in realms.items()
                for application in (codes.CREDIT_CONTROL_APPLICATION, codes.BASE_ACCOUNTING, codes.SH)
            ),
        }
        return DiameterConfiguration.model_validate({**given, **others})

    def open_carrier(self) -> Carrier:
        return self.wire

    def next_deadline(self) -> float | None:
        due = super().next_deadline()
        flying = self.wire.flying[0][0] if self.wire.flying else None
        return min((time for time in (due, flying) if time is not None), default=None)

    def is_idle(self) -> bool:
        return not self.wire.flying and super().is_idle()

    def tick(self, now: float) -> None:
        flying = self.wire.flying
        while flying and flying[0][0] <= now:
            flying.popleft()[1]()
        super().tick(now)
        for double in self.doubles.values():
            due = double.node.next_deadline()
            if due is not None and due <= now and not double.is_dead and not double.is_silent:
                double.node.tick(now)
                double.work()

    def messages_sent(self, name: str) -> list[Message]:
        """The messages of a kind that the adaptor has sent, such as `CCR`."""
        return [message for data in self.sent if (message := decode(data)).name == name]
