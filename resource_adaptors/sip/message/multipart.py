"""Multipart bodies, split when a service asks for it (RFC 5621, RFC 2046 5.1, SIP-17)."""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.sip.message.errors import RemoteProtocolError, ValueSyntaxError
from resource_adaptors.sip.message.framing import join_folded
from resource_adaptors.sip.message.limits import DATAGRAM, Limits
from resource_adaptors.sip.message.message import line_value
from resource_adaptors.sip.message.names import canonical
from resource_adaptors.sip.message.values import WHITE, parse_params

_DEFAULT_TYPE: Final = "text/plain"
_MAX_BOUNDARY: Final = 70


class Part(msgspec.Struct, frozen=True):
    """One part of a multipart body."""

    content_type: str
    """Value of its Content-Type, with parameters; `text/plain` if it has none."""
    required: bool
    """Whether a recipient that does not understand it has to refuse the message (`handling`, RFC 5621 4.2)."""
    body: bytes
    parts: tuple[Part, ...]
    """Its own parts if it is itself multipart."""


def split_multipart(content_type: str, body: bytes, limits: Limits = DATAGRAM) -> tuple[Part, ...]:
    """Split a body of type `multipart/*`, and the multipart bodies within it.

    Args:
        content_type: value of Content-Type.
        body: the body.
        limits: how many parts, and how many levels, are taken.

    Raises:
        RemoteProtocolError: 400, the body is malformed or has too many parts or levels.
    """
    try:
        return _split(content_type, body, limits, 1)
    except ValueSyntaxError as fault:
        raise RemoteProtocolError(fault.status, fault.reason, fault.kind) from None


def is_multipart(content_type: str) -> bool:
    """Whether a Content-Type value is `multipart/*`."""
    return content_type[:10].lower() == "multipart/"


def _split(content_type: str, body: bytes, limits: Limits, depth: int) -> tuple[Part, ...]:
    if depth > limits.depth:
        raise ValueSyntaxError("Multipart Body Too Deep", "multipart")
    delimiter = b"\r\n--" + _boundary(content_type)
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) > limits.parts + 2:
        raise ValueSyntaxError("Too Many Body Parts", "multipart")
    parts: list[Part] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return tuple(parts)
        padding, line_end, rest = piece.partition(b"\r\n")
        if not line_end or padding.strip(b" \t"):
            raise ValueSyntaxError("Bad Multipart Body", "multipart")
        parts.append(_part(rest, limits, depth))
    raise ValueSyntaxError("Multipart Body Without End", "multipart")


def _boundary(content_type: str) -> bytes:
    _, semicolon, params = content_type.partition(";")
    for name, value in parse_params(semicolon + params, "Bad Content-Type", "multipart"):
        if name.lower() == "boundary" and value is not None:
            boundary = value[1:-1] if value.startswith('"') else value
            if 0 < len(boundary) <= _MAX_BOUNDARY and boundary.isascii():
                return boundary.encode("ascii")
    raise ValueSyntaxError("Missing Multipart Boundary", "multipart")


def _part(data: bytes, limits: Limits, depth: int) -> Part:
    if data.startswith(b"\r\n"):
        head, body = b"", data[2:]
    else:
        head, separator, body = data.partition(b"\r\n\r\n")
        if not separator:
            raise ValueSyntaxError("Bad Multipart Body", "multipart")
    headers: dict[str, str] = {}
    for line in join_folded(["", *head.decode("utf-8", "surrogateescape").split("\r\n")]):
        headers[canonical(line.partition(":")[0].strip(WHITE))] = line_value(line)
    content_type = headers.get("content-type", _DEFAULT_TYPE)
    parts = _split(content_type, body, limits, depth + 1) if is_multipart(content_type) else ()
    return Part(content_type, _is_required(headers.get("content-disposition", "")), body, parts)


def _is_required(disposition: str) -> bool:
    _, semicolon, params = disposition.partition(";")
    for name, value in parse_params(semicolon + params, "Bad Content-Disposition", "multipart"):
        if name.lower() == "handling" and value is not None:
            return value.lower() != "optional"
    return True
