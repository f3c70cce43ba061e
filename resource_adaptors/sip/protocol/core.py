"""The SIP core of one UDP listener, without I/O: datagrams and ticks in, datagrams and protocol events out (COM-1).

After each call drain two lists: `sends`, datagrams with their destinations, in order; and `events`, protocol events for
the adaptor. Some events are *steps*: a final answer is held until `proceed` has been called once for each of them, so
that a service can act on them first (SIP-158).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.protocol.answers import Answers, Headers
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.dialogs import Dialogs
from resource_adaptors.sip.protocol.dispatch import Dispatcher
from resource_adaptors.sip.protocol.ids import Ids
from resource_adaptors.sip.protocol.layer import TransactionLayer
from resource_adaptors.sip.protocol.notices import Notices
from resource_adaptors.sip.protocol.proxy import Proxy
from resource_adaptors.sip.protocol.requests import NewRequest, OwnRequests
from resource_adaptors.sip.protocol.routing import Router
from resource_adaptors.sip.protocol.stateless import StatelessProxy
from resource_adaptors.sip.protocol.statistics import Counters, Statistics
from resource_adaptors.sip.protocol.transaction import Address, Transaction
from resource_adaptors.sip.protocol.uas import AnsweringSide
from slee.spi.wheel import TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.sip.protocol.events import Event
    from resource_adaptors.sip.protocol.followed import FollowedBranch, HeldAnswer
    from resource_adaptors.sip.protocol.server import ServerTransaction
    from resource_adaptors.sip.protocol.settings import Settings

TIMER_RESOLUTION: Final = 0.01


class SipCore:
    """Transactions, matching and proxy of one listener. Not thread-safe; times are seconds of one clock."""

    def __init__(
        self,
        settings: Settings,
        randomness: Callable[[int], bytes],
        wheel: TimerWheel[Transaction] | None = None,
    ) -> None:
        """Make a core.

        Args:
            settings: what the core is told once.
            randomness: returns as many random octets as asked for; tags and branches come from it.
            wheel: the timer wheel to use, if not one of its own.
        """
        self._wheel: TimerWheel[Transaction] = TimerWheel(TIMER_RESOLUTION) if wheel is None else wheel
        self._counters = Counters()
        self._notices = notices = Notices()
        self._ids = ids = Ids(randomness)
        self.router = router = Router(settings)
        """Tells which URIs are ours: `is_own`, `is_served`."""
        own = ((settings.host, settings.port), settings.bound)
        self._layer = layer = TransactionLayer(
            settings.timing, self._wheel, router.sent_by_address, own, self._counters, force_rport=settings.force_rport
        )
        answers = Answers(ids, self._counters, settings.server_name)
        self._uas = uas = AnsweringSide(layer, answers, notices)
        self.dialogs = dialogs = Dialogs(layer.followed, notices)
        """The dialogs that are followed."""
        stateless = StatelessProxy(layer, router, settings.max_forwards_limit)
        self._requests = OwnRequests(layer, router, ids, notices, settings.server_name)
        self._proxy = proxy = Proxy(layer, router, answers, notices, dialogs, stateless)
        self._dispatcher = Dispatcher(settings, layer, ids, router, answers, notices, uas, proxy, dialogs, stateless)
        self.sends: list[tuple[bytes, Address]] = layer.sends
        """Datagrams to send, in order; the caller takes them out."""
        self.events: list[Event] = notices.events
        """Protocol events, in order; the caller takes them out."""

    @property
    def wanted(self) -> frozenset[type]:
        """The kinds of events that are built, besides `RequestReceived` and `Answered`; none at first.

        A step whose kind is not wanted passes at once.
        """
        return self._notices.wanted

    @wanted.setter
    def wanted(self, kinds: Iterable[type]) -> None:
        self._notices.want(kinds)

    # Input.

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram."""
        self._dispatcher.take(data, source, now)
        if self._layer.looped:
            self._run_loop(now)

    def next_deadline(self) -> float | None:
        """When to call `tick` next, `None` if no timer is set."""
        return self._wheel.next_deadline()

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._layer.expire(now)
        self._run_loop(now)

    def transport_error(self, destination: Address, reason: str, now: float) -> int:
        """Report that a destination cannot be reached, by ICMP or because sending failed (SIP-35, SIP-49).

        Returns how many client transactions it ended; no other destination is affected.
        """
        ended = self._layer.fail(destination, reason, now)
        self._run_loop(now)
        return ended

    def _run_loop(self, now: float) -> None:
        """Take what was sent to this listener itself (SIP-75)."""
        looped = self._layer.looped
        while looped:
            self._dispatcher.take(*looped.popleft(), now)

    # Identifiers, drawn before the command that uses them is performed (OUT-9).

    def new_tag(self) -> str:
        """A new tag of 64 random bits."""
        return self._ids.tag()

    def new_branch(self, transaction: ServerTransaction, uri: str) -> str:
        """A new branch for forwarding a request to a URI; it holds the mark that a loop is known by (SIP-74).

        Raises:
            LocalProtocolError: the request has its final answer.
        """
        return self._ids.branch(self.router.loop_mark(transaction.request, uri))

    # Commands.

    def check_respond(self, transaction: ServerTransaction, status: int) -> None:
        """Refuse at call time what `respond` would refuse (COM-4).

        Raises:
            LocalProtocolError: see `respond`.
        """
        self._uas.check(transaction, status)

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> None:
        """Answer a request; a final answer cancels the branches that are left.

        Raises:
            LocalProtocolError: there is a final answer already (SIP-64), or the status is not for services to send.
        """
        self._uas.respond(transaction, status, now, reason=reason, headers=headers, body=body)
        if status >= 200 and transaction.context is not None:
            self._proxy.cancel_open(transaction, None, now)
            self._proxy.settle(transaction, now)
        self._run_loop(now)

    def check_forward(self, transaction: ServerTransaction) -> None:
        """Refuse at call time to forward what can no longer be forwarded.

        Raises:
            LocalProtocolError: there is a final answer already, or a CANCEL has come (SIP-68).
        """
        _ = transaction.request
        if transaction.is_cancelled:
            raise LocalProtocolError(
                f"SIP core: the {transaction.method} has been cancelled [SIP-68]; answer it instead of forwarding"
            )

    def forward(
        self,
        transaction: ServerTransaction,
        branches: Sequence[NewBranch],
        now: float,
        *,
        record_route: bool = False,
        is_followed: bool = False,
    ) -> None:
        """Forward a request to all targets at once; with `is_followed`, tell of the dialogs that it makes.

        A branch that may not or cannot be forwarded ends at once: `FinalReceived` with `is_local`, or
        `TransportFailure` with `no_route`. So does each branch of a request that was cancelled meanwhile.

        Raises:
            LocalProtocolError: the request has its final answer.
        """
        self._proxy.forward(transaction, branches, now, record_route=record_route, is_followed=is_followed)
        if self._layer.looped:
            self._run_loop(now)

    def cancel_branches(self, transaction: ServerTransaction, now: float, *, reason: str | None = None) -> None:
        """Cancel every INVITE branch that has no final response, with a Reason value if given (SIP-70)."""
        self._proxy.cancel_open(transaction, reason, now)
        self._run_loop(now)

    def cancel_branch(
        self, transaction: ServerTransaction, branch: str, now: float, *, reason: str | None = None
    ) -> None:
        """Cancel one INVITE branch; without effect if it has a final response."""
        context = transaction.context
        if context is not None:
            for client in context.open:
                if client.branch == branch:
                    self._proxy.cancel(client, reason, now)
        self._run_loop(now)

    def proceed(self, transaction: ServerTransaction, now: float) -> None:
        """A step has been processed; the last one lets the final answer go out."""
        context = transaction.context
        if context is not None and context.held:
            context.held -= 1
            self._proxy.settle(transaction, now)
            self._run_loop(now)

    def release(self, held: FollowedBranch | HeldAnswer, now: float) -> None:
        """What an `AnswerHeld` or `DialogOver` told is remembered: send its answer on."""
        self._proxy.release(held, now)
        self._run_loop(now)

    def new_request(
        self,
        method: str,
        to: str,
        *,
        from_: str,
        uri: str | None = None,
        routes: tuple[str, ...] = (),
        headers: Headers = (),
        body: bytes = b"",
    ) -> NewRequest:
        """Make a request of our own outside a dialog; see `OwnRequests.make`.

        Raises:
            LocalProtocolError: it cannot be sent.
        """
        return self._requests.make(method, to, from_=from_, uri=uri, routes=routes, headers=headers, body=body)

    def send(self, request: NewRequest, now: float) -> None:
        """Send a request of our own; `RequestAnswered` or `RequestFailed` tell what becomes of it."""
        self._requests.send(request, now)
        self._run_loop(now)

    def finish(self, transaction: ServerTransaction, now: float, *, status: int = 500) -> None:
        """Nobody will answer: do it now, unless branches are pending (COM-8); without effect on an answered request."""
        context = transaction.context
        if transaction.is_answered or (context is not None and (context.open or context.best is not None)):
            return
        self.respond(transaction, status, now)

    # Questions.

    def is_merged(self, transaction: ServerTransaction) -> bool:
        """Whether the same request came before on another path; a user agent or registrar answers 482 (SIP-72)."""
        return transaction.is_merged

    def statistics(self) -> Statistics:
        """A snapshot of all counters and of the live transactions."""
        return self._counters.snapshot(self._layer.states(), len(self._wheel))
