"""What arrives: each datagram is matched, then delivered, answered or dropped (RFC 3261 16.3, 18; B7, B23; COM-14)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import check_header, stamp_received
from resource_adaptors.sip.protocol.client import RECEIVING, ClientTransaction
from resource_adaptors.sip.protocol.context import NewBranch, ResponseContext
from resource_adaptors.sip.protocol.events import CancelReceived, RequestReceived
from resource_adaptors.sip.protocol.followed import HeldAnswer
from resource_adaptors.sip.protocol.ids import MAGIC_COOKIE
from resource_adaptors.sip.protocol.layer import response_destination, server_key
from resource_adaptors.sip.protocol.malformed import MalformedAnswers
from resource_adaptors.sip.protocol.server import ServerTransaction
from resource_adaptors.sip.protocol.statistics import METHODS
from resource_adaptors.sip.protocol.tables import ACK, REQUEST

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Response
    from resource_adaptors.sip.protocol.answers import Answers
    from resource_adaptors.sip.protocol.dialogs import Dialogs
    from resource_adaptors.sip.protocol.ids import Ids
    from resource_adaptors.sip.protocol.layer import TransactionLayer
    from resource_adaptors.sip.protocol.notices import Notices
    from resource_adaptors.sip.protocol.proxy import Proxy
    from resource_adaptors.sip.protocol.routing import Path, Router
    from resource_adaptors.sip.protocol.settings import Settings
    from resource_adaptors.sip.protocol.stateless import StatelessProxy
    from resource_adaptors.sip.protocol.transaction import Address, Transaction
    from resource_adaptors.sip.protocol.uas import AnsweringSide

_KEEP_ALIVE: Final = b"\r\n\0"
_STUN_COOKIE: Final = b"\x21\x12\xa4\x42"


class Dispatcher:
    """Takes datagrams, and is the user of all transactions."""

    def __init__(
        self,
        settings: Settings,
        layer: TransactionLayer,
        ids: Ids,
        router: Router,
        answers: Answers,
        notices: Notices,
        uas: AnsweringSide,
        proxy: Proxy,
        dialogs: Dialogs,
        stateless: StatelessProxy,
    ) -> None:
        self._tolerant = settings.tolerant
        self._force_rport = settings.force_rport
        self._is_2543_accepted = settings.rfc2543_compat
        self._layer = layer
        self._counters = layer.counters
        self._servers = layer.servers
        self._ids = ids
        self._router = router
        self._answers = answers
        self._notices = notices
        self._uas = uas
        self._proxy = proxy
        self._dialogs = dialogs
        self._stateless = stateless
        self._malformed = MalformedAnswers(settings.malformed_answers_per_second)
        self.on_response = proxy.on_response
        layer.user = self

    def take(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram."""
        counters = self._counters
        counters.received += 1
        try:
            message = parse_message(data, tolerant=self._tolerant)
        except RemoteProtocolError as error:
            self._refuse(data, error, source, now)
            return
        if message.leniencies:
            counters.count_leniencies(message.leniencies)
        if isinstance(message, Request):
            self._take_request(message, source, now)
        else:
            self._take_response(message, now)

    # Responses.

    def _take_response(self, response: Response, now: float) -> None:
        """Give a response to its client transaction; without one it is never forwarded (RFC 6026 8.9)."""
        counters = self._counters
        method = response.cseq.method
        status_class = response.status // 100
        try:
            counters.responses_in[method, status_class] += 1
        except KeyError:
            counters.responses_in["other", status_class] += 1
        branch = self._layer.match(response)
        if branch is None or (branch.owner is None and response.next_via is not None):
            # without an owner it answers a request that began here, and has no Via but ours (RFC 3261 8.1.3.3)
            self._take_stray_response(response, method, status_class)
            return
        was_pending = branch.request is not None
        if not branch.step(RECEIVING[status_class], response, now):
            counters.stray["late_response"] += 1
            counters.dropped["late_response"] += 1
        elif was_pending or (method == "INVITE" and status_class == 2):
            counters.delivered += 1
        else:
            counters.retransmissions_in["response"] += 1
            counters.dropped["retransmission"] += 1

    def _take_stray_response(self, response: Response, method: str, status_class: int) -> None:
        """Drop a response without a transaction, unless it is the 2xx of a followed call that survived a restart."""
        counters = self._counters
        counters.stray["response"] += 1
        is_known = method == "INVITE" and status_class == 2 and self._dialogs.knows_answer(response)
        if is_known and self._router.is_own_via(response.top_via) and self._stateless.relay_stray(response):
            counters.delivered += 1
        else:
            counters.dropped["stray_response"] += 1

    # Requests.

    def _take_request(self, request: Request, source: Address, now: float) -> None:
        method = request.method
        counters = self._counters
        try:
            counters.requests_in[method] += 1
        except KeyError:
            counters.requests_in["other"] += 1
        if method == "ACK":
            self._take_ack(request, source, now)
            return
        key = server_key(request, method)
        known = self._servers.get(key)
        if known is not None:
            known.step(REQUEST, request, now)
            counters.retransmissions_in["request"] += 1
            counters.dropped["retransmission"] += 1
            return
        if not self._is_2543_accepted and key[0] != request.top_via.branch:
            counters.count_malformed("branch")
            counters.answered += 1
            request = stamp_received(request, source[0], source[1])
            data = self._answers.once(request, 400, reason="Missing Branch")
            self._layer.send(data, response_destination(request.top_via, source))
            return
        request = stamp_received(request, source[0], source[1], force_rport=self._force_rport)
        transaction = self._layer.serve(key, request, source, now)
        if method == "CANCEL":
            self._take_cancel(transaction, request, now)
        else:
            self._begin(transaction, request, now)

    def _begin(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Give a new request to a service, or route it ourselves if it belongs to a dialog (correction of SIP-160)."""
        path = transaction.path = self._router.path(request)
        self._uas.begin(transaction, now)
        if request.to_tag is None or request.method == "REGISTER":
            self._layer.note_initial(transaction, request)
            self._counters.delivered += 1
            self._notices.events.append(RequestReceived(transaction, request))
        elif self._leads_on(path):
            self._counters.delivered += 1
            if self._dialogs.by_id and (dialog := self._dialogs.take_request(request, transaction.source)) is not None:
                transaction.context = ResponseContext(is_silent=True)
                transaction.context.dialog = dialog
            branch = self._ids.branch(self._router.loop_mark(request, path.uri))
            self._proxy.forward(transaction, (NewBranch(branch, path.uri),), now, is_silent=True)
        else:
            self._counters.stray["request"] += 1
            self._counters.answered += 1
            self._answers.send(transaction, 481, now)

    def _leads_on(self, path: Path) -> bool:
        """Whether a request in a dialog is for somebody behind us: by its Route, or by its Request-URI."""
        return bool(path.own or path.routes) or not self._router.hop(path.uri).is_own

    def _take_ack(self, request: Request, source: Address, now: float) -> None:
        """An ACK ends a failed INVITE, or goes where the 2xx came from; it is never answered."""
        invite = self._servers.get(server_key(request, "INVITE"))
        counters = self._counters
        if invite is not None:
            if invite.step(ACK, request, now):
                counters.delivered += 1
            else:
                counters.retransmissions_in["ack"] += 1
                counters.dropped["retransmission"] += 1
        elif self._uas.acknowledge(request) or self._forward_ack(request, source):
            counters.delivered += 1
        else:
            counters.stray["ack"] += 1
            counters.dropped["stray_ack"] += 1

    def _forward_ack(self, request: Request, source: Address) -> bool:
        """Send an ACK on by its Route, or where its Request-URI leads if that is not here."""
        path = self._router.path(request)
        if not self._leads_on(path):
            return False
        if self._dialogs.by_id:
            self._dialogs.take_request(request, source)
        return self._stateless.forward_ack(request, path, self._stateless_branch(request))

    def _stateless_branch(self, request: Request) -> str:
        """A branch that is the same for each retransmission of an ACK (RFC 3261 16.11, SIP-161)."""
        seed = f"{request.top_via.text}\0{request.call_id}\0{request.cseq.number}\0{request.uri_text}"
        return MAGIC_COOKIE + hashlib.blake2b(seed.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()

    def _take_cancel(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Answer a CANCEL at once, and cancel what it is for (RFC 3261 9.2, 16.10; SIP-68, SIP-71)."""
        self._counters.answered += 1
        invite = self._servers.get(server_key(request, "INVITE"))
        if invite is None:
            others = (self._servers.get(server_key(request, method)) for method in METHODS)
            is_known = any(other is not None and other is not transaction for other in others)
            if not is_known:
                self._counters.stray["cancel"] += 1
            self._answers.send(transaction, 200 if is_known else 481, now)
            return
        if not invite.local_tag:
            invite.local_tag = self._ids.tag()
        transaction.local_tag = invite.local_tag
        self._answers.send(transaction, 200, now)
        if invite.is_answered or invite.is_cancelled:
            return
        invite.is_cancelled = True
        context = invite.context
        if context is None:
            context = invite.context = ResponseContext(is_silent=False)
        if self._notices.cancels and not context.is_silent:
            context.held += 1
            self._notices.events.append(CancelReceived(invite, request))
        self._proxy.cancel_open(invite, _fit_reason(request), now)
        self._proxy.settle(invite, now)

    # What cannot be parsed.

    def _refuse(self, data: bytes, error: RemoteProtocolError, source: Address, now: float) -> None:
        """Answer a malformed request if that can be done, otherwise drop it (SIP-22, SIP-23, SIP-46, SIP-47)."""
        counters = self._counters
        if not data.strip(_KEEP_ALIVE):
            counters.dropped["keep_alive"] += 1
        elif data[0] < 0x40 and data[4:8] == _STUN_COOKIE:
            counters.dropped["stun"] += 1
        elif not error.status or error.partial is None:
            counters.count_malformed(error.kind)
            counters.dropped["malformed"] += 1
        else:
            counters.count_malformed(error.kind)
            answer = self._malformed.answer(error, source, now)
            if answer is None:
                counters.dropped["malformed_limit"] += 1
            else:
                counters.answered += 1
                self._layer.send(*answer)

    # What transactions report.

    def on_ack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """An ACK for a 2xx that bears the INVITE's branch: for us, or for whom the INVITE was forwarded to."""
        if not self._uas.acknowledge(request):
            self._forward_ack(request, transaction.source)

    def on_timeout(self, transaction: Transaction, now: float) -> None:
        """Timer B, F or H."""
        if isinstance(transaction, ClientTransaction):
            self._proxy.on_branch_timeout(transaction, now)
        elif isinstance(transaction, ServerTransaction):
            self._uas.on_ack_timeout(transaction, transaction.alarm)

    def on_transport_error(self, transaction: Transaction, reason: str, now: float) -> None:
        """A destination cannot be reached; a server transaction only keeps its state (RFC 6026 8.8)."""
        if isinstance(transaction, ClientTransaction):
            self._proxy.on_branch_error(transaction, reason, now)
        else:
            self._counters.count_transport_error(reason)

    def on_guard(self, transaction: Transaction, guard: str, now: float) -> None:
        """A guard of the proxy or of the answering side."""
        if isinstance(transaction, ClientTransaction):
            self._proxy.on_branch_guard(transaction, guard, now)
        elif isinstance(transaction, ServerTransaction):
            context = transaction.context
            self._uas.on_guard(transaction, guard, now)
            if context is not None and context.dialog is not None and transaction.context is None:
                self._dialogs.ends_with(context, 408, HeldAnswer(transaction), is_held=False)

    def on_unacknowledged(self, transaction: ServerTransaction) -> None:
        """The transaction of a 2xx of ours ends."""
        self._uas.on_unacknowledged(transaction)


def _fit_reason(cancel: Request) -> str | None:
    """The Reason to pass on with a CANCEL (RFC 3326); one that must not be written is left out (SIP-204)."""
    reason = cancel.header("Reason")
    if reason is not None:
        try:
            check_header("Reason", reason)
        except LocalProtocolError:
            return None
    return reason
