"""Where a request goes: our own Route values, strict routers, the next hop (RFC 3261 16.4, 16.6; SIP-144, SIP-152).

There is no DNS yet: only targets with a numeric host have an address.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from typing import Final

import msgspec

from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.uri import SipUri, Uri, UriError, parse_uri
from resource_adaptors.sip.message.values import Via, parse_name_addr
from resource_adaptors.sip.protocol.ids import MARK_DIGITS
from resource_adaptors.sip.protocol.settings import Settings
from resource_adaptors.sip.protocol.transaction import Address

DEFAULT_PORT: Final = 5060
NO_ROUTE: Final = "no_route"
"""Why a target without a numeric address, or with a transport that we do not have, cannot be reached."""

_CACHED_HOPS: Final = 4096
_DIGITS: Final = frozenset("0123456789.")
_MADDR: Final = re.compile(r";maddr=[^;?]*", re.IGNORECASE)


class Hop(msgspec.Struct, frozen=True):
    """A URI as a place to send to."""

    uri: str
    destination: Address | None
    """`None` if it cannot be reached."""
    is_sip: bool
    is_loose: bool
    """Whether it bears `lr`."""
    is_own: bool
    """Whether it is this listener's address."""


class Path(msgspec.Struct, frozen=True):
    """What a request's Request-URI and Route values say once our own are gone."""

    uri: str
    own: int
    """How many of the first Route values were ours."""
    routes: tuple[str, ...]
    """The Route values that are left."""
    total: int
    """How many Route values were received."""
    is_rewritten: bool = False
    """Whether more has changed than that our own Route values are dropped from the front."""


class Plan(msgspec.Struct, frozen=True):
    """How to write a request for one target, and where to send it."""

    uri: str
    drop: int
    """How many of the received Route values to leave out, from the first on."""
    routes: tuple[str, ...]
    """Route values to write before those that stay."""
    destination: Address | None
    """`None` if the target cannot be reached."""


def numeric_host(host: str) -> str | None:
    """The host as a socket address takes it, `None` if it is a name; brackets round an IPv6 address are removed."""
    if host and _DIGITS.issuperset(host):
        parts = host.split(".")
        return host if len(parts) == 4 and all(part and len(part) < 4 and int(part) < 256 for part in parts) else None
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host.strip("[]")))
        except ValueError:
            return None
    return None


class Router:
    """Knows this listener's own addresses, and finds next hops."""

    def __init__(self, settings: Settings) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.sent_by_address = (host, settings.port)
        self.sent_by = f"{host}:{settings.port}"
        """Host and port of our Via, Record-Route and Contact values."""
        self.own_uri = f"sip:{self.sent_by};lr"
        self.record_route = f"<{self.own_uri}>"
        """The value that keeps us on a dialog's path; a later parameter will carry the shard."""
        self._own_route_line = f"Route: {self.record_route}"
        self._domains = settings.domains
        self._own = {(settings.host, settings.port), settings.bound}
        self._hops: dict[str, Hop] = {}

    def hop(self, text: str) -> Hop:
        """Read a URI, or a Route value, as a place to send to; a malformed one cannot be reached."""
        found = self._hops.get(text)
        if found is None:
            if len(self._hops) >= _CACHED_HOPS:
                self._hops.clear()
            found = self._hops[text] = self._read_hop(text)
        return found

    def is_own(self, uri: Uri) -> bool:
        """Whether a URI is this listener, or at a domain named in the configuration."""
        if not isinstance(uri, SipUri):
            return False
        host = uri.host.lower()
        return host in self._domains or (host.strip("[]"), uri.port or DEFAULT_PORT) in self._own

    def is_served(self, uri: Uri) -> bool:
        """Whether a URI is ours to route by location: our own, or any SIP URI if no domain is configured."""
        return self.is_own(uri) or (not self._domains and isinstance(uri, SipUri))

    def path(self, request: Request) -> Path:
        """Take our own values off a request's route (SIP-152)."""
        uri = request.uri_text
        if "maddr=" in uri and self._is_maddr_own(request.uri):
            uri = _MADDR.sub("", uri)
        index = request.index
        if "route" not in index:
            return Path(uri, 0, (), 0)
        if request.lines[index["route"]] == self._own_route_line and request.keys.count("route") == 1:
            return Path(uri, 1, (), 1)
        routes = tuple(_plain_route(text) for text in request.values("Route"))
        total = len(routes)
        is_rewritten = False
        if uri == self.own_uri and total:
            # A strict router behind us put our Record-Route value there, and what belongs there at the end (16.4).
            uri = self.hop(routes[-1]).uri
            routes = routes[:-1]
            is_rewritten = True
        own = 0
        while own < len(routes) and (routes[own] == self.record_route or self.hop(routes[own]).is_own):
            own += 1
        return Path(uri, own, routes[own:], total, is_rewritten)

    def plan(self, path: Path, uri: str, routes: tuple[str, ...] = ()) -> Plan:
        """How to forward to a target: its URI, and Route values to put before those that are left (RFC 3327)."""
        remaining = routes + path.routes if routes else path.routes
        if not remaining:
            return Plan(uri, path.total, (), self.hop(uri).destination)
        first = self.hop(remaining[0])
        if not first.is_loose:
            # A strict router wants its own URI in the Request-URI, and what was there as the last Route (16.6 step 6).
            return Plan(first.uri, path.total, (*remaining[1:], f"<{uri}>"), first.destination)
        if path.is_rewritten:
            return Plan(uri, path.total, remaining, first.destination)
        return Plan(uri, path.own, routes, first.destination)

    def loop_mark(self, request: Request, uri: str) -> str:
        """A digest of what routing a request to a target depends on: a looping request has the same again (SIP-74)."""
        index, lines = request.index, request.lines
        route = lines[index["route"]] if "route" in index else ""
        required = lines[index["proxy-require"]] if "proxy-require" in index else ""
        text = (
            f"{request.uri_text}\0{route}\0{request.from_tag}\0{request.to_tag}\0{request.call_id}\0"
            f"{request.cseq.number}\0{required}\0{uri}"
        )
        return f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}"

    def is_looped(self, request: Request, mark: str) -> bool:
        """Whether a request has passed us before and was routed the same way then."""
        if request.keys.count("via") == 1 and "," not in request.lines[request.index["via"]]:
            # The usual case by far, with one Via to look at, which has been parsed.
            branch = request.top_via.branch
            if branch is None or branch[-MARK_DIGITS:] != mark:
                return False
        return any(
            via.branch is not None
            and via.branch[-MARK_DIGITS:] == mark
            and (via.host.strip("[]"), via.port or DEFAULT_PORT) in self._own
            for via in request.via
        )

    def is_own_via(self, via: Via) -> bool:
        """Whether a Via value has been written by this listener."""
        return (via.host, via.port) == self.sent_by_address

    def _is_maddr_own(self, uri: Uri) -> bool:
        if not isinstance(uri, SipUri):
            return False
        maddr = uri.param("maddr")
        return maddr is not None and (maddr.strip("[]"), uri.port or DEFAULT_PORT) in self._own

    def _read_hop(self, text: str) -> Hop:
        start = text.find("<")
        if start >= 0:
            text = text[start + 1 : text.find(">", start)]
        try:
            uri = parse_uri(text)
        except UriError:
            return Hop(text, None, is_sip=False, is_loose=False, is_own=False)
        if not isinstance(uri, SipUri):
            return Hop(text, None, is_sip=False, is_loose=False, is_own=False)
        own = self.is_own(uri)
        return Hop(text, _destination(uri), is_sip=True, is_loose=uri.is_loose, is_own=own)


def _plain_route(text: str) -> str:
    """A Route value that can be read at a glance and written again: without a display name in quotes."""
    return f"<{parse_name_addr(text, 'Route', 'route').uri.text}>" if '"' in text else text


def _destination(uri: SipUri) -> Address | None:
    """Where to send for a URI over UDP, `None` for a name, another transport, or a URI that demands TLS."""
    if uri.scheme != "sip" or (uri.param("transport") or "udp").lower() != "udp":
        return None
    host = numeric_host(uri.param("maddr") or uri.host)
    return None if host is None else (host, uri.port or DEFAULT_PORT)
