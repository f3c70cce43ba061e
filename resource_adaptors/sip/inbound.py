"""From the protocol core to the SLEE: each event of the core becomes an SLEE event on an activity, or passes.

Events that no active service receives are not made (SIP-178). Some events the core waits for: it goes on when the
SLEE has processed them, or at once if nobody receives them (SIP-158).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from resource_adaptors.sip import api
from resource_adaptors.sip.activities import Server
from resource_adaptors.sip.answers import RETRY_LATER, answer_without_service
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.followed import FollowedBranch
from resource_adaptors.sip.protocol.server import ServerTransaction
from resource_adaptors.sip.tracking import Tracking
from slee.api.address import Address, AddressPlan
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi import ActivityFlags, EventFlags, ResourceAdaptorContext

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_UNREFERENCED: Final = int(ActivityFlags.UNREFERENCED)
_FINAL: Final = 200
_REDIRECTION: Final = 300
_SIP: Final = AddressPlan.SIP


class Inbound:
    """The requests that services deal with, and what the core tells of them."""

    def __init__(self, core: SipCore, context: ResourceAdaptorContext, boot: str, tracking: Tracking) -> None:
        """Take what events go between; `boot` makes handles unique across processes."""
        self._core = core
        self._context = context
        self._endpoint = context.endpoint
        self._boot = boot
        self._count = 0
        self.servers: dict[Hashable, Server] = {}
        """Requests that wait for their final answer, by handle."""
        self._by_transaction: dict[ServerTransaction, Server] = {}
        self.requests: set[Hashable] = set()
        """Requests of our own that have no final response, by branch."""
        self._tracking = tracking
        self._steps: dict[int, tuple[object, ServerTransaction, FollowedBranch | None]] = {}
        """Events in process that the core waits for, by object identity; they are kept alive here."""
        self.received: frozenset[type] = frozenset()
        """Event classes that an active service receives."""
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            events.RequestReceived: self._on_request,
            events.CancelReceived: self._on_cancel,
            events.ProvisionalReceived: self._on_provisional,
            events.FinalReceived: self._on_final,
            events.BranchTimeout: self._on_branch_timeout,
            events.TransportFailure: self._on_transport_failure,
            events.BranchesExhausted: self._on_exhausted,
            events.Answered: self._on_answered,
            events.AnswerHeld: self._on_held,
            events.RequestAnswered: self._on_request_answered,
            events.RequestFailed: self._on_request_failed,
            **tracking.handlers,
        }

    def receive_only(self, received: frozenset[type]) -> None:
        """Make only the events of these classes, those that active services receive."""
        self.received = self._tracking.received = received
        wanted = {events.CancelReceived, events.FinalReceived, events.BranchTimeout, events.TransportFailure}
        if api.ForkExhausted in received:
            wanted |= {events.BranchesExhausted}
        if received & {api.Trying, api.Ringing, api.Progress}:
            wanted |= {events.ProvisionalReceived}
        self._core.wanted = frozenset(wanted)

    def take(self, event: events.Event, now: float) -> None:
        """Turn one event of the core into what the SLEE knows."""
        self._handlers[type(event)](event, now)

    def end_step(self, event: object, now: float) -> bool:
        """The SLEE has done with an event: does the core wait for it? Then let it go on."""
        step = self._steps.pop(id(event), None)
        if step is None:
            return False
        if step[2] is not None:
            self._tracking.release(step[2])
        elif type(event) is api.Cancel:
            self._proceed_after_cancel(step[1], now)
        else:
            self._core.proceed(step[1], now)
        return True

    # Events of the core.

    def _on_request(self, event: events.RequestReceived, now: float) -> None:
        request = event.request
        transaction = event.transaction
        event_class = api.REQUEST_EVENTS.get(request.method, api.OtherRequest)
        if event_class not in self.received:
            answer_without_service(self._core, transaction, request, self.received, now)
            return
        self._count += 1
        handle = f"{self._boot}-{self._count}"
        activity = api.ServerTransaction(request, api.Source(*transaction.source))
        uri = request.to.uri if event_class is api.Register else request.uri
        address = Address(_SIP, uri.aor)
        try:
            self._endpoint.start_activity(handle, activity, _UNREFERENCED)
            server = Server(handle, activity, transaction)
            self.servers[handle] = self._by_transaction[transaction] = server
            self._endpoint.fire(handle, event_class(request, activity.source), address, None, _OUTCOME)
        except (InvalidStateError, FireEventError):
            # COM-10: the SLEE is stopping, or the queue is full; the caller may come back
            self._core.respond(transaction, 503, now, headers=RETRY_LATER)

    def _on_cancel(self, event: events.CancelReceived, now: float) -> None:
        """A CANCEL: an event for services, unless the INVITE's own is still on its way to them (SIP-68)."""
        server = self._by_transaction.get(event.transaction)
        if server is not None:
            server.cancelled = True
            if api.Cancel in self.received and not server.in_process:
                self._fire_step(
                    server.handle, api.Cancel(event.request, server.activity.source), event.transaction, now
                )
                return
        self._proceed_after_cancel(event.transaction, now)

    def _on_provisional(self, event: events.ProvisionalReceived, now: float) -> None:
        response = event.response
        event_class = api.response_event(response.status, response.cseq.method)
        server = self._by_transaction.get(event.transaction)
        if event_class in self.received and server is not None and event.branch in server.live_branches:
            if event.dialog is None or event_class is api.Trying:
                self._fire(event.branch, event_class(response))
            else:
                self._fire(event.branch, event_class(response, self._tracking.context_of(event.dialog)))

    def _on_held(self, event: events.AnswerHeld, now: float) -> None:
        """A 2xx that begins a followed call: it goes on when services have heard of it and that is recorded."""
        self._tracking.confirm(event.dialog)
        server = self._by_transaction.get(event.transaction)
        is_live = server is not None and event.branch in server.live_branches
        if is_live and api.Answered in self.received:
            answered = api.Answered(event.response, self._tracking.context_of(event.dialog))
            self._fire_step(event.branch, answered, event.transaction, now, event.held)
        else:
            self._tracking.release(event.held)
        if is_live and server is not None:
            server.live_branches.discard(event.branch)
            self._end(event.branch)

    def _on_request_answered(self, event: events.RequestAnswered, now: float) -> None:
        """A response to a request of our own; a final one ends its activity."""
        response = event.response
        outcome = api.response_event(response.status, response.cseq.method)(response)
        self._tell_request(event.branch, outcome, is_last=response.status >= _FINAL)

    def _on_request_failed(self, event: events.RequestFailed, now: float) -> None:
        failure = api.TransactionTimeout(event.timer) if event.timer else api.TransportError(event.reason)
        self._tell_request(event.branch, failure, is_last=True)

    def _tell_request(self, branch: str, outcome: object, *, is_last: bool) -> None:
        """Fire what became of a request of our own, unless an operator has ended its activity."""
        if type(outcome) in self.received:
            self._fire(branch, outcome)
        if is_last:
            self.requests.discard(branch)
            self._end(branch)

    def _on_final(self, event: events.FinalReceived, now: float) -> None:
        response = event.response
        event_class = api.response_event(response.status, response.cseq.method)
        is_step = response.status >= _REDIRECTION
        self._end_branch(event.branch, event.transaction, event_class, (response,), now, is_step=is_step)

    def _on_branch_timeout(self, event: events.BranchTimeout, now: float) -> None:
        self._end_branch(event.branch, event.transaction, api.TransactionTimeout, (event.timer,), now, is_step=True)

    def _on_transport_failure(self, event: events.TransportFailure, now: float) -> None:
        self._end_branch(event.branch, event.transaction, api.TransportError, (event.reason,), now, is_step=True)

    def _on_exhausted(self, event: events.BranchesExhausted, now: float) -> None:
        server = self._by_transaction.get(event.transaction)
        if server is None:
            self._core.proceed(event.transaction, now)
        else:
            exhausted = api.ForkExhausted(event.status, event.response, event.is_unreachable)
            self._fire_step(server.handle, exhausted, event.transaction, now)

    def _on_answered(self, event: events.Answered, now: float) -> None:
        """The final answer has gone out: the activity ends; the transaction lives on in the core, unseen."""
        server = self._by_transaction.pop(event.transaction, None)
        if server is not None:
            server.answered = True
            del self.servers[server.handle]
            self._end(server.handle)
            for branch in server.live_branches:
                self._end(branch)

    def _end_branch(
        self,
        branch: str,
        transaction: ServerTransaction,
        event_class: type,
        fields: tuple[object, ...],
        now: float,
        *,
        is_step: bool,
    ) -> None:
        """Fire the last event of a branch if a service receives it, and end its activity."""
        server = self._by_transaction.get(transaction)
        is_live = server is not None and branch in server.live_branches
        is_fired = is_live and event_class in self.received
        if is_fired and is_step:
            self._fire_step(branch, event_class(*fields), transaction, now)
        elif is_fired:
            self._fire(branch, event_class(*fields))
        if is_live and server is not None:
            server.live_branches.discard(branch)
            self._end(branch)
        if is_step and not is_fired:
            self._core.proceed(transaction, now)

    def _fire_step(
        self,
        handle: str,
        event: object,
        transaction: ServerTransaction,
        now: float,
        held: FollowedBranch | None = None,
    ) -> None:
        """Fire an event that the core waits for; `end_step` lets it go on, with the answer that was held if any."""
        self._steps[id(event)] = (event, transaction, held)
        if not self._fire(handle, event, _OUTCOME):
            del self._steps[id(event)]
            if held is None:
                self._core.proceed(transaction, now)
            else:
                self._tracking.release(held)

    def _fire(self, handle: str, event: object, flags: int = 0) -> bool:
        """Fire an event; `False` if its activity has been ended meanwhile, by an operator or a deadline."""
        try:
            self._endpoint.fire(handle, event, None, None, flags)
        except ActivityError:
            return False
        return True

    def _end(self, handle: str) -> None:
        """End an activity, unless an operator or a deadline has."""
        if self._context.activity_context(handle) is not None:
            self._endpoint.end_activity(handle)

    def _proceed_after_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """The Cancel event has been processed: 487, unless a service answered or branches will (SIP-68)."""
        server = self._by_transaction.get(transaction)
        if server is not None and server.is_left_alone:
            self._core.respond(transaction, 487, now)
        self._core.proceed(transaction, now)
