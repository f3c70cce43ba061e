"""Client transactions (RFC 3261 17.1, RFC 6026 8.4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.writer import ack_for
from resource_adaptors.sip.protocol import tables
from resource_adaptors.sip.protocol.transaction import Address, Layer, Transaction, runs

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.protocol.server import ServerTransaction

_NEVER: Final = math.inf
RECEIVING: Final = (
    "",
    tables.RECEIVE_1XX,
    tables.RECEIVE_2XX,
    tables.RECEIVE_3XX_6XX,
    tables.RECEIVE_3XX_6XX,
    tables.RECEIVE_3XX_6XX,
    tables.RECEIVE_3XX_6XX,
)
"""What a response is to the tables, by the class of its status."""

CANCEL_NOT_ASKED: Final = "not asked"
CANCEL_WAITING: Final = "waiting"
CANCEL_SENT: Final = "sent"


class ClientTransaction(Transaction):
    """A request that we sent, until it can have no more responses to absorb."""

    __slots__ = ("branch", "cancel_reason", "cancel_state", "is_overdue", "method", "owner", "request")

    resent = "request"
    initial_state: str

    def __init__(
        self,
        layer: Layer,
        branch: str,
        method: str,
        destination: Address,
        owner: ServerTransaction | None,
    ) -> None:
        super().__init__(layer, (branch, method), self.initial_state, destination)
        self.branch = branch
        """The branch parameter of its Via, which names it."""
        self.method = method
        self.owner = owner
        """The server transaction whose request it forwards, `None` if nobody is interested in its responses."""
        self.request: Request | None = None
        """What was sent, until a final response has come: `None` then."""
        self.cancel_state = CANCEL_NOT_ASKED
        self.cancel_reason: str | None = None
        """Value for the Reason header of the CANCEL."""
        self.is_overdue = False
        """Whether timer C has ended its ringing: it counts as 408 whatever it then answers, 2xx excepted."""

    def fail(self, reason: str, now: float) -> bool:
        """Report that the destination cannot be reached; `False` if that no longer matters."""
        return self.step(tables.TRANSPORT_ERROR, reason, now)

    def terminate(self) -> None:
        """Leave memory now; without effect a second time."""
        self.request = None
        self.owner = None
        super().terminate()

    # Actions of the tables.

    def send(self, payload: Request, now: float) -> None:
        self.request = payload
        self.wire = wire = payload.raw
        self.outlet.append((wire, self.destination))

    def deliver(self, payload: Response, now: float) -> None:
        self.layer.user.on_response(self, payload, now)

    def _finish(self) -> None:
        """Let go of what only a pending request needs; the transaction outlives it by half a minute."""
        self.resend_at = _NEVER
        self.request = None
        self.wire = b""
        self.layer.settled(self)


@runs(tables.CLIENT_INVITE)
class ClientInvite(ClientTransaction):
    """An INVITE that we sent."""

    __slots__ = ()

    kind = "client_invite"
    resend_symbol = tables.TIMER_A
    initial_state = tables.CALLING

    # Actions of the table.

    def send_ack(self, payload: Response, now: float) -> None:
        assert self.request is not None
        ack = ack_for(self.request, payload).raw
        self._finish()
        self.wire = ack
        self.outlet.append((ack, self.destination))

    def start_a(self, payload: object, now: float) -> None:
        if not self.is_reliable:
            self.interval = interval = self.layer.timing.t1
            self.resend_at = now + interval

    def double_a(self, payload: object, now: float) -> None:
        self._resend_after(self.interval * 2, now)

    def start_b(self, payload: object, now: float) -> None:
        self.alarm = tables.TIMER_B
        self.expire_at = now + self.layer.timing.timeout

    def stop_a_b(self, payload: object, now: float) -> None:
        self.resend_at = self.expire_at = _NEVER

    def start_d(self, payload: object, now: float) -> None:
        self.alarm = tables.TIMER_D
        self.expire_at = now if self.is_reliable else now + self.layer.timing.timer_d

    def start_m(self, payload: object, now: float) -> None:
        self._finish()
        self.alarm = tables.TIMER_M
        self.expire_at = now + self.layer.timing.timeout


@runs(tables.CLIENT_NON_INVITE)
class ClientNonInvite(ClientTransaction):
    """Any other request that we sent, but ACK."""

    __slots__ = ()

    kind = "client_non_invite"
    resend_symbol = tables.TIMER_E
    initial_state = tables.TRYING

    # Actions of the table.

    def start_e(self, payload: object, now: float) -> None:
        if not self.is_reliable:
            self.interval = interval = self.layer.timing.t1
            self.resend_at = now + interval

    def double_e(self, payload: object, now: float) -> None:
        self._double(now)

    def slow_e(self, payload: object, now: float) -> None:
        self._resend_after(self.layer.timing.t2, now)

    def start_f(self, payload: object, now: float) -> None:
        self.alarm = tables.TIMER_F
        self.expire_at = now + self.layer.timing.timeout

    def start_k(self, payload: object, now: float) -> None:
        self._finish()
        self.alarm = tables.TIMER_K
        self.expire_at = now if self.is_reliable else now + self.layer.timing.t4
