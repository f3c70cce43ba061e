"""Where requests go: identifiers, windows, failover, redirection, admission (DIA-18, DIA-20 to DIA-27, DIA-55)."""

from __future__ import annotations

import pytest

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import text, u32
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.events import (
    Answered,
    Open,
    Unanswered,
)
from resource_adaptors.diameter.protocol.peer import Peer
from resource_adaptors.diameter.protocol.settings import PeerSettings
from tests.resource_adaptors.diameter.test_codec import REQUEST
from tests.resource_adaptors.diameter.wire import Bench, answer_of, arriving


def test_dia_21_identifiers_are_unique() -> None:
    bench = Bench("b.b.example")
    bench.open()
    for _ in range(500):
        bench.node.send(REQUEST.message(), None, bench.now)
    sent = bench.written()
    assert len({m.hop_by_hop for m in sent}) == len({m.end_to_end for m in sent}) == 500


def test_dia_22_a_lost_peer_hands_over_at_once() -> None:
    bench = Bench("b.b.example", "c.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (first,) = bench.written(numbers["b.b.example"])
    bench.node.closed(numbers["b.b.example"], bench.now)
    (second,) = bench.written(numbers["c.b.example"])
    assert second.is_repeated
    assert not first.is_repeated
    assert second.end_to_end == first.end_to_end
    assert second.hop_by_hop != first.hop_by_hop
    bench.receive(numbers["c.b.example"], answer_of(second))
    bench.receive(numbers["c.b.example"], answer_of(second))
    (told,) = bench.take(Answered)
    assert (told.token, told.error) == ("token", 0)
    assert bench.node.statistics.dropped["hop_unknown"] == 1


def test_dia_23_without_answer_it_is_told_after_tx() -> None:
    bench = Bench("b.b.example")
    bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    bench.advance(9.9)
    assert bench.take(Unanswered) == []
    bench.advance(0.3)
    assert bench.take(Unanswered) == [Unanswered("token", "timeout")]


@pytest.mark.parametrize("result", [3002, 3004])
def test_dia_25_a_peer_that_cannot_is_followed_by_the_next_once(result: int) -> None:
    bench = Bench("b.b.example", "c.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (first,) = bench.written(numbers["b.b.example"])
    bench.receive(numbers["b.b.example"], answer_of(first, result=result, error=True))
    (second,) = bench.written(numbers["c.b.example"])
    bench.receive(numbers["c.b.example"], answer_of(second, result=result, error=True))
    (told,) = bench.take(Answered)
    assert told.message.result == result
    bench.node.send(REQUEST.message(), "later", bench.now)
    assert len(bench.written(numbers["c.b.example" if result == 3004 else "b.b.example"])) <= 1


def test_dia_26_answers_that_do_not_fit_are_dropped_and_counted() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written()
    wrong = Message(271, 4, P, sent.hop_by_hop, sent.end_to_end, ())
    bench.receive(numbers["b.b.example"], wrong)
    assert bench.take(Answered) == []
    assert bench.node.statistics.dropped["mismatched_answer"] == 1


def test_dia_27_the_window_of_a_peer_is_kept_and_the_queue_behind_it() -> None:
    bench = Bench("b.b.example", window=2, queue=1)
    numbers = bench.open()
    for number in range(4):
        bench.node.send(REQUEST.message(), number, bench.now)
    assert bench.take(Unanswered) == [Unanswered(3, "queue_full")]
    first, second = bench.written()
    bench.receive(numbers["b.b.example"], answer_of(second))
    (third,) = bench.written()
    assert not third.is_repeated
    bench.receive(numbers["b.b.example"], answer_of(first))
    bench.receive(numbers["b.b.example"], answer_of(third))
    assert [told.token for told in bench.take(Answered)] == [1, 0, 2]


def test_dia_27_what_is_queued_is_given_up_in_time() -> None:
    bench = Bench("b.b.example", window=1, total=5.0, tx=60.0)
    bench.open()
    for number in range(2):
        bench.node.send(REQUEST.message(), number, bench.now)
    bench.advance(6)
    assert bench.take(Unanswered) == [Unanswered(0, "timeout"), Unanswered(1, "timeout")]


def test_dia_55_a_peer_may_begin_so_much_and_go_on_with_everything() -> None:
    bench = Bench("b.b.example", opens=False, rate=2.0, burst=3)
    number = bench.let_in("b.b.example")
    bench.written()
    results = [arriving(bench, number, end_to_end=1000 + n) for n in range(30)]
    assert [answer is None for answer in results] == [True] * 3 + [False] * 27
    assert {answer.result for answer in results if answer} == {3004}
    assert bench.node.statistics.rate_limited == 27
    last = REQUEST.message()
    kept = tuple(a for a in last.avps if a.code not in (codes.CC_REQUEST_TYPE, codes.DESTINATION_REALM))
    ends = (u32(codes.CC_REQUEST_TYPE, 3), text(codes.DESTINATION_REALM, "example"))
    bench.receive(number, Message(272, 4, R | P, 5, 2000, (*kept, *ends)))
    assert bench.written(number) == []
    bench.advance(0.5)
    assert arriving(bench, number, end_to_end=3000) is None


@pytest.mark.parametrize("refusal", [3002, 5003])
def test_dia_18_requests_from_realms_that_are_not_behind_a_peer_are_refused(refusal: int) -> None:
    bench = Bench()
    peer = PeerSettings(host="b.b.example", opens=False, realms=frozenset({"b.example"}), refusal=refusal)
    bench.node.peers["b.b.example"] = Peer(bench.node, peer)
    number = bench.let_in("b.b.example")
    bench.written()
    answer = arriving(bench, number)  # from realm `here`
    assert (answer.result, answer.is_error) == (refusal, refusal == 3002)
    honest = arriving(bench, number, text(codes.ORIGIN_REALM, "B.example"), without=codes.ORIGIN_REALM)
    assert honest is None


def test_dia_20_a_redirection_is_followed_to_a_peer_that_is_known() -> None:
    bench = Bench("b.b.example", "c.b.example", follow_redirect=True)
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written(numbers["b.b.example"])
    where = text(codes.REDIRECT_HOST, "aaa://C.b.example:3868;transport=tcp")
    redirect = answer_of(sent, result=3006, error=True)
    bench.receive(
        numbers["b.b.example"],
        Message(272, 4, redirect.flags, sent.hop_by_hop, sent.end_to_end, (*redirect.avps, where)),
    )
    (again,) = bench.written(numbers["c.b.example"])
    assert again.end_to_end == sent.end_to_end
    bench.receive(numbers["c.b.example"], answer_of(again))
    (told,) = bench.take(Answered)
    assert told.message.result == 2001


@pytest.mark.parametrize("follows", [True, False])
def test_dia_20_a_redirection_to_strangers_is_told(follows: bool) -> None:
    bench = Bench("b.b.example", follow_redirect=follows)
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written()
    where = text(codes.REDIRECT_HOST, "aaa://stranger.example")
    answer = answer_of(sent, result=3006, error=True)
    bench.receive(
        numbers["b.b.example"], Message(272, 4, answer.flags, sent.hop_by_hop, sent.end_to_end, (*answer.avps, where))
    )
    (told,) = bench.take(Answered)
    assert told.message.result == 3006


def test_dia_15_a_peer_that_does_not_want_us_is_opened_again_on_demand() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    origin = (text(codes.ORIGIN_HOST, "b.b.example"), text(codes.ORIGIN_REALM, "b.example"))
    bench.receive(numbers["b.b.example"], Message(282, 0, R, 1, 1, (*origin, u32(codes.DISCONNECT_CAUSE, 2))))
    bench.node.closed(numbers["b.b.example"], bench.now)
    bench.written()
    bench.advance(1000)
    assert bench.actions(Open) == []
    bench.node.send(REQUEST.message(), "token", bench.now)
    assert bench.take(Unanswered) == []
    bench.open()
    (sent,) = [message for message in bench.written() if message.name == "CCR"]
    assert not sent.is_repeated
