"""The SIP resource adaptor: joins the protocol core to the SLEE and to the wire; no policy (design, section 4).

Datagrams go to the core, the core's events to the SLEE (`inbound`), and the commands of committed transactions
(`provider`) back to the core.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from pydantic import BaseModel

from resource_adaptors.sip import api
from resource_adaptors.sip.activities import Server
from resource_adaptors.sip.answers import RETRY_LATER, allowed, unclaimed
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.inbound import Inbound
from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.metrics import SipStatistics
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.provider import CancelBranches, Fork, Respond, Send, SipProvider
from resource_adaptors.sip.tracking import Release, Tracking
from resource_adaptors.sip.transport.udp import Address, UdpListener
from slee.api.errors import InvalidStateError
from slee.api.ids import ResourceAdaptorID, ServiceID
from slee.api.resource import ResourceAdaptorType
from slee.spi import (
    EventFlags,
    FailureReason,
    ReceivableService,
    ResourceAdaptor,
    ResourceAdaptorContext,
    ResourceInterface,
)

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext

_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)


class Listener(Protocol):
    """Where datagrams come from and go to: a UDP socket, or a test."""

    host: str
    port: int

    def send(self, data: bytes, address: Address) -> str | None: ...
    def close(self) -> None: ...


class SipAdaptor(ResourceAdaptor):
    """One SIP resource adaptor entity."""

    id: ClassVar[ResourceAdaptorID] = ResourceAdaptorID("sip", "slee", "1.0")
    ra_types = (api.SIP,)
    configuration: ClassVar[type[BaseModel] | None] = SipConfiguration

    context: ResourceAdaptorContext
    settings: SipConfiguration
    core: SipCore
    _inbound: Inbound
    _tracking: Tracking

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._stop_reading: Callable[[], None] = lambda: None
        self._services: dict[ServiceID, frozenset[type]] = {}
        self._now = 0.0
        self._unanswered = 0
        self._unsent = 0
        self._commands: dict[type, Callable[..., None]] = {
            Respond: self._respond,
            Fork: self._fork,
            CancelBranches: self._cancel_branches,
            Send: self._send_request,
            Release: self._release,
        }

    # Life cycle.

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self.context = context

    def ra_configure(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, SipConfiguration)
        self.settings = configuration

    def ra_active(self) -> None:
        settings, context = self.settings, self.context
        self._listener = listener = self._open_listener()
        self.core = SipCore(settings.settings(settings.listeners[0], listener.port), context.random_bytes)
        boot = context.random_bytes(6).hex()
        self._tracking = tracking = Tracking(self.core, context, boot, settings.dialog_lifetime)
        self._inbound = Inbound(self.core, context, boot, tracking)
        self._choose_events()

    def ra_inactive(self) -> None:
        self._stop_reading()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _open_listener(self) -> Listener:
        settings = self.settings
        address = settings.listeners[0]
        listener = UdpListener(
            address.host,
            address.port,
            receive_buffer=settings.rcvbuf,
            send_buffer=settings.sndbuf,
            drain=settings.udp_drain,
        )
        self._stop_reading = self.context.spawn_reader(listener.fileno(), lambda: self._read(listener))
        return listener

    @property
    def address(self) -> Address:
        """Where the adaptor listens; the port is the one chosen if 0 was configured (SIP-31)."""
        if self._listener is None:
            raise InvalidStateError(f"{self.context.entity_name} does not listen [SIP-31]; activate the entity")
        return self._listener.host, self._listener.port

    def statistics(self) -> SipStatistics:
        """A frozen picture of all counters (SIP-196)."""
        servers = self._inbound.servers
        branches = sum(len(server.live_branches) for server in servers.values()) + len(self._inbound.requests)
        dialogs = len(self._tracking.by_handle)
        activities = {"ServerTransaction": len(servers), "ClientTransaction": branches, "ProxyDialog": dialogs}
        return SipStatistics(self.core.statistics(), self._unanswered, self._unsent, activities)

    # The wire.

    def _read(self, listener: UdpListener) -> None:
        """Drain the socket, then let the SLEE work: one wake-up for up to 64 datagrams (SIP-33)."""
        self._now = self.context.now
        listener.receive(self.receive, self.transport_failed)
        self.context.pump()

    def receive(self, data: bytes, source: Address) -> None:
        """Take one datagram in."""
        self.core.receive(data, source, self._now)
        self._drain()

    def transport_failed(self, destination: Address, reason: str) -> None:
        """ICMP or the local stack says that a destination cannot be reached (SIP-35)."""
        self.core.transport_error(destination, reason, self._now)
        self._drain()

    def next_deadline(self) -> float | None:
        return None if self._listener is None else self.core.next_deadline()

    def tick(self, now: float) -> None:
        if self._listener is not None:
            self._now = now
            self.core.tick(now)
            self._drain()

    def _drain(self) -> None:
        """Hand the core's events to the SLEE, and its datagrams to the wire, until there are no more."""
        happened, leaving = self.core.events, self.core.sends
        while happened or leaving:
            if happened:
                batch = happened.copy()
                happened.clear()
                for event in batch:
                    self._inbound.take(event, self._now)
            if leaving:
                datagrams = leaving.copy()
                leaving.clear()
                for data, address in datagrams:
                    self._send(data, address)

    def _send(self, data: bytes, address: Address) -> None:
        reason = "send_failed" if self._listener is None else self._listener.send(data, address)
        if reason is None:
            return
        self._unsent += 1
        if reason != "send_failed":
            # Of the destination; a datagram that the socket does not take (too long, buffer full) is lost by itself,
            # and whoever waits for its answer sends it again.
            self.core.transport_error(address, reason, self._now)

    # What the SLEE tells.

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        self._now = self.context.now
        if not self._inbound.end_step(event, self._now):
            self._on_request_processed(handle, flags)
        self._drain()

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self._now = self.context.now
        server = self._inbound.servers.get(handle)
        if not self._inbound.end_step(event, self._now) and server is not None and server.is_left_alone:
            self.core.respond(server.transaction, 503, self._now, headers=RETRY_LATER)
        self._drain()

    def _on_request_processed(self, handle: Hashable, flags: int) -> None:
        """The request's own event has been delivered: did anybody take it (COM-9, COM-10)?"""
        server = self._inbound.servers.get(handle)
        if server is None:
            return
        server.in_process = False
        if not server.is_left_alone:
            return
        if not flags & _PROCESSED:
            unclaimed(self.core, server.transaction, self._now)
        elif flags & _ROLLED_BACK:
            self.core.respond(server.transaction, 500, self._now)
        elif server.cancelled:
            self.core.respond(server.transaction, 487, self._now)

    def activity_unreferenced(self, handle: Hashable) -> None:
        """Nobody is left who could answer (COM-8)."""
        server = self._inbound.servers.get(handle)
        if server is not None and server.is_left_alone:
            self._unanswered += 1
            self._now = self.context.now
            self.core.finish(server.transaction, self._now)
            self._drain()

    def restore_activity(self, handle: Hashable, state: bytes) -> object | None:
        """Follow a call again after a restart."""
        return self._tracking.restore(str(handle), state)

    def activity_ended(self, handle: Hashable) -> None:
        """Everybody who followed a dialog knows of its end."""
        self._tracking.ended(handle)

    def administrative_remove(self, handle: Hashable) -> None:
        self._inbound.requests.discard(handle)
        server = self._inbound.servers.get(handle)
        if server is not None:
            self._now = self.context.now
            self.core.respond(server.transaction, 500, self._now)
            self._drain()

    def get_activity(self, handle: Hashable) -> object:
        server = self._inbound.servers.get(handle)
        if server is not None:
            return server.activity
        tracked = self._tracking.by_handle.get(handle)
        return None if tracked is None else tracked.activity

    def service_active(self, service: ReceivableService) -> None:
        self._services[service.id] = frozenset(event.event_class for event in service.events)
        self._choose_events()

    def service_inactive(self, service: ReceivableService) -> None:
        self._services.pop(service.id, None)
        self._choose_events()

    def _choose_events(self) -> None:
        """Have only those events made that an active service receives."""
        if self._listener is not None:
            self._inbound.receive_only(frozenset[type]().union(*self._services.values()))

    # Commands.

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return SipProvider(self)

    def server(self, aci: ActivityContext, what: str) -> Server:
        """The request behind a context; `LocalProtocolError` if it is none that waits for its answer (SIP-181)."""
        server = self._inbound.servers.get(self.context.handle_of(aci))
        if server is None:
            raise LocalProtocolError(
                f"{what}: {aci!r} is no request that waits for its answer [SIP-181]; it is answered or cancelled"
            )
        return server

    def is_waiting(self, aci: ActivityContext) -> bool:
        """Whether a request still waits for a service's decision."""
        server = self._inbound.servers.get(self.context.handle_of(aci))
        return server is not None and server.is_left_alone and not server.cancelled

    def allowed(self) -> str:
        """The value of Allow."""
        return allowed(self._inbound.received)

    def perform(self, command: object) -> None:
        self._now = self.context.now
        self._commands[type(command)](command)
        self._drain()

    def _respond(self, command: Respond) -> None:
        server: Server = command.server
        if server.handle not in self._inbound.servers:
            raise LocalProtocolError(f"respond: {server} was answered meanwhile [SIP-64]; the answer was not sent")
        self.core.respond(
            server.transaction,
            command.status,
            self._now,
            reason=command.reason,
            headers=command.headers,
            body=command.body,
        )

    def _fork(self, command: Fork) -> None:
        server: Server = command.server
        if server.handle not in self._inbound.servers:
            # answered meanwhile, by a CANCEL or by its deadline
            for branch in command.branches:
                self.context.endpoint.end_activity(branch)
            return
        server.live_branches.update(command.branches)
        branches = [
            NewBranch(branch, target.uri, target.route)
            for branch, target in zip(command.branches, command.targets, strict=True)
        ]
        self.core.forward(
            server.transaction, branches, self._now, record_route=command.record_route, is_followed=command.track
        )

    def _cancel_branches(self, command: CancelBranches) -> None:
        self.core.cancel_branches(command.server.transaction, self._now)

    def _send_request(self, command: Send) -> None:
        self._inbound.requests.add(command.request.branch)
        self.core.send(command.request, self._now)

    def _release(self, command: Release) -> None:
        self.core.release(command.held, self._now)
