"""What becomes of each datagram that arrives (SIP-22, SIP-46 to SIP-60, COM-14)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.writer import ack_for, cancel_for
from resource_adaptors.sip.protocol import events
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, CAROL, PROXY, Rig, uri_of


def answer_address(rig: Rig, request: Request | bytes, source: tuple[str, int]) -> tuple[str, int]:
    """Where the answer to an OPTIONS goes."""
    rig.feed(request, source)
    rig.core.respond(rig.transaction(), 200, rig.now)
    rig.drain()
    return rig.sent[-1][1]


class TestResponseRouting:
    """SIP-51 to SIP-53: RFC 3261 18.2, RFC 3581."""

    def test_to_the_port_of_the_via_at_the_source_address(self) -> None:
        rig = Rig()
        request = rig.request("OPTIONS", source=("198.51.100.7", 5099))
        assert answer_address(rig, request, ("203.0.113.5", 40000)) == ("203.0.113.5", 5099)
        assert rig.sent[-1][0].top_via.received == "203.0.113.5"

    def test_received_is_not_added_where_it_would_say_nothing(self) -> None:
        rig = Rig()
        assert answer_address(rig, rig.request("OPTIONS"), ALICE) == ALICE
        assert rig.sent[-1][0].top_via.received is None

    def test_with_rport_to_where_it_came_from_and_received_says_it(self) -> None:
        rig = Rig()
        assert answer_address(rig, rig.request("OPTIONS", via_params=";rport"), (ALICE[0], 40000)) == (ALICE[0], 40000)
        via = rig.sent[-1][0].header("Via")
        assert via is not None
        assert "rport=40000" in via
        assert f"received={ALICE[0]}" in via

    def test_force_rport_does_so_unasked(self) -> None:
        rig = Rig(force_rport=True)
        assert answer_address(rig, rig.request("OPTIONS"), (ALICE[0], 40000)) == (ALICE[0], 40000)

    def test_without_a_port_to_5060(self) -> None:
        rig = Rig()
        raw = rig.request("OPTIONS").raw.replace(b"192.0.2.10:5060;branch", b"192.0.2.10;branch")
        assert answer_address(rig, raw, (ALICE[0], 40000)) == (ALICE[0], 5060)

    def test_maddr_leads_elsewhere(self) -> None:
        rig = Rig()
        request = rig.request("OPTIONS", via_params=";maddr=192.0.2.66")
        assert answer_address(rig, request, ALICE) == ("192.0.2.66", 5060)

    @pytest.mark.parametrize("maddr", ["224.0.1.75", "255.255.255.255", "0.0.0.0", "host.example.net"])  # noqa: S104
    def test_but_not_to_many_or_nowhere(self, maddr: str) -> None:
        rig = Rig()
        assert answer_address(rig, rig.request("OPTIONS", via_params=f";maddr={maddr}"), ALICE) == ALICE


class TestRetransmissions:
    """SIP-58, SIP-60: they never reach a service."""

    def test_an_invite_repeated_gets_the_last_provisional_again(self) -> None:
        rig = Rig()
        invite = rig.request("INVITE")
        rig.feed(invite, ALICE)
        assert [one.status for one in rig.feed(invite, ALICE) if isinstance(one, Response)] == [100]
        rig.core.respond(rig.transaction(), 180, rig.now)
        rig.drain()
        assert [one.status for one in rig.feed(invite, ALICE) if isinstance(one, Response)] == [180]
        assert not rig.take(events.RequestReceived)
        statistics = rig.core.statistics()
        assert statistics.retransmissions_in["request"] == 2
        assert statistics.retransmissions_out["response"] == 2
        assert statistics.dropped["retransmission"] == 2

    def test_a_request_repeated_gets_its_final_answer_again(self) -> None:
        rig = Rig()
        request = rig.request("OPTIONS")
        rig.feed(request, ALICE)
        assert rig.feed(request, ALICE) == []
        rig.core.respond(rig.transaction(), 200, rig.now)
        rig.drain()
        assert [one.raw for one in rig.feed(request, ALICE)] == [rig.to(ALICE)[0].raw]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"branch=z9hG4bKua1", b"branch=z9hG4bKua2"),
            (b"Via: SIP/2.0/UDP 192.0.2.10:5060", b"Via: SIP/2.0/UDP 192.0.2.10:5061"),
            (b"Via: SIP/2.0/UDP 192.0.2.10:5060", b"Via: SIP/2.0/UDP 192.0.2.11:5060"),
        ],
    )
    def test_sip_58_another_branch_or_sent_by_is_another_request(self, old: bytes, new: bytes) -> None:
        rig = Rig()
        raw = rig.request("OPTIONS").raw
        rig.feed(raw, ALICE)
        rig.feed(raw.replace(old, new), ALICE)
        assert len(rig.take(events.RequestReceived)) == 2

    def test_sip_58_another_method_is_another_request(self) -> None:
        rig = Rig()
        rig.feed(rig.request("OPTIONS", branch="z9hG4bKsame"), ALICE)
        rig.feed(rig.request("MESSAGE", branch="z9hG4bKsame"), ALICE)
        assert len(rig.take(events.RequestReceived)) == 2


class TestRfc2543:
    """Requests without the branch cookie (RFC 3261 17.2.3)."""

    def test_are_matched_by_what_they_have_in_common(self) -> None:
        rig = Rig()
        invite = rig.request("INVITE", branch="1")
        rig.feed(invite, ALICE)
        rig.feed(invite, ALICE)
        rig.feed(rig.request("INVITE", branch="1"), ALICE)  # another Call-ID
        first, second = [event.transaction for event in rig.take(events.RequestReceived)]
        rig.core.respond(first, 486, rig.now)
        rig.drain()
        final = rig.to(ALICE)[-1]
        assert isinstance(final, Response)
        rig.feed(ack_for(invite, final), ALICE)
        assert (first.state, second.state) == ("confirmed", "proceeding")

    def test_without_any_branch(self) -> None:
        rig = Rig()
        raw = rig.request("INVITE", branch="gone").raw.replace(b";branch=gone", b"")
        rig.feed(raw, ALICE)
        rig.feed(raw, ALICE)
        assert len(rig.take(events.RequestReceived)) == 1

    def test_can_be_cancelled(self) -> None:
        rig = Rig()
        invite = rig.request("INVITE", branch="1")
        rig.feed(invite, ALICE)
        rig.feed(cancel_for(invite), ALICE)
        assert rig.statuses() == [100, 200, 487]

    def test_are_answered_400_without_a_transaction_when_not_accepted(self) -> None:
        rig = Rig(rfc2543_compat=False)
        rig.feed(rig.request("INVITE", branch="1"), ALICE)
        assert rig.statuses() == [400]
        assert rig.transactions() == {}


class TestMalformed:
    """SIP-22, SIP-23."""

    BAD = (
        b"OPTIONS sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKx\r\n"
        b"From: <sip:a@example.net>;tag=f\r\nTo: <sip:b@example.net>\r\nCSeq: 1 OPTIONS\r\n\r\n"
    )

    def answers(self, rig: Rig, data: bytes, source: tuple[str, int] = ALICE) -> list[bytes]:
        rig.core.receive(data, source, rig.now)
        sent = [one for one, _ in rig.core.sends]
        rig.core.sends.clear()
        return sent

    def test_a_malformed_request_is_answered_with_what_could_be_read_of_it(self) -> None:
        rig = Rig()
        (answer,) = self.answers(rig, self.BAD)
        assert answer.startswith(b"SIP/2.0 400 Missing Call-ID\r\n")
        assert b"CSeq: 1 OPTIONS\r\n" in answer
        assert rig.transactions() == {}

    def test_it_goes_where_the_via_says(self) -> None:
        rig = Rig()
        rig.core.receive(self.BAD, (ALICE[0], 40000), rig.now)
        assert rig.core.sends.pop()[1] == ALICE
        rig.core.receive(self.BAD.replace(b";branch", b";rport;branch"), (ALICE[0], 40000), rig.now)
        assert rig.core.sends.pop()[1] == (ALICE[0], 40000)

    @pytest.mark.parametrize("limit", [0, 1, 50])
    def test_so_many_per_second_and_source(self, limit: int) -> None:
        rig = Rig(malformed_answers_per_second=limit)
        counts = [len(self.answers(rig, self.BAD)) for _ in range(limit * 10 + 1)]
        assert sum(counts) == limit
        assert rig.dropped() == {"malformed_limit": limit * 9 + 1}
        if limit:
            assert len(self.answers(rig, self.BAD, BOB)) == 1
            rig.now += 1
            assert len(self.answers(rig, self.BAD)) == 1

    @pytest.mark.parametrize("method", [b"ACK"])
    def test_an_ack_is_never_answered(self, method: bytes) -> None:
        rig = Rig()
        assert self.answers(rig, self.BAD.replace(b"OPTIONS", method)) == []
        assert rig.dropped() == {"malformed": 1}

    def test_a_malformed_response_is_dropped(self) -> None:
        rig = Rig()
        assert self.answers(rig, self.BAD.replace(b"OPTIONS sip:bob@example.net SIP/2.0", b"SIP/2.0 200 OK")) == []
        assert rig.dropped() == {"malformed": 1}

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"\r\n\r\n", "keep_alive"),
            (b"", "keep_alive"),
            (b"\0\0\0\0", "keep_alive"),
            (b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12), "stun"),
            (b"hello", "malformed"),
            (bytes(range(256)), "malformed"),
        ],
    )
    def test_sip_46_sip_47_what_is_no_sip_is_swallowed(self, data: bytes, reason: str) -> None:
        rig = Rig()
        assert self.answers(rig, data) == []
        assert rig.dropped() == {reason: 1}


def test_sip_25_what_the_parser_overlooks_is_counted_by_kind() -> None:
    rig = Rig(tolerant=True)
    rig.feed(rig.request("OPTIONS").raw.replace(b"\r\n", b"\n"), ALICE)
    rig.feed(rig.request("OPTIONS").raw + b"more", ALICE)
    assert len(rig.take(events.RequestReceived)) == 2
    assert sum(rig.core.statistics().leniencies.values()) == 2
    assert len(rig.core.statistics().leniencies) == 2


def test_com_14_every_datagram_is_counted_once() -> None:
    rig = Rig(wanted=ALL_KINDS)
    invite, transaction = rig.call(BOB, CAROL)
    rig.feed(invite, ALICE)
    for status in (100, 180):
        rig.answer(BOB, status)
    rig.answer(CAROL, 486)
    rig.answer(CAROL, 486)
    rig.proceed(transaction)
    rig.answer(BOB, 200)
    rig.answer(BOB, 200)
    rig.answer(BOB, 180)
    route = (("Route", f"<sip:{PROXY[0]}:{PROXY[1]};lr>"),)
    rig.feed(rig.request("ACK", uri_of(BOB), to_tag="b", headers=route), ALICE)
    rig.feed(rig.request("ACK", uri_of(PROXY), to_tag="b"), ALICE)
    bye = rig.request("BYE", uri_of(BOB), to_tag="b", headers=route)
    rig.feed(bye, ALICE)
    rig.answer(BOB, 200, "BYE")
    rig.answer(BOB, 200, "BYE")
    rig.feed(bye, ALICE)
    rig.feed(rig.request("BYE", uri_of(PROXY), to_tag="b"), ALICE)
    rig.cancel(invite)
    rig.feed(rig.request("CANCEL"), ALICE)
    for data in (TestMalformed.BAD, b"\r\n\r\n", b"nonsense", invite.raw.replace(b"\r\n", b"\n")):
        rig.core.receive(data, ALICE, rig.now)
    statistics = rig.core.statistics()
    assert statistics.received == statistics.delivered + statistics.answered + sum(statistics.dropped.values())
    assert statistics.received == 22
    counted_in = sum(statistics.requests_in.values()) + sum(statistics.responses_in.values())
    assert counted_in == statistics.received - sum(statistics.malformed.values()) - statistics.dropped["keep_alive"]


def test_sip_192_messages_are_counted_by_method_class_and_direction() -> None:
    rig = Rig()
    rig.call(BOB, CAROL)
    rig.answer(BOB, 180)
    rig.answer(BOB, 200)
    rig.feed(rig.request("FOO"), ALICE)
    foo = rig.take(events.RequestReceived)[-1].transaction
    rig.core.respond(foo, 501, rig.now)
    statistics = rig.core.statistics()
    assert {method: count for method, count in statistics.requests_in.items() if count} == {"INVITE": 1, "other": 1}
    assert {method: count for method, count in statistics.requests_out.items() if count} == {"INVITE": 2}
    assert statistics.responses_in == {("INVITE", 1): 1, ("INVITE", 2): 1}
    assert statistics.responses_out == {("INVITE", 1): 2, ("INVITE", 2): 1, ("other", 5): 1}
    assert statistics.forks == 1
    assert statistics.transactions == {
        ("server_invite", "accepted"): 1,
        ("client_invite", "accepted"): 1,
        ("client_invite", "calling"): 1,
        ("server_non_invite", "completed"): 1,
    }
