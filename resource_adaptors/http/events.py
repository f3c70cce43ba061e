"""Events and activities of HTTP; each happening fires one event of one type (HTTP-17, HTTP-23)."""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.http.message.request import Request
from slee.api.event import event_type


class RequestActivity(msgspec.Struct, frozen=True):
    """Activity of a request received; ends when its answer has been sent or its client has gone."""

    request: Request

    def __repr__(self) -> str:
        return repr(self.request)


class SessionActivity(msgspec.Struct, frozen=True):
    """Activity that the requests of one session key share; ends after its idle time, or by `end_session`."""

    key: str


class EventStreamActivity(msgspec.Struct, frozen=True):
    """Activity of a stream of server-sent events; ends when either side closes it."""

    key: str | None
    """Name under which events are published to it."""


class ClientActivity(msgspec.Struct, frozen=True):
    """Activity of a request to another server; ends with its outcome."""

    method: str
    url: str


class WebhookActivity(msgspec.Struct, frozen=True):
    """Activity of a web-hook; ends when it is delivered or given up."""

    id: str
    """Value of `Webhook-Id`, the same in every try."""
    target: str


class CallbackActivity(msgspec.Struct, frozen=True):
    """Activity of a callback URL of its own; ends with its time, its one call, or `close_callback`."""

    url: str
    """What to give to whoever shall call back."""
    until: float
    """Seconds since the epoch."""
    is_single: bool
    """The first call that a service has taken is the last one."""


# Requests, on the RequestActivity.


@event_type("http.GetRequest", vendor="slee", version="1.0")
class GetRequest:
    """GET, or HEAD on a route that declares no HEAD (HTTP-6)."""

    request: Request


@event_type("http.PostRequest", vendor="slee", version="1.0")
class PostRequest:
    """POST."""

    request: Request


@event_type("http.PutRequest", vendor="slee", version="1.0")
class PutRequest:
    """PUT."""

    request: Request


@event_type("http.PatchRequest", vendor="slee", version="1.0")
class PatchRequest:
    """PATCH."""

    request: Request


@event_type("http.DeleteRequest", vendor="slee", version="1.0")
class DeleteRequest:
    """DELETE."""

    request: Request


@event_type("http.HeadRequest", vendor="slee", version="1.0")
class HeadRequest:
    """HEAD, on a route that declares it."""

    request: Request


@event_type("http.OptionsRequest", vendor="slee", version="1.0")
class OptionsRequest:
    """OPTIONS, on a route that declares it."""

    request: Request


@event_type("http.OtherRequest", vendor="slee", version="1.0")
class OtherRequest:
    """Any other method that a route declares."""

    request: Request


# What follows, on the same activity.


@event_type("http.BodyChunk", vendor="slee", version="1.0")
class BodyChunk:
    """A piece of a body that is longer than `inline_body`; ask for more with `read_body` (HTTP-20)."""

    data: bytes


@event_type("http.BodyComplete", vendor="slee", version="1.0")
class BodyComplete:
    """The last piece of a streamed body has been delivered."""

    length: int


@event_type("http.Writable", vendor="slee", version="1.0")
class Writable:
    """A streamed answer that had filled the buffer can go on (HTTP-20)."""


@event_type("http.ClientDisconnected", vendor="slee", version="1.0")
class ClientDisconnected:
    """The client has gone before its answer; what is answered now is dropped (HTTP-18)."""


@event_type("http.ResponseSent", vendor="slee", version="1.0")
class ResponseSent:
    """The answer has been handed to the connection."""

    status: int


@event_type("http.ResponseDeadline", vendor="slee", version="1.0")
class ResponseDeadline:
    """The request has waited too long: answer in this handler, or 504 is sent (HTTP-19)."""

    waited: float
    """Seconds."""


# On the SessionActivity.


@event_type("http.SessionIdle", vendor="slee", version="1.0")
class SessionIdle:
    """The session has had no request for its idle time, and ends."""


# On the EventStreamActivity.


@event_type("http.SseOpened", vendor="slee", version="1.0")
class SseOpened:
    """The stream is open, and what the client had missed has been sent."""

    last_event_id: str | None
    """What the client says it has received last."""
    resumed: int
    """Events sent again."""
    is_reset: bool
    """The events after `last_event_id` are not kept any more; the client has been sent `reset`."""


@event_type("http.SseClosed", vendor="slee", version="1.0")
class SseClosed:
    """The client has closed the stream."""


# On the activity that a callback URL names.


@event_type("http.CallbackReceived", vendor="slee", version="1.0")
class CallbackReceived:
    """Somebody has called a URL of `callback_url` or `open_callback`; 204 is answered once this is processed (HTTP-32).

    If the handler fails it is 500, and the caller may try again.
    """

    request: Request
    """Its `fields` are empty, its `route` the configured path."""


# Of a streamed answer, on the ClientActivity, before its outcome.


@event_type("http.HttpStreamOpened", vendor="slee", version="1.0")
class HttpStreamOpened:
    """The 2xx of a request with `stream=True` has begun; its body follows (HTTP-23)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""


@event_type("http.HttpBodyChunk", vendor="slee", version="1.0")
class HttpBodyChunk:
    """The next piece of a streamed answer."""

    data: bytes


@event_type("http.SseMessage", vendor="slee", version="1.0")
class SseMessage:
    """The next event of a streamed answer that is a text/event-stream."""

    id: str
    """The last id that the stream has given; empty before the first."""
    event: str
    """`message` unless the stream says otherwise."""
    data: str


# Outcomes, on the ClientActivity: exactly one.


class Response(msgspec.Struct, frozen=True):
    """What another server answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes
    tries: int = 1

    def header(self, name: str) -> str | None:
        """The first value of a header field, whatever the case of its name."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self) -> object:
        """The body's JSON value; `msgspec.DecodeError`, a `ValueError`, if it is none."""
        return msgspec.json.decode(self.body)


@event_type("http.HttpSuccess", vendor="slee", version="1.0")
class HttpSuccess:
    """2xx; the end of a streamed one, with an empty body."""

    response: Response


@event_type("http.HttpRedirect", vendor="slee", version="1.0")
class HttpRedirect:
    """3xx that was not followed."""

    response: Response


@event_type("http.HttpClientError", vendor="slee", version="1.0")
class HttpClientError:
    """4xx."""

    response: Response


@event_type("http.HttpServerError", vendor="slee", version="1.0")
class HttpServerError:
    """5xx."""

    response: Response


@event_type("http.HttpTimeout", vendor="slee", version="1.0")
class HttpTimeout:
    """No answer within the time given, all tries together."""

    tries: int


@event_type("http.HttpTransportError", vendor="slee", version="1.0")
class HttpTransportError:
    """The server could not be asked, or its answer not be read."""

    reason: str
    """One of `REASONS`."""
    tries: int


REASONS: Final = (
    "bad_response",
    "circuit_open",
    "connect",
    "forbidden_address",
    "overload",
    "queue_full",
    "redirect",
    "reset",
    "response_too_large",
    "stopping",
    "tls",
)
"""Every reason of an `HttpTransportError`."""


# Outcomes, on the WebhookActivity.


@event_type("http.WebhookDelivered", vendor="slee", version="1.0")
class WebhookDelivered:
    """The receiver has acknowledged it with a 2xx."""

    attempts: int


@event_type("http.WebhookDeadLettered", vendor="slee", version="1.0")
class WebhookDeadLettered:
    """It is given up, and kept for an operator (HTTP-31)."""

    status: int
    """Of the last answer; 0 if there was none."""


REQUEST_EVENTS: Final[dict[str, type]] = {
    "GET": GetRequest,
    "POST": PostRequest,
    "PUT": PutRequest,
    "PATCH": PatchRequest,
    "DELETE": DeleteRequest,
    "HEAD": HeadRequest,
    "OPTIONS": OptionsRequest,
}
"""Event class by method; every other method is an `OtherRequest` (HTTP-17)."""


def response_event(status: int) -> type:
    """The one event class that a server's answer fires (HTTP-23)."""
    return {2: HttpSuccess, 3: HttpRedirect, 4: HttpClientError}.get(status // 100, HttpServerError)
