"""Structured header values: Via, name-addr, CSeq, and the lists they stand in (RFC 3261 20 and 25)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from resource_adaptors.sip.message.limits import MAX_PARAMS, MAX_TOKEN
from resource_adaptors.sip.message.uri import Parameters, Uri, UriError, is_ipv6, parse_uri

_WORD: Final = r"[A-Za-z0-9\-.!%*_+`'~]+"
_HOST: Final = r"[A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\]"
_SPACE: Final = r"[ \t]*+"
"""Taken whole: white space that could be shared out between two patterns would cost its square."""
TOKEN: Final = re.compile(rf"{_WORD}\Z")
PLAIN_VIA: Final = (
    r"(SIP/2\.0/([A-Z]{2,5}) ([A-Za-z0-9\-.]+)(?::([1-5]?[0-9]{1,4}))?(;rport(?:=[0-9]{1,5})?)?"
    rf"(?:;branch=([A-Za-z0-9\-.!%*_+`'~]{{1,{MAX_TOKEN}}}))?"
    r"((?:;[A-Za-z0-9\-]+(?:=[A-Za-z0-9\-.!%*_+`'~:\[\]]+)?){0,62}))\Z"
)
"""The usual shape of a Via value, in which `;` and `=` can mean nothing else; see `plain_via`."""
_VIA: Final = re.compile(PLAIN_VIA)
_VIA_LOOSE: Final = re.compile(
    rf"SIP{_SPACE}/{_SPACE}2\.0{_SPACE}/{_SPACE}({_WORD})[ \t]+({_HOST}){_SPACE}(?::{_SPACE}([0-9]{{1,5}}){_SPACE})?"
    r"((?:;.*)?)\Z",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS: Final = re.compile(
    r"([A-Za-z0-9\-.!%*_+`'~ ]*|\"[^\"\\]*\" ?)<([^<>\s]+)>((?:;[A-Za-z0-9\-.]+(?:=[A-Za-z0-9\-.!%*_+`'~:]+)?)*)\Z"
)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_PARAMETER_VALUE: Final = re.compile(r"(?:[A-Za-z0-9\-.!%*_+`'~:\[\]]+|\"(?:[^\"\\]|\\.)*+\")\Z", re.DOTALL)
_PORT: Final = re.compile(r"[0-9]{1,5}\Z")
_Q: Final = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z")
_DELTA_SECONDS: Final = re.compile(r"0*([0-9]{1,10})\Z")
_CSEQ: Final = re.compile(rf"0*([0-9]+)[ \t]+({_WORD})\Z")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


class ValueSyntaxError(ValueError):
    """A header value breaks the grammar; the text is fit for a reason phrase."""


class Via(msgspec.Struct, frozen=True):
    """One Via value."""

    text: str
    """As received, without surrounding white space."""
    transport: str
    host: str
    port: int | None
    branch: str | None
    """The transaction's name (RFC 3261 8.1.1.7)."""
    rport: int | str | None
    """The source port that the next hop saw; empty if only asked for, `None` if absent (RFC 3581)."""
    maddr: str | None
    """Where responses are to be sent instead (RFC 3261 18.2.2)."""

    @property
    def params(self) -> Parameters:
        """All parameters, in order."""
        _, semicolon, rest = self.text.partition(";")
        return parse_params(semicolon + rest, "Via")

    def param(self, name: str) -> str | None:
        """Value of a parameter, empty if it has none, `None` if it is absent; `name` in lower case."""
        return find_param(self.params, name)

    @property
    def has_received(self) -> bool:
        """Whether `received` is present."""
        return "received" in self.text.lower() and find_param(self.params, "received") is not None

    @property
    def received(self) -> str | None:
        """The source address that the next hop saw."""
        value = find_param(self.params, "received")
        return None if value is None else value.strip("[]")


class NameAddr(msgspec.Struct, frozen=True):
    """A display name, a URI and parameters: From, To, Contact, Route."""

    text: str
    """As received, without surrounding white space."""
    display_name: str
    uri: Uri
    params: Parameters

    def param(self, name: str) -> str | None:
        """Value of a header parameter, empty if it has none, `None` if it is absent; `name` in lower case."""
        return find_param(self.params, name)

    @property
    def tag(self) -> str | None:
        """The dialog tag, `None` without one."""
        return find_param(self.params, "tag")

    @property
    def q(self) -> float | None:
        """Preference from 0 to 1, `None` if absent or malformed."""
        value = find_param(self.params, "q")
        return float(value) if value is not None and _Q.match(value) else None

    @property
    def expires(self) -> int | None:
        """Seconds asked for, `None` if absent or malformed."""
        return parse_seconds(find_param(self.params, "expires"))


class CSeq(msgspec.Struct, frozen=True):
    """A CSeq value."""

    number: int
    method: str


def find_param(params: Parameters, name: str) -> str | None:
    """Value of a parameter, empty if it has none, `None` if it is absent; `name` in lower case."""
    for key, value in params:
        if key == name or key.lower() == name:
            return value or ""
    return None


def parse_seconds(text: str | None) -> int | None:
    """A number of seconds; `None` if there is none, it is malformed, or above 2**32-1 (SIP-15)."""
    found = None if text is None else _DELTA_SECONDS.match(text)
    if found is None:
        return None
    seconds = int(found[1])
    return seconds if seconds < 2**32 else None


def parse_via(text: str) -> Via:
    """Parse one Via value; raises `ValueSyntaxError`."""
    plain = _VIA.match(text)
    if plain is not None:
        return plain_via(plain)
    found = _VIA_LOOSE.match(text)
    if found is None:
        raise ValueSyntaxError("Bad Via")
    transport, host, port, rest = found.groups()
    params = parse_params(rest, "Via")
    branch = find_param(params, "branch")
    if (host[0] == "[" and not is_ipv6(host[1:-1])) or (port is not None and int(port) > 65_535):
        raise ValueSyntaxError("Bad Via")
    if len(params) > MAX_PARAMS or (branch is not None and len(branch) > MAX_TOKEN):
        raise ValueSyntaxError("Via Too Long")
    rport, maddr = _rport(find_param(params, "rport")), find_param(params, "maddr")
    return Via(text, transport.upper(), host, None if port is None else int(port), branch, rport, maddr)


def plain_via(found: re.Match[str]) -> Via:
    """The Via that `PLAIN_VIA` has matched."""
    text, transport, host, port, asks, branch, rest = found.groups()
    rport = _rport(asks[7:]) if asks else None
    maddr: str | None = None
    if rest:
        for part in rest.split(";"):
            name, _, value = part.partition("=")
            lower = name.lower()
            if lower == "branch" and branch is None:
                branch = value
            elif lower == "rport" and rport is None:
                rport = _rport(value)
            elif lower == "maddr" and maddr is None:
                maddr = value
        if branch is not None and len(branch) > MAX_TOKEN:
            raise ValueSyntaxError("Via Too Long")
    return Via(text, transport, host, None if port is None else int(port), branch, rport, maddr)


def _rport(text: str | None) -> int | str | None:
    """Value of `rport`; what is no port only asks for one."""
    return int(text) if text and _PORT.match(text) and int(text) <= 65_535 else text and ""


def parse_name_addr(text: str, what: str) -> NameAddr:
    """Parse one name-addr or addr-spec with its parameters; raises `ValueSyntaxError("Bad <what>")`."""
    plain = _ADDRESS.match(text)
    try:
        if plain is None:
            address = _parse_careful(text, what)
        else:
            display, uri, params = plain.groups()
            address = NameAddr(text, _display(display), parse_uri(uri), parse_params(params, what))
    except UriError:
        raise ValueSyntaxError(f"Bad {what}") from None
    if len(address.params) > MAX_PARAMS:
        raise ValueSyntaxError(f"{what} Has Too Many Parameters")
    return address


def _display(text: str) -> str:
    text = text.strip(" ")
    return text[1:-1] if text.startswith('"') else text


def _parse_careful(text: str, what: str) -> NameAddr:
    """Quoted display names with escapes, white space anywhere, and the form without angle brackets."""
    quoted = _QUOTED.match(text)
    if quoted is not None:
        rest = text[quoted.end() :].lstrip(" \t")
        if not rest.startswith("<"):
            raise ValueSyntaxError(f"Bad {what}")
        return _bracketed(text, _ESCAPE.sub(r"\1", quoted[1]), rest, what)
    before, bracket, after = text.partition("<")
    if bracket:
        words = [word for word in before.replace("\t", " ").split(" ") if word]
        if not all(TOKEN.match(word) for word in words):
            raise ValueSyntaxError(f"Bad {what}")
        return _bracketed(text, " ".join(words), f"<{after}", what)
    # RFC 3261 20: without angle brackets everything behind the first semicolon belongs to the header
    address, semicolon, params = text.partition(";")
    address = address.rstrip(" \t")
    if "?" in address or "," in address:
        raise ValueSyntaxError(f"Bad {what}")
    return NameAddr(text, "", parse_uri(address), parse_params(semicolon + params, what))


def _bracketed(text: str, display: str, rest: str, what: str) -> NameAddr:
    uri, bracket, params = rest[1:].partition(">")
    if not bracket:
        raise ValueSyntaxError(f"Bad {what}")
    return NameAddr(text, display, parse_uri(uri), parse_params(params.lstrip(" \t"), what))


def parse_params(text: str, what: str) -> Parameters:
    """Parse `;name=value` parameters with white space where the grammar admits it; raises `ValueSyntaxError`."""
    if not text:
        return ()
    if not text.startswith(";"):
        raise ValueSyntaxError(f"Bad {what}")
    params: list[tuple[str, str | None]] = []
    for part in split_outside(text[1:], ";"):
        name, equals, value = part.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if not TOKEN.match(name) or (equals and not _PARAMETER_VALUE.match(value)):
            raise ValueSyntaxError(f"Bad {what}")
        params.append((name, value if equals else None))
    return tuple(params)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a separator, but not inside quotes or angle brackets (SIP-6).

    What follows a quote that is never closed is one part: whether that is an error depends on the header.
    """
    if '"' not in text and "<" not in text:
        return text.split(separator)
    parts: list[str] = []
    start = at = 0
    marks = _MARKS[separator]
    in_brackets = False
    while (mark := marks.search(text, at)) is not None:
        at = mark.end()
        c = mark[0]
        if c == "<":
            in_brackets = True
        elif c == ">":
            in_brackets = False
        elif in_brackets:
            continue
        elif c == separator:
            parts.append(text[start : at - 1])
            start = at
        else:
            quoted = _QUOTED.match(text, at - 1)
            if quoted is None:
                break
            at = quoted.end()
    parts.append(text[start:])
    return parts


_MARKS: Final = {separator: re.compile(f'["<>{separator}]') for separator in (",", ";")}


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq value; raises `ValueSyntaxError` (RFC 3261 20.16)."""
    found = _CSEQ.match(text)
    if found is None:
        raise ValueSyntaxError("Bad CSeq")
    digits, method = found.groups()
    if len(digits) > 10 or int(digits) >= 2**32:
        raise ValueSyntaxError("CSeq Out Of Range")
    return CSeq(int(digits), method)
