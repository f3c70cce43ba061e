"""Requests of our own outside dialogs: what they are like, and what becomes of them (RFC 3261 8.1, RFC 3428)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.writer import build_response
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.requests import NewRequest
from tests.resource_adaptors.sip.protocol.rig import BOB, CAROL, PROXY, Rig, uri_of

OURS = "sip:desk@example.net"
TEXT = (("Content-Type", "text/plain"),)


def sent_by(rig: Rig, new: NewRequest) -> Request:
    """The request as it leaves."""
    rig.core.send(new, rig.now)
    message, _ = rig.drain()[0]
    assert isinstance(message, Request)
    return message


def message(rig: Rig, to: str = uri_of(BOB), **more: object) -> NewRequest:
    return rig.core.new_request("MESSAGE", to, **{"from_": OURS, "headers": TEXT, "body": b"hello", **more})


def foreign() -> Rig:
    """A core with one domain of its own; the telephones are elsewhere."""
    return Rig(domains=frozenset({"example.net"}))


def outcomes(rig: Rig) -> list[object]:
    return [*rig.take(events.RequestAnswered), *rig.take(events.RequestFailed)]


def test_sip_20_headers_of_an_originated_request_have_their_order_and_long_names() -> None:
    rig = foreign()
    new = rig.core.new_request(
        "OPTIONS",
        uri_of(BOB),
        from_=OURS,
        routes=(f"<sip:{CAROL[0]};lr>",),
        headers=[("Accept", "application/sdp"), ("Contact", "<sip:desk@192.0.2.1>")],
    )
    sent = sent_by(rig, new)
    names = [line.partition(":")[0] for line in sent.lines[1:]]
    assert names == [
        *("Via", "Route", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Accept", "Content-Length"),
    ]
    assert sent.raw.endswith(b"\r\n\r\n")
    assert not sent.raw.endswith(b"\r\n\r\n\r\n")


def test_an_originated_request_has_the_headers_of_rfc_3261_8_1_1() -> None:
    rig = foreign()
    sent = sent_by(rig, message(rig))
    assert (sent.method, sent.uri_text, sent.max_forwards, sent.body) == ("MESSAGE", uri_of(BOB), 70, b"hello")
    assert sent.to.uri.text == uri_of(BOB)
    assert sent.to_tag is None
    assert sent.from_.uri.text == OURS
    assert len(sent.from_tag or "") == 16
    assert (sent.cseq.number, sent.cseq.method) == (1, "MESSAGE")
    assert sent.top_via.branch.startswith("z9hG4bK")
    assert sent.top_via.rport == ""
    assert rig.sent[-1][1] == BOB


def test_each_originated_request_has_identifiers_of_its_own() -> None:
    rig = foreign()
    made = [message(rig) for _ in range(20)]
    assert len({new.branch for new in made}) == 20
    assert len({new.request.call_id for new in made}) == 20
    assert len({new.request.from_tag for new in made}) == 20


def test_sip_66_the_user_agent_is_configurable_and_may_be_left_out() -> None:
    assert foreign().core.new_request("OPTIONS", uri_of(BOB), from_=OURS).request.header("User-Agent") is None
    rig = Rig(domains=frozenset({"example.net"}), server_name="desk/1")
    assert rig.core.new_request("OPTIONS", uri_of(BOB), from_=OURS).request.header("User-Agent") == "desk/1"


def test_a_route_says_where_a_request_goes() -> None:
    rig = foreign()
    sent = sent_by(rig, message(rig, "sip:bob@elsewhere.test", routes=(f"<{uri_of(CAROL)};lr>",)))
    assert sent.uri_text == "sip:bob@elsewhere.test"
    assert [route.text for route in sent.routes] == [f"<{uri_of(CAROL)};lr>"]
    assert rig.sent[-1][1] == CAROL


def test_a_strict_router_gets_its_own_uri_as_the_request_uri() -> None:
    rig = foreign()
    sent = sent_by(rig, message(rig, "sip:bob@elsewhere.test", routes=(f"<{uri_of(CAROL)}>",)))
    assert sent.uri_text == uri_of(CAROL)
    assert [route.text for route in sent.routes] == ["<sip:bob@elsewhere.test>"]


def test_a_request_to_a_served_user_comes_in_again_and_is_forked_by_services() -> None:
    rig = foreign()
    new = message(rig, "sip:bob@example.net")
    rig.core.send(new, rig.now)
    assert rig.drain() == []
    transaction = rig.transaction()
    assert transaction.request.uri_text == "sip:bob@example.net"
    rig.forward(transaction, BOB, CAROL)
    for phone in (BOB, CAROL):
        assert rig.requests_to(phone, "MESSAGE")[-1].routes == ()
    rig.answer(CAROL, 480, "MESSAGE")
    rig.answer(BOB, 200, "MESSAGE")
    (answered,) = rig.take(events.RequestAnswered)
    assert answered.branch == new.branch
    assert answered.response.status == 200
    assert len(answered.response.via) == 1


def test_sip_102_a_message_has_no_contact() -> None:
    rig = foreign()
    for name in ("Contact", "m"):
        with pytest.raises(LocalProtocolError, match="SIP-102"):
            message(rig, headers=[*TEXT, (name, "<sip:desk@192.0.2.1>")])


def test_sip_102_a_message_is_at_most_1300_octets_long() -> None:
    rig = foreign()
    overhead = len(message(rig, body=b"x" * 500).request.raw) - 500
    assert len(message(rig, body=b"x" * (1300 - overhead)).request.raw) == 1300
    with pytest.raises(LocalProtocolError, match=r"1301 octets .* 1300 .*RFC 3428 8"):
        message(rig, body=b"x" * (1301 - overhead))
    rig.core.new_request("PUBLISH", uri_of(BOB), from_=OURS, headers=TEXT, body=b"x" * 3000)


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE", "PRACK"])
def test_methods_of_dialogs_make_no_request_of_their_own(method: str) -> None:
    with pytest.raises(LocalProtocolError, match="SIP-181"):
        foreign().core.new_request(method, uri_of(BOB), from_=OURS)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"from_": "sip:desk@example.net>;tag=1"}, "From"),
        ({"from_": "mailto:desk@example.net"}, "From"),
        ({"from_": "desk"}, "From"),
        ({"headers": [*TEXT, ("Subject", "one\r\nX: two")]}, "Subject"),
        ({"headers": [*TEXT, ("Call-ID", "mine")]}, "Call-ID"),
        ({"headers": ()}, "Content-Type"),
        ({"uri": "sip:bob@host with space"}, "Request-URI"),
        ({"routes": ("sip:no-brackets@example.net, <",)}, "Route"),
    ],
)
def test_sip_18_a_value_unfit_for_the_wire_is_refused_at_the_call(more: dict[str, object], what: str) -> None:
    with pytest.raises(LocalProtocolError, match=what):
        message(foreign(), **more)


@pytest.mark.parametrize("to", ["", "bob", "sip:bob@[", "http://example.net/"])
def test_a_recipient_that_is_no_sip_or_tel_uri_is_refused_at_the_call(to: str) -> None:
    with pytest.raises(LocalProtocolError, match="To"):
        message(foreign(), to)


def test_timer_e_repeats_the_request_at_t1_doubling_to_t2_and_timer_f_ends_it() -> None:
    rig = foreign()
    first = sent_by(rig, new := message(rig))
    sent = rig.advance(31.9)
    assert [at for at, _ in sent] == pytest.approx([0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], abs=0.02)
    assert {again.raw for _, again in sent} == {first.raw}
    assert outcomes(rig) == []
    rig.advance(0.2)
    assert outcomes(rig) == [events.RequestFailed(new.branch, timer="F")]
    assert rig.core.statistics().timeouts["F"] == 1
    assert rig.core.statistics().transactions == {}


def test_a_provisional_response_slows_timer_e_down_to_t2() -> None:
    rig = foreign()
    sent_by(rig, message(rig))
    rig.answer(BOB, 100, "MESSAGE")
    assert [at for at, _ in rig.advance(9)] == pytest.approx([0.5, 4.5, 8.5], abs=0.02)
    (answered,) = outcomes(rig)
    assert answered.response.status == 100


@pytest.mark.parametrize("status", [200, 202, 404, 503, 603])
def test_a_final_response_is_told_once_and_ends_the_request(status: int) -> None:
    rig = foreign()
    sent_by(rig, new := message(rig))
    rig.answer(BOB, status, "MESSAGE")
    rig.answer(BOB, status, "MESSAGE")
    (answered,) = outcomes(rig)
    assert (answered.branch, answered.response.status) == (new.branch, status)
    assert rig.advance(40) == []
    assert rig.core.statistics().transactions == {}
    assert rig.dropped() == {"retransmission": 1}


def test_a_response_with_another_via_than_ours_is_dropped_by_rfc_3261_8_1_3_3() -> None:
    rig = foreign()
    request = sent_by(rig, message(rig))
    good = build_response(request, 200, to_tag="b").raw
    first = good.index(b"\r\n", good.index(b"Via:")) + 2
    rig.feed(good[:first] + b"Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKx\r\n" + good[first:], BOB)
    assert outcomes(rig) == []
    assert rig.dropped() == {"stray_response": 1}
    rig.feed(good, BOB)
    assert len(outcomes(rig)) == 1


def test_a_destination_that_cannot_be_reached_ends_the_request() -> None:
    rig = foreign()
    sent_by(rig, new := message(rig))
    rig.core.transport_error(BOB, "refused", rig.now)
    rig.drain()
    assert outcomes(rig) == [events.RequestFailed(new.branch, reason="refused")]
    assert rig.core.statistics().transport_errors["refused"] == 1


@pytest.mark.parametrize("to", ["sip:bob@name.test", "sips:bob@192.0.2.20", "tel:+431234"])
def test_a_recipient_without_an_address_that_we_can_send_to_ends_the_request(to: str) -> None:
    rig = foreign()
    rig.core.send(new := message(rig, to), rig.now)
    assert rig.drain() == []
    assert outcomes(rig) == [events.RequestFailed(new.branch, reason="no_route")]


def test_with_no_domain_configured_every_name_is_looked_up_and_addresses_are_not() -> None:
    rig = Rig()
    rig.core.send(message(rig, "sip:bob@anywhere.test"), rig.now)
    assert rig.drain() == []
    assert rig.transaction().source == PROXY
    rig.core.send(message(rig), rig.now)
    assert rig.drain()[0][1] == BOB


def test_a_target_is_not_looked_up() -> None:
    rig = foreign()
    rig.core.send(message(rig, "sip:bob@example.net", uri=uri_of(BOB)), rig.now)
    assert rig.drain()[0][1] == BOB
