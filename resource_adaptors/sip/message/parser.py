"""Octets to messages, in one pass; what no element may accept is refused here (protocols B1 to B3, RFC 4475).

Start line and headers are split at once. What every message has is read at once too: the usual shape of a line is
recognised by one pattern, every other shape goes through the careful parsers of `values`. The rest is parsed when it
is read; but the address headers and all Vias are judged here, because every element has to refuse their faults.
"""

from __future__ import annotations

import re
from typing import Final

from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.limits import (
    MAX_BODY,
    MAX_DATAGRAM,
    MAX_HEADERS,
    MAX_LINE,
    MAX_LINES,
    MAX_START_LINE,
    MAX_TOKEN,
    MAX_URI,
    MAX_VALUES,
    MAX_VIAS,
)
from resource_adaptors.sip.message.message import Request, Response, value_of
from resource_adaptors.sip.message.names import (
    ADDRESSES,
    COMPACT,
    KNOWN_METHODS,
    LISTS,
    SINGLE,
    SPELLINGS,
)
from resource_adaptors.sip.message.refusal import join_folded, refuse
from resource_adaptors.sip.message.uri import SipUri, Uri, UriError, parse_uri
from resource_adaptors.sip.message.values import (
    PLAIN_VIA,
    TOKEN,
    CSeq,
    NameAddr,
    ValueSyntaxError,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_via,
    plain_via,
    split_outside,
)

_HEAD: Final = r"[^:]*:[ \t]*"
_PLAIN_ADDRESS: Final = (
    r"(?:\"[^\"\\]*\" ?|[A-Za-z0-9\-.!%*_+`'~ ]*)"
    r"<sips?:(?:[A-Za-z0-9\-_.!~*'()+]+@)?[A-Za-z0-9\-.]+(?::[1-5]?[0-9]{1,4})?"
    r"(?:;[A-Za-z0-9\-_.]+(?:=[A-Za-z0-9\-_.:]+)?){0,64}>"
)
_TAGGED_LINE: Final = re.compile(rf"{_HEAD}{_PLAIN_ADDRESS}(?:;tag=([A-Za-z0-9\-.!%*_+`'~]{{1,{MAX_TOKEN}}}))?\Z")
"""The usual From and To: matching it proves the line well-formed; group 1 is the tag."""
_ADDRESS_LINE: Final = re.compile(
    rf"{_HEAD}{_PLAIN_ADDRESS}(?:;[A-Za-z0-9\-.]+(?:=[A-Za-z0-9\-.!%*_+`'~:]+)?){{0,64}}\Z"
)
"""The usual Contact, Route and Record-Route."""
_CSEQ_LINE: Final = re.compile(rf"{_HEAD}([0-9]{{1,9}}) ([A-Z]+)\Z")
_NUMBER_LINE: Final = re.compile(rf"{_HEAD}([0-9]{{1,9}})\Z")
_CALL_ID_LINE: Final = re.compile(rf"{_HEAD}([!-~]{{1,{MAX_TOKEN}}})\Z")
_VIA_LINE: Final = re.compile(_HEAD + PLAIN_VIA)
_ODD: Final = ":"
"""Stands for the name of a line whose name is not in one of the usual spellings; no header can be named so."""
_NUMBER: Final = re.compile(r"0*([0-9]{1,9})\Z")
_VERSION: Final = re.compile(r"SIP/[0-9]+\.[0-9]+\Z", re.IGNORECASE)
_QUOTED_RUN: Final = re.compile(r'"(?:[^"\\\0\r\n]|\\[^\r\n])*+("?)')
_END: Final = re.compile(rb"\r\n\r\n")
_ANY_END: Final = re.compile(rb"\r?\n\r?\n|\r\r")
_ANY_BREAK: Final = re.compile("\r\n|\r|\n")
_WRITTEN: Final = {"via": "Via", "from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}


def parse_message(data: bytes, *, tolerant: bool = False) -> Request | Response:
    """Parse one datagram.

    Args:
        data: the octets received.
        tolerant: accept bare CR or LF as line ends (SIP-25), and drop the header part of a Request-URI.

    Raises:
        RemoteProtocolError: the message is malformed; the error knows the answer that it deserves.
    """
    head, separator, body = data.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    breaks = len(lines) - 1
    if (
        not separator
        or head.count(b"\n") != breaks
        or head.count(b"\r") != breaks
        or b"\0" in head
        or len(data) > MAX_HEADERS
    ):
        lines, body = _odd_text(data, tolerant=tolerant)
    known = SPELLINGS.get
    keys: list[str] = []
    index: dict[str, int] = {}
    for position, line in enumerate(lines):
        key = known(line.partition(":")[0], _ODD) if position else ""
        keys.append(key)
        if key not in index:
            index[key] = position
    is_folded = False
    if _ODD in index:
        lines = join_folded(lines)
        is_folded = len(lines) != len(keys)
        keys, index = _odd_keys(lines)
    if len(index) != len(keys) or len(head) > MAX_LINE:
        _judge_amounts(lines, keys, index)
    message: Request | Response
    if lines[0][:4].upper() == "SIP/":
        message = _response(lines, keys, index, body)
    else:
        message = _request(lines, keys, index, body, tolerant=tolerant)
    message.is_folded = is_folded
    return message


def _odd_text(data: bytes, *, tolerant: bool) -> tuple[list[str], bytes]:
    """Lines and body of a large message, or of one with NUL or odd line ends; refuses what must be refused."""
    end = (_ANY_END if tolerant else _END).search(data)
    head = data[: end.start()] if end else data
    text = head.decode("utf-8", "surrogateescape")
    lines, unified = text.split("\r\n"), _ANY_BREAK.split(text)
    if len(data) > MAX_DATAGRAM or len(head) > MAX_HEADERS:
        refuse(unified, 513, "Message Too Large", "too_large")
    if end is None:
        refuse(unified, 400, "Missing End Of Headers", "truncated")
    # An escaped NUL in a quoted string is an ordinary character (RFC 4475 3.1.1.2).
    if "\0" in text and "\0" in _QUOTED_RUN.sub(lambda run: "" if run[1] else run[0], text):
        refuse(unified, 400, "NUL In Header", "nul")
    if len(unified) != len(lines) and not tolerant:
        # In quoted strings too: what reads a lone line feed as a line end would see a header that we have not seen.
        refuse(unified, 400, "Bad Line End", "line_end")
    return unified, data[end.end() :]


def _odd_keys(lines: list[str]) -> tuple[list[str], dict[str, int]]:
    """Canonical names, where not all of them are in one of the usual spellings, and where each first stands."""
    keys = [""]
    for line in lines[1:]:
        name, colon, _ = line.partition(":")
        name = name.rstrip(" \t")
        key = SPELLINGS.get(name, _ODD) if colon else _ODD
        if key is _ODD:
            if not colon or not TOKEN.match(name):
                refuse(lines, 400, "Bad Header Line", "header_line")
            lower = name.lower()
            key = COMPACT.get(lower, lower)
        keys.append(key)
    return keys, {key: position for position, key in reversed(list(enumerate(keys)))}


def _judge_amounts(lines: list[str], keys: list[str], index: dict[str, int]) -> None:
    """Refuse too many or too long headers, and repeated ones that may stand once only (B2, SIP-7)."""
    if len(lines) > MAX_LINES + 1:
        refuse(lines, 400, "Too Many Headers", "too_many_headers")
    for position, key in enumerate(keys):
        if key in SINGLE and index[key] != position:
            refuse(lines, 400, f"Repeated {_WRITTEN.get(key) or key.title()}", "repeated_header")
    for line in lines[1:]:
        if len(line) > MAX_LINE and len(value_of(line)) + line.find(":") > MAX_LINE:
            refuse(lines, 400, "Header Too Long", "long_line")
    values: dict[str, int] = {}
    for line, key in zip(lines, keys, strict=True):
        if key in LISTS:
            more = len(split_outside(line, ",")) if line.count(",") >= MAX_VALUES else 1 + line.count(",")
            values[key] = values.get(key, 0) + more
            if values[key] > MAX_VALUES:
                refuse(lines, 400, "Too Many Values", "too_many_values")


# Requests and responses.


def _request(lines: list[str], keys: list[str], index: dict[str, int], body: bytes, *, tolerant: bool) -> Request:
    method, text = _request_line(lines)
    request = Request(lines, keys, index, body)
    request.method = method
    try:
        request.cached_uri = uri = _request_uri(text, tolerant=tolerant)
        request.uri_text = uri.text
        _fill(request, lines, keys, index)
        position = index.get("max-forwards")
        request.max_forwards = None if position is None else _number(lines[position], "Max-Forwards")
        if request.max_forwards is not None and request.max_forwards > 255:
            raise ValueSyntaxError("Bad Max-Forwards")
        request.body = _body(lines, index, body)
    except ValueSyntaxError as error:
        refuse(lines, 400, str(error), "value")
    except UriError:
        refuse(lines, 400, "Bad Request-URI", "uri")
    if request.cseq.method != method:
        if method in KNOWN_METHODS:
            refuse(lines, 400, "CSeq Method Mismatch", "cseq_method")
        refuse(lines, 501, "Not Implemented", "cseq_method")
    if request.top_via.branch == "z9hG4bK":
        refuse(lines, 400, "Bad Branch", "branch")
    return request


def _request_line(lines: list[str]) -> tuple[str, str]:
    """Method and Request-URI of the start line; one space between, none elsewhere (RFC 3261 25.1)."""
    start = lines[0]
    parts = start.split(" ")
    if len(parts) == 3 and parts[2] == "SIP/2.0" and parts[0] in KNOWN_METHODS and 0 < len(parts[1]) <= MAX_URI:
        return parts[0], parts[1]
    if len(parts) == 1:
        raise RemoteProtocolError(0, "Not SIP", "not_sip")
    if len(parts) != 3 or not TOKEN.match(parts[0]) or not parts[1] or not _VERSION.match(parts[2]):
        refuse(lines, 400, "Bad Request Line", "start_line")
    method, uri, version = parts
    if version.upper() != "SIP/2.0":
        refuse(lines, 505, "Version Not Supported", "version")
    if len(uri) > MAX_URI:
        refuse(lines, 414, "Request-URI Too Long", "long_uri")
    if len(start) > MAX_START_LINE:
        refuse(lines, 400, "Request Line Too Long", "start_line")
    return method, uri


def _request_uri(text: str, *, tolerant: bool) -> Uri:
    uri = parse_uri(text)
    if isinstance(uri, SipUri) and uri.headers is not None:
        # RFC 3261 19.1.5 forbids it; who drops it silently hides an attack on those behind us (RFC 4475 3.1.2.11)
        if not tolerant:
            raise ValueSyntaxError("Headers In Request-URI")
        return parse_uri(uri.text[: -len(uri.headers) - 1])
    return uri


def _response(lines: list[str], keys: list[str], index: dict[str, int], body: bytes) -> Response:
    """A response; whatever is wrong with it, it is dropped (SIP-23)."""
    version, _, rest = lines[0].partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != "SIP/2.0" or len(code) != 3 or not (code.isascii() and code.isdigit()) or "\n" in reason:
        raise RemoteProtocolError(0, "Bad Status Line", "start_line")
    if not "100" <= code <= "699":
        raise RemoteProtocolError(0, "Status Out Of Range", "status")
    if len(lines[0]) > MAX_START_LINE:
        raise RemoteProtocolError(0, "Status Line Too Long", "start_line")
    response = Response(lines, keys, index, body)
    response.status = int(code)
    response.reason = reason
    try:
        _fill(response, lines, keys, index)
        response.body = _body(lines, index, body)
    except (ValueSyntaxError, UriError) as error:
        raise RemoteProtocolError(0, str(error), "value") from error
    return response


def _fill(message: Request | Response, lines: list[str], keys: list[str], index: dict[str, int]) -> None:
    """Read the headers that every message has (SIP-1), and judge the addresses."""
    try:
        from_, to, call_id, cseq = (
            lines[index["from"]],
            lines[index["to"]],
            lines[index["call-id"]],
            lines[index["cseq"]],
        )
        message.top_via = _top_via(lines, keys, index["via"])
    except KeyError as error:
        raise ValueSyntaxError(f"Missing {_WRITTEN[error.args[0]]}") from None
    found = _TAGGED_LINE.match(from_)
    if found is None:
        message.cached_from = _tagged(from_, "From")
        message.from_tag = message.cached_from.tag
    else:
        message.from_tag = found[1]
    found = _TAGGED_LINE.match(to)
    if found is None:
        message.cached_to = _tagged(to, "To")
        message.to_tag = message.cached_to.tag
    else:
        message.to_tag = found[1]
    found = _CALL_ID_LINE.match(call_id)
    message.call_id = _call_id(call_id) if found is None else found[1]
    found = _CSEQ_LINE.match(cseq)
    message.cseq = parse_cseq(value_of(cseq)) if found is None else CSeq(int(found[1]), found[2])
    for key in ADDRESSES:
        position = index.get(key)
        if position is not None and (keys.count(key) > 1 or not _ADDRESS_LINE.match(lines[position])):
            _judge_addresses(message, key)


def _top_via(lines: list[str], keys: list[str], first: int) -> Via:
    """The topmost Via; the others are judged, and kept as text until they are read."""
    plain = _VIA_LINE.match(lines[first])
    if plain is not None:
        top, count = plain_via(plain), 1
    else:
        vias = [parse_via(text.strip(" \t")) for text in split_outside(value_of(lines[first]), ",")]
        top, count = vias[0], len(vias)
    if keys.count("via") > 1:
        count += sum(_judge_via(lines[at]) for at in range(first + 1, len(keys)) if keys[at] == "via")
    if count > MAX_VIAS:
        refuse(lines, 483, "Too Many Hops", "vias")
    return top


def _judge_via(line: str) -> int:
    """How many Via values a line holds, all of them well-formed."""
    if len(line) < MAX_TOKEN and _VIA_LINE.match(line):
        return 1
    return len([parse_via(text.strip(" \t")) for text in split_outside(value_of(line), ",")])


def _tagged(line: str, what: str) -> NameAddr:
    """From or To of an unusual shape."""
    address = parse_name_addr(value_of(line), what)
    tag = address.tag
    if tag is not None and (len(tag) > MAX_TOKEN or not TOKEN.match(tag)):
        raise ValueSyntaxError(f"Bad Tag In {what}")
    return address


def _call_id(line: str) -> str:
    text = value_of(line)
    if not _CALL_ID_LINE.match(f":{text}"):
        raise ValueSyntaxError("Bad Call-ID")
    return text


def _number(line: str, what: str) -> int:
    """A number of at most nine digits after leading zeros (SIP-15)."""
    found = _NUMBER_LINE.match(line) or _NUMBER.match(value_of(line))
    if found is None:
        raise ValueSyntaxError(f"Bad {what}")
    return int(found[1])


def _judge_addresses(message: Request | Response, key: str) -> None:
    """Find malformed addresses, which every element refuses (RFC 4475 3.1.2.13 to 3.1.2.15)."""
    for text in message.values(key):
        if text != "*" or key != "contact":
            parse_name_addr(text, key.title())


def _body(lines: list[str], index: dict[str, int], body: bytes) -> bytes:
    """The body, cut to Content-Length; a datagram without one holds the body to its end (SIP-16)."""
    position = index.get("content-length")
    if position is not None:
        length = _number(lines[position], "Content-Length")
        if length > len(body):
            refuse(lines, 400, "Content-Length Too Large", "content_length")
        body = body[:length]
    if len(body) > MAX_BODY:
        refuse(lines, 413, "Request Entity Too Large", "large_body")
    return body
