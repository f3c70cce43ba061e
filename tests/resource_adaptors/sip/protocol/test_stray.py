"""Stray and late messages: each row of B7, and what a proxy does with messages of a dialog (SIP-67, SIP-160)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.writer import build_response
from resource_adaptors.sip.protocol import events
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, PROXY, Rig, uri_of

OURS = ("Route", f"<sip:{PROXY[0]}:{PROXY[1]};lr>")


def test_a_response_without_a_transaction_is_dropped_and_counted() -> None:
    rig = Rig()
    request = rig.request("OPTIONS", source=PROXY)
    assert rig.feed(build_response(request, 200, to_tag="x"), BOB) == []
    assert rig.dropped() == {"stray_response": 1}
    assert rig.core.statistics().stray["response"] == 1


def test_a_response_whose_via_is_not_ours_is_dropped_though_its_branch_is_known() -> None:
    rig = Rig()
    rig.call(BOB)
    invite = rig.requests_to(BOB)[0]
    forged = build_response(invite, 200, to_tag="x").raw.replace(PROXY[0].encode(), b"203.0.113.7", 1)
    assert rig.feed(forged, BOB) == []
    assert rig.dropped() == {"stray_response": 1}


def test_a_response_with_another_method_in_cseq_is_dropped() -> None:
    rig = Rig()
    rig.call(BOB)
    invite = rig.requests_to(BOB)[0]
    forged = build_response(invite, 200, to_tag="x").raw.replace(b"1 INVITE", b"1 OPTIONS")
    assert rig.feed(forged, BOB) == []
    assert rig.dropped() == {"stray_response": 1}


def test_rfc_6026_a_response_after_the_transaction_ended_is_never_forwarded() -> None:
    rig = Rig()
    rig.call(BOB)
    rig.answer(BOB, 200)
    rig.advance(33)
    assert rig.answer(BOB, 200) == []
    assert rig.dropped() == {"stray_response": 1}


def test_a_2xx_of_another_fork_downstream_goes_upstream_too() -> None:
    rig = Rig()
    rig.call(BOB)
    rig.answer(BOB, 200, tag="one")
    rig.answer(BOB, 200, tag="two")
    finals = [message for message in rig.to(ALICE) if isinstance(message, Response) and message.status == 200]
    assert [final.to_tag for final in finals] == ["one", "two"]


def test_a_2xx_repeated_by_the_target_is_forwarded_each_time() -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.call(BOB)
    rig.answer(BOB, 200)
    rig.answer(BOB, 200)
    assert rig.statuses() == [100, 200, 200]
    assert len(rig.take(events.FinalReceived)) == 1


def test_a_provisional_response_after_a_final_one_is_dropped() -> None:
    rig = Rig()
    rig.call(BOB)
    rig.answer(BOB, 486)
    assert rig.answer(BOB, 180) == []
    assert rig.dropped() == {"late_response": 1}


def test_an_ack_for_a_failure_is_absorbed_and_its_repetition_too() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite = rig.request("INVITE")
    rig.feed(invite, ALICE)
    rig.core.respond(rig.transaction(), 486, rig.now)
    rig.drain()
    assert rig.feed(rig.ack(invite), ALICE) == []
    assert rig.feed(rig.ack(invite), ALICE) == []
    assert rig.transactions() == {("server_invite", "confirmed"): 1}
    assert rig.dropped() == {"retransmission": 1}
    assert not rig.take(events.AckReceived)


def test_an_ack_that_matches_nothing_and_leads_here_is_dropped_and_never_answered() -> None:
    rig = Rig()
    assert rig.feed(rig.request("ACK", uri_of(PROXY), to_tag="x"), ALICE) == []
    assert rig.dropped() == {"stray_ack": 1}


def test_an_ack_for_a_2xx_follows_its_route_without_a_transaction() -> None:
    rig = Rig()
    ack = rig.request("ACK", uri_of(BOB), to_tag="bob", headers=(OURS,))
    (sent,) = rig.feed(ack, ALICE)
    assert isinstance(sent, Request)
    assert rig.sent[-1][1] == BOB
    assert sent.method == "ACK"
    assert not sent.has("Route")
    assert sent.max_forwards == 69
    assert len(sent.via) == 2
    assert rig.transactions() == {}


def test_a_repeated_ack_gets_the_same_branch_and_another_ack_a_different_one() -> None:
    """SIP-161: what is forwarded without a transaction must be recognised as a retransmission behind us."""
    rig = Rig()
    ack = rig.request("ACK", uri_of(BOB), to_tag="bob", headers=(OURS,))
    branches = [rig.feed(ack, ALICE)[0].top_via.branch for _ in range(2)]
    other = rig.request("ACK", uri_of(BOB), to_tag="bob", headers=(OURS,))
    branches.append(rig.feed(other, ALICE)[0].top_via.branch)
    assert branches[0] == branches[1] != branches[2]


def test_an_ack_whose_request_uri_leads_elsewhere_is_forwarded_without_route() -> None:
    rig = Rig()
    rig.feed(rig.request("ACK", uri_of(BOB), to_tag="bob"), ALICE)
    assert rig.sent[-1][1] == BOB


@pytest.mark.parametrize("uri", ["sip:bob@host.example.net", "sip:bob@192.0.2.20;transport=tcp", "tel:+4912345"])
def test_an_ack_that_leads_nowhere_is_dropped(uri: str) -> None:
    rig = Rig()
    assert rig.feed(rig.request("ACK", uri, to_tag="bob"), ALICE) == []
    assert rig.dropped() == {"stray_ack": 1}


def test_an_ack_with_no_hops_left_is_dropped() -> None:
    rig = Rig()
    assert rig.feed(rig.request("ACK", uri_of(BOB), to_tag="bob", max_forwards=0), ALICE) == []
    assert rig.dropped() == {"stray_ack": 1}


def test_an_ack_for_a_2xx_with_the_branch_of_the_invite_is_forwarded() -> None:
    """RFC 6026 7.1: the Accepted state passes it on; clients of RFC 2543 send it so."""
    rig = Rig()
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 200)
    ack = rig.request(
        "ACK", uri_of(BOB), branch=invite.top_via.branch, to_tag="bob", call_id=invite.call_id, headers=(OURS,)
    )
    rig.feed(ack, ALICE)
    assert [request.method for request in rig.requests_to(BOB)] == ["INVITE", "ACK"]


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "PRACK"])
def test_a_request_of_an_unknown_dialog_here_is_answered_481(method: str) -> None:
    rig = Rig()
    rig.feed(rig.request(method, uri_of(PROXY), to_tag="gone"), ALICE)
    assert rig.statuses()[-1] == 481
    assert not rig.take(events.RequestReceived)
    assert rig.core.statistics().stray["request"] == 1


def test_a_cancel_without_an_invite_is_answered_481() -> None:
    rig = Rig()
    rig.feed(rig.request("CANCEL"), ALICE)
    assert rig.statuses() == [481]
    assert rig.core.statistics().stray["cancel"] == 1


@pytest.mark.parametrize("status", [200, 486])
def test_a_cancel_after_the_final_answer_is_answered_200_without_effect(status: int) -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite, transaction = rig.call(BOB)
    rig.answer(BOB, status)
    while transaction.context is not None:
        rig.proceed(transaction)
    before = len(rig.sent)
    rig.cancel(invite)
    assert [(type(one), one.cseq.method) for one, _ in rig.sent[before:]] == [(Response, "CANCEL")]
    assert rig.statuses()[-1] == 200
    assert not rig.take(events.CancelReceived)


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "INFO"])
def test_sip_160_a_request_of_a_dialog_is_routed_by_its_route_without_a_service(method: str) -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.feed(rig.request(method, uri_of(BOB), to_tag="bob", headers=(OURS,)), ALICE)
    (sent,) = rig.requests_to(BOB)
    assert (sent.method, sent.uri_text, sent.has("Route"), sent.max_forwards) == (method, uri_of(BOB), False, 69)
    assert not sent.has("Record-Route")
    rig.answer(BOB, 200, method)
    assert rig.statuses()[-1] == 200
    assert [type(event) for event in rig.events] == [events.Answered]


def test_sip_160_a_failure_inside_a_dialog_goes_back_at_once() -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.feed(rig.request("INVITE", uri_of(BOB), to_tag="bob", headers=(OURS,)), ALICE)
    rig.answer(BOB, 488)
    assert rig.statuses() == [100, 488]


def test_a_request_with_a_to_tag_and_no_route_goes_where_its_request_uri_leads() -> None:
    rig = Rig()
    rig.feed(rig.request("BYE", uri_of(BOB), to_tag="bob"), ALICE)
    assert len(rig.requests_to(BOB, "BYE")) == 1


def test_a_dialog_request_whose_next_hop_cannot_be_reached_is_answered_500() -> None:
    """503 of ours would speak of us; RFC 3261 16.7 step 6 makes it 500."""
    rig = Rig()
    rig.feed(rig.request("BYE", "sip:bob@host.example.net", to_tag="bob", headers=(OURS,)), ALICE)
    assert rig.statuses() == [500]


def test_a_register_with_a_to_tag_is_no_dialog_request() -> None:
    rig = Rig()
    rig.feed(rig.request("REGISTER", "sip:example.net", to_tag="odd"), ALICE)
    assert len(rig.take(events.RequestReceived)) == 1
