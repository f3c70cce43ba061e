"""SIP requests and responses: immutable from outside, parsed only as far as they are read (SIP-1, SIP-2).

A message keeps its header lines as received, so that what a proxy forwards is equal octet for octet (SIP-154). Text is
UTF-8; octets that are not are kept by `surrogateescape`, and go out as they came in.

Whatever a property here parses late was found well-formed by the parser, so that reading a message never fails.
"""

from __future__ import annotations

from datetime import datetime

from resource_adaptors.sip.message.errors import ValueSyntaxError
from resource_adaptors.sip.message.names import UNSPLIT, canonical
from resource_adaptors.sip.message.uri import Uri, parse_uri
from resource_adaptors.sip.message.values import (
    WHITE,
    CSeq,
    NameAddr,
    Via,
    parse_date,
    parse_name_addr,
    parse_number,
    parse_via,
    split_outside,
)


def unfold(text: str) -> str:
    """A header value with each line break and the white space round it read as one space (SIP-4)."""
    if "\n" not in text:
        return text
    return " ".join(part for line in text.split("\r\n") if (part := line.strip(WHITE)))


def line_value(line: str) -> str:
    """Value of a header line, unfolded and without surrounding white space."""
    return unfold(line.partition(":")[2]).strip(WHITE)


class Message:
    """What requests and responses have in common."""

    __slots__ = (
        "_contacts",
        "_from",
        "_to",
        "_vias",
        "body",
        "call_id",
        "cseq",
        "from_tag",
        "index",
        "keys",
        "leniencies",
        "lines",
        "to_tag",
        "top_via",
    )

    body: bytes
    call_id: str
    cseq: CSeq
    top_via: Via
    from_tag: str | None
    """Tag of the From header."""
    to_tag: str | None
    """Tag of the To header."""
    # These are not set until they are read, which spares each message the setting.
    _contacts: tuple[NameAddr, ...]
    _from: NameAddr
    _to: NameAddr
    _vias: tuple[Via, ...]
    leniencies: tuple[str, ...]
    """What the parser overlooked, out of `LENIENCIES`; to be counted (SIP-25)."""

    def __init__(self, lines: list[str], keys: list[str], index: dict[str, int], body: bytes) -> None:
        """For the parser and the writers only, which fill in the rest; `parse_message` makes a message of octets."""
        self.lines = lines
        """Start line, then header lines as received, folding included. Not to be changed."""
        self.keys = keys
        """Canonical name of each header line, empty for the start line. Not to be changed."""
        self.index = index
        """Position of the first line of each header. Not to be changed."""
        self.body = body
        self.leniencies = ()

    @property
    def raw(self) -> bytes:
        """The message on the wire."""
        return "\r\n".join(self.lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body

    def header(self, name: str) -> str | None:
        """Value of the first line of a header, unfolded; `None` if it is absent. Any spelling of the name will do."""
        position = self.index.get(name)
        if position is None:
            position = self.index.get(canonical(name))
            if position is None:
                return None
        return line_value(self.lines[position])

    def has(self, name: str) -> bool:
        """Whether the header is present."""
        return canonical(name) in self.index

    def values(self, name: str) -> tuple[str, ...]:
        """Values of a list header over all its lines, in order (SIP-6)."""
        key = canonical(name)
        first = self.index.get(key)
        if first is None:
            return ()
        values: list[str] = []
        for position in range(first, len(self.keys)):
            if self.keys[position] == key:
                text = line_value(self.lines[position])
                if "," not in text or key in UNSPLIT:
                    values.append(text)
                else:
                    values.extend(_split_values(text))
        return tuple(values)

    @property
    def via(self) -> tuple[Via, ...]:
        """All Via values, the topmost first."""
        try:
            return self._vias
        except AttributeError:
            self._vias = found = tuple(parse_via(text) for text in self.values("via"))
            return found

    @property
    def from_(self) -> NameAddr:
        """The From header."""
        try:
            return self._from
        except AttributeError:
            self._from = found = parse_name_addr(line_value(self.lines[self.index["from"]]), "From", "from")
            return found

    @property
    def to(self) -> NameAddr:
        """The To header."""
        try:
            return self._to
        except AttributeError:
            self._to = found = parse_name_addr(line_value(self.lines[self.index["to"]]), "To", "to")
            return found

    @property
    def contact_star(self) -> bool:
        """Whether one of the Contact values is `*`."""
        return "contact" in self.index and "*" in self.values("contact")

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """Contact values, without a `*`."""
        try:
            return self._contacts
        except AttributeError:
            self._contacts = found = tuple(
                parse_name_addr(text, "Contact") for text in self.values("contact") if text != "*"
            )
            return found

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        """Route values, the next hop first."""
        return tuple(parse_name_addr(text, "Route", "route") for text in self.values("route"))

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        """Record-Route values, the latest first."""
        return tuple(parse_name_addr(text, "Record-Route", "record_route") for text in self.values("record-route"))

    @property
    def paths(self) -> tuple[NameAddr, ...]:
        """Path values, the latest first (RFC 3327)."""
        return tuple(parse_name_addr(text, "Path", "path") for text in self.values("path"))

    @property
    def content_type(self) -> str | None:
        """Value of Content-Type."""
        return self.header("content-type")

    @property
    def expires(self) -> int | None:
        """Value of Expires in seconds; `None` if absent, malformed or above 2**32-1 (SIP-15)."""
        text = self.header("expires")
        return None if text is None else parse_number(text, 2**32 - 1)

    @property
    def date(self) -> datetime | None:
        """Value of Date; `None` if absent, or not RFC 1123 with zone GMT, which is no error (SIP-19)."""
        text = self.header("date")
        return None if text is None else parse_date(text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.lines[0]!r} Call-ID {self.call_id!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and type(other) is type(self) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Request(Message):
    """A SIP request."""

    __slots__ = ("_uri", "max_forwards", "method", "uri_text")

    method: str
    uri_text: str
    """The Request-URI as received, but for an IPv6 address with three colons, which is mended (RFC 5118 4.10)."""
    max_forwards: int | None
    """Value of Max-Forwards, `None` if it is absent."""
    _uri: Uri

    @property
    def uri(self) -> Uri:
        """The Request-URI."""
        try:
            return self._uri
        except AttributeError:
            self._uri = found = parse_uri(self.uri_text)
            return found


class Response(Message):
    """A SIP response."""

    __slots__ = ("reason", "status")

    status: int
    reason: str
    """Reason phrase as received, possibly empty."""

    @property
    def next_via(self) -> Via | None:
        """The Via value below the top one, `None` if there is none and the response ends here (SIP-54)."""
        vias = self.via
        return vias[1] if len(vias) > 1 else None


def _split_values(text: str) -> list[str]:
    """Values of one line; a line whose quotes do not close is one value, because its header was not judged."""
    try:
        return [part.strip(WHITE) for part in split_outside(text, ",")]
    except ValueSyntaxError:
        return [text]
