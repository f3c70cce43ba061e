"""What is forwarded without a transaction: ACK, and a 2xx whose transaction a restart has ended (RFC 3261 16.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.sip.message.writer import forward_request, relay_response
from resource_adaptors.sip.protocol.layer import via_destination

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.protocol.layer import TransactionLayer
    from resource_adaptors.sip.protocol.routing import Path, Router

DEFAULT_MAX_FORWARDS: Final = 70


class StatelessProxy:
    """Forwards single messages."""

    def __init__(self, layer: TransactionLayer, router: Router, max_forwards_limit: int) -> None:
        self._layer = layer
        self._router = router
        self._max_forwards_limit = max_forwards_limit
        self.via = f"SIP/2.0/UDP {router.sent_by};rport;branch="
        """Our Via value, but for the branch."""

    def forward_ack(self, request: Request, path: Path, branch: str) -> bool:
        """Send an ACK on without a transaction (RFC 3261 16.11); `False` if it has nowhere to go."""
        if request.max_forwards == 0:
            return False
        plan = self._router.plan(path, path.uri)
        if plan.destination is None:
            return False
        sent = forward_request(
            request,
            uri=plan.uri,
            via=self.via + branch,
            max_forwards=self.lower(request.max_forwards),
            drop_routes=plan.drop,
            routes=plan.routes,
        )
        self._layer.send(sent.raw, plan.destination)
        self._layer.counters.count_request_out("ACK")
        return True

    def lower(self, max_forwards: int | None) -> int:
        """The Max-Forwards of a request that goes on (SIP-73)."""
        if max_forwards is None:
            return DEFAULT_MAX_FORWARDS
        limit = self._max_forwards_limit
        return max_forwards - 1 if max_forwards <= limit else limit

    def relay_stray(self, response: Response) -> bool:
        """Send a 2xx on whose transaction a restart has ended; `False` if it has nowhere to go (RFC 3261 16.7)."""
        via = response.next_via
        destination = None if via is None else via_destination(via)
        if destination is None:
            return False
        self._layer.send(relay_response(response), destination)
        self._layer.counters.count_response_out("INVITE", response.status)
        return True
