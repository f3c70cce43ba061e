"""Client and server cores over a wire that drops, duplicates and reorders: what RFC 3261 17 promises still holds."""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import build_request
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.client import RECEIVING, ClientTransaction
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.layer import TransactionLayer
from resource_adaptors.sip.protocol.server import ServerTransaction
from resource_adaptors.sip.protocol.settings import Settings
from resource_adaptors.sip.protocol.statistics import Counters
from resource_adaptors.sip.protocol.timing import Timing
from resource_adaptors.sip.protocol.transaction import Transaction
from resource_adaptors.sip.testing import LossyWire
from slee.spi.wheel import TimerWheel

CALLER: Final = ("192.0.2.10", 5060)
PROXY: Final = ("192.0.2.1", 5060)
CALLEE: Final = ("192.0.2.20", 5060)


class Caller:
    """A user agent client made of the transaction layer alone: it sends requests, and ACKs each 2xx that comes."""

    def __init__(self) -> None:
        self._wheel: TimerWheel[Transaction] = TimerWheel(0.01)
        self.layer = TransactionLayer(Timing(), self._wheel, CALLER, (), Counters())
        self.layer.user = self
        self.finals: dict[str, list[int]] = {}
        """Final responses that the transactions let through, by Call-ID; 0 for a timeout."""
        self.sends = self.layer.sends

    def send(self, method: str, call_id: str, now: float, *, to: tuple[str, int] = PROXY) -> None:
        branch = f"z9hG4bK{call_id}"
        request = build_request(
            method,
            f"sip:callee@{to[0]}",
            via=f"SIP/2.0/UDP {CALLER[0]}:{CALLER[1]};rport;branch={branch}",
            from_="<sip:caller@example.net>;tag=c",
            to="<sip:callee@example.net>",
            call_id=call_id,
            cseq=1,
        )
        self.finals[call_id] = []
        self.layer.start(request, branch, to, None, now)

    def receive(self, data: bytes, source: tuple[str, int], now: float) -> None:
        message = parse_message(data)
        assert isinstance(message, Response)
        transaction = self.layer.match(message)
        if transaction is not None:
            transaction.step(RECEIVING[message.status // 100], message, now)

    def next_deadline(self) -> float | None:
        return self._wheel.next_deadline()

    def tick(self, now: float) -> None:
        self.layer.expire(now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        self.finals[response.call_id].append(response.status)
        if response.status < 300 and transaction.method == "INVITE":
            ack = build_request(
                "ACK",
                f"sip:callee@{CALLEE[0]}",
                via=f"SIP/2.0/UDP {CALLER[0]}:{CALLER[1]};branch=z9hG4bKack-{response.call_id}",
                from_="<sip:caller@example.net>;tag=c",
                to=response.to.text,
                call_id=response.call_id,
                cseq=1,
                headers=[("Route", route) for route in reversed(response.values("Record-Route"))],
            )
            self.sends.append((ack.raw, PROXY if response.has("Record-Route") else CALLEE))

    def on_timeout(self, transaction: Transaction, now: float) -> None:
        assert isinstance(transaction, ClientTransaction)
        assert transaction.request is not None
        self.finals[transaction.request.call_id].append(0)

    def on_ack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        raise AssertionError("a client has no server transactions")

    def on_transport_error(self, transaction: Transaction, reason: str, now: float) -> None:
        raise AssertionError("nobody reports one here")

    def on_guard(self, transaction: Transaction, guard: str, now: float) -> None:
        raise AssertionError("no guard was set")

    def on_unacknowledged(self, transaction: ServerTransaction) -> None:
        raise AssertionError("a client has no server transactions")


class Answerer:
    """A user agent server: a core whose service answers each request with one status."""

    def __init__(self, wire: LossyWire, address: tuple[str, int], status: int) -> None:
        self.core = SipCore(Settings(host=address[0], port=address[1], bound=address), random.Random(2).randbytes)
        self.core.wanted = frozenset({events.AckReceived, events.AckTimeout})
        self.seen: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self._wire = wire
        self._status = status
        wire.attach(self.core, address)
        wire.drains.append(self.drain)

    def drain(self) -> None:
        happened = self.core.events.copy()
        self.core.events.clear()
        for event in happened:
            if isinstance(event, events.RequestReceived):
                self.seen[event.request.call_id] += 1
                if event.request.method == "INVITE":
                    self.core.respond(event.transaction, 180, self._wire.now)
                self.core.respond(event.transaction, self._status, self._wire.now)
            elif isinstance(event, events.AckReceived):
                self.acknowledged[event.request.call_id] += 1


class Forwarder:
    """A proxy whose service forwards each request to the callee."""

    def __init__(self, wire: LossyWire) -> None:
        self.core = SipCore(Settings(host=PROXY[0], port=PROXY[1], bound=PROXY), random.Random(3).randbytes)
        self.seen: Counter[str] = Counter()
        self._wire = wire
        wire.attach(self.core, PROXY)
        wire.drains.append(self.drain)

    def drain(self) -> None:
        happened = self.core.events.copy()
        self.core.events.clear()
        for event in happened:
            if isinstance(event, events.RequestReceived):
                self.seen[event.request.call_id] += 1
                uri = f"sip:callee@{CALLEE[0]}:{CALLEE[1]}"
                new = NewBranch(self.core.new_branch(event.transaction, uri), uri)
                self.core.forward(event.transaction, [new], self._wire.now, record_route=True)


def conserved(core: SipCore) -> bool:
    """COM-14."""
    statistics = core.statistics()
    return statistics.received == statistics.delivered + statistics.answered + sum(statistics.dropped.values())


@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.1, 0.3]),
    st.sampled_from(["INVITE", "MESSAGE"]),
    st.sampled_from([200, 404]),
)
@settings(max_examples=60, deadline=None)
def test_client_and_server_transactions_agree_over_a_bad_wire(seed: int, loss: float, method: str, status: int) -> None:
    wire = LossyWire(seed, loss=loss, duplication=0.2, delay=0.4)
    caller = Caller()
    wire.attach(caller, CALLER)
    callee = Answerer(wire, CALLEE, status)
    for number in range(5):
        caller.send(method, f"c{number}", wire.now, to=CALLEE)
    wire.run(200)

    for call_id, finals in caller.finals.items():
        # One kind of outcome. Only an INVITE's 2xx may come up more than once: its repetitions ask for ACKs.
        assert set(finals) in ({status}, {0}), (seed, call_id)
        assert len(finals) == 1 or (method == "INVITE" and status == 200)
        assert callee.seen[call_id] <= 1 or loss
        if finals == [status]:
            assert callee.seen[call_id] >= 1
    if method == "INVITE" and status == 200:
        assert set(callee.acknowledged.values()) <= {1}
    if not loss:
        assert all(set(finals) == {status} for finals in caller.finals.values())
    assert not caller.layer.clients
    assert callee.core.statistics().transactions == {}
    assert conserved(callee.core)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.2]), st.sampled_from([200, 486, 603]))
@settings(max_examples=60, deadline=None)
def test_a_call_through_the_proxy_ends_the_same_on_both_sides(seed: int, loss: float, status: int) -> None:
    wire = LossyWire(seed, loss=loss, duplication=0.2, delay=0.3)
    caller = Caller()
    wire.attach(caller, CALLER)
    proxy = Forwarder(wire)
    callee = Answerer(wire, CALLEE, status)
    for number in range(5):
        caller.send("INVITE", f"c{number}", wire.now)
    wire.run(400)

    for call_id, finals in caller.finals.items():
        assert set(finals) in ({status}, {0}, {408}), (seed, call_id)
        assert proxy.seen[call_id] <= 1
        assert callee.seen[call_id] <= 1
        if status == 200 and set(finals) == {200} and not loss:
            assert callee.acknowledged[call_id] == 1
    if not loss:
        assert all(set(finals) == {status} for finals in caller.finals.values())
    for core in (proxy.core, callee.core):
        assert core.statistics().transactions == {}
        assert core.statistics().timers == 0
        assert conserved(core)
    assert not caller.layer.clients


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_a_dead_wire_ends_everything_by_its_timers(method: str) -> None:
    wire = LossyWire(1, loss=1.0)
    caller = Caller()
    wire.attach(caller, CALLER)
    callee = Answerer(wire, CALLEE, 200)
    caller.send(method, "c", wire.now, to=CALLEE)
    wire.run(31.9)
    assert caller.finals == {"c": []}
    wire.run(0.1)
    assert caller.finals == {"c": [0]}
    assert wire.is_quiet
    assert not callee.seen
