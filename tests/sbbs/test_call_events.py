"""Call events: what the web-hook is told of calls that other services route."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator
from resource_adaptors.sip.testing import Phone, SipSimulator, Transaction
from sbbs.call_events.config import CallEventsUsage
from sbbs.call_events.sbb import CallEvents
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness

HOOKS = {"webhooks": {"targets": {"call-events": {"url": "https://crm.test/hook", "keys": ["secret"]}}}}


class World:
    """The service beside the proxy."""

    def __init__(self, slee: SleeHarness, *, priority: int = 55, hooks: object = HOOKS, **config: object) -> None:
        self.slee = slee
        self.sip = slee.add_resource("sip-main", SipSimulator())
        self.http = slee.add_resource("http-main", HttpSimulator(), HttpConfiguration.model_validate(hooks))
        slee.install(Registrar)
        slee.install(Proxy)
        slee.install(CallEvents, configuration=config, default_priority=priority)

    def phones(self) -> tuple[Phone, Phone]:
        alice, bob = self.sip.phone("alice"), self.sip.phone("bob")
        bob.register(expires=7200)
        return alice, bob

    def told(self) -> list[dict[str, object]]:
        """Bodies of the web-hooks in their order; each is acknowledged, which lets the next of its call go."""
        while waiting := [made for made in self.http.calls if not made.is_over]:
            for made in waiting:
                made.answer(204)
        bodies = {made.headers["webhook-id"]: made.call.body for made in self.http.calls}
        return [json.loads(body) for body in bodies.values()]

    def kinds(self) -> list[object]:
        return [told["type"] for told in self.told()]


@pytest.fixture
def world() -> Iterator[World]:
    with SleeHarness() as slee:
        world = World(slee)
        yield world
        world.told()
        slee.advance(70)
        assert sum(service.entities for service in slee.kernel.statistics().services) == 0


def answered_call(world: World) -> tuple[Phone, Phone, Transaction]:
    alice, bob = world.phones()
    call = alice.request("INVITE", bob.aor)
    world.slee.advance(2)
    bob.answer(180)
    world.slee.advance(3)
    bob.answer(200)
    world.slee.run()
    call.ack()
    return alice, bob, call


def test_a_call_is_told_from_offer_to_end_with_its_durations(world: World) -> None:
    alice, bob, call = answered_call(world)
    world.slee.advance(10.25)
    bye = call.bye()
    bob.answer(200, to="BYE")
    world.slee.run()
    assert bye.final.status == 200
    told = world.told()
    assert [one["type"] for one in told] == ["call.offered", "call.answered", "call.ended"]
    assert {one["call"] for one in told} == {call.request.call_id}
    assert {(one["from"], one["to"]) for one in told} == {(alice.aor, bob.aor)}
    assert [one["sequence"] for one in told] == [0, 2, 3]
    assert told[1]["setup"] == 5.0
    assert (told[2]["duration"], told[2]["cause"], told[2]["by"]) == (10.25, "bye", "caller")


def test_the_callee_who_hangs_up_is_told(world: World) -> None:
    alice, bob, call = answered_call(world)
    invite, answer = bob.last("INVITE"), call.final
    routes = "".join(f"Route: {route.text}\r\n" for route in invite.record_routes)
    bob.send(
        (
            f"BYE {alice.contact} SIP/2.0\r\nVia: {bob.new_via()}\r\n{routes}From: {answer.to.text}\r\n"
            f"To: {invite.from_.text}\r\nCall-ID: {invite.call_id}\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
    )
    alice.answer(200, to="BYE")
    world.slee.run()
    assert world.told()[-1]["by"] == "callee"


def test_a_busy_callee_is_a_failure_with_its_status(world: World) -> None:
    alice, bob = world.phones()
    call = alice.request("INVITE", bob.aor)
    bob.answer(486)
    call.ack()
    world.slee.advance(1.1)
    told = world.told()
    assert [one["type"] for one in told] == ["call.offered", "call.failed"]
    assert (told[1]["reason"], told[1]["status"]) == ("refused", 486)


def test_a_caller_who_gives_up_is_a_failure(world: World) -> None:
    alice, bob = world.phones()
    call = alice.request("INVITE", bob.aor)
    bob.answer(180)
    call.cancel()
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    call.ack()
    world.slee.advance(1.1)
    told = world.told()
    assert [one["type"] for one in told] == ["call.offered", "call.failed"]
    assert (told[1]["reason"], told[1]["status"]) == ("cancelled", 487)


def test_a_call_that_a_service_answers_itself_is_a_failure_without_status(world: World) -> None:
    alice, _ = world.phones()
    call = alice.request("INVITE", "sip:nobody@example.test")
    assert call.final.status == 404
    call.ack()
    world.slee.advance(1.1)
    assert world.told()[-1]["status"] is None


def test_the_first_of_two_telephones_is_told_once(world: World) -> None:
    alice, bob = world.phones()
    other = world.sip.phone("bob")
    other.register(call_id="other")
    call = alice.request("INVITE", bob.aor)
    bob.answer(180)
    other.answer(180)
    other.answer(200)
    world.slee.run()
    call.ack()
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    call.bye()
    other.answer(200, to="BYE")
    world.slee.run()
    assert world.kinds() == ["call.offered", "call.answered", "call.ended"]


def test_a_second_telephone_that_answers_too_is_not_told() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:  # the caller leaves the second dialog as it is
        world = World(slee)
        alice, bob = world.phones()
        other = world.sip.phone("bob")
        other.register(call_id="other")
        call = alice.request("INVITE", bob.aor)
        other.answer(200)
        slee.run()
        call.ack()
        bye = call.bye()
        bob.answer(200)
        slee.advance(1)
        other.answer(200, to="BYE")
        slee.run()
        assert bye.final.status == 200
        assert world.kinds() == ["call.offered", "call.answered", "call.ended"]


def test_ringing_is_told_once_where_it_is_asked_for() -> None:
    with SleeHarness() as slee:
        world = World(slee, kinds=["ringing"])
        alice, bob = world.phones()
        call = alice.request("INVITE", bob.aor)
        bob.answer(180)
        bob.answer(180)
        bob.answer(486)
        call.ack()
        assert world.kinds() == ["call.ringing"]
        slee.run_until_idle()


def test_a_call_that_a_service_of_higher_priority_forwards_is_told_until_its_answer() -> None:
    with SleeHarness() as slee:
        world = World(slee, priority=-5)
        _, bob, call = answered_call(world)
        call.bye()
        bob.answer(200, to="BYE")
        assert world.kinds() == ["call.offered", "call.answered"]
        slee.advance(70)
        assert slee.usage(CallEventsUsage).failed.value == 0
        slee.run_until_idle()


def test_a_target_that_is_missing_is_an_alarm_and_no_harm_to_the_call() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        world = World(slee, hooks={})
        answered_call(world)
        assert [alarm.alarm_type for alarm in slee.alarms] == ["call_events.no_target"]
        assert slee.usage(CallEventsUsage).untold.value == 3 - 1


def test_the_end_of_a_call_is_told_after_a_restart_with_its_whole_duration() -> None:
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    world = World(slee)
    alice, bob = world.phones()
    slee.advance(0.1)
    call = alice.request("INVITE", bob.aor)
    bob.answer(200)
    slee.advance(0.1)
    call.ack()
    slee.advance(5)
    assert world.kinds() == ["call.offered", "call.answered"]
    slee.advance(0.1)
    again = slee.crash(downtime=4.8)
    world = World(again)
    world.sip.adopt(alice)
    world.sip.adopt(bob)
    again.restart()
    call.bye()
    bob.answer(200, to="BYE")
    again.advance(0.1)
    (ended,) = world.told()
    assert ended["type"] == "call.ended"
    assert ended["duration"] == pytest.approx(10, abs=0.2)


def test_nothing_is_left_of_a_call_that_was_ringing_at_a_restart() -> None:
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    alice, bob = World(slee).phones()
    slee.advance(0.1)
    alice.request("INVITE", bob.aor)
    bob.answer(180)
    slee.advance(1)
    again = slee.crash(downtime=4.8)
    world = World(again)
    again.restart()
    assert again.entities(CallEvents)
    again.advance(600)
    assert not again.entities(CallEvents)
    assert world.kinds() in (["call.offered"], [])


def test_a_call_that_rings_for_long_is_followed_on(world: World) -> None:
    alice, bob = world.phones()
    call = alice.request("INVITE", bob.aor)
    assert world.kinds() == ["call.offered"]
    for _ in range(8):
        bob.answer(180)
        world.slee.advance(100)
    bob.answer(486)
    call.ack()
    world.slee.advance(1.1)
    assert world.kinds() == ["call.offered", "call.failed"]
