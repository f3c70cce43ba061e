"""B3: every element comes to the same verdict about the octets of a torture message (SIP-29)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.uri import OtherUri, SipUri
from tests.conformance.rfc4475.messages import MESSAGES, VERDICTS


def verdict(data: bytes, *, tolerant: bool = False) -> int | None:
    try:
        parse_message(data, tolerant=tolerant)
    except RemoteProtocolError as error:
        return error.status
    return None


def refusal(name: str) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(MESSAGES[name])
    return caught.value


def request(name: str) -> Request:
    message = parse_message(MESSAGES[name])
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    message = parse_message(MESSAGES[name])
    assert isinstance(message, Response)
    return message


def test_every_message_of_the_rfcs_is_here() -> None:
    assert MESSAGES.keys() == VERDICTS.keys()
    sections = [name.split()[0] for name in MESSAGES if not name.startswith("5118")]
    assert len(sections) == len(set(sections)) == 49


@pytest.mark.parametrize("name", MESSAGES)
def test_verdict(name: str) -> None:
    assert verdict(MESSAGES[name]) == VERDICTS[name].parser


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if verdict.parser is None])
def test_accepted_message_keeps_its_octets(name: str) -> None:
    """SIP-2, SIP-154: only octets behind the body are discarded (SIP-26)."""
    message = parse_message(MESSAGES[name])
    discarded = "dblreq" in name
    assert MESSAGES[name].startswith(message.raw) if discarded else message.raw == MESSAGES[name]
    assert parse_message(message.raw) == message


def test_3_1_1_1_folding_and_white_space() -> None:
    message = request("3.1.1.1 wsinv")
    assert message.method == "INVITE"
    assert (message.from_.display_name, message.from_tag) == ('J Rosenberg \\"', "98asjd8")
    assert message.to_tag == message.to.tag == "1918181833n"
    assert message.max_forwards == 68
    assert (message.cseq.number, message.cseq.method) == (9, "INVITE")
    assert [(via.transport, via.host, via.branch) for via in message.via] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.header("Subject") == ""
    assert message.header("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.header("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    (contact,) = message.contacts
    assert (contact.display_name, contact.uri.text, contact.q) == ('Quoted string ""', "sip:jdrosen@example.com", 0.33)
    assert (contact.param("newparam"), contact.param("secondparam")) == ("newvalue", "")
    (route,) = message.routes
    assert route.uri.text == "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    assert len(message.body) == 150


def test_3_1_1_2_wide_range_of_characters() -> None:
    message = request("3.1.1.2 intmeth")
    assert message.method == message.cseq.method == "!interesting-Method0123456789_*+`.%indeed'~"
    uri = message.uri
    assert isinstance(uri, SipUri)
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert uri.host == "example.com"
    assert message.to.display_name == "BEL:\a NUL:\0 DEL:\x7f"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.param("fromparam''~+*_!.-%") == '"работающий"'
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.header("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_3_1_1_3_escapes_are_kept_and_compared_decoded() -> None:
    message = request("3.1.1.3 esc01")
    assert isinstance(message.uri, SipUri)
    assert (message.uri.scheme, message.uri.user, message.uri.host) == (
        "sip",
        "sips%3Auser%40example.com",
        "example.net",
    )
    assert message.to.uri.equivalent(SipUri.parse("sip:user@example.com"))
    (contact,) = message.contacts
    assert contact.uri.text == "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31"
    assert isinstance(contact.uri, SipUri)
    # `lr` is written with escapes here, and `%25%34%31` is `%41`, not `A`: decoded once (SIP-10)
    assert contact.uri.is_loose
    assert contact.uri.equivalent(SipUri.parse("sip:caller@host5.example.net;lr;name=value%2541"))
    assert not contact.uri.equivalent(SipUri.parse("sip:caller@host5.example.net;lr;name=valueA"))


def test_3_1_1_4_escaped_null_is_an_ordinary_octet() -> None:
    message = request("3.1.1.4 escnull")
    assert message.to.uri.aor == "sip:null-%00-null@example.com"
    one, two = message.contacts
    assert not one.uri.equivalent(two.uri)


def test_3_1_1_5_percent_is_no_escape_in_methods_and_names() -> None:
    message = request("3.1.1.5 esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display_name == "%Z%45"
    assert [contact.uri.text for contact in message.contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]
    assert message.header("C%6Fntact") == "<sip:alias2@host2.example.com>"


def test_3_1_1_6_no_white_space_before_the_bracket() -> None:
    message = request("3.1.1.6 lwsdisp")
    assert (message.from_.display_name, message.from_.uri.text) == ("caller", "sip:caller@example.com")


def test_3_1_1_7_long_values() -> None:
    message = request("3.1.1.7 longreq")
    assert len(message.via) == 34
    assert message.via[-1].branch == f"very{'long' * 50}branchvalue"
    assert message.top_via.branch is None


def test_3_1_1_8_octets_behind_the_message_are_discarded() -> None:
    assert request("3.1.1.8 dblreq").body == b""


def test_3_1_1_9_semicolon_in_the_user_part() -> None:
    uri = request("3.1.1.9 semiuri").uri
    assert isinstance(uri, SipUri)
    assert (uri.user, uri.host, uri.params) == ("user;par=u%40example.net", "example.com", ())


def test_3_1_1_10_transports() -> None:
    transports = [via.transport for via in request("3.1.1.10 transports").via]
    assert transports == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_3_1_1_11_body_is_opaque() -> None:
    body = request("3.1.1.11 mpart01").body
    assert len(body) == 553
    assert b"\0" in body


def test_3_1_1_12_and_13_reason_phrases() -> None:
    assert response("3.1.1.12 unreason").reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    empty = response("3.1.1.13 noreason")
    assert (empty.status, empty.reason) == (100, "")


def test_3_1_2_11_header_part_is_dropped_in_tolerant_mode() -> None:
    message = parse_message(MESSAGES["3.1.2.11 escruri"], tolerant=True)
    assert isinstance(message, Request)
    assert message.uri_text == message.uri.text == "sip:user@example.com"


def test_3_1_2_12_date_of_another_zone_is_no_date() -> None:
    """SIP-19."""
    message = request("3.1.2.12 baddate")
    assert message.date is None
    assert message.header("Date") == "Fri, 01 Jan 2010 16:00:00 EST"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("3.1.2.2 clerr", "Content-Length Too Large"),
        ("3.1.2.3 ncl", "Bad Content-Length"),
        ("3.1.2.4 scalar02", "CSeq Out Of Range"),
        ("3.1.2.6 quotbal", "Bad To"),
        ("3.1.2.13 regbadct", "Bad Contact"),
        ("3.1.2.14 badaspec", "Bad To"),
        ("3.1.2.15 baddn", "Bad From"),
        ("3.1.2.17 mismatch01", "CSeq Method Mismatch"),
        ("3.2.1 badbranch", "Bad Branch"),
        ("3.3.1 insuf", "Missing From"),
        ("3.3.8 multi01", "Repeated CSeq"),
        ("3.3.9 mcl01", "Repeated Content-Length"),
    ],
)
def test_reason_phrase_names_the_fault(name: str, reason: str) -> None:
    """SIP-24."""
    assert refusal(name).reason == reason


def test_3_3_1_what_is_there_can_be_repeated() -> None:
    """SIP-22."""
    partial = refusal("3.3.1 insuf").partial
    assert partial is not None
    assert (partial.method, partial.host, partial.cseq) == ("INVITE", "192.0.2.95", b"193942 INVITE")
    assert partial.from_ is partial.to is partial.call_id is None


def test_3_3_2_to_4_foreign_schemes_are_kept() -> None:
    uri = request("3.3.2 unkscm").uri
    assert isinstance(uri, OtherUri)
    assert (uri.scheme, uri.text) == ("nobodyknowsthisscheme", "nobodyKnowsThisScheme:totallyopaquecontent")
    assert request("3.3.3 novelsc").uri.text == "soap.beep://192.0.2.103:3002"
    message = request("3.3.4 unksm2")
    assert [message.to.uri.text, message.from_.uri.text, message.contacts[0].uri.text] == [
        "isbn:2983792873",
        "http://www.example.com",
        "name:John_Smith",
    ]


def test_3_3_12_to_14_parameters_of_header_and_uri() -> None:
    (outside,) = request("3.3.12 cparam01").contacts
    (inside,) = request("3.3.13 cparam02").contacts
    (escaped,) = request("3.3.14 regescrt").contacts
    assert (outside.uri.text, outside.params) == ("sip:+19725552222@gw1.example.net", (("unknownparam", None),))
    assert (inside.uri.text, inside.params) == ("sip:+19725552222@gw1.example.net;unknownparam", ())
    assert isinstance(escaped.uri, SipUri)
    assert escaped.uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_5118_port_inside_and_outside_the_brackets() -> None:
    inside, outside = request("5118-4.3 port-inside").uri, request("5118-4.4 port-outside").uri
    assert isinstance(inside, SipUri)
    assert isinstance(outside, SipUri)
    assert (inside.host, inside.port) == ("[2001:db8::10:5070]", None)
    assert (outside.host, outside.port) == ("[2001:db8::10]", 5070)


def test_5118_brackets_in_received_are_optional() -> None:
    for name in ("5118-4.5 received-brackets", "5118-4.5 received-plain"):
        assert request(name).top_via.received == "2001:db8::9:255"


def test_5118_three_colons_are_written_back_as_two() -> None:
    message = request("5118-4.10 three-colons")
    right = request("5118-4.10 two-colons")
    assert message.uri_text == message.uri.text == right.uri.text
    assert message.to.uri.aor == right.to.uri.aor
    assert b":::" in message.raw
