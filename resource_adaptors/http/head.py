"""What a header section must and must not say; the parser has judged its form (HTTP-2, HTTP-3, HTTP-13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools

from resource_adaptors.http.message.errors import RemoteProtocolError

if TYPE_CHECKING:
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.gate import Gate

_SPECIAL: Final = frozenset({b"host", b"expect", b"transfer-encoding", b"content-length", b"content-encoding"})
_TOKEN_OCTETS: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def too_large(gate: Gate, status: int, limit: str) -> RemoteProtocolError:
    """The refusal of what is larger than it may be; it is counted."""
    gate.limit_hit(limit)
    return RemoteProtocolError(status, limit, "The request is larger than what is served.", close=True)


def malformed(error: httptools.HttpParserError, opening: bytes) -> RemoteProtocolError:
    """The refusal of what the parser cannot read; `opening` is how the connection began, if it is its first request."""
    if opening.startswith(b"PRI * HTTP/2.0"):
        return RemoteProtocolError(505, "version", "HTTP/2 is not served.", close=True)
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        word = opening.partition(b" ")[0]
        if word and _TOKEN_OCTETS.issuperset(word):
            return RemoteProtocolError(501, "method", "The method is not known.", close=True)
    return RemoteProtocolError(400, "framing", "The request is malformed.", close=True)


def judge_head(exchange: Exchange, version: str, gate: Gate, bound: int) -> None:
    """Judge a header section, and note what it says of the body.

    Args:
        exchange: with the fields.
        version: of the request line.
        gate: has the limits.
        bound: the header section has at most so many octets.

    Raises:
        RemoteProtocolError: the answer that the request gets instead.
    """
    if version not in ("1.1", "1.0"):
        raise RemoteProtocolError(505, "version", "HTTP/1.1 and 1.0 are served.", close=True)
    if len(exchange.headers) > gate.limits.header_fields:
        raise too_large(gate, 431, "header_fields")
    hosts = 0
    for name, value in exchange.headers:
        if name not in _SPECIAL:
            continue
        if name == b"host":
            hosts += 1
        else:
            _judge_field(exchange, version, gate, name, value.strip().lower())
    if bound > gate.limits.header_section:  # some of it may belong to other requests: count
        octets = sum(len(name) + len(value) + 4 for name, value in exchange.headers)
        if octets > gate.limits.header_section:
            raise too_large(gate, 431, "header_section")
    if hosts != 1 and (hosts or version == "1.1"):
        raise RemoteProtocolError(400, "host", "One Host header is needed.", close=True)


def _judge_field(exchange: Exchange, version: str, gate: Gate, name: bytes, value: bytes) -> None:
    if name == b"content-length":
        digits = value.lstrip(b"0")  # as many zeros as fit into the header section are more than `int` reads
        exchange.has_body = digits != b""
        if int(digits or b"0") > gate.limits.body:
            raise too_large(gate, 413, "body")
    elif name == b"content-encoding":
        exchange.coding = value
    elif name == b"transfer-encoding":
        if version == "1.0":
            raise RemoteProtocolError(400, "framing", "HTTP/1.0 has no transfer codings.", close=True)
        if value != b"chunked":
            raise RemoteProtocolError(501, "transfer_coding", "Only chunked is known.", close=True)
        exchange.has_body = True
    elif version == "1.1":
        if value != b"100-continue":
            raise RemoteProtocolError(417, "expect", "Only 100-continue can be expected.", close=True)
        exchange.is_expecting = True
