"""Parallel forking: which answer wins, and when it goes out (SIP-155 to SIP-158)."""

from __future__ import annotations

import itertools

import pytest

from resource_adaptors.sip.message.message import Response
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.selection import Candidate, better, rank, status_upstream
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, CAROL, DAVE, Rig


@pytest.mark.parametrize(
    ("finals", "best"),
    [
        ((486, 404), 486),
        ((404, 486), 404),
        ((404, 603), 603),
        ((603, 404), 603),
        ((302, 404), 302),
        ((500, 404), 404),
        ((503, 404), 404),
        ((500, 302), 302),
        ((486, 401), 401),
        ((486, 407), 407),
        ((486, 415), 415),
        ((486, 420), 420),
        ((486, 484), 484),
        ((401, 600), 600),
        ((503, 500), 500),
        ((503, 503), 500),
        ((503, 504), 504),
    ],
)
def test_sip_156_the_best_final_answer(finals: tuple[int, int], best: int) -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(BOB, finals[0])
    rig.answer(CAROL, finals[1])
    assert rig.statuses() == [100, best]


def test_sip_156_the_order_is_total_and_does_not_depend_on_who_comes_first() -> None:
    statuses = (603, 302, 401, 404, 500, 503)
    for order in itertools.permutations(statuses, 4):
        best = None
        for status in order:
            best = better(best, Candidate(status, None))
        assert best is not None
        assert best.status == min(order, key=rank)


@pytest.mark.parametrize(("status", "sent"), [(503, 500), (500, 500), (404, 404), (603, 603)])
def test_sip_156_a_503_alone_becomes_500(status: int, sent: int) -> None:
    assert status_upstream(status) == sent
    rig = Rig()
    rig.call(BOB)
    rig.answer(BOB, status)
    assert rig.statuses() == [100, sent]


def test_sip_155_provisional_responses_go_upstream_at_once_but_100_does_not() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(BOB, 100)
    rig.answer(BOB, 180)
    rig.answer(CAROL, 183)
    rig.answer(BOB, 199)
    assert rig.statuses() == [100, 180, 183, 199]


def test_sip_155_a_2xx_goes_upstream_at_once_and_cancels_the_rest() -> None:
    rig = Rig()
    rig.call(BOB, CAROL, DAVE)
    for target in (BOB, CAROL):
        rig.answer(target, 180)
    rig.answer(BOB, 200)
    assert rig.statuses() == [100, 180, 180, 200]
    assert [len(rig.requests_to(target, "CANCEL")) for target in (BOB, CAROL, DAVE)] == [0, 1, 0]
    rig.answer(DAVE, 180)  # a loser that had not answered is cancelled when it does
    assert len(rig.requests_to(DAVE, "CANCEL")) == 1
    rig.answer(CAROL, 487)
    rig.answer(DAVE, 487)
    assert [status for status in rig.statuses() if status >= 200] == [200]


def test_sip_155_a_loser_that_answers_2xx_goes_upstream_too() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(CAROL, 180)
    rig.answer(BOB, 200)
    rig.answer(CAROL, 200)
    assert rig.statuses() == [100, 180, 200, 200]


def test_sip_155_a_6xx_cancels_the_rest_and_waits_for_them() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(CAROL, 180)
    rig.answer(BOB, 603)
    assert rig.statuses() == [100, 180]
    (cancel,) = rig.requests_to(CAROL, "CANCEL")
    assert cancel.header("Reason") == "SIP;cause=603"
    rig.answer(CAROL, 487)
    assert rig.statuses() == [100, 180, 603]


def test_sip_155_a_2xx_that_crosses_the_cancel_of_a_6xx_wins() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(CAROL, 180)
    rig.answer(BOB, 603)
    rig.answer(CAROL, 200)
    assert rig.statuses() == [100, 180, 200]


def test_a_late_2xx_goes_upstream_even_after_another_final_answer() -> None:
    """RFC 3261 16.7 step 5: it is sent without the server transaction, which has moved on."""
    rig = Rig(wanted=ALL_KINDS)
    _, transaction = rig.call(BOB, CAROL)
    rig.core.respond(transaction, 480, rig.now)
    rig.drain()
    rig.answer(BOB, 200)
    assert rig.statuses() == [100, 480, 200]
    assert rig.core.statistics().responses_out["INVITE", 2] == 1
    assert rig.transactions()["server_invite", "completed"] == 1


def test_all_challenges_go_into_the_answer() -> None:
    rig = Rig()
    rig.call(BOB, CAROL, DAVE)
    rig.answer(BOB, 401, headers=(("WWW-Authenticate", 'Digest realm="b", nonce="1"'),))
    rig.answer(
        CAROL,
        407,
        headers=(
            ("Proxy-Authenticate", 'Digest realm="c", nonce="2", algorithm=MD5'),
            ("Proxy-Authenticate", 'Digest realm="c", nonce="3"'),
        ),
        body=b"sorry",
    )
    rig.answer(DAVE, 404)
    final = rig.to(ALICE)[-1]
    assert isinstance(final, Response)
    assert final.status == 401
    assert final.values("WWW-Authenticate") == ('Digest realm="b", nonce="1"',)
    assert final.values("Proxy-Authenticate") == (
        'Digest realm="c", nonce="2", algorithm=MD5',
        'Digest realm="c", nonce="3"',
    )


def test_challenges_do_not_go_into_any_other_answer() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(BOB, 401, headers=(("WWW-Authenticate", 'Digest realm="b", nonce="1"'),))
    rig.answer(CAROL, 603)
    assert not rig.to(ALICE)[-1].has("WWW-Authenticate")


def test_a_branch_without_answer_counts_as_408() -> None:
    rig = Rig()
    rig.call(BOB)
    rig.advance(32)
    assert rig.statuses() == [100, 408]
    assert rig.core.statistics().timeouts["B"] == 1


def test_a_silent_branch_does_not_spoil_an_answer() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(CAROL, 486)
    rig.advance(32)
    assert rig.statuses() == [100, 486]


class TestSteps:
    """Correction of SIP-158: when the final answer may go out."""

    def test_a_failure_never_goes_out_before_its_event_has_been_processed(self) -> None:
        rig = Rig(wanted=ALL_KINDS - {events.BranchesExhausted})
        _, transaction = rig.call(BOB)
        rig.answer(BOB, 486)
        assert rig.statuses() == [100]
        rig.proceed(transaction)
        assert rig.statuses() == [100, 486]

    def test_every_step_has_to_be_processed(self) -> None:
        rig = Rig(wanted=ALL_KINDS - {events.BranchesExhausted})
        _, transaction = rig.call(BOB, CAROL)
        rig.answer(BOB, 486)
        rig.answer(CAROL, 404)
        rig.proceed(transaction)
        assert rig.statuses() == [100]
        rig.proceed(transaction)
        assert rig.statuses() == [100, 486]

    def test_exhaustion_is_told_when_no_branch_is_left_and_the_best_goes_out_after_it(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB, CAROL)
        rig.answer(BOB, 486)
        rig.proceed(transaction)
        assert not rig.take(events.BranchesExhausted)
        rig.answer(CAROL, 404)
        assert not rig.take(events.BranchesExhausted)
        rig.proceed(transaction)
        (exhausted,) = rig.take(events.BranchesExhausted)
        assert (exhausted.status, exhausted.is_unreachable) == (486, False)
        assert exhausted.response is not None
        assert rig.statuses() == [100]
        rig.proceed(transaction)
        assert rig.statuses() == [100, 486]
        assert [answered.status for answered in rig.take(events.Answered)] == [486]

    def test_branches_added_in_a_step_are_waited_for(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB)
        rig.answer(BOB, 486)
        rig.forward(transaction, CAROL)
        rig.proceed(transaction)
        assert not rig.take(events.BranchesExhausted)
        rig.answer(CAROL, 200)
        assert rig.statuses() == [100, 200]

    def test_branches_added_on_exhaustion_are_waited_for_and_told_again(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB)
        rig.answer(BOB, 486)
        rig.proceed(transaction)
        rig.forward(transaction, CAROL)
        rig.proceed(transaction)
        assert rig.statuses() == [100]
        rig.answer(CAROL, 404)
        rig.proceed(transaction)
        assert [told.status for told in rig.take(events.BranchesExhausted)] == [486, 486]
        rig.proceed(transaction)
        assert rig.statuses() == [100, 486]

    def test_an_answer_given_on_exhaustion_is_the_answer(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB)
        rig.answer(BOB, 486)
        rig.proceed(transaction)
        rig.core.respond(transaction, 480, rig.now)
        rig.drain()
        rig.proceed(transaction)
        assert rig.statuses() == [100, 480]
        assert transaction.context is None

    def test_a_step_that_nobody_wants_passes_at_once(self) -> None:
        rig = Rig()
        rig.call(BOB)
        rig.answer(BOB, 486)
        assert rig.statuses() == [100, 486]
        assert [type(event) for event in rig.events] == [events.Answered]

    def test_a_2xx_waits_for_no_step(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB, CAROL)
        rig.answer(BOB, 486)
        rig.answer(CAROL, 200)
        assert rig.statuses() == [100, 200]
        rig.proceed(transaction)
        assert rig.statuses() == [100, 200]
        assert [answered.status for answered in rig.take(events.Answered)] == [200]

    def test_proceeding_once_too_often_is_harmless(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB)
        rig.proceed(transaction)
        rig.answer(BOB, 180)
        rig.answer(BOB, 200)
        rig.proceed(transaction)
        assert rig.statuses() == [100, 180, 200]


class TestUnreachable:
    """What a service is told when no target could be reached, so that it may answer 480 instead."""

    def test_a_target_that_is_a_name_has_no_route(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        rig.feed(rig.request("INVITE"), ALICE)
        transaction = rig.transaction()
        branches = rig.forward(transaction, "sip:bob@host.example.net")
        (failure,) = rig.take(events.TransportFailure)
        assert (failure.reason, failure.branch) == ("no_route", branches[0])
        assert not rig.take(events.BranchesExhausted)
        rig.proceed(transaction)
        (exhausted,) = rig.take(events.BranchesExhausted)
        assert (exhausted.status, exhausted.response, exhausted.is_unreachable) == (503, None, True)
        rig.proceed(transaction)
        assert rig.statuses() == [100, 500]

    @pytest.mark.parametrize("uri", ["sips:bob@192.0.2.20", "sip:bob@192.0.2.20;transport=tcp", "sip:b@256.1.1.1"])
    def test_so_has_one_that_udp_may_not_or_cannot_reach(self, uri: str) -> None:
        rig = Rig(wanted=ALL_KINDS)
        rig.feed(rig.request("INVITE"), ALICE)
        rig.forward(rig.transaction(), uri)
        assert [failure.reason for failure in rig.take(events.TransportFailure)] == ["no_route"]

    def test_sip_35_icmp_ends_what_is_pending_towards_that_address_and_nothing_else(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB, CAROL)
        assert rig.core.transport_error(BOB, "refused", rig.now) == 1
        rig.drain()
        assert [failure.reason for failure in rig.take(events.TransportFailure)] == ["refused"]
        assert rig.core.transport_error(BOB, "refused", rig.now) == 0
        assert rig.core.transport_error((BOB[0], 5070), "refused", rig.now) == 0
        rig.proceed(transaction)
        rig.answer(CAROL, 486)
        rig.proceed(transaction)
        (exhausted,) = rig.take(events.BranchesExhausted)
        assert (exhausted.status, exhausted.is_unreachable) == (486, False)

    def test_without_a_service_that_cares_the_answer_goes_out_at_once(self) -> None:
        rig = Rig()
        rig.call(BOB)
        rig.core.transport_error(BOB, "refused", rig.now)
        rig.drain()
        assert rig.statuses() == [100, 500]
        assert rig.core.statistics().transport_errors == {"refused": 1}

    def test_a_target_that_answered_is_not_unreachable_any_more(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        rig.call(BOB)
        rig.answer(BOB, 486)
        assert rig.core.transport_error(BOB, "refused", rig.now) == 0

    def test_a_timeout_is_no_unreachable_target(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        _, transaction = rig.call(BOB)
        rig.advance(32)
        rig.proceed(transaction)
        (exhausted,) = rig.take(events.BranchesExhausted)
        assert (exhausted.status, exhausted.is_unreachable) == (408, False)


class TestNonInvite:
    """RFC 4320, SIP-62."""

    def test_the_first_2xx_wins_and_a_second_is_not_sent(self) -> None:
        rig = Rig()
        rig.feed(rig.request("MESSAGE"), ALICE)
        rig.forward(rig.transaction(), BOB, CAROL)
        rig.answer(BOB, 202, "MESSAGE")
        rig.answer(CAROL, 200, "MESSAGE")
        assert rig.statuses() == [202]
        assert rig.core.statistics().late_answers == 1

    def test_provisional_responses_are_not_forwarded(self) -> None:
        rig = Rig()
        rig.feed(rig.request("MESSAGE"), ALICE)
        rig.forward(rig.transaction(), BOB)
        rig.answer(BOB, 183, "MESSAGE")
        assert rig.statuses() == []

    def test_no_408_is_made_or_forwarded(self) -> None:
        rig = Rig(wanted=ALL_KINDS)
        for target in (BOB, CAROL):
            rig.feed(rig.request("MESSAGE"), ALICE)
            transaction = rig.transaction()
            rig.forward(transaction, target)
        rig.answer(CAROL, 408, "MESSAGE")
        rig.proceed(transaction)
        rig.proceed(transaction)
        assert [answered.status for answered in rig.take(events.Answered)] == [0]
        rig.advance(64)
        assert set(rig.statuses()) <= {100}
        assert rig.transactions() == {}

    def test_losers_are_not_cancelled(self) -> None:
        """CANCEL is for INVITE (RFC 3261 9.1)."""
        rig = Rig()
        rig.feed(rig.request("MESSAGE"), ALICE)
        rig.forward(rig.transaction(), BOB, CAROL)
        rig.answer(BOB, 100, "MESSAGE")
        rig.answer(CAROL, 603, "MESSAGE")
        assert rig.requests_to(BOB, "CANCEL") == []
