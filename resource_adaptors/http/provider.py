"""What SBBs call on HTTP: each command is judged at the call, noted, and enlisted in the delivery's transaction."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import msgspec

from resource_adaptors.http.api import Http
from resource_adaptors.http.commands import (
    Answer,
    CancelCall,
    CloseBody,
    CloseCallback,
    CloseEvents,
    CloseSocket,
    EndSession,
    OpenBody,
    OpenCallback,
    OpenEvents,
    OpenSocket,
    Publish,
    ReadBody,
    SendChunk,
    SendEvent,
    SendMessage,
    StartCall,
    Tell,
)
from resource_adaptors.http.events import (
    CallbackActivity,
    ClientActivity,
    EventStreamActivity,
    RequestActivity,
    WebhookActivity,
)
from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.message.errors import LocalProtocolError
from resource_adaptors.http.message.event_stream import format_event, retry_line
from resource_adaptors.http.message.headers import BODILESS, header_lines
from resource_adaptors.http.message.problem import TYPE, problem
from resource_adaptors.http.protocol.calls import new_call
from resource_adaptors.http.protocol.frames import judge_close
from resource_adaptors.http.protocol.webhooks import Record
from resource_adaptors.http.websocket_events import WebSocketActivity
from slee.spi import ActivityFlags

if TYPE_CHECKING:
    from resource_adaptors.http.adaptor import HttpAdaptor
    from resource_adaptors.http.websocket import WebSocket
    from slee.api.activity import ActivityContext


class HttpProvider(Http):
    """The interface of one HTTP resource adaptor entity."""

    def __init__(self, adaptor: HttpAdaptor) -> None:
        self._adaptor = adaptor
        self._context = adaptor.context

    def is_waiting(self, aci: ActivityContext) -> bool:
        exchange = self._adaptor.serving.exchanges.get(self._context.handle_of(aci))
        return exchange is not None and exchange.is_open

    def session(self, aci: ActivityContext) -> ActivityContext | None:
        adaptor = self._adaptor
        handle = self._context.handle_of(aci)
        found = adaptor.serving.exchanges.get(handle) or adaptor.sockets.open.get(handle)
        return None if found is None else self._context.activity_context(found.session)

    # Answers.

    def respond(
        self,
        aci: ActivityContext,
        status: int,
        *,
        body: bytes | str = b"",
        content_type: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not 200 <= status <= 599:
            raise LocalProtocolError(f"respond: status {status} [HTTP-7]; give 200 to 599")
        if isinstance(body, str):
            body = body.encode()
            content_type = content_type or "text/plain; charset=utf-8"
        if body and status in BODILESS:
            raise LocalProtocolError(f"respond: {status} has no body [HTTP-7]; leave it out")
        self._answer(aci, status, _fields(content_type, headers), body)

    def respond_json(
        self, aci: ActivityContext, value: object, *, status: int = 200, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        try:
            body = msgspec.json.encode(value)
        except (TypeError, ValueError) as error:
            raise LocalProtocolError(f"respond_json: {error} [HTTP-7]; give what JSON can say") from error
        self.respond(aci, status, body=body, content_type="application/json", headers=headers)

    def problem(
        self,
        aci: ActivityContext,
        status: int,
        *,
        code: str,
        detail: str = "",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not 400 <= status <= 599:
            raise LocalProtocolError(f"problem: status {status} [HTTP-8]; give 400 to 599")
        self._answer(aci, status, _fields(TYPE, headers), problem(status, code, detail))

    def _answer(self, aci: ActivityContext, status: int, fields: bytes, body: bytes) -> None:
        exchange = self._take(aci, "respond")
        policy = None if exchange.match is None else exchange.match.owner.policy
        if policy is not None:
            fields += policy.no_store(fields)
        self._context.enlist(Answer(exchange, status, fields, body))

    def _take(self, aci: ActivityContext, what: str) -> Exchange:
        """The request behind a context, noted as answered unless the delivery rolls back."""
        exchange = self._exchange(aci, what)
        if exchange.answered or exchange.is_done:
            raise LocalProtocolError(f"{what}: {exchange} has its answer [HTTP-18]; answer a request once")
        exchange.answered = True
        self._context.on_rollback(exchange.forget_answer)
        return exchange

    def _exchange(self, aci: ActivityContext, what: str) -> Exchange:
        handle = self._context.handle_of(aci)
        serving = self._adaptor.serving
        exchange = serving.exchanges.get(handle) or serving.left.get(handle)
        if exchange is None:
            raise LocalProtocolError(f"{what}: {aci!r} is no request that waits for its answer [HTTP-18, COM-4]")
        return exchange

    def open_body(
        self,
        aci: ActivityContext,
        status: int = 200,
        *,
        content_type: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not 200 <= status <= 599 or status in BODILESS:
            raise LocalProtocolError(f"open_body: status {status} [HTTP-7]; give one that has a body")
        fields = _fields(content_type, headers)
        exchange = self._take(aci, "open_body")
        exchange.is_open_ended = True
        self._context.on_rollback(exchange.forget_body)
        self._context.enlist(OpenBody(exchange, status, fields))

    def send_chunk(self, aci: ActivityContext, data: bytes) -> None:
        exchange = self._open_ended(aci, "send_chunk")
        if not exchange.gone and exchange.is_full:
            exchange.was_refused = True
            raise LocalProtocolError(f"send_chunk: the buffer of {exchange} is full [HTTP-20]; wait for Writable")
        exchange.hold(len(data))
        self._context.on_rollback(exchange.hold, -len(data))
        self._context.enlist(SendChunk(exchange, bytes(data)))

    def close_body(self, aci: ActivityContext) -> None:
        exchange = self._open_ended(aci, "close_body")
        exchange.is_open_ended = False
        self._context.on_rollback(exchange.open_again)
        self._context.enlist(CloseBody(exchange))

    def _open_ended(self, aci: ActivityContext, what: str) -> Exchange:
        exchange = self._exchange(aci, what)
        if not exchange.is_open_ended:
            raise LocalProtocolError(f"{what}: {exchange} has no open body [HTTP-20]; call open_body first")
        return exchange

    def read_body(self, aci: ActivityContext, octets: int = 65_536) -> None:
        if octets < 1:
            raise LocalProtocolError(f"read_body: {octets} octets [HTTP-20]; ask for one at least")
        self._context.enlist(ReadBody(self._exchange(aci, "read_body"), octets))

    # Event streams.

    def open_events(
        self,
        aci: ActivityContext,
        *,
        key: str | None = None,
        retry: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> ActivityContext:
        fields = _fields("text/event-stream", [("Cache-Control", "no-store"), *headers])
        first = b"" if retry is None else retry_line(retry)
        exchange = self._take(aci, "open_events")
        stream = f"{exchange.handle}-events"
        context = self._context.endpoint.start_activity_transacted(stream, EventStreamActivity(key))
        self._context.enlist(OpenEvents(exchange, stream, key, fields, first))
        return context

    def send_event(
        self, aci: ActivityContext, data: str, *, event: str | None = None, event_id: str | None = None
    ) -> None:
        self._context.enlist(SendEvent(self._stream(aci, "send_event"), format_event(data, event, event_id)))

    def publish(self, key: str, data: str, *, event: str | None = None) -> None:
        format_event(data, event, None)
        self._context.enlist(Publish(key, data, event))

    def close_events(self, aci: ActivityContext) -> None:
        self._context.enlist(CloseEvents(self._stream(aci, "close_events")))

    def _stream(self, aci: ActivityContext, what: str) -> Hashable:
        handle = self._context.handle_of(aci)
        if not isinstance(aci.activity, EventStreamActivity) or handle is None:
            raise LocalProtocolError(f"{what}: {aci!r} is no event stream [HTTP-21, COM-4]; open_events returns one")
        return handle

    # WebSocket.

    def open_socket(self, aci: ActivityContext, *, headers: Sequence[tuple[str, str]] = ()) -> ActivityContext:
        if any(name.lower() == "upgrade" or name.lower().startswith("sec-websocket-") for name, _ in headers):
            raise LocalProtocolError("open_socket: the handshake is the adaptor's [HTTP-11]; leave its fields out")
        upgrade, activity = self._exchange(aci, "open_socket").upgrade, aci.activity
        if upgrade is None or not isinstance(activity, RequestActivity):
            raise LocalProtocolError(
                f"open_socket: {activity} asks for no WebSocket [HTTP-11]; call it on the context of a WsRequest"
            )
        fields = header_lines(headers) + upgrade.lines()
        exchange = self._take(aci, "open_socket")
        handle = f"{exchange.handle}-socket"
        opened = WebSocketActivity(activity.request, upgrade.subprotocol)
        context = self._context.endpoint.start_activity_transacted(handle, opened, ActivityFlags.UNREFERENCED)
        socket = self._adaptor.sockets.prepare(exchange, handle)
        self._context.on_rollback(self._adaptor.sockets.forget, handle)
        self._context.enlist(OpenSocket(exchange, socket, fields))
        return context

    def is_writable(self, aci: ActivityContext) -> bool:
        handle = self._context.handle_of(aci)
        socket = self._adaptor.sockets.open.get(handle)
        if socket is None or not isinstance(aci.activity, WebSocketActivity):
            return False
        return not socket.is_closing and socket.frames.is_open and not socket.is_full

    def send_message(self, aci: ActivityContext, message: str | bytes) -> None:
        socket = self._socket(aci, "send_message")
        given: object = message
        if not isinstance(given, (str, bytes, bytearray, memoryview)):
            sort = type(given).__name__
            raise LocalProtocolError(f"send_message: a message of type {sort} [HTTP-11]; give text or bytes")
        octets = len(message.encode()) if isinstance(message, str) else len(message)
        if not socket.is_ended and socket.is_full:
            socket.was_refused = True
            raise LocalProtocolError(f"send_message: the buffer of {aci.activity} is full [HTTP-11]; wait for Writable")
        socket.held += octets
        self._context.on_rollback(socket.release, octets)
        self._context.enlist(SendMessage(socket, message if isinstance(message, str) else bytes(message), octets))

    def close_socket(self, aci: ActivityContext, code: int = 1000, reason: str = "") -> None:
        judge_close(code, reason)
        socket = self._socket(aci, "close_socket")
        socket.is_closing = True
        self._context.on_rollback(socket.stay_open)
        self._context.enlist(CloseSocket(socket, code, reason))

    def _socket(self, aci: ActivityContext, what: str) -> WebSocket:
        if not isinstance(aci.activity, WebSocketActivity):
            raise LocalProtocolError(f"{what}: {aci!r} is no WebSocket [HTTP-11, COM-4]; open_socket returns one")
        socket = self._adaptor.sockets.of(self._context.handle_of(aci), what)
        if socket.is_closing:
            raise LocalProtocolError(f"{what}: the service has closed {aci.activity} [HTTP-11]; nothing can follow")
        return socket

    def end_session(self, aci: ActivityContext) -> None:
        handle = self._context.handle_of(aci)
        if handle not in self._adaptor.sessions.by_handle:
            raise LocalProtocolError(f"end_session: {aci!r} is no session [HTTP-15, COM-4]; ask session() for it")
        self._context.enlist(EndSession(handle))

    # Requests of ours.

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float | None = None,
        idempotency_key: str | None = None,
        redirects: int = 0,
        stream: bool = False,
    ) -> ActivityContext:
        adaptor = self._adaptor
        named = list(headers)
        if idempotency_key is not None:
            named.append(("Idempotency-Key", idempotency_key))
        header_lines(named)
        client = adaptor.settings.client
        call = new_call(
            adaptor.new_handle("call"),
            method,
            url,
            tuple(named),
            bytes(body),
            client.timeout if timeout is None else timeout,
            redirects,
            is_streamed=stream,
        )
        context = self._context.endpoint.start_activity_transacted(call.handle, ClientActivity(method, url))
        self._context.enlist(StartCall(call))
        return context

    def cancel(self, aci: ActivityContext) -> None:
        handle = self._context.handle_of(aci)
        if not isinstance(aci.activity, ClientActivity) or handle is None:
            raise LocalProtocolError(f"cancel: {aci!r} is no request of ours [HTTP-23, COM-4]; request() returns one")
        self._context.enlist(CancelCall(handle))

    def webhook(
        self, target: str, body: bytes, *, content_type: str = "application/json", ordering_key: str | None = None
    ) -> ActivityContext:
        adaptor = self._adaptor
        settings = adaptor.settings.webhooks
        if target not in settings.targets:
            raise LocalProtocolError(f"webhook: target {target!r} is not configured [HTTP-30]; add it to webhooks")
        if len(body) > settings.body:
            raise LocalProtocolError(f"webhook: {len(body)} octets, at most {settings.body} [HTTP-31]; send a link")
        header_lines([("Content-Type", content_type)])
        handle = adaptor.new_handle("webhook")
        record = Record(handle, target, bytes(body), content_type, ordering_key or "", self._context.now)
        context = self._context.endpoint.start_activity_transacted(handle, WebhookActivity(handle, target))
        self._context.endpoint.save_activity(handle, b"")  # the record itself outlives the activity
        adaptor.webhooks.letters.keep(record)
        self._context.enlist(Tell(record))
        return context

    # Callbacks.

    def callback_url(self, aci: ActivityContext, *, ttl: float = 3600.0, single_use: bool = True) -> str:
        handle = self._context.handle_of(aci)
        if handle is None:
            raise LocalProtocolError(
                f"callback_url: {aci!r} is no activity of HTTP [HTTP-32, COM-4]; attach to what open_callback returns"
            )
        return self._adaptor.callbacks.url(str(handle), self._ttl(ttl, "callback_url"), single_use=single_use)

    def open_callback(self, *, ttl: float = 3600.0, single_use: bool = True) -> ActivityContext:
        handle = self._adaptor.new_handle("callback")
        url = self._adaptor.callbacks.url(handle, self._ttl(ttl, "open_callback"), single_use=single_use)
        activity = CallbackActivity(url, self._context.now + ttl, single_use)
        context = self._context.endpoint.start_activity_transacted(handle, activity)
        self._context.endpoint.save_activity(handle, msgspec.msgpack.encode(activity))
        self._context.enlist(OpenCallback(handle, activity))
        return context

    def close_callback(self, aci: ActivityContext) -> None:
        handle = self._context.handle_of(aci)
        if not isinstance(aci.activity, CallbackActivity) or handle is None:
            raise LocalProtocolError(f"close_callback: {aci!r} is no callback [HTTP-32, COM-4]; open_callback has them")
        self._context.enlist(CloseCallback(handle))

    def _ttl(self, ttl: float, what: str) -> float:
        section = self._adaptor.settings.callbacks
        if section is None:
            raise LocalProtocolError(
                f"{what}: callbacks are not configured [HTTP-32]; give base and key in the section"
            )
        if not 0 < ttl <= section.longest:
            raise LocalProtocolError(f"{what}: {ttl} s [HTTP-32]; give more than 0 and at most {section.longest:g} s")
        return ttl


def _fields(content_type: str | None, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = b"" if content_type is None else _type_line(content_type)
    return lines + header_lines(headers) if headers else lines


@functools.lru_cache(maxsize=256)
def _type_line(content_type: str) -> bytes:
    return header_lines([("Content-Type", content_type)])
