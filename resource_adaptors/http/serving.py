"""Requests served: from a connection to the SLEE, and what becomes of those that nobody answers (C1, C2)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Hashable
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.http import events
from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.headers import find, header_lines, media_type
from resource_adaptors.http.message.json import parse_json
from resource_adaptors.http.message.request import Principal, Request
from resource_adaptors.http.metrics import Counts
from resource_adaptors.http.protocol.routes import KNOWN_METHODS, RouteTable
from slee.api.errors import ActivityError, FireEventError, InvalidStateError, SleeError, UnrecognizedActivityHandleError
from slee.api.ids import ServiceID
from slee.spi import ActivityFlags, EventFlags, FailureReason, ResourceAdaptorContext

if TYPE_CHECKING:
    from resource_adaptors.http.config import AuthSection, HttpConfiguration
    from resource_adaptors.http.connection import Connection
    from resource_adaptors.http.sessions import Sessions

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_ACTIVITY: Final = int(ActivityFlags.UNREFERENCED)
_RETRY_LATER: Final = (("Retry-After", "10"),)
_REQUESTS: Final = frozenset({*events.REQUEST_EVENTS.values(), events.OtherRequest})
_JSON: Final = "application/json"


class Owner(msgspec.Struct, frozen=True):
    """Whose a route is, and the event that its requests are."""

    service: ServiceID
    event_class: type


class Serving:
    """The gate between connections and the SLEE; it keeps every request until its activity has ended."""

    def __init__(self, context: ResourceAdaptorContext, settings: HttpConfiguration, sessions: Sessions) -> None:
        self._context = context
        self._endpoint = context.endpoint
        self._sessions = sessions
        self._boot = context.random_bytes(6).hex()
        self._serial = 0
        self.counts = Counts()
        self.exchanges: dict[Hashable, Exchange] = {}
        """Requests that wait for the end of their answer, by handle, the oldest first."""
        self.left: dict[Hashable, Exchange] = {}
        """Requests whose clients have gone, as long as services may know their contexts."""
        self.connections: dict[Connection, None] = {}
        self.routes: RouteTable[Owner] = RouteTable()
        self.received: frozenset[type] = frozenset()
        """Event classes that an active service receives."""
        self.is_stopping = False
        self.stream_closed: Callable[[Exchange], None] = lambda _: None
        """Told when the client of an event stream has gone."""
        self._sources: dict[str, int] = {}
        self.moment = context.now
        self._second = 0
        self._common = b""
        self.take(settings)

    def take(self, settings: HttpConfiguration) -> None:
        """Take a configuration, also while requests are in progress (HTTP-42)."""
        self.settings = settings
        self.limits = settings.limits
        self._second = 0
        self._auth = dict(settings.auth)

    # What connections ask.

    def now(self) -> float:
        self.moment = now = self._context.now
        return now

    def read_all(self) -> None:
        """Let the SLEE work."""
        self._context.pump()

    def common(self, exchange: Exchange) -> bytes:
        second = int(self.moment)
        if second != self._second:
            self._second = second
            lines = [("Server", self.settings.server)] if self.settings.server else []
            static = header_lines([*lines, *self.settings.static.items()])
            self._common = b"date: " + formatdate(second, usegmt=True).encode() + b"\r\n" + static
        return self._common

    def opened(self, connection: Connection) -> RemoteProtocolError | None:
        host = connection.source.host
        self.connections[connection] = None
        self._sources[host] = count = self._sources.get(host, 0) + 1
        self.counts.connections += 1
        if count > self.limits.connections_per_source:
            self.limit_hit("connections_per_source")
            return RemoteProtocolError(429, "connections", "Too many connections.", headers=_RETRY_LATER, close=True)
        if len(self.connections) > self.limits.connections:
            self.limit_hit("connections")
            return RemoteProtocolError(503, "connections", "Too many connections.", headers=_RETRY_LATER, close=True)
        return None

    def closed(self, connection: Connection) -> None:
        host = connection.source.host
        self.connections.pop(connection, None)
        left = self._sources.get(host, 1) - 1
        if left:
            self._sources[host] = left
        else:
            self._sources.pop(host, None)

    def limit_hit(self, limit: str) -> None:
        self.counts.limits[limit] = self.counts.limits.get(limit, 0) + 1

    def admit(self, exchange: Exchange) -> None:
        """Find the route, and judge the header section by it (C4)."""
        target = exchange.target
        assert target is not None
        if self.is_stopping:
            raise self._unavailable("stopping")
        if len(self.exchanges) >= self.limits.in_progress:
            self.limit_hit("in_progress")
            raise self._unavailable("overload")
        if self.settings.hosts or target.host is not None:
            self._judge_host(exchange, target.host)
        match = self.routes.match(exchange.method, target.path, target.segments)
        if match is None and exchange.method == "HEAD":
            match = self.routes.match("GET", target.path, target.segments)
        if match is None:
            raise self._no_route(exchange.method, target.segments)
        exchange.match = match
        if match.route.accepts:
            _judge_type(exchange, match.route.accepts)
        if self._auth and (section := self._auth.get(str(match.route))) is not None:
            exchange.principal = _authenticated(exchange, section)
        coding = find(exchange.headers, b"content-encoding")
        if coding is not None and coding.strip().lower() != b"identity":
            raise RemoteProtocolError(415, "content_coding", "Coded bodies are not accepted.")

    def _judge_host(self, exchange: Exchange, target_host: str | None) -> None:
        host = (find(exchange.headers, b"host") or b"").decode("latin-1").lower()
        if target_host is not None and host and target_host != host:
            raise RemoteProtocolError(400, "host", "Host and target name different hosts.", close=True)
        if self.settings.hosts and (target_host or host) not in self.settings.hosts:
            raise RemoteProtocolError(421, "host", "The host is not served here.")

    def _no_route(self, method: str, segments: tuple[str, ...]) -> RemoteProtocolError:
        methods = self.routes.methods(segments)
        if method not in KNOWN_METHODS and not methods:
            return RemoteProtocolError(501, "method", "The method is not served.")
        if not segments and method == "OPTIONS":
            return RemoteProtocolError(204, "options", headers=[("Allow", ", ".join(KNOWN_METHODS))])
        if not methods:
            return RemoteProtocolError(404, "no_route", "There is nothing here.")
        if "GET" in methods and "HEAD" not in methods:
            methods.insert(1, "HEAD")
        if "OPTIONS" not in methods:
            methods.append("OPTIONS")
        allow = [("Allow", ", ".join(methods))]
        if method == "OPTIONS":
            return RemoteProtocolError(204, "options", headers=allow)
        return RemoteProtocolError(405, "method", "The route has other methods.", headers=allow)

    def _unavailable(self, code: str) -> RemoteProtocolError:
        return RemoteProtocolError(503, code, "Try again later.", headers=_RETRY_LATER, close=True)

    def begin(self, exchange: Exchange) -> None:
        """Make the request an activity with its first event."""
        match = exchange.match
        assert match is not None
        body = b"" if exchange.is_streamed or not exchange.parts else exchange.take_body()
        try:
            if body and match.route.accepts == (_JSON,):
                parse_json(body)
            request = self._request(exchange, body)
        except RemoteProtocolError as error:
            exchange.refuse(error)
            return
        owner = match.owner
        self._serial += 1
        handle = exchange.handle = f"{self._boot}-{self._serial}"
        exchange.activity = activity = events.RequestActivity(request)
        try:
            self._endpoint.start_activity(handle, activity, _ACTIVITY)
            self.exchanges[handle] = exchange
            exchange.in_process = True
            self._endpoint.fire(handle, owner.event_class(request), None, owner.service, _OUTCOME)
        except (InvalidStateError, FireEventError):
            exchange.keep_alive = False
            self.refuse(exchange, self._unavailable("overload"))  # COM-10: stopping, or the queue is full
        except SleeError:
            self.refuse(exchange, RemoteProtocolError(404, "no_route"))  # the service has been uninstalled meanwhile

    def _request(self, exchange: Exchange, body: bytes) -> Request:
        target, match = exchange.target, exchange.match
        assert target is not None
        assert match is not None
        request = Request(
            exchange.method,
            target.path,
            target.query,
            match.route.template,
            match.fields,
            exchange.headers,
            body,
            exchange.connection.source,
            exchange.principal,
            None,
            exchange.is_streamed,
        )
        return self._sessions.join(exchange, request) if self._sessions.routes else request

    def body_arrived(self, exchange: Exchange) -> None:
        """Hand over what has come of a streamed body, as far as it was asked for (HTTP-20)."""
        if exchange.handle not in self.exchanges or exchange.gone:
            return
        if exchange.credit > 0 and exchange.parts:
            data = exchange.take_body()
            exchange.credit -= len(data)
            self.fire(exchange, events.BodyChunk, data)
        if exchange.credit > 0:
            exchange.connection.resume_reading()
        if exchange.is_complete and not exchange.parts and not exchange.is_read:
            exchange.is_read = True
            self.fire(exchange, events.BodyComplete, exchange.received)

    def read_body(self, exchange: Exchange, octets: int) -> None:
        """A service asks for more of a body."""
        exchange.credit += octets
        self.body_arrived(exchange)

    def gone(self, exchange: Exchange) -> None:
        """The client has gone: tell it, and end what there is (HTTP-18)."""
        self.counts.drop("disconnected")
        if exchange.stream is not None:
            self.stream_closed(exchange)
        elif exchange.handle in self.exchanges:
            self.fire(exchange, events.ClientDisconnected)
            self.left[exchange.handle] = exchange
            self._end(exchange)

    def writable(self, exchange: Exchange) -> None:
        if exchange.is_open_ended:
            self.fire(exchange, events.Writable)

    # What the SLEE tells.

    def processed(self, handle: Hashable, event: object, flags: int) -> None:
        """An event has been delivered: did anybody take the request (COM-9, COM-10)?"""
        exchange = self.exchanges.get(handle)
        if exchange is None:
            return
        if type(event) in _REQUESTS:
            exchange.in_process = False
            if exchange.is_open and not flags & _PROCESSED:
                self.refuse(exchange, RemoteProtocolError(404, "unclaimed", "No service took the request."))
            elif exchange.is_open and flags & _ROLLED_BACK:
                self.refuse(exchange, RemoteProtocolError(500, "service_failed", "The service failed."))
        elif type(event) is events.ResponseDeadline:
            self._time_out(exchange)

    def failed(self, handle: Hashable, event: object, reason: FailureReason) -> None:
        """An event could not be delivered (COM-10)."""
        exchange = self.exchanges.get(handle)
        if exchange is None or not exchange.is_open:
            return
        if type(event) is events.ResponseDeadline:
            self._time_out(exchange)
        elif type(event) in _REQUESTS:
            self.refuse(exchange, self._unavailable("overload"))

    def unreferenced(self, handle: Hashable) -> None:
        """Nobody is left who could answer (COM-8)."""
        exchange = self.exchanges.get(handle)
        if exchange is not None and exchange.is_open:
            self.counts.unanswered += 1
            self.refuse(exchange, RemoteProtocolError(500, "unanswered", "No service answered."))

    def remove(self, handle: Hashable) -> None:
        """An operator removes the activity: say goodbye (COM-6)."""
        exchange = self.exchanges.get(handle)
        if exchange is not None and exchange.is_open:
            self.refuse(exchange, RemoteProtocolError(500, "removed", "An operator ended the request."))
        elif exchange is not None and exchange.is_open_ended:
            exchange.is_open_ended = False
            exchange.abort()

    def pass_deadlines(self, now: float) -> None:
        """Requests that have waited too long get their service's last word, or 504 (HTTP-19)."""
        for handle in [h for h in self.left if self._context.activity_context(h) is None]:
            del self.left[handle]
        before = now - self.settings.deadlines.response
        late: list[Exchange] = []
        for exchange in self.exchanges.values():
            if exchange.started > before:
                break
            if exchange.is_open and not exchange.is_late:
                late.append(exchange)
        for exchange in late:
            exchange.is_late = True
            if not self.fire(exchange, events.ResponseDeadline, now - exchange.started, flags=_OUTCOME):
                self._time_out(exchange)

    def _time_out(self, exchange: Exchange) -> None:
        if exchange.is_open:
            self.limit_hit("response")
            self.refuse(exchange, RemoteProtocolError(504, "deadline", "The service took too long."))

    # Answers.

    def answer(self, exchange: Exchange, status: int, fields: bytes, body: bytes) -> None:
        """Send an answer, and end the request's activity."""
        if exchange.gone:
            self.counts.drop("answer_to_gone_client")
            return
        exchange.answer(status, fields, body)
        self.conclude(exchange)

    def refuse(self, exchange: Exchange, error: RemoteProtocolError) -> None:
        """Answer for the service."""
        exchange.answered = True
        if not exchange.gone:
            exchange.refuse(error)
        self.conclude(exchange)

    def conclude(self, exchange: Exchange) -> None:
        """The answer has been sent: tell it, and end the activity."""
        self.counts.answered(exchange, self.moment)
        if exchange.handle in self.exchanges:
            if events.ResponseSent in self.received:
                self.fire(exchange, events.ResponseSent, exchange.status)
            self._end(exchange)

    def fire(self, exchange: Exchange, event_class: type, *fields: object, flags: int = 0) -> bool:
        """Fire a later event on a request, if a service receives it; `False` if not."""
        if event_class not in self.received:
            return False
        owner = None if exchange.match is None else exchange.match.owner.service
        try:
            self._endpoint.fire(exchange.handle, event_class(*fields), None, owner, flags)
        except (ActivityError, FireEventError, InvalidStateError):
            self.counts.drop("unfired")
            return False
        return True

    def _end(self, exchange: Exchange) -> None:
        handle = exchange.handle
        if self.exchanges.pop(handle, None) is None:
            return
        try:
            self._endpoint.end_activity(handle)
        except UnrecognizedActivityHandleError:
            self.counts.drop("ended_by_others")


def _judge_type(exchange: Exchange, accepts: tuple[str, ...]) -> None:
    """A body must be of a type that the route names (C4)."""
    has_body = find(exchange.headers, b"content-length") not in (None, b"0") or (
        find(exchange.headers, b"transfer-encoding") is not None
    )
    given = media_type((find(exchange.headers, b"content-type") or b"").decode("latin-1"))
    if has_body and given not in accepts:
        raise RemoteProtocolError(
            415, "content_type", "The route takes other types.", headers=[("Accept", ", ".join(accepts))]
        )


def _authenticated(exchange: Exchange, section: AuthSection) -> Principal:
    """Who makes a request, by its bearer token (RFC 6750, HTTP-34)."""
    scheme, _, token = (find(exchange.headers, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise RemoteProtocolError(401, "no_credentials", headers=[("WWW-Authenticate", "Bearer")])
    digest = hashlib.sha256(token.strip()).hexdigest()
    found = None
    for name, expected in section.bearer.items():  # all of them, so that the time tells nothing
        if hmac.compare_digest(expected.get_secret_value().lower(), digest):
            found = name
    if found is None:
        raise RemoteProtocolError(401, "credentials", headers=[("WWW-Authenticate", 'Bearer error="invalid_token"')])
    return Principal(found, section.roles.get(found, frozenset()))
