"""One method for every way in which a request of our own can end, for services that send them. Use it from `api`.

class Desk(HearsOutcomes, Sbb, vendor="example.net", version="1.0"):
    def on_outcome(self, outcome: Outcome, aci: ActivityContext) -> None: ...
"""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.sip.message.message import Response
from resource_adaptors.sip.response_events import (
    Accepted,
    Busy,
    Challenged,
    Declined,
    Failed,
    Redirected,
    Rejected,
    TransactionTimeout,
    TransportError,
    Unavailable,
)
from slee.api.activity import ActivityContext
from slee.api.handler import handles

TIMED_OUT: Final = 408
UNREACHABLE: Final = 503


class Outcome(msgspec.Struct, frozen=True):
    """How a request of our own has ended."""

    status: int
    """Of the final response; without one 408 for a timeout and 503 for a transport error (RFC 3261 8.1.3.1)."""
    reason: str
    """The response's reason phrase, or what kept it away, such as `timer F` or `no_route`."""
    response: Response | None = None

    @property
    def is_success(self) -> bool:
        """Whether it is 2xx."""
        return 200 <= self.status < 300


class HearsOutcomes:
    """Mix it into an SBB that attaches itself to what it sends: each outcome comes to `on_outcome`, once.

    The SBB must handle none of these events itself. Attached to branches of forwarded requests it hears of them too.
    """

    __slots__ = ()

    def on_outcome(self, outcome: Outcome, aci: ActivityContext) -> None:
        """A request has ended; `aci` is the context that sending it returned."""
        raise NotImplementedError(f"{type(self).__name__} mixes in HearsOutcomes; define on_outcome")

    @handles
    def on_accepted(self, event: Accepted, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_redirected(self, event: Redirected, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_challenged(self, event: Challenged, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_busy(self, event: Busy, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_unavailable(self, event: Unavailable, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_declined(self, event: Declined, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_rejected(self, event: Rejected, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_failed(self, event: Failed, aci: ActivityContext) -> None:
        self.on_outcome(_of(event.response), aci)

    @handles
    def on_transaction_timeout(self, event: TransactionTimeout, aci: ActivityContext) -> None:
        self.on_outcome(Outcome(TIMED_OUT, f"timer {event.timer}"), aci)

    @handles
    def on_transport_error(self, event: TransportError, aci: ActivityContext) -> None:
        self.on_outcome(Outcome(UNREACHABLE, event.reason), aci)


def _of(response: Response) -> Outcome:
    return Outcome(response.status, response.reason, response)


__all__ = ["TIMED_OUT", "UNREACHABLE", "HearsOutcomes", "Outcome"]
