"""What a header must be like to be written: no path from network text to the wire goes round this (SIP-18, SIP-204)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from resource_adaptors.sip.message.errors import LocalProtocolError, ValueSyntaxError
from resource_adaptors.sip.message.names import KEYS, SINGLE
from resource_adaptors.sip.message.values import ADDRESS_HEADERS, QUOTED, TOKEN, judge_addresses

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Names and values of headers, in the order in which they are written."""

_ENDS_LINE: Final = re.compile("[\r\n\0]")
_WRITTEN_BY_US: Final = frozenset(("via", "from", "to", "call-id", "cseq", "max-forwards", "content-length"))
_EARLY: Final = {"route": 0, "record-route": 1, "path": 2}
"""Headers that come before From, and their order (SIP-20)."""


def check_header(name: str, value: str) -> None:
    """Refuse a header that must not be written.

    Raises:
        LocalProtocolError: the name is no token, or the value holds CR, LF, NUL, an unbalanced quote or half of a
            surrogate pair.
    """
    if not TOKEN.match(name):
        raise LocalProtocolError(f"header name {name!r} is no token [SIP-18]; give a plain name")
    check_text(name, value)
    if '"' in value and '"' in QUOTED.sub(lambda quoted: "" if quoted[1] else quoted[0], value):
        raise LocalProtocolError(f"{name}: {value!r} has an unbalanced quote [SIP-18]; escape or close it")


def check_address(name: str, value: str) -> None:
    """Refuse a value of an address header that our own parser would refuse.

    Raises:
        LocalProtocolError: it must not be written, or is no address in the form that the header asks for.
    """
    check_header(name, value)
    try:
        judge_addresses(value, KEYS[name])
    except ValueSyntaxError:
        raise LocalProtocolError(f"{name}: {value!r} is malformed [SIP-18]; give <URI> and parameters") from None


def check_text(what: str, text: str) -> None:
    """Refuse text that would end the line that it is written on, or that has no octets.

    Raises:
        LocalProtocolError: it holds CR, LF, NUL or half of a surrogate pair.
    """
    if _ENDS_LINE.search(text):
        raise LocalProtocolError(f"{what}: {text!r} holds CR, LF or NUL [SIP-18]; strip them from the value")
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise LocalProtocolError(f"{what}: {text!r} is no text in UTF-8 [SIP-8]; give whole characters") from None


def header_lines(headers: Headers) -> tuple[list[str], list[str], list[str], list[str]]:
    """Lines and canonical names of headers to be written before From, then of those to be written behind CSeq.

    Route, Record-Route and Path come before From, Contact before the others (SIP-20).

    Raises:
        LocalProtocolError: a header must not be written, is one that the writer writes itself, or stands twice and may
            stand once only (SIP-7).
    """
    early: list[tuple[int, str, str]] = []
    contacts: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for name, value in headers:
        key = KEYS[name]
        if key in ADDRESS_HEADERS:
            check_address(name, value)
        else:
            check_header(name, value)
        line = f"{name}: {value}"
        if key in _WRITTEN_BY_US:
            raise LocalProtocolError(f"header {name} is written by the stack [SIP-18]; leave it out of the headers")
        if key in _EARLY:
            early.append((_EARLY[key], line, key))
        elif key == "contact":
            contacts.append((line, key))
        elif key in SINGLE and any(key == other for _, other in others):
            raise LocalProtocolError(f"header {name} stands twice [SIP-7]; give it once")
        else:
            others.append((line, key))
    early.sort(key=lambda entry: entry[0])
    late = contacts + others
    return [line for _, line, _ in early], [key for *_, key in early], [line for line, _ in late], [k for _, k in late]
