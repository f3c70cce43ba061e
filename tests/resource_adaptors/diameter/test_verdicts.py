"""What is wrong with a message gets the answer that the RFC has for it (DIA-2, DIA-5, DIA-6, DIA-51)."""

from __future__ import annotations

import ipaddress

import pytest

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, group, text, u32
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.events import (
    Answered,
    Close,
    Impostor,
    Open,
    RequestReceived,
    Unanswered,
)
from resource_adaptors.diameter.protocol.peer import Peer
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings
from tests.resource_adaptors.diameter.test_codec import REQUEST
from tests.resource_adaptors.diameter.wire import HERE, Bench, answer_of, arriving


def test_dia_2_a_vendor_bit_without_vendor_is_5016() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    whole = REQUEST.message().encode() + (1).to_bytes(4) + b"\xc0" + (12).to_bytes(3) + bytes(4)
    bench.node.receive(number, b"\1" + len(whole).to_bytes(3) + whole[4:], bench.now)
    (answer,) = bench.written(number)
    assert answer.result == 5016


@pytest.mark.parametrize("length", range(8))
def test_dia_2_an_avp_shorter_than_its_own_header_is_5014(length: int) -> None:
    """A length of 0 leads nowhere: what looks for the AVPs before it must come to its end."""
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    whole = REQUEST.message().encode() + (1).to_bytes(4) + b"\x40" + length.to_bytes(3) + bytes(8)
    bench.node.receive(number, b"\1" + len(whole).to_bytes(3) + whole[4:], bench.now)
    (answer,) = bench.written(number)
    assert answer.result == 5014
    assert answer.session_id == "a;1;2"


def test_dia_2_a_message_has_4096_avps_at_most_on_all_levels_together() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    # The CCR has 11 AVPs, 3 groups of them with 2, 2 and 2 more; two are added on the first level.
    rest = 4096 - (len(REQUEST.message().avps) + 6) - 2
    within = group(codes.SUBSCRIPTION_ID, [Avp(codes.CC_CORRELATION_ID, b"", 0, 0)] * rest)
    fits = arriving(bench, number, within, Avp(codes.CC_CORRELATION_ID, b"", 0, 0), end_to_end=10)
    assert fits is None
    within = group(codes.SUBSCRIPTION_ID, [Avp(codes.CC_CORRELATION_ID, b"", 0, 0)] * (rest + 1))
    answer = arriving(bench, number, within, Avp(codes.CC_CORRELATION_ID, b"", 0, 0), end_to_end=11)
    assert answer.result == 5004


@pytest.mark.parametrize(
    ("more", "without", "result", "failed"),
    [
        ((), codes.CC_REQUEST_NUMBER, 5005, [codes.CC_REQUEST_NUMBER]),
        ((u32(codes.CC_REQUEST_NUMBER, 1),), 0, 5009, [codes.CC_REQUEST_NUMBER]),
        ((u32(codes.RESULT_CODE, 2001),), 0, 5008, [codes.RESULT_CODE]),
        ((Avp(437, b""), Avp(456, b"")), 0, 5007, [437, 456]),
    ],
)
def test_dia_6_faults_of_the_grammar_are_answered_with_the_avp(
    more: tuple[Avp, ...], without: int, result: int, failed: list[int]
) -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    answer = arriving(bench, number, *more, without=without)
    assert (answer.result, answer.is_error) == (result, False)
    assert sorted({avp.code for avp in find(answer.avps, codes.FAILED_AVP).group()}) == failed


def test_dia_19_requests_that_go_nowhere_are_told() -> None:
    bench = Bench("b.b.example")
    bench.node.send(REQUEST.message(), 1, bench.now)
    other = Message(272, 4, R, 0, 0, (text(codes.DESTINATION_REALM, "nowhere.example"),))
    bench.node.send(other, 2, bench.now)
    assert bench.take(Unanswered) == [Unanswered(1, "unroutable"), Unanswered(2, "unknown_realm")]


@pytest.mark.parametrize(
    ("more", "without", "changes", "result", "failed"),
    [
        ((), 0, {"application": 77}, 3007, None),
        ((), 0, {"command": 999}, 3001, None),
        ((Avp(60_000, b"x"),), 0, {}, 5001, 60_000),
        ((Avp(60_000, b"x", 4711),), 0, {}, 5001, 60_000),
        ((), codes.SERVICE_CONTEXT_ID, {}, 5005, codes.SERVICE_CONTEXT_ID),
        ((text(codes.USER_NAME, "a"), text(codes.USER_NAME, "b")), 0, {}, 5009, codes.USER_NAME),
        ((Avp(codes.ORIGIN_STATE_ID, b"12"),), 0, {}, 5014, codes.ORIGIN_STATE_ID),
        ((Avp(codes.USER_NAME, b"\xff"),), 0, {}, 5004, codes.USER_NAME),
        ((text(codes.ROUTE_RECORD, "M.example"),), 0, {}, 3005, None),
    ],
)
def test_dia_51_requests_that_break_the_rules_get_the_rfcs_answer(
    more: tuple[Avp, ...], without: int, changes: dict[str, int], result: int, failed: int | None
) -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    answer = arriving(bench, number, *more, without=without, **changes)
    assert answer is not None
    assert answer.result == result
    assert answer.is_error == (3000 <= result < 4000)
    assert not answer.is_request
    assert (answer.hop_by_hop, answer.end_to_end) == (5, 6)
    assert answer.session_id == "a;1;2"
    found = find(answer.avps, codes.FAILED_AVP)
    assert (None if found is None else found.group()[0].code) == failed
    assert bench.take(RequestReceived) == []


def test_dia_51_failed_avp_shows_the_path_of_groups() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    bad = group(codes.SUBSCRIPTION_ID, (Avp(codes.SUBSCRIPTION_ID_TYPE, b"\0\0\0\x09"),))
    answer = arriving(bench, number, bad)
    assert answer is not None
    assert answer.result == 5004
    path = find(answer.avps, codes.FAILED_AVP).group()[0]
    assert path.code == codes.SUBSCRIPTION_ID
    assert path.group()[0].code == codes.SUBSCRIPTION_ID_TYPE


def test_dia_2_nesting_has_a_bound() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    deep = u32(codes.RATING_GROUP, 1)
    for _ in range(17):
        deep = group(codes.SUBSCRIPTION_ID, (deep,))
    answer = arriving(bench, number, deep)
    assert answer is not None
    assert answer.result == 5004


def test_dia_5_unknown_avps_without_m_are_let_through_unchanged() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    stranger = Avp(60_000, b"xyz", 0, 0)
    assert arriving(bench, number, stranger) is None
    (told,) = bench.take(RequestReceived)
    assert told.message.avps[-1] == stranger


def test_dia_5_an_answer_with_an_unknown_mandatory_avp_counts_as_5001() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written()
    answer = answer_of(sent)
    bench.receive(
        numbers["b.b.example"], Message(272, 4, P, sent.hop_by_hop, sent.end_to_end, (*answer.avps, Avp(60_000, b"")))
    )
    (told,) = bench.take(Answered)
    assert told.error == 5001


def test_dia_24_a_request_that_comes_again_gets_the_stored_answer() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    assert arriving(bench, number) is None
    (told,) = bench.take(RequestReceived)
    assert arriving(bench, number, hop_by_hop=50) is None  # it is being worked on
    bench.node.answer(told.message, told.host, told.connection, answer_of(told.message).avps)
    (answer,) = bench.written()
    again = arriving(bench, number, hop_by_hop=51)
    assert again is not None
    assert (again.hop_by_hop, again.avps) == (51, answer.avps)
    assert bench.take(RequestReceived) == []
    assert bench.node.statistics.duplicates == 2
    bench.advance(241)
    number = bench.let_in("b.b.example")
    bench.written()
    arriving(bench, number)
    assert len(bench.take(RequestReceived)) == 1


def test_dia_20_requests_are_relayed_with_our_route_record_and_answers_come_back() -> None:
    bench = Bench("b.b.example", "c.b.example")
    numbers = bench.open()
    bench.node.routes = type(bench.node.routes)(
        [RealmSettings(realm="far.example", application=4, peers=("c.b.example",), relay=True)], bench.node.peers
    )
    proxy = Avp(codes.PROXY_INFO, text(codes.PROXY_HOST, "x").encode())
    kept = tuple(a for a in REQUEST.message().avps if a.code != codes.DESTINATION_REALM)
    request = Message(272, 4, R | P, 77, 78, (*kept, text(codes.DESTINATION_REALM, "far.example"), proxy))
    bench.receive(numbers["b.b.example"], request)
    (passed,) = bench.written(numbers["c.b.example"])
    assert passed.end_to_end == 78
    assert passed.hop_by_hop != 77
    assert passed.avps[:-1] == request.avps
    assert passed.text(codes.ROUTE_RECORD) == "b.b.example"
    bench.receive(numbers["c.b.example"], answer_of(passed))
    (back,) = bench.written(numbers["b.b.example"])
    assert (back.hop_by_hop, back.end_to_end, back.result) == (77, 78, 2001)
    stubborn = Message(272, 4, R, 79, 80, request.avps)
    bench.receive(numbers["b.b.example"], stubborn)
    assert bench.written(numbers["b.b.example"])[0].result == 3002


@pytest.mark.parametrize(
    ("names", "tls", "is_taken"),
    [
        (frozenset({"b.b.example", "other.example"}), True, True),
        (frozenset({"b.b.example"}), False, True),
        (frozenset({"*.b.example"}), True, False),
        (frozenset({"c.b.example"}), False, False),
        (frozenset(), True, False),
        (None, True, False),
        (None, False, True),
    ],
)
def test_dia_17_the_certificate_must_show_the_origin_host(
    names: frozenset[str] | None, tls: bool, is_taken: bool
) -> None:
    bench = Bench()
    bench.node.peers["b.b.example"] = Peer(bench.node, PeerSettings(host="B.b.example", tls=tls, opens=False))
    number = bench.node.accept(bench.now, names)
    bench.receive(number, bench.cer("B.b.example"))
    assert bench.node.peers["b.b.example"].is_open is is_taken
    assert len(bench.written(number)) == is_taken
    assert bool(bench.actions(Close)) is not is_taken
    assert bench.node.statistics.dropped["wrong_certificate"] == (not is_taken)


def test_dia_53_somebody_with_our_own_name_is_refused_and_told() -> None:
    bench = Bench(accept_unknown=True)
    number = bench.let_in("M.example")
    (cea,) = bench.written(number)
    assert cea.result == 3010
    assert bench.take(Impostor) == [Impostor("M.example")]
    assert bench.node.peers == {}


def test_dia_55_a_storm_of_one_peer_does_not_delay_others() -> None:
    bench = Bench("b.b.example", "c.b.example", opens=False, turn=64)
    storm, other = bench.let_in("b.b.example"), bench.let_in("c.b.example")
    bench.written()
    origin = (text(codes.ORIGIN_HOST, "b.b.example"), text(codes.ORIGIN_REALM, "b.example"))
    data = b"".join(Message(280, 0, R, n, n, origin).encode() for n in range(1, 641))
    bench.node.receive(storm, data, bench.now)
    assert len(bench.written()) == 64
    bench.receive(other, Message(280, 0, R, 7, 7, origin))
    assert [message.hop_by_hop for message in bench.written(other)] == [7]
    assert bench.node.next_deadline() == bench.now
    while bench.node.next_deadline() == bench.now:
        bench.node.tick(bench.now)
        assert len(bench.written()) <= 64
    assert bench.node.statistics.messages["b.b.example", "DWA", "out"] == 640


def test_dia_9_ipv6_addresses_are_told_in_capabilities() -> None:
    bench = Bench("b.b.example", addresses=(ipaddress.ip_address("::1"), HERE[0]))
    (wanted,) = bench.actions(Open)
    bench.node.connected(wanted.connection, bench.now)
    (cer,) = bench.written()
    hosts = [avp.address() for avp in cer.avps if avp.code == codes.HOST_IP_ADDRESS]
    assert hosts == [ipaddress.ip_address("::1"), HERE[0]]
