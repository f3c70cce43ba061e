"""Messages to octets: answers, forwarded requests, relayed responses, and requests of our own.

What is forwarded stays as it was received, line by line, but for what the RFC has a proxy change (SIP-154).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Final

from resource_adaptors.sip.message.errors import LocalProtocolError, PartialRequest, RemoteProtocolError
from resource_adaptors.sip.message.message import Message, Request, Response, unfold
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.status import reason_phrase
from resource_adaptors.sip.message.uri import UriError, parse_uri
from resource_adaptors.sip.message.values import TOKEN, CSeq, split_outside

_COPIED: Final = ("from", "to", "call-id", "cseq")
_ROUTING: Final = ("route", "record-route", "path")
"""What is written right after Via (SIP-20)."""
_TO_TAG: Final = re.compile(rb";[ \t]*tag[ \t]*=", re.IGNORECASE)
_UNBALANCED: Final = re.compile(r'[^"]*+(?:"(?:[^"\\]|\\.)*+"[^"]*+)*+"', re.DOTALL)
_FORBIDDEN: Final = re.compile("[\r\n\0]")
Headers = Sequence[tuple[str, str]]


def check_header(name: str, value: str) -> None:
    """Refuse a header that must not be written (SIP-18, SIP-204).

    Raises:
        LocalProtocolError: the name is no token, or the value holds CR, LF, NUL or an unbalanced quote.
    """
    if not TOKEN.match(name):
        raise LocalProtocolError(f"header name {name!r} is no token [SIP-18]; give a plain name")
    if not is_writable(value):
        raise LocalProtocolError(
            f"{name}: {value!r} holds CR, LF, NUL or an unbalanced quote [SIP-18]; strip, escape or close it"
        )


def is_writable(value: str) -> bool:
    """Whether a header value can be written as it is: without CR, LF or NUL, and its quotes closed (SIP-18)."""
    return not _FORBIDDEN.search(value) and not ('"' in value and _UNBALANCED.match(value))


def check_reason(reason: str) -> None:
    """Refuse a reason phrase that must not be written (SIP-18); raises `LocalProtocolError`."""
    if _FORBIDDEN.search(reason):
        raise LocalProtocolError(f"reason phrase {reason!r} holds CR, LF or NUL [SIP-18]; strip them")


def build_response(
    request: Request,
    status: int,
    *,
    reason: str | None = None,
    to_tag: str | None = None,
    headers: Headers = (),
    body: bytes = b"",
) -> Response:
    """Answer a request: Via, From, To, Call-ID and CSeq are copied exactly (RFC 3261 8.2.6).

    Args:
        request: its top Via must carry `received` and `rport` already (`stamp_received`).
        status: 100 to 699.
        reason: reason phrase, the usual one if not given.
        to_tag: added to To if it has none; not for 100.
        headers: further headers, in order.
        body: with a Content-Type among `headers`.

    Raises:
        LocalProtocolError: the reason or a header is not fit for the wire (SIP-18).
    """
    if reason is not None:
        check_reason(reason)
    lines = [f"SIP/2.0 {status} {reason_phrase(status) if reason is None else reason}"]
    keys = [""]
    source = request.lines
    copies_route = 100 < status < 300 and "record-route" in request.index
    routes: list[str] = []
    for position, key in enumerate(request.keys):
        if key == "via":
            lines.append(source[position])
            keys.append(key)
        elif copies_route and key == "record-route":
            routes.append(source[position])
    if routes:
        lines += routes
        keys += ["record-route"] * len(routes)
    index = request.index
    to_line = source[index["to"]]
    tag = request.to_tag
    if tag is None and to_tag is not None and status > 100:
        to_line = f"{to_line.rstrip()};tag={to_tag}"
        tag = to_tag
    lines += (source[index["from"]], to_line, source[index["call-id"]], source[index["cseq"]])
    keys += _COPIED
    if request.is_folded:
        lines = [unfold(line) for line in lines]
    for name, value in headers:
        check_header(name, value)
        lines.append(f"{name}: {value}")
        keys.append(name.lower())
    lines.append(f"Content-Length: {len(body)}")
    keys.append("content-length")
    response = Response(lines, keys, _index_of(keys), body)
    response.status = status
    response.reason = lines[0][12:]
    response.top_via = request.top_via
    response.from_tag = request.from_tag
    response.to_tag = tag
    response.call_id = request.call_id
    response.cseq = request.cseq
    return response


def build_error_response(partial: PartialRequest, status: int, reason: str, *, received: tuple[str, int]) -> bytes:
    """A stateless answer to a malformed request, repeating what could be read of it (SIP-22).

    Args:
        partial: what could be read.
        status: the status that the error deserves.
        reason: its reason phrase.
        received: source address and port, put on the top Via (SIP-51).
    """
    vias = partial.via
    if partial.has_rport or partial.host != received[0]:
        top = _stamped(vias[0].decode("utf-8", "surrogateescape"), *received, rport=partial.has_rport)
        vias = (top.encode("utf-8", "surrogateescape"), *vias[1:])
    lines = [f"SIP/2.0 {status} {reason}".encode(), *(b"Via: " + via for via in vias)]
    to = partial.to
    if to is not None and not _TO_TAG.search(to):
        # the same for each repetition of the request, because nothing is remembered of it (RFC 3261 8.2.7)
        to += f";tag={zlib.crc32(b' '.join((vias[0], partial.call_id or b'', partial.cseq or b''))):08x}".encode()
    for name, value in (
        (b"From", partial.from_),
        (b"To", to),
        (b"Call-ID", partial.call_id),
        (b"CSeq", partial.cseq),
    ):
        if value is not None:
            lines.append(name + b": " + value)
    lines += (b"Content-Length: 0", b"", b"")
    return b"\r\n".join(lines)


def stamp_received(request: Request, host: str, port: int, *, force_rport: bool = False) -> Request:
    """Note the source address on the top Via, where it differs or is asked for (SIP-51, RFC 3581); the same object."""
    via = request.top_via
    asks = via.rport is not None
    if via.host == host and not asks and not force_rport:
        return request
    position = request.index["via"]
    line = request.lines[position]
    text = via.text
    if via.rport == "" and not via.has_received and line.endswith(text) and text.count(";rport") == 1:
        stamped = f"{text.replace(';rport', f';rport={port}')};received={host}"
        request.lines[position] = f"{line[: -len(text)]}{stamped}"
        return request
    name, _, value = line.partition(":")
    texts = [part.strip(" \t") for part in split_outside(unfold(value), ",")]
    stamped = _stamped(texts[0], host, port, rport=asks or force_rport)
    request.lines[position] = f"{name}: {', '.join([stamped, *texts[1:]])}"
    return request


def _stamped(text: str, host: str, port: int, *, rport: bool) -> str:
    """A Via value with `received`, and `rport` if wanted; values of theirs that the sender put there are replaced."""
    head, *params = split_outside(text, ";")
    kept = [p for p in params if p.partition("=")[0].strip(" \t").lower() not in {"received", "rport"}]
    if rport:
        kept.append(f"rport={port}")
    return ";".join((head, *kept, f"received={host}"))


def forward_request(
    request: Request,
    *,
    uri: str,
    via: str,
    max_forwards: int,
    record_routes: Sequence[str] = (),
    drop_routes: int = 0,
    routes: Sequence[str] = (),
    headers: Headers = (),
) -> Request:
    """A request as a proxy sends it on (RFC 3261 16.6): one pass over the received lines.

    Args:
        request: as received.
        uri: the new Request-URI.
        via: our Via value.
        max_forwards: the new Max-Forwards.
        record_routes: our Record-Route values, put before those received.
        drop_routes: number of Route values to take away at the front.
        routes: Route values to put at the front.
        headers: further headers, put after the routing headers.
    """
    lines = [f"{request.method} {uri} SIP/2.0", f"Via: {via}"]
    keys = ["", "via"]
    for name, values in (("Record-Route", record_routes), ("Route", routes)):
        for value in values:
            lines.append(f"{name}: {value}")
            keys.append(name.lower())
    for name, value in headers:
        check_header(name, value)
        lines.append(f"{name}: {value}")
        keys.append(name.lower())
    source = request.lines
    has_hops = False
    for position in range(1, len(source)):
        key = request.keys[position]
        line = source[position]
        if key == "max-forwards":
            line = f"Max-Forwards: {max_forwards}"
            has_hops = True
        elif key == "route" and drop_routes:
            values = request_values(line)
            dropped = min(drop_routes, len(values))
            drop_routes -= dropped
            if dropped == len(values):
                continue
            line = f"Route: {', '.join(values[dropped:])}"
        lines.append(line)
        keys.append(key)
    if not has_hops:
        lines.append(f"Max-Forwards: {max_forwards}")
        keys.append("max-forwards")
    if request.body and "content-length" not in request.index:
        lines.append(f"Content-Length: {len(request.body)}")
        keys.append("content-length")
    forwarded = Request(lines, keys, _index_of(keys), request.body)
    _take_identity(forwarded, request)
    forwarded.method = request.method
    forwarded.uri_text = uri
    forwarded.cached_uri = None
    forwarded.is_folded = request.is_folded
    forwarded.max_forwards = max_forwards
    return forwarded


def request_values(line: str) -> list[str]:
    """The values of one list header line."""
    return [part.strip() for part in split_outside(unfold(line.partition(":")[2]), ",")]


def relay_response(response: Response) -> bytes:
    """A response as a proxy sends it back: without its top Via value, otherwise as received (RFC 3261 16.7)."""
    lines = response.lines
    position = response.index["via"]
    line = lines[position]
    if "," not in line:
        kept = lines[:position] + lines[position + 1 :]
    else:
        values = request_values(line)
        kept = lines.copy()
        if len(values) == 1:
            del kept[position]
        else:
            kept[position] = f"Via: {', '.join(values[1:])}"
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
    if not TOKEN.match(method):
        raise LocalProtocolError(f"method {method!r} is no token [SIP-18]; give a plain word")
    named = [
        ("Via", via),
        *(header for header in headers if header[0].lower() in _ROUTING),
        ("From", from_),
        ("To", to),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        ("Max-Forwards", str(max_forwards)),
        *(header for header in headers if header[0].lower() == "contact"),
        *(header for header in headers if header[0].lower() not in {*_ROUTING, "contact"}),
        ("Content-Length", str(len(body))),
    ]
    for name, value in named:
        check_header(name, value)
    head = "\r\n".join((f"{method} {uri} SIP/2.0", *(f"{name}: {value}" for name, value in named)))
    try:
        parse_uri(uri)
        built = parse_message(head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)
    except (UriError, RemoteProtocolError) as error:
        raise LocalProtocolError(f"{method} {uri}: {error} [SIP-18]; give values that others can accept") from error
    assert isinstance(built, Request)
    return built


def ack_for(invite: Request, response: Response) -> Request:
    """The ACK for a final response other than 2xx (RFC 3261 17.1.1.3)."""
    return _derived(invite, "ACK", to_line=response.lines[response.index["to"]])


def cancel_for(invite: Request, reason: str | None = None) -> Request:
    """The CANCEL of an INVITE that we sent (RFC 3261 9.1), with a Reason value (RFC 3326) if that is well-formed."""
    headers = () if reason is None or not is_writable(reason) else (("Reason", reason),)
    return _derived(invite, "CANCEL", to_line=invite.lines[invite.index["to"]], headers=headers)


def _derived(invite: Request, method: str, *, to_line: str, headers: Headers = ()) -> Request:
    """A hop-by-hop request in the transaction of an INVITE: its Request-URI, top Via, From, Call-ID and Route."""
    source, index = invite.lines, invite.index
    lines = [f"{method} {invite.uri_text} SIP/2.0", source[index["via"]]]
    keys = ["", "via"]
    for position, key in enumerate(invite.keys):
        if key == "route":
            lines.append(source[position])
            keys.append(key)
    lines += (source[index["from"]], to_line, source[index["call-id"]])
    if "\n" in "".join(lines):
        lines = [unfold(line) for line in lines]
    keys += ("from", "to", "call-id")
    for name, value in (
        ("CSeq", f"{invite.cseq.number} {method}"),
        ("Max-Forwards", "70"),
        *headers,
        ("Content-Length", "0"),
    ):
        lines.append(f"{name}: {value}")
        keys.append(name.lower())
    derived = Request(lines, keys, _index_of(keys), b"")
    _take_identity(derived, invite)
    derived.cseq = CSeq(invite.cseq.number, method)
    derived.method = method
    derived.uri_text = invite.uri_text
    derived.cached_uri = invite.cached_uri
    derived.max_forwards = 70
    return derived


def _take_identity(message: Message, source: Message) -> None:
    message.top_via = source.top_via
    message.from_tag = source.from_tag
    message.to_tag = source.to_tag
    message.call_id = source.call_id
    message.cseq = source.cseq


def _index_of(keys: list[str]) -> dict[str, int]:
    """Position of the first line of each header."""
    index: dict[str, int] = {}
    for position, key in enumerate(keys):
        if key not in index:
            index[key] = position
    return index
