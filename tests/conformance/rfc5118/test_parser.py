"""RFC 5118 at the parser: IPv6 literals wherever a host may stand."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.uri import SipUri
from tests.conformance.rfc5118 import messages
from tests.conformance.torture import ACCEPT, TortureMessage


def request(data: bytes) -> Request:
    parsed = parse_message(data)
    assert isinstance(parsed, Request)
    return parsed


def host_port(data: bytes) -> tuple[str, int | None]:
    uri = request(data).uri
    assert isinstance(uri, SipUri)
    return uri.host, uri.port


@pytest.mark.parametrize("message", messages.MESSAGES, ids=lambda message: f"{message.section}-{message.name}")
def test_verdict(message: TortureMessage) -> None:
    if message.parser == ACCEPT:
        assert request(message.data).contacts is not None
        return
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(message.data)
    assert (caught.value.status, caught.value.kind) == (message.parser, message.kind)
    assert caught.value.partial is not None
    assert caught.value.partial.host == "[2001:db8::9:1]"


def test_4_3_and_4_4_a_port_is_what_stands_behind_the_bracket() -> None:
    assert host_port(messages.PORT_AMBIGUOUS) == ("[2001:db8::10:5070]", None)
    assert host_port(messages.PORT_UNAMBIGUOUS) == ("[2001:db8::10]", 5070)


@pytest.mark.parametrize("data", [messages.VIA_RECEIVED_WITH_DELIMITERS, messages.VIA_RECEIVED_NO_DELIMITERS])
def test_4_5_received_with_and_without_brackets(data: bytes) -> None:
    via = request(data).top_via
    assert via.received == "2001:db8::9:255"
    assert via.host == "[2001:db8::9:1]"


def test_4_7_addresses_of_both_families() -> None:
    vias = request(messages.MULTIPLE_IP_IN_HEADER).via
    assert [(via.host, via.port) for via in vias] == [
        ("[2001:db8::9:1]", 6050),
        ("192.0.2.1", None),
        ("[2001:db8::9:255]", None),
    ]
    assert vias[2].received == "192.0.2.200"


def test_4_9_ipv4_mapped_addresses() -> None:
    parsed = request(messages.IPV4_MAPPED_IPV6)
    assert (parsed.top_via.host, parsed.top_via.port) == ("[::ffff:192.0.2.10]", 19823)
    assert isinstance(parsed.contacts[0].uri, SipUri)
    assert parsed.contacts[0].uri.host == "[::ffff:192.0.2.10]"


def test_4_10_three_colons_are_read_and_written_as_two() -> None:
    two, three = request(messages.CORRECT_ABNF_2_COLONS), request(messages.BUG_ABNF_3_COLONS)
    assert three.uri.equivalent(two.uri)
    assert three.uri_text == two.uri_text == "sip:user@[2001:db8::192.0.2.1]"
    assert three.to.uri == two.to.uri
