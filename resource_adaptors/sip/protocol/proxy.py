"""The proxy: forwards requests, sends responses back, and picks the final answer (RFC 3261 16, SIP-151 to SIP-158)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.values import TOKEN
from resource_adaptors.sip.message.writer import cancel_for, forward_request, relay_response
from resource_adaptors.sip.protocol.breadth import share_of_breadth
from resource_adaptors.sip.protocol.client import CANCEL_NOT_ASKED, CANCEL_SENT, CANCEL_WAITING
from resource_adaptors.sip.protocol.context import NewBranch, ResponseContext
from resource_adaptors.sip.protocol.events import (
    Answered,
    BranchesExhausted,
    BranchTimeout,
    FinalReceived,
    ProvisionalReceived,
    TransportFailure,
)
from resource_adaptors.sip.protocol.followed import FollowedBranch, HeldAnswer
from resource_adaptors.sip.protocol.ids import MARK_DIGITS
from resource_adaptors.sip.protocol.routing import NO_ROUTE, Router
from resource_adaptors.sip.protocol.selection import CHALLENGES, Candidate, status_upstream, with_challenges
from resource_adaptors.sip.protocol.tables import CALLING

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.protocol.answers import Answers
    from resource_adaptors.sip.protocol.client import ClientTransaction
    from resource_adaptors.sip.protocol.dialogs import Dialogs
    from resource_adaptors.sip.protocol.layer import TransactionLayer
    from resource_adaptors.sip.protocol.notices import Notices
    from resource_adaptors.sip.protocol.routing import Path
    from resource_adaptors.sip.protocol.server import ServerTransaction
    from resource_adaptors.sip.protocol.stateless import StatelessProxy

GUARD_C: Final = "C"
GUARD_CANCELLED: Final = "cancelled"
COMPLETED_ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
TIMED_OUT: Final = 'SIP;cause=408;text="Request Timeout"'


class Proxy:
    """Forwards the requests of server transactions and answers them from the responses."""

    def __init__(
        self,
        layer: TransactionLayer,
        router: Router,
        answers: Answers,
        notices: Notices,
        dialogs: Dialogs,
        stateless: StatelessProxy,
    ) -> None:
        self._layer = layer
        self._router = router
        self._answers = answers
        self._notices = notices
        self._dialogs = dialogs
        self._followed = dialogs.branches
        self._counters = layer.counters
        self._lower = stateless.lower
        self._via = stateless.via
        self._record_routes = (router.record_route,)

    # Forwarding.

    def forward(
        self,
        transaction: ServerTransaction,
        branches: Sequence[NewBranch],
        now: float,
        *,
        record_route: bool = False,
        is_silent: bool = False,
        is_followed: bool = False,
    ) -> None:
        """Forward a request to all targets at once; a target that may not have it ends its branch at once."""
        request = transaction.request
        path = transaction.path
        assert path is not None
        context = transaction.context
        if context is None:
            context = transaction.context = ResponseContext(is_silent=is_silent)
        context.is_exhausted = False
        record_routes = self._record_routes if record_route else ()
        general = self._general_refusal(transaction, request)
        breadth = share_of_breadth(request, len(branches))
        if breadth == 0:
            general = general or Candidate(440, None)
        for new in branches:
            refusal = general or self._branch_refusal(request, new)
            if refusal is not None:
                self._refuse(transaction, context, new.branch, refusal)
            else:
                if is_followed:
                    self._dialogs.follow(new.branch, transaction)
                self._launch(transaction, context, path, request, new, record_routes, breadth, now)
        if len(branches) > 1:
            self._counters.forks += 1
        self.settle(transaction, now)

    def _general_refusal(self, transaction: ServerTransaction, request: Request) -> Candidate | None:
        """Why the request may go to no target at all (RFC 3261 16.3)."""
        if transaction.is_cancelled:
            return Candidate(487, None)
        if request.max_forwards == 0:
            return Candidate(483, None)
        if "proxy-require" in request.index:
            tags = ", ".join(tag for tag in request.values("Proxy-Require") if TOKEN.match(tag))
            return Candidate(420, None, headers=(("Unsupported", tags),) if tags else ())
        return None

    def _branch_refusal(self, request: Request, new: NewBranch) -> Candidate | None:
        """Why the request may not go to this target."""
        if not self._router.hop(new.uri).is_sip:
            return Candidate(416, None)
        if self._router.is_looped(request, new.branch[-MARK_DIGITS:]):
            return Candidate(482, None)
        return None

    def _launch(
        self,
        transaction: ServerTransaction,
        context: ResponseContext,
        path: Path,
        request: Request,
        new: NewBranch,
        record_routes: tuple[str, ...],
        breadth: int | None,
        now: float,
    ) -> None:
        plan = self._router.plan(path, new.uri, new.routes)
        if plan.destination is None:
            self._end_unreachable(transaction, context, new.branch, NO_ROUTE)
            return
        sent = forward_request(
            request,
            uri=plan.uri,
            via=self._via + new.branch,
            max_forwards=self._lower(request.max_forwards),
            max_breadth=breadth,
            record_routes=record_routes,
            drop_routes=plan.drop,
            routes=plan.routes,
        )
        self._counters.count_request_out(request.method)
        context.open.append(self._layer.start(sent, new.branch, plan.destination, transaction, now))

    def _refuse(
        self, transaction: ServerTransaction, context: ResponseContext, branch: str, refusal: Candidate
    ) -> None:
        context.take(refusal)
        if self._notices.finals and not context.is_silent:
            response = self._answers.build(transaction, refusal.status, headers=refusal.headers)
            context.held += 1
            self._notices.events.append(FinalReceived(transaction, branch, response, is_local=True))

    def _end_unreachable(
        self, transaction: ServerTransaction, context: ResponseContext, branch: str, reason: str
    ) -> None:
        self._counters.count_transport_error(reason)
        context.take(Candidate(503, None, is_unreachable=True))
        if self._followed:
            self._dialogs.drop_branch(branch, 503)
        if self._notices.failures and not context.is_silent:
            context.held += 1
            self._notices.events.append(TransportFailure(transaction, branch, reason))

    # Cancelling.

    def cancel_open(self, transaction: ServerTransaction, reason: str | None, now: float) -> None:
        """Cancel every branch without a final response."""
        context = transaction.context
        if context is not None:
            for branch in context.open:
                self.cancel(branch, reason, now)

    def cancel(self, branch: ClientTransaction, reason: str | None, now: float) -> None:
        """Cancel an INVITE branch, once a provisional response has come (RFC 3261 9.1, SIP-69)."""
        if branch.method != "INVITE" or branch.cancel_state != CANCEL_NOT_ASKED or branch.request is None:
            return
        branch.cancel_reason = reason
        if branch.state == CALLING:
            branch.cancel_state = CANCEL_WAITING
        else:
            self._send_cancel(branch, now)

    def _send_cancel(self, branch: ClientTransaction, now: float) -> None:
        invite = branch.request
        assert invite is not None
        branch.cancel_state = CANCEL_SENT
        cancel = cancel_for(invite, branch.cancel_reason)
        self._layer.start(cancel, branch.branch, branch.destination, None, now)
        self._counters.count_request_out("CANCEL")
        branch.guard(GUARD_CANCELLED, now + self._layer.timing.timeout)

    # Responses and failures of branches.

    def on_response(self, branch: ClientTransaction, response: Response, now: float) -> None:
        """A response on a branch: forward it at once, or collect it (SIP-155)."""
        transaction = branch.owner
        if transaction is None:
            return
        status = response.status
        if status < 200:
            self._on_provisional(transaction, branch, response, now)
        elif status < 300:
            self._on_success(transaction, branch, response, now)
        else:
            self._on_failure(transaction, branch, response, now)

    def _on_provisional(
        self, transaction: ServerTransaction, branch: ClientTransaction, response: Response, now: float
    ) -> None:
        if branch.method == "INVITE":
            if branch.cancel_state == CANCEL_WAITING:
                self._send_cancel(branch, now)
            elif branch.cancel_state == CANCEL_NOT_ASKED and (response.status > 100 or branch.alarm != GUARD_C):
                branch.alarm = GUARD_C
                branch.expire_at = now + self._layer.timing.timer_c
            if response.status > 100 and not transaction.is_answered and (data := self._relayed(response)) is not None:
                self._answers.transmit(transaction, data, response.status, now)
                transaction.waiting_since = now
        dialog = self._dialogs.early(branch.branch, response) if self._followed else None
        if self._notices.provisionals and (context := transaction.context) is not None and not context.is_silent:
            self._notices.events.append(ProvisionalReceived(transaction, branch.branch, response, dialog))

    def _on_success(
        self, transaction: ServerTransaction, branch: ClientTransaction, response: Response, now: float
    ) -> None:
        if self._followed and self._dialogs.holds(branch, response):
            return
        context = transaction.context
        if context is not None and context.dialog is not None and self._dialogs.holds_end(context, branch, response):
            return
        was_answered = transaction.is_answered
        data = self._relayed(response)
        if data is not None and not self._answers.transmit(transaction, data, response.status, now):
            if transaction.method == "INVITE":
                # Any 2xx to an INVITE goes upstream, also after another final answer (RFC 3261 16.7 step 5).
                self._layer.send(data, transaction.destination)
                self._counters.count_response_out("INVITE", response.status)
            else:
                self._counters.late_answers += 1
        if context is None or branch not in context.open:
            return
        context.open.remove(branch)
        if data is None:
            context.take(Candidate(500, None))
        if self._notices.finals and not context.is_silent:
            self._notices.events.append(FinalReceived(transaction, branch.branch, response))
        if not was_answered and transaction.is_answered:
            self._notices.events.append(Answered(transaction, response.status))
        if context.open:
            self.cancel_open(transaction, COMPLETED_ELSEWHERE, now)
        self.settle(transaction, now)

    def _on_failure(
        self, transaction: ServerTransaction, branch: ClientTransaction, response: Response, now: float
    ) -> None:
        context = transaction.context
        if context is None or branch not in context.open:
            return
        if branch.is_overdue:
            self._end_overdue(transaction, context, branch, GUARD_C, now)
            return
        context.open.remove(branch)
        context.take(Candidate(response.status, response))
        if self._followed:
            self._dialogs.drop_branch(branch.branch, response.status)
        if response.status >= 600 and context.open:
            self.cancel_open(transaction, f"SIP;cause={response.status}", now)
        if self._notices.finals and not context.is_silent:
            context.held += 1
            self._notices.events.append(FinalReceived(transaction, branch.branch, response))
        self.settle(transaction, now)

    def on_branch_timeout(self, branch: ClientTransaction, now: float) -> None:
        """Timer B or F: no final response, and none will be waited for."""
        self._counters.timeouts[branch.alarm] += 1
        transaction = branch.owner
        if transaction is not None and (context := transaction.context) is not None and branch in context.open:
            self._end_overdue(transaction, context, branch, branch.alarm, now)

    def on_branch_error(self, branch: ClientTransaction, reason: str, now: float) -> None:
        """The branch's target cannot be reached."""
        transaction = branch.owner
        if transaction is not None and (context := transaction.context) is not None and branch in context.open:
            context.open.remove(branch)
            self._end_unreachable(transaction, context, branch.branch, reason)
            self.settle(transaction, now)
        else:
            self._counters.count_transport_error(reason)

    def on_branch_guard(self, branch: ClientTransaction, guard: str, now: float) -> None:
        """Timer C of a ringing branch, or no final response after its CANCEL."""
        if guard == GUARD_C:
            self._counters.timeouts[GUARD_C] += 1
            branch.is_overdue = True
            self.cancel(branch, TIMED_OUT, now)
            return
        transaction = branch.owner
        timer = GUARD_C if branch.is_overdue else "B"
        branch.terminate()
        if transaction is not None and (context := transaction.context) is not None and branch in context.open:
            self._end_overdue(transaction, context, branch, timer, now)

    def _end_overdue(
        self,
        transaction: ServerTransaction,
        context: ResponseContext,
        branch: ClientTransaction,
        timer: str,
        now: float,
    ) -> None:
        """End a branch that had no final response in time; 487 if it was the caller who gave up."""
        context.open.remove(branch)
        status = 487 if transaction.is_cancelled else 408
        context.take(Candidate(status, None))
        if self._followed:
            self._dialogs.drop_branch(branch.branch, status)
        if self._notices.timeouts and not context.is_silent:
            context.held += 1
            self._notices.events.append(BranchTimeout(transaction, branch.branch, timer))
        self.settle(transaction, now)

    def _relayed(self, response: Response) -> bytes | None:
        """The response without our Via; `None` if there is no other to send it to (SIP-54)."""
        try:
            return relay_response(response)
        except LocalProtocolError:
            self._counters.unroutable_responses += 1
            return None

    # The final answer.

    def settle(self, transaction: ServerTransaction, now: float) -> None:
        """Send the final answer if nothing is left to wait for (SIP-156, SIP-158)."""
        context = transaction.context
        if context is None or context.held or context.open:
            return
        if transaction.is_answered:
            transaction.context = None
            return
        best = context.best
        if best is None:
            if transaction.is_cancelled:
                self._answer(transaction, Candidate(487, None), (), now)
            return
        announces = self._notices.exhausted and not context.is_silent and not transaction.is_cancelled
        if announces and not context.is_exhausted:
            context.is_exhausted = True
            context.held += 1
            self._notices.events.append(
                BranchesExhausted(transaction, best.status, best.response, is_unreachable=not context.is_reached)
            )
            return
        if context.dialog is not None and self._dialogs.ends_with(context, best.status, HeldAnswer(transaction)):
            context.held += 1
            return
        self._answer(transaction, best, context.challenges, now)

    def release(self, held: FollowedBranch | HeldAnswer, now: float) -> None:
        """Send on an answer that was held."""
        if isinstance(held, FollowedBranch):
            held.is_held = False
        client, response = held.client, held.response
        if client is not None and response is not None:
            held.response = None
            self._on_success(held.transaction, client, response, now)
        elif (context := held.transaction.context) is not None and context.held:
            context.held -= 1
            self.settle(held.transaction, now)

    def _answer(
        self, transaction: ServerTransaction, best: Candidate, challenges: Sequence[Response], now: float
    ) -> None:
        status = status_upstream(best.status)
        transaction.context = None
        if status == 408 and transaction.method != "INVITE":
            # A 408 would come too late to be of use and could make others fail (RFC 4320 4.2, SIP-62).
            transaction.abandon()
            self._notices.events.append(Answered(transaction, 0))
            return
        data = None if best.response is None or status != best.status else self._relayed(best.response)
        if data is None:
            data = self._answers.build(transaction, status, headers=best.headers).raw
        elif status in CHALLENGES:
            data = with_challenges(data, [one for one in challenges if one is not best.response])
        self._answers.transmit(transaction, data, status, now)
        self._notices.events.append(Answered(transaction, status))
