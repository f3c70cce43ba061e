"""Properties of parser and writers over all messages (COM-22, SIP-1, SIP-154, SIP-163, SIP-204)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resource_adaptors.sip.message import writer
from resource_adaptors.sip.message.errors import KINDS, LENIENCIES, LocalProtocolError, RemoteProtocolError
from resource_adaptors.sip.message.message import Message, Request, Response
from resource_adaptors.sip.message.parser import parse_message
from tests.resource_adaptors.sip.message.samples import INVITE, request
from tests.resource_adaptors.sip.message.strategies import messages, mutated

OUR_VIA = "SIP/2.0/UDP proxy.example.com;branch=z9hG4bKour"


def read_everything(message: Message) -> None:
    """Read whatever can be read, also what is parsed late."""
    for via in message.via:
        assert via.params is not None
        assert (via.branch, via.received, via.rport, via.maddr, via.ttl) is not None
    assert message.via[0] == message.top_via
    assert (message.from_.tag, message.to.tag) == (message.from_tag, message.to_tag)
    for address in (message.from_, message.to, *message.contacts, *message.routes, *message.record_routes):
        assert (address.uri.aor, address.q, address.expires, address.tag, address.display_name) is not None
        assert address.uri.equivalent(address.uri)
    assert (message.content_type, message.expires, message.contact_star, repr(message)) is not None
    for key in message.index:
        assert message.has(key)
        assert message.header(key) is not None
        assert message.values(key)
    assert set(message.leniencies) <= set(LENIENCIES)
    if isinstance(message, Request):
        assert message.uri.aor
    elif isinstance(message, Response):
        assert message.next_via == (message.via[1] if len(message.via) > 1 else None)


def parse_or_refuse(data: bytes, *, tolerant: bool) -> Message | None:
    try:
        message = parse_message(data, tolerant=tolerant)
    except RemoteProtocolError as error:
        assert error.kind in KINDS
        if error.partial is not None:
            answer = writer.build_error_response(error.partial, error.status, error.reason, received=("192.0.2.9", 5))
            assert answer.endswith(b"\r\n\r\n")
            assert answer.count(b"\r") == answer.count(b"\n") == answer.count(b"\r\n")
            assert b"\0" not in answer
        else:
            assert error.status == 0
        return None
    read_everything(message)
    return message


@settings(deadline=None)
@given(messages())
def test_parse_of_serialised_is_the_same(data: bytes) -> None:
    message = parse_message(data)
    assert message.raw == data
    again = parse_message(message.raw)
    assert again == message
    assert hash(again) == hash(message)
    assert (again.via, again.from_, again.to, again.cseq) == (message.via, message.from_, message.to, message.cseq)
    read_everything(message)


@settings(deadline=None)
@given(data=mutated(), tolerant=st.booleans())
def test_mutated_torture_messages_raise_nothing_but_remote_protocol_error(data: bytes, tolerant: bool) -> None:
    message = parse_or_refuse(data, tolerant=tolerant)
    if message is not None and "line_end" not in message.leniencies:
        assert data.startswith(message.raw)


@settings(deadline=None)
@given(data=st.binary(max_size=200), tolerant=st.booleans())
@example(b"", False)
@example(b"\r\n\r\n", True)
@example(b"SIP/2.0", False)
@example(b"A B SIP/2.0\r\nv:SIP/2.0/A B\r\n\r\n", False)
def test_random_octets_raise_nothing_but_remote_protocol_error(data: bytes, tolerant: bool) -> None:
    parse_or_refuse(data, tolerant=tolerant)


@settings(deadline=None)
@given(data=mutated())
def test_strict_and_tolerant_agree_on_what_strict_accepts(data: bytes) -> None:
    try:
        strict = parse_message(data)
    except RemoteProtocolError:
        return
    tolerant = parse_message(data, tolerant=True)
    if "line_end" not in tolerant.leniencies:
        assert tolerant == strict


@settings(deadline=None)
@given(messages())
def test_forwarding_changes_nothing_but_what_a_proxy_changes(data: bytes) -> None:
    """SIP-154, SIP-163: received order, name form and folding stay, octet for octet."""
    message = parse_message(data)
    if not isinstance(message, Request):
        return
    forwarded = writer.forward_request(message, uri="sip:next@example.org", via=OUR_VIA, max_forwards=12)
    assert parse_message(forwarded.raw) == forwarded
    assert forwarded.top_via.branch == "z9hG4bKour"
    assert forwarded.via[1:] == message.via
    expected = [line for line, key in zip(message.lines, message.keys, strict=True) if key not in ("", "max-forwards")]
    ours = [line for line, key in zip(forwarded.lines, forwarded.keys, strict=True) if key not in ("", "max-forwards")]
    assert ours[0] == f"Via: {OUR_VIA}"
    added = [] if message.has("content-length") or not message.body else [f"Content-Length: {len(message.body)}"]
    assert ours[1:] == expected + added
    assert forwarded.body == message.body


@settings(deadline=None)
@given(messages())
def test_relaying_takes_away_the_top_via_and_nothing_else(data: bytes) -> None:
    message = parse_message(data)
    if not isinstance(message, Response):
        return
    if message.next_via is None:
        with pytest.raises(LocalProtocolError):
            writer.relay_response(message)
        return
    relayed = parse_message(writer.relay_response(message))
    assert relayed.via == message.via[1:]
    assert [line for line, key in zip(relayed.lines, relayed.keys, strict=True) if key != "via"] == [
        line for line, key in zip(message.lines, message.keys, strict=True) if key != "via"
    ]
    assert relayed.body == message.body


@settings(deadline=None)
@given(data=messages(), host=st.ip_addresses().map(str), port=st.integers(1, 65_535), force=st.booleans())
def test_stamping_changes_the_top_via_and_nothing_else(data: bytes, host: str, port: int, force: bool) -> None:
    message = parse_message(data)
    if not isinstance(message, Request):
        return
    raw = message.raw
    stamped = writer.stamp_received(message, host, port, force_rport=force)
    assert message.raw == raw
    read_everything(stamped)
    assert parse_message(stamped.raw) == stamped
    assert stamped.via[1:] == message.via[1:]
    assert stamped.top_via.branch == message.top_via.branch
    asked = message.top_via.rport is not None or force
    assert stamped.top_via.rport == (port if asked else None)
    if asked:
        assert stamped.top_via.received == host
    position = message.index["via"]
    assert [line for number, line in enumerate(stamped.lines) if number != position] == [
        line for number, line in enumerate(message.lines) if number != position
    ]


@settings(deadline=None)
@given(messages(), st.sampled_from([100, 180, 200, 302, 404, 500, 603]))
def test_responses_repeat_what_they_must(data: bytes, status: int) -> None:
    """SIP-65: Via, From, Call-ID and CSeq exactly; one To tag but on 100."""
    message = parse_message(data)
    if not isinstance(message, Request):
        return
    built = writer.build_response(message, status, to_tag="ours", headers=[("Contact", "<sip:a@b>")], body=b"xy")
    again = parse_message(built.raw)
    assert isinstance(again, Response)
    assert again == built
    assert (again.status, again.reason) == (built.status, built.reason)
    assert (again.via, again.from_, again.call_id, again.cseq) == (
        message.via,
        message.from_,
        message.call_id,
        message.cseq,
    )
    assert (again.top_via, again.from_tag, again.to_tag) == (built.top_via, built.from_tag, built.to_tag)
    assert again.to_tag == (message.to_tag or (None if status == 100 else "ours"))
    assert again.record_routes == (message.record_routes if 100 < status < 300 else ())
    assert "\r\n " not in "\r\n".join(built.lines)


NASTY = st.one_of(
    st.text(st.sampled_from('\r\n\0<>"\\;,: =%?@ab\t\udc80\ud800é'), max_size=12),
    st.text(max_size=12),
    st.sampled_from(["a\r\nVia: b", "a\r\n b", "a\nb: c", "\r", "x\0", 'a"b', '<sip:a@b>"', "<sip:a@b>;tag=<"]),
)


def build_request(**changes: str) -> Request:
    fields = {"method": "OPTIONS", "uri": "sip:b", "via": OUR_VIA, "from_": "<sip:a@b>;tag=1", "to": "<sip:c@d>"}
    fields = {**fields, "call_id": "x", "header": "value", **changes}
    return writer.build_request(
        fields["method"],
        fields["uri"],
        via=fields["via"],
        from_=fields["from_"],
        to=fields["to"],
        call_id=fields["call_id"],
        cseq=1,
        headers=[("X-Any", fields["header"])],
    )


def forward_request(**changes: str) -> Request:
    fields = {"uri": "sip:b", "via": OUR_VIA, "route": "<sip:r;lr>", "name": "X-Any", "value": "v", **changes}
    return writer.forward_request(
        request(),
        uri=fields["uri"],
        via=fields["via"],
        max_forwards=1,
        record_routes=[fields["route"]],
        routes=[fields["route"]],
        headers=[(fields["name"], fields["value"])],
    )


def _fields(text: str) -> list[Callable[[], Message]]:
    """Each field of each writer that could be given text from the network."""
    base = request()
    return [
        lambda: writer.build_response(base, 200, reason=text),
        lambda: writer.build_response(base, 200, to_tag=text),
        lambda: writer.build_response(base, 200, headers=[("X-Any", text)]),
        lambda: writer.build_response(base, 200, headers=[(text, "value")]),
        lambda: writer.cancel_for(base, text),
        *(
            partial(build_request, **{name: text})
            for name in ("method", "uri", "via", "from_", "to", "call_id", "header")
        ),
        *(partial(forward_request, **{name: text}) for name in ("uri", "via", "route", "name", "value")),
    ]


@settings(deadline=None)
@given(NASTY)
@example("a\r\nX: y")
def test_sip_204_no_value_makes_another_header(text: str) -> None:
    """A value is refused, or what is written has exactly the lines that were meant."""
    for build in _fields(text):
        try:
            built = build()
        except LocalProtocolError:
            continue
        head, separator, _ = built.raw.partition(b"\r\n\r\n")
        assert separator
        assert head.count(b"\r") == head.count(b"\n") == len(built.lines) - 1
        assert b"\0" not in head
        again = parse_message(built.raw)
        assert again == built
        assert again.keys == built.keys
        assert again.call_id == built.call_id
        assert again.body == built.body


def test_the_sample_is_what_the_properties_start_from() -> None:
    assert request().raw == INVITE
