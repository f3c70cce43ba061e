"""Server transactions (RFC 3261 17.2, RFC 6026 7.1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.protocol import tables
from resource_adaptors.sip.protocol.transaction import Address, Key, Layer, Transaction, runs

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request
    from resource_adaptors.sip.protocol.context import ResponseContext
    from resource_adaptors.sip.protocol.routing import Path

_NEVER: Final = math.inf
SENDING: Final = (
    "",
    tables.SEND_1XX,
    tables.SEND_2XX,
    tables.SEND_3XX_6XX,
    tables.SEND_3XX_6XX,
    tables.SEND_3XX_6XX,
    tables.SEND_3XX_6XX,
)
"""What a response is to the tables, by the class of its status."""


class ServerTransaction(Transaction):
    """A request that we received, until it can have no more retransmissions to absorb."""

    __slots__ = (
        "_request",
        "ack_key",
        "context",
        "is_cancelled",
        "is_merged",
        "local_tag",
        "merge_key",
        "method",
        "path",
        "source",
        "waiting_since",
    )

    resent = "response"
    initial_state: str

    def __init__(
        self, layer: Layer, key: Key, request: Request, source: Address, destination: Address, now: float
    ) -> None:
        super().__init__(layer, key, self.initial_state, destination)
        self._request: Request | None = request
        """`None` once there is a final answer: the transaction outlives that by half a minute."""
        self.method = request.method
        self.source = source
        """Where the request came from."""
        self.local_tag = ""
        """The To tag of what we answer ourselves; empty until first needed (SIP-65)."""
        self.context: ResponseContext | None = None
        """The branches of the forwarded request, `None` if it was not forwarded."""
        self.is_cancelled = False
        """Whether a CANCEL has come for it."""
        self.path: Path | None = None
        """What its Request-URI and Route values say."""
        self.waiting_since = now
        """When it came, or the last provisional response went out."""
        self.merge_key: Key = ()
        """What other copies of the request have in common with it; empty for a request inside a dialog."""
        self.is_merged = False
        """Whether such a copy was known when it came (SIP-72)."""
        self.ack_key: Key = ()
        """What an ACK for the 2xx that we gave ourselves must match; empty without one."""

    @property
    def request(self) -> Request:
        """The request, with the parameters of its top Via that RFC 3581 asks for.

        Raises:
            LocalProtocolError: the transaction has its final answer; it no longer keeps the request.
        """
        if self._request is None:
            raise LocalProtocolError(
                f"SIP core: the {self.method} transaction has its final answer (SIP-64); answer and forward before that"
            )
        return self._request

    @property
    def is_answered(self) -> bool:
        """Whether the final answer has been sent, or given up."""
        return self._request is None

    def terminate(self) -> None:
        """Leave memory now; without effect a second time."""
        self._request = None
        self.context = None
        super().terminate()

    def abandon(self) -> None:
        """Answer nothing any more, and absorb retransmissions until the end of the transaction (SIP-62)."""
        self._request = None

    def _let_go(self) -> None:
        """Free what only an unanswered request needs: the transaction outlives its answer by half a minute."""
        self._request = None
        self.path = None

    # Actions of the tables.

    def send(self, payload: bytes, now: float) -> None:
        self.wire = payload
        self.outlet.append((payload, self.destination))


@runs(tables.SERVER_INVITE)
class ServerInvite(ServerTransaction):
    """An INVITE that we received."""

    __slots__ = ()

    kind = "server_invite"
    resend_symbol = tables.TIMER_G
    initial_state = tables.PROCEEDING

    # Actions of the table.

    def send_once(self, payload: bytes, now: float) -> None:
        self.outlet.append((payload, self.destination))

    def deliver(self, payload: Request, now: float) -> None:
        self.layer.user.on_ack(self, payload, now)

    def start_g(self, payload: object, now: float) -> None:
        self._resend_after(self.layer.timing.t1, now)

    def double_g(self, payload: object, now: float) -> None:
        self._double(now)

    def start_h(self, payload: object, now: float) -> None:
        self._let_go()
        self.alarm = tables.TIMER_H
        self.expire_at = now + self.layer.timing.timeout

    def stop_g_h(self, payload: object, now: float) -> None:
        self.resend_at = self.expire_at = _NEVER
        self.wire = b""

    def start_i(self, payload: object, now: float) -> None:
        self.alarm = tables.TIMER_I
        self.expire_at = now if self.is_reliable else now + self.layer.timing.t4

    def start_l(self, payload: object, now: float) -> None:
        self._let_go()
        self.wire = b""
        self.alarm = tables.TIMER_L
        self.expire_at = now + self.layer.timing.timeout


@runs(tables.SERVER_NON_INVITE)
class ServerNonInvite(ServerTransaction):
    """Any other request that we received, but ACK."""

    __slots__ = ()

    kind = "server_non_invite"
    resend_symbol = ""
    initial_state = tables.TRYING

    # Actions of the table.

    def start_j(self, payload: object, now: float) -> None:
        self._let_go()
        self.local_tag = ""
        self.alarm = tables.TIMER_J
        self.expire_at = now if self.is_reliable else now + self.layer.timing.timeout
