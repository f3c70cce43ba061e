"""The SIP resource adaptor: translates between the protocol core and the SLEE; no policy (design, section 4).

Datagrams go to the core, the core's events become SLEE events on activities, and the commands of committed
transactions go back to the core. Events that no active service receives are not made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from pydantic import BaseModel

from resource_adaptors.sip import api
from resource_adaptors.sip.activities import Server
from resource_adaptors.sip.answers import answer_without_service, unclaimed
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.metrics import SipStatistics
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.server import ServerTransaction
from resource_adaptors.sip.provider import CancelBranches, Fork, Respond, SipProvider
from resource_adaptors.sip.transport.udp import Address, UdpListener
from slee.api.address import Address as SleeAddress
from slee.api.address import AddressPlan
from slee.api.errors import FireEventError, InvalidStateError
from slee.api.ids import ResourceAdaptorID, ServiceID
from slee.api.resource import ResourceAdaptorType
from slee.spi import (
    ActivityFlags,
    EventFlags,
    FailureReason,
    ReceivableService,
    ResourceAdaptor,
    ResourceAdaptorContext,
    ResourceInterface,
)

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_UNREFERENCED: Final = int(ActivityFlags.UNREFERENCED)
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_RETRY_LATER: Final = (("Retry-After", "10"),)
_REDIRECTION: Final = 300
_SIP: Final = AddressPlan.SIP


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

    core: SipCore
    context: ResourceAdaptorContext

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._stop_reading: Callable[[], None] = lambda: None
        self._servers: dict[Hashable, Server] = {}
        self._by_transaction: dict[ServerTransaction, Server] = {}
        self._services: dict[ServiceID, frozenset[type]] = {}
        self._received: frozenset[type] = frozenset()
        """Event classes that an active service receives; no other event is made."""
        self._now = 0.0
        self._steps: dict[int, tuple[object, ServerTransaction]] = {}
        """Events in process that the core waits for, by object identity."""
        self._count = 0
        self.unanswered = 0
        """Requests that no service answered though one took them (COM-8)."""
        self._boot = ""
        self._on_event: dict[type, Callable[..., None]] = {
            events.RequestReceived: self._on_request,
            events.CancelReceived: self._on_cancel,
            events.ProvisionalReceived: self._on_provisional,
            events.FinalReceived: self._on_final,
            events.BranchTimeout: self._on_branch_timeout,
            events.TransportFailure: self._on_transport_failure,
            events.BranchesExhausted: self._on_exhausted,
            events.Answered: self._on_answered,
            events.AckReceived: _pass_over,
            events.AckTimeout: _pass_over,
        }
        self._on_command: dict[type, Callable[..., None]] = {
            Respond: self._respond,
            Fork: self._fork,
            CancelBranches: self._cancel_branches,
        }

    # Life cycle.

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self.context = context

    def ra_configure(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, SipConfiguration)
        self.settings = configuration

    def ra_active(self) -> None:
        self._boot = self.context.random_bytes(6).hex()
        settings = self.settings
        self._listener = listener = self._open_listener()
        self.core = SipCore(settings.settings(settings.listeners[0], listener.port), self.context.random_bytes)
        self._want_events()

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
        branches = sum(len(server.live_branches) for server in self._servers.values())
        activities = {"ServerTransaction": len(self._servers), "ClientTransaction": branches}
        return SipStatistics(self.core.statistics(), self.unanswered, activities)

    # From the wire.

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
                    self._on_event[type(event)](event)
            if leaving:
                datagrams = leaving.copy()
                leaving.clear()
                for data, address in datagrams:
                    reason = "send_failed" if self._listener is None else self._listener.send(data, address)
                    if reason is not None:
                        self.core.transport_error(address, reason, self._now)

    # Events of the core.

    def _on_request(self, event: events.RequestReceived) -> None:
        request = event.request
        transaction = event.transaction
        event_class = api.REQUEST_EVENTS.get(request.method, api.OtherRequest)
        if event_class not in self._received:
            answer_without_service(self.core, transaction, request, self._received, self._now)
            return
        self._count += 1
        handle = f"{self._boot}-{self._count}"
        activity = api.ServerTransaction(request, api.Source(*transaction.source))
        server = Server(handle, activity, transaction)
        uri = request.to.uri if event_class is api.Register else request.uri
        endpoint = self.context.endpoint
        try:
            endpoint.start_activity(handle, activity, _UNREFERENCED)
            self._servers[handle] = self._by_transaction[transaction] = server
            endpoint.fire(handle, event_class(request, activity.source), SleeAddress(_SIP, uri.aor), None, _OUTCOME)
        except (InvalidStateError, FireEventError):
            # COM-10: the SLEE is stopping, or the queue is full; the caller may come back
            self.core.respond(transaction, 503, self._now, headers=_RETRY_LATER)

    def _on_cancel(self, event: events.CancelReceived) -> None:
        """A CANCEL: an event for services, unless the INVITE's own is still on its way to them (correction 1)."""
        server = self._by_transaction.get(event.transaction)
        if server is not None:
            server.cancelled = True
            if api.Cancel in self._received and not server.in_process:
                self._fire_step(server.handle, api.Cancel(event.request, server.activity.source), event.transaction)
                return
        self._proceed_after_cancel(event.transaction)

    def _on_provisional(self, event: events.ProvisionalReceived) -> None:
        response = event.response
        event_class = api.response_event(response.status, response.cseq.method)
        if event_class in self._received:
            self._fire(event.branch, event_class(response))

    def _on_final(self, event: events.FinalReceived) -> None:
        response = event.response
        event_class = api.response_event(response.status, response.cseq.method)
        self._end_branch(event.branch, event.transaction, event_class(response), step=response.status >= _REDIRECTION)

    def _on_branch_timeout(self, event: events.BranchTimeout) -> None:
        self._end_branch(event.branch, event.transaction, api.TransactionTimeout(event.timer), step=True)

    def _on_transport_failure(self, event: events.TransportFailure) -> None:
        self._end_branch(event.branch, event.transaction, api.TransportError(event.reason), step=True)

    def _on_exhausted(self, event: events.BranchesExhausted) -> None:
        server = self._by_transaction.get(event.transaction)
        if server is None or api.ForkExhausted not in self._received:
            self.core.proceed(event.transaction, self._now)
        else:
            exhausted = api.ForkExhausted(event.status, event.response, event.is_unreachable)
            self._fire_step(server.handle, exhausted, event.transaction)

    def _on_answered(self, event: events.Answered) -> None:
        """The final answer has gone out: the activity ends; the transaction lives on in the core, unseen."""
        server = self._by_transaction.pop(event.transaction, None)
        if server is not None:
            server.answered = True
            del self._servers[server.handle]
            endpoint = self.context.endpoint
            endpoint.end_activity(server.handle)
            for branch in server.live_branches:
                endpoint.end_activity(branch)

    def _end_branch(self, branch: str, transaction: ServerTransaction, event: object, *, step: bool) -> None:
        """The last event of a branch, and the end of its activity."""
        server = self._by_transaction.get(transaction)
        if server is None or branch not in server.live_branches:
            if step:
                self.core.proceed(transaction, self._now)
            return
        server.live_branches.discard(branch)
        if type(event) not in self._received:
            if step:
                self.core.proceed(transaction, self._now)
        elif step:
            self._fire_step(branch, event, transaction)
        else:
            self._fire(branch, event)
        self.context.endpoint.end_activity(branch)

    def _fire(self, handle: str, event: object) -> None:
        if self.context.activity_context(handle) is not None:
            self.context.endpoint.fire(handle, event)

    def _fire_step(self, handle: str, event: object, transaction: ServerTransaction) -> None:
        """Fire an event that the core waits for; `event_processing_successful` lets it go on."""
        self._steps[id(event)] = (event, transaction)
        self.context.endpoint.fire(handle, event, None, None, _OUTCOME)

    # What the SLEE tells.

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        self._now = self.context.now
        step = self._steps.pop(id(event), None)
        if step is not None:
            if type(event) is api.Cancel:
                self._proceed_after_cancel(step[1])
            else:
                self.core.proceed(step[1], self._now)
        else:
            self._on_request_processed(handle, flags)
        self._drain()

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self._now = self.context.now
        step = self._steps.pop(id(event), None)
        server = self._servers.get(handle)
        if step is not None:
            self.core.proceed(step[1], self._now)
        elif server is not None and server.is_left_alone:
            self.core.respond(server.transaction, 503, self._now, headers=_RETRY_LATER)
        self._drain()

    def _on_request_processed(self, handle: Hashable, flags: int) -> None:
        """The request's own event has been delivered: did anybody take it (COM-9, COM-10)?"""
        server = self._servers.get(handle)
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
        server = self._servers.get(handle)
        if server is not None and server.is_left_alone:
            self.unanswered += 1
            self._now = self.context.now
            self.core.finish(server.transaction, self._now)
            self._drain()

    def administrative_remove(self, handle: Hashable) -> None:
        server = self._servers.get(handle)
        if server is not None:
            self._now = self.context.now
            self.core.respond(server.transaction, 500, self._now)
            self._drain()

    def service_active(self, service: ReceivableService) -> None:
        self._services[service.id] = frozenset(event.event_class for event in service.events)
        self._want_events()

    def service_inactive(self, service: ReceivableService) -> None:
        self._services.pop(service.id, None)
        self._want_events()

    def _want_events(self) -> None:
        """Have the core make those events only that some service receives."""
        self._received = received = frozenset[type]().union(*self._services.values())
        if self._listener is None:
            return
        wanted: set[type] = {events.CancelReceived, events.FinalReceived, events.BranchTimeout, events.TransportFailure}
        if api.ForkExhausted in received:
            wanted.add(events.BranchesExhausted)
        if received & {api.Trying, api.Ringing, api.Progress}:
            wanted.add(events.ProvisionalReceived)
        self.core.wanted = frozenset(wanted)

    def get_activity(self, handle: Hashable) -> object:
        return self._servers[handle].activity

    # Commands of committed transactions.

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return SipProvider(self)

    def perform(self, command: object) -> None:
        self._now = self.context.now
        self._on_command[type(command)](command)
        self._drain()

    def _respond(self, command: Respond) -> None:
        if command.server.handle not in self._servers:
            raise LocalProtocolError(f"respond: {command.server} was answered meanwhile [SIP-64]")
        self.core.respond(
            command.server.transaction,
            command.status,
            self._now,
            reason=command.reason,
            headers=command.headers,
            body=command.body,
        )

    def _fork(self, command: Fork) -> None:
        branches = [
            NewBranch(branch, target.uri, target.route)
            for branch, target in zip(command.branches, command.targets, strict=True)
        ]
        server: Server = command.server
        if server.handle not in self._servers:
            # answered meanwhile: by a CANCEL, or by its deadline
            for branch in command.branches:
                self.context.endpoint.end_activity(branch)
            return
        server.live_branches.update(command.branches)
        self.core.forward(server.transaction, branches, self._now, record_route=command.record_route)

    def _cancel_branches(self, command: CancelBranches) -> None:
        self.core.cancel_branches(command.server.transaction, self._now)

    def _proceed_after_cancel(self, transaction: ServerTransaction) -> None:
        """The Cancel event has been processed: 487, unless a service answered or branches will (SIP-68)."""
        server = self._by_transaction.get(transaction)
        if server is not None and server.is_left_alone:
            self.core.respond(transaction, 487, self._now)
        self.core.proceed(transaction, self._now)

    # What the provider asks.

    def server(self, aci: ActivityContext, what: str) -> Server:
        """The request behind a context; `LocalProtocolError` if it is none that can still be acted on (SIP-181)."""
        server = self._servers.get(self.context.handle_of(aci))
        if server is None:
            raise LocalProtocolError(f"{what}: {aci!r} is no request that waits for its answer [SIP-181]")
        return server


def _pass_over(event: object) -> None:
    """An event of the core that the SLEE has no use for yet."""
