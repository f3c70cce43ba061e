"""Octets to messages, in one pass; what no element may accept is refused here (protocols B1 to B3, RFC 4475).

Start line and headers are split at once. The headers that every message has are parsed, and the addresses that every
element has to refuse if they are malformed are judged; all else is parsed when it is read. Each step first tries one
expression that proves the common shape well-formed, and goes the careful way for the rest.
"""

from __future__ import annotations

import re
from typing import Final

from resource_adaptors.sip.message.errors import ValueSyntaxError
from resource_adaptors.sip.message.framing import (
    WRITTEN,
    cut_body,
    frame,
    judge_numbers,
    judge_repetition,
    judge_sizes,
    judge_tokens,
)
from resource_adaptors.sip.message.limits import DATAGRAM, Limits
from resource_adaptors.sip.message.message import Message, Request, Response, line_value
from resource_adaptors.sip.message.names import KEYS
from resource_adaptors.sip.message.refusal import refusal
from resource_adaptors.sip.message.uri import PLAIN_URI, SipUri, UriError, parse_uri
from resource_adaptors.sip.message.values import (
    ADDRESS_HEADERS,
    PLAIN_DISPLAY,
    PLAIN_VIA,
    TAG,
    TOKEN,
    TOKEN_CHARACTERS,
    WHITE,
    CSeq,
    NameAddr,
    Via,
    judge_addresses,
    parse_cseq,
    parse_name_addr,
    parse_number,
    parse_via,
    split_outside,
)

KNOWN_METHODS: Final = frozenset(
    "INVITE ACK BYE CANCEL OPTIONS REGISTER MESSAGE SUBSCRIBE NOTIFY PUBLISH REFER INFO UPDATE PRACK".split()
)
COOKIE: Final = "z9hG4bK"
"""What the branch of an RFC 3261 element begins with."""

_ADDRESS_HEADERS: Final = tuple(ADDRESS_HEADERS)
_HOPS: Final = {f"Max-Forwards: {hops}": hops for hops in range(256)}
"""The common spelling of every Max-Forwards line."""
_KEY: Final = KEYS.__getitem__

_NAMES: Final = re.compile(rf"\n([{TOKEN_CHARACTERS}]++):")
_REQUEST_LINE: Final = re.compile(rf"([{TOKEN_CHARACTERS}]++) ({PLAIN_URI}) SIP/2\.0\Z")
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_VERSION: Final = re.compile(r"SIP/[0-9]++\.[0-9]++\Z", re.IGNORECASE)
_ADDRESS_LINE: Final = re.compile(rf"[^:]++:[ \t]*+{PLAIN_DISPLAY}<{PLAIN_URI}>(?:;tag=({TAG}))?+\Z")
_CONTACT_LINE: Final = re.compile(
    rf"[^:]++:[ \t]*+{PLAIN_DISPLAY}<{PLAIN_URI}>(?:;[{TOKEN_CHARACTERS}]++(?:=[{TOKEN_CHARACTERS}]++)?+)*+\Z"
)
_CALL_ID_LINE: Final = re.compile(r"[^:]++:[ \t]*+([!-~]++)\Z")
_VIA_LINE: Final = re.compile(rf"[^:]++:[ \t]*+({PLAIN_VIA})\Z")
_LENGTH_LINE: Final = re.compile(r"[^:]++:[ \t]*+([0-9]{1,9}+)\Z")
_CSEQ_LINE: Final = re.compile(rf"[^:]++:[ \t]*+([0-9]{{1,9}}+) ([{TOKEN_CHARACTERS}]++)\Z")


def parse_message(data: bytes, *, tolerant: bool = False, limits: Limits = DATAGRAM) -> Request | Response:
    """Parse one datagram.

    Args:
        data: the octets received.
        tolerant: accept bare CR or LF as line ends, and a header part in the Request-URI (SIP-25, B3 3.1.2.11).
        limits: how much of everything is taken.

    Raises:
        RemoteProtocolError: the message is malformed; the error knows the answer that it deserves.
    """
    try:
        return _parse(data, limits, tolerant)
    except ValueSyntaxError as fault:
        raise refusal(data, fault, limits) from None


def _parse(data: bytes, limits: Limits, tolerant: bool) -> Request | Response:
    head, separator, body = data.partition(b"\r\n\r\n")
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    names: list[str] = _NAMES.findall(text)
    number = len(names)
    leniencies: tuple[str, ...] = ()
    if (
        number == len(lines) - 1
        and separator
        and text.count("\n") == number == text.count("\r")
        and "\0" not in text
        and len(data) <= limits.message
        and len(head) <= limits.headers
    ):
        keys = list(map(_KEY, names))
    else:
        framed = frame(data, limits, tolerant=tolerant)
        lines, keys, body, leniencies = framed.lines, framed.keys, framed.body, framed.leniencies
    index = {key: position for position, key in enumerate(keys, 1)}
    repeated = len(keys) - len(index)
    if repeated:
        if repeated == keys.count("via") - 1:
            index["via"] = keys.index("via") + 1
        else:
            judge_repetition(keys)
            index = dict(zip(reversed(keys), range(len(keys), 0, -1), strict=True))
    keys.insert(0, "")
    if text.count(",") + repeated >= limits.few or text.count(";") > limits.parameters:
        judge_numbers(lines, keys, limits)
    message: Request | Response
    if lines[0][:4].upper() == "SIP/":
        message = _response(lines, keys, index, body, limits)
    else:
        message = _request(lines, keys, index, body, limits)
        if "?" in message.uri_text and _has_uri_headers(message, tolerant):
            leniencies += ("uri_headers",)
    if len(head) > limits.small:
        judge_sizes(lines, limits)
        judge_tokens(message, limits)
    if _cut_body(message, limits):
        leniencies += ("extra_octets",)
    if leniencies:
        message.leniencies = leniencies
    return message


def _request(lines: list[str], keys: list[str], index: dict[str, int], body: bytes, limits: Limits) -> Request:
    request = Request(lines, keys, index, body)
    plain = _REQUEST_LINE.match(lines[0])
    request.method, request.uri_text = plain.groups() if plain is not None else _odd_request_line(lines[0], limits)
    if len(request.uri_text) > limits.uri:
        raise ValueSyntaxError("Request-URI Too Long", "uri_too_long", 414)
    _fill(request, lines, index)
    position = index.get("max-forwards")
    request.max_forwards = None if position is None else _max_forwards(lines[position])
    if request.cseq.method != request.method:
        if request.method in KNOWN_METHODS:
            raise ValueSyntaxError("CSeq Method Mismatch", "cseq_method")
        raise ValueSyntaxError("Not Implemented", "cseq_method", 501)
    if request.top_via.branch == COOKIE:
        raise ValueSyntaxError("Bad Branch", "branch")
    return request


def _odd_request_line(line: str, limits: Limits) -> tuple[str, str]:
    """Method and Request-URI; one space between the three parts, none elsewhere (RFC 3261 7.1)."""
    parts = line.split(" ")
    if len(parts) == 3 and len(parts[1]) > limits.uri:
        raise ValueSyntaxError("Request-URI Too Long", "uri_too_long", 414)
    if len(line) > limits.start_line:
        raise ValueSyntaxError("Request Line Too Long", "start_line_too_long")
    if not _VERSION.search(line.rstrip(WHITE)):
        raise ValueSyntaxError("Not SIP", "not_sip")
    if len(parts) != 3 or not TOKEN.match(parts[0]):
        raise ValueSyntaxError("Bad Request Line", "start_line")
    method, uri, version = parts
    if version.upper() != "SIP/2.0":
        raise ValueSyntaxError("Version Not Supported", "version", 505)
    try:
        return method, parse_uri(uri).text
    except UriError:
        raise ValueSyntaxError("Bad Request-URI", "request_uri") from None


def _has_uri_headers(request: Request, tolerant: bool) -> bool:
    """Whether there is a header part in the Request-URI, in which other headers could hide (RFC 3261 19.1.1)."""
    uri = request.uri
    found = isinstance(uri, SipUri) and uri.headers is not None
    if found and not tolerant:
        raise ValueSyntaxError("Header Part In Request-URI", "request_uri")
    return found


def _max_forwards(line: str) -> int:
    hops = _HOPS.get(line)
    if hops is None:
        hops = parse_number(line_value(line), 255)
        if hops is None:
            raise ValueSyntaxError("Bad Max-Forwards", "max_forwards")
    return hops


def _response(lines: list[str], keys: list[str], index: dict[str, int], body: bytes, limits: Limits) -> Response:
    found = _STATUS_LINE.match(lines[0])
    if found is None or len(lines[0]) > limits.start_line:
        raise ValueSyntaxError("Bad Status Line", "status")
    response = Response(lines, keys, index, body)
    response.status = int(found[1])
    response.reason = found[2] or ""
    _fill(response, lines, index)
    return response


def _fill(message: Message, lines: list[str], index: dict[str, int]) -> None:
    """Parse the headers that every message has, and judge the addresses (SIP-1)."""
    try:
        via, from_, to, call_id, cseq = (
            lines[index["via"]],
            lines[index["from"]],
            lines[index["to"]],
            lines[index["call-id"]],
            lines[index["cseq"]],
        )
    except KeyError as error:
        raise ValueSyntaxError(f"Missing {WRITTEN[error.args[0]]}", "missing_header") from None
    found = _VIA_LINE.match(via)
    if found is not None:
        text, transport, host, port, parameters, branch = found.groups()
        message.top_via = Via(text, transport, host, int(port) if port else None, branch, parameters)
        if not _have_shape(message, "via", _VIA_LINE, 1):
            _judge_vias(message)
    else:
        message.top_via = _judge_vias(message)[0]
    plain = _ADDRESS_LINE.match(from_)
    message.from_tag = plain[1] if plain is not None else _address(from_, "From", "from").tag
    plain = _ADDRESS_LINE.match(to)
    message.to_tag = plain[1] if plain is not None else _address(to, "To", "to").tag
    plain = _CALL_ID_LINE.match(call_id)
    if plain is None:
        plain = _CALL_ID_LINE.match(f"Call-ID:{line_value(call_id)}")
        if plain is None:
            raise ValueSyntaxError("Bad Call-ID", "call_id")
    message.call_id = plain[1]
    plain = _CSEQ_LINE.match(cseq)
    message.cseq = CSeq(int(plain[1]), plain[2]) if plain is not None else parse_cseq(line_value(cseq))
    for key in _ADDRESS_HEADERS:
        if key in index and not _have_shape(message, key, _CONTACT_LINE, 0):
            _judge_addresses(message, key)


def _have_shape(message: Message, key: str, shape: re.Pattern[str], start: int) -> bool:
    """Whether the lines of one header, from a number on, have the shape that proves them well-formed."""
    keys = message.keys
    position = message.index[key] + start
    for _ in range(keys.count(key) - start):
        position = keys.index(key, position)
        if not shape.match(message.lines[position]):
            return False
        position += 1
    return True


def _judge_vias(message: Message) -> list[Via]:
    """Refuse malformed Via values; gives those of lines that do not have the common shape."""
    odd: list[Via] = []
    for line, key in zip(message.lines, message.keys, strict=True):
        if key == "via" and not _VIA_LINE.match(line):
            odd += [parse_via(value.strip(WHITE)) for value in split_outside(line_value(line), ",", "Bad Via", "via")]
    return odd


def _address(line: str, name: str, kind: str) -> NameAddr:
    return parse_name_addr(line_value(line), name, kind)


def _judge_addresses(message: Message, name: str) -> None:
    """Refuse malformed addresses, which no element may accept."""
    for line, key in zip(message.lines, message.keys, strict=True):
        if key == name and not _CONTACT_LINE.match(line):
            judge_addresses(line_value(line), key)


def _cut_body(message: Message, limits: Limits) -> bool:
    """Cut the body to Content-Length; tells whether octets behind it were discarded."""
    position = message.index.get("content-length")
    body = message.body
    if position is None:
        if body:
            cut_body(None, body, limits)
        return False
    line = message.lines[position]
    plain = _LENGTH_LINE.match(line)
    if plain is not None and int(plain[1]) == len(body) <= limits.body:
        return False
    message.body, extra = cut_body(line, body, limits)
    return extra
