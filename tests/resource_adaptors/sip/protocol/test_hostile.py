"""Whatever arrives, in whatever order: nothing is raised, everything is counted, nothing is left behind (SIP-199)."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.settings import Settings
from resource_adaptors.sip.protocol.timing import Timing
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, CAROL, PROXY, START, Rig, uri_of


def recorded() -> list[tuple[bytes, tuple[str, int]]]:
    """The datagrams of a forked call with a CANCEL, of a dialog's requests, and of requests that fail."""
    rig = Rig(timing=Timing())
    taken: list[tuple[bytes, tuple[str, int]]] = []
    receive = rig.core.receive

    def note(data: bytes, source: tuple[str, int], now: float) -> None:
        taken.append((data, source))
        receive(data, source, now)

    rig.core.receive = note
    invite, _ = rig.call(BOB, CAROL, record_route=True)
    rig.answer(BOB, 180)
    rig.answer(CAROL, 183)
    rig.answer(CAROL, 486)
    rig.answer(BOB, 200)
    route = (("Route", f"<sip:{PROXY[0]}:{PROXY[1]};lr>"),)
    rig.feed(rig.request("ACK", uri_of(BOB), to_tag="b", call_id=invite.call_id, headers=route), ALICE)
    rig.feed(rig.request("BYE", uri_of(BOB), to_tag="b", call_id=invite.call_id, cseq=2, headers=route), ALICE)
    rig.answer(BOB, 200, "BYE")
    second, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(second)
    rig.answer(BOB, 200, "CANCEL")
    rig.answer(BOB, 487)
    rig.feed(rig.ack(second), ALICE)
    rig.feed(rig.request("REGISTER"), ALICE)
    rig.feed(rig.request("MESSAGE", uri_of(PROXY), to_tag="gone"), ALICE)
    return taken


DATAGRAMS = recorded()


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change some octets, lose some, or repeat some."""
    changed = bytearray(data)
    for _ in range(draw.randint(0, 3)):
        at = draw.randrange(len(changed) or 1)
        match draw.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del changed[at : at + draw.randint(1, 30)]
            case 2:
                changed[at:at] = changed[at : at + draw.randint(1, 30)]
            case _:
                changed[at:at] = draw.choice([b"\r\n", b",", b";", b"<", b'"', b"\0", b" ", b"\xff", b"%00"])
    return bytes(changed)


class Driver:
    """Forwards, answers, cancels or ignores what services are asked for, as a seed says."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.now = START
        self.core = SipCore(Settings(host=PROXY[0], port=PROXY[1], bound=PROXY), random.Random(1).randbytes)
        self.core.wanted = ALL_KINDS

    def drain(self) -> None:
        core = self.core
        while core.events:
            happened = core.events.copy()
            core.events.clear()
            for event in happened:
                self.react(event)
        core.sends.clear()

    def react(self, event: events.Event) -> None:
        core = self.core
        transaction = event.transaction
        if isinstance(event, events.RequestReceived):
            match self.draw.randrange(4):
                case 0:
                    core.respond(transaction, self.draw.choice([200, 302, 404, 603]), self.now)
                case 1:
                    pass
                case _:
                    uris = [uri_of(BOB), uri_of(CAROL), uri_of(PROXY), "sip:x@name.example"]
                    chosen = self.draw.sample(uris, self.draw.randint(1, 3))
                    branches = [NewBranch(core.new_branch(transaction, uri), uri) for uri in chosen]
                    core.forward(transaction, branches, self.now, record_route=True)
        elif not isinstance(event, events.ProvisionalReceived | events.Answered):
            core.proceed(transaction, self.now)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.core.tick(self.now)
            self.drain()
        self.now = end


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_sip_199_mutated_datagrams_in_any_order_do_no_harm(seed: int) -> None:
    draw = random.Random(seed)
    driver = Driver(draw)
    for _ in range(40):
        data, source = draw.choice(DATAGRAMS)
        if draw.random() < 0.5:
            data = mutate(data, draw)
        driver.core.receive(data, source, driver.now)
        driver.drain()
        if draw.random() < 0.1:
            driver.core.transport_error(draw.choice([ALICE, BOB, CAROL]), "refused", driver.now)
            driver.drain()
        driver.wait(draw.choice([0.0, 0.0, 0.01, 0.6, 5.0]))
    for _ in range(12):
        driver.wait(100)
    statistics = driver.core.statistics()
    assert statistics.transactions == {}, seed
    assert statistics.timers == 0
    assert statistics.received == statistics.delivered + statistics.answered + sum(statistics.dropped.values())
