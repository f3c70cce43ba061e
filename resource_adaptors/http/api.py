"""The HTTP resource adaptor type: its events, its activities, and what SBBs call.

A handler claims a route by its option, and gets the requests of that route alone:

    @initial_event(option="POST /calls/{id}")
    def on_call(self, event: api.PostRequest, aci: ActivityContext) -> None:
        self.http.respond_json(aci, {"id": event.request.fields["id"]}, status=201)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from resource_adaptors.http.events import (
    REASONS,
    REQUEST_EVENTS,
    BodyChunk,
    BodyComplete,
    CallbackActivity,
    CallbackReceived,
    ClientActivity,
    ClientDisconnected,
    DeleteRequest,
    EventStreamActivity,
    GetRequest,
    HeadRequest,
    HttpBodyChunk,
    HttpClientError,
    HttpRedirect,
    HttpServerError,
    HttpStreamOpened,
    HttpSuccess,
    HttpTimeout,
    HttpTransportError,
    OptionsRequest,
    OtherRequest,
    PatchRequest,
    PostRequest,
    PutRequest,
    RequestActivity,
    Response,
    ResponseDeadline,
    ResponseSent,
    SessionActivity,
    SessionIdle,
    SseClosed,
    SseMessage,
    SseOpened,
    WebhookActivity,
    WebhookDeadLettered,
    WebhookDelivered,
    Writable,
    response_event,
)
from resource_adaptors.http.message.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from resource_adaptors.http.message.headers import is_same_entity, single_range
from resource_adaptors.http.message.multipart import MultipartReader, Part
from resource_adaptors.http.message.request import Principal, Request, Source
from resource_adaptors.http.websocket_api import WebSocketCalls
from resource_adaptors.http.websocket_events import WebSocketActivity, WsClosed, WsMessage, WsOpened, WsRequest
from slee.api.activity import ActivityContext
from slee.api.resource import ResourceAdaptorType
from slee.spi import command, opening_command, query


class Http(WebSocketCalls):
    """What SBBs call on HTTP: `self.http.respond(aci, 204)`.

    Commands take the context of the activity that they act on. Each raises `LocalProtocolError` in the handler when the
    activity's state forbids it, and is carried out after the handler's transaction has committed.
    """

    @query
    def is_waiting(self, aci: ActivityContext) -> bool:
        """Whether the request of a RequestActivity has no answer yet, and its client is still there."""
        raise NotImplementedError

    @query
    def session(self, aci: ActivityContext) -> ActivityContext | None:
        """The context of the session that a request belongs to; `None` if its route has none (HTTP-15)."""
        raise NotImplementedError

    @command
    def respond(
        self,
        aci: ActivityContext,
        status: int,
        *,
        body: bytes | str = b"",
        content_type: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer the request of a RequestActivity; from any event, as long as it waits (HTTP-18).

        Args:
            aci: the request's context.
            status: 200 to 599.
            body: octets, or text that is sent as UTF-8.
            content_type: of the body; octets without one are sent without, text as `text/plain`.
            headers: further header fields.

        Raises:
            LocalProtocolError: it was answered already, or status, headers and body do not fit each other (HTTP-7).
        """
        raise NotImplementedError

    @command
    def respond_json(
        self, aci: ActivityContext, value: object, *, status: int = 200, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Answer with a value as JSON; what msgspec encodes can be given."""
        raise NotImplementedError

    @command
    def problem(
        self,
        aci: ActivityContext,
        status: int,
        *,
        code: str,
        detail: str = "",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Answer with a problem document (RFC 9457); `code` is a stable word for programs."""
        raise NotImplementedError

    @command
    def open_body(
        self,
        aci: ActivityContext,
        status: int = 200,
        *,
        content_type: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Begin an answer whose body comes in pieces (HTTP-20)."""
        raise NotImplementedError

    @command
    def send_chunk(self, aci: ActivityContext, data: bytes) -> None:
        """Send a piece of the body; `LocalProtocolError` while the buffer is full: wait for `Writable`."""
        raise NotImplementedError

    @command
    def close_body(self, aci: ActivityContext) -> None:
        """End the body; the request is answered."""
        raise NotImplementedError

    @command
    def read_body(self, aci: ActivityContext, octets: int = 65_536) -> None:
        """Ask for more of a streamed body: `BodyChunk` events until so many octets have come (HTTP-20)."""
        raise NotImplementedError

    @opening_command
    def open_events(
        self,
        aci: ActivityContext,
        *,
        key: str | None = None,
        retry: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> ActivityContext:
        """Answer with a stream of server-sent events, and return its context (HTTP-21).

        Args:
            aci: the request's context.
            key: name to `publish` under; a client that comes back gets what it missed under that key.
            retry: seconds that a client should wait before it comes back.
            headers: further header fields.
        """
        raise NotImplementedError

    @command
    def send_event(
        self, aci: ActivityContext, data: str, *, event: str | None = None, event_id: str | None = None
    ) -> None:
        """Send one event to one stream."""
        raise NotImplementedError

    @command
    def publish(self, key: str, data: str, *, event: str | None = None) -> None:
        """Send an event to every stream of a key, and keep it for those that come back."""
        raise NotImplementedError

    @command
    def close_events(self, aci: ActivityContext) -> None:
        """Close a stream."""
        raise NotImplementedError

    @command
    def end_session(self, aci: ActivityContext) -> None:
        """End a session; the next request of its key begins another."""
        raise NotImplementedError

    @opening_command
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
        """Ask another server; the outcome is one event on the returned context (HTTP-23).

        Args:
            method: such as `GET`.
            url: absolute, http or https.
            headers: header fields, without those of the framing.
            body: octets.
            timeout: seconds for all tries together; the configured ones without.
            idempotency_key: sent as `Idempotency-Key`; lets a request be tried again that otherwise must not (HTTP-25).
            redirects: how many to follow, 0 to 5 (HTTP-27).
            stream: hand the body of a 2xx over as it comes, without a limit: `HttpStreamOpened`, then `HttpBodyChunk`
                or `SseMessage` events, then the outcome. The timeout then counts anew from each piece. The outcome is
                `HttpTransportError("overload")` if the queue of events has no room for a piece.
        """
        raise NotImplementedError

    @command
    def cancel(self, aci: ActivityContext) -> None:
        """Give up a request of ours; its activity ends without an outcome."""
        raise NotImplementedError

    @opening_command
    def webhook(
        self, target: str, body: bytes, *, content_type: str = "application/json", ordering_key: str | None = None
    ) -> ActivityContext:
        """Have a configured target told, signed, until it acknowledges or is given up (HTTP-30).

        Args:
            target: name of the target in the configuration.
            body: at most 256 KiB; the same octets in every try.
            content_type: of the body.
            ordering_key: web-hooks of one key and target are sent one after the other, in the order of the calls.
        """
        raise NotImplementedError

    @query
    def callback_url(self, aci: ActivityContext, *, ttl: float = 3600.0, single_use: bool = True) -> str:
        """A URL that fires `CallbackReceived` on an activity of HTTP when it is called (HTTP-32).

        Args:
            aci: context of a session, a request, a web-hook or a request of ours; see `open_callback` otherwise.
            ttl: seconds that it is good for; 404 after.
            single_use: whether the first call that a service has taken is the last one; 410 after.

        Raises:
            LocalProtocolError: the activity is another adaptor's, or callbacks are not configured.
        """
        raise NotImplementedError

    @opening_command
    def open_callback(self, *, ttl: float = 3600.0, single_use: bool = True) -> ActivityContext:
        """Open a callback as an activity of its own: attach to it, and give away `aci.activity.url` (HTTP-32)."""
        raise NotImplementedError

    @command
    def close_callback(self, aci: ActivityContext) -> None:
        """End a CallbackActivity; its URL gets 404 from then on."""
        raise NotImplementedError


HTTP: Final[ResourceAdaptorType[Http]] = ResourceAdaptorType(
    "HTTP",
    vendor="slee",
    version="1.0",
    interface=Http,
    events=(
        *REQUEST_EVENTS.values(),
        OtherRequest,
        BodyChunk,
        BodyComplete,
        Writable,
        ClientDisconnected,
        ResponseSent,
        ResponseDeadline,
        SessionIdle,
        SseOpened,
        SseClosed,
        WsRequest,
        WsOpened,
        WsMessage,
        WsClosed,
        CallbackReceived,
        HttpStreamOpened,
        HttpBodyChunk,
        SseMessage,
        HttpSuccess,
        HttpRedirect,
        HttpClientError,
        HttpServerError,
        HttpTimeout,
        HttpTransportError,
        WebhookDelivered,
        WebhookDeadLettered,
    ),
    activities=(
        RequestActivity,
        SessionActivity,
        EventStreamActivity,
        WebSocketActivity,
        ClientActivity,
        WebhookActivity,
        CallbackActivity,
    ),
)
"""What an SBB binds: `http = resource(HTTP)`."""

__all__ = [
    "HTTP",
    "REASONS",
    "REQUEST_EVENTS",
    "BodyChunk",
    "BodyComplete",
    "CallbackActivity",
    "CallbackReceived",
    "ClientActivity",
    "ClientDisconnected",
    "DeleteRequest",
    "EventStreamActivity",
    "GetRequest",
    "HeadRequest",
    "Http",
    "HttpBodyChunk",
    "HttpClientError",
    "HttpRedirect",
    "HttpServerError",
    "HttpStreamOpened",
    "HttpSuccess",
    "HttpTimeout",
    "HttpTransportError",
    "LocalProtocolError",
    "MultipartReader",
    "OptionsRequest",
    "OtherRequest",
    "Part",
    "PatchRequest",
    "PostRequest",
    "Principal",
    "ProtocolError",
    "PutRequest",
    "RemoteProtocolError",
    "Request",
    "RequestActivity",
    "Response",
    "ResponseDeadline",
    "ResponseSent",
    "SessionActivity",
    "SessionIdle",
    "Source",
    "SseClosed",
    "SseMessage",
    "SseOpened",
    "WebSocketActivity",
    "WebhookActivity",
    "WebhookDeadLettered",
    "WebhookDelivered",
    "Writable",
    "WsClosed",
    "WsMessage",
    "WsOpened",
    "WsRequest",
    "is_same_entity",
    "response_event",
    "single_range",
]
