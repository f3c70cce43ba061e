"""The protocol core of one Diameter node: connections, peers, requests out and in. It does no I/O.

Its owner tells it what happens on the wire and what time it is; it leaves `actions` for the wire and `events` for the
owner, who takes both out after every call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.dictionary import Dictionary
from resource_adaptors.diameter.message.message import Message, Unreadable
from resource_adaptors.diameter.protocol import tables
from resource_adaptors.diameter.protocol.arrivals import Arrivals
from resource_adaptors.diameter.protocol.connection import Connection
from resource_adaptors.diameter.protocol.events import Action, Close, Event, Open, Write
from resource_adaptors.diameter.protocol.outgoing import Outgoing
from resource_adaptors.diameter.protocol.peer import Peer
from resource_adaptors.diameter.protocol.reception import Reception
from resource_adaptors.diameter.protocol.requests import EndToEnd
from resource_adaptors.diameter.protocol.routing import Routes
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings, Settings
from resource_adaptors.diameter.protocol.statistics import Statistics


class Node:
    """One node."""

    def __init__(
        self,
        settings: Settings,
        dictionary: Dictionary,
        random: Callable[[int], bytes],
        *,
        peers: Iterable[PeerSettings] = (),
        realms: Iterable[RealmSettings] = (),
    ) -> None:
        self.settings = settings
        self.dictionary = dictionary
        self.actions: list[Action] = []
        self.events: list[Event] = []
        self.now = 0.0
        self.is_stopping = False
        self.statistics = Statistics()
        self._random = random
        self._hop = int.from_bytes(random(4), "big")
        self._end_to_end = EndToEnd(random)
        self.peers: dict[str, Peer] = {peer.host.lower(): Peer(self, peer) for peer in peers}
        self.routes = Routes(realms, self.peers)
        self._connections: dict[int, Connection] = {}
        self._unread: dict[Connection, None] = {}
        """Connections that have sent more than was read in their turn, in the order of their next turns."""
        self._count = 0
        self.outgoing = Outgoing(self)
        self.arrivals = Arrivals(self)
        self._reception = Reception(self)

    # The wire.

    def start(self, now: float) -> None:
        """Open the connections that are ours to open."""
        self.now = now
        for peer in list(self.peers.values()):
            if peer.settings.opens:
                peer.step(tables.START)

    def stop(self, now: float, cause: int = 0) -> None:
        """Say goodbye to every peer (DIA-15)."""
        self.now = now
        self.is_stopping = True
        for peer in list(self.peers.values()):
            peer.stop(cause)

    def disconnect(self, host: str, cause: int, now: float) -> None:
        """Say goodbye to one peer; `KeyError` if there is none of that host."""
        self.now = now
        self.peers[host.lower()].stop(cause)

    def accept(self, now: float, names: frozenset[str] | None = None) -> int:
        """The number of a connection that somebody has opened to us; over TLS, with the names that he has shown."""
        self.now = now
        connection = self._new_connection(None)
        connection.names = names
        return connection.number

    def connected(self, number: int, now: float) -> None:
        """A connection that we opened is there."""
        self.now = now
        connection = self._connections.get(number)
        if connection is not None and connection.peer is not None:
            connection.peer.step(tables.I_RCV_CONN_ACK)

    def closed(self, number: int, now: float) -> None:
        """A connection has gone, or could not be opened."""
        self.now = now
        connection = self._connections.pop(number, None)
        if connection is None:
            return
        connection.is_closed = True
        peer = connection.peer
        if peer is None:
            return
        if connection is peer.initiated:
            event = tables.I_RCV_CONN_NACK if peer.state in _CONNECTING else tables.I_PEER_DISC
            peer.step(event)
            if peer.initiated is connection:  # the peer goes on by the connection that it made
                peer.initiated = None
        elif connection is peer.responded:
            peer.step(tables.R_PEER_DISC)

    def receive(self, number: int, data: bytes, now: float) -> None:
        """Octets have come."""
        self.now = now
        connection = self._connections.get(number)
        if connection is None:
            return
        connection.stream.feed(data)
        self._read(connection)

    def _read(self, connection: Connection) -> None:
        """Take a turn's worth of messages; the rest has its turn after the other connections' (DIA-55)."""
        stream = connection.stream
        for _ in range(self.settings.turn):
            found = stream.next()
            if found is None:
                break
            if isinstance(found, Unreadable):
                self._reception.unreadable(found, connection)
            else:
                self._reception.take(found, connection)
            if connection.is_closed:
                self.statistics.dropped["closed_connection"] += stream.has_more
                return
        if stream.is_broken:
            self._drop(connection)
        elif stream.has_more:
            self._unread[connection] = None

    def next_deadline(self) -> float | None:
        """When to call `tick` next, `None` if nothing is waited for."""
        if self._unread:
            return self.now
        soonest = min((peer.next_deadline for peer in self.peers.values()), default=math.inf)
        for connection in self._connections.values():
            if connection.peer is None and connection.deadline < soonest:
                soonest = connection.deadline
        timer = self.outgoing.next_deadline()
        if timer is not None and timer < soonest:
            soonest = timer
        return None if soonest == math.inf else soonest

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.now = now
        if self._unread:
            unread, self._unread = self._unread, {}
            for connection in unread:
                if not connection.is_closed:
                    self._read(connection)
        for peer in list(self.peers.values()):
            if peer.next_deadline <= now:
                peer.tick(now)
        for connection in list(self._connections.values()):
            if connection.peer is None and connection.deadline <= now:
                self.close(connection)
        self.outgoing.tick(now)

    # Messages.

    def send(self, message: Message, token: object, now: float, *, is_repeated: bool = False) -> None:
        """Send a request to where it belongs; `Answered` or `Unanswered` comes with the token.

        Hop-by-Hop is set here; End-to-End too where it is 0. One that is repeated has T set, and waits for a peer.
        """
        self.now = now
        self.outgoing.send(message, token, now, is_repeated=is_repeated)

    def answer(self, request: Message, host: str, connection: int, avps: Iterable[Avp], *, error: bool = False) -> None:
        """Answer a request that came as `RequestReceived`; Proxy-Info goes back by itself."""
        self.arrivals.answer(request, host, connection, request.answer(tuple(avps), error=error))

    def process(self, peer: Peer, message: Message, connection: Connection) -> None:
        """A message that is not of the connection itself has come on an open one."""
        if message.is_request:
            self.arrivals.request(peer, message, connection)
        else:
            self.outgoing.answered(peer, message)

    def _drop(self, connection: Connection) -> None:
        """Close a connection whose stream cannot be followed."""
        self.close(connection)
        peer = connection.peer
        if peer is not None:
            peer.step(tables.I_PEER_DISC if connection is peer.initiated else tables.R_PEER_DISC)

    # What peers need.

    def open_connection(self, peer: Peer) -> Connection:
        """Have a connection opened."""
        connection = self._new_connection(peer)
        self.actions.append(Open(connection.number, peer.settings))
        return connection

    def write(self, connection: Connection, message: Message) -> None:
        """Send a message on a connection."""
        peer = connection.peer
        self.statistics.messages[peer.host if peer else "", message.name, "out"] += 1
        if not connection.is_closed:
            self.actions.append(Write(connection.number, message.encode()))

    def close(self, connection: Connection) -> None:
        """Have a connection closed."""
        if not connection.is_closed:
            connection.is_closed = True
            self._connections.pop(connection.number, None)
            self.actions.append(Close(connection.number))

    def connection_of(self, number: int) -> Connection | None:
        """The connection of a number, `None` if it has gone."""
        return self._connections.get(number)

    def new_hop(self) -> int:
        """A Hop-by-Hop identifier."""
        self._hop = self._hop + 1 & 0xFFFF_FFFF
        return self._hop

    def new_end_to_end(self) -> int:
        """An End-to-End identifier, never 0."""
        return self._end_to_end.next(self.now) or self._end_to_end.next(self.now)

    def random_fraction(self) -> float:
        """A number of 0 to below 1."""
        return int.from_bytes(self._random(4), "big") / 2**32

    def closed_peer(self, peer: Peer) -> None:
        """A peer has no connection any more."""
        peer.initiated = peer.responded = None
        self.outgoing.fail_over(peer)
        if peer.is_dynamic:
            self.peers.pop(peer.host, None)

    def _new_connection(self, peer: Peer | None) -> Connection:
        self._count += 1
        connection = Connection(
            self._count, self.settings.largest_message, peer=peer, deadline=self.now + self.settings.cer_timeout
        )
        self._connections[connection.number] = connection
        return connection


_CONNECTING: Final = (tables.WAIT_CONN_ACK, tables.WAIT_CONN_ACK_ELECT)
