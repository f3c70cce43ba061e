"""Whether a request is served at all: judged by its target and header section, before its body is read (C4)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.http.authentication import Authenticator
from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.forwarded import forwarded_source
from resource_adaptors.http.message.headers import cookie, find, header_lines, media_type
from resource_adaptors.http.message.target import Target, parse_target
from resource_adaptors.http.metrics import Durations
from resource_adaptors.http.policy import Limiter, Policy
from resource_adaptors.http.protocol.origins import SAFE_METHODS, is_meant, own_origin
from resource_adaptors.http.protocol.routes import KNOWN_METHODS, WEBSOCKET, Match, Route, RouteTable
from resource_adaptors.http.protocol.upgrade import NEEDED, UPGRADE, judge_upgrade
from slee.api.ids import ServiceID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resource_adaptors.http.access_config import BrowserSection, CorsSection
    from resource_adaptors.http.config import HttpConfiguration
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.message.request import Source

_IDENTITY: Final = (None, b"", b"identity")


class Owner(msgspec.Struct, frozen=True):
    """Whose a route is, and how its requests are served."""

    service: ServiceID
    event_class: type
    policy: Policy | None
    """What is judged of its requests; `None` if there is nothing."""
    durations: Durations


class Admission:
    """Judges requests by the routes and the configuration."""

    def __init__(self, settings: HttpConfiguration) -> None:
        self.routes: RouteTable[Owner] = RouteTable()
        self.known: dict[tuple[str, bytes], tuple[Target, Match[Owner]]] = {}
        """Targets without fields by method and octets, as found once: of their requests nothing else is judged."""
        self.limiter = Limiter()
        self.authenticator = Authenticator()
        self.take(settings)

    def take(self, settings: HttpConfiguration) -> None:
        """Take a configuration; the routes follow with `serve`."""
        self._settings = settings
        self._hosts = settings.hosts
        self._callbacks = "" if settings.callbacks is None else f"{settings.callbacks.path}/"
        self._forwarders = settings.trusted_forwarders
        self.limiter.take(settings.rates)

    def policy(self, route: Route) -> Policy | None:
        """What is judged of a route's requests."""
        policy = Policy(route, self._settings, self.limiter)
        return None if policy.says_nothing else policy

    def serve(self, routes: Iterable[tuple[Route, Owner]]) -> None:
        """Take the routes that there are now."""
        self.routes = RouteTable(routes)
        self.known = {}

    def judge(self, exchange: Exchange, url: bytes, now: float) -> None:
        """Find the route of a request, and what forbids it.

        Raises:
            RemoteProtocolError: the answer that it gets instead.
        """
        exchange.target = target = parse_target(url, exchange.method)
        if self._hosts or target.host is not None:
            self._judge_host(exchange, target.host)
        if self._callbacks and target.path.startswith(self._callbacks):
            exchange.callback_text = target.segments[-1]
            return
        match = self.routes.match(WEBSOCKET, target.path, target.segments) if exchange.asks_socket else None
        match = match or self.routes.match(exchange.method, target.path, target.segments)
        if match is None and exchange.method == "HEAD":
            match = self.routes.match("GET", target.path, target.segments)
        if match is None:
            raise self._no_route(exchange, target)
        exchange.match = match
        if match.owner.policy is not None:
            self._judge_policy(exchange, match.owner.policy, now)
        if match.route.method == WEBSOCKET:
            self._judge_upgrade(exchange, match)
        elif match.route.accepts:
            _judge_type(exchange, match.route.accepts)
        if exchange.coding not in _IDENTITY and not self._is_decoded(exchange):
            raise RemoteProtocolError(415, "content_coding", "Bodies of that coding are not accepted.")
        is_plain = match.owner.policy is None and not match.route.accepts and not match.fields
        if is_plain and not self._hosts and url == match.route.template.encode("latin-1", "replace"):
            is_alone = self.routes.match(WEBSOCKET, target.path, target.segments) is None
            if is_alone:  # a route of WebSocket beside it would be chosen by what is asked
                self.known[exchange.method, url] = (target, match)

    def _is_decoded(self, exchange: Exchange) -> bool:
        return exchange.coding in (b"gzip", b"x-gzip") and self._settings.compression.requests

    def _judge_host(self, exchange: Exchange, target_host: str | None) -> None:
        host = (find(exchange.headers, b"host") or b"").decode("latin-1").lower()
        if target_host is not None and host and target_host != host:
            raise RemoteProtocolError(400, "host", "Host and target name different hosts.", close=True)
        if self._hosts and (target_host or host) not in self._hosts:
            raise RemoteProtocolError(421, "host", "The host is not served here.")

    # Requests without a route.

    def _no_route(self, exchange: Exchange, target: Target) -> RemoteProtocolError:
        method, segments = exchange.method, target.segments
        methods = self.routes.methods(segments)
        if method not in KNOWN_METHODS and not methods:
            return RemoteProtocolError(501, "method", "The method is not served.")
        if not segments and method == "OPTIONS":
            return RemoteProtocolError(204, "options", headers=[("Allow", ", ".join(KNOWN_METHODS))])
        if not methods:
            return RemoteProtocolError(404, "no_route", "There is nothing here.")
        if method == "GET" and WEBSOCKET in methods:
            exchange.extra += UPGRADE
            return RemoteProtocolError(426, "upgrade", "WebSocket is spoken here.", headers=NEEDED)
        if "GET" in methods and "HEAD" not in methods:
            methods.insert(1, "HEAD")
        if WEBSOCKET in methods:
            methods.remove(WEBSOCKET)
            methods[:0] = [] if "GET" in methods else ["GET"]
        if "OPTIONS" not in methods:
            methods.append("OPTIONS")
        allow = [("Allow", ", ".join(methods))]
        if method == "OPTIONS":
            return RemoteProtocolError(204, "options", headers=[*allow, *self._preflight(exchange, target)])
        return RemoteProtocolError(405, "method", "The route has other methods.", headers=allow)

    def _preflight(self, exchange: Exchange, target: Target) -> list[tuple[str, str]]:
        """What a browser wants to know before it lets a page of another origin ask (HTTP-36)."""
        origin = _text(exchange, b"origin")
        method = _text(exchange, b"access-control-request-method")
        if origin is None or method is None:
            return []
        match = self.routes.match("GET" if method == "HEAD" else method, target.path, target.segments)
        policy = None if match is None else match.owner.policy
        cors = None if policy is None else policy.cors
        asked = _text(exchange, b"access-control-request-headers") or ""
        names = [name.strip().lower() for name in asked.split(",") if name.strip()]
        if (
            cors is None
            or origin not in cors.origins
            or method not in cors.methods
            or not cors.headers.issuperset(names)
        ):
            return [("Vary", "Origin")]
        fields = [*_allowed(cors, origin), ("Access-Control-Allow-Methods", ", ".join(sorted(cors.methods)))]
        if cors.headers:
            fields.append(("Access-Control-Allow-Headers", ", ".join(sorted(cors.headers))))
        return [*fields, ("Access-Control-Max-Age", str(cors.max_age))]

    # WebSocket.

    def _judge_upgrade(self, exchange: Exchange, match: Match[Owner]) -> None:
        """Judge the handshake, and the page that it comes from: no browser does that for us (RFC 6455 10.2)."""
        origin = _text(exchange, b"origin")
        if origin is not None and origin != own_origin(self.source(exchange).scheme, _text(exchange, b"host") or ""):
            policy = match.owner.policy
            if policy is None or origin not in policy.pages:
                raise RemoteProtocolError(403, "origin", "Pages of that origin may not connect.")
        try:
            exchange.upgrade = judge_upgrade(exchange.headers, match.route.accepts, has_body=exchange.has_body)
        except RemoteProtocolError as error:
            exchange.extra += UPGRADE if error.status == 426 else b""
            raise

    # Rules of a route.

    def _judge_policy(self, exchange: Exchange, policy: Policy, now: float) -> None:
        source = self.source(exchange)
        if policy.browser is not None:
            exchange.extra += policy.tls_lines if source.scheme == "https" else policy.plain_lines
        if policy.cors is not None:
            origin = _text(exchange, b"origin")
            if origin is not None and origin in policy.cors.origins:
                exchange.extra += header_lines(_allowed(policy.cors, origin))
            else:
                exchange.extra += b"Vary: Origin\r\n"
        rates = policy.rates
        if rates is not None and rates.source is not None:
            _limit(rates.source.take(source.host, now), "source")
        if policy.auth is not None:
            exchange.principal = self.authenticator.by_head(exchange, policy.auth)
            exchange.is_unproven = exchange.principal is None
        if rates is not None and rates.principal is not None and exchange.principal is not None:
            _limit(rates.principal.take(exchange.principal.name, now), "principal")
        if policy.browser is not None and exchange.method not in SAFE_METHODS:
            _judge_origin(exchange, policy, policy.browser, source.scheme)

    def prove(self, exchange: Exchange, body: bytes, now: float) -> None:
        """The body is there: find out by its signature who sent it.

        Raises:
            RemoteProtocolError: 401 or 429; 413 if the body is longer than is held.
        """
        policy = None if exchange.match is None else exchange.match.owner.policy
        assert policy is not None
        assert policy.auth is not None
        if exchange.is_streamed:
            raise RemoteProtocolError(413, "signature", "Signed bodies have to be shorter.", close=True)
        exchange.principal = self.authenticator.by_body(exchange, policy.auth, body, now)
        if policy.rates is not None and policy.rates.principal is not None:
            _limit(policy.rates.principal.take(exchange.principal.name, now), "principal")

    # Forwarders.

    def is_forwarder(self, host: str) -> bool:
        """Whether an address may say whom it asks for (HTTP-39)."""
        return bool(self._forwarders) and self._is_trusted(host)

    def _is_trusted(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._forwarders)

    def source(self, exchange: Exchange) -> Source:
        """Where a request came from, as far as a trusted forwarder tells."""
        connection = exchange.connection
        if not self._forwarders or not connection.is_forwarder:
            return connection.source
        return forwarded_source(exchange.headers, connection.source, self._is_trusted)


def _text(exchange: Exchange, name: bytes) -> str | None:
    value = find(exchange.headers, name)
    return None if value is None else value.decode("latin-1")


def _allowed(cors: CorsSection, origin: str) -> list[tuple[str, str]]:
    fields = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    if cors.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    if cors.exposed:
        fields.append(("Access-Control-Expose-Headers", ", ".join(sorted(cors.exposed))))
    return fields


def _limit(wait: float, what: str) -> None:
    if wait:
        seconds = str(int(wait) + 1)
        raise RemoteProtocolError(429, f"rate_{what}", "Too many requests.", headers=[("Retry-After", seconds)])


def _judge_origin(exchange: Exchange, policy: Policy, browser: BrowserSection, scheme: str) -> None:
    """A request that changes something and carries a cookie must come from a page that may (HTTP-38)."""
    cookies = _text(exchange, b"cookie")
    if cookies is None:
        return
    if not is_meant(
        _text(exchange, b"origin"),
        own_origin(scheme, _text(exchange, b"host") or ""),
        policy.origins,
        site=_text(exchange, b"sec-fetch-site"),
        token=_text(exchange, browser.csrf_header.lower().encode()),
        cookie=cookie(cookies, browser.csrf_cookie),
    ):
        raise RemoteProtocolError(403, "origin", "The page may not do this.")


def _judge_type(exchange: Exchange, accepts: tuple[str, ...]) -> None:
    """A body must be of a type that the route names (C4)."""
    given = media_type((find(exchange.headers, b"content-type") or b"").decode("latin-1"))
    if exchange.has_body and given not in accepts:
        raise RemoteProtocolError(
            415, "content_type", "The route takes other types.", headers=[("Accept", ", ".join(accepts))]
        )
