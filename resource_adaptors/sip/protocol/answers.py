"""Responses of our own: one To tag per transaction, the Server header, and 100 (SIP-61, SIP-65, SIP-66)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.writer import build_response
from resource_adaptors.sip.protocol.ids import Ids
from resource_adaptors.sip.protocol.server import SENDING, ServerTransaction
from resource_adaptors.sip.protocol.statistics import Counters

TRYING: Final = 100
Headers = Sequence[tuple[str, str]]


class Answers:
    """Builds what we answer ourselves, and sends it on a server transaction."""

    def __init__(self, ids: Ids, counters: Counters, server_name: str) -> None:
        self._ids = ids
        self._counters = counters
        self._server: tuple[tuple[str, str], ...] = (("Server", server_name),) if server_name else ()

    def build(
        self,
        transaction: ServerTransaction,
        status: int,
        *,
        reason: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> Response:
        """A response to the request of a transaction that has no final answer yet."""
        if not transaction.local_tag:
            transaction.local_tag = self._ids.tag()
        return build_response(
            transaction.request,
            status,
            reason=reason,
            to_tag=transaction.local_tag,
            headers=(*self._server, *headers) if self._server else headers,
            body=body,
        )

    def send(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> bool:
        """Build and send; `False` if the transaction's state does not allow it, and then nothing is sent."""
        response = self.build(transaction, status, reason=reason, headers=headers, body=body)
        return self.transmit(transaction, response.raw, status, now)

    def trying(self, transaction: ServerTransaction, now: float) -> None:
        """Send 100: no To tag, the Timestamp copied (RFC 3261 8.2.6.1)."""
        self.transmit(transaction, build_response(transaction.request, TRYING).raw, TRYING, now)

    def transmit(self, transaction: ServerTransaction, data: bytes, status: int, now: float) -> bool:
        """Send a response that is ready for the wire; `False` if the transaction's state does not allow it."""
        status_class = status // 100
        if not transaction.step(SENDING[status_class], data, now):
            return False
        try:
            self._counters.responses_out[transaction.method, status_class] += 1
        except KeyError:
            self._counters.responses_out["other", status_class] += 1
        return True

    def once(self, request: Request, status: int, *, reason: str | None = None) -> bytes:
        """A response for which no transaction is made."""
        return build_response(request, status, reason=reason, to_tag=self._ids.tag(), headers=self._server).raw
