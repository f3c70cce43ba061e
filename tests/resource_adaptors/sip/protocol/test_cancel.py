"""CANCEL in both directions, and its races with answers (SIP-68 to SIP-71, B7)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.message import Response
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.timing import Timing
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, CAROL, Rig, uri_of


def test_sip_68_a_cancel_is_answered_200_at_once_with_the_to_tag_of_the_invite() -> None:
    rig = Rig()
    invite = rig.request("INVITE")
    rig.feed(invite, ALICE)
    rig.cancel(invite)
    answers = [one for one in rig.to(ALICE) if isinstance(one, Response) and one.status != 100]
    assert [(one.status, one.cseq.method) for one in answers] == [(200, "CANCEL"), (487, "INVITE")]
    assert answers[0].to_tag == answers[1].to_tag


def test_sip_68_with_branches_the_invite_is_answered_from_their_finals() -> None:
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(invite)
    (cancel,) = rig.requests_to(BOB, "CANCEL")
    assert rig.statuses() == [100, 180, 200]
    assert rig.answer(BOB, 200, "CANCEL") == []
    rig.answer(BOB, 487)
    assert rig.statuses() == [100, 180, 200, 487]
    sent = rig.requests_to(BOB, "INVITE")[0]
    # SIP-69: Request-URI, Call-ID, To, From, CSeq number, Route and the top Via are those of the INVITE.
    assert cancel.uri_text == sent.uri_text
    assert cancel.top_via == sent.top_via
    assert len(cancel.via) == 1
    assert (cancel.cseq.number, cancel.call_id) == (sent.cseq.number, sent.call_id)
    assert (cancel.header("From"), cancel.header("To")) == (sent.header("From"), sent.header("To"))


def test_sip_68_a_2xx_that_crosses_the_cancel_still_goes_upstream() -> None:
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(invite)
    rig.answer(BOB, 200)
    assert rig.statuses() == [100, 180, 200, 200]
    assert rig.transactions()["server_invite", "accepted"] == 1


def test_sip_68_the_cancel_event_is_processed_before_487_goes_out() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite = rig.request("INVITE")
    rig.feed(invite, ALICE)
    transaction = rig.transaction()
    rig.cancel(invite)
    (cancelled,) = rig.take(events.CancelReceived)
    assert cancelled.transaction is transaction
    assert rig.statuses() == [100, 200]
    rig.proceed(transaction)
    assert rig.statuses() == [100, 200, 487]
    assert [answered.status for answered in rig.take(events.Answered)] == [487]


def test_sip_68_a_service_may_answer_in_its_cancel_handler() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite = rig.request("INVITE")
    rig.feed(invite, ALICE)
    transaction = rig.transaction()
    rig.cancel(invite)
    rig.core.respond(transaction, 603, rig.now)
    rig.drain()
    rig.proceed(transaction)
    assert rig.statuses() == [100, 200, 603]


def test_sip_68_from_the_cancel_on_nothing_is_forwarded() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite = rig.request("INVITE")
    rig.feed(invite, ALICE)
    transaction = rig.transaction()
    rig.cancel(invite)
    with pytest.raises(LocalProtocolError, match="SIP-68"):
        rig.core.check_forward(transaction)
    # A command that was committed before the CANCEL came cannot raise any more: its branch ends at once.
    rig.forward(transaction, BOB)
    (ended,) = rig.take(events.FinalReceived)
    assert (ended.response.status, ended.is_local) == (487, True)
    assert rig.requests_to(BOB) == []
    rig.proceed(transaction)
    rig.proceed(transaction)
    assert rig.statuses() == [100, 200, 487]


def test_a_second_cancel_has_no_further_effect() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(invite)
    rig.cancel(invite)
    assert len(rig.requests_to(BOB, "CANCEL")) == 1
    assert len(rig.take(events.CancelReceived)) == 1
    # the second is a retransmission of the first, absorbed by its transaction, which repeats its answer
    assert rig.statuses() == [100, 180, 200, 200]


def test_sip_69_a_cancel_waits_for_the_first_provisional_response() -> None:
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.cancel(invite)
    assert rig.requests_to(BOB, "CANCEL") == []
    rig.answer(BOB, 100)
    assert len(rig.requests_to(BOB, "CANCEL")) == 1


def test_sip_69_a_cancel_is_not_sent_once_a_final_response_has_come() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite, transaction = rig.call(BOB)
    rig.answer(BOB, 486)
    rig.cancel(invite)
    assert rig.requests_to(BOB, "CANCEL") == []
    while transaction.context is not None:
        rig.proceed(transaction)
    assert rig.statuses() == [100, 200, 486]


def test_sip_69_no_final_response_within_64_t1_of_the_cancel_ends_the_branch() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite, transaction = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(invite)
    rig.proceed(transaction)
    rig.advance(31.9)
    assert not rig.take(events.BranchTimeout)
    rig.advance(0.1)
    assert [timeout.timer for timeout in rig.take(events.BranchTimeout)] == ["B"]
    rig.proceed(transaction)
    assert rig.statuses()[-1] == 487


def test_sip_69_an_invite_that_never_got_a_provisional_response_ends_by_timer_b() -> None:
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.cancel(invite)
    rig.advance(32)
    assert rig.requests_to(BOB, "CANCEL") == []
    assert rig.statuses() == [100, 200, 487]


def test_sip_70_losing_branches_are_told_why() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(BOB, 180)
    rig.answer(CAROL, 180)
    rig.answer(CAROL, 200)
    (cancel,) = rig.requests_to(BOB, "CANCEL")
    assert cancel.header("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert rig.requests_to(CAROL, "CANCEL") == []


def test_sip_70_the_reason_of_a_received_cancel_is_passed_on() -> None:
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    via = invite.top_via
    cancel = rig.request("CANCEL", branch=via.branch, headers=(("Reason", "Q.850;cause=16"),))
    rig.feed(cancel, ALICE)
    assert rig.requests_to(BOB, "CANCEL")[0].header("Reason") == "Q.850;cause=16"


def test_sip_71_a_cancel_of_another_method_is_answered_200_without_effect() -> None:
    rig = Rig(wanted=ALL_KINDS)
    options = rig.request("OPTIONS")
    rig.feed(options, ALICE)
    transaction = rig.transaction()
    rig.forward(transaction, BOB)
    rig.feed(rig.request("CANCEL", branch=options.top_via.branch), ALICE)
    assert rig.statuses() == [200]
    assert rig.requests_to(BOB, "CANCEL") == []
    assert not rig.take(events.CancelReceived)
    rig.answer(BOB, 200, "OPTIONS")
    assert rig.statuses() == [200, 200]


def test_cancel_inside_a_dialog_reaches_the_branch_that_the_core_routed_itself() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite = rig.request("INVITE", uri_of(BOB), to_tag="bob")
    rig.feed(invite, ALICE)
    rig.answer(BOB, 180)
    rig.cancel(invite)
    rig.answer(BOB, 487)
    assert rig.statuses() == [100, 180, 200, 487]
    assert not rig.take(events.CancelReceived)


def test_timer_c_cancels_the_branch_which_then_counts_as_408() -> None:
    """Correction of timer C: 408 whatever the branch then answers, 2xx excepted."""
    rig = Rig(wanted=ALL_KINDS, timing=Timing(timer_c=20))
    _, transaction = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.advance(19.9)
    assert rig.requests_to(BOB, "CANCEL") == []
    rig.advance(0.1)
    assert len(rig.requests_to(BOB, "CANCEL")) == 1
    rig.answer(BOB, 200, "CANCEL")
    rig.answer(BOB, 486)
    assert [timeout.timer for timeout in rig.take(events.BranchTimeout)] == ["C"]
    rig.proceed(transaction)
    (exhausted,) = rig.take(events.BranchesExhausted)
    assert exhausted.status == 408
    rig.proceed(transaction)
    assert rig.statuses() == [100, 180, 408]


def test_timer_c_a_2xx_after_its_cancel_wins() -> None:
    rig = Rig(timing=Timing(timer_c=20))
    rig.call(BOB)
    rig.answer(BOB, 180)
    rig.advance(20)
    rig.answer(BOB, 200)
    assert rig.statuses() == [100, 180, 200]


def test_timer_c_starts_with_the_first_provisional_and_again_with_each_101_to_199() -> None:
    rig = Rig(timing=Timing(timer_c=20))
    rig.call(BOB)
    rig.answer(BOB, 100)
    rig.advance(15)
    rig.answer(BOB, 100)  # does not restart it
    rig.advance(4)
    rig.answer(BOB, 183)
    rig.advance(19)
    rig.answer(BOB, 180)
    rig.advance(19.9)
    assert rig.requests_to(BOB, "CANCEL") == []
    rig.advance(0.1)
    assert len(rig.requests_to(BOB, "CANCEL")) == 1


def test_timer_c_without_any_final_response_is_408_64_t1_later() -> None:
    rig = Rig(timing=Timing(timer_c=20))
    rig.call(BOB)
    rig.answer(BOB, 180)
    rig.advance(20 + 31.9)
    assert rig.statuses() == [100, 180]
    rig.advance(0.1)
    assert rig.statuses() == [100, 180, 408]


def test_cancel_branches_and_cancel_branch_cancel_what_is_open() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    branches = rig.forward(transaction, BOB, CAROL)
    rig.answer(BOB, 180)
    rig.answer(CAROL, 180)
    rig.core.cancel_branch(transaction, branches[1], rig.now)
    rig.drain()
    assert (len(rig.requests_to(BOB, "CANCEL")), len(rig.requests_to(CAROL, "CANCEL"))) == (0, 1)
    rig.core.cancel_branches(transaction, rig.now, reason="SIP;cause=480")
    rig.drain()
    assert [request.header("Reason") for request in rig.requests_to(BOB, "CANCEL")] == ["SIP;cause=480"]
    assert len(rig.requests_to(CAROL, "CANCEL")) == 1


def test_a_cancel_whose_own_transaction_times_out_changes_nothing() -> None:
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(invite)
    rig.advance(31)
    rig.answer(BOB, 487)
    assert rig.statuses() == [100, 180, 200, 487]
    rig.advance(1)
    assert rig.statuses() == [100, 180, 200, 487] + [487] * (len(rig.statuses()) - 4)


def test_an_invite_without_branches_that_is_cancelled_frees_everything() -> None:
    rig = Rig()
    invite = rig.request("INVITE")
    rig.feed(invite, ALICE)
    rig.cancel(invite)
    rig.feed(rig.ack(invite), ALICE)
    rig.advance(40)
    assert rig.transactions() == {}
    assert rig.core.statistics().timers == 0


def test_new_branches_of_a_forward_are_named_as_given() -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    branch = rig.core.new_branch(transaction, uri_of(BOB))
    rig.core.forward(transaction, [NewBranch(branch, uri_of(BOB))], rig.now)
    rig.drain()
    assert rig.requests_to(BOB)[0].top_via.branch == branch
    rig.answer(BOB, 180)
    assert [event.branch for event in rig.take(events.ProvisionalReceived)] == [branch]
