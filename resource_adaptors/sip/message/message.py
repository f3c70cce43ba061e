"""SIP requests and responses: immutable from outside, parsed only as far as they are read (SIP-1, SIP-2).

A message keeps its header lines as received, so that what a proxy forwards is equal octet for octet (SIP-154). Text is
UTF-8; octets that are not are kept by `surrogateescape`, and go out as they came in.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from resource_adaptors.sip.message.dates import parse_date
from resource_adaptors.sip.message.names import COMPACT, NEVER_SPLIT
from resource_adaptors.sip.message.uri import Uri, parse_uri
from resource_adaptors.sip.message.values import (
    CSeq,
    NameAddr,
    Via,
    parse_name_addr,
    parse_seconds,
    parse_via,
    split_outside,
)

_FOLD: Final = re.compile(r"\r\n[ \t]+")


def unfold(text: str) -> str:
    """A header value with each line break and its white space read as one space (SIP-4)."""
    return _FOLD.sub(" ", text) if "\n" in text else text


def value_of(line: str) -> str:
    """Value of a header line, unfolded and without surrounding white space."""
    return unfold(line[line.find(":") + 1 :]).strip(" \t")


def _canonical(name: str) -> str:
    lower = name.lower()
    return COMPACT.get(lower, lower)


class Message:
    """What requests and responses have in common."""

    __slots__ = (
        "_contacts",
        "cached_from",
        "cached_to",
        "_vias",
        "body",
        "call_id",
        "cseq",
        "from_tag",
        "index",
        "is_folded",
        "keys",
        "lines",
        "to_tag",
        "top_via",
    )

    call_id: str
    cseq: CSeq
    top_via: Via
    from_tag: str | None
    """Tag of the From header."""
    to_tag: str | None
    """Tag of the To header."""

    def __init__(self, lines: list[str], keys: list[str], index: dict[str, int], body: bytes) -> None:
        self.lines = lines
        """Start line, then header lines as received, folding included."""
        self.keys = keys
        """Canonical name of each header line, in lower case; the first stands for the start line."""
        self.index = index
        """Position of the first line of each header."""
        self.is_folded = False
        """Whether any header goes on over several lines (SIP-4)."""
        self.body = body
        self._vias: tuple[Via, ...] | None = None
        self._contacts: tuple[NameAddr, ...] | None = None
        self.cached_from: NameAddr | None = None
        self.cached_to: NameAddr | None = None

    @property
    def raw(self) -> bytes:
        """The message on the wire."""
        return "\r\n".join(self.lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body

    def line_value(self, position: int) -> str:
        """Value of the header line at a position, unfolded and without surrounding white space."""
        return value_of(self.lines[position])

    def header(self, name: str) -> str | None:
        """Value of the first line of a header, `None` if it is absent."""
        position = self.index.get(_canonical(name))
        return None if position is None else self.line_value(position)

    def has(self, name: str) -> bool:
        """Whether the header is present."""
        return _canonical(name) in self.index

    def values(self, name: str) -> tuple[str, ...]:
        """Values of a list header over all its lines, in order (SIP-6)."""
        key = _canonical(name)
        first = self.index.get(key)
        if first is None:
            return ()
        values: list[str] = []
        for position in range(first, len(self.keys)):
            if self.keys[position] == key:
                text = self.line_value(position)
                if key in NEVER_SPLIT or "," not in text:
                    values.append(text)
                else:
                    values.extend(part.strip(" \t") for part in split_outside(text, ","))
        return tuple(values)

    @property
    def via(self) -> tuple[Via, ...]:
        """All Via values, the topmost first."""
        if self._vias is None:
            self._vias = tuple(parse_via(text) for text in self.values("via"))
        return self._vias

    @property
    def from_(self) -> NameAddr:
        """The From header."""
        if self.cached_from is None:
            self.cached_from = parse_name_addr(self.line_value(self.index["from"]), "From")
        return self.cached_from

    @property
    def to(self) -> NameAddr:
        """The To header."""
        if self.cached_to is None:
            self.cached_to = parse_name_addr(self.line_value(self.index["to"]), "To")
        return self.cached_to

    @property
    def contact_star(self) -> bool:
        """Whether one of the Contact values is `*`."""
        return "*" in self.values("contact")

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """Contact values, without a `*`."""
        if self._contacts is None:
            self._contacts = tuple(parse_name_addr(text, "Contact") for text in self.values("contact") if text != "*")
        return self._contacts

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        """Route values, the next hop first."""
        return tuple(parse_name_addr(text, "Route") for text in self.values("route"))

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        """Record-Route values, the latest first."""
        return tuple(parse_name_addr(text, "Record-Route") for text in self.values("record-route"))

    @property
    def content_type(self) -> str | None:
        """Value of Content-Type."""
        return self.header("content-type")

    @property
    def expires(self) -> int | None:
        """Value of Expires in seconds; `None` if absent or above 2**32-1 (SIP-15)."""
        return parse_seconds(self.header("expires"))

    @property
    def date(self) -> datetime | None:
        """Value of Date; `None` if it is absent, malformed or not in GMT (SIP-19)."""
        text = self.header("date")
        return None if text is None else parse_date(text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.lines[0]!r} Call-ID {self.call_id!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Request(Message):
    """A SIP request."""

    __slots__ = ("cached_uri", "max_forwards", "method", "uri_text")

    method: str
    uri_text: str
    """The Request-URI as received."""
    max_forwards: int | None
    """Value of Max-Forwards, `None` if it is absent."""
    cached_uri: Uri | None

    @property
    def uri(self) -> Uri:
        """The Request-URI."""
        if self.cached_uri is None:
            self.cached_uri = parse_uri(self.uri_text)
        return self.cached_uri


class Response(Message):
    """A SIP response."""

    __slots__ = ("reason", "status")

    status: int
    reason: str
