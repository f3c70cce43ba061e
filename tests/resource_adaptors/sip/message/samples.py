"""Messages that the tests of the message model start from."""

from __future__ import annotations

from typing import Final

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message

BODY: Final = b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"

INVITE: Final = (
    b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
    b"To: Bob <sip:bob@biloxi.example.com>\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:alice@pc33.atlanta.example.com>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY

RINGING: Final = (
    b"SIP/2.0 180 Ringing\r\n"
    b"Via: SIP/2.0/UDP proxy.example.com;branch=z9hG4bK4b43c2ff8.1;received=192.0.2.3\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds;rport=5060;received=192.0.2.1\r\n"
    b"Record-Route: <sip:proxy.example.com;lr>\r\n"
    b'From: "Alice" <sip:alice@atlanta.example.com>;tag=1928301774\r\n'
    b"To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:bob@192.0.2.4>\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def request(data: bytes = INVITE) -> Request:
    """The request of these octets."""
    parsed = parse_message(data)
    assert isinstance(parsed, Request)
    return parsed


def response(data: bytes = RINGING) -> Response:
    """The response of these octets."""
    parsed = parse_message(data)
    assert isinstance(parsed, Response)
    return parsed


def with_line(line: bytes, data: bytes = INVITE) -> bytes:
    """The message with one more header line, before the others."""
    start, separator, rest = data.partition(b"\r\n")
    return start + separator + line + b"\r\n" + rest


def with_header(name: bytes, value: bytes | None, data: bytes = INVITE) -> bytes:
    """The message with another value of a header that it has; without the header if there is none."""
    lines = data.split(b"\r\n")
    position = next(number for number, line in enumerate(lines) if line.startswith(name + b":"))
    lines[position : position + 1] = [] if value is None else [name + b": " + value]
    return b"\r\n".join(lines)


def with_request_line(line: bytes, data: bytes = INVITE) -> bytes:
    """The message with another start line."""
    return line + data[data.index(b"\r\n") :]
