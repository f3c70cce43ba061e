"""Table B2: each limit at its value, one above it and ten times above it (COM-12, SIP-21)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.limits import DATAGRAM, Limits
from resource_adaptors.sip.message.parser import parse_message
from tests.resource_adaptors.sip.message.samples import (
    INVITE,
    RINGING,
    request,
    with_header,
    with_line,
    with_request_line,
)


def with_last_line(line: bytes, data: bytes = INVITE) -> bytes:
    head, separator, body = data.partition(b"\r\n\r\n")
    return head + b"\r\n" + line + separator + body


def start_line(size: int) -> bytes:
    filler = b"M" * (size - len(b" sip:bob@biloxi.example.com SIP/2.0"))
    return with_header(b"CSeq", b"1 " + filler, with_request_line(filler + b" sip:bob@biloxi.example.com SIP/2.0"))


def uri(size: int) -> bytes:
    return with_request_line(b"INVITE sip:" + b"b" * (size - 4) + b" SIP/2.0")


def header_line(size: int) -> bytes:
    return with_line(b"X-Long: " + b"x" * (size - 8))


def header_line_of_two_octet_characters(size: int) -> bytes:
    filler = "é".encode() * ((size - 8) // 2) + b"x" * ((size - 8) % 2)
    return with_line(b"X-Long: " + filler)


def header_section(size: int) -> bytes:
    data = INVITE
    while (missing := size - data.index(b"\r\n\r\n")) > 0:
        line = min(missing, 8_000) if missing < 8_000 or missing - 8_000 > 100 else missing - 200
        data = with_last_line(b"X-Fill: " + b"x" * (line - 10), data)
    return data


def header_lines(number: int) -> bytes:
    have = INVITE.partition(b"\r\n\r\n")[0].count(b"\r\n")
    return with_last_line(b"\r\n".join([b"X-Y: z"] * (number - have)))


def values_on_one_line(number: int) -> bytes:
    return with_line(b"Supported: " + b",".join([b"a"] * number))


def values_on_many_lines(number: int) -> bytes:
    return with_line(b"\r\n".join([b"Supported: a"] * number))


def contacts(number: int) -> bytes:
    return with_header(b"Contact", b",".join([b"<sip:a@b>"] * number))


def parameters(number: int) -> bytes:
    return with_header(b"Contact", b"<sip:a@b>" + b";p" * number)


def parameters_of_via(number: int) -> bytes:
    return with_header(b"Via", b"SIP/2.0/UDP a;branch=z9hG4bKx" + b";p" * (number - 1))


def vias_on_one_line(number: int) -> bytes:
    return with_header(b"Via", b",".join([b"SIP/2.0/UDP a;branch=z9hG4bKx"] * number))


def vias_on_many_lines(number: int) -> bytes:
    return with_line(b"\r\n".join([b"Via: SIP/2.0/UDP a"] * (number - 1)))


def call_id(size: int) -> bytes:
    return with_header(b"Call-ID", b"x" * size)


def from_tag(size: int) -> bytes:
    return with_header(b"From", b"<sip:a@b>;tag=" + b"x" * size)


def to_tag(size: int) -> bytes:
    return with_header(b"To", b"sip:a@b;x=y;tag=" + b"x" * size)


def branch(size: int) -> bytes:
    return with_header(b"Via", b"SIP/2.0/UDP a;branch=z9hG4bK" + b"x" * (size - 7))


def body(size: int) -> bytes:
    head = with_header(b"Content-Length", b"%d" % size).partition(b"\r\n\r\n")[0]
    return head + b"\r\n\r\n" + b"x" * size


def body_without_length(size: int) -> bytes:
    head = with_header(b"Content-Length", None).partition(b"\r\n\r\n")[0]
    return head + b"\r\n\r\n" + b"x" * size


def whole_message(size: int) -> bytes:
    head = with_header(b"Content-Length", None).partition(b"\r\n\r\n")[0]
    return head + b"\r\n\r\n" + b"x" * (size - len(head) - 4)


WIDE = Limits(message=10**7, start_line=10**6, headers=10**6, lines=10**4)

CASES: list[tuple[Callable[[int], bytes], int, int, str, Limits]] = [
    (start_line, DATAGRAM.start_line, 400, "start_line_too_long", Limits(message=10**6, headers=10**6, line=10**6)),
    (uri, DATAGRAM.uri, 414, "uri_too_long", DATAGRAM),
    (header_line, DATAGRAM.line, 400, "line_too_long", WIDE),
    (header_line_of_two_octet_characters, DATAGRAM.line, 400, "line_too_long", WIDE),
    (header_section, DATAGRAM.headers, 513, "header_section_too_large", Limits(message=10**6)),
    (header_lines, DATAGRAM.lines, 400, "too_many_lines", DATAGRAM),
    (values_on_one_line, DATAGRAM.values, 400, "too_many_values", WIDE),
    (values_on_many_lines, DATAGRAM.values, 400, "too_many_values", WIDE),
    (contacts, DATAGRAM.values, 400, "too_many_values", Limits(message=10**6, line=10**5)),
    (parameters, DATAGRAM.parameters, 400, "too_many_parameters", DATAGRAM),
    (parameters_of_via, DATAGRAM.parameters, 400, "too_many_parameters", DATAGRAM),
    (vias_on_one_line, DATAGRAM.vias, 483, "too_many_vias", Limits(line=10**5)),
    (vias_on_many_lines, DATAGRAM.vias, 483, "too_many_vias", WIDE),
    (call_id, DATAGRAM.token, 400, "token_too_long", WIDE),
    (from_tag, DATAGRAM.token, 400, "token_too_long", WIDE),
    (to_tag, DATAGRAM.token, 400, "token_too_long", WIDE),
    (branch, DATAGRAM.token, 400, "token_too_long", WIDE),
    (body, DATAGRAM.body, 413, "body_too_large", WIDE),
    (body_without_length, DATAGRAM.body, 413, "body_too_large", WIDE),
]


@pytest.mark.parametrize(("make", "limit", "status", "kind", "limits"), CASES, ids=[case[0].__name__ for case in CASES])
def test_at_limit_above_and_far_above(
    make: Callable[[int], bytes], limit: int, status: int, kind: str, limits: Limits
) -> None:
    parse_message(make(limit), limits=limits)
    for size in (limit + 1, 10 * limit):
        with pytest.raises(RemoteProtocolError) as caught:
            parse_message(make(size), limits=limits)
        expected = {(status, kind)}
        if size > limit + 1:
            # something that holds so much of one thing may break the limit of the whole first
            expected |= {(400, "line_too_long"), (400, "start_line_too_long"), (413, "body_too_large")}
        assert (caught.value.status, caught.value.kind) in expected
        assert caught.value.partial is not None


def test_whole_message() -> None:
    roomy = Limits(body=10**6)
    assert len(whole_message(DATAGRAM.message)) == DATAGRAM.message
    parse_message(whole_message(DATAGRAM.message), limits=roomy)
    for size in (DATAGRAM.message + 1, 10 * DATAGRAM.message):
        with pytest.raises(RemoteProtocolError) as caught:
            parse_message(whole_message(size), limits=roomy)
        assert (caught.value.status, caught.value.kind) == (513, "message_too_large")


def test_folding_does_not_count_in_a_line() -> None:
    """A header line is measured after unfolding."""
    folded = b"X-Long: " + b"\r\n   ".join([b"x" * 80] * 101)
    assert len(folded) > DATAGRAM.line
    parse_message(with_line(folded))


def test_continuation_lines_are_not_header_lines() -> None:
    parse_message(with_line(b"X-Y: a" + b"\r\n b" * 1_000))


def test_long_start_line_with_a_short_uri_is_400_and_with_a_long_one_414() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(uri(9_000))
    assert caught.value.status == 414


def test_a_response_above_a_limit_is_dropped() -> None:
    """SIP-23."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(with_line(b"Supported: " + b",".join([b"a"] * 129), RINGING))
    assert (caught.value.status, caught.value.partial) == (0, None)


def test_commas_and_semicolons_that_separate_nothing_are_not_counted() -> None:
    line = b'Contact: "' + b",;" * 200 + b'" <sip:a@b>\r\nSubject: ' + b",;" * 200
    assert len(request(with_line(line, with_header(b"Contact", b"<sip:c@d>"))).contacts) == 2


@pytest.mark.parametrize(
    ("limits", "data", "kind"),
    [
        (Limits(token=40), with_header(b"Call-ID", b"x" * 41), "token_too_long"),
        (Limits(line=100), with_line(b"X-Y: " + b"x" * 96), "line_too_long"),
        (Limits(values=3), with_line(b"Supported: a,b,c,d"), "too_many_values"),
        (Limits(parameters=2), with_header(b"Contact", b"<sip:a@b>;a;b;c"), "too_many_parameters"),
        (Limits(vias=1), with_line(b"Via: SIP/2.0/UDP a"), "too_many_vias"),
        (Limits(uri=30), with_request_line(b"INVITE sip:" + b"b" * 27 + b" SIP/2.0"), "uri_too_long"),
        (Limits(lines=12), with_line(b"\r\n".join([b"X-Y: z"] * 4)), "too_many_lines"),
        (Limits(headers=430), with_line(b"X-Y: " + b"x" * 90), "header_section_too_large"),
        (Limits(body=35), INVITE, "body_too_large"),
        (Limits(message=480), with_line(b"X-Y: " + b"x" * 90), "message_too_large"),
        (Limits(start_line=40), INVITE, "start_line_too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_configured_limits_hold(limits: Limits, data: bytes, kind: str) -> None:
    """COM-12: every limit is a configuration key."""
    if data != INVITE:
        parse_message(INVITE, limits=limits)
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(data, limits=limits)
    assert caught.value.kind == kind
