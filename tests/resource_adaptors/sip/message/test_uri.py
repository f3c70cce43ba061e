"""URIs (SIP-9 to SIP-12, RFC 3261 19.1.4, RFC 3966, RFC 5954)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from resource_adaptors.sip.message.uri import OtherUri, SipUri, TelUri, UriError, parse_uri
from tests.resource_adaptors.sip.message.strategies import uris


def test_sip_9_parts_of_a_sip_uri() -> None:
    uri = SipUri.parse(
        "sips:alice:secret;x@[2001:db8::1]:5061;transport=tcp;lr?subject=a%20b&priority=urgent".replace(";x", "")
    )
    assert (uri.scheme, uri.user, uri.password) == ("sips", "alice", "secret")
    assert (uri.host, uri.port) == ("[2001:db8::1]", 5061)
    assert uri.params == (("transport", "tcp"), ("lr", None))
    assert uri.headers == "subject=a%20b&priority=urgent"
    assert uri.is_loose
    assert (uri.param("transport"), uri.param("lr"), uri.param("ttl")) == ("tcp", "", None)


def test_sip_9_user_parts_may_hold_what_separates_elsewhere() -> None:
    uri = SipUri.parse("sip:a;b=c?d/e&f=g+h$i,j@host;p")
    assert (uri.user, uri.host, uri.params) == ("a;b=c?d/e&f=g+h$i,j", "host", (("p", None),))


@pytest.mark.parametrize("text", ["sip:alice@b", "SIP:alice@b", "Sip:alice@b:5060;x=%20?a=b"])
def test_text_and_str_give_back_what_was_received(text: str) -> None:
    assert parse_uri(text).text == str(parse_uri(text)) == text
    assert SipUri.parse(text).scheme == "sip"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "sip:@b",
        "sip:a@",
        "sip:a@b c",
        "sip:a b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a@b:123456",
        "sip:a@[::1",
        "sip:a@[::g]",
        "sip:a@[::1%25eth0]",
        "sip:a@[::1]5060",
        "sip:a@::1",
        "sip:a@b;",
        "sip:a@b;;lr",
        "sip:a@b;=x",
        "sip:a@b;x=",
        "sip:a@b;x=y=z",
        "sip:a@b?",
        "sip:a@b?x=%2",
        "sip:a%2@b",
        "sip:a%zz@b",
        "sip:a@b@c",
        "sip:<a>@b",
        'sip:"a"@b',
        "sip:é@b",
        "1ab:x",
        "a/b:x",
        "http:",
        "http://a b",
        "tel:",
        "tel:hello",
        "tel:123;",
        "tel:123;x=<",
        "sip:a@b\n",
        "sip:a@b;lr\r\n",
        "tel:1\n",
        "urn:a\n",
    ],
)
def test_malformed_uris(text: str) -> None:
    with pytest.raises(UriError):
        parse_uri(text)


def test_sip_uri_parse_refuses_other_schemes() -> None:
    with pytest.raises(UriError, match="no sip URI"):
        SipUri.parse("tel:123")


EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::0:1]"),
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("tel:123;ext=4;phone-context=a", "tel:123;phone-context=A;ext=4"),
    ("urn:service:sos", "urn:service:sos"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@b;user=phone", "sip:a@b"),
    ("sip:a@b;ttl=1", "sip:a@b"),
    ("sip:a@b;maddr=c", "sip:a@b"),
    ("sip:a@b;method=INVITE", "sip:a@b"),
    ("sip:a:x@b", "sip:a:X@b"),
    ("sip:a@b", "sips:a@b"),
    ("sip:null-%00-null@b", "sip:null-@b"),
    ("sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]"),
    ("tel:123", "sip:123@b"),
    ("tel:123", "tel:123;ext=4"),
    ("urn:service:sos", "urn:service:SOS"),
    ("sip:a@b", "urn:a"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_sip_11_equivalent(one: str, other: str) -> None:
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_sip_11_different(one: str, other: str) -> None:
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sips:Alice@Example.COM:5060;transport=tcp?x=y", "sip:Alice@example.com"),
        ("sip:%61lice@example.com.", "sip:alice@example.com"),
        ("sip:a%40b%00%2f@example.com:5070", "sip:a%40b%00%2F@example.com:5070"),
        ("sip:alice:secret@example.com", "sip:alice@example.com"),
        ("sip:a@[2001:DB8::0:1]", "sip:a@[2001:db8::1]"),
        ("sip:example.com", "sip:example.com"),
        ("tel:+1-(201)-555.0123;x=y", "tel:+12015550123"),
        ("urn:a:B", "urn:a:B"),
    ],
)
def test_sip_12_address_of_record(text: str, aor: str) -> None:
    assert parse_uri(text).aor == aor


def test_sip_12_settings() -> None:
    uri = SipUri.parse("sips:Alice@example.com:5061")
    assert uri.address_of_record(case_sensitive=False) == "sip:alice@example.com:5061"
    assert uri.address_of_record(fold_sips=False) == "sips:Alice@example.com:5061"
    assert uri.address_of_record(default_port=5061) == "sip:Alice@example.com"
    assert uri.address_of_record(default_port=None) == "sip:Alice@example.com:5061"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:a@b", "sip:a@b"),
        ("sip:a@b?Route=%3Csip:c%3E", "sip:a@b"),
        ("sip:a@b;method=BYE;transport=tcp", "sip:a@b;transport=tcp"),
        ("sip:a@b;x;METHOD=BYE?y=z", "sip:a@b;x"),
    ],
)
def test_what_must_not_stand_in_a_request_uri_is_left_out(text: str, expected: str) -> None:
    """RFC 3261 19.1.1 table 1, 16.6 item 2."""
    assert SipUri.parse(text).request_uri == expected


def test_kinds_of_uris() -> None:
    assert parse_uri("tel:+1;ext=2") == TelUri("tel:+1;ext=2", "+1", (("ext", "2"),))
    assert parse_uri("HTTP://a/b?c#d") == OtherUri("HTTP://a/b?c#d", "http")


def test_uris_are_immutable() -> None:
    with pytest.raises(AttributeError):
        SipUri.parse("sip:a@b").host = "c"


@settings(deadline=None)
@given(uris)
def test_a_uri_is_equivalent_to_itself_and_keeps_its_text(text: str) -> None:
    uri = parse_uri(text)
    assert uri.text == text
    assert uri.equivalent(parse_uri(text))
    assert parse_uri(uri.aor).aor == uri.aor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:a@b;method=INVITE", "sip:a@b"),
        ("sip:a@b;x=1;METHOD=INVITE;y?to=c", "sip:a@b;x=1;y"),
        ("sip:a;method=BYE@b;method=BYE", "sip:a;method=BYE@b"),
        ("sip:a@b;%6Dethod=INVITE;lr", "sip:a@b;lr"),
        ("sip:a@b;method", "sip:a@b"),
    ],
)
def test_19_1_1_method_parameter_and_header_part_do_not_go_into_a_request_uri(text: str, expected: str) -> None:
    assert SipUri.parse(text).request_uri == expected


def test_19_1_4_escape_in_a_parameter_name_is_equal_to_its_character() -> None:
    uri = SipUri.parse("sip:a@b;%6C%72;m%61ddr=192.0.2.1")
    assert uri.is_loose
    assert uri.param("maddr") == "192.0.2.1"
