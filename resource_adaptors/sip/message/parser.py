"""Octets to messages, in one pass; what no element may accept is refused here (protocols B1 to B3, RFC 4475).

Start line and headers are split at once; the headers that every message has are parsed, the others when they are
read. Structural faults of address headers are found here too, because every element has to refuse them.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from resource_adaptors.sip.message.errors import PartialRequest, RemoteProtocolError
from resource_adaptors.sip.message.message import COMPACT, Request, Response, unfold
from resource_adaptors.sip.message.uri import UriError, parse_uri
from resource_adaptors.sip.message.values import (
    PLAIN_ADDRESS,
    TOKEN,
    ValueSyntaxError,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_via,
    split_outside,
)

MAX_DATAGRAM: Final = 65_535
MAX_START_LINE: Final = 8_192
MAX_URI: Final = 2_048
MAX_LINE: Final = 8_192
MAX_HEADERS: Final = 49_152
MAX_LINES: Final = 256
MAX_VALUES: Final = 128
MAX_PARAMS: Final = 64
MAX_VIAS: Final = 70
MAX_TOKEN: Final = 1_024
MAX_BODY: Final = 49_152

KNOWN_METHODS: Final = frozenset(
    "INVITE ACK BYE CANCEL OPTIONS REGISTER MESSAGE SUBSCRIBE NOTIFY PUBLISH REFER INFO UPDATE PRACK".split()
)
SINGLE: Final = frozenset(
    "from to call-id cseq max-forwards content-length content-type expires min-expires event refer-to replaces "
    "session-expires min-se subscription-state rack rseq sip-etag sip-if-match date".split()
)
"""Headers that may stand once only (SIP-7)."""
ADDRESSES: Final = ("contact", "route", "record-route", "reply-to", "refer-to")

_KEYS: Final[dict[str, str]] = {
    **COMPACT,
    **{name.upper(): key for name, key in COMPACT.items()},
}
"""Canonical name by name as written; filled with the usual spellings."""
for _name in (
    "Via From To Call-ID CSeq Max-Forwards Content-Length Content-Type Contact Route Record-Route Expires User-Agent "
    "Server Allow Supported Require Subject Date Accept Authorization Proxy-Authorization WWW-Authenticate "
    "Proxy-Authenticate Event Path Proxy-Require Reason Allow-Events Session-Expires Min-SE"
).split():
    _KEYS[_name] = _KEYS[_name.lower()] = _KEYS[_name.upper()] = _name.lower()

_ESCAPED_NUL: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def parse_message(data: bytes, *, tolerant: bool = False) -> Request | Response:
    """Parse one datagram.

    Args:
        data: the octets received.
        tolerant: accept bare CR or LF as line ends (SIP-25).

    Raises:
        RemoteProtocolError: the message is malformed; the error knows the answer that it deserves.
    """
    head, separator, body = data.partition(b"\r\n\r\n")
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    if tolerant or not separator or text.count("\n") + text.count("\r") != 2 * (len(lines) - 1) or "\0" in text:
        text, body = _odd_text(data, tolerant=tolerant)
        lines = text.split("\r\n")
    if len(text) > MAX_HEADERS or len(data) > MAX_DATAGRAM:
        _refuse(lines, 513, "Message Too Large", "too_large")
    if "\r\n " in text or "\r\n\t" in text:
        lines = _join_folded(lines)
    if lines[0].startswith("SIP/"):
        return _response(lines, body)
    return _request(lines, body)


def _odd_text(data: bytes, *, tolerant: bool) -> tuple[str, bytes]:
    """The header text of a message with odd line ends, and its body; refuses what strict mode refuses."""
    if tolerant:
        head, separator, body = data.partition(b"\r\n\r\n")
        if not separator:
            head, separator, body = data.partition(b"\n\n")
        text = re.sub("\r\n|\r|\n", "\r\n", head.decode("utf-8", "surrogateescape"))
    else:
        head, separator, body = data.partition(b"\r\n\r\n")
        text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    if not separator:
        _refuse(lines, 400, "Missing End Of Headers", "truncated")
    unquoted = _ESCAPED_NUL.sub('""', text)
    if "\0" in unquoted:
        _refuse(lines, 400, "NUL In Header", "nul")
    rest = unquoted.replace("\r\n", "")
    if "\n" in rest or "\r" in rest:
        _refuse(lines, 400, "Bad Line End", "line_end")
    return text, body


def _join_folded(lines: list[str]) -> list[str]:
    """Header lines with their continuation lines, which keep their line breaks for forwarding (SIP-4)."""
    joined: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and len(joined) > 1:
            joined[-1] += "\r\n" + line
        else:
            joined.append(line)
    return joined


def _index(lines: list[str]) -> tuple[list[str], dict[str, int]]:
    """Canonical names of the lines, and where each header first stands."""
    if len(lines) > MAX_LINES + 1:
        _refuse(lines, 400, "Too Many Headers", "too_many_headers")
    keys = [""]
    index: dict[str, int] = {}
    known = _KEYS
    for position in range(1, len(lines)):
        line = lines[position]
        name = line.partition(":")[0]
        key = known.get(name) or _odd_key(lines, line, name)
        keys.append(key)
        if key not in index:
            index[key] = position
        elif key in SINGLE:
            _refuse(lines, 400, f"Repeated {name.strip()}", "repeated_header")
        if len(line) > MAX_LINE:
            _refuse(lines, 400, "Header Too Long", "long_line")
    return keys, index


def _odd_key(lines: list[str], line: str, name: str) -> str:
    """Canonical name of a header in an unusual spelling."""
    stripped = name.rstrip(" \t")
    if ":" not in line or not TOKEN.match(stripped):
        _refuse(lines, 400, "Bad Header Line", "header_line")
    lower = stripped.lower()
    return COMPACT.get(lower, lower)


def _request(lines: list[str], body: bytes) -> Request:
    method, uri = _request_line(lines)
    keys, index = _index(lines)
    request = Request(lines, keys, index, body)
    request.method = method
    request.uri_text = uri
    request._uri = None
    try:
        _fill(request, index)
        request.max_forwards = _max_forwards(request)
        _judge_request_line(lines, uri)
        if request.cseq.method != method:
            if method in KNOWN_METHODS:
                _refuse(lines, 400, "CSeq Method Mismatch", "cseq_method")
            _refuse(lines, 501, "Not Implemented", "cseq_method")
        _judge_addresses(request, index)
        branch = request.top_via.branch
        if branch == "z9hG4bK":
            _refuse(lines, 400, "Bad Branch", "branch")
        if len(body) or "content-length" in index:
            request.body = _body(request, lines)
    except ValueSyntaxError as error:
        _refuse(lines, 400, str(error), "value")
    except UriError:
        _refuse(lines, 400, "Bad Request-URI", "uri")
    return request


def _request_line(lines: list[str]) -> tuple[str, str]:
    """Method and Request-URI of the start line; one space between, none elsewhere (RFC 3261 25.1)."""
    start = lines[0]
    if len(start) > MAX_START_LINE:
        _refuse(lines, 400, "Request Line Too Long", "start_line")
    parts = start.split(" ")
    if len(parts) != 3 or not TOKEN.match(parts[0]) or not parts[1]:
        if parts[-1:] == ["SIP/2.0"] or parts[-1].startswith("SIP/") or len(parts) > 1:
            _refuse(lines, 400, "Bad Request Line", "start_line")
        raise RemoteProtocolError(0, "Not SIP", "not_sip")
    method, uri, version = parts
    if version.upper() != "SIP/2.0":
        if version.upper().startswith("SIP/"):
            _refuse(lines, 505, "Version Not Supported", "version")
        _refuse(lines, 400, "Bad Request Line", "start_line")
    return method, uri


def _judge_request_line(lines: list[str], uri: str) -> None:
    if len(uri) > MAX_URI:
        _refuse(lines, 414, "Request-URI Too Long", "long_uri")
    if "<" in uri or ">" in uri:
        _refuse(lines, 400, "Bad Request-URI", "uri")
    parse_uri(uri)


def _response(lines: list[str], body: bytes) -> Response:
    """A response; whatever is wrong with it, it is dropped (SIP-23)."""
    version, _, rest = lines[0].partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != "SIP/2.0" or len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise RemoteProtocolError(0, "Bad Status Line", "start_line")
    status = int(code)
    if not 100 <= status <= 699:
        raise RemoteProtocolError(0, "Status Out Of Range", "status")
    try:
        keys, index = _index(lines)
        response = Response(lines, keys, index, body)
        response.status = status
        response.reason = reason
        _fill(response, index)
        _judge_addresses(response, index)
        if len(body) or "content-length" in index:
            response.body = _body(response, lines)
    except (ValueSyntaxError, UriError) as error:
        raise RemoteProtocolError(0, str(error), "value") from error
    except RemoteProtocolError as error:
        raise RemoteProtocolError(0, error.reason, error.kind) from error
    return response


def _fill(message: Request | Response, index: dict[str, int]) -> None:
    """Parse the headers that every message has (SIP-1)."""
    lines = message.lines
    try:
        via, from_, to, call_id, cseq = (
            lines[index["via"]],
            lines[index["from"]],
            lines[index["to"]],
            lines[index["call-id"]],
            lines[index["cseq"]],
        )
    except KeyError as error:
        raise ValueSyntaxError(f"Missing {_WRITTEN[error.args[0]]}") from None
    message.top_via = top = _top_via(message, _value(via))
    text = _value(from_)
    plain = PLAIN_ADDRESS.match(text)
    if plain is None:
        message._from = address = parse_name_addr(text, "From")
        _judge_params(address.params)
        message.from_tag = address.tag
    else:
        message.from_tag = plain[1]
    text = _value(to)
    plain = PLAIN_ADDRESS.match(text)
    if plain is None:
        message._to = address = parse_name_addr(text, "To")
        _judge_params(address.params)
        message.to_tag = address.tag
    else:
        message.to_tag = plain[1]
    message.call_id = text = _value(call_id)
    message.cseq = parse_cseq(_value(cseq))
    if not text or " " in text or len(text) > MAX_TOKEN:
        raise ValueSyntaxError("Bad Call-ID")
    if len(message.lines[message.index["via"]]) > MAX_TOKEN:
        _judge_params(top.params)


_WRITTEN: Final = {"via": "Via", "from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}


def _judge_params(params: tuple[tuple[str, str | None], ...]) -> None:
    if len(params) > MAX_PARAMS:
        raise ValueSyntaxError("Too Many Parameters")
    for name, value in params:
        if value is not None and len(value) > MAX_TOKEN and name.lower() in ("tag", "branch"):
            raise ValueSyntaxError(f"{name} Too Long")


def _value(line: str) -> str:
    return unfold(line.partition(":")[2]).strip()


def _top_via(message: Request | Response, text: str) -> Via:
    """The topmost Via; the others are judged only by their number, and parsed when read."""
    count = 1
    if "," in text:
        parts = split_outside(text, ",")
        count = len(parts)
        text = parts[0].strip()
    count += message.keys.count("via") - 1
    if count > MAX_VIAS:
        _refuse(message.lines, 483, "Too Many Hops", "vias")
    return parse_via(text)


def _max_forwards(request: Request) -> int | None:
    position = request.index.get("max-forwards")
    if position is None:
        return None
    text = _value(request.lines[position])
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > 255:
        raise ValueSyntaxError("Bad Max-Forwards")
    return int(text)


def _judge_addresses(message: Request | Response, index: dict[str, int]) -> None:
    """Find malformed address headers, which every element refuses (RFC 4475 3.1.2.13 to 3.1.2.15)."""
    for key in ADDRESSES:
        if key not in index:
            continue
        values = message.values(key)
        if len(values) > MAX_VALUES:
            raise ValueSyntaxError("Too Many Values")
        for text in values:
            if not PLAIN_ADDRESS.match(text) and (text != "*" or key != "contact"):
                parse_name_addr(text, key.title())


def _body(message: Request | Response, lines: list[str]) -> bytes:
    """The body, cut to Content-Length; a datagram without one holds the body to its end (SIP-16)."""
    body = message.body
    position = message.index.get("content-length")
    if position is not None:
        text = _value(lines[position])
        if not (text.isascii() and text.isdigit()) or len(text) > 10:
            raise ValueSyntaxError("Bad Content-Length")
        length = int(text)
        if length > len(body):
            _refuse(lines, 400, "Content-Length Too Large", "content_length")
        body = body[:length]
    if len(body) > MAX_BODY:
        _refuse(lines, 413, "Request Entity Too Large", "large_body")
    return body


def _refuse(lines: list[str], status: int, reason: str, kind: str) -> NoReturn:
    """Refuse a message with what could be read of it."""
    partial = _partial(lines)
    if partial is None or partial.method == "ACK":
        status = 0
    raise RemoteProtocolError(status, reason, kind, partial)


def _partial(lines: list[str]) -> PartialRequest | None:
    """What a stateless answer needs, `None` if the top Via cannot be read (SIP-22)."""
    found: dict[str, list[str]] = {}
    for line in _join_folded(lines)[1:]:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        found.setdefault(COMPACT.get(key, key), []).append(unfold(value).strip())
    vias = found.get("via")
    if not vias:
        return None
    try:
        top = parse_via(split_outside(vias[0], ",")[0].strip())
    except ValueSyntaxError:
        return None

    def first(key: str) -> bytes | None:
        values = found.get(key)
        if not values or len(values[0]) > MAX_LINE or "\0" in values[0]:
            return None
        return values[0].encode("utf-8", "surrogateescape")

    return PartialRequest(
        method=lines[0].partition(" ")[0],
        via=tuple(via.encode("utf-8", "surrogateescape") for via in vias),
        from_=first("from"),
        to=first("to"),
        call_id=first("call-id"),
        cseq=first("cseq"),
        host=top.host,
        port=top.port,
        has_rport=top.rport is not None,
    )
