"""The HTTP resource adaptor: joins listeners, client and web-hooks to the SLEE; no policy (design, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Final

from pydantic import BaseModel

from resource_adaptors.http import api, events
from resource_adaptors.http.admission import Owner
from resource_adaptors.http.callbacks import Callbacks
from resource_adaptors.http.care import Care
from resource_adaptors.http.commands import (
    Acknowledge,
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
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.listener import HttpListener, verify_certificates
from resource_adaptors.http.metrics import HttpStatistics
from resource_adaptors.http.outgoing import Outgoing, Sender
from resource_adaptors.http.protocol.routes import WEBSOCKET, Route, parse_option
from resource_adaptors.http.provider import HttpProvider
from resource_adaptors.http.sender import HttpxSender
from resource_adaptors.http.serving import Serving
from resource_adaptors.http.sessions import Sessions
from resource_adaptors.http.sockets import WebSockets
from resource_adaptors.http.streams import EventStreams
from resource_adaptors.http.webhooks import Webhooks
from resource_adaptors.http.websocket_events import WsRequest
from slee.api.errors import InvalidConfigurationError, Issue, VerificationError
from slee.api.ids import ResourceAdaptorID, ServiceID
from slee.api.resource import ResourceAdaptorType
from slee.spi import (
    FailureReason,
    ReceivableService,
    ResourceAdaptor,
    ResourceAdaptorContext,
    ResourceInterface,
)
from slee.spi.letters import KeepsLetters, Letter

_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at time limits (HTTP-13)."""
_METHODS: Final = {event_class: method for method, event_class in events.REQUEST_EVENTS.items()} | {
    WsRequest: WEBSOCKET
}
_REQUESTS: Final = frozenset((*_METHODS, events.OtherRequest))


class HttpAdaptor(ResourceAdaptor, KeepsLetters):
    """One HTTP resource adaptor entity."""

    id: ClassVar[ResourceAdaptorID] = ResourceAdaptorID("http", "slee", "1.0")
    ra_types = (api.HTTP,)
    configuration: ClassVar[type[BaseModel] | None] = HttpConfiguration
    reconfigures_while_active: ClassVar[bool] = True

    context: ResourceAdaptorContext
    settings: HttpConfiguration
    serving: Serving
    sessions: Sessions
    streams: EventStreams
    sockets: WebSockets
    outgoing: Outgoing
    webhooks: Webhooks
    care: Care

    def __init__(self) -> None:
        self.listeners: list[HttpListener] = []
        self._services: dict[ServiceID, ReceivableService] = {}
        self._is_active = False
        self._next_look = 0.0
        self._serial = 0
        self._boot = ""
        self._commands: dict[type, Callable[[Any], None]] = {}

    # Life cycle.

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self.context = context

    def ra_configure(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, HttpConfiguration)
        self.settings = configuration

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, HttpConfiguration)
        verify_certificates(configuration.listeners)
        if not self._is_active:
            return
        old, new = self.settings, configuration
        fixed = {
            "listeners": old.listeners != new.listeners,
            "hosts": old.hosts != new.hosts,
            "server": old.server != new.server,
            "static": old.static != new.static,
            "sse-ring": old.sse_ring != new.sse_ring,
            "client.ca": old.client.ca != new.client.ca,
        }
        if changed := [name for name, differs in fixed.items() if differs]:
            raise InvalidConfigurationError(
                f"{self.context.entity_name}: {', '.join(changed)} cannot change while it is active [HTTP-42]; "
                "deactivate it first"
            )

    def ra_configuration_update(self, configuration: BaseModel) -> None:
        self.ra_configure(configuration)
        if self._is_active:
            settings = self.settings
            self.serving.take(settings)
            self._choose_routes()
            self.sessions.take(settings)
            self.outgoing.take(settings.client)
            self.webhooks.settings = settings.webhooks

    def ra_active(self) -> None:
        context, settings = self.context, self.settings
        self._boot = context.random_bytes(6).hex()
        self.sessions = Sessions(context, settings)
        self.serving = serving = Serving(context, settings, self.sessions)
        self.streams = EventStreams(context, serving)
        self.sockets = WebSockets(context, serving, self.sessions)
        self.outgoing = Outgoing(context, settings.client, self._sender(), serving)
        self.webhooks = Webhooks(context, settings.webhooks, self.outgoing, serving)
        self._commands = self._table()
        self._choose_routes()
        self.care = Care(context, settings.listeners)
        self._open_listeners()
        self.care.look(context.now)
        self._is_active = True
        self.webhooks.begin()

    def _table(self) -> dict[type, Callable[[Any], None]]:
        """What carries out each command."""
        return {
            Answer: self.serving.respond,
            OpenBody: self._open_body,
            SendChunk: lambda c: c.exchange.send_held(c.data),
            CloseBody: self._close_body,
            ReadBody: lambda c: self.serving.read_body(c.exchange, c.octets),
            OpenEvents: self.streams.begin,
            SendEvent: lambda c: self.streams.send(c.stream, c.data),
            Publish: lambda c: self.streams.publish(c.key, c.data, c.event),
            CloseEvents: lambda c: self.streams.close(c.stream),
            OpenSocket: self.sockets.begin,
            SendMessage: self.sockets.send,
            CloseSocket: self.sockets.close,
            EndSession: lambda c: self.sessions.end(c.session),
            StartCall: lambda c: self.outgoing.start(c.call),
            CancelCall: lambda c: self.outgoing.cancel(c.handle),
            Tell: lambda c: self.webhooks.tell(c.record),
            Acknowledge: lambda c: self.callbacks.acknowledge(c.exchange),
            OpenCallback: lambda c: self.serving.callbacks.follow(c.handle, c.activity),
            CloseCallback: lambda c: self.serving.callbacks.close(c.handle),
        }

    def _sender(self) -> Sender:
        return HttpxSender(self.context, self.settings.client)

    def _open_listeners(self) -> None:
        for section in self.settings.listeners:
            try:
                self.listeners.append(HttpListener(section, self.serving, self.context))
            except (OSError, InvalidConfigurationError) as error:
                self.care.listener_down(f"{section.host}:{section.port}", error)
                self._close_listeners()
                raise
        self.care.listeners_up()

    def _close_listeners(self) -> None:
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def ra_stopping(self) -> None:
        self.serving.is_stopping = True
        for listener in self.listeners:
            listener.stop()
        for session in tuple(self.sessions.by_handle):
            self.sessions.end(session)
        for stream in tuple(self.streams.open):
            self.streams.close(stream)
        self.sockets.stop()
        self.callbacks.close_all()
        self.webhooks.stop()

    def ra_inactive(self) -> None:
        self._is_active = False
        self._close_listeners()
        self.care.close()
        self.webhooks.close()
        self.outgoing.close()

    @property
    def callbacks(self) -> Callbacks:
        """The callback URLs."""
        return self.serving.callbacks

    @property
    def addresses(self) -> list[str]:
        """Where the adaptor listens, as URLs; a port is the one chosen if 0 was configured."""
        found: list[str] = []
        for listener in self.listeners:
            host = f"[{listener.host}]" if ":" in listener.host else listener.host
            found.append(f"{listener.scheme}://{host}:{listener.port}")
        return found

    def statistics(self) -> HttpStatistics:
        """A picture of all counters (HTTP-40)."""
        serving = self.serving
        return HttpStatistics(
            serving.counts,
            len(serving.connections),
            len(serving.exchanges),
            len(self.streams.open),
            len(self.sessions.by_handle),
            self.outgoing.circuits,
            len(self.sockets.open),
            len(self.webhooks.pending),
            len(self.webhooks.dead),
        )

    def new_handle(self, kind: str) -> str:
        """A handle that no other process makes."""
        self._serial += 1
        return f"{kind}-{self._boot}-{self._serial}"

    # Time.

    def next_deadline(self) -> float | None:
        return self._next_look if self._is_active and self.serving.is_watched else None

    def tick(self, now: float) -> None:
        if not self._is_active or now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        self.serving.now()
        self.serving.pass_deadlines(now)
        self.callbacks.look(now)
        self.serving.answers.forget(now)
        self.serving.admission.limiter.forget_full(now)
        self.streams.comment(now)
        self.sockets.look(now)
        for connection in tuple(self.serving.connections):
            connection.look(now)

    # What the SLEE tells.

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        self.serving.processed(handle, event, flags)

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self.serving.failed(handle, event, reason)

    def activity_unreferenced(self, handle: Hashable) -> None:
        if handle in self.serving.exchanges:
            self.serving.unreferenced(handle)
        else:
            self.sockets.unreferenced(handle)

    def administrative_remove(self, handle: Hashable) -> None:
        if self.sockets.remove(handle):
            return
        self.serving.remove(handle)
        self.streams.close(handle)
        self.sessions.end(handle)
        self.outgoing.cancel(handle)
        self.webhooks.forget(handle)
        self.callbacks.close(handle)

    def restore_activity(self, handle: Hashable, state: bytes | None) -> object | None:
        """Take sessions and web-hooks up again; requests end with their connections (HTTP-43)."""
        if state is None:
            return None
        if str(handle).startswith("session-"):
            return self.sessions.restore(str(handle), state)
        if str(handle).startswith("callback-"):
            return self.callbacks.restore(str(handle), state)
        return self.webhooks.activity(str(handle))

    def verify_service(self, service: ReceivableService, active: Sequence[ReceivableService]) -> None:
        """Refuse a service whose options are no routes, or routes of another active service (HTTP-14)."""
        remedy = 'give its initial_event option="METHOD /path/{field}"'
        issues = [Issue(str(service.id), "HTTP-14", f"{c.__name__} without a route", remedy) for c in _deaf(service)]
        mine: dict[str, Route] = {}
        for event_class, option in _options(service):
            try:
                mine |= {route.key: route for route in _routes(event_class, option)}
            except ValueError as error:
                issues.append(Issue(str(service.id), "HTTP-14", str(error), "write METHOD /path/{field}"))
        for other in active:
            if (other.id.name, other.id.vendor) == (service.id.name, service.id.vendor):
                continue  # another version of it: the newer one takes over
            theirs = {route.key for event_class, option in _options(other) for route in _routes(event_class, option)}
            issues += [
                Issue(str(service.id), "HTTP-14", f"{mine[key]} is a route of {other.id}", "give it another path")
                for key in sorted(mine.keys() & theirs)
            ]
        if issues:
            raise VerificationError(issues)

    def service_active(self, service: ReceivableService) -> None:
        self._services.pop(service.id, None)
        self._services[service.id] = service
        self._choose_routes()

    def service_stopping(self, service: ReceivableService) -> None:
        self._choose_routes(stopping=service.id)

    def service_inactive(self, service: ReceivableService) -> None:
        self._services.pop(service.id, None)
        self._choose_routes()

    def _choose_routes(self, stopping: ServiceID | None = None) -> None:
        """Work out anew which routes there are, and which events are received; the latest service goes first."""
        services = [service for service in reversed(self._services.values()) if service.id != stopping]
        admission, counts = self.serving.admission, self.serving.counts
        admission.serve(
            (route, Owner(service.id, event_class, admission.policy(route), counts.durations(route.template)))
            for service in services
            for event_class, option in _options(service)
            for route in _routes(event_class, option)
        )
        self.serving.received = frozenset(
            event.event_class for service in self._services.values() for event in service.events
        )

    # Dead letters.

    def letters(self) -> list[Letter]:
        return self.webhooks.letters.listed()

    def retry_letter(self, identity: str) -> None:
        self.webhooks.retry(identity)

    def drop_letter(self, identity: str) -> None:
        self.webhooks.drop(identity)

    # Commands.

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return HttpProvider(self)

    def perform(self, command: object) -> None:
        self.serving.now()
        self._commands[type(command)](command)

    def _open_body(self, command: OpenBody) -> None:
        if not command.exchange.gone:
            command.exchange.open(command.status, command.fields)

    def _close_body(self, command: CloseBody) -> None:
        if not command.exchange.gone:
            command.exchange.close()
            self.serving.conclude(command.exchange)


def _options(service: ReceivableService) -> list[tuple[type, str]]:
    """The options of the handlers of requests."""
    return [(e.event_class, e.option) for e in service.events if e.option is not None and e.event_class in _REQUESTS]


def _deaf(service: ReceivableService) -> list[type]:
    """The requests that are initial for a service and have no route: it would never get one."""
    routed = {event_class for event_class, _ in _options(service)}
    return [e.event_class for e in service.events if e.initial and e.event_class in _REQUESTS - routed]


def _routes(event_class: type, option: str) -> tuple[Route, ...]:
    """The routes of one handler; `ValueError` if their methods are not those of its event."""
    routes = parse_option(option)
    method = _METHODS.get(event_class)
    for route in routes:
        is_special = route.method == WEBSOCKET or route.method in events.REQUEST_EVENTS
        if (method or route.method) != route.method or (method is None and is_special):
            raise ValueError(f"{route}: its requests are no {event_class.__name__}")
    return routes
