"""The Diameter resource adaptor: joins the protocol core to the SLEE and to the wire; no policy (design, section 4)."""

from __future__ import annotations

import ssl
from collections.abc import Hashable
from typing import ClassVar, Final, Protocol

from pydantic import BaseModel

from resource_adaptors.diameter import api
from resource_adaptors.diameter.accounting import AccountingClients
from resource_adaptors.diameter.clients import LOST, Clients, StoredToken
from resource_adaptors.diameter.commands import RECOVERED, Command, SessionCommand
from resource_adaptors.diameter.config import DiameterConfiguration
from resource_adaptors.diameter.inbound import Inbound, peer_handle
from resource_adaptors.diameter.message.codes import UNABLE_TO_COMPLY
from resource_adaptors.diameter.message.dictionary import Dictionary, base_dictionary
from resource_adaptors.diameter.message.errors import LocalProtocolError
from resource_adaptors.diameter.metrics import DiameterStatistics
from resource_adaptors.diameter.protocol.capabilities import REBOOTING
from resource_adaptors.diameter.protocol.events import Close, Open, Write
from resource_adaptors.diameter.protocol.node import Node
from resource_adaptors.diameter.protocol.outbox import MemoryStore, Outbox, OutboxStore
from resource_adaptors.diameter.provider import DiameterProvider
from resource_adaptors.diameter.servers import Servers
from resource_adaptors.diameter.transport.outbox_file import FileStore
from resource_adaptors.diameter.transport.tcp import Streams
from resource_adaptors.diameter.transport.tls import tls_contexts, verify_certificates
from resource_adaptors.diameter.user_data import UserDataClients
from resource_adaptors.diameter.watch import Watch
from slee.api.errors import InvalidConfigurationError
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

_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)


class Carrier(Protocol):
    """Carries octets: sockets, or a test's wire."""

    def open(self, number: int, host: str, port: int, *, tls: ssl.SSLContext | None, name: str) -> None: ...
    def write(self, number: int, data: bytes) -> None: ...
    def close(self, number: int) -> None: ...
    def close_all(self) -> None: ...


class Restorer(Protocol):
    """Owns activities that outlive a restart."""

    def restore(self, handle: str, state: bytes) -> object | None:
        """Take one up; `None` if it is over."""
        ...


class DiameterAdaptor(ResourceAdaptor):
    """One Diameter resource adaptor entity."""

    id: ClassVar[ResourceAdaptorID] = ResourceAdaptorID("diameter", "slee", "1.0")
    ra_types = (api.DIAMETER,)
    configuration: ClassVar[type[BaseModel] | None] = DiameterConfiguration
    recovers: ClassVar[tuple[type, ...]] = RECOVERED

    context: ResourceAdaptorContext
    settings: DiameterConfiguration
    node: Node
    outbox: Outbox
    clients: Clients
    accounting: AccountingClients
    user_data: UserDataClients
    servers: Servers
    inbound: Inbound
    watch: Watch

    def __init__(self) -> None:
        self.now = 0.0
        self.addresses: tuple[tuple[str, int], ...] = ()
        """Where the adaptor listens; the ports are those chosen where 0 was configured."""
        self._carrier: Carrier | None = None
        self._services: dict[ServiceID, frozenset[type]] = {}
        self._tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
        self._sessions = 0

    # Life cycle.

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self.context = context

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, DiameterConfiguration)
        if configuration.tls is not None:
            verify_certificates(configuration.tls)
        folder = None if configuration.outbox is None else configuration.outbox.parent
        if folder is not None and not folder.is_dir():
            raise InvalidConfigurationError(
                f"diameter.outbox: {folder} is no folder [DIA-54]; make it, or name another"
            )
        if configuration.dictionary_files:
            try:
                base_dictionary().extended(*configuration.dictionary_files)
            except LocalProtocolError as error:
                raise InvalidConfigurationError(str(error)) from error

    def ra_configure(self, configuration: BaseModel) -> None:
        assert isinstance(configuration, DiameterConfiguration)
        self.settings = configuration

    def ra_active(self) -> None:
        settings, context = self.settings, self.context
        self.now = context.now
        is_used = bool(settings.peers or settings.listeners)
        # An entity without peers or listeners has nothing to judge, and need not load what that takes.
        dictionary = base_dictionary().extended(*settings.dictionary_files) if is_used else Dictionary(())
        self.node = Node(
            settings.settings(int(self.now)),
            dictionary,
            context.random_bytes,
            peers=[peer.settings() for peer in settings.peers],
            realms=settings.routes(),
        )
        self.outbox = Outbox(self.open_store())
        self.clients = Clients(self)
        self.accounting = AccountingClients(self)
        self.user_data = UserDataClients(self)
        self.servers = Servers(self, context.random_bytes(6).hex())
        self.inbound = Inbound(self)
        self.watch = Watch(self)
        if settings.tls is not None:
            self._tls = tls_contexts(settings.tls)
        self._carrier = self.open_carrier()
        for peer in settings.peers:
            context.endpoint.start_activity(peer_handle(peer.host), api.PeerActivity(peer.host))
        self._choose_events()
        self.node.start(self.now)
        self.drain()

    def open_store(self) -> OutboxStore:
        """Where the outbox keeps its entries."""
        path = self.settings.outbox
        return MemoryStore() if path is None else FileStore(path)

    def open_carrier(self) -> Carrier:
        """Open the listeners."""
        streams = Streams(self, within=self.settings.cer_timeout)
        servers_tls = self._tls[0] if self._tls is not None else None
        try:
            self.addresses = tuple(
                streams.listen(entry.host, entry.port, tls=servers_tls if entry.tls else None)
                for entry in self.settings.listeners
            )
        except OSError:
            streams.close_all()
            raise
        return streams

    def ra_stopping(self) -> None:
        """Sessions go on to their end; nothing of peers holds the entity up."""
        for host in list(self.node.peers):
            self.end(peer_handle(host))

    def ra_inactive(self) -> None:
        if self._carrier is None:
            return
        self.now = self.context.now
        self.node.stop(self.now, REBOOTING)
        self.drain()
        self._carrier.close_all()
        self._carrier = None
        self.outbox.close()

    # The wire.

    def accepted(self, names: frozenset[str] | None) -> int:
        """Somebody has connected; over TLS, with the names of his certificate."""
        self.now = self.context.now
        return self.node.accept(self.now, names)

    def refused(self, address: str, reason: str) -> None:
        """Somebody has connected to a port of TLS, and there was no handshake."""
        self.watch.refused(address, reason)

    def connected(self, number: int) -> None:
        """A connection of ours is there."""
        self.now = self.context.now
        self.node.connected(number, self.now)
        self._work()

    def received(self, number: int, data: bytes) -> None:
        """Octets have come."""
        self.now = self.context.now
        self.node.receive(number, data, self.now)
        self._work()

    def lost(self, number: int, reason: str = "") -> None:
        """A connection has gone, or could not be opened."""
        self.now = self.context.now
        connection = self.node.connection_of(number)
        if connection is not None and connection.peer is not None:
            self.watch.lost(connection.peer, reason)
        self.node.closed(number, self.now)
        self._work()

    def next_deadline(self) -> float | None:
        if self._carrier is None:
            return None
        parts = (self.node, self.clients, self.accounting, self.user_data, self.servers, self.outbox)
        return min((due for part in parts if (due := part.next_deadline()) is not None), default=None)

    def is_idle(self) -> bool:
        if self._carrier is None:
            return True
        parts = (self.node.outgoing, self.clients, self.accounting, self.user_data, self.servers, self.outbox)
        return all(part.next_deadline() is None for part in parts)

    def lasts(self, handle: Hashable) -> bool:
        return any(handle == peer_handle(host) for host in self.node.peers)

    def tick(self, now: float) -> None:
        if self._carrier is None:
            return
        self.now = now
        self.node.tick(now)
        self.clients.tick(now)
        self.accounting.tick(now)
        self.user_data.tick(now)
        self.servers.tick(now)
        self.drain()
        self.watch.outbox()
        self.watch.certificate()

    def _work(self) -> None:
        self.drain()
        self.context.pump()

    def drain(self) -> None:
        """Hand the core's events to the SLEE, and its octets to the wire, until there are no more."""
        node = self.node
        while True:
            for key, message in self.outbox.due(self.now):
                node.send(message, StoredToken(key), self.now)
            if not node.events and not node.actions:
                return
            if node.actions:
                actions = node.actions.copy()
                node.actions.clear()
                for action in actions:
                    self._act(action)
            if node.events:
                events = node.events.copy()
                node.events.clear()
                for event in events:
                    self.inbound.take(event)

    def _act(self, action: object) -> None:
        carrier = self._carrier
        if carrier is None:
            return
        if isinstance(action, Write):
            carrier.write(action.connection, action.data)
        elif isinstance(action, Close):
            carrier.close(action.connection)
        elif isinstance(action, Open):
            peer = action.peer
            tls = self._tls[1] if peer.tls and self._tls is not None else None
            carrier.open(
                action.connection,
                peer.address or peer.host,
                peer.port,
                tls=tls,
                name=peer.host,
            )

    # To the SLEE.

    def fire(self, handle: str, event: object) -> None:
        """Fire an event; one for an activity that has ended meanwhile is dropped."""
        if self.context.activity_context(handle) is None:
            return
        try:
            self.context.endpoint.fire(handle, event)
        except LOST:
            return

    def end(self, handle: str) -> None:
        """End an activity, unless an operator has."""
        if self.context.activity_context(handle) is not None:
            self.context.endpoint.end_activity(handle)

    def try_again(self, key: str, result: int) -> None:
        """Send an entry of the outbox later; with another End-to-End if its server knows that one and says no more."""
        if result == UNABLE_TO_COMPLY:
            self.outbox.renew(key, self.node.new_end_to_end())
        self.outbox.failed(key, self.now)

    def new_session_id(self) -> str:
        """A Session-Id that no other process mints; `sh` names the shard (DIA-49; RFC 6733 8.8)."""
        self._sessions += 1
        high = self.node.settings.origin_state
        low = int.from_bytes(self.context.random_bytes(4), "big")
        return f"{self.settings.identity};{high};{low}{self._sessions};sh=00"

    # Over restarts.

    def save(self, handle: str, kind: bytes, state: bytes) -> None:
        """Have an activity kept over a restart, with what its owner is to be given of it; `kind` names the owner."""
        self.context.endpoint.save_activity(handle, kind + state)

    def restore_activity(self, handle: Hashable, state: bytes) -> object | None:
        self.now = self.context.now
        owners: dict[bytes, Restorer] = {
            b"C": self.clients,
            b"A": self.accounting,
            b"N": self.user_data,
            b"S": self.servers,
        }
        found = owners[state[:1]].restore(str(handle), state[1:])
        self.drain()
        return found

    def recover_output(self, command: object) -> bool:
        self.now = self.context.now
        if isinstance(command, SessionCommand):
            self.clients.recover(command)
        else:
            assert isinstance(command, Command)
            command.perform(self)
        self.drain()
        return True

    # What the SLEE tells.

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        self.now = self.context.now
        was_served, rolled_back = bool(flags & _PROCESSED), bool(flags & _ROLLED_BACK)
        self.servers.processed(str(handle), was_served=was_served, rolled_back=rolled_back)
        self.drain()

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self.now = self.context.now
        self.servers.failed(str(handle))
        self.drain()

    def activity_unreferenced(self, handle: Hashable) -> None:
        self.now = self.context.now
        self.servers.unreferenced(str(handle))
        self.clients.unreferenced(str(handle))
        self.accounting.remove(str(handle))
        self.user_data.give_up(str(handle))
        self.drain()

    def administrative_remove(self, handle: Hashable) -> None:
        self.now = self.context.now
        self.clients.remove(str(handle))
        self.accounting.remove(str(handle))
        self.user_data.give_up(str(handle))
        self.servers.remove(str(handle))
        self.drain()

    def service_active(self, service: ReceivableService) -> None:
        self._services[service.id] = frozenset(event.event_class for event in service.events)
        self._choose_events()

    def service_inactive(self, service: ReceivableService) -> None:
        self._services.pop(service.id, None)
        self._choose_events()

    def _choose_events(self) -> None:
        if self._carrier is not None:
            self.servers.received = frozenset[type]().union(*self._services.values())

    # Commands.

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return DiameterProvider(self)

    def perform(self, command: object) -> None:
        assert isinstance(command, Command)
        self.now = self.context.now
        command.perform(self)
        self.drain()

    def statistics(self) -> DiameterStatistics:
        """A frozen picture of all counters (DIA-52)."""
        return DiameterStatistics.of(self)
