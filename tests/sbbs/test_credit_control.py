"""Credit-authorised calls: credit before the INVITE goes on, use while it lasts, the rest at its BYE (RFC 8506)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.diameter.protocol.charging import CreditAnswer
from resource_adaptors.diameter.testing import DiameterSimulator, ServerDouble
from resource_adaptors.sip.testing import SipSimulator, Transaction
from sbbs.credit_control.config import CreditControlUsage
from sbbs.credit_control.sbb import CreditControl
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness

REALM = "operator.net"


class World:
    """A proxy with credit control before it, a charging server, and two telephones."""

    def __init__(self, slee: SleeHarness, *, ocs: ServerDouble | None = None, **configuration: object) -> None:
        self.slee = slee
        self.configuration = {"realm": REALM, "request_seconds": 30, **configuration}
        self.diameter = DiameterSimulator()
        self.ocs = self.diameter.peer("ocs.operator.net", realm=REALM)
        if ocs is not None:  # the charging server has not crashed
            for name in ("balance", "used", "requests", "_granted"):
                setattr(self.ocs, name, getattr(ocs, name))
        self.sip = slee.add_resource("sip-main", SipSimulator())
        slee.add_resource("diameter-main", self.diameter, self.diameter.configuration_for())
        slee.install(Registrar)
        slee.install(Proxy)
        slee.install(CreditControl, default_priority=50, configuration=self.configuration)

    def begin(self) -> World:
        """Let the peer connect, and register Bob."""
        self.slee.advance(1)
        self.alice, self.bob = self.sip.phone("alice"), self.sip.phone("bob")
        assert self.bob.register().final.status == 200
        return self

    def call(self) -> Transaction:
        """An INVITE of Alice's; the charging server has answered."""
        invite = self.alice.request("INVITE", self.bob.aor)
        self.slee.advance(0.1)
        return invite

    def talk(self, seconds: float) -> Transaction:
        """A call that is answered at once, and ended after so many seconds."""
        invite = self.call()
        self.bob.answer(200)
        self.slee.advance(0.05)
        invite.ack()
        self.slee.advance(seconds - 0.05)
        bye = invite.bye()
        self.bob.answer(200, to="BYE")
        self.slee.advance(0.1)
        assert bye.final.status == 200
        return invite

    def at_rest(self) -> None:
        """Nothing is left of any call."""
        self.slee.advance(70)
        figures = self.slee.kernel.statistics()
        assert sum(service.entities for service in figures.services) == 0
        assert self.sip.statistics().activities == {"ServerTransaction": 0, "ClientTransaction": 0, "ProxyDialog": 0}
        assert not self.diameter.clients.sessions

    def count(self, name: str) -> int:
        """One of the service's counters."""
        return getattr(self.slee.usage(CreditControlUsage), name).value


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    with SleeHarness(leftovers_allowed=True) as slee:
        yield slee


@pytest.fixture
def world(slee: SleeHarness) -> World:
    return World(slee).begin()


def test_the_invite_waits_for_credit(world: World) -> None:
    world.ocs.script = lambda request: None
    invite = world.call()
    assert invite.statuses == [100]
    assert world.bob.methods == []
    assert [request.subscriptions[0].data for request in world.ocs.requests] == ["sip:alice@example.test"]


def test_a_call_is_charged_for_the_time_between_answer_and_bye(world: World) -> None:
    world.talk(12)
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert world.ocs.charged == 12
    assert world.bob.methods == ["INVITE", "ACK", "BYE"]
    assert (world.count("answered"), world.count("ended"), world.count("seconds")) == (1, 1, 12)
    world.at_rest()


def test_a_begun_second_counts_whole(world: World) -> None:
    world.talk(7.3)
    assert world.ocs.charged == 8
    world.at_rest()


def test_more_credit_is_asked_for_while_the_call_lasts(world: World) -> None:
    world.talk(100)
    assert world.ocs.kinds == ["INITIAL", "UPDATE", "UPDATE", "UPDATE", "TERMINATION"]
    assert world.ocs.charged == 100
    world.at_rest()


def test_ringing_is_not_charged(world: World) -> None:
    invite = world.call()
    world.bob.answer(180)
    world.slee.advance(50)
    assert world.ocs.kinds == ["INITIAL"]
    world.bob.answer(200)
    world.slee.advance(0.05)
    invite.ack()
    world.slee.advance(4.9)
    invite.bye()
    world.bob.answer(200, to="BYE")
    world.slee.advance(1)
    assert world.ocs.charged == 5
    world.at_rest()


@pytest.mark.parametrize(("result", "status"), [(4012, 402), (4010, 403), (5030, 403), (5006, 503)])
def test_denial_is_answered_in_sip(world: World, result: int, status: int) -> None:
    world.ocs.script = lambda request: CreditAnswer(result=result)
    invite = world.call()
    assert invite.final.status == status
    assert world.bob.methods == []
    invite.ack()
    assert world.ocs.kinds == ["INITIAL"]
    assert world.count("denied") == 1
    world.at_rest()


def test_a_call_that_fails_gives_its_credit_back(world: World) -> None:
    invite = world.call()
    world.bob.answer(486)
    world.slee.advance(0.1)
    assert invite.final.status == 486
    invite.ack()
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert (world.ocs.charged, world.ocs.balance) == (0, 3600)
    world.at_rest()


def test_a_caller_who_gives_up_while_it_rings_is_not_charged(world: World) -> None:
    invite = world.call()
    world.bob.answer(180)
    invite.cancel()
    world.bob.answer(200, to="CANCEL")
    world.bob.answer(487)
    world.slee.advance(0.1)
    assert invite.final.status == 487
    invite.ack()
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert world.ocs.balance == 3600
    world.at_rest()


def test_a_caller_who_gives_up_while_the_server_is_asked_is_not_called(world: World) -> None:
    invite = world.alice.request("INVITE", world.bob.aor)
    invite.cancel()
    world.slee.advance(0.5)
    assert invite.final.status == 487
    invite.ack()
    assert world.bob.methods == []
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert world.ocs.balance == 3600
    world.at_rest()


def test_an_unknown_callee_is_not_charged(world: World) -> None:
    invite = world.alice.request("INVITE", "sip:nobody@example.test")
    world.slee.advance(0.5)
    assert invite.final.status == 404
    invite.ack()
    assert world.ocs.balance == 3600
    world.at_rest()


def test_a_call_that_costs_nothing_is_not_followed(world: World) -> None:
    world.ocs.script = lambda request: CreditAnswer(result=4011)
    world.talk(100)
    assert world.ocs.kinds == ["INITIAL"]
    assert world.count("free") == 1
    world.at_rest()


def test_no_server_refuses_the_call(world: World) -> None:
    world.ocs.kill()
    world.slee.advance(1)
    invite = world.call()
    world.slee.advance(12)
    assert invite.final.status == 503
    assert invite.final.header("Retry-After") == "10"
    invite.ack()
    assert world.bob.methods == []
    assert [alarm.alarm_type for alarm in world.slee.alarms if alarm.alarm_type.startswith("credit")] == [
        "credit_control.server_unreachable"
    ]
    world.ocs.restart()
    world.slee.advance(60)
    world.talk(3)
    assert not [alarm for alarm in world.slee.alarms if alarm.alarm_type.startswith("credit")]
    world.at_rest()


def test_no_server_lets_the_call_go_on_uncharged_if_so_configured(slee: SleeHarness) -> None:
    world = World(slee, on_failure="continue").begin()
    world.ocs.kill()
    world.slee.advance(1)
    invite = world.call()
    world.slee.advance(12)
    world.bob.answer(200)
    assert invite.final.status == 200
    invite.ack()
    assert world.count("uncharged") == 1
    invite.bye()
    world.bob.answer(200, to="BYE")
    world.at_rest()


def test_a_silent_server_does_not_keep_the_caller_waiting(slee: SleeHarness) -> None:
    world = World(slee, answer_within=3).begin()
    world.ocs.script = lambda request: None
    invite = world.call()
    world.slee.advance(3.1)
    assert invite.final.status == 503
    invite.ack()
    assert world.bob.methods == []


def test_the_end_of_a_call_during_an_outage_is_charged_when_it_is_over(world: World) -> None:
    invite = world.call()
    world.bob.answer(200)
    world.slee.advance(0.05)
    invite.ack()
    world.slee.advance(5)
    world.ocs.kill()
    world.slee.advance(2.9)
    invite.bye()
    world.bob.answer(200, to="BYE")
    world.slee.advance(20)
    assert world.ocs.charged == 0
    world.ocs.restart()
    world.slee.advance(120)
    assert world.ocs.charged == 8
    world.at_rest()


def test_credit_that_runs_out_is_seen(world: World) -> None:
    world.ocs.balance = 30
    world.talk(50)
    assert world.ocs.kinds == ["INITIAL", "UPDATE"]
    assert world.ocs.charged == 30
    assert world.count("overrun") == 1
    world.at_rest()


def test_repeated_bye_moves_no_end(world: World) -> None:
    """The answer to the BYE is late: what counts is when the caller hung up."""
    invite = world.call()
    world.bob.answer(200)
    world.slee.advance(0.05)
    invite.ack()
    world.slee.advance(3.9)
    invite.bye()
    world.slee.advance(6)
    invite.bye()  # the same request on another transaction, as after a restart of the proxy
    world.bob.answer(200, to="BYE")
    world.slee.advance(1)
    assert world.ocs.charged == 4
    world.at_rest()


def test_two_telephones_of_one_user_are_charged_once(world: World) -> None:
    desk = world.sip.phone("bob")
    assert desk.register().final.status == 200
    invite = world.call()
    assert world.bob.methods == desk.methods == ["INVITE"]
    world.bob.answer(180)
    desk.answer(200)
    world.bob.answer(200, to="CANCEL")
    world.bob.answer(487)
    world.slee.advance(0.05)
    invite.ack()
    world.slee.advance(2.9)
    invite.bye()
    desk.answer(200, to="BYE")
    world.slee.advance(1)
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert world.ocs.charged == 3
    world.at_rest()


# What a crash leaves.


def crashed(world: World) -> World:
    """Kill the process with everything of the last moment unrecorded; telephones and charging server go on."""
    slee = world.slee.crash(survivors=0, downtime=2.0)
    after = World(slee, ocs=world.ocs, **world.configuration)
    slee.restart()
    for phone in (world.alice, world.bob):
        after.sip.adopt(phone)
    after.alice, after.bob = world.alice, world.bob
    slee.advance(1)
    return after


@pytest.fixture
def durable() -> World:
    return World(SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)).begin()


def test_a_call_that_is_up_goes_on_over_a_crash_and_is_charged_to_its_end(durable: World) -> None:
    invite = durable.call()
    durable.bob.answer(200)
    durable.slee.advance(0.05)
    invite.ack()
    durable.slee.advance(9.95)
    world = crashed(durable)
    world.slee.advance(6)
    invite.bye()
    world.bob.answer(200, to="BYE")
    world.slee.advance(1)
    assert world.ocs.charged == 19
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    world.at_rest()


def test_a_crash_in_the_moment_of_the_bye_charges_once(durable: World) -> None:
    invite = durable.call()
    durable.bob.answer(200)
    durable.slee.advance(0.05)
    invite.ack()
    durable.slee.advance(9.95)
    bye = invite.bye()
    durable.bob.answer(200, to="BYE")
    world = crashed(durable)
    bye.repeat()
    world.bob.answer(481, to="BYE")
    world.slee.advance(1)
    assert bye.final.status == 481
    assert 10 <= world.ocs.charged <= 13
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    world.at_rest()


def test_an_attempt_that_a_crash_has_ended_gives_its_credit_back(durable: World) -> None:
    durable.call()
    durable.bob.answer(180)
    durable.slee.advance(1)
    world = crashed(durable)
    world.slee.advance(700)
    assert world.ocs.charged == 0
    assert world.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert world.ocs.balance == 3600
    world.at_rest()


def test_a_quota_that_is_used_up_during_a_crash_is_reported_after_it(durable: World) -> None:
    invite = durable.call()
    durable.bob.answer(200)
    durable.slee.advance(0.05)
    invite.ack()
    durable.slee.advance(29)
    world = crashed(durable)
    world.slee.advance(10)
    assert world.ocs.kinds == ["INITIAL", "UPDATE"]
    invite.bye()
    world.bob.answer(200, to="BYE")
    world.slee.advance(1)
    assert world.ocs.charged == 43
    world.at_rest()
