"""Prepaid calls in simulated time, while peers are killed, fall silent, and the server crashes (DIA-57).

    python -m tests.resource_adaptors.diameter.prepaid --sessions 1000000 --jobs 2 [--seconds 600]

plays so many calls (a million take about two hours of one processor), or as many as the time allows, and says whether
what was charged is what was used. Calls are opened, report use, and close; some answers are lost, some come late,
some requests arrive twice, servers die and come back, and now and then the process itself is killed, with the journal
as far as the disk had it. A history that goes wrong is played again by its seed.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from resource_adaptors.diameter.api import (
    DIAMETER,
    CreditDenied,
    CreditGranted,
    FailureHandled,
    FailureHandling,
    Service,
    Units,
)
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.message import decode
from resource_adaptors.diameter.protocol.charging import CreditRequest, RequestType
from resource_adaptors.diameter.testing import DiameterSimulator, MemoryWire, ServerDouble
from slee import ActivityContext, ActivityEnd, Cmp, Sbb, cmp, event_type, handles, initial_event, resource
from slee.stores.simulated import SimulatedDisk
from slee.testing import RecordingResource, SleeHarness, recording_type
from tests.resource_adaptors.diameter.meter import ASKED, CALLER


@event_type("test.Call", vendor="test", version="1.0")
class Call:
    """A caller picks up the telephone."""

    name: str


@event_type("test.Talk", vendor="test", version="1.0")
class Talk:
    """So many seconds were talked since the last one."""

    name: str
    seconds: int
    is_over: bool


PHONES = recording_type(Call, Talk)


class Prepaid(Sbb, vendor="test", version="1.0"):
    """Charges a call: what is talked is reported, until it is over or credit ends."""

    diameter = resource(DIAMETER)
    phones = resource(PHONES)
    session: Cmp[ActivityContext | None] = cmp(None)
    name: Cmp[str] = cmp("")
    is_over: Cmp[bool] = cmp(False)
    talked: ClassVar[dict[str, int]] = {}
    """Seconds that services have committed to report, by Session-Id; what the ledger must say in the end."""
    uncharged: ClassVar[set[str]] = set()
    """Sessions that nobody could be asked for: their calls went on, and nothing of them is charged."""

    @initial_event(selector=lambda event: event.name)
    def on_call(self, event: Call, aci: ActivityContext) -> None:
        made = self.diameter.open_session(CALLER, ASKED, realm="example.net", failure_handling=FailureHandling.CONTINUE)
        made.attach(self)
        self.session, self.name = made, event.name

    @initial_event(selector=lambda event: event.name)
    def on_talk(self, event: Talk, aci: ActivityContext) -> None:
        if self.session is None or self.is_over:
            return
        services = (Service(rating_group=100, used=(Units(time=event.seconds),)),)
        if event.is_over:
            self.is_over = True
            self.diameter.close(self.session, services)
        else:
            self.diameter.report(self.session, services)
        session_id = self.session.activity.session_id
        Prepaid.talked[session_id] = Prepaid.talked.get(session_id, 0) + event.seconds

    @handles
    def on_granted(self, event: CreditGranted, aci: ActivityContext) -> None:
        """The call goes on."""

    @handles
    def on_denied(self, event: CreditDenied, aci: ActivityContext) -> None:
        self.is_over = True

    @handles
    def on_failure(self, event: FailureHandled, aci: ActivityContext) -> None:
        """The call goes on: uncharged if it was the first request, for then its session is over (CONTINUE)."""
        if event.kind is RequestType.INITIAL:
            Prepaid.uncharged.add(event.session_id)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        self.is_over = True
        self.session = None


class Ledger:
    """What the servers have booked: each request of a session once, however often it comes (RFC 8506 9)."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], int] = {}
        self.contradictions = 0

    def book(self, request: CreditRequest) -> None:
        seconds = sum(units.time or 0 for service in request.services for units in service.used)
        if self.entries.setdefault((request.session_id, request.number), seconds) != seconds:
            self.contradictions += 1

    def charged(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (session, _), seconds in self.entries.items():
            found[session] = found.get(session, 0) + seconds
        return found


class Listener(DiameterSimulator):
    """The adaptor, and a witness of which first requests were answered to it: on the connection that they went out on.

    A copy of a request that the world brings to the other server has a Hop-by-Hop that was never sent there. That
    server books it and answers; the adaptor must discard such an answer (RFC 6733 6.2.1), and knows nothing of it.
    """

    def __init__(self, answered: set[str]) -> None:
        super().__init__()
        self.asked: dict[tuple[int, int], str] = {}
        """Session-Id by connection and Hop-by-Hop."""
        self.answered = answered
        """Sessions whose first request was answered before it failed."""
        self.wire = ListenedWire(self)

    def received(self, number: int, data: bytes) -> None:
        session = self.asked.get((number, decode(data).hop_by_hop)) if _is_credit(data) else None
        if session is not None and session not in Prepaid.uncharged:
            self.answered.add(session)
        super().received(number, data)


class ListenedWire(MemoryWire):
    """The wire, where it is noted which first request went out on which connection."""

    simulator: Listener

    def write(self, number: int, data: bytes) -> None:
        if _is_credit(data):
            message = decode(data)
            if message.is_request and message.number(codes.CC_REQUEST_TYPE) == RequestType.INITIAL:
                self.simulator.asked[number, message.hop_by_hop] = message.session_id
        super().write(number, data)

    def bring(self, number: int, data: bytes) -> None:
        """Carry octets to the double, which the adaptor has not sent there now."""
        self._later(lambda: self._deliver(number, data))

    def to(self, double: ServerDouble) -> list[int]:
        """The connections to a double."""
        return [number for number, (other, _) in self._links.items() if other is double]


def _is_credit(data: bytes) -> bool:
    return int.from_bytes(data[5:8], "big") == codes.CREDIT_CONTROL


class World:
    """The harness, two servers with one ledger, and what goes wrong."""

    def __init__(self, seed: int, *, crashes: bool) -> None:
        self.lot = random.Random(seed)
        self.ledger = Ledger()
        self.answered: set[str] = set()
        """Sessions whose first request was answered before it failed, over all crashes."""
        self.crashes = crashes
        self.calls = 0
        self.happened: dict[str, int] = {}
        self.lines: dict[str, str] = {}
        """Handles of the telephones' activities by call that goes on."""
        Prepaid.talked.clear()
        Prepaid.uncharged.clear()
        self.slee = SleeHarness(seed=seed, journal=SimulatedDisk(), leftovers_allowed=True)
        self.equip()
        self.slee.advance(1)

    def equip(self) -> None:
        self.diameter = Listener(self.answered)
        self.servers = [self.diameter.peer(f"ocs{n}.example.net", realm="example.net") for n in (1, 2)]
        for server in self.servers:
            server.balance = 10**12
            server.on_credit = self.ledger.book
        configuration = self.diameter.configuration_for(session_failover=True, outbox=None, tc=2, tw=6)
        store = getattr(self, "store", None)
        if store is not None:
            self.diameter.open_store = lambda: store
        self.slee.add_resource("diameter", self.diameter, configuration)
        self.phones = self.slee.add_resource("phones", RecordingResource(PHONES))
        self.slee.install(Prepaid)
        if self.slee.is_running:
            self.store = self.diameter.outbox._store

    def count(self, what: str) -> None:
        self.happened[what] = self.happened.get(what, 0) + 1

    def step(self) -> None:
        lot = self.lot.random()
        if lot < 0.35:
            self.call()
        elif lot < 0.85 and self.lines:
            self.talk(self.lot.choice(list(self.lines)))
        elif lot < 0.90:
            self.trouble(self.lot.choice(self.servers))
        elif lot < 0.91 and self.crashes:
            self.crash()
        elif lot < 0.93:
            self.duplicate(self.lot.choice(self.servers))
        self.slee.advance(self.lot.choice((0.0, 0.0005, 0.01, 0.3, 2.0)))

    def call(self) -> None:
        self.calls += 1
        name = f"call {self.calls}"
        self.lines[name] = name
        self.phones.endpoint.start_activity(name, "line")
        self.phones.endpoint.fire(name, Call(name))
        self.slee.run()

    def talk(self, name: str) -> None:
        is_over = self.lot.random() < 0.4
        context = self.phones.context.activity_context(name)
        if context is not None:
            self.phones.endpoint.fire(name, Talk(name, self.lot.randrange(1, 40), is_over))
            self.slee.run()
            if is_over:
                self.phones.endpoint.end_activity(name)
                self.slee.run()
        if is_over or context is None:
            del self.lines[name]

    def trouble(self, server: ServerDouble) -> None:
        kind = self.lot.choice(("kill", "silence", "heal", "heal", "heal"))
        self.count(kind)
        if kind == "kill" and not server.is_dead:
            server.kill()
        elif kind == "silence":
            server.is_silent = True
        elif kind == "heal":
            if server.is_dead:
                server.restart()
            server.is_silent = False

    def duplicate(self, server: ServerDouble) -> None:
        """One of the last requests arrives once more, at the server that had it or at the other one."""
        requests = [data for data in self.diameter.sent[-8:] if decode(data).name == "CCR"]
        numbers = self.diameter.wire.to(server)
        if requests and numbers:
            self.count("duplicate")
            self.diameter.wire.bring(numbers[0], self.lot.choice(requests))

    def crash(self) -> None:
        """Kill the process; the journal has what the disk had."""
        self.count("crash")
        self.slee.advance(0.05)  # what was talked is on the disk: to lose that is the journal's affair, not Diameter's
        self.slee = self.slee.crash(downtime=3.0)
        self.equip()
        self.slee.restart()
        self.store = self.diameter.outbox._store
        for name in self.lines:
            self.phones.endpoint.start_activity(name, "line")

    def finish(self) -> None:
        """Heal everything, let every call end, and time pass."""
        for server in self.servers:
            if server.is_dead:
                server.restart()
            server.is_silent = False
        for name in list(self.lines):
            self.phones.endpoint.fire(name, Talk(name, 1, True))
            self.slee.run()
            self.phones.endpoint.end_activity(name)
            self.slee.run()
        self.slee.advance(2000)

    def verdict(self) -> list[str]:
        """What is wrong; empty if charged is used, once, and nothing is left open.

        Nothing is charged of a call whose first request failed with CONTINUE: the client grants the service and its
        session is over (RFC 8506 7, PendingI to Idle), whether a server has the request or not. That is right only
        where no answer had come by then.
        """
        wrong: list[str] = []
        charged, used = self.ledger.charged(), Prepaid.talked
        for session in used.keys() | charged.keys():
            due = 0 if session in Prepaid.uncharged else used.get(session, 0)
            if charged.get(session, 0) != due:
                wrong.append(f"{session}: {due} to charge, charged {charged.get(session, 0)}")
        wrong += [f"{session}: answered, and yet uncharged" for session in self.answered & Prepaid.uncharged]
        if self.ledger.contradictions:
            wrong.append(f"{self.ledger.contradictions} requests came again with other use")
        left = len(self.diameter.clients.sessions)
        if left or len(self.diameter.outbox):
            wrong.append(f"{left} sessions and {len(self.diameter.outbox)} requests are left")
        return wrong


def play(seed: int, sessions: int, *, crashes: bool = True, report: Callable[[str], object] = str) -> list[str]:
    """Play so many calls; what is wrong afterwards."""
    world = World(seed, crashes=crashes)
    while world.calls < sessions:
        world.step()
    world.finish()
    charged = sum(world.ledger.charged().values())
    known = [seconds for session, seconds in Prepaid.talked.items() if session not in Prepaid.uncharged]
    report(
        f"seed {seed}: {world.calls} calls, {charged} s charged, {sum(known)} s used in {len(known)} sessions that a "
        f"server could be asked for, {world.happened}"
    )
    return [f"seed {seed}: {fault}" for fault in world.verdict()]


def main() -> int:
    """Play, and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-world", type=int, default=500, help="calls that one history has")
    parser.add_argument("--jobs", type=int, default=1, help="histories at a time")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long")
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    worlds = max(1, arguments.sessions // arguments.per_world)
    played, wrong = 0, []
    with multiprocessing.Pool(arguments.jobs) as pool:
        seeds = range(arguments.seed, arguments.seed + worlds)
        for faults in pool.imap_unordered(partial(play, sessions=arguments.per_world, report=_say), seeds):
            played += 1
            wrong += faults
            if time.monotonic() > deadline:
                break
    print("\n".join(wrong) or "every second was charged once, and nothing is left open")
    print(f"{played * arguments.per_world} calls in {played} histories, from seed {arguments.seed} on")
    return int(bool(wrong))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
