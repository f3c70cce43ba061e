"""Answers of services and of the core itself, and requests that nobody answers (SIP-61 to SIP-66, SIP-85)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.timing import Timing
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, Rig


def responses(rig: Rig) -> list[Response]:
    return [one for one in rig.to(ALICE) if isinstance(one, Response)]


def test_sip_61_100_goes_out_at_once_without_to_tag_and_with_the_timestamp() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE", headers=(("Timestamp", "54 0.1"),)), ALICE)
    (trying,) = responses(rig)
    assert (trying.status, trying.to_tag, trying.header("Timestamp")) == (100, None, "54 0.1")


def test_sip_61_100_waits_and_is_spared_if_a_response_has_gone_out() -> None:
    rig = Rig(timing=Timing(trying_after=0.2))
    rig.feed(rig.request("INVITE"), ALICE)
    assert rig.statuses() == []
    ((at, trying),) = rig.advance(0.3)
    assert isinstance(trying, Response)
    assert (round(at, 6), trying.status) == (0.2, 100)
    rig.feed(rig.request("INVITE"), ALICE)
    rig.core.respond(rig.transaction(), 180, rig.now)
    rig.drain()
    rig.advance(1)
    assert rig.statuses() == [100, 180]


def test_sip_62_a_request_other_than_invite_gets_100_after_7_t1_and_no_other_provisional() -> None:
    rig = Rig()
    rig.feed(rig.request("MESSAGE"), ALICE)
    transaction = rig.transaction()
    for status in (100, 180, 183):
        with pytest.raises(LocalProtocolError, match="SIP-62"):
            rig.core.respond(transaction, status, rig.now)
    assert [(at, one.status) for at, one in rig.advance(23) if isinstance(one, Response)] == [(3.5, 100)]


def test_sip_62_a_408_of_a_service_to_another_request_than_invite_is_not_sent() -> None:
    rig = Rig()
    rig.feed(rig.request("MESSAGE"), ALICE)
    rig.core.respond(rig.transaction(), 408, rig.now)
    rig.drain()
    assert [answered.status for answered in rig.take(events.Answered)] == [0]
    rig.advance(31.9)
    assert rig.statuses() == []
    assert len(rig.transactions()) == 1
    rig.advance(0.1)
    assert rig.transactions() == {}


@pytest.mark.parametrize(("method", "deadline"), [("INVITE", 185.0), ("MESSAGE", 24.0)])
def test_sip_63_without_a_service_s_answer_the_core_answers_500(method: str, deadline: float) -> None:
    rig = Rig()
    rig.feed(rig.request(method), ALICE)
    rig.advance(deadline - 0.1)
    assert 500 not in rig.statuses()
    rig.advance(0.1)
    assert rig.statuses()[-1] == 500
    assert [answered.status for answered in rig.take(events.Answered)] == [500]
    assert rig.core.statistics().timeouts["server"] == 1


def test_sip_63_the_deadline_of_an_invite_counts_from_its_last_provisional() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    rig.advance(100)
    rig.core.respond(transaction, 180, rig.now)
    rig.drain()
    rig.advance(184.9)
    assert rig.statuses() == [100, 180]
    rig.advance(0.1)
    assert rig.statuses()[-1] == 500


def test_sip_63_a_pending_branch_is_waited_for() -> None:
    rig = Rig(timing=Timing(timer_c=1000))
    rig.call(BOB)
    rig.answer(BOB, 180)
    rig.advance(700)
    assert rig.statuses() == [100, 180]
    rig.answer(BOB, 200)
    assert rig.statuses() == [100, 180, 200]


def test_sip_63_nothing_is_sent_for_a_request_other_than_invite_after_64_t1() -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.feed(rig.request("MESSAGE"), ALICE)
    transaction = rig.transaction()
    rig.forward(transaction, BOB)
    rig.advance(32)
    assert [answered.status for answered in rig.take(events.Answered)] == [0]
    assert rig.statuses() == [100]
    assert ("server_non_invite", "proceeding") not in rig.transactions()
    rig.proceed(transaction)
    assert rig.statuses() == [100]


@pytest.mark.parametrize("second", [200, 486])
@pytest.mark.parametrize("first", [200, 486])
def test_sip_64_a_second_final_answer_raises(first: int, second: int) -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    rig.core.respond(transaction, first, rig.now)
    with pytest.raises(LocalProtocolError, match="SIP-64"):
        rig.core.check_respond(transaction, second)
    with pytest.raises(LocalProtocolError, match="SIP-64"):
        rig.core.respond(transaction, second, rig.now)
    rig.drain()
    assert rig.statuses() == [100, first]


@pytest.mark.parametrize("status", [0, 99, 100, 700, 1000])
def test_a_service_sends_101_to_699(status: int) -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE"), ALICE)
    with pytest.raises(LocalProtocolError):
        rig.core.respond(rig.transaction(), status, rig.now)


def test_sip_65_all_answers_but_100_carry_one_to_tag() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE", headers=(("Record-Route", "<sip:192.0.2.77;lr>"),)), ALICE)
    transaction = rig.transaction()
    rig.core.respond(transaction, 180, rig.now)
    rig.core.respond(transaction, 200, rig.now, headers=(("Contact", "<sip:b@192.0.2.1>"),), body=b"x")
    rig.drain()
    trying, ringing, ok = responses(rig)
    assert trying.to_tag is None
    assert ringing.to_tag == ok.to_tag != None  # noqa: E711
    assert ringing.has("Record-Route")
    assert (ok.header("Contact"), ok.body) == ("<sip:b@192.0.2.1>", b"x")


@pytest.mark.parametrize("name", ["", "slee/1"])
def test_sip_66_the_server_header_is_configurable_and_may_be_left_out(name: str) -> None:
    rig = Rig(server_name=name)
    rig.feed(rig.request("OPTIONS"), ALICE)
    rig.core.respond(rig.transaction(), 200, rig.now, reason="Fine")
    rig.drain()
    (ok,) = responses(rig)
    assert (ok.header("Server"), ok.reason) == (name or None, "Fine")


def test_a_service_s_answer_cancels_the_branches_that_are_left() -> None:
    rig = Rig(wanted=ALL_KINDS)
    _, transaction = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.core.respond(transaction, 480, rig.now)
    rig.drain()
    assert len(rig.requests_to(BOB, "CANCEL")) == 1
    rig.answer(BOB, 487)
    rig.proceed(transaction)
    assert rig.statuses() == [100, 180, 480]
    assert [type(event) for event in rig.take(events.FinalReceived)] == [events.FinalReceived]
    assert transaction.context is None


class TestFinish:
    """COM-8."""

    def test_an_abandoned_request_is_answered_500(self) -> None:
        rig = Rig()
        rig.feed(rig.request("INVITE"), ALICE)
        transaction = rig.transaction()
        rig.core.finish(transaction, rig.now)
        rig.core.finish(transaction, rig.now)
        rig.drain()
        assert rig.statuses() == [100, 500]

    def test_unless_a_branch_is_pending(self) -> None:
        rig = Rig()
        _, transaction = rig.call(BOB)
        rig.core.finish(transaction, rig.now)
        rig.answer(BOB, 486)
        assert rig.statuses() == [100, 486]

    def test_or_a_step_is(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB)
        rig.answer(BOB, 486)
        rig.core.finish(transaction, rig.now)
        rig.drain()
        rig.proceed(transaction)
        rig.proceed(transaction)
        assert rig.statuses() == [100, 486]


class TestOwn2xx:
    """A 2xx of ours to INVITE is repeated until its ACK comes (RFC 3261 13.3.1.4)."""

    @staticmethod
    def answered(rig: Rig) -> tuple[Request, Response]:
        invite = rig.request("INVITE")
        rig.feed(invite, ALICE)
        rig.core.respond(rig.transaction(), 200, rig.now)
        rig.drain()
        return invite, responses(rig)[-1]

    @staticmethod
    def ack(rig: Rig, invite: Request, ok: Response, branch: str | None = None) -> Request:
        return rig.request(
            "ACK", f"sip:b@{ALICE[0]}", to_tag=ok.to_tag, call_id=invite.call_id, cseq=invite.cseq.number, branch=branch
        )

    def test_at_t1_doubling_to_t2_for_64_t1(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        self.answered(rig)
        sent = [at for at, one in rig.advance(40) if isinstance(one, Response) and one.status == 200]
        assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert len(rig.take(events.AckTimeout)) == 1
        assert rig.core.statistics().timeouts["L"] == 1
        assert rig.transactions() == {}

    @pytest.mark.parametrize("same_branch", [False, True])
    def test_the_ack_stops_it_and_is_told_once(self, *, same_branch: bool) -> None:
        rig = Rig(wanted=ALL_KINDS)
        invite, ok = self.answered(rig)
        rig.advance(1)
        ack = self.ack(rig, invite, ok, invite.top_via.branch if same_branch else None)
        assert rig.feed(ack, ALICE) == []
        assert rig.feed(ack, ALICE) == []
        assert len(rig.take(events.AckReceived)) == 1
        assert rig.advance(40) == []
        assert not rig.take(events.AckTimeout)
        assert rig.transactions() == {}

    def test_an_ack_for_another_dialog_does_not(self) -> None:
        rig = Rig()
        invite, ok = self.answered(rig)
        other = rig.request("ACK", f"sip:b@{ALICE[0]}", to_tag="other", call_id=invite.call_id)
        rig.feed(other, ALICE)
        assert len(rig.advance(1)) == 1
        assert ok.to_tag != "other"

    def test_a_forwarded_2xx_is_repeated_by_its_target_and_not_by_us(self) -> None:
        rig = Rig()
        rig.call(BOB)
        rig.answer(BOB, 200)
        assert rig.advance(40) == []


def test_ack_timeout_of_a_failure_is_told() -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.feed(rig.request("INVITE"), ALICE)
    rig.core.respond(rig.transaction(), 404, rig.now)
    rig.drain()
    sent = [at for at, _ in rig.advance(40)]
    assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert len(rig.take(events.AckTimeout)) == 1
    assert rig.core.statistics().timeouts["H"] == 1


def test_sip_72_a_merged_request_is_known_while_the_first_copy_is() -> None:
    rig = Rig()
    first = rig.request("REGISTER", call_id="m", branch="z9hG4bKone")
    second = rig.request("REGISTER", call_id="m", branch="z9hG4bKtwo")
    other = rig.request("REGISTER", call_id="m", cseq=2)
    rig.feed(first, ALICE)
    one = rig.transaction()
    rig.core.respond(one, 200, rig.now)
    rig.feed(second, BOB)
    two = rig.transaction()
    rig.feed(other, ALICE)
    three = rig.transaction()
    assert [rig.core.is_merged(each) for each in (one, two, three)] == [False, True, False]
    rig.core.respond(two, 482, rig.now)
    rig.core.respond(three, 200, rig.now)
    rig.advance(33)
    rig.feed(second, BOB)
    assert not rig.core.is_merged(rig.transaction())
