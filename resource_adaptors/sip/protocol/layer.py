"""All transactions of one core: matching, creation, timers, transport errors (RFC 3261 17.1.3, 17.2.3, 17.1.4)."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from resource_adaptors.sip.protocol.client import ClientInvite, ClientNonInvite, ClientTransaction
from resource_adaptors.sip.protocol.ids import MAGIC_COOKIE
from resource_adaptors.sip.protocol.routing import numeric_host
from resource_adaptors.sip.protocol.server import ServerInvite, ServerNonInvite, ServerTransaction
from resource_adaptors.sip.protocol.statistics import Counters
from resource_adaptors.sip.protocol.tables import START
from resource_adaptors.sip.protocol.timing import Timing
from resource_adaptors.sip.protocol.transaction import Address, Datagram, Key, Outlet, Transaction, TransactionUser

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.message.values import Via
    from resource_adaptors.sip.protocol.followed import FollowedBranch
    from slee.spi.wheel import TimerWheel

MakeClient: TypeAlias = Callable[["TransactionLayer", str, str, Address, Any], ClientTransaction]
"""Makes a client transaction: of the layer, with branch, method, destination and owner."""

DEFAULT_PORT: Final = 5060
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")


def server_key(request: Request, method: str) -> Key:
    """What a request has in common with its retransmissions, its CANCEL and the ACK of its failure (SIP-58).

    `method` is the method of the transaction looked for: `INVITE` for an ACK or CANCEL that looks for its INVITE.
    """
    via = request.top_via
    branch = via.branch
    if branch is not None and branch.startswith(MAGIC_COOKIE):
        return (branch, via.host, via.port, method)
    # RFC 3261 17.2.3: a client of RFC 2543 gives a branch that proves nothing. To tags are compared by the caller,
    # because an ACK has one that its INVITE has not.
    return (request.call_id, request.cseq.number, request.from_tag, request.uri_text, via.text, method)


def response_destination(via: Via, source: Address) -> Address:
    """Where responses to a request go (RFC 3261 18.2.2, RFC 3581 4, SIP-52, SIP-53).

    `received` never needs reading: it is where the request came from.
    """
    parameters = via.parameters.lower()
    if "rport" in parameters and via.rport is not None:
        return source
    port = via.port or DEFAULT_PORT
    if "maddr" in parameters and (maddr := via.maddr) is not None and _is_unicast(maddr):
        return (maddr.strip("[]"), port)
    return (source[0], port)


def via_destination(via: Via) -> Address | None:
    """Where a response goes by a Via value that we had stamped when the request came (RFC 3261 16.11, 18.2.2)."""
    host = numeric_host(via.received or via.host)
    rport = via.rport
    return None if host is None else (host, rport if isinstance(rport, int) else via.port or DEFAULT_PORT)


def _is_unicast(maddr: str) -> bool:
    """Whether responses may go to a `maddr`: no multicast, broadcast or unspecified address, and no name."""
    try:
        address = ipaddress.ip_address(maddr.strip("[]"))
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified or address == _BROADCAST)


class TransactionLayer:
    """Keeps the transactions and puts what they send into `sends`."""

    def __init__(
        self,
        timing: Timing,
        wheel: TimerWheel[Transaction],
        sent_by: Address,
        own: tuple[Address, ...],
        counters: Counters,
        *,
        force_rport: bool = False,
    ) -> None:
        self.timing = timing
        self.wheel = wheel
        self.user: TransactionUser
        """Set by the user itself."""
        self.sends: list[Datagram] = []
        self.looped: deque[Datagram] = deque()
        """Messages to this listener itself."""
        self._own = own
        self._host, self._port = sent_by
        self.counters = counters
        self._force_rport = force_rport
        self.clients: dict[Key, ClientTransaction] = {}
        self.servers: dict[Key, ServerTransaction] = {}
        self.followed: dict[str, FollowedBranch] = {}
        """Branches whose dialogs are followed, by name."""
        self._pending: dict[Address, dict[ClientTransaction, None]] = {}
        """Client transactions by where they send, until a final response has come."""
        self._initial: dict[Key, ServerTransaction] = {}
        """The last server transaction of each request outside a dialog, by what merged requests have in common."""

    def outlet(self, destination: Address) -> Outlet:
        """Where to put messages to a destination: on the wire, or round it to this listener itself (SIP-75)."""
        return self.looped if destination in self._own else self.sends

    def send(self, data: bytes, destination: Address) -> None:
        """Send a message without a transaction."""
        self.outlet(destination).append((data, destination))

    def serve(self, key: Key, request: Request, source: Address, now: float) -> ServerTransaction:
        """Make the server transaction of a new request, whose top Via must have been stamped."""
        kind = ServerInvite if request.method == "INVITE" else ServerNonInvite
        destination = source if self._force_rport else response_destination(request.top_via, source)
        transaction = kind(self, key, request, source, destination, now)
        self.servers[key] = transaction
        return transaction

    def start(
        self,
        request: Request,
        branch: str,
        destination: Address,
        owner: ServerTransaction | None,
        now: float,
        kind: MakeClient | None = None,
    ) -> ClientTransaction:
        """Make the client transaction of a request, of a kind of its own if given, and send it."""
        method = request.method
        if kind is None:
            kind = ClientInvite if method == "INVITE" else ClientNonInvite
        transaction = kind(self, branch, method, destination, owner)
        self.clients[transaction.key] = transaction
        pending = self._pending.get(destination)
        if pending is None:
            pending = self._pending[destination] = {}
        pending[transaction] = None
        transaction.step(START, request, now)
        return transaction

    def match(self, response: Response) -> ClientTransaction | None:
        """The client transaction of a response, whose top Via must be the one we wrote (SIP-54, SIP-59)."""
        via = response.top_via
        found = self.clients.get((via.branch, response.cseq.method))
        if found is None or via.host != self._host or via.port != self._port:
            return None
        return found

    def settled(self, transaction: ClientTransaction) -> None:
        """A client transaction has its final response: its destination is not asked any more."""
        pending = self._pending.get(transaction.destination)
        if pending is not None:
            pending.pop(transaction, None)
            if not pending:
                del self._pending[transaction.destination]

    def remove(self, transaction: Transaction) -> None:
        """Forget a terminated transaction."""
        if isinstance(transaction, ClientTransaction):
            self.settled(transaction)
            self.clients.pop(transaction.key, None)
            if self.followed and transaction.method == "INVITE":
                self.followed.pop(transaction.branch, None)
        else:
            assert isinstance(transaction, ServerTransaction)
            self.servers.pop(transaction.key, None)
            if transaction.merge_key and self._initial.get(transaction.merge_key) is transaction:
                del self._initial[transaction.merge_key]
            if transaction.ack_key:
                self.user.on_unacknowledged(transaction)

    def expire(self, now: float) -> None:
        """Do what is due; one transaction that fails does not keep the others from it."""
        failures: list[Exception] = []
        for transaction in self.wheel.expire(now):
            try:
                transaction.expired(now)
            except Exception as error:
                failures.append(error)
        if failures:
            raise ExceptionGroup("SIP core: timers of transactions failed", failures)

    def fail(self, destination: Address, reason: str, now: float) -> int:
        """Report a destination unreachable to everything pending towards it, and to nothing else (SIP-35)."""
        pending = tuple(self._pending.get(destination, ()))
        return sum(transaction.fail(reason, now) for transaction in pending)

    def note_initial(self, transaction: ServerTransaction, request: Request) -> None:
        """Remember a request outside a dialog, so that other copies of it are known as merged (RFC 3261 8.2.2.2)."""
        key = transaction.merge_key = (request.call_id, request.cseq.number, request.from_tag)
        transaction.is_merged = key in self._initial
        self._initial[key] = transaction

    def states(self) -> Iterator[tuple[str, str]]:
        """Kind and state of each live transaction."""
        for client in self.clients.values():
            yield client.kind, client.state
        for server in self.servers.values():
            yield server.kind, server.state
