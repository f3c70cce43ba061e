"""Request targets: their form, path and query (RFC 9112 3.2, RFC 3986, HTTP-3 to HTTP-5)."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from resource_adaptors.http.message.errors import RemoteProtocolError

MAX_FIELDS: Final = 256
"""Fields of a query or form (HTTP-5)."""


class Target(msgspec.Struct, frozen=True):
    """A target, taken apart."""

    path: str
    """Normal path: decoded once, dot segments resolved, `%2F` kept."""
    segments: tuple[str, ...]
    """Its segments, decoded; `%2F` stands for a slash within one."""
    query: str
    """As received, without the question mark."""
    host: str | None = None
    """Authority of an absolute target, in lower case."""


def parse_target(raw: bytes, method: str) -> Target:
    """Take the target of a request line apart.

    Raises:
        RemoteProtocolError: 400 for a malformed one, 405 for CONNECT's form.
    """
    if method == "CONNECT":
        raise RemoteProtocolError(405, "connect", "CONNECT is not served.", headers=[("Allow", "GET")], close=True)
    host = None
    text = raw.decode("ascii", "replace")
    if not text.startswith("/"):
        if text == "*" and method == "OPTIONS":
            return Target("*", (), "")
        scheme, separator, rest = text.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise RemoteProtocolError(400, "target", "The target has no known form.", close=True)
        authority, slash, rest = rest.partition("/")
        if not slash:
            authority, question, query = authority.partition("?")
            rest = question + query
        host, text = authority.lower(), "/" + rest
    path, _, query = text.partition("?")
    if query.count("&") >= MAX_FIELDS:
        raise RemoteProtocolError(400, "query_fields", f"More than {MAX_FIELDS} fields.")
    if "%" in path or "/." in path:
        segments = _normal(path)
        path = "/" + "/".join(segment.replace("/", "%2F") for segment in segments)
    else:
        segments = tuple(path[1:].split("/"))
    return Target(path, segments, query, host)


def _normal(path: str) -> tuple[str, ...]:
    """The segments of a path, decoded, with dot segments resolved (RFC 3986 5.2.4)."""
    found: list[str] = []
    parts = path[1:].split("/")
    for place, part in enumerate(parts):
        if part in (".", ".."):
            if part == ".." and found:
                found.pop()
            if place == len(parts) - 1:
                found.append("")
            continue
        found.append(_decoded(part))
    return tuple(found)


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    escapes = segment.split("%")[1:]
    if any(len(e) < 2 or not _is_hex(e[:2]) for e in escapes):
        raise RemoteProtocolError(400, "path", "A percent sign without two hexadecimal digits.")
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(400, "path", "The path is no UTF-8.") from error
    if text in (".", "..") or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise RemoteProtocolError(400, "path", "An encoded dot segment or control character.")
    return text


def _is_hex(pair: str) -> bool:
    return all(c in "0123456789abcdefABCDEF" for c in pair)


def parse_fields(text: str) -> list[tuple[str, str]]:
    """Fields of a query or form, in order.

    Raises:
        RemoteProtocolError: 400, too many or no UTF-8 (HTTP-5).
    """
    if not text:
        return []
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise RemoteProtocolError(400, "fields", f"More than {MAX_FIELDS} fields, or no UTF-8.") from error
