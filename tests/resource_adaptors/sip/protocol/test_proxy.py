"""What is forwarded, to where, and what is refused instead (SIP-73, SIP-74, SIP-151 to SIP-154, SIP-144)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.context import NewBranch
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, CAROL, PROXY, Rig, uri_of

OURS = f"<sip:{PROXY[0]}:{PROXY[1]};lr>"


def forwarded(rig: Rig, request: Request, *targets: tuple[str, int] | str, record_route: bool = False) -> Request:
    """The request as it leaves for its first target."""
    rig.feed(request, ALICE)
    rig.forward(rig.transaction(), *targets, record_route=record_route)
    return next(one for one, _ in reversed(rig.sent) if isinstance(one, Request))


def test_sip_154_only_what_a_proxy_must_change_is_changed() -> None:
    rig = Rig()
    raw = (
        b"INVITE sip:bob@example.net SIP/2.0\r\n"
        b"v: SIP/2.0/UDP 192.0.2.10:5060 ;branch=z9hG4bKfold\r\n"
        b"X-Odd:  kept \t as , it is\r\n"
        b"t:\r\n\t<sip:bob@example.net>\r\n"
        b"f: Alice<sip:alice@example.net>;tag=1\r\n"
        b"MAX-FORWARDS: 070\r\n"
        b"i: c1\r\nCSeq: 1    INVITE\r\nl: 4\r\n\r\nbody"
    )
    rig.core.receive(raw, ALICE, rig.now)
    rig.drain()
    branches = [rig.core.new_branch(transaction := rig.transaction(), uri_of(BOB))]
    rig.core.forward(transaction, [NewBranch(branches[0], uri_of(BOB))], rig.now)
    sent = rig.core.sends[-1][0]
    for kept in (
        b"X-Odd:  kept \t as , it is\r\n",
        b"t:\r\n\t<sip:bob@example.net>\r\n",
        b"f: Alice<sip:alice@example.net>;tag=1\r\n",
        b"CSeq: 1    INVITE\r\nl: 4\r\n\r\nbody",
    ):
        assert kept in sent
    assert sent.startswith(b"INVITE sip:ua@192.0.2.20:5060 SIP/2.0\r\n")
    assert sent.count(b"\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=") == 1
    assert b"Max-Forwards: 69\r\n" in sent


def test_sip_56_our_via_asks_for_rport_and_has_a_branch_of_64_random_bits() -> None:
    rig = Rig()
    branches = set()
    for _ in range(50):
        sent = forwarded(rig, rig.request("OPTIONS"), BOB)
        branch = sent.top_via.branch
        assert branch is not None
        assert branch.startswith("z9hG4bK")
        assert sent.top_via.rport == ""
        assert len(sent.top_via.text) < 120
        branches.add(branch[7:23])
    assert len(branches) == 50


@pytest.mark.parametrize(
    ("received", "limit", "sent"), [(70, 70, 69), (1, 70, 0), (200, 70, 70), (70, 10, 10), (10, 10, 9)]
)
def test_sip_73_max_forwards_is_decremented_and_lowered_to_the_limit(received: int, limit: int, sent: int) -> None:
    rig = Rig(max_forwards_limit=limit)
    assert forwarded(rig, rig.request("INVITE", max_forwards=received), BOB).max_forwards == sent


def test_sip_73_a_missing_max_forwards_becomes_70() -> None:
    rig = Rig()
    raw = rig.request("INVITE").raw.replace(b"Max-Forwards: 70\r\n", b"")
    rig.core.receive(raw, ALICE, rig.now)
    rig.drain()
    rig.forward(rig.transaction(), BOB)
    assert rig.requests_to(BOB)[0].max_forwards == 70


def test_sip_73_no_hops_left_is_483_only_when_it_would_be_forwarded() -> None:
    rig = Rig()
    rig.feed(rig.request("OPTIONS", max_forwards=0), ALICE)
    rig.core.respond(rig.transaction(), 200, rig.now)
    rig.drain()
    rig.feed(rig.request("OPTIONS", max_forwards=0), ALICE)
    rig.forward(rig.transaction(), BOB)
    assert rig.statuses() == [200, 483]
    assert rig.requests_to(BOB) == []


def test_sip_151_a_refused_branch_ends_at_once_and_takes_part_in_the_choice() -> None:
    rig = Rig(wanted=ALL_KINDS)
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    branches = rig.forward(transaction, "tel:+4912345", BOB)
    (refused,) = rig.take(events.FinalReceived)
    assert (refused.branch, refused.response.status, refused.is_local) == (branches[0], 416, True)
    assert len(rig.requests_to(BOB)) == 1
    rig.proceed(transaction)
    rig.answer(BOB, 500)
    rig.proceed(transaction)
    rig.proceed(transaction)
    assert rig.statuses() == [100, 416]


def test_a_request_that_demands_an_unknown_extension_of_proxies_is_420_with_exactly_those() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE", headers=(("Proxy-Require", "foo, bar"),)), ALICE)
    rig.forward(rig.transaction(), BOB)
    assert rig.statuses() == [100, 420]
    assert rig.to(ALICE)[-1].values("Unsupported") == ("foo", "bar")
    assert rig.requests_to(BOB) == []


class TestLoops:
    """SIP-74, RFC 5393."""

    @staticmethod
    def back(rig: Rig, sent: Request, uri: str | None = None) -> None:
        """Another proxy sends the request back to us."""
        raw = sent.raw.replace(
            b"Via:", b"Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bKother%d\r\nVia:" % len(rig.sent), 1
        )
        if uri is not None:
            raw = raw.replace(sent.uri_text.encode(), uri.encode(), 1)
        rig.feed(raw, BOB)

    def test_a_request_that_comes_back_unchanged_is_482(self) -> None:
        rig = Rig()
        request = rig.request("INVITE", uri_of(BOB))
        sent = forwarded(rig, request, BOB)
        self.back(rig, sent)
        rig.forward(rig.transaction(), BOB)
        assert rig.statuses(BOB) == [100, 482]
        assert len(rig.requests_to(BOB)) == 1

    def test_one_that_comes_back_with_another_request_uri_is_a_spiral(self) -> None:
        rig = Rig()
        sent = forwarded(rig, rig.request("INVITE", "sip:bob@example.net"), BOB)
        self.back(rig, sent, "sip:carol@example.net")
        rig.forward(rig.transaction(), CAROL)
        assert len(rig.requests_to(CAROL)) == 1

    def test_the_same_request_routed_elsewhere_is_a_spiral(self) -> None:
        rig = Rig()
        sent = forwarded(rig, rig.request("INVITE", "sip:bob@example.net"), "sip:bob@192.0.2.20")
        self.back(rig, sent, "sip:bob@example.net")
        rig.forward(rig.transaction(), CAROL)
        assert len(rig.requests_to(CAROL)) == 1

    def test_a_via_of_another_proxy_is_no_loop_whatever_its_branch(self) -> None:
        rig = Rig()
        sent = forwarded(rig, rig.request("INVITE", uri_of(BOB)), BOB)
        raw = sent.raw.replace(b"Via: SIP/2.0/UDP 192.0.2.1:5060", b"Via: SIP/2.0/UDP 203.0.113.1:5060")
        rig.feed(raw, BOB)
        rig.forward(rig.transaction(), BOB)
        assert len(rig.requests_to(BOB)) == 2

    def test_sip_75_a_request_to_ourselves_goes_round_without_a_socket(self) -> None:
        rig = Rig()
        rig.feed(rig.request("INVITE"), ALICE)
        before = len(rig.sent)
        rig.forward(rig.transaction(), PROXY)
        (again,) = rig.take(events.RequestReceived)
        assert (again.request.uri_text, again.request.max_forwards) == (uri_of(PROXY), 69)
        assert [via.host for via in again.request.via] == [PROXY[0], ALICE[0]]
        assert rig.sent[before:] == []
        rig.core.respond(again.transaction, 404, rig.now)
        rig.drain()
        assert [(one.status, to) for one, to in rig.sent[before:] if isinstance(one, Response)] == [(404, ALICE)]

    @pytest.mark.parametrize("all_branches", [False, True])
    def test_sip_75_so_does_its_cancel(self, *, all_branches: bool) -> None:
        rig = Rig()
        rig.feed(rig.request("INVITE"), ALICE)
        outer = rig.transaction()
        (branch,) = rig.forward(outer, PROXY)
        inner = rig.transaction()
        rig.core.respond(inner, 180, rig.now)
        if all_branches:
            rig.core.cancel_branches(outer, rig.now)
        else:
            rig.core.cancel_branch(outer, branch, rig.now)
        rig.drain()
        assert inner.is_cancelled
        assert rig.statuses() == [100, 180, 487]

    def test_sip_75_a_dialog_request_that_leads_round_to_us_is_answered(self) -> None:
        rig = Rig()
        rig.feed(rig.request("BYE", uri_of(PROXY), to_tag="x", headers=(("Route", OURS),)), ALICE)
        assert rig.statuses() == [481]


class TestRoutes:
    """Route, Record-Route, and strict routers (RFC 3261 16.4, 16.6, 16.12)."""

    def test_sip_153_record_route_is_added_when_asked_before_those_received(self) -> None:
        rig = Rig()
        request = rig.request("INVITE", headers=(("Record-Route", "<sip:192.0.2.99;lr>"),))
        sent = forwarded(rig, request, BOB, record_route=True)
        assert sent.values("Record-Route") == (OURS, "<sip:192.0.2.99;lr>")
        assert not forwarded(rig, rig.request("INVITE"), BOB).has("Record-Route")

    def test_sip_152_our_own_route_values_are_removed_both_of_them(self) -> None:
        rig = Rig()
        headers = (("Route", f"{OURS}, {OURS}"), ("Route", f"<{uri_of(CAROL)};lr>"))
        sent = forwarded(rig, rig.request("INVITE", headers=headers), BOB)
        assert sent.values("Route") == (f"<{uri_of(CAROL)};lr>",)
        assert rig.sent[-1][1] == CAROL
        assert sent.uri_text == uri_of(BOB)

    @pytest.mark.parametrize("value", ["<sip:192.0.2.1;lr>", "<sip:192.0.2.1:5060;lr=on;x=y>", "<SIP:p@192.0.2.1;lr>"])
    def test_sip_152_ours_is_known_by_its_address(self, value: str) -> None:
        rig = Rig()
        sent = forwarded(rig, rig.request("INVITE", headers=(("Route", value),)), BOB)
        assert not sent.has("Route")
        assert rig.sent[-1][1] == BOB

    def test_a_configured_domain_is_ours_in_a_route(self) -> None:
        rig = Rig(domains=frozenset({"example.net"}))
        sent = forwarded(rig, rig.request("INVITE", headers=(("Route", "<sip:Example.NET;lr>"),)), BOB)
        assert not sent.has("Route")

    def test_sip_152_a_strict_router_behind_us_is_put_right(self) -> None:
        """It put our Record-Route value into the Request-URI, and the target at the end of the route."""
        rig = Rig()
        own_uri = OURS.strip("<>")
        headers = (("Route", f"<{uri_of(CAROL)};lr>"), ("Route", f"<{uri_of(BOB)}>"))
        rig.feed(rig.request("BYE", own_uri, to_tag="bob", headers=headers), ALICE)
        (sent,) = rig.requests_to(CAROL)
        assert sent.uri_text == uri_of(BOB)
        assert sent.values("Route") == (f"<{uri_of(CAROL)};lr>",)

    def test_a_strict_router_ahead_of_us_gets_its_own_uri_and_the_target_as_last_route(self) -> None:
        rig = Rig()
        headers = (("Route", OURS), ("Route", f"<{uri_of(CAROL)}>, <sip:192.0.2.99;lr>"))
        rig.feed(rig.request("BYE", uri_of(BOB), to_tag="bob", headers=headers), ALICE)
        (sent,) = rig.requests_to(CAROL)
        assert sent.uri_text == uri_of(CAROL)
        assert sent.values("Route") == ("<sip:192.0.2.99;lr>", f"<{uri_of(BOB)}>")

    def test_rfc_3327_route_values_of_a_target_come_first_and_lead_the_way(self) -> None:
        rig = Rig()
        rig.feed(rig.request("INVITE", headers=(("Route", OURS),)), ALICE)
        rig.forward(rig.transaction(), BOB, routes=(f"<{uri_of(CAROL)};lr>",))
        (sent,) = rig.requests_to(CAROL)
        assert (sent.uri_text, sent.values("Route")) == (uri_of(BOB), (f"<{uri_of(CAROL)};lr>",))

    def test_sip_152_maddr_that_is_ours_is_removed(self) -> None:
        rig = Rig()
        rig.feed(rig.request("BYE", "sip:bob@192.0.2.20;maddr=192.0.2.1;x=1", to_tag="bob"), ALICE)
        (sent,) = rig.requests_to(BOB)
        assert sent.uri_text == "sip:bob@192.0.2.20;x=1"

    def test_sip_144_another_maddr_wins_over_the_host(self) -> None:
        rig = Rig()
        forwarded(rig, rig.request("INVITE"), "sip:bob@host.example.net;maddr=192.0.2.20")
        assert rig.sent[-1][1] == BOB

    def test_ipv6_targets_lose_their_brackets_on_the_way_to_a_socket(self) -> None:
        rig = Rig()
        forwarded(rig, rig.request("INVITE"), "sip:bob@[2001:DB8::0:1]:5070")
        assert rig.sent[-1][1] == ("2001:db8::1", 5070)


class TestOwn:
    """What counts as ours."""

    def test_without_domains_every_sip_uri_is_served_but_only_our_address_is_ours(self) -> None:
        router = Rig().core.router
        hop = Rig().request("INVITE", "sip:bob@anything.example").uri
        own = Rig().request("INVITE", uri_of(PROXY)).uri
        tel = Rig().request("INVITE", "tel:+491").uri
        assert (router.is_served(hop), router.is_served(own), router.is_served(tel)) == (True, True, False)
        assert (router.is_own(hop), router.is_own(own), router.is_own(tel)) == (False, True, False)

    def test_with_domains_only_they_and_our_address_are_served(self) -> None:
        router = Rig(domains=frozenset({"example.net"})).core.router
        served = Rig().request("INVITE", "sip:bob@Example.Net").uri
        foreign = Rig().request("INVITE", "sip:bob@example.org").uri
        own = Rig().request("INVITE", uri_of(PROXY)).uri
        assert (router.is_served(served), router.is_served(foreign), router.is_served(own)) == (True, False, True)


def test_an_answered_request_cannot_be_forwarded() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    rig.core.respond(transaction, 404, rig.now)
    with pytest.raises(LocalProtocolError, match="SIP-64"):
        rig.core.check_forward(transaction)
    with pytest.raises(LocalProtocolError, match="SIP-64"):
        rig.core.forward(transaction, [], rig.now)
    with pytest.raises(LocalProtocolError, match="SIP-64"):
        rig.core.new_branch(transaction, uri_of(BOB))


def test_forwarding_to_nobody_leaves_the_request_to_its_service() -> None:
    rig = Rig()
    rig.feed(rig.request("INVITE"), ALICE)
    transaction = rig.transaction()
    rig.forward(transaction)
    assert rig.statuses() == [100]
    rig.core.finish(transaction, rig.now)
    rig.drain()
    assert rig.statuses() == [100, 500]


def test_sip_54_a_response_that_bears_no_via_but_ours_is_not_sent_on() -> None:
    rig = Rig()
    rig.call(BOB)
    raw = rig.requests_to(BOB)[0].raw
    ours = next(line for line in raw.split(b"\r\n") if line.startswith(b"Via: "))
    for status in (b"180 Ringing", b"200 OK"):
        response = b"\r\n".join(
            (
                b"SIP/2.0 " + status,
                ours,
                *(line for line in raw.split(b"\r\n") if line.startswith((b"From", b"Call-ID", b"CSeq"))),
                b"To: <sip:bob@example.net>;tag=b",
                b"Content-Length: 0\r\n\r\n",
            )
        )
        sent = rig.feed(response, BOB)
    assert rig.core.statistics().unroutable_responses == 2
    # The branch has answered, though nothing of it can go upstream: the caller must not wait for the deadline.
    assert [one.status for one in sent if isinstance(one, Response)] == [500]
