"""Messages to octets: answers, forwarded requests, relayed responses, and requests of our own.

What is forwarded stays as it was received, line by line, but for what the RFC has a proxy change (SIP-154). What is
our own is written with long names and without folding (SIP-3, SIP-4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from resource_adaptors.sip.message.checks import Headers, check_address, check_header, check_text, header_lines
from resource_adaptors.sip.message.errors import LocalProtocolError, RemoteProtocolError, ValueSyntaxError
from resource_adaptors.sip.message.message import Message, Request, Response, line_value
from resource_adaptors.sip.message.names import KEYS, SINGLE
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.stamping import behind_values, build_error_response, stamp_received
from resource_adaptors.sip.message.status import reason_phrase
from resource_adaptors.sip.message.uri import PLAIN_URI, SipUri, UriError, parse_uri
from resource_adaptors.sip.message.values import TOKEN, CSeq, Via, parse_via, split_outside

__all__ = [
    "MAX_CSEQ",
    "Headers",
    "ack_for",
    "build_error_response",
    "build_request",
    "build_response",
    "cancel_for",
    "check_header",
    "forward_request",
    "relay_response",
    "stamp_received",
]

MAX_CSEQ: Final = 2**31 - 1
"""The largest CSeq number that is written (SIP-15)."""
_PLAIN_ROUTE: Final = re.compile(rf"<{PLAIN_URI}>\Z")
_PLAIN_URI: Final = re.compile(rf"{PLAIN_URI}\Z")


def build_response(
    request: Request,
    status: int,
    *,
    reason: str | None = None,
    to_tag: str | None = None,
    headers: Headers = (),
    body: bytes = b"",
) -> Response:
    """Answer a request: Via, From, To, Call-ID and CSeq keep their values (RFC 3261 8.2.6).

    Args:
        request: its top Via must carry `received` and `rport` already (`stamp_received`).
        status: 100 to 699.
        reason: reason phrase, the usual one if not given.
        to_tag: added to To if it has none; not for 100.
        headers: further headers, in order.
        body: with a Content-Type among `headers`.

    Raises:
        LocalProtocolError: a value is not fit for the wire.
    """
    if not 100 <= status <= 699:
        raise LocalProtocolError(f"status {status} is out of range [SIP-15]; give 100 to 699")
    if reason is None:
        reason = reason_phrase(status)
    else:
        check_text("reason phrase", reason)
    tag = request.to_tag
    to_line = _own(request.lines[request.index["to"]], "To: ")
    if tag is None and to_tag is not None and status > 100:
        if not TOKEN.match(to_tag):
            raise LocalProtocolError(f"To tag {to_tag!r} is no token [SIP-18]; give a plain tag")
        to_line = f"{to_line};tag={to_tag}"
        tag = to_tag
    lines, keys = _answer_lines(request, status, to_line, headers)
    lines[0] = f"SIP/2.0 {status} {reason}"
    lines.append(f"Content-Length: {len(body)}")
    keys.append("content-length")
    response = Response(lines, keys, _index_of(keys), body)
    response.status = status
    response.reason = reason
    response.top_via = request.top_via
    response.from_tag = request.from_tag
    response.to_tag = tag
    response.call_id = request.call_id
    response.cseq = request.cseq
    return response


def _answer_lines(request: Request, status: int, to_line: str, headers: Headers) -> tuple[list[str], list[str]]:
    """Lines of an answer, the first still empty, and their canonical names: what is repeated, and what is added."""
    source, index = request.lines, request.index
    lines, keys = [""], [""]
    _copy_all(request, "via", "Via: ", lines, keys)
    if 100 < status < 300 and "record-route" in index:
        _copy_all(request, "record-route", "Record-Route: ", lines, keys)
    early_lines, early_keys, late_lines, late_keys = header_lines(headers) if headers else _NOTHING
    lines += early_lines
    keys += early_keys
    lines += (
        _own(source[index["from"]], "From: "),
        to_line,
        _own(source[index["call-id"]], "Call-ID: "),
        _own(source[index["cseq"]], "CSeq: "),
    )
    keys += _COPIED
    if status == 100 and "timestamp" in index:
        _copy_all(request, "timestamp", "Timestamp: ", lines, keys)
    lines += late_lines
    keys += late_keys
    return lines, keys


_COPIED: Final = ("from", "to", "call-id", "cseq")
_NOTHING: Final[tuple[list[str], list[str], list[str], list[str]]] = ([], [], [], [])


def _own(line: str, prefix: str) -> str:
    """A header line as we write it: long name, one space, no folding."""
    return line if line.startswith(prefix) and "\n" not in line else prefix + line_value(line)


def _copy_all(source: Message, key: str, prefix: str, lines: list[str], keys: list[str]) -> None:
    """Append all lines of one header."""
    first = source.index[key]
    lines.append(_own(source.lines[first], prefix))
    keys.append(key)
    if source.keys.count(key) > 1:
        for position in range(first + 1, len(source.keys)):
            if source.keys[position] == key:
                lines.append(_own(source.lines[position], prefix))
                keys.append(key)


def forward_request(
    request: Request,
    *,
    uri: str,
    via: str,
    max_forwards: int,
    max_breadth: int | None = None,
    record_routes: Sequence[str] = (),
    drop_routes: int = 0,
    routes: Sequence[str] = (),
    headers: Headers = (),
) -> Request:
    """A request as a proxy sends it on (RFC 3261 16.6): all but what is named here stays octet for octet.

    Args:
        request: as received.
        uri: the new Request-URI; a header part and a method parameter are left out (RFC 3261 16.6 item 2).
        via: our Via value.
        max_forwards: the new Max-Forwards.
        max_breadth: the new Max-Breadth (RFC 5393 5.3), if there is to be one.
        record_routes: our Record-Route values, put before those received.
        drop_routes: number of Route values to take away at the front.
        routes: Route values to put at the front.
        headers: further headers, put behind the routing headers.

    Raises:
        LocalProtocolError: a value is not fit for the wire.
    """
    if not _PLAIN_URI.match(uri) or ";method=" in uri.lower():
        uri = _request_uri(uri)
    top_via = _own_via(via)
    added = [f"Via: {via}"]
    added_keys = ["via"]
    for name, values in (("Record-Route", record_routes), ("Route", routes)):
        for value in values:
            if not _PLAIN_ROUTE.match(value):
                check_address(name, value)
            added.append(f"{name}: {value}")
            added_keys.append(name.lower())
    if headers:
        _add_headers(request, headers, added, added_keys)
    lines, keys = request.lines.copy(), request.keys.copy()
    lines[0] = f"{request.method} {uri} SIP/2.0"
    position = request.index.get("max-forwards")
    if position is None:
        added.append(f"Max-Forwards: {max_forwards}")
        added_keys.append("max-forwards")
    else:
        lines[position] = f"Max-Forwards: {max_forwards}"
    if max_breadth is not None:
        position = request.index.get("max-breadth")
        if position is None:
            added.append(f"Max-Breadth: {max_breadth}")
            added_keys.append("max-breadth")
        else:
            lines[position] = f"Max-Breadth: {max_breadth}"
    if drop_routes:
        _drop_routes(lines, keys, drop_routes)
    lines[1:1] = added
    keys[1:1] = added_keys
    if request.body and "content-length" not in request.index:
        lines.append(f"Content-Length: {len(request.body)}")
        keys.append("content-length")
    forwarded = Request(lines, keys, _index_of(keys), request.body)
    forwarded.method = request.method
    forwarded.uri_text = uri
    forwarded.max_forwards = max_forwards
    forwarded.top_via = top_via
    _take_identity(forwarded, request)
    return forwarded


def _add_headers(request: Request, headers: Headers, lines: list[str], keys: list[str]) -> None:
    """Append headers that a proxy adds; refuses what would stand twice and may not (SIP-7)."""
    early_lines, early_keys, late_lines, late_keys = header_lines(headers)
    for key in late_keys:
        if key in SINGLE and key in request.index:
            raise LocalProtocolError(f"header {key} stands in the request already [SIP-7]; leave it out")
    lines += early_lines + late_lines
    keys += early_keys + late_keys


def _request_uri(text: str) -> str:
    """A URI without what must not stand in a Request-URI (RFC 3261 19.1.1 table 1)."""
    try:
        uri = parse_uri(text)
    except UriError as error:
        raise LocalProtocolError(f"Request-URI {text!r} is no URI [SIP-18]; {error}") from None
    return uri.request_uri if isinstance(uri, SipUri) else text


def _own_via(via: str) -> Via:
    if '"' in via:  # elsewhere the grammar has no place for what must not be written
        check_header("Via", via)
    try:
        return parse_via(via)
    except ValueSyntaxError:
        raise LocalProtocolError(f"Via {via!r} is malformed [SIP-18]; give SIP/2.0/UDP host;branch=...") from None


def _drop_routes(lines: list[str], keys: list[str], number: int) -> None:
    """Take values away at the front of the Route set; of a line that is cut, the rest stays octet for octet."""
    while number and "route" in keys:
        position = keys.index("route")
        name, _, text = lines[position].partition(":")
        values = len(split_outside(text, ","))
        if values > number:
            lines[position] = f"{name}:{behind_values(text, number)}"
            return
        number -= values
        del lines[position], keys[position]


def relay_response(response: Response) -> bytes:
    """A response as a proxy sends it back: without its top Via value, otherwise as received (RFC 3261 16.7).

    Raises:
        LocalProtocolError: no other Via value remains, so that the response must not be forwarded (SIP-54); look at
            `Response.next_via` first.
    """
    lines = response.lines
    position = response.index["via"]
    line = lines[position]
    kept = lines.copy()
    if "," in line and (rest := behind_values(line.partition(":")[2], 1)):
        kept[position] = f"{line.partition(':')[0]}:{rest}"
    elif response.keys.count("via") > 1:
        del kept[position]
    else:
        raise LocalProtocolError("response has no Via but the top one [SIP-54]; drop it")
    return "\r\n".join(kept).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + response.body


def build_request(
    method: str,
    uri: str,
    *,
    via: str,
    from_: str,
    to: str,
    call_id: str,
    cseq: int,
    max_forwards: int = 70,
    headers: Headers = (),
    body: bytes = b"",
) -> Request:
    """A request of our own, its headers in the order of SIP-20.

    Raises:
        LocalProtocolError: a value is not fit for the wire, or the request is not one that we would accept.
    """
    if not 0 <= cseq <= MAX_CSEQ:
        raise LocalProtocolError(f"CSeq {cseq} is out of range [SIP-15]; give 0 to {MAX_CSEQ}")
    if not TOKEN.match(method):
        raise LocalProtocolError(f"method {method!r} is no token [SIP-18]; give letters")
    uri = _request_uri(uri)
    for name, value in (("Via", via), ("From", from_), ("To", to), ("Call-ID", call_id)):
        check_header(name, value)
    early, _, late, _ = header_lines(headers)
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via}",
        *early,
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Max-Forwards: {max_forwards}",
        *late,
        f"Content-Length: {len(body)}",
    ]
    try:
        built = parse_message("\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{method} {uri} is malformed [SIP-18]: {error.reason}; mend that value") from None
    if not isinstance(built, Request):
        raise LocalProtocolError(f"method {method!r} makes no request [SIP-18]; give another token")
    return built


def ack_for(invite: Request, response: Response) -> Request:
    """The ACK for a final response other than 2xx to an INVITE that we sent (RFC 3261 17.1.1.3)."""
    return _derived(invite, "ACK", response, ())


def cancel_for(invite: Request, reason: str | None = None) -> Request:
    """The CANCEL of an INVITE that we sent (RFC 3261 9.1), with a Reason value (RFC 3326).

    Raises:
        LocalProtocolError: the reason is not fit for the wire.
    """
    if reason is None:
        return _derived(invite, "CANCEL", invite, ())
    check_header("Reason", reason)
    return _derived(invite, "CANCEL", invite, (("Reason", reason),))


def _derived(invite: Request, method: str, to: Message, headers: Headers) -> Request:
    """A hop-by-hop request in the transaction of an INVITE: its Request-URI, top Via, From, Call-ID and Route."""
    source, index = invite.lines, invite.index
    lines = [f"{method} {invite.uri_text} SIP/2.0", f"Via: {invite.top_via.text}"]
    keys = ["", "via"]
    if "route" in index:
        _copy_all(invite, "route", "Route: ", lines, keys)
    lines += (
        _own(source[index["from"]], "From: "),
        _own(to.lines[to.index["to"]], "To: "),
        _own(source[index["call-id"]], "Call-ID: "),
        f"CSeq: {invite.cseq.number} {method}",
        "Max-Forwards: 70",
    )
    keys += ("from", "to", "call-id", "cseq", "max-forwards")
    for name, value in headers:
        lines.append(f"{name}: {value}")
        keys.append(KEYS[name])
    lines.append("Content-Length: 0")
    keys.append("content-length")
    derived = Request(lines, keys, _index_of(keys), b"")
    derived.method = method
    derived.uri_text = invite.uri_text
    derived.max_forwards = 70
    derived.top_via = invite.top_via
    _take_identity(derived, invite)
    derived.to_tag = to.to_tag
    derived.cseq = CSeq(invite.cseq.number, method)
    return derived


def _take_identity(message: Message, source: Message) -> None:
    message.from_tag = source.from_tag
    message.to_tag = source.to_tag
    message.call_id = source.call_id
    message.cseq = source.cseq


def _index_of(keys: list[str]) -> dict[str, int]:
    """Position of the first line of each header."""
    index: dict[str, int] = {}
    note_first = index.setdefault
    for position, key in enumerate(keys):
        note_first(key, position)
    del index[""]
    return index
