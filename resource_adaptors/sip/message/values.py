"""Structured header values: Via, name-addr, CSeq, and the lists they stand in (RFC 3261 20 and 25)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from resource_adaptors.sip.message.uri import Parameters, Uri, UriError, parse_uri

TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
_VIA: Final = re.compile(
    r"SIP/2\.0/([A-Za-z0-9\-]+) ([A-Za-z0-9\-.]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?"
    r"((?:;[A-Za-z0-9\-]+(?:=[A-Za-z0-9\-.!%*_+`'~:\[\]]+)?)*)\Z"
)
_VIA_LOOSE: Final = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+([A-Za-z0-9\-.]+|\[[0-9A-Fa-f:.]+\])\s*(?::\s*([0-9]{1,5}))?\s*((?:;.*)?)\Z",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(
    r"([A-Za-z0-9\-.!%*_+`'~ ]*|\"[^\"\\]*\" ?)<([^<>\s]+)>((?:;[A-Za-z0-9\-.]+(?:=[A-Za-z0-9\-.!%*_+`'~:]+)?)*)\Z"
)
PLAIN_ADDRESS: Final = re.compile(
    r"(?:\"[^\"\\]*\" ?|[A-Za-z0-9\-.!%*_+`'~ ]*)"
    r"<sips?:(?:[A-Za-z0-9\-_.!~*'()+]+@)?[A-Za-z0-9\-.]+(?::[0-9]{1,5})?(?:;[A-Za-z0-9\-_.]+(?:=[A-Za-z0-9\-_.:]+)?)*>"
    r"(?:;tag=([A-Za-z0-9\-.!%*_+`'~]+))?\Z"
)
"""The common shape of From, To, Contact and Route: matching it proves the value well-formed; group 1 is the tag."""
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PARAMETER_VALUE: Final = re.compile(r"(?:[A-Za-z0-9\-.!%*_+`'~:\[\]]+|\"(?:[^\"\\]|\\.)*\")\Z", re.DOTALL)
_Q: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")


class ValueSyntaxError(ValueError):
    """A header value breaks the grammar; the text is fit for a reason phrase."""


class Via(msgspec.Struct, frozen=True):
    """One Via value."""

    text: str
    """As received, without surrounding white space."""
    transport: str
    host: str
    port: int | None
    params: Parameters

    def param(self, name: str) -> str | None:
        """Value of a parameter, empty if it has none, `None` if it is absent."""
        for key, value in self.params:
            if key.lower() == name:
                return value or ""
        return None

    @property
    def branch(self) -> str | None:
        """The transaction's name (RFC 3261 8.1.1.7)."""
        return self.param("branch")

    @property
    def received(self) -> str | None:
        """The source address that the next hop saw."""
        value = self.param("received")
        return None if value is None else value.strip("[]")

    @property
    def rport(self) -> int | str | None:
        """The source port that the next hop saw; empty if only asked for, `None` if absent (RFC 3581)."""
        value = self.param("rport")
        return int(value) if value and value.isdigit() else value

    @property
    def maddr(self) -> str | None:
        """Where responses are to be sent instead (RFC 3261 18.2.2)."""
        return self.param("maddr")


class NameAddr(msgspec.Struct, frozen=True):
    """A display name, a URI and parameters: From, To, Contact, Route."""

    text: str
    """As received, without surrounding white space."""
    display_name: str
    uri: Uri
    params: Parameters

    def param(self, name: str) -> str | None:
        """Value of a header parameter, empty if it has none, `None` if it is absent."""
        for key, value in self.params:
            if key.lower() == name:
                return value or ""
        return None

    @property
    def tag(self) -> str | None:
        """The dialog tag, `None` without one."""
        return self.param("tag") or None

    @property
    def q(self) -> float | None:
        """Preference from 0 to 1, `None` if absent or malformed."""
        value = self.param("q")
        return float(value) if value is not None and _Q.match(value) else None

    @property
    def expires(self) -> int | None:
        """Seconds asked for, `None` if absent or malformed."""
        value = self.param("expires")
        if value is None or not (value.isascii() and value.isdigit()) or int(value) >= 2**32:
            return None
        return int(value)


class CSeq(msgspec.Struct, frozen=True):
    """A CSeq value."""

    number: int
    method: str


def parse_via(text: str) -> Via:
    """Parse one Via value; raises `ValueSyntaxError`."""
    found = _VIA.match(text) or _VIA_LOOSE.match(text)
    if found is None:
        raise ValueSyntaxError("Bad Via")
    transport, host, port, params = found.groups()
    if port is not None and int(port) > 65_535:
        raise ValueSyntaxError("Bad Via")
    return Via(text, transport.upper(), host, int(port) if port else None, parse_params(params, "Bad Via"))


def parse_name_addr(text: str, what: str) -> NameAddr:
    """Parse one name-addr or addr-spec with its parameters; raises `ValueSyntaxError("Bad <what>")`."""
    plain = _ADDRESS.match(text)
    try:
        if plain is not None:
            display, uri, params = plain.groups()
            return NameAddr(text, _display(display), parse_uri(uri), parse_params(params, what))
        return _parse_careful(text, what)
    except UriError:
        raise ValueSyntaxError(f"Bad {what}") from None


def _display(text: str) -> str:
    text = text.strip()
    return text[1:-1] if text.startswith('"') else text


def _parse_careful(text: str, what: str) -> NameAddr:
    """Quoted display names with escapes, white space anywhere, and the form without angle brackets."""
    quoted = _QUOTED.match(text)
    if quoted is not None:
        rest = text[quoted.end() :].lstrip()
        if not rest.startswith("<"):
            raise ValueSyntaxError(f"Bad {what}")
        return _bracketed(text, re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), rest, what)
    before, bracket, after = text.partition("<")
    if bracket:
        if not all(TOKEN.match(word) for word in before.split()):
            raise ValueSyntaxError(f"Bad {what}")
        return _bracketed(text, " ".join(before.split()), f"<{after}", what)
    # RFC 3261 20: without angle brackets everything behind the first semicolon belongs to the header
    address, semicolon, params = text.partition(";")
    address = address.rstrip()
    if "?" in address or "," in address:
        raise ValueSyntaxError(f"Bad {what}")
    return NameAddr(text, "", parse_uri(address), parse_params(semicolon + params, what))


def _bracketed(text: str, display: str, rest: str, what: str) -> NameAddr:
    uri, bracket, params = rest[1:].partition(">")
    if not bracket:
        raise ValueSyntaxError(f"Bad {what}")
    return NameAddr(text, display, parse_uri(uri), parse_params(params.lstrip(), what))


def parse_params(text: str, what: str) -> Parameters:
    """Parse `;name=value` parameters with white space where the grammar admits it; raises `ValueSyntaxError`."""
    if not text:
        return ()
    reason = what if what.startswith("Bad ") else f"Bad {what}"
    if not text.startswith(";"):
        raise ValueSyntaxError(reason)
    params: list[tuple[str, str | None]] = []
    for part in split_outside(text[1:], ";"):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not TOKEN.match(name) or (equals and not _PARAMETER_VALUE.match(value)):
            raise ValueSyntaxError(reason)
        params.append((name, value if equals else None))
    return tuple(params)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator, but not inside quotes or angle brackets (SIP-6)."""
    if '"' not in text and "<" not in text:
        return text.split(separator)
    parts: list[str] = []
    start = at = 0
    end = len(text)
    in_brackets = False
    while at < end:
        c = text[at]
        if c == '"' and not in_brackets:
            quoted = _QUOTED.match(text, at)
            if quoted is None:
                raise ValueSyntaxError("Unterminated Quoted String")
            at = quoted.end()
            continue
        if c == "<":
            in_brackets = True
        elif c == ">":
            in_brackets = False
        elif c == separator and not in_brackets:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return parts


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq value; raises `ValueSyntaxError` (RFC 3261 20.16)."""
    parts = text.split()
    if len(parts) != 2 or not (parts[0].isascii() and parts[0].isdigit()) or not TOKEN.match(parts[1]):
        raise ValueSyntaxError("Bad CSeq")
    number = int(parts[0]) if len(parts[0]) <= 20 else 2**32
    if number >= 2**32:
        raise ValueSyntaxError("CSeq Out Of Range")
    return CSeq(number, parts[1])
