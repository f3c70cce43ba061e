"""SIP, tel and other URIs (RFC 3261 19 and 25, RFC 3966): immutable values that keep the text received."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias
from urllib.parse import unquote

import msgspec

from resource_adaptors.sip.message.limits import MAX_PARAMS

_HEX: Final = "%[0-9A-Fa-f]{2}"
_PLAIN: Final = re.compile(
    r"(sips?):(?:([A-Za-z0-9\-_.!~*'()+]+)@)?([A-Za-z0-9\-.]+)(?::([1-5]?[0-9]{1,4}))?"
    r"((?:;[A-Za-z0-9\-_.]+(?:=[A-Za-z0-9\-_.:]+)?){0,64})\Z"
)
"""The common shape; everything else, ports from 60000 on among it, goes the careful way."""
_USER: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|{_HEX})+\Z")
_PASSWORD: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|{_HEX})*\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9\-._]+\Z")
_PARAMETER: Final = re.compile(
    rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|{_HEX})+(?:=(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|{_HEX})+)?\Z"
)
_HEADERS: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$=&]|{_HEX})+\Z")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*\Z")
_OPAQUE: Final = re.compile(r"[!-~]+\Z")
_TEL: Final = re.compile(r"(\+?[0-9A-Fa-f*#\-.()]+)((?:;[^;\s]+)*)\Z")
_THREE_COLONS: Final = re.compile(r":::(?=[0-9]+\.)")
_VISUAL: Final = str.maketrans("", "", "-.()")
_DECISIVE: Final = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that have to match if either side has them (RFC 3261 19.1.4)."""

Parameters: TypeAlias = tuple[tuple[str, str | None], ...]


class UriError(ValueError):
    """The text is no URI; says why."""


class SipUri(msgspec.Struct, frozen=True):
    """A sip or sips URI."""

    text: str
    """As received."""
    scheme: str
    user: str | None
    password: str | None
    host: str
    """As received; IPv6 in brackets."""
    port: int | None
    params: Parameters
    headers: str | None

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Parse a sip or sips URI; raises `UriError` for anything else."""
        uri = parse_uri(text)
        if not isinstance(uri, SipUri):
            raise UriError(f"{text!r} is no sip URI")
        return uri

    def __str__(self) -> str:
        return self.text

    def param(self, name: str) -> str | None:
        """Value of a URI parameter, empty if it has none, `None` if it is absent; `name` in lower case."""
        for key, value in self.params:
            if key == name or _plain_name(key) == name:
                return value or ""
        return None

    @property
    def is_loose(self) -> bool:
        """Whether the `lr` parameter is present (RFC 3261 16.4)."""
        return self.param("lr") is not None

    @property
    def aor(self) -> str:
        """Canonical address-of-record: sips folded to sip, no parameters, host in lower case (SIP-12)."""
        host = _canonical_host(self.host)
        port = "" if self.port is None or self.port == 5060 else f":{self.port}"
        user = "" if self.user is None else f"{_canonical_user(self.user)}@"
        return f"sip:{user}{host}{port}"

    def equivalent(self, other: object) -> bool:
        """Equality by RFC 3261 19.1.4."""
        if not isinstance(other, SipUri):
            return False
        if (self.scheme, _unescape(self.user), _unescape(self.password), self.port) != (
            other.scheme,
            _unescape(other.user),
            _unescape(other.password),
            other.port,
        ):
            return False
        return (
            _same_host(self.host, other.host)
            and _same_params(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )


class TelUri(msgspec.Struct, frozen=True):
    """A tel URI (RFC 3966)."""

    text: str
    number: str
    """Digits as received, with visual separators."""
    params: Parameters

    def __str__(self) -> str:
        return self.text

    @property
    def aor(self) -> str:
        """The number without visual separators."""
        return f"tel:{self.number.translate(_VISUAL)}"

    def equivalent(self, other: object) -> bool:
        """Equality by RFC 3966 4: visual separators, case and order of parameters do not count."""
        if not isinstance(other, TelUri) or self.aor.lower() != other.aor.lower():
            return False
        return _tel_params(self.params) == _tel_params(other.params)


class OtherUri(msgspec.Struct, frozen=True):
    """A URI of any other scheme, kept as it is."""

    text: str
    scheme: str

    def __str__(self) -> str:
        return self.text

    @property
    def aor(self) -> str:
        """The text itself."""
        return self.text

    def equivalent(self, other: object) -> bool:
        """Equality octet for octet."""
        return isinstance(other, OtherUri) and self.text == other.text


Uri: TypeAlias = SipUri | TelUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Parse a URI of any scheme.

    The form with three colons that RFC 3261's grammar allows before an embedded IPv4 address is read, and given back
    with two (RFC 5118 4.10).

    Raises:
        UriError: the text is no URI, or breaks the grammar of its scheme.
    """
    plain = _PLAIN.match(text)
    if plain is not None:
        scheme, user, host, port, params = plain.groups()
        return SipUri(text, scheme, user, None, host, int(port) if port else None, _params(params), None)
    if ":::" in text:
        text = _THREE_COLONS.sub("::", text)
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.match(scheme) or not _OPAQUE.match(rest):
        raise UriError(f"{text!r} is no URI")
    lower = scheme.lower()
    if lower in ("sip", "sips"):
        return _parse_sip(text, lower, rest)
    if lower == "tel":
        found = _TEL.match(rest)
        if found is None:
            raise UriError(f"{text!r} is no tel URI")
        return TelUri(text, found[1], _params(found[2]))
    return OtherUri(text, lower)


def _parse_sip(text: str, scheme: str, rest: str) -> SipUri:
    """The careful way: user parts with anything that RFC 3261 25 admits, IPv6, header parts."""
    userinfo, at, hostpart = rest.rpartition("@")
    user: str | None = None
    password: str | None = None
    if at:
        user, colon, secret = userinfo.partition(":")
        password = secret if colon else None
        if not _USER.match(user) or (password is not None and not _PASSWORD.match(password)):
            raise UriError(f"{text!r}: the user part is malformed")
    hostpart, question, header_text = hostpart.partition("?")
    headers = header_text if question else None
    if headers is not None and not _HEADERS.match(headers):
        raise UriError(f"{text!r}: the header part is malformed")
    hostport, _, param_text = hostpart.partition(";")
    host, port = _host_port(text, hostport)
    params = _params(f";{param_text}") if ";" in hostpart else ()
    return SipUri(text, scheme, user, password, host, port, params, headers)


def _host_port(text: str, hostport: str) -> tuple[str, int | None]:
    if hostport.startswith("["):
        host, bracket, rest = hostport.partition("]")
        host += bracket
        if not is_ipv6(host[1:-1]) or not bracket:
            raise UriError(f"{text!r}: the IPv6 address is malformed")
        colon, digits = rest[:1], rest[1:]
        if rest and colon != ":":
            raise UriError(f"{text!r}: the port is malformed")
    else:
        host, colon, digits = hostport.partition(":")
        if not _HOST.match(host):
            raise UriError(f"{text!r}: the host is malformed")
    if not colon:
        return host, None
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or int(digits) > 65_535:
        raise UriError(f"{text!r}: the port is malformed")
    return host, int(digits)


def is_ipv6(text: str) -> bool:
    """Whether the text, without brackets, is an IPv6 address; a zone has no place in a message."""
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _params(text: str) -> Parameters:
    if not text:
        return ()
    params: list[tuple[str, str | None]] = []
    parts = text[1:].split(";")
    if len(parts) > MAX_PARAMS:
        raise UriError(f"{len(parts)} parameters of one URI")
    for part in parts:
        if not _PARAMETER.match(part):
            raise UriError(f"{text!r}: the parameter {part!r} is malformed")
        name, equals, value = part.partition("=")
        params.append((name, value if equals else None))
    return tuple(params)


def _unescape(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="surrogateescape")


def _canonical_user(user: str) -> str:
    """The user part with escapes undone where that is safe (SIP-12): `%00` and separators stay escaped."""
    if "%" not in user:
        return user
    return re.sub(_HEX, lambda found: _canonical_escape(found[0]), user)


def _canonical_escape(escape: str) -> str:
    plain = chr(int(escape[1:], 16))
    return plain if plain.isascii() and (plain.isalnum() or plain in "-_.!~*'()") else escape.upper()


def _canonical_host(host: str) -> str:
    """Host names in lower case, IPv6 addresses in their one canonical spelling (RFC 5952)."""
    if host.startswith("["):
        return f"[{ipaddress.IPv6Address(host[1:-1])}]"
    return host.lower().rstrip(".")


def _same_host(one: str, other: str) -> bool:
    return one == other or _canonical_host(one) == _canonical_host(other)


def _plain_name(name: str) -> str:
    """Name of a parameter as it is compared: escapes undone, in lower case."""
    return (unquote(name, errors="surrogateescape") if "%" in name else name).lower()


def _same_params(one: Parameters, other: Parameters) -> bool:
    first = {_plain_name(name): (_unescape(value) or "").lower() for name, value in one}
    second = {_plain_name(name): (_unescape(value) or "").lower() for name, value in other}
    if any(first.get(name) != second.get(name) for name in _DECISIVE):
        return False
    return all(first[name] == second[name] for name in first.keys() & second.keys())


def _tel_params(params: Parameters) -> dict[str, str]:
    return {name.lower(): (value or "").translate(_VISUAL).lower() for name, value in params}


def _header_set(headers: str | None) -> frozenset[str]:
    return frozenset((_unescape(part) or "").lower() for part in (headers or "").split("&"))
