"""Rules of protocols B1 and B2 at the parser."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.parser import parse_message
from tests.resource_adaptors.sip.message.samples import (
    BODY,
    INVITE,
    RINGING,
    request,
    response,
    with_header,
    with_line,
    with_request_line,
)


def fault(data: bytes, *, tolerant: bool = False) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(data, tolerant=tolerant)
    return caught.value


def test_sip_1_typed_values_of_a_usual_request() -> None:
    parsed = request()
    assert (parsed.method, parsed.uri_text, parsed.max_forwards) == ("INVITE", "sip:bob@biloxi.example.com", 70)
    assert parsed.uri.text == parsed.uri_text
    assert (parsed.top_via.transport, parsed.top_via.host, parsed.top_via.port) == (
        "UDP",
        "pc33.atlanta.example.com",
        None,
    )
    assert (parsed.top_via.branch, parsed.top_via.rport) == ("z9hG4bK776asdhds", "")
    assert (parsed.from_.display_name, parsed.from_tag, parsed.to_tag) == ("Alice", "1928301774", None)
    assert parsed.call_id == "a84b4c76e66710@pc33.atlanta.example.com"
    assert (parsed.cseq.number, parsed.cseq.method) == (314159, "INVITE")
    assert (parsed.body, parsed.raw, parsed.leniencies) == (BODY, INVITE, ())


def test_sip_1_typed_values_of_a_usual_response() -> None:
    parsed = response()
    assert (parsed.status, parsed.reason) == (180, "Ringing")
    assert [via.host for via in parsed.via] == ["proxy.example.com", "pc33.atlanta.example.com"]
    assert parsed.next_via == parsed.via[1]
    assert parsed.via[1].rport == 5060
    assert parsed.to_tag == "a6c85cf"
    assert parsed.record_routes[0].uri.text == "sip:proxy.example.com;lr"


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_sip_24_a_missing_header_is_named(name: bytes) -> None:
    error = fault(with_header(name, None))
    assert (error.reason, error.kind) == (f"Missing {name.decode()}", "missing_header")
    assert error.status == (0 if name == b"Via" else 400)
    assert (error.partial is None) is (name == b"Via")
    assert fault(with_header(name, None, RINGING.replace(b"Via: SIP/2.0/UDP proxy", b"X: ", 1))).status == 0


def test_max_forwards_may_be_missing() -> None:
    """SIP-73."""
    assert request(with_header(b"Max-Forwards", None)).max_forwards is None


def test_sip_2_names_match_without_regard_to_case() -> None:
    parsed = request(with_line(b"x-OWN-header: 1\r\nX-Own-Header: 2"))
    assert parsed.header("X-own-HEADER") == "1"
    assert parsed.values("x-own-header") == ("1", "2")
    assert parsed.has("X-OWN-HEADER")
    assert not parsed.has("X-Own")


@pytest.mark.parametrize(
    ("compact", "name", "value"),
    [
        (b"k", "Supported", b"100rel"),
        (b"s", "Subject", b"hello"),
        (b"r", "Refer-To", b"<sip:a@b>"),
        (b"a", "Accept-Contact", b"*;audio"),
        (b"b", "Referred-By", b"<sip:a@b>"),
        (b"d", "Request-Disposition", b"proxy"),
        (b"e", "Content-Encoding", b"gzip"),
        (b"j", "Reject-Contact", b"*;video"),
        (b"n", "Identity-Info", b"<http://a>"),
        (b"o", "Event", b"presence"),
        (b"u", "Allow-Events", b"presence"),
        (b"x", "Session-Expires", b"90"),
        (b"y", "Identity", b"abc"),
    ],
)
def test_sip_3_compact_names(compact: bytes, name: str, value: bytes) -> None:
    for written in (compact, compact.upper()):
        parsed = request(with_line(written + b": " + value))
        assert parsed.header(name) == parsed.header(compact.decode()) == value.decode()


def test_sip_3_compact_names_of_the_typed_headers() -> None:
    data = INVITE
    for name, compact in ((b"Via", b"v"), (b"From", b"f"), (b"To", b"T"), (b"Call-ID", b"I"), (b"Contact", b"m")):
        data = data.replace(b"\r\n" + name + b":", b"\r\n" + compact + b":")
    data = data.replace(b"Content-Type:", b"C:").replace(b"Content-Length:", b"L:")
    assert data != INVITE
    compact_form, long_form = request(data), request()
    assert compact_form.via == long_form.via
    assert compact_form.contacts == long_form.contacts
    assert (compact_form.call_id, compact_form.body) == (long_form.call_id, BODY)
    assert compact_form.content_type == "application/sdp"


def test_sip_4_folding_reads_as_one_space() -> None:
    parsed = request(with_line(b"Subject: one  \r\n\t  two\r\n three"))
    assert parsed.header("Subject") == "one two three"
    assert parsed.raw == with_line(b"Subject: one  \r\n\t  two\r\n three")


def test_a_continuation_line_continues_no_start_line() -> None:
    assert fault(INVITE.replace(b"\r\nVia", b"\r\n \r\nVia", 1)).kind == "header_line"


def test_sip_5_white_space_where_the_grammar_allows_it() -> None:
    parsed = request(with_header(b"From", b'"A"<sip:a@b> ;\t tag = x ; y = "z;,"'))
    assert parsed.from_tag == "x"
    assert parsed.from_.param("y") == '"z;,"'
    assert request(with_header(b"Max-Forwards", b" \t 0007 ")).max_forwards == 7
    assert request(with_header(b"CSeq", b"  314159 \t INVITE  ")).cseq.number == 314159
    assert request(with_header(b"Call-ID", b"\t x ")).call_id == "x"
    assert request(with_header(b"Via", b"SIP / 2.0/ UDP a :5070 ; branch = z9hG4bKx ;rport")).top_via.port == 5070


def test_sip_6_lists_over_commas_and_lines() -> None:
    parsed = request(with_line(b'Accept: a/b, c/d;x=","\r\nAccept: e/f'))
    assert parsed.values("accept") == ("a/b", 'c/d;x=","', "e/f")
    parsed = request(with_header(b"Contact", b'"a,b" <sip:a@b;x=1>;q=1, <sip:c@d>\r\nm: sip:e@f;q=0.5'))
    assert [contact.uri.text for contact in parsed.contacts] == ["sip:a@b;x=1", "sip:c@d", "sip:e@f"]
    assert [contact.q for contact in parsed.contacts] == [1.0, None, 0.5]


@pytest.mark.parametrize("name", [b"WWW-Authenticate", b"Proxy-Authenticate", b"Authorization", b"Proxy-Authorization"])
def test_sip_6_credentials_are_never_split(name: bytes) -> None:
    parsed = request(with_line(name + b": Digest a=b, c=d\r\n" + name + b": Digest e=f, g=h"))
    assert parsed.values(name.decode()) == ("Digest a=b, c=d", "Digest e=f, g=h")


@pytest.mark.parametrize(
    "name",
    "From To Call-ID CSeq Max-Forwards Content-Length Content-Type Expires Min-Expires Event Refer-To Replaces "
    "Session-Expires Min-SE Subscription-State RAck RSeq SIP-ETag SIP-If-Match Date".split(),
)
def test_sip_7_single_headers_twice(name: str) -> None:
    value = request().header(name) or {"Refer-To": "<sip:a@b>"}.get(name, "1")
    for data in (INVITE, RINGING):
        twice = with_line(f"{name}: {value}\r\n{name.lower()}: {value}".encode(), data)
        error = fault(twice)
        assert (error.reason, error.kind) == (f"Repeated {name}", "repeated_header")
        assert error.status == (400 if data is INVITE else 0)


def test_sip_8_octets_that_are_not_utf_8() -> None:
    """Kept as they are in free text, an error in structured fields."""
    data = with_line(b"Subject: \xff\xfe", with_header(b"From", b'"\xe9" <sip:a@b>;tag=1'))
    parsed = request(data)
    assert parsed.raw == data
    assert parsed.from_.display_name.encode("utf-8", "surrogateescape") == b"\xe9"
    for name, value, kind in (
        (b"From", b"<sip:\xe9@b>;tag=1", "from"),
        (b"From", b"<sip:a@b>;tag=\xe9", "from"),
        (b"Call-ID", b"\xe9", "call_id"),
        (b"CSeq", b"1 INVIT\xc9", "cseq"),
        (b"Via", b"SIP/2.0/UDP \xe9", "via"),
        (b"Contact", b"<sip:a@\xe9>", "contact"),
    ):
        assert fault(with_header(name, value)).kind == kind


def test_sip_8_display_names_of_any_characters() -> None:
    assert request(with_header(b"From", "Zoë Müller <sip:a@b>".encode())).from_.display_name == "Zoë Müller"
    assert request(with_header(b"From", b'"a\\"b\\\\" <sip:a@b>')).from_.display_name == 'a"b\\'


@pytest.mark.parametrize("name", [b"From", b"To", b"Contact", b"Reply-To", b"Refer-To"])
def test_sip_13_addresses_without_brackets(name: bytes) -> None:
    def data(value: bytes) -> bytes:
        return with_line(name + b": " + value) if name not in (b"From", b"To") else with_header(name, value)

    good = request(data(b"sip:a@b;x=1;y"))
    if name in (b"From", b"To"):
        address = good.from_ if name == b"From" else good.to
        assert (address.uri.text, address.params) == ("sip:a@b", (("x", "1"), ("y", None)))
    for bad in (b"sip:a@b?x=1", b"sip:a,c@b", b"sip:a@b c"):
        assert fault(data(bad)).kind == name.decode().lower().replace("-", "_")


@pytest.mark.parametrize("name", [b"Route", b"Record-Route"])
def test_route_values_need_brackets(name: bytes) -> None:
    """RFC 3261 20.30 and 20.34: name-addr only."""
    request(with_line(name + b": <sip:a;lr>, <sip:b;lr>"))
    for bad in (b"sip:a;lr", b"<sip:a;lr>,", b"", b"<sip:a;lr", b"*"):
        assert fault(with_line(name + b": " + bad)).kind == name.decode().lower().replace("-", "_")


def test_contact_star() -> None:
    parsed = request(with_header(b"Contact", b"*"))
    assert parsed.contact_star
    assert parsed.contacts == ()
    assert not request().contact_star


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (b"CSeq", [b"0 INVITE", b"4294967295 INVITE", b"00000000000000000000000000007 INVITE"], b"4294967296 INVITE"),
        (b"CSeq", [], b"-1 INVITE"),
        (b"CSeq", [], b"1INVITE"),
        (b"CSeq", [], b"1"),
        (b"CSeq", [], b"\xc2\xb2 INVITE"),
        (b"CSeq", [], b"9" * 5_000 + b" INVITE"),
        (b"Max-Forwards", [b"0", b"255", b"0" * 5_000 + b"1"], b"256"),
        (b"Max-Forwards", [], b"+1"),
        (b"Max-Forwards", [], b"1.0"),
        (b"Max-Forwards", [], b""),
        (b"Content-Length", [b"36", b"0036"], b"+36"),
        (b"Content-Length", [], b"36, 36"),
        (b"Content-Length", [], b"9" * 5_000),
    ],
)
def test_sip_15_numbers(name: bytes, good: list[bytes], bad: bytes) -> None:
    for value in good:
        request(with_header(name, value))
    error = fault(with_header(name, bad))
    assert (error.status, error.kind) == (400, name.decode().lower().replace("-", "_"))


@pytest.mark.parametrize("status", [b"99", b"099", b"700", b"1000", b"20", b"abc", b"+20", b"", b"\xc2\xb200"])
def test_sip_15_status_codes(status: bytes) -> None:
    assert fault(with_request_line(b"SIP/2.0 " + status + b" Odd", RINGING)).status == 0
    assert response(with_request_line(b"SIP/2.0 699 Odd", RINGING)).status == 699
    assert response(with_request_line(b"sip/2.0 100", RINGING)).reason == ""


@pytest.mark.parametrize(
    ("value", "expected"), [(b"60", 60), (b"4294967295", 2**32 - 1), (b"4294967296", None), (b"-1", None), (b"x", None)]
)
def test_sip_15_expires(value: bytes, expected: int | None) -> None:
    parsed = request(with_line(b"Expires: " + value, with_header(b"Contact", b"<sip:a@b>;expires=" + value)))
    assert parsed.expires == parsed.contacts[0].expires == expected
    assert request().expires is None


def test_sip_16_content_length_in_a_datagram() -> None:
    absent = request(with_header(b"Content-Length", None))
    assert absent.body == BODY
    smaller = request(with_header(b"Content-Length", b"3"))
    assert (smaller.body, smaller.leniencies) == (BODY[:3], ("extra_octets",))
    assert fault(with_header(b"Content-Length", b"37")).reason == "Content-Length Larger Than Message"
    assert fault(with_header(b"Content-Length", b"1", RINGING)).status == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Sat, 13 Nov 2010 23:29:00 GMT", "2010-11-13T23:29:00+00:00"),
        (b"Fri, 01 Jan 2010 16:00:00 EST", None),
        (b"Fri, 31 Feb 2010 16:00:00 GMT", None),
        (b"Sat, 13 Nov 2010 24:29:00 GMT", None),
        (b"13 Nov 2010 23:29:00 GMT", None),
        (b"yesterday", None),
    ],
)
def test_sip_19_date_is_gmt_or_no_date(value: bytes, expected: str | None) -> None:
    date = request(with_line(b"Date: " + value)).date
    assert (None if date is None else date.isoformat()) == expected
    assert request().date is None


def test_sip_22_an_ack_is_never_answered() -> None:
    data = with_header(b"CSeq", b"x ACK", with_request_line(b"ACK sip:a@b SIP/2.0"))
    assert (fault(data).status, fault(data).partial) == (0, None)
    for line in (b"ACK\tsip:a@b SIP/2.0", b" ACK  sip:a@b SIP/2.0"):
        assert fault(with_request_line(line)).status == 0


def test_sip_22_what_could_be_read_is_known() -> None:
    partial = fault(with_header(b"Max-Forwards", b"x", with_line(b"v: SIP/2.0/TCP [2001:db8::1]:5070;RPORT"))).partial
    assert partial is not None
    assert (partial.method, partial.host, partial.port, partial.has_rport) == ("INVITE", "[2001:db8::1]", 5070, True)
    assert partial.via[0] == b"SIP/2.0/TCP [2001:db8::1]:5070;RPORT"
    assert len(partial.via) == 2
    assert partial.from_ == b'"Alice" <sip:alice@atlanta.example.com>;tag=1928301774'
    assert partial.to == b"Bob <sip:bob@biloxi.example.com>"
    assert partial.cseq == b"314159 INVITE"


def test_sip_22_what_would_break_the_answer_is_not_repeated() -> None:
    partial = fault(with_header(b"From", b"<sip:a@b>;tag=1\nX-Own: 1")).partial
    assert partial is not None
    assert partial.from_ is None
    assert fault(with_header(b"Via", b"SIP/2.0/UDP a;branch=z9hG4bKx\nX-Own: 1")).partial is None


def test_sip_25_line_ends() -> None:
    for bad in (b"Subject: a\nb", b"Subject: a\rb", b'Subject: "a\nb"', b"Subject: a\n", b"\rSubject: a"):
        error = fault(with_line(bad))
        assert (error.status, error.kind) == (400, "line_end")
    mixed = INVITE.replace(b"\r\nTo", b"\nTo").replace(b"\r\nCSeq", b"\rCSeq")
    assert fault(mixed).kind == "line_end"
    parsed = parse_message(mixed, tolerant=True)
    assert parsed == request()
    assert parsed.leniencies == ("line_end",)
    assert parse_message(INVITE, tolerant=True).leniencies == ()


def test_sip_25_tolerant_mode_ends_the_headers_at_the_first_empty_line() -> None:
    head, _, body = INVITE.partition(b"\r\n\r\n")
    for end in (b"\n\n", b"\r\r", b"\r\n\n", b"\n\r\n"):
        parsed = parse_message(head.replace(b"\r\n", b"\n") + end + body, tolerant=True)
        assert parsed == request()


def test_sip_25_line_ends_of_the_body_do_not_matter() -> None:
    data = with_header(b"Content-Length", b"3").partition(b"\r\n\r\n")[0] + b"\r\n\r\n\n\r\0"
    assert request(data).body == b"\n\r\0"


def test_an_empty_line_has_to_end_the_headers() -> None:
    head = INVITE.partition(b"\r\n\r\n")[0]
    for data in (head, head + b"\r\n"):
        for tolerant in (False, True):
            assert fault(data, tolerant=tolerant).kind == "end_of_headers"


def test_sip_27_nul() -> None:
    for line in (b"Subject: a\0b", b"X\0: a", b'Subject: "a\0b"', b'Subject: "a\\\\\0b"'):
        assert fault(with_line(line)).kind in ("nul", "header_line")
        assert fault(with_line(line)).status == 400
    request(with_line(b'Subject: "a\\\0b"'))


@pytest.mark.parametrize("line", [b"NoColon", b": no name", b"Two Words: x", b"N\xe9: x", b"<>: x", b""])
def test_header_lines_without_a_name(line: bytes) -> None:
    if line:
        assert fault(with_line(line)).kind == "header_line"
    else:
        assert fault(b"INVITE sip:a SIP/2.0\r\n\r\nVia: SIP/2.0/UDP a\r\n\r\n").kind == "missing_header"


@pytest.mark.parametrize(
    ("line", "status", "kind"),
    [
        (b"INVITE sip:a@b SIP/2.0 ", 400, "start_line"),
        (b" INVITE sip:a@b SIP/2.0", 400, "start_line"),
        (b"INVITE\tsip:a@b\tSIP/2.0", 400, "start_line"),
        (b"INV@TE sip:a@b SIP/2.0", 400, "start_line"),
        (b"INVITE sip:a@b SIP/3.0", 505, "version"),
        (b"INVITE sip:a@b SIP/2.00", 505, "version"),
        (b"INVITE sip:a@b HTTP/1.1", 400, "not_sip"),
        (b"INVITE sip:a@b", 400, "not_sip"),
        (b"INVITE SIP/2.0", 400, "start_line"),
        (b"INVITE sip:a@b@c SIP/2.0", 400, "request_uri"),
        (b"INVITE sip:@b SIP/2.0", 400, "request_uri"),
        (b"INVITE sip: SIP/2.0", 400, "request_uri"),
        (b"INVITE bob SIP/2.0", 400, "request_uri"),
        (b'INVITE sip:"a"@b SIP/2.0', 400, "request_uri"),
        (b"INVITE tel:hello SIP/2.0", 400, "request_uri"),
        (b"INVITE sip:a@b:65536 SIP/2.0", 400, "request_uri"),
        (b"INVITE sip:a@b: SIP/2.0", 400, "request_uri"),
        (b"INVITE sip:a@b;; SIP/2.0", 400, "request_uri"),
        (b"INVITE sip:a@b;x=%z SIP/2.0", 400, "request_uri"),
    ],
)
def test_start_lines(line: bytes, status: int, kind: str) -> None:
    error = fault(with_request_line(line))
    assert (error.status, error.kind) == (status, kind)
    assert request(with_request_line(b"INVITE sip:a@b sip/2.0")).uri_text == "sip:a@b"


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"x" * 99]
)
def test_what_is_no_sip_is_dropped(data: bytes) -> None:
    assert fault(data).status == 0
    assert fault(data, tolerant=True).status == 0


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"SIP/2.0/UDP",
        b"SIP/2.0/UDP a;",
        b"SIP/2.0/UDP a;branch=",
        b"SIP/2.0/UDP a;branch=x;branch=y",
        b"SIP/2.0/UDP a;BRANCH=x;branch=y",
        b"SIP/2.0/UDP a;branch",
        b'SIP/2.0/UDP a;branch="x"',
        b"SIP/2.0/UDP a;=x",
        b"SIP/2.0/UDP a:99999",
        b"SIP/2.0/UDP [::g]",
        b"SIP/2.0/UDP a b",
        b"SIP/2.0/UDP a,",
        b"SIP/2.0/UDP a, b",
        b"SIP/3.0/UDP a",
        b'SIP/2.0/UDP a;x="',
    ],
)
def test_malformed_vias_anywhere(value: bytes) -> None:
    for data in (with_header(b"Via", value), with_line(b"Via: SIP/2.0/UDP top", with_header(b"Via", value))):
        assert fault(data).kind in ("via", "branch")
    assert fault(with_header(b"Via", value, RINGING)).status == 0


def test_branch_in_any_case() -> None:
    assert request(with_header(b"Via", b"SIP/2.0/UDP a;BRANCH=z9hG4bKx")).top_via.branch == "z9hG4bKx"
    assert request(with_header(b"Via", b"SIP/2.0/UDP a;branch-x=y")).top_via.branch is None
    assert request(with_header(b"Via", b"SIP/2.0/UDP a;ttl=1;rport;branch=z9hG4bKx;x")).top_via.branch == "z9hG4bKx"


def test_tags_twice_are_malformed() -> None:
    """One element must not read another tag than the next one does (RFC 3261 7.3.1)."""
    assert fault(with_header(b"From", b"<sip:a@b>;tag=1;tag=2")).kind == "from"
    assert fault(with_header(b"To", b"<sip:a@b>;tag=1;TAG=2")).kind == "to"
    assert fault(with_header(b"To", b"<sip:a@b>;tag=")).kind == "to"
    assert request(with_header(b"To", b"<sip:a@b>;TAG=2")).to_tag == "2"


@pytest.mark.parametrize("name", ["Contact", "Route", "Record-Route", "Path"])
def test_what_is_accepted_can_be_read_though_a_parameter_is_repeated(name: str) -> None:
    """`tag` means nothing in these headers: a lazy property must not refuse what the parser has accepted."""
    parsed = parse_message(
        INVITE.replace(b"Content-Type", b"%b: <sip:a@b>;tag=x;tag=y\r\nContent-Type" % name.encode())
    )
    assert isinstance(parsed, Request)
    addresses = (*parsed.contacts, *parsed.routes, *parsed.record_routes, *parsed.paths)
    assert [address.param("tag") for address in addresses if address.params] == ["x"]


@pytest.mark.parametrize("name", [b"From", b"To"])
def test_repeated_tag_of_a_side_is_refused(name: bytes) -> None:
    """RFC 3261 7.3.1: a parameter stands once; here it would be read as one dialog by us and as another elsewhere."""
    head, _, tail = INVITE.partition(b"\r\n%b: " % name)
    rest = tail.partition(b"\r\n")[2]
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(b"%b\r\n%b: <sip:a@b>;tag=x;tag=y\r\n%b" % (head, name, rest))
    assert caught.value.kind == name.decode().lower()
