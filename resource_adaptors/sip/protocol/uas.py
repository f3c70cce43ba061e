"""The answering side: what services answer, and what becomes of requests that nobody answers (SIP-61 to SIP-64)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.protocol.answers import TRYING, Answers, Headers
from resource_adaptors.sip.protocol.events import AckReceived, AckTimeout, Answered
from resource_adaptors.sip.protocol.tables import TIMER_G

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request
    from resource_adaptors.sip.protocol.layer import TransactionLayer
    from resource_adaptors.sip.protocol.notices import Notices
    from resource_adaptors.sip.protocol.server import ServerTransaction
    from resource_adaptors.sip.protocol.transaction import Key

GUARD_TRYING: Final = "trying"
GUARD_DEADLINE: Final = "deadline"
GUARD_LAST: Final = "last"


class AnsweringSide:
    """Answers server transactions for services, or because no service does."""

    def __init__(self, layer: TransactionLayer, answers: Answers, notices: Notices) -> None:
        self._layer = layer
        self._answers = answers
        self._notices = notices
        self._timing = layer.timing
        self._acknowledgeable: dict[Key, ServerTransaction] = {}
        """INVITEs that we gave a 2xx ourselves, by what their ACK has in common with it."""

    def begin(self, transaction: ServerTransaction, now: float) -> None:
        """Set the guards of a new request, and tell an INVITE's sender that it has arrived (SIP-61)."""
        timing = self._timing
        if transaction.method != "INVITE":
            transaction.guard(GUARD_TRYING, now + timing.non_invite_trying)
        elif timing.trying_after > 0:
            transaction.guard(GUARD_TRYING, now + timing.trying_after)
        else:
            self._answers.trying(transaction, now)
            transaction.guard(GUARD_DEADLINE, now + timing.server_deadline)

    def check(self, transaction: ServerTransaction, status: int) -> None:
        """Refuse an answer that must not be given now.

        Raises:
            LocalProtocolError: there is a final answer already (SIP-64), or the status is none for this request.
        """
        if not 100 <= status <= 699:
            raise LocalProtocolError(f"SIP core: {status} is no status code; answer with 101 to 699")
        if transaction.is_answered:
            raise LocalProtocolError(
                f"SIP core: the {transaction.method} has its final answer, {status} would be another [SIP-64]"
            )
        if status == TRYING or (status < 200 and transaction.method != "INVITE"):
            raise LocalProtocolError(
                f"SIP core: {status} to {transaction.method} is not for services to send [SIP-61, SIP-62]; "
                "the core sends 100 by itself, other provisional answers belong to INVITE"
            )

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
        """Give a service's answer. A 408 to a request other than INVITE is not sent, and ends it (SIP-62).

        Raises:
            LocalProtocolError: see `check`.
        """
        self.check(transaction, status)
        if status == 408 and transaction.method != "INVITE":
            self.give_up(transaction)
            return
        response = self._answers.build(transaction, status, reason=reason, headers=headers, body=body)
        data = response.raw
        self._answers.transmit(transaction, data, status, now)
        if status < 200:
            transaction.waiting_since = now
            return
        if status < 300 and transaction.method == "INVITE":
            self._repeat_until_acknowledged(
                transaction, data, (response.call_id, response.cseq.number, response.to_tag), now
            )
        self._notices.events.append(Answered(transaction, status))

    def give_up(self, transaction: ServerTransaction) -> None:
        """Send nothing any more."""
        transaction.abandon()
        self._notices.events.append(Answered(transaction, 0))

    def on_guard(self, transaction: ServerTransaction, guard: str, now: float) -> None:
        """A request waits for its answer, or our 2xx for its ACK."""
        if guard == TIMER_G:
            self._repeat(transaction, now)
        elif guard == GUARD_TRYING:
            self._on_trying(transaction, now)
        elif guard == GUARD_DEADLINE:
            self._on_deadline(transaction, now)
        else:
            if not transaction.is_answered:
                self.give_up(transaction)
            transaction.terminate()

    def _on_trying(self, transaction: ServerTransaction, now: float) -> None:
        timing = self._timing
        if not transaction.is_answered and not transaction.wire:
            self._answers.trying(transaction, now)
        if transaction.method == "INVITE":
            transaction.guard(GUARD_DEADLINE, transaction.waiting_since + timing.server_deadline)
        else:
            transaction.guard(GUARD_DEADLINE, transaction.waiting_since + timing.non_invite_deadline)

    def _on_deadline(self, transaction: ServerTransaction, now: float) -> None:
        """Nobody has answered: 500, unless branches are pending, whose own timers end them (SIP-63)."""
        timing = self._timing
        context = transaction.context
        is_waiting = transaction.is_answered or (context is not None and bool(context.open))
        if transaction.method == "INVITE":
            due = transaction.waiting_since + timing.server_deadline
            if is_waiting or due > now:
                transaction.guard(GUARD_DEADLINE, due if due > now else now + timing.server_deadline)
                return
        elif is_waiting:
            transaction.guard(GUARD_LAST, transaction.waiting_since + timing.timeout)
            return
        self._layer.counters.timeouts["server"] += 1
        self._answers.send(transaction, 500, now, reason="Service Gave No Answer")
        transaction.context = None
        self._notices.events.append(Answered(transaction, 500))

    # Our own 2xx to INVITE, which the transaction leaves to us to send again (RFC 3261 13.3.1.4).

    def _repeat_until_acknowledged(self, transaction: ServerTransaction, data: bytes, key: Key, now: float) -> None:
        transaction.ack_key = key
        self._acknowledgeable[key] = transaction
        transaction.wire = data
        transaction.interval = self._timing.t1
        transaction.resend_at = now + self._timing.t1
        transaction.arm()

    def _repeat(self, transaction: ServerTransaction, now: float) -> None:
        transaction.resend(None, now)
        transaction.interval = min(transaction.interval * 2, self._timing.t2)
        transaction.resend_at = now + transaction.interval

    def acknowledge(self, request: Request) -> bool:
        """Take the ACK of a 2xx that we gave; `False` if there is none. Repetitions are absorbed."""
        transaction = self._acknowledgeable.get((request.call_id, request.cseq.number, request.to_tag))
        if transaction is None:
            return False
        if transaction.wire:
            transaction.wire = b""
            transaction.resend_at = math.inf
            transaction.arm()
            if self._notices.acks:
                self._notices.events.append(AckReceived(transaction, request))
        return True

    def on_unacknowledged(self, transaction: ServerTransaction) -> None:
        """The transaction of a 2xx of ours ends, acknowledged or not (SIP-85)."""
        del self._acknowledgeable[transaction.ack_key]
        if transaction.wire:
            self.on_ack_timeout(transaction, "L")

    def on_ack_timeout(self, transaction: ServerTransaction, timer: str) -> None:
        """A final answer was never acknowledged."""
        self._layer.counters.timeouts[timer] += 1
        if self._notices.unacknowledged:
            self._notices.events.append(AckTimeout(transaction))
