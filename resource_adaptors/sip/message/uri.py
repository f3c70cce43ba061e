"""SIP, tel and other URIs (RFC 3261 19 and 25, RFC 3966): immutable values that keep the text received."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final, TypeAlias
from urllib.parse import unquote

import msgspec

USERINFO: Final = r"[A-Za-z0-9\-_.!~*'()+]++@"
HOSTPORT: Final = r"[A-Za-z0-9\-.]++(?::[1-5]?[0-9]{1,4}+)?+"
PARAMETERS: Final = r"(?:;[A-Za-z0-9\-_.]++(?:=[A-Za-z0-9\-_.:]++)?+)*+"
PLAIN_URI: Final = rf"sips?:(?:{USERINFO})?+{HOSTPORT}{PARAMETERS}"
"""The common shape of a SIP URI. No part can match in two ways, and none gives back what it took: cost is linear."""

_PLAIN: Final = re.compile(
    r"(sips?):(?:([A-Za-z0-9\-_.!~*'()+]++)@)?+([A-Za-z0-9\-.]++)(?::([1-5]?[0-9]{1,4}+))?+"
    rf"({PARAMETERS})\Z"
)
_HEX: Final = "%[0-9A-Fa-f]{2}"
_USER: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|{_HEX})++\Z")
_PASSWORD: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|{_HEX})*+\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9\-._]++\Z")
_PARAMETER: Final = re.compile(
    rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|{_HEX})++(?:=(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|{_HEX})++)?+\Z"
)
_HEADERS: Final = re.compile(rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$=&]|{_HEX})++\Z")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*+\Z")
_OPAQUE: Final = re.compile(r"[!#-;=?-~]++\Z")
_TEL: Final = re.compile(r"(\+?[0-9A-Fa-f*#\-.()]++)((?:;[A-Za-z0-9\-]++(?:=[!#-:=?-~]++)?+)*+)\Z")
_ESCAPE: Final = re.compile(_HEX)
_VISUAL: Final = str.maketrans("", "", "-.()")
_SAFE: Final = frozenset("-_.!~*'()")
_DECISIVE: Final = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that have to match if either side has them (RFC 3261 19.1.4)."""

Parameters: TypeAlias = tuple[tuple[str, str | None], ...]


class UriError(ValueError):
    """The text is no URI; says why."""


class SipUri(msgspec.Struct, frozen=True):
    """A sip or sips URI."""

    text: str
    """As received, but for an IPv6 address with three colons, which is mended (RFC 5118 4.10)."""
    scheme: str
    """`sip` or `sips`."""
    user: str | None
    """As received, escapes included."""
    password: str | None
    host: str
    """As received; IPv6 in brackets."""
    port: int | None
    params: Parameters
    headers: str | None
    """What follows the question mark, `None` without one."""

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
    def request_uri(self) -> str:
        """The text without what must not stand in a Request-URI: header part and method parameter (RFC 3261 19.1.1)."""
        text = self.text if self.headers is None else self.text[: -len(self.headers) - 1]
        if self.param("method") is None:
            return text
        written = [f";{name}" if value is None else f";{name}={value}" for name, value in self.params]
        kept = [part for part, (name, _) in zip(written, self.params, strict=True) if _plain_name(name) != "method"]
        return text[: len(text) - sum(map(len, written))] + "".join(kept)

    @property
    def aor(self) -> str:
        """Canonical address-of-record with the default settings (SIP-12)."""
        return self.address_of_record()

    def address_of_record(
        self, *, case_sensitive: bool = True, fold_sips: bool = True, default_port: int | None = 5060
    ) -> str:
        """Canonical address-of-record: no parameters or headers, host in lower case, no needless escapes (SIP-12).

        Args:
            case_sensitive: keep the case of the user part (`aor_case_sensitive`).
            fold_sips: read `sips` as `sip` (`sips_folding`).
            default_port: the listener's default, which is left out.
        """
        scheme = "sip" if fold_sips else self.scheme
        host = self.host.lower()
        host = host.removesuffix(".")
        if host.startswith("["):
            host = f"[{IPv6Address(host[1:-1])}]"
        port = "" if self.port is None or self.port == default_port else f":{self.port}"
        if self.user is None:
            return f"{scheme}:{host}{port}"
        user = _canonical_user(self.user)
        return f"{scheme}:{user if case_sensitive else user.lower()}@{host}{port}"

    def equivalent(self, other: object) -> bool:
        """Equality by RFC 3261 19.1.4 (SIP-11)."""
        if not isinstance(other, SipUri):
            return False
        return (
            self.scheme == other.scheme
            and self.port == other.port
            and _unescape(self.user) == _unescape(other.user)
            and _unescape(self.password) == _unescape(other.password)
            and same_host(self.host, other.host)
            and _same_params(self.params, other.params)
            and _header_list(self.headers) == _header_list(other.headers)
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
        """The number without visual separators (SIP-12)."""
        return f"tel:{self.number.translate(_VISUAL).lower()}"

    def equivalent(self, other: object) -> bool:
        """Equality by RFC 3966 4: digits and the set of parameters, without regard to case."""
        return isinstance(other, TelUri) and self.aor == other.aor and _tel_params(self) == _tel_params(other)


class OtherUri(msgspec.Struct, frozen=True):
    """A URI of any other scheme, kept as it is (SIP-9)."""

    text: str
    scheme: str
    """In lower case."""

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

    Raises:
        UriError: the text is no URI, or breaks the grammar of its scheme.
    """
    plain = _PLAIN.match(text)
    if plain is not None:
        scheme, user, host, port, params = plain.groups()
        return SipUri(
            text, scheme, user, None, host, int(port) if port else None, split_params(params) if params else (), None
        )
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.match(scheme) or not _OPAQUE.match(rest):
        raise UriError(f"{text!r} is no URI; give scheme, colon and visible characters without <, > or quotes")
    lower = scheme.lower()
    if lower in ("sip", "sips"):
        return _parse_sip(text, lower, rest)
    if lower == "tel":
        found = _TEL.match(rest)
        if found is None:
            raise UriError(f"{text!r} is no tel URI; give digits and parameters (RFC 3966)")
        return TelUri(text, found[1], split_params(found[2]))
    return OtherUri(text, lower)


def split_params(text: str) -> Parameters:
    """Names and values of well-formed `;name=value` text; escapes and case are left as they are."""
    params: list[tuple[str, str | None]] = []
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        params.append((name, value if equals else None))
    return tuple(params)


def _parse_sip(text: str, scheme: str, rest: str) -> SipUri:
    """The careful way: user parts with anything that RFC 3261 25 admits, IPv6, header parts."""
    userinfo, at, hostpart = rest.rpartition("@")
    user: str | None = None
    password: str | None = None
    if at:
        user, colon, secret = userinfo.partition(":")
        password = secret if colon else None
        if not _USER.match(user) or (password is not None and not _PASSWORD.match(password)):
            raise UriError(f"{text!r}: the user part is malformed; escape what RFC 3261 25.1 does not admit")
    hostpart, question, header_text = hostpart.partition("?")
    headers = header_text if question else None
    if headers is not None and not _HEADERS.match(headers):
        raise UriError(f"{text!r}: the header part is malformed; escape what RFC 3261 25.1 does not admit")
    hostport, semicolon, param_text = hostpart.partition(";")
    host, port = _host_port(text, hostport)
    if ":::" in hostport:
        text = text.replace(hostport, hostport.replace(":::", "::"))
    if semicolon and not all(_PARAMETER.match(part) for part in param_text.split(";")):
        raise UriError(f"{text!r}: a parameter is malformed; give ;name or ;name=value (RFC 3261 25.1)")
    params = split_params(semicolon + param_text) if semicolon else ()
    return SipUri(text, scheme, user, password, host, port, params, headers)


def _host_port(text: str, hostport: str) -> tuple[str, int | None]:
    if hostport.startswith("["):
        literal, bracket, rest = hostport.partition("]")
        address = mend_ipv6(literal[1:]) if bracket else None
        if address is None or (rest and rest[0] != ":"):
            raise UriError(f"{text!r}: the IPv6 address is malformed; give [address] or [address]:port")
        host, colon, digits = f"[{address}]", rest[:1], rest[1:]
    else:
        host, colon, digits = hostport.partition(":")
        if not _HOST.match(host):
            raise UriError(f"{text!r}: the host is malformed; give a name, an IPv4 address or [IPv6]")
    if not colon:
        return host, None
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 5 or int(digits) > 65_535:
        raise UriError(f"{text!r}: the port is malformed; give a number up to 65535")
    return host, int(digits)


def mend_ipv6(text: str) -> str | None:
    """An IPv6 address without brackets, three colons read as two (RFC 5118 4.10); `None` if it is none."""
    text = text.replace(":::", "::", 1)
    if "%" in text:
        return None
    try:
        IPv6Address(text)
    except AddressValueError:
        return None
    return text


def _unescape(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="surrogateescape")


def _canonical_user(user: str) -> str:
    """The user part with escapes undone where that is safe (SIP-12): `%00` and separators stay escaped."""
    if "%" not in user:
        return user
    return _ESCAPE.sub(lambda found: _canonical_escape(found[0]), user)


def _canonical_escape(escape: str) -> str:
    plain = chr(int(escape[1:], 16))
    return plain if plain.isascii() and (plain.isalnum() or plain in _SAFE) else escape.upper()


def same_host(one: str, other: str) -> bool:
    """Whether two hosts are the same: names without regard to case, IPv6 as addresses (RFC 5954)."""
    if one.startswith("[") and other.startswith("["):
        return IPv6Address(one[1:-1]) == IPv6Address(other[1:-1])
    return one.lower() == other.lower()


def _same_params(one: Parameters, other: Parameters) -> bool:
    first, second = _param_map(one), _param_map(other)
    if any(first.get(name) != second.get(name) for name in _DECISIVE):
        return False
    return all(first[name] == second[name] for name in first.keys() & second.keys())


def _plain_name(name: str) -> str:
    """Name of a parameter as it is compared: an escape is equal to its character (RFC 3261 19.1.4)."""
    return (unquote(name, errors="surrogateescape") if "%" in name else name).lower()


def _param_map(params: Parameters) -> dict[str, str]:
    return {_plain_name(name): (_unescape(value) or "").lower() for name, value in params}


def _header_list(headers: str | None) -> list[tuple[str, str]]:
    """Header components in any order, names without regard to case, values as they are once unescaped."""
    if headers is None:
        return []
    parts = (part.partition("=") for part in headers.split("&"))
    return sorted((unquote(name).lower(), unquote(value, errors="surrogateescape")) for name, _, value in parts)


def _tel_params(uri: TelUri) -> list[tuple[str, str]]:
    return sorted((name.lower(), (value or "").lower()) for name, value in uri.params)
