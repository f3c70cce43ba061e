"""Writers: answers, forwarded requests, relayed responses, requests of our own (SIP-18, SIP-20, SIP-65, SIP-69)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message import writer
from resource_adaptors.sip.message.errors import LocalProtocolError, PartialRequest
from resource_adaptors.sip.message.message import Request
from tests.resource_adaptors.sip.message.samples import BODY, INVITE, RINGING, request, response, with_header, with_line

VIA = "SIP/2.0/UDP proxy.example.com;branch=z9hG4bKnew"


def build(**changes: object) -> Request:
    fields = {"via": VIA, "from_": "<sip:a@b>;tag=1", "to": "<sip:c@d>", "call_id": "x", "cseq": 7, **changes}
    return writer.build_request("OPTIONS", "sip:c@d", **fields)


def forward(data: bytes = INVITE, **changes: object) -> Request:
    fields = {"uri": "sip:bob@192.0.2.4", "via": VIA, "max_forwards": 69, **changes}
    return writer.forward_request(request(data), **fields)


def test_response_octets() -> None:
    built = writer.build_response(request(), 200, to_tag="t1", headers=[("Server", "x"), ("Contact", "<sip:b@c>")])
    assert built.raw == (
        b"SIP/2.0 200 OK\r\n"
        b"Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds;rport\r\n"
        b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
        b"To: Bob <sip:bob@biloxi.example.com>;tag=t1\r\n"
        b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
        b"CSeq: 314159 INVITE\r\n"
        b"Contact: <sip:b@c>\r\n"
        b"Server: x\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_sip_61_trying_has_no_to_tag_and_copies_timestamp() -> None:
    built = writer.build_response(request(with_line(b"timestamp: 54")), 100, to_tag="t1")
    assert built.to_tag is None
    assert b"tag=t1" not in built.raw
    assert b"\r\nTimestamp: 54\r\n" in built.raw
    assert b"Timestamp" not in writer.build_response(request(with_line(b"Timestamp: 54")), 180).raw


def test_sip_65_record_route_is_copied_where_the_class_requires_it() -> None:
    routed = request(with_line(b"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nrecord-route: <sip:p3;lr>"))
    for status, copied in ((100, 0), (180, 3), (200, 3), (302, 0), (404, 0)):
        assert len(writer.build_response(routed, status).record_routes) == copied


def test_sip_3_and_4_answers_have_long_names_and_no_folding() -> None:
    data = (
        INVITE.replace(b"Via: ", b"v:\r\n ").replace(b"From:", b"f :").replace(b"To:", b"t:").replace(b"CSeq", b"cseq")
    )
    built = writer.build_response(request(data), 180, to_tag="x")
    assert built == writer.build_response(request(), 180, to_tag="x")


def test_a_to_tag_of_the_request_stays() -> None:
    built = writer.build_response(request(with_header(b"To", b"<sip:a@b>;tag=theirs")), 200, to_tag="ours")
    assert (built.to_tag, built.to.params) == ("theirs", (("tag", "theirs"),))


def test_reason_phrases() -> None:
    assert writer.build_response(request(), 486).reason == "Busy Here"
    assert writer.build_response(request(), 486, reason="").raw.startswith(b"SIP/2.0 486 \r\n")
    assert writer.build_response(request(), 499).reason == "Request Failure"


def test_sip_20_order_of_a_request_of_our_own() -> None:
    headers = [
        ("Subject", "x"),
        ("Contact", "<sip:a@b>"),
        ("Path", "<sip:e;lr>"),
        ("Record-Route", "<sip:p;lr>"),
        ("Route", "<sip:q;lr>"),
        ("Content-Type", "application/sdp"),
    ]
    names = [line.partition(":")[0] for line in build(headers=headers, body=BODY).lines[1:]]
    assert (
        names
        == (
            "Via Route Record-Route Path From To Call-ID CSeq Max-Forwards Contact Subject Content-Type Content-Length"
        ).split()
    )
    answer = writer.build_response(request(), 200, headers=headers, body=BODY)
    assert [line.partition(":")[0] for line in answer.lines[1:]] == (
        "Via Route Record-Route Path From To Call-ID CSeq Contact Subject Content-Type Content-Length".split()
    )
    assert answer.raw.endswith(b"\r\n\r\n" + BODY)


@pytest.mark.parametrize(
    "changes",
    [
        {"cseq": 2**31},
        {"cseq": -1},
        {"max_forwards": 256},
        {"via": "SIP/2.0/UDP"},
        {"from_": "sip:a,b"},
        {"to": "<sip:a"},
        {"call_id": "a b"},
        {"call_id": ""},
        {"via": VIA.replace("z9hG4bKnew", "z9hG4bK")},
        {"headers": [("Via", VIA)]},
        {"headers": [("l", "3")]},
        {"headers": [("Max-Forwards", "3")]},
        {"headers": [("Expires", "3"), ("expires", "3")]},
        {"headers": [("Contact", "sip:a,b")]},
        {"headers": [("Route", "sip:a;lr")]},
        {"headers": [("Two Words", "x")]},
        {"headers": [("Subject", 'an "unbalanced quote')]},
        {"headers": [("Subject", "a\r\nb")]},
        {"headers": [("Subject", "\ud800")]},
    ],
    ids=str,
)
def test_sip_18_builders_refuse(changes: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        build(**changes)
    assert build().raw


@pytest.mark.parametrize("uri", ["", "sip:a b", "sip:a\r\nX: y", "<sip:a>", "bob", "sip:a@b;x=<"])
def test_sip_18_request_uris_are_judged(uri: str) -> None:
    with pytest.raises(LocalProtocolError):
        forward(uri=uri)
    with pytest.raises(LocalProtocolError):
        writer.build_request("OPTIONS", uri, via=VIA, from_="<sip:a@b>", to="<sip:c@d>", call_id="x", cseq=1)


def test_method_is_judged() -> None:
    for method in ("", "IN VITE", "SIP/2.0", "A\r\n"):
        with pytest.raises(LocalProtocolError):
            writer.build_request(method, "sip:a", via=VIA, from_="<sip:a@b>", to="<sip:c@d>", call_id="x", cseq=1)


@pytest.mark.parametrize("status", [99, 700, 0, -200])
def test_status_is_judged(status: int) -> None:
    with pytest.raises(LocalProtocolError):
        writer.build_response(request(), status)


def test_forwarding_octets() -> None:
    """RFC 3261 16.6."""
    data = with_line(b"rOUTE: <sip:us;lr> ,\r\n <sip:next;lr> , <sip:last;lr>\r\nRecord-Route: <sip:before;lr>")
    forwarded = forward(data, record_routes=["<sip:us;lr>"], drop_routes=1, headers=[("X-Own", "1")])
    assert forwarded.raw == (
        b"INVITE sip:bob@192.0.2.4 SIP/2.0\r\n"
        b"Via: " + VIA.encode() + b"\r\n"
        b"Record-Route: <sip:us;lr>\r\n"
        b"X-Own: 1\r\n"
        b"rOUTE:\r\n <sip:next;lr> , <sip:last;lr>\r\n"
        b"Record-Route: <sip:before;lr>\r\n" + INVITE.partition(b"\r\n")[2].replace(b"Forwards: 70", b"Forwards: 69")
    )
    assert [route.uri.text for route in forwarded.routes] == ["sip:next;lr", "sip:last;lr"]
    assert (forwarded.max_forwards, forwarded.top_via.branch) == (69, "z9hG4bKnew")


def test_dropping_routes_over_several_lines() -> None:
    data = with_line(b"Route: <sip:a;lr>\r\nSubject: x\r\nroute: <sip:b;lr>,<sip:c;lr>\r\nRoute: <sip:d;lr>")
    for number, left in enumerate(["abcd", "bcd", "cd", "d", ""]):
        routes = forward(data, drop_routes=number).routes
        assert "".join(route.uri.text[4] for route in routes) == left
    assert not forward(data, drop_routes=9).has("Route")
    replaced = forward(data, drop_routes=4, routes=["<sip:x;lr>", "<sip:y;lr>"])
    assert [route.uri.text for route in replaced.routes] == ["sip:x;lr", "sip:y;lr"]


def test_forwarding_writes_a_missing_max_forwards_and_content_length() -> None:
    data = with_header(b"Max-Forwards", None, with_header(b"Content-Length", None))
    forwarded = forward(data, max_forwards=70)
    assert forwarded.header("Max-Forwards") == "70"
    assert forwarded.header("Content-Length") == str(len(BODY))


def test_forwarding_leaves_out_what_must_not_stand_in_a_request_uri() -> None:
    assert forward(uri="sip:bob@192.0.2.4;method=BYE?Route=%3Csip:x%3E").uri_text == "sip:bob@192.0.2.4"


def test_forwarding_refuses_a_second_single_header() -> None:
    with pytest.raises(LocalProtocolError, match="SIP-7"):
        forward(headers=[("Content-Type", "a/b")])


def test_forwarding_leaves_the_received_request_alone() -> None:
    received = request(with_line(b"Route: <sip:a;lr>"))
    raw = received.raw
    writer.forward_request(received, uri="sip:x", via=VIA, max_forwards=1, drop_routes=1, record_routes=["<sip:us;lr>"])
    assert received.raw == raw


def test_relaying_octets() -> None:
    first = RINGING.index(b"Via: ")
    second = RINGING.index(b"Via: ", first + 1)
    assert writer.relay_response(response()) == RINGING[:first] + RINGING[second:]
    joined = RINGING.replace(b"192.0.2.3\r\nVia: ", b"192.0.2.3 ,\r\n ")
    assert writer.relay_response(response(joined)) == RINGING[:first] + b"Via:\r\n " + RINGING[second + 5 :]


def test_sip_54_a_response_with_one_via_is_not_relayed() -> None:
    last = RINGING.replace(RINGING[RINGING.index(b"Via: ") : RINGING.index(b"Via: ", 30)], b"", 1)
    assert response(last).next_via is None
    with pytest.raises(LocalProtocolError, match="SIP-54"):
        writer.relay_response(response(last))


def test_ack_for_a_negative_answer() -> None:
    """RFC 3261 17.1.1.3: Request-URI, top Via, From, Call-ID and Route of the INVITE, To of the answer."""
    sent = forward(with_line(b"Route: <sip:r1;lr>\r\nRoute: <sip:r2;lr>"))
    ack = writer.ack_for(sent, response())
    assert ack.raw == (
        b"ACK sip:bob@192.0.2.4 SIP/2.0\r\n"
        b"Via: " + VIA.encode() + b"\r\n"
        b"Route: <sip:r1;lr>\r\nRoute: <sip:r2;lr>\r\n"
        b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
        b"To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\n"
        b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
        b"CSeq: 314159 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    assert ack == request(ack.raw)
    assert (ack.cseq.method, ack.to_tag, ack.top_via, ack.method) == ("ACK", "a6c85cf", sent.top_via, "ACK")


def test_sip_69_cancel() -> None:
    sent = forward(with_line(b"Route: <sip:r1;lr>"))
    cancel = writer.cancel_for(sent, 'SIP;cause=200;text="Call completed elsewhere"')
    assert cancel == request(cancel.raw)
    assert (cancel.method, cancel.uri_text, cancel.via) == ("CANCEL", sent.uri_text, (sent.top_via,))
    assert (cancel.cseq.number, cancel.cseq.method) == (314159, "CANCEL")
    assert (cancel.to, cancel.from_, cancel.call_id, cancel.routes) == (sent.to, sent.from_, sent.call_id, sent.routes)
    assert cancel.header("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert not writer.cancel_for(sent).has("Reason")
    with pytest.raises(LocalProtocolError):
        writer.cancel_for(sent, "SIP;\r\nX: y")


def partial(**changes: object) -> PartialRequest:
    fields = {
        "method": "INVITE",
        "via": (b"SIP/2.0/UDP a.example.com;rport;branch=z9hG4bKx",),
        "from_": b"<sip:a@b>;tag=1",
        "to": b"<sip:c@d>",
        "call_id": b"x",
        "cseq": b"1 INVITE",
        "host": "a.example.com",
        "port": None,
        "has_rport": True,
    }
    return PartialRequest(**{**fields, **changes})


def test_sip_22_stateless_answer() -> None:
    answer = writer.build_error_response(partial(), 400, "Bad Max-Forwards", received=("192.0.2.1", 5071), to_tag="t")
    assert answer == (
        b"SIP/2.0 400 Bad Max-Forwards\r\n"
        b"Via: SIP/2.0/UDP a.example.com;received=192.0.2.1;rport=5071;branch=z9hG4bKx\r\n"
        b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=t\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    )
    assert response(answer).top_via.rport == 5071


def test_sip_22_stateless_answer_repeats_only_what_was_readable() -> None:
    answer = writer.build_error_response(
        partial(from_=None, to=None, call_id=None, cseq=None), 400, "Missing From", received=("a.example.com", 5060)
    )
    assert answer.count(b"\r\n") == 4


def test_sip_22_stateless_answer_to_a_malformed_via() -> None:
    broken = partial(via=(b"SIP/2.0/UDP 192.0.2.15;;,;,,", b"SIP/2.0/UDP b"), host="192.0.2.15", has_rport=False)
    answer = writer.build_error_response(broken, 400, "Bad Via", received=("192.0.2.99", 5060))
    assert b"\r\nVia: SIP/2.0/UDP 192.0.2.15;received=192.0.2.99;;,;,,\r\nVia: SIP/2.0/UDP b\r\n" in answer
    same = writer.build_error_response(broken, 400, "Bad Via", received=("192.0.2.15", 5060))
    assert b"\r\nVia: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" in same


def test_a_to_tag_that_is_there_is_not_added_to() -> None:
    answer = writer.build_error_response(partial(to=b"<sip:a@b> ; TAG = x"), 400, "x", received=("192.0.2.1", 1))
    assert answer.lower().count(b"tag") == 2


@pytest.mark.parametrize("to_tag", ["", "a b", "a\r\n"])
def test_sip_204_stateless_answer_is_judged_too(to_tag: str) -> None:
    with pytest.raises(LocalProtocolError):
        writer.build_error_response(partial(), 400, "x", received=("192.0.2.1", 1), to_tag=to_tag)
    with pytest.raises(LocalProtocolError):
        writer.build_error_response(partial(), 400, "x\r\ny", received=("192.0.2.1", 1))


@pytest.mark.parametrize(
    ("via", "force", "expected"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx", False, None),
        ("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx", False, None),
        ("SIP/2.0/UDP [2001:db8:0::1];branch=z9hG4bKx", False, None),
        ("SIP/2.0/UDP a.example.com;branch=z9hG4bKx", False, ";branch=z9hG4bKx;received={host}"),
        ("SIP/2.0/UDP 192.0.2.77", False, ";received={host}"),
        ("SIP/2.0/UDP a;branch=z9hG4bKx;rport", False, ";branch=z9hG4bKx;received={host};rport=5071"),
        ("SIP/2.0/UDP {sent_by};rport;branch=z9hG4bKx", False, ";branch=z9hG4bKx;received={host};rport=5071"),
        ("SIP/2.0/UDP {sent_by};branch=z9hG4bKx", True, ";branch=z9hG4bKx;received={host};rport=5071"),
        ("SIP/2.0/UDP a;received=6.6.6.6;rport=1;x", False, ";x;received={host};rport=5071"),
        ("SIP/2.0/UDP a;Received=6.6.6.6;x", False, ";x;received={host}"),
        ('SIP/2.0/UDP a;x=";rport";rport', False, ';x=";rport";received={host};rport=5071'),
        ('SIP/2.0/UDP a;x=";rport"', False, ';x=";rport";received={host}'),
    ],
)
def test_sip_51_and_52_received_and_rport(via: str, force: bool, expected: str | None) -> None:
    for host, sent_by in (("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "[2001:db8::1]")):
        if expected is None and host not in via and not ("db8" in via and ":" in host):
            continue
        original = request(with_header(b"Via", via.format(sent_by=sent_by).encode()))
        stamped = writer.stamp_received(original, host, 5071, force_rport=force)
        if expected is None:
            assert stamped is original
            continue
        assert stamped.top_via.parameters == expected.format(host=host)
        assert stamped.via[0] == stamped.top_via
        assert stamped.top_via.received == host
        assert stamped == request(stamped.raw)


def test_stamping_a_line_of_several_values_leaves_the_rest() -> None:
    data = with_header(b"Via", b'SIP/2.0/UDP a;x="," , SIP/2.0/UDP  b;rport')
    stamped = writer.stamp_received(request(data), "192.0.2.1", 5071)
    assert stamped.lines[1] == 'Via: SIP/2.0/UDP a;x=",";received=192.0.2.1, SIP/2.0/UDP  b;rport'
