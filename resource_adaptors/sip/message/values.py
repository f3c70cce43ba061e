"""Structured header values: Via, name-addr, CSeq, and the lists they stand in (RFC 3261 20 and 25)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from resource_adaptors.sip.message.errors import ValueSyntaxError
from resource_adaptors.sip.message.uri import PLAIN_URI, Parameters, Uri, UriError, mend_ipv6, parse_uri, split_params

WHITE: Final = " \t"
"""White space within a header value, once unfolded."""
TOKEN_CHARACTERS: Final = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN: Final = re.compile(rf"[{TOKEN_CHARACTERS}]++\Z")
TAG: Final = rf"[{TOKEN_CHARACTERS}]++"
PLAIN_DISPLAY: Final = rf'(?:"[^"\\]*+" ?|[{TOKEN_CHARACTERS} ]*+)'

_VIA_VALUE: Final = rf"[{TOKEN_CHARACTERS}:\[\]]++"
_VIA_PARAM: Final = rf";(?!(?i:branch)\b)[{TOKEN_CHARACTERS}]++(?:={_VIA_VALUE})?+"
PLAIN_VIA: Final = (
    r"SIP/2\.0/([A-Z]++) ([A-Za-z0-9\-.]++)(?::([1-5]?[0-9]{1,4}+))?+"
    rf"((?:{_VIA_PARAM})*+(?:;branch=({TAG}))?+(?:{_VIA_PARAM})*+)"
)
"""The common shape of a Via value; groups: transport, host, port, parameters, branch."""
_PLAIN_VIA: Final = re.compile(rf"{PLAIN_VIA}\Z")
_VIA: Final = re.compile(
    rf"SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+([{TOKEN_CHARACTERS}]++)[ \t]++([A-Za-z0-9\-._]++|\[[0-9A-Fa-f:.]++\])"
    r"[ \t]*+(?::[ \t]*+([0-9]{1,5}+)[ \t]*+)?+((?:;.*)?)\Z",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS: Final = re.compile(
    rf"({PLAIN_DISPLAY})<({PLAIN_URI})>((?:;[{TOKEN_CHARACTERS}]++(?:=[{TOKEN_CHARACTERS}]++)?+)*+)\Z"
)
QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)
"""A quoted string, group 1 empty if it is not closed: a search must not start again within it."""
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_VALUE: Final = re.compile(rf'(?:[{TOKEN_CHARACTERS}:\[\]]++|"(?:[^"\\]|\\.)*+")\Z', re.DOTALL)
_CSEQ: Final = re.compile(rf"([0-9]++)[ \t]++([{TOKEN_CHARACTERS}]++)\Z")
_DISPLAY_WORD: Final = re.compile(rf"[{TOKEN_CHARACTERS}\x80-\U0010ffff]++\Z")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT\Z"
)
_Q: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_PIECES: Final = {
    separator: re.compile(rf'[^"<{separator}]++|"(?:[^"\\]|\\.)*+"|<[^>]*+>|{separator}', re.DOTALL)
    for separator in (",", ";")
}

_TAGGED: Final = ("from", "to")
"""Kinds of the headers in which `tag` names a side of the dialog."""

ADDRESS_HEADERS: Final = {
    "contact": ("Contact", "contact", "list"),
    "route": ("Route", "route", "routes"),
    "record-route": ("Record-Route", "record_route", "routes"),
    "path": ("Path", "path", "routes"),
    "reply-to": ("Reply-To", "reply_to", "single"),
    "refer-to": ("Refer-To", "refer_to", "single"),
}
"""Headers whose addresses every element judges: written name, kind of the error, and grammar: one address, a list, or a
list in which each address is in brackets."""


class Via(msgspec.Struct, frozen=True):
    """One Via value."""

    text: str
    """As received but unfolded, without surrounding white space."""
    transport: str
    """In upper case."""
    host: str
    """As received; IPv6 in brackets."""
    port: int | None
    branch: str | None
    """The transaction's name (RFC 3261 8.1.1.7); `None` from an RFC 2543 element."""
    parameters: str
    """The parameters as text, from the first semicolon on."""

    @property
    def params(self) -> Parameters:
        """Names and values of the parameters."""
        text = self.parameters
        if '"' in text or " " in text or "\t" in text:
            return parse_params(text, "Bad Via", "via")
        return split_params(text) if text else ()

    def param(self, name: str) -> str | None:
        """Value of a parameter, empty if it has none, `None` if it is absent; `name` in lower case."""
        return _param(self.params, name) if name in self.parameters.lower() else None

    @property
    def received(self) -> str | None:
        """The source address that the next hop saw, without brackets."""
        value = self.param("received")
        return None if value is None else value.strip("[]")

    @property
    def rport(self) -> int | str | None:
        """The source port that the next hop saw; empty if only asked for, `None` if absent (RFC 3581)."""
        value = self.param("rport")
        if not value:
            return value
        port = parse_number(value, 65_535)
        return "" if port is None else port

    @property
    def maddr(self) -> str | None:
        """Where responses are to be sent instead (RFC 3261 18.2.2)."""
        return self.param("maddr")

    @property
    def ttl(self) -> int | None:
        """Time to live of a multicast; `None` if absent or no number."""
        return _number(self.param("ttl"), 255)


class NameAddr(msgspec.Struct, frozen=True):
    """A display name, a URI and parameters: From, To, Contact, Route."""

    text: str
    """As received but unfolded, without surrounding white space."""
    display_name: str
    """Without quotes and escapes."""
    uri: Uri
    params: Parameters
    """Parameters of the header, not of the URI; quoted values keep their quotes."""

    def param(self, name: str) -> str | None:
        """Value of a header parameter, empty if it has none, `None` if it is absent; `name` in lower case."""
        return _param(self.params, name)

    @property
    def tag(self) -> str | None:
        """The dialog tag, `None` without one."""
        return _param(self.params, "tag") or None

    @property
    def q(self) -> float | None:
        """Preference from 0 to 1, `None` if absent or malformed."""
        value = _param(self.params, "q")
        return float(value) if value is not None and _Q.match(value) else None

    @property
    def expires(self) -> int | None:
        """Seconds asked for, `None` if absent, malformed or above 2**32-1 (SIP-15)."""
        return _number(_param(self.params, "expires"), 2**32 - 1)


class CSeq(msgspec.Struct, frozen=True):
    """A CSeq value."""

    number: int
    method: str


def parse_number(text: str, limit: int) -> int | None:
    """A number of digits only, leading zeros allowed (SIP-15); `None` if it is none or above the limit."""
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > 20:  # int() of thousands of digits costs more than linear time
        text = text.lstrip("0") or "0"
        if len(text) > 20:
            return None
    number = int(text)
    return number if number <= limit else None


def parse_date(text: str) -> datetime | None:
    """A Date value in the form of RFC 1123 with zone GMT; `None` if it is anything else (SIP-19)."""
    found = _DATE.match(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None


def _number(text: str | None, limit: int) -> int | None:
    return None if text is None else parse_number(text, limit)


def _param(params: Parameters, name: str) -> str | None:
    for key, value in params:
        if key == name or key.lower() == name:
            return value or ""
    return None


def parse_via(text: str) -> Via:
    """Parse one Via value.

    Raises:
        ValueSyntaxError: it breaks the grammar.
    """
    plain = _PLAIN_VIA.match(text)
    if plain is not None:
        transport, host, port, parameters, branch = plain.groups()
        return Via(text, transport, host, int(port) if port else None, branch, parameters)
    found = _VIA.match(text)
    if found is None:
        raise ValueSyntaxError("Bad Via", "via")
    transport, host, port, parameters = found.groups()
    if host.startswith("["):
        mended = mend_ipv6(host[1:-1])
        if mended is None:
            raise ValueSyntaxError("Bad Via", "via")
        host = f"[{mended}]"
    number = int(port) if port else None
    if number is not None and number > 65_535:
        raise ValueSyntaxError("Bad Via", "via")
    params = parse_params(parameters, "Bad Via", "via")
    _refuse_repeated(params, "branch", "Bad Via", "via")
    branch = _param(params, "branch")
    if branch is not None and not TOKEN.match(branch):
        raise ValueSyntaxError("Bad Branch", "branch")
    return Via(text, transport.upper(), host, number, branch, parameters)


def parse_name_addr(text: str, what: str = "Address", kind: str = "contact") -> NameAddr:
    """Parse one name-addr or addr-spec with its parameters.

    Args:
        text: the value, unfolded.
        what: name of the header, for the reason phrase.
        kind: kind of the error, out of `KINDS`.

    Raises:
        ValueSyntaxError: it breaks the grammar.
    """
    plain = _ADDRESS.match(text)
    try:
        if plain is not None:
            display, uri, params = plain.groups()
            if display:
                display = display.strip(WHITE)
                if display.startswith('"'):
                    display = display[1:-1]
            found = NameAddr(text, display, parse_uri(uri), split_params(params) if params else ())
        else:
            found = _parse_address(text, f"Bad {what}", kind)
    except UriError:
        raise ValueSyntaxError(f"Bad {what}", kind) from None
    if len(found.params) > 1 and kind in _TAGGED:
        _refuse_repeated(found.params, "tag", f"Bad {what}", kind)
    return found


def judge_addresses(text: str, key: str) -> None:
    """Refuse the value of one line of an address header if it is malformed (RFC 4475 3.1.2.1, 3.1.2.13 to 3.1.2.15).

    Raises:
        ValueSyntaxError: it breaks the grammar.
    """
    name, kind, grammar = ADDRESS_HEADERS[key]
    values = [text] if grammar == "single" else split_outside(text, ",", f"Bad {name}", kind)
    for value in values:
        value = value.strip(WHITE)
        if value == "*" and key == "contact":
            continue
        if grammar == "routes" and "<" not in value:
            raise ValueSyntaxError(f"Bad {name}", kind)
        parse_name_addr(value, name, kind)


def _parse_address(text: str, reason: str, kind: str) -> NameAddr:
    """Quoted display names with escapes, white space anywhere, and the form without angle brackets."""
    quoted = QUOTED.match(text)
    if quoted is not None:
        rest = text[quoted.end() :].lstrip(WHITE)
        if not quoted[1] or not rest.startswith("<"):
            raise ValueSyntaxError(reason, kind)
        display = _QUOTED_PAIR.sub(r"\1", quoted[0][1:-1])
        return _bracketed(text, display, rest, reason, kind)
    before, bracket, after = text.partition("<")
    if bracket:
        words = before.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if not all(_DISPLAY_WORD.match(word) for word in words):
            raise ValueSyntaxError(reason, kind)
        return _bracketed(text, " ".join(words), f"<{after}", reason, kind)
    # RFC 3261 20: without angle brackets everything behind the first semicolon belongs to the header (SIP-13)
    address, semicolon, params = text.partition(";")
    address = address.rstrip(WHITE)
    if "?" in address or "," in address:
        raise ValueSyntaxError(reason, kind)
    return NameAddr(text, "", parse_uri(address), parse_params(semicolon + params, reason, kind))


def _bracketed(text: str, display: str, rest: str, reason: str, kind: str) -> NameAddr:
    uri, bracket, params = rest[1:].partition(">")
    if not bracket:
        raise ValueSyntaxError(reason, kind)
    return NameAddr(text, display, parse_uri(uri), parse_params(params.lstrip(WHITE), reason, kind))


def parse_params(text: str, reason: str, kind: str) -> Parameters:
    """Parse `;name=value` parameters with white space where the grammar admits it.

    Raises:
        ValueSyntaxError: with this reason and kind, if they break the grammar.
    """
    if not text:
        return ()
    if not text.startswith(";"):
        raise ValueSyntaxError(reason, kind)
    params: list[tuple[str, str | None]] = []
    for part in split_outside(text[1:], ";", reason, kind):
        name, equals, value = part.partition("=")
        name, value = name.strip(WHITE), value.strip(WHITE)
        if not TOKEN.match(name) or (equals and not _VALUE.match(value)):
            raise ValueSyntaxError(reason, kind)
        params.append((name, value if equals else None))
    return tuple(params)


def _refuse_repeated(params: Parameters, name: str, reason: str, kind: str) -> None:
    """Refuse a parameter that would otherwise be read as one value here and as another there (RFC 3261 7.3.1)."""
    if [key.lower() for key, _ in params].count(name) > 1:
        raise ValueSyntaxError(reason, kind)


def split_outside(text: str, separator: str, reason: str = "Bad Header", kind: str = "header_line") -> list[str]:
    """Split at a separator, but not inside quotes or angle brackets (SIP-6); white space stays.

    Raises:
        ValueSyntaxError: with this reason and kind, if a quote or bracket is not closed.
    """
    if '"' not in text and "<" not in text:
        return text.split(separator)
    parts: list[str] = []
    start = at = 0
    # Matched piece by piece, not searched: a search would go over the rest once for each quote that is not closed
    match = _PIECES[separator].match
    while piece := match(text, at):
        at = piece.end()
        if text[at - 1] == separator and piece[0] == separator:
            parts.append(text[start : at - 1])
            start = at
    if at != len(text):
        raise ValueSyntaxError(reason, kind)
    parts.append(text[start:])
    return parts


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq value.

    Raises:
        ValueSyntaxError: it breaks the grammar, or the number is above 2**32-1 (SIP-15).
    """
    found = _CSEQ.match(text)
    number = None if found is None else parse_number(found[1], 2**32 - 1)
    if found is None or number is None:
        raise ValueSyntaxError("Bad CSeq", "cseq")
    return CSeq(number, found[2])
