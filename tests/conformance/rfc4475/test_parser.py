"""RFC 4475 at the parser: every verdict of protocols B3, and what is read from the messages that are accepted."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.uri import OtherUri, SipUri
from tests.conformance.rfc4475.messages import BY_NAME, MESSAGES
from tests.conformance.rfc4475.valid import DBLREQ, MPART01_BODY
from tests.conformance.torture import ACCEPT, DROP, TortureMessage


def request(name: str) -> Request:
    parsed = parse_message(BY_NAME[name].data)
    assert isinstance(parsed, Request)
    return parsed


def response(name: str) -> Response:
    parsed = parse_message(BY_NAME[name].data)
    assert isinstance(parsed, Response)
    return parsed


def fault(name: str, *, tolerant: bool = False) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(BY_NAME[name].data, tolerant=tolerant)
    return caught.value


def test_there_are_49_messages_each_of_its_own_section() -> None:
    assert len(MESSAGES) == len(BY_NAME) == len({message.section for message in MESSAGES}) == 49


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.section}-{message.name}")
@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerant"])
def test_verdict(message: TortureMessage, tolerant: bool) -> None:
    if message.parser == ACCEPT or (tolerant and message.name == "escruri"):
        parsed = parse_message(message.data, tolerant=tolerant)
        assert message.data.startswith(parsed.raw)
        return
    error = fault(message.name, tolerant=tolerant)
    assert error.kind == message.kind
    assert error.status == (0 if message.parser == DROP else message.parser)
    assert (error.partial is None) is (message.parser == DROP)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.section}-{message.name}")
def test_messages_have_no_fault_but_the_one_they_are_about(message: TortureMessage) -> None:
    head, _, body = message.data.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    lengths = [int(value) for name, _, value in lines if name.strip().lower() in (b"l", b"content-length")]
    if message.name not in ("clerr", "ncl", "mcl01", "dblreq"):
        assert not lengths or lengths == [len(body)]


def test_3_1_1_1_short_tortuous_invite() -> None:
    parsed = request("wsinv")
    assert parsed.method == "INVITE"
    assert isinstance(parsed.uri, SipUri)
    assert parsed.uri.params == (("unknownparam", None),)
    assert parsed.max_forwards == 68
    assert parsed.cseq.number == 9
    assert parsed.to.uri.text == "sip:vivekg@chair-dnrc.example.com"
    assert parsed.to_tag == "1918181833n"
    assert parsed.from_.display_name == 'J Rosenberg \\"'
    assert parsed.from_tag == "98asjd8"
    assert [(via.transport, via.host, via.branch) for via in parsed.via] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert parsed.top_via == parsed.via[0]
    assert parsed.header("Subject") == ""
    assert parsed.header("newfangledheader") == "newfangled value continued newfangled value"
    assert parsed.header("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    (route,) = parsed.routes
    assert isinstance(route.uri, SipUri)
    assert route.uri.is_loose
    assert route.uri.param("unknown-no-value") == ""
    (contact,) = parsed.contacts
    assert contact.display_name == 'Quoted string ""'
    assert contact.params == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    assert contact.q == 0.33
    assert len(parsed.body) == 150


def test_3_1_1_2_wide_range_of_valid_characters() -> None:
    parsed = request("intmeth")
    assert parsed.method == parsed.cseq.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert isinstance(parsed.uri, SipUri)
    assert parsed.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert parsed.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert parsed.uri.host == "example.com"
    assert parsed.uri.headers is None
    assert parsed.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert parsed.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert parsed.from_tag == "_token~1'+`*%!-."
    assert parsed.from_.param("fromparam''~+*_!.-%") == '"работающий"'
    assert parsed.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert parsed.top_via.branch == "z9hG4bK-.!%66*_+`'~"
    assert parsed.max_forwards == 255
    assert parsed.header("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_3_1_1_3_escapes_are_not_undone() -> None:
    parsed = request("esc01")
    assert isinstance(parsed.uri, SipUri)
    assert (parsed.uri.user, parsed.uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert parsed.to.uri.equivalent(SipUri.parse("sip:user@example.com"))
    (contact,) = parsed.contacts
    assert isinstance(contact.uri, SipUri)
    assert contact.uri.params == (("%6C%72", None), ("n%61me", "v%61lue%25%34%31"))
    assert contact.uri.is_loose  # `%6C%72` is `lr`: an escape is equal to its character (RFC 3261 19.1.4)
    # unescaped once: the value is "value%41", not "valueA"
    assert contact.uri.equivalent(SipUri.parse("sip:caller@host5.example.net;name=value%2541"))
    assert not contact.uri.equivalent(SipUri.parse("sip:caller@host5.example.net;name=valueA"))


def test_3_1_1_4_escaped_null_is_an_octet_of_the_user_part() -> None:
    parsed = request("escnull")
    assert isinstance(parsed.to.uri, SipUri)
    assert parsed.to.uri.aor == "sip:null-%00-null@example.com"
    one, two = parsed.contacts
    assert not one.uri.equivalent(two.uri)
    assert not parsed.to.uri.equivalent(SipUri.parse("sip:null-@example.com"))


def test_3_1_1_5_percent_is_an_ordinary_character_of_method_and_header_name() -> None:
    parsed = request("esc02")
    assert parsed.method == "RE%47IST%45R"
    assert parsed.from_.display_name == "%Z%45"
    assert [contact.uri.text for contact in parsed.contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]
    assert parsed.header("C%6Fntact") == "<sip:alias2@host2.example.com>"


def test_3_1_1_6_no_space_between_display_name_and_bracket() -> None:
    parsed = request("lwsdisp")
    assert parsed.from_.display_name == "caller"
    assert parsed.from_.uri.text == "sip:caller@example.com"


def test_3_1_1_7_long_values() -> None:
    parsed = request("longreq")
    assert len(parsed.via) == 34
    assert parsed.via[-1].received == "192.0.2.5"
    assert parsed.via[-1].branch == f"very{'long' * 50}branchvalue"
    assert parsed.top_via.branch is None
    assert isinstance(parsed.to.uri, SipUri)
    assert parsed.to.uri.port == 6000
    assert parsed.from_tag == f"12{'982' * 50}424"


def test_3_1_1_8_extra_octets_are_discarded() -> None:
    parsed = request("dblreq")
    assert parsed.method == "REGISTER"
    assert parsed.body == b""
    assert parsed.leniencies == ("extra_octets",)
    assert DBLREQ.startswith(parsed.raw)
    assert b"INVITE" not in parsed.raw


def test_3_1_1_9_semicolon_in_the_user_part() -> None:
    parsed = request("semiuri")
    assert isinstance(parsed.uri, SipUri)
    assert (parsed.uri.user, parsed.uri.host) == ("user;par=u%40example.net", "example.com")
    assert parsed.uri.params == ()
    assert parsed.values("Accept")[-1] == "message/sipfrag"
    assert len(parsed.values("Accept")) == 6


def test_3_1_1_10_unknown_transports() -> None:
    assert [via.transport for via in request("transports").via] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_3_1_1_11_binary_body_stays_as_it_is() -> None:
    assert request("mpart01").body == MPART01_BODY


def test_3_1_1_12_and_13_reason_phrases() -> None:
    assert response("unreason").reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert response("unreason").status == 200
    assert response("noreason").reason == ""
    assert response("noreason").status == 100


def test_3_1_2_1_what_can_be_read_of_a_malformed_via_is_answered_to() -> None:
    partial = fault("badinv01").partial
    assert partial is not None
    assert (partial.host, partial.port, partial.has_rport) == ("192.0.2.15", None, False)
    assert partial.call_id == b"badinv01.0ha0isndaksdjasdf3234nas"


def test_3_1_2_11_tolerant_mode_accepts_the_header_part_and_counts_it() -> None:
    parsed = parse_message(BY_NAME["escruri"].data, tolerant=True)
    assert isinstance(parsed, Request)
    assert isinstance(parsed.uri, SipUri)
    assert parsed.uri.headers == "Route=%3Csip:example.com%3E"
    assert parsed.uri.request_uri == "sip:user@example.com"
    assert parsed.leniencies == ("uri_headers",)


def test_3_1_2_12_a_date_in_another_zone_is_no_date() -> None:
    assert request("baddate").date is None
    assert request("baddate").has("Date")


def test_3_1_2_16_version_is_told_before_anything_else() -> None:
    error = fault("badvers")
    assert error.reason == "Version Not Supported"
    assert error.partial is not None
    assert error.partial.via == (b"SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",)


def test_3_3_1_what_is_there_is_known() -> None:
    error = fault("insuf")
    assert error.reason.startswith("Missing ")
    partial = error.partial
    assert partial is not None
    assert (partial.from_, partial.to, partial.call_id) == (None, None, None)
    assert partial.cseq == b"193942 INVITE"


def test_3_3_2_and_3_3_3_other_schemes_are_opaque() -> None:
    assert request("unkscm").uri == OtherUri("nobodyKnowsThisScheme:totallyopaquecontent", "nobodyknowsthisscheme")
    assert request("novelsc").uri == OtherUri("soap.beep://192.0.2.103:3002", "soap.beep")


def test_3_3_4_other_schemes_in_addresses_are_left_to_the_registrar() -> None:
    parsed = request("unksm2")
    assert isinstance(parsed.to.uri, OtherUri)
    assert parsed.from_.uri.text == "http://www.example.com"
    assert parsed.contacts[0].uri.text == "name:John_Smith"


def test_3_3_10_next_via_is_known() -> None:
    via = response("bcast").next_via
    assert via is not None
    assert via.host == "255.255.255.255"


def test_3_3_11_max_forwards_zero_is_a_value() -> None:
    assert request("zeromf").max_forwards == 0


def test_3_3_12_to_14_three_bindings_differ() -> None:
    in_header, in_uri, escaped = (request(name).contacts[0] for name in ("cparam01", "cparam02", "regescrt"))
    assert in_header.params == (("unknownparam", None),)
    assert in_header.uri.text == "sip:+19725552222@gw1.example.net"
    assert in_uri.params == ()
    assert in_uri.uri.text == "sip:+19725552222@gw1.example.net;unknownparam"
    assert escaped.uri.text == "sip:user@example.com?Route=%3Csip:sip.example.com%3E"


def test_3_4_1_rfc_2543_request() -> None:
    parsed = request("inv2543")
    assert parsed.top_via.branch is None
    assert parsed.from_tag is None
    assert parsed.max_forwards is None
    assert parsed.to.params == (("user", "phone"),)
    assert len(parsed.body) == 105
