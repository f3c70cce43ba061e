"""Calls that a service follows: `track=True` (SIP-160, SIP-183, B21 as corrected)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.sip import api
from resource_adaptors.sip.message.writer import build_request, build_response
from resource_adaptors.sip.testing import Phone, SipSimulator, Transaction
from slee import ActivityContext, ActivityEnd, Cmp, Sbb, Select, cmp, handles, initial_event, resource
from slee.model.descriptor import Durability
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness

TOLD: list[object] = []


class Follower(Sbb, vendor="test", version="1.0"):
    """Forwards every INVITE to where it is addressed, follows the call, and writes down what it is told."""

    sip = resource(api.SIP)
    answered_at: Cmp[float] = cmp(0.0)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: api.Invite, aci: ActivityContext) -> None:
        target = api.Target(event.request.uri_text)
        for branch in self.sip.fork(aci, [target], track=True):
            branch.attach(self)

    @handles
    def on_ringing(self, event: api.Ringing, aci: ActivityContext) -> None:
        TOLD.append("ringing")
        if event.dialog is not None:
            event.dialog.attach(self)

    @handles
    def on_answered(self, event: api.Answered, aci: ActivityContext) -> None:
        assert event.dialog is not None
        event.dialog.attach(self)
        self.answered_at = self.now
        TOLD.append("answered")

    @handles
    def on_ack(self, event: api.Ack, aci: ActivityContext) -> None:
        TOLD.append("ack")

    @handles
    def on_reinvite(self, event: api.Reinvite, aci: ActivityContext) -> None:
        TOLD.append(("reinvite", event.is_from_caller))

    @handles
    def on_info(self, event: api.DialogInfo, aci: ActivityContext) -> None:
        TOLD.append(("info", event.is_from_caller))

    @handles
    def on_bye(self, event: api.Bye, aci: ActivityContext) -> None:
        TOLD.append(("bye", event.is_from_caller))

    @handles
    def on_terminated(self, event: api.DialogTerminated, aci: ActivityContext) -> None:
        TOLD.append((event.cause, event.status))

    @handles
    def on_expired(self, event: api.DialogExpired, aci: ActivityContext) -> None:
        TOLD.append("expired")

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        if isinstance(aci.activity, api.ProxyDialog):
            TOLD.append("end")


def equip(slee: SleeHarness) -> SipSimulator:
    sip = slee.add_resource("sip-main", SipSimulator())
    slee.install(Follower, durability=Durability.ASYNC)
    return sip


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    TOLD.clear()
    with SleeHarness() as slee:
        yield slee


@pytest.fixture
def sip(slee: SleeHarness) -> SipSimulator:
    return equip(slee)


@pytest.fixture
def alice(sip: SipSimulator) -> Phone:
    return sip.phone("alice")


@pytest.fixture
def bob(sip: SipSimulator) -> Phone:
    return sip.phone("bob")


def call(caller: Phone, callee: Phone) -> Transaction:
    return caller.request("INVITE", callee.contact)


def dialogs(slee: SleeHarness) -> int:
    return sum(1 for context in slee.kernel.resources["sip-main"].contexts if "dialog" in str(context))


def at_rest(slee: SleeHarness) -> None:
    """After every transaction timer nothing is left."""
    slee.advance(70)
    figures = slee.kernel.statistics()
    assert sum(service.entities for service in figures.services) == 0
    assert [resource.activities for resource in figures.resources] == [0]


def test_sip_160_a_followed_call_is_told_from_ringing_to_its_end(
    slee: SleeHarness, sip: SipSimulator, alice: Phone, bob: Phone
) -> None:
    invite = call(alice, bob)
    assert bob.last("INVITE").record_routes
    bob.answer(180)
    assert dialogs(slee) == 1
    bob.answer(200)
    assert invite.statuses == [100, 180, 200]
    invite.ack()
    bye = invite.bye()
    assert TOLD == ["ringing", "answered", "ack", ("bye", True)]
    assert bob.methods == ["INVITE", "ACK", "BYE"]
    bob.answer(200, to="BYE")
    assert bye.final.status == 200
    assert TOLD[4:] == [("bye", 200), "end"]
    assert dialogs(slee) == 0
    at_rest(slee)


def test_sip_160_requests_of_both_sides_fire_on_the_dialog_and_are_forwarded_at_once(
    slee: SleeHarness, alice: Phone, bob: Phone
) -> None:
    invite = call(alice, bob)
    bob.answer(200)
    invite.ack()
    alice.send(invite.in_dialog("INFO", 2))
    bob.answer(200, to="INFO")
    assert TOLD[-1] == ("info", True)
    ours = bob.last("INVITE")
    final = invite.final
    back = bob.send
    back(
        build_request(
            "BYE",
            alice.contact,
            via=bob.new_via(),
            from_=final.to.text,
            to=ours.from_.text,
            call_id=ours.call_id,
            cseq=7,
            headers=[("Route", route.text) for route in ours.record_routes],
        )
    )
    assert TOLD[-1] == ("bye", False)
    alice.answer(200, to="BYE")
    assert TOLD[-2:] == [("bye", 200), "end"]
    at_rest(slee)


def test_sip_160_repeated_ack_is_told_once(slee: SleeHarness, alice: Phone, bob: Phone) -> None:
    invite = call(alice, bob)
    bob.answer(200)
    ack = invite.in_dialog("ACK", 1)
    alice.send(ack)
    alice.send(ack)
    assert bob.methods == ["INVITE", "ACK", "ACK"]
    assert TOLD == ["answered", "ack"]
    invite.bye()
    bob.answer(200, to="BYE")
    at_rest(slee)


def test_rfc3261_13_2_2_3_a_failed_invite_ends_its_early_dialog(slee: SleeHarness, alice: Phone, bob: Phone) -> None:
    invite = call(alice, bob)
    bob.answer(180)
    bob.answer(486)
    assert invite.final.status == 486
    invite.ack()
    assert TOLD == ["ringing", ("failed", 486), "end"]
    at_rest(slee)


def test_sip_160_a_cancelled_call_ends_its_early_dialog(slee: SleeHarness, alice: Phone, bob: Phone) -> None:
    invite = call(alice, bob)
    bob.answer(180)
    invite.cancel()
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    assert invite.final.status == 487
    invite.ack()
    assert TOLD == ["ringing", ("failed", 487), "end"]
    at_rest(slee)


def test_sip_160_a_challenged_bye_does_not_end_the_dialog(slee: SleeHarness, alice: Phone, bob: Phone) -> None:
    invite = call(alice, bob)
    bob.answer(200)
    invite.ack()
    alice.send(invite.in_dialog("BYE", 2))
    bob.answer(401, to="BYE")
    assert dialogs(slee) == 1
    alice.send(invite.in_dialog("BYE", 3))
    bob.answer(200, to="BYE")
    assert TOLD[2:] == [("bye", True), ("bye", True), ("bye", 200), "end"]
    at_rest(slee)


def test_rfc3261_15_1_1_a_bye_without_an_answer_ends_the_dialog(slee: SleeHarness, alice: Phone, bob: Phone) -> None:
    invite = call(alice, bob)
    bob.answer(200)
    invite.ack()
    invite.bye()
    slee.advance(31)
    assert dialogs(slee) == 1
    slee.advance(2)
    assert TOLD[-2:] == [("bye", 408), "end"]
    at_rest(slee)


def test_rfc3261_12_2_1_2_a_side_that_knows_the_dialog_no_more_ends_it(
    slee: SleeHarness, alice: Phone, bob: Phone
) -> None:
    invite = call(alice, bob)
    bob.answer(200)
    invite.ack()
    alice.send(invite.in_dialog("INFO", 2))
    bob.answer(481, to="INFO")
    assert TOLD[-2:] == [("gone", 481), "end"]
    assert alice.received[-1].status == 481
    at_rest(slee)


def test_sip_87_lifetime_ends_what_is_followed_and_not_the_call(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    bob.answer(200)
    invite.ack()
    slee.advance(43_201)
    assert TOLD[-2:] == ["expired", "end"]
    invite.bye()
    bob.answer(200, to="BYE")
    assert bob.methods[-1] == "BYE"
    assert TOLD[-2:] == ["expired", "end"]
    at_rest(slee)


def test_sip_160_only_an_invite_can_be_followed() -> None:
    class Wrong(Sbb, vendor="test", version="1.0"):
        sip = resource(api.SIP)

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_message(self, event: api.Message, aci: ActivityContext) -> None:
            self.sip.forward(aci, api.Target(event.request.uri_text), track=True)

    with SleeHarness(failures_allowed=True) as slee:
        sip = slee.add_resource("sip-main", SipSimulator())
        slee.install(Wrong)
        assert sip.request("MESSAGE", "sip:bob@192.0.2.9").final.status == 500
        assert "track INVITE" in str(slee.failures[0])
        slee.advance(70)


def test_sip_160_two_answers_of_a_fork_give_one_followed_call(slee: SleeHarness, alice: Phone, bob: Phone) -> None:
    """A downstream proxy that has forked sends two 2xx with different tags: the first one is followed, both go on."""
    invite = call(alice, bob)
    forwarded = bob.last("INVITE")
    for tag in ("one", "two"):
        answer = build_response(forwarded, 200, to_tag=tag, headers=[("Contact", f"<{bob.contact}>")])
        bob.send(answer)
    assert [response.to_tag for response in invite.responses if response.status == 200] == ["one", "two"]
    assert dialogs(slee) == 1
    slee.advance(43_300)
    at_rest(slee)


# What a crash leaves.


def durable() -> tuple[SleeHarness, SipSimulator]:
    TOLD.clear()
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    return slee, equip(slee)


def crashed(slee: SleeHarness, *phones: Phone, downtime: float = 5.0) -> tuple[SleeHarness, SipSimulator]:
    """Crash, and let the telephones go on."""
    slee = slee.crash(survivors=0, downtime=downtime)
    sip = equip(slee)
    slee.restart()
    for phone in phones:
        sip.adopt(phone)
    return slee, sip


def test_sip_183_a_confirmed_dialog_survives_a_restart_and_ends_by_its_bye() -> None:
    slee, sip = durable()
    alice, bob = sip.phone("alice"), sip.phone("bob")
    invite = call(alice, bob)
    bob.answer(200)
    slee.advance(1)
    assert invite.statuses == [100, 200]
    invite.ack()
    slee.advance(1)
    slee, sip = crashed(slee, alice, bob)
    assert dialogs(slee) == 1
    bye = invite.bye()
    assert bob.methods[-1] == "BYE"
    bob.answer(200, to="BYE")
    slee.advance(1)
    assert bye.final.status == 200
    assert TOLD[-3:] == [("bye", True), ("bye", 200), "end"]
    assert dialogs(slee) == 0


def test_sip_183_the_answer_waits_until_the_call_is_recorded() -> None:
    """What is not recorded has not begun for the caller: no call is up that the next process would not know."""
    slee, sip = durable()
    alice, bob = sip.phone("alice"), sip.phone("bob")
    invite = call(alice, bob)
    bob.answer(200)
    assert invite.statuses == [100]
    slee.advance(1)
    assert invite.statuses == [100, 200]


def test_sip_87_a_dialog_whose_lifetime_ended_meanwhile_is_not_followed_again() -> None:
    slee, sip = durable()
    alice, bob = sip.phone("alice"), sip.phone("bob")
    invite = call(alice, bob)
    bob.answer(200)
    slee.advance(1)
    invite.ack()
    slee.advance(1)
    slee, sip = crashed(slee, alice, bob, downtime=50_000.0)
    assert dialogs(slee) == 0
    assert TOLD[-1] == "ack"


def test_sip_183_an_early_dialog_does_not_survive() -> None:
    slee, sip = durable()
    alice, bob = sip.phone("alice"), sip.phone("bob")
    call(alice, bob)
    bob.answer(180)
    slee.advance(1)
    slee, sip = crashed(slee, alice, bob)
    assert dialogs(slee) == 0


def test_rfc3261_16_7_a_recorded_answer_that_comes_again_after_a_restart_goes_on() -> None:
    slee, sip = durable()
    alice, bob = sip.phone("alice"), sip.phone("bob")
    invite = call(alice, bob)
    bob.answer(200)
    sip.unreachable.add(alice.address)  # recorded, and lost on its way
    slee.advance(1)
    assert invite.statuses == [100]
    slee, sip = crashed(slee, alice, bob)
    bob.answer(200)
    assert invite.statuses == [100, 200]
    invite.ack()
    assert bob.methods[-1] == "ACK"
    assert TOLD[-1] == "ack"


def test_sip_160_the_end_of_a_call_is_told_again_if_a_crash_came_before_it_was_recorded() -> None:
    """The answer to the BYE waits for the record, so that whoever hung up sends its BYE again."""
    slee, sip = durable()
    alice, bob = sip.phone("alice"), sip.phone("bob")
    invite = call(alice, bob)
    bob.answer(200)
    slee.advance(1)
    invite.ack()
    slee.advance(1)
    bye = invite.bye()
    bob.answer(200, to="BYE")
    assert bye.statuses == []
    assert TOLD[-2:] == [("bye", 200), "end"]
    slee, sip = crashed(slee, alice, bob)
    assert dialogs(slee) == 1
    bye.repeat()
    bob.answer(481, to="BYE")
    slee.advance(1)
    assert bye.final.status == 481
    assert TOLD[-2:] == [("bye", 481), "end"]
    assert dialogs(slee) == 0
