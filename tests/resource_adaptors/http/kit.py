"""A service whose handlers do what the test says, on the simulated adaptor."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from resource_adaptors.http import api
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpClient, HttpSimulator
from slee import ActivityContext, ActivityEnd, Cmp, Sbb, Select, TimerEvent, cmp, handles, initial_event, resource
from slee.kernel.ports import Limits
from slee.testing import SleeHarness

EVENTS: list[object] = []
"""Every event that the service has received, in order."""
SCRIPT: dict[type, Callable[[Any, Any, ActivityContext], None]] = {}
"""What to do at an event class: called with SBB, event and context."""


def take(sbb: object, event: object, aci: ActivityContext) -> None:
    EVENTS.append(event)
    act = SCRIPT.get(type(event))
    if act is not None:
        act(sbb, event, aci)


class Desk(Sbb, vendor="test", version="1.0"):
    """Receives everything."""

    http = resource(api.HTTP)
    note: Cmp[ActivityContext | None] = cmp(None)

    @initial_event(Select.ACTIVITY_CONTEXT, option="GET /x, GET /calls/{id}, GET /calls/active, GET /files/{path...}")
    def on_get(self, event: api.GetRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @initial_event(
        Select.ACTIVITY_CONTEXT, option="POST /x, POST /calls/{id}/hangup, POST /json application/json, POST /chat"
    )
    def on_post(self, event: api.PostRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @initial_event(Select.ACTIVITY_CONTEXT, option="PUT /x")
    def on_put(self, event: api.PutRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @initial_event(Select.ACTIVITY_CONTEXT, option="DELETE /x")
    def on_delete(self, event: api.DeleteRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @initial_event(Select.ACTIVITY_CONTEXT, option="PATCH /x")
    def on_patch(self, event: api.PatchRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @initial_event(Select.ACTIVITY_CONTEXT, option="PROPFIND /x")
    def on_other(self, event: api.OtherRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @initial_event(
        Select.ACTIVITY_CONTEXT,
        option="WEBSOCKET /ws, WEBSOCKET /calls/{id}, WEBSOCKET /rooms/{room} chat.v2 chat.v1",
    )
    def on_socket_request(self, event: api.WsRequest, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_socket_opened(self, event: api.WsOpened, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_socket_message(self, event: api.WsMessage, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_socket_closed(self, event: api.WsClosed, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_chunk(self, event: api.BodyChunk, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_complete(self, event: api.BodyComplete, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_writable(self, event: api.Writable, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_disconnected(self, event: api.ClientDisconnected, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_sent(self, event: api.ResponseSent, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_deadline(self, event: api.ResponseDeadline, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_idle(self, event: api.SessionIdle, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_opened(self, event: api.SseOpened, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_closed(self, event: api.SseClosed, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_callback(self, event: api.CallbackReceived, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_stream(self, event: api.HttpStreamOpened, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_piece(self, event: api.HttpBodyChunk, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_message(self, event: api.SseMessage, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_success(self, event: api.HttpSuccess, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_redirect(self, event: api.HttpRedirect, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_client_error(self, event: api.HttpClientError, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_server_error(self, event: api.HttpServerError, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_timeout(self, event: api.HttpTimeout, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_transport_error(self, event: api.HttpTransportError, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_delivered(self, event: api.WebhookDelivered, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_dead(self, event: api.WebhookDeadLettered, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        take(self, event, aci)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        """Every activity ends with it; it is not noted."""


class World:
    """A harness with the simulator and the service; leaving it checks that nothing is left."""

    def __init__(
        self,
        *,
        install: bool = True,
        failures_allowed: bool = False,
        kernel: Limits | None = None,
        **configuration: Any,
    ) -> None:
        EVENTS.clear()
        SCRIPT.clear()
        self.slee = SleeHarness(failures_allowed=failures_allowed, limits=kernel)
        self.http = self.slee.add_resource("http-main", HttpSimulator(), HttpConfiguration(**configuration))
        if install:
            self.slee.install(Desk)

    def client(self, host: str = "198.51.100.7") -> HttpClient:
        return self.http.client(host)

    def at(self, event_class: type, act: Callable[[Any, Any, ActivityContext], None]) -> None:
        """Do something at the events of a class."""
        SCRIPT[event_class] = act

    def answer(self, *event_classes: type, status: int = 200, **given: Any) -> None:
        """Answer the requests of some classes."""
        for event_class in event_classes:
            SCRIPT[event_class] = lambda sbb, event, aci: sbb.http.respond(aci, status, **given)

    @property
    def events(self) -> list[object]:
        return EVENTS

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in EVENTS]

    def limit(self, name: str) -> int:
        return self.http.serving.counts.limits.get(name, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            assert not self.http.serving.exchanges
            assert not self.http.sockets.open
            assert not self.http.sockets.coming
        self.slee.__exit__(kind, error, trace)


def head(method: str = "GET", target: str = "/x", *lines: str, host: str = "a") -> bytes:
    """A header section of HTTP/1.1."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode("latin-1")
