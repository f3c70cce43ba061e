"""Requests served: from a connection to the SLEE, and what becomes of those that nobody answers (C1, C2)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from resource_adaptors.http import events
from resource_adaptors.http.admission import Admission
from resource_adaptors.http.callbacks import Callbacks
from resource_adaptors.http.census import Census, unavailable
from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.idempotency import Answers
from resource_adaptors.http.message.coding import Inflater
from resource_adaptors.http.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.http.message.headers import BODILESS, find, header_lines
from resource_adaptors.http.message.json import parse_json
from resource_adaptors.http.message.request import Request
from resource_adaptors.http.metrics import Counts
from resource_adaptors.http.policy import coded
from resource_adaptors.http.websocket_events import WsMessage, WsRequest
from slee.api.errors import ActivityError, FireEventError, InvalidStateError, SleeError, UnrecognizedActivityHandleError
from slee.spi import ActivityFlags, EventFlags, FailureReason, ResourceAdaptorContext

if TYPE_CHECKING:
    from resource_adaptors.http.admission import Owner
    from resource_adaptors.http.commands import Answer
    from resource_adaptors.http.config import HttpConfiguration
    from resource_adaptors.http.connection import Connection
    from resource_adaptors.http.message.request import Source
    from resource_adaptors.http.policy import Policy
    from resource_adaptors.http.protocol.routes import Match
    from resource_adaptors.http.sessions import Sessions
    from resource_adaptors.http.websocket import WebSocket

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_ACTIVITY: Final = int(ActivityFlags.UNREFERENCED)
_REQUESTS: Final = frozenset({*events.REQUEST_EVENTS.values(), events.OtherRequest, WsRequest})
_READ: Final = 65_536
"""Octets that are read at once."""
_JSON: Final = "application/json"


class Serving:
    """The gate between connections and the SLEE; it keeps every request until its activity has ended."""

    def __init__(self, context: ResourceAdaptorContext, settings: HttpConfiguration, sessions: Sessions) -> None:
        self._context = context
        self._endpoint = context.endpoint
        self._sessions = sessions
        self._boot = context.random_bytes(6).hex()
        self._serial = 0
        self.counts = Counts()
        self.admission = Admission(settings)
        self.callbacks = Callbacks(context, self)
        self.answers = Answers(context.kept, settings.limits.kept_answers, context.now)
        self.exchanges: dict[Hashable, Exchange] = {}
        """Requests that wait for the end of their answer, by handle, the oldest first."""
        self.left: dict[Hashable, Exchange] = {}
        """Requests whose clients have gone, as long as services may know their contexts."""
        self.census = Census(context, self)
        self.received: frozenset[type] = frozenset()
        """Event classes that an active service receives."""
        self.is_stopping = False
        self.stream_closed: Callable[[Exchange], None] = lambda _: None
        """Told when the client of an event stream has gone."""
        self.message_done: Callable[[Hashable, bool], None] = lambda _handle, _failed: None
        """Told when a message of a WebSocket has been handled, or could not be."""
        self.moment = context.now
        self.buffer = memoryview(bytearray(_READ))
        self._second = 0
        self._common = b""
        self.take(settings)

    def take(self, settings: HttpConfiguration) -> None:
        """Take a configuration, also while requests are in progress (HTTP-42)."""
        self.settings = settings
        self.limits = settings.limits
        self._compression = settings.compression
        self._second = 0
        self.admission.take(settings)
        self.answers.most = settings.limits.kept_answers

    @property
    def connections(self) -> dict[Connection | WebSocket, None]:
        """The open connections."""
        return self.census.connections

    @property
    def is_watched(self) -> bool:
        """Whether anything has a time limit that is looked at once a second."""
        return bool(self.connections or self.exchanges or self.left)

    # What connections ask.

    def now(self) -> float:
        self.moment = now = self._context.now
        return now

    def read_all(self) -> None:
        """Let the SLEE work."""
        self._context.pump_soon()

    def common(self) -> bytes:
        second = int(self.moment)
        if second != self._second:
            self._second = second
            lines = [("Server", self.settings.server)] if self.settings.server else []
            static = header_lines([*lines, *self.settings.static.items()])
            self._common = b"date: " + formatdate(second, usegmt=True).encode() + b"\r\n" + static
        return self._common

    def opened(self, connection: Connection) -> RemoteProtocolError | None:
        return self.census.opened(connection)

    def closed(self, connection: Connection | WebSocket) -> None:
        self.census.closed(connection)

    def limit_hit(self, limit: str) -> None:
        self.counts.limits[limit] = self.counts.limits.get(limit, 0) + 1

    def admit(self, exchange: Exchange, url: bytes) -> None:
        """Find the route, and judge the request by it (C4)."""
        if self.is_stopping:
            raise unavailable("stopping")
        if len(self.exchanges) >= self.limits.in_progress:
            self.limit_hit("in_progress")
            raise unavailable("overload")
        if exchange.coding is None:
            known = self.admission.known.get((exchange.method, url))
            if known is not None:
                exchange.target, exchange.match = known
                return
        self.admission.judge(exchange, url, self.moment)
        if exchange.callback_text is not None:
            self.callbacks.judge(exchange, exchange.callback_text, self.moment)
        if exchange.coding in (b"gzip", b"x-gzip"):
            exchange.inflater = Inflater(self._compression.ratio, self.limits.body)

    def is_forwarder(self, host: str) -> bool:
        return self.admission.is_forwarder(host)

    def source(self, exchange: Exchange) -> Source:
        """Where a request came from."""
        return self.admission.source(exchange)

    def refuse_unread(self, exchange: Exchange, error: RemoteProtocolError) -> None:
        exchange.refuse(error)
        self.counts.answered(exchange, self.moment)

    def begin(self, exchange: Exchange) -> None:
        """Make the request an activity with its first event."""
        match = exchange.match
        body = b"" if exchange.parts is None or exchange.is_streamed else exchange.take_body()
        if match is None:
            self.callbacks.call(exchange, body)
            return
        owner = match.owner
        try:
            if body and match.route.accepts == (_JSON,):
                parse_json(body)
            if exchange.inflater is not None and exchange.is_complete and not exchange.inflater.is_whole:
                raise RemoteProtocolError(400, "content_coding", "The body is cut off.")
            if owner.policy is not None and self._is_answered(exchange, owner.policy, body):
                return
            request = self._request(exchange, match, body)
        except RemoteProtocolError as error:
            self._let_go(exchange)
            self.refuse_unread(exchange, error)
            return
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
            self.refuse(exchange, unavailable("overload"))  # COM-10: stopping, or the queue is full
        except SleeError:
            self.refuse(exchange, RemoteProtocolError(404, "no_route"))  # the service has been uninstalled meanwhile

    def _is_answered(self, exchange: Exchange, policy: Policy, body: bytes) -> bool:
        """Judge what needs the body; `True` if the answer to an earlier request was given (HTTP-33, HTTP-34)."""
        if exchange.is_unproven:
            self.admission.prove(exchange, body, self.moment)
        if policy.idempotency is None:
            return False
        kept = self.answers.claim(exchange, policy.idempotency, body)
        if kept is None:
            return False
        exchange.extra += b"idempotency-replayed: true\r\n"
        self._write(exchange, kept.status, kept.fields, kept.body)
        self.counts.answered(exchange, self.moment)
        return True

    def _let_go(self, exchange: Exchange) -> None:
        """The idempotency key of a request without a service's answer is free again (HTTP-33)."""
        if exchange.claim is not None:
            self.answers.release(exchange.claim)
            exchange.claim = None

    def _request(self, exchange: Exchange, match: Match[Owner], body: bytes) -> Request:
        target, connection = exchange.target, exchange.connection
        assert target is not None
        request = Request(
            exchange.method,
            target.path,
            target.query,
            match.route.template,
            match.fields,
            exchange.headers,
            body,
            self.admission.source(exchange) if connection.is_forwarder else connection.source,
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
            data = exchange.take_body(exchange.credit)
            exchange.credit -= len(data)
            is_taken = self.fire(exchange, events.BodyChunk, data) or events.BodyChunk not in self.received
            if not is_taken and exchange.is_open:  # the service would take what is left for the whole
                self.refuse(exchange, unavailable("overload"))
                return
        if exchange.credit > 0:
            exchange.connection.flow.resume_reading()
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
            if exchange.claim is not None and not exchange.answered:
                return  # its answer is kept for the client that asks again
            self.left[exchange.handle] = exchange
            self._end(exchange)

    def writable(self, exchange: Exchange) -> None:
        if exchange.is_open_ended:
            exchange.was_refused = False
            self.fire(exchange, events.Writable)

    # What the SLEE tells.

    def processed(self, handle: Hashable, event: object, flags: int) -> None:
        """An event has been delivered: did anybody take the request (COM-9, COM-10)?"""
        exchange = self.exchanges.get(handle)
        if exchange is None:
            if type(event) is events.CallbackReceived:
                self.callbacks.processed(event, flags)
            elif type(event) is WsMessage:
                self.message_done(handle, False)
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
        if type(event) is events.CallbackReceived:
            self.callbacks.failed(event)
        elif type(event) is WsMessage:
            self.message_done(handle, True)
        if exchange is None or not exchange.is_open:
            return
        if type(event) is events.ResponseDeadline:
            self._time_out(exchange)
        elif type(event) in _REQUESTS:
            self.refuse(exchange, unavailable("overload"))

    def unreferenced(self, handle: Hashable) -> None:
        """Nobody is left who could answer (COM-8)."""
        exchange = self.exchanges.get(handle)
        if exchange is not None and exchange.is_open:
            self.counts.unanswered += 1
            self.refuse(exchange, RemoteProtocolError(500, "unanswered", "No service answered."))
        elif exchange is not None and exchange.gone:
            self._end(exchange)

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
        for exchange in list(itertools.takewhile(lambda each: each.started <= before, self.exchanges.values())):
            if exchange.gone:
                self._end(exchange)
            elif exchange.is_open and not exchange.is_late:
                exchange.is_late = True
                if not self.fire(exchange, events.ResponseDeadline, now - exchange.started, flags=_OUTCOME):
                    self._time_out(exchange)

    def _time_out(self, exchange: Exchange) -> None:
        if exchange.is_open:
            self.limit_hit("response")
            self.refuse(exchange, RemoteProtocolError(504, "deadline", "The service took too long."))

    # Answers.

    def respond(self, command: Answer) -> None:
        """Carry out a service's answer.

        Raises:
            LocalProtocolError: it was answered meanwhile, as at its deadline.
        """
        exchange = command.exchange
        if exchange.is_done:
            raise LocalProtocolError(f"respond: {exchange} was answered meanwhile [HTTP-18]; the answer was not sent")
        claim = exchange.claim
        if claim is not None:
            exchange.claim = None
            self.answers.keep(claim, command.status, command.fields, command.body, self.moment)
        if exchange.gone:
            self.counts.drop("answer_to_gone_client")
            self._end(exchange)
            return
        self._write(exchange, command.status, command.fields, command.body)
        self.conclude(exchange)

    def _write(self, exchange: Exchange, status: int, fields: bytes, body: bytes) -> None:
        compression = self._compression
        if compression.responses and len(body) >= compression.minimum and status not in BODILESS:
            fields, body = coded(compression, find(exchange.headers, b"accept-encoding"), fields, body)
        exchange.answer(status, fields, body)

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
        self._let_go(exchange)
        try:
            self._endpoint.end_activity(handle)
        except UnrecognizedActivityHandleError:
            self.counts.drop("ended_by_others")
