"""What client and server transactions have in common: a table of `tables.py`, a state and two clocks (RFC 3261 17).

One clock makes a transaction send again, the other ends its state; a single timer on the wheel serves both.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from resource_adaptors.sip.protocol import tables

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.protocol.client import ClientTransaction
    from resource_adaptors.sip.protocol.server import ServerTransaction
    from resource_adaptors.sip.protocol.statistics import Counters
    from resource_adaptors.sip.protocol.timing import Timing
    from slee.spi.wheel import Timer, TimerWheel

Address = tuple[str, int]
Key = tuple[str | int | None, ...]

Datagram = tuple[bytes, Address]
Outlet = list[Datagram] | deque[Datagram]
"""Where outgoing messages are put: the list of datagrams to send, or what the listener has sent to itself."""
Machine = dict[tuple[str, str], tuple[tuple[Callable[..., None], ...], str]]

_NEVER: Final = math.inf
_TERMINATED: Final = tables.TERMINATED

K = TypeVar("K", bound="type[Transaction]")


def runs(table: tables.Table) -> Callable[[K], K]:
    """Class decorator: let the transactions of a class run a table, its actions being methods of the class."""

    def bind(kind: K) -> K:
        kind.machine = {
            pair: (tuple(getattr(kind, action) for action in actions), state)
            for pair, (actions, state) in table.items()
        }
        return kind

    return bind


class Layer(Protocol):
    """What a transaction needs round it."""

    @property
    def timing(self) -> Timing:
        """Durations of the timers."""
        ...

    @property
    def wheel(self) -> TimerWheel[Transaction]:
        """Where timers are set."""
        ...

    @property
    def counters(self) -> Counters:
        """Where retransmissions are counted."""
        ...

    @property
    def user(self) -> TransactionUser:
        """Who is told."""
        ...

    def outlet(self, destination: Address) -> Outlet:
        """Where to put messages to a destination."""
        ...

    def settled(self, transaction: ClientTransaction) -> None:
        """A client transaction has its final response."""

    def remove(self, transaction: Transaction) -> None:
        """Forget a terminated transaction; called once for each."""


class TransactionUser(Protocol):
    """What is told about transactions: RFC 3261's TU."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float, /) -> None:
        """A response that the client transaction does not absorb."""

    def on_ack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """An ACK that belongs to a 2xx, though it bears the INVITE's branch (RFC 6026 7.1)."""

    def on_timeout(self, transaction: Transaction, now: float) -> None:
        """Timer B or F of a client transaction, timer H of a server transaction."""

    def on_transport_error(self, transaction: Transaction, reason: str, now: float) -> None:
        """What the transaction sent last cannot reach its destination."""

    def on_guard(self, transaction: Transaction, guard: str, now: float) -> None:
        """A guard set by the user is due; the transaction itself has not changed."""

    def on_unacknowledged(self, transaction: ServerTransaction) -> None:
        """A server transaction ends whose `ack_key` the user had set."""


class Transaction:
    """What the four kinds have in common: a table, a state and two clocks. Only they subclass it."""

    __slots__ = (
        "_armed",
        "_timer",
        "alarm",
        "destination",
        "expire_at",
        "interval",
        "key",
        "layer",
        "outlet",
        "resend_at",
        "state",
        "wire",
    )

    kind: ClassVar[str]
    """Its name in statistics."""
    resent: ClassVar[str]
    """What it sends again: `request` or `response`."""
    machine: ClassVar[Machine]
    resend_symbol: ClassVar[str]
    is_reliable: ClassVar[bool] = False
    """Whether the transport retransmits; over UDP, the only one so far, it does not."""

    def __init__(self, layer: Layer, key: Key, state: str, destination: Address) -> None:
        self.layer = layer
        self.key = key
        self.state = state
        self.destination = destination
        self.outlet = layer.outlet(destination)
        self.wire = b""
        """What was sent last, as long as it may have to be sent again."""
        self.resend_at = _NEVER
        self.interval = 0.0
        self.expire_at = _NEVER
        self.alarm = ""
        """What `expire_at` stands for: a symbol of the table, or a guard of the user."""
        self._timer: Timer[Transaction] | None = None
        self._armed = _NEVER

    def step(self, symbol: str, payload: Any, now: float) -> bool:
        """Take one line of the table; `False` if there is none, and then nothing has changed."""
        line = self.machine.get((self.state, symbol))
        if line is None:
            return False
        actions, self.state = line
        for action in actions:
            action(self, payload, now)
        if self.state == _TERMINATED:
            self.terminate()
        else:
            due = self.resend_at if self.resend_at < self.expire_at else self.expire_at
            if due != self._armed:
                self._arm(due)
        return True

    def expired(self, now: float) -> None:
        """Do what the wheel's timer was set for."""
        self._timer = None
        self._armed = _NEVER
        if self.expire_at <= now:
            self.expire_at = _NEVER
            if not self.step(self.alarm, None, now):
                self.layer.user.on_guard(self, self.alarm, now)
        elif self.resend_at <= now:
            self.resend_at = _NEVER
            if not self.step(self.resend_symbol, None, now):
                self.layer.user.on_guard(self, self.resend_symbol, now)
        if self.state != _TERMINATED:
            self.arm()

    def guard(self, name: str, at: float) -> None:
        """Have the user's `on_guard` called at a time, unless the transaction gets another deadline before."""
        self.alarm = name
        self.expire_at = at
        self.arm()

    def terminate(self) -> None:
        """Leave memory now; without effect a second time."""
        self.state = _TERMINATED
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.key:
            self.layer.remove(self)
            self.key = ()

    def arm(self) -> None:
        """Have one timer on the wheel, for the clock that is due first."""
        due = min(self.resend_at, self.expire_at)
        if due != self._armed:
            self._arm(due)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.layer.wheel.set(due, self) if due != _NEVER else None
        self._armed = due

    # Actions of the tables.

    def resend(self, payload: object, now: float) -> None:
        if self.wire:
            self.layer.counters.retransmissions_out[self.resent] += 1
            self.outlet.append((self.wire, self.destination))

    def report_timeout(self, payload: object, now: float) -> None:
        self.layer.user.on_timeout(self, now)

    def report_error(self, payload: str, now: float) -> None:
        self.layer.user.on_transport_error(self, payload, now)

    def _resend_after(self, interval: float, now: float) -> None:
        if not self.is_reliable:
            self.interval = interval
            self.resend_at = now + interval

    def _double(self, now: float) -> None:
        """Send again after twice the time, T2 at most."""
        self._resend_after(min(self.interval * 2, self.layer.timing.t2), now)
