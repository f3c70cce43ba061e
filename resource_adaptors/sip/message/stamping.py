"""Noting on the top Via where a request came from, and the stateless answer to one that is malformed (protocols B5)."""

from __future__ import annotations

import re
from typing import Final

from resource_adaptors.sip.message.checks import check_text
from resource_adaptors.sip.message.errors import LocalProtocolError, PartialRequest, ValueSyntaxError
from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.refusal import SENT_BY
from resource_adaptors.sip.message.uri import same_host
from resource_adaptors.sip.message.values import TOKEN, WHITE, Via, split_outside

_STAMP: Final = re.compile(r";[ \t]*+(?:received|rport)[ \t]*+(?:=[^;,]*+)?(?=[;,]|\Z)", re.IGNORECASE)
_TAG: Final = re.compile(rb";[ \t]*tag[ \t]*=", re.IGNORECASE)


def stamp_received(request: Request, host: str, port: int, *, force_rport: bool = False) -> Request:
    """The request with its source noted on the top Via, where it differs or is asked for (SIP-51, SIP-52, RFC 3581).

    Args:
        request: as received.
        host: source address, IPv6 without brackets.
        port: source port.
        force_rport: note the port even if the client did not ask (`force_rport` of the listener).

    Returns:
        the same object if there is nothing to note.
    """
    via = request.top_via
    parameters = via.parameters
    asks = force_rport or ("rport" in parameters.lower() and via.rport is not None)
    if not asks and (via.host == host or (":" in host and same_host(via.host, f"[{host}]"))):
        return request
    stamp = f";received={host};rport={port}" if asks else f";received={host}"
    kept = _without_stamp(parameters)
    text = f"{via.text[: len(via.text) - len(parameters)].rstrip(WHITE)}{kept}{stamp}"
    stamped = Via(text, via.transport, via.host, via.port, via.branch, kept + stamp)
    position = request.index["via"]
    name, _, value = request.lines[position].partition(":")
    rest = "" if "," not in value else behind_values(value, 1)
    lines = request.lines.copy()
    lines[position] = f"{name.rstrip(WHITE)}: {text},{rest}" if rest else f"{name.rstrip(WHITE)}: {text}"
    copied = Request(lines, request.keys, request.index, request.body)
    copied.method = request.method
    copied.uri_text = request.uri_text
    copied.max_forwards = request.max_forwards
    copied.call_id = request.call_id
    copied.cseq = request.cseq
    copied.from_tag = request.from_tag
    copied.to_tag = request.to_tag
    copied.leniencies = request.leniencies
    copied.top_via = stamped
    return copied


def _without_stamp(parameters: str) -> str:
    """Via parameters without `received` and `rport`, also those that the sender put there."""
    lower = parameters.lower()
    if "rport" not in lower and "received" not in lower:
        return parameters
    if '"' not in parameters:
        return _STAMP.sub("", parameters)
    parts = split_outside(parameters[1:], ";")
    names = (part.partition("=")[0].strip(WHITE).lower() for part in parts)
    return "".join(f";{part}" for part, name in zip(parts, names, strict=True) if name not in ("received", "rport"))


def behind_values(text: str, number: int) -> str:
    """What follows the first values of a list header line, octet for octet; empty if nothing does."""
    return ",".join(split_outside(text, ",")[number:])


def build_error_response(
    partial: PartialRequest, status: int, reason: str, *, received: tuple[str, int], to_tag: str = "malformed"
) -> bytes:
    """A stateless answer to a malformed request, repeating what could be read of it (SIP-22).

    Args:
        partial: what could be read.
        status: the status that the error deserves.
        reason: its reason phrase.
        received: source address and port, put on the top Via (SIP-51, RFC 3581).
        to_tag: added to To if it has none; the same for each retransmission (RFC 3261 8.2.7).
    """
    check_text("reason phrase", reason)
    if not TOKEN.match(to_tag):
        raise LocalProtocolError(f"To tag {to_tag!r} is no token [SIP-18]; give a plain tag")
    vias = [via.decode("utf-8", "surrogateescape") for via in partial.via]
    vias[0] = _stamped_text(vias[0], partial, received)
    lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in vias)]
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape")
    to = partial.to
    if to is not None and not _TAG.search(to):
        to += b";tag=" + to_tag.encode("ascii")
    for name, value in (
        (b"From", partial.from_),
        (b"To", to),
        (b"Call-ID", partial.call_id),
        (b"CSeq", partial.cseq),
    ):
        if value is not None:
            head += b"\r\n" + name + b": " + value
    return head + b"\r\nContent-Length: 0\r\n\r\n"


def _stamped_text(text: str, partial: PartialRequest, received: tuple[str, int]) -> str:
    """A Via line, possibly malformed behind its sent-by, with the source noted right behind the sent-by."""
    host, port = received
    sent_by = SENT_BY.match(text)
    if sent_by is None or (not partial.has_rport and partial.host.strip("[]") == host):
        return text
    stamp = f";received={host};rport={port}" if partial.has_rport else f";received={host}"
    rest = text[sent_by.end() :]
    try:
        first = split_outside(rest, ",")[0]
    except ValueSyntaxError:
        first = rest
    return f"{sent_by[0]}{stamp}{_STAMP.sub('', first)}{rest[len(first) :]}"
