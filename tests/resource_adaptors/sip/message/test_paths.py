"""The fast path and the careful path read the same: what one expression proves is what the grammar says."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from resource_adaptors.sip.message.errors import RemoteProtocolError, ValueSyntaxError
from resource_adaptors.sip.message.message import Message, Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.uri import SipUri, UriError, parse_uri
from resource_adaptors.sip.message.values import NameAddr, Via, parse_name_addr, parse_via
from tests.resource_adaptors.sip.message.strategies import addresses, messages, mutated, sip_uris, vias


def carefully(data: bytes) -> bytes:
    """The same message, each header value on a line of its own: nothing in it has the common shape."""
    head, separator, body = data.partition(b"\r\n\r\n")
    return re.sub(rb"(\r\n[^ \t:\r\n]+):", rb"\1:\r\n ", head) + separator + body


def typed(message: Message) -> tuple[object, ...]:
    return (
        *(fields(via) for via in message.via),
        *(meaning(address) for address in (message.from_, message.to, *message.contacts)),
        *(meaning(address) for address in (*message.routes, *message.record_routes)),
        message.from_tag,
        message.to_tag,
        message.call_id,
        message.cseq,
        message.body,
        (message.max_forwards, message.uri) if isinstance(message, Request) else None,
        (message.status, message.reason) if isinstance(message, Response) else None,
    )


def fields(via: Via) -> tuple[object, ...]:
    return (via.transport, via.host, via.port, via.branch, via.received, via.rport, via.maddr, via.ttl, via.params)


def meaning(address: NameAddr) -> tuple[object, ...]:
    return (address.display_name, address.uri, address.params)


@settings(deadline=None)
@given(st.one_of(messages(), mutated()))
def test_messages(data: bytes) -> None:
    try:
        fast = parse_message(data)
    except RemoteProtocolError:
        return
    assert typed(parse_message(carefully(data))) == typed(fast)


@settings(deadline=None)
@given(
    st.one_of(
        vias, st.text('SIP/2.0UDP a:;=,branch"[]1\t', max_size=40), vias.map(lambda via: via.replace("=", ";", 1))
    )
)
def test_vias(text: str) -> None:
    """White space around separators means nothing, but keeps the value from having the common shape."""
    spaced = re.sub(r'(?<=;)(?=[^"]*(?:"[^"]*"[^"]*)*$)', " ", text) + " ;keep-x"
    try:
        fast = parse_via(f"{text};keep-x")
    except ValueSyntaxError:
        return
    assert fields(parse_via(spaced)) == fields(fast)


@settings(deadline=None)
@given(addresses)
def test_addresses(text: str) -> None:
    assert meaning(parse_name_addr(f"{text} ; keep-x ")) == meaning(parse_name_addr(f"{text};keep-x"))


@settings(deadline=None)
@given(st.one_of(sip_uris, st.text("sip:a@b.c;=?%41-_[]1/,", max_size=30).map(lambda text: f"sip:{text}")))
def test_uris(text: str) -> None:
    """A header part keeps a URI from having the common shape."""
    try:
        fast = parse_uri(text)
    except UriError:
        return
    assert isinstance(fast, SipUri)
    if fast.headers is None:
        careful = parse_uri(f"{text}?x=y")
        assert isinstance(careful, SipUri)
        assert (careful.scheme, careful.user, careful.password, careful.host, careful.port, careful.params) == (
            fast.scheme,
            fast.user,
            fast.password,
            fast.host,
            fast.port,
            fast.params,
        )
        assert careful.request_uri == text
