"""Who a forwarder says that a request is from: Forwarded (RFC 7239) and X-Forwarded-For (HTTP-39)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from resource_adaptors.http.message.headers import RawHeaders
from resource_adaptors.http.message.request import Source


def forwarded_source(headers: RawHeaders, peer: Source, is_trusted: Callable[[str], bool]) -> Source:
    """The client behind trusted forwarders; the peer itself where nothing can be made of the fields.

    Entries are read from the last one, which the peer has added, towards the first: up to and with the first address
    that is no trusted forwarder, since what stands before it anybody may have written.
    """
    values = _values(headers, b"forwarded")
    entries = [_pairs(value) for value in values] if values else _older(headers)
    source = peer
    for entry in reversed(entries):
        node = _node(entry.get("for", ""))
        if node is None:
            return source
        scheme = entry.get("proto", source.scheme).lower()
        source = Source(node[0], node[1], scheme if scheme in ("http", "https") else source.scheme)
        if not is_trusted(source.host):
            return source
    return source


def _older(headers: RawHeaders) -> list[dict[str, str]]:
    entries = [{"for": value} for value in _values(headers, b"x-forwarded-for")]
    schemes = _values(headers, b"x-forwarded-proto")
    if len(schemes) == 1:
        for entry in entries:
            entry["proto"] = schemes[0]
    return entries


def _values(headers: RawHeaders, name: bytes) -> list[str]:
    """The members of a list that may stand in several fields."""
    text = ",".join(value.decode("latin-1") for key, value in headers if key == name)
    return [part.strip() for part in text.split(",")] if text else []


def _pairs(entry: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in entry.split(";"):
        name, separator, value = part.strip().partition("=")
        if separator:
            found[name.lower()] = value.strip('"')
    return found


def _node(text: str) -> tuple[str, int] | None:
    """Address and port of a node; `None` for names, which prove nothing, and for what is malformed."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return str(address), int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else 0
