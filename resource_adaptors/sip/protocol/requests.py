"""Requests of our own outside dialogs: the user agent client (RFC 3261 8.1, RFC 3428)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.writer import Headers, build_request
from resource_adaptors.sip.protocol.events import RequestAnswered, RequestFailed
from resource_adaptors.sip.protocol.ids import MAGIC_COOKIE
from resource_adaptors.sip.protocol.routing import NO_ROUTE, Path

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request, Response
    from resource_adaptors.sip.protocol.client import ClientTransaction
    from resource_adaptors.sip.protocol.ids import Ids
    from resource_adaptors.sip.protocol.layer import TransactionLayer
    from resource_adaptors.sip.protocol.notices import Notices
    from resource_adaptors.sip.protocol.routing import Router


LONGEST_MESSAGE: Final = 1300
"""Octets of a MESSAGE outside a dialog: it must not congest the network (RFC 3428 8)."""


class NewRequest(msgspec.Struct, frozen=True):
    """A request to be sent."""

    branch: str
    """Names it; from `SipCore.new_request_branch`."""
    method: str
    uri: str
    """Request-URI."""
    from_: str
    """From without a tag."""
    to: str
    routes: tuple[str, ...] = ()
    """Route values, the next hop first (RFC 3261 8.1.1.1)."""
    headers: Headers = ()
    body: bytes = b""


class OwnRequests:
    """Sends requests, and tells of what comes back."""

    def __init__(self, layer: TransactionLayer, router: Router, ids: Ids, notices: Notices) -> None:
        self._layer = layer
        self._router = router
        self._ids = ids
        self._events = notices.events
        self._via = f"SIP/2.0/UDP {router.sent_by};rport;branch="
        self._pending: set[str] = set()
        """Names of the requests without a final response."""

    def new_branch(self) -> str:
        """A new branch; what loops is known by is none of a request's that begins here."""
        return MAGIC_COOKIE + self._ids.tag() + self._ids.tag()[:8]

    def build(self, new: NewRequest) -> tuple[Request, tuple[str, int] | None]:
        """The request as it leaves, and where it goes; `None` if its next hop has no address that we can send to.

        Raises:
            LocalProtocolError: a value is not fit for the wire.
        """
        plan = self._router.plan(Path(new.uri, 0, (), 0), new.uri, new.routes)
        request = build_request(
            new.method,
            plan.uri,
            via=self._via + new.branch,
            from_=f"{new.from_};tag={self._ids.tag()}",
            to=new.to,
            call_id=f"{self._ids.tag()}{self._ids.tag()}@{self._router.sent_by_address[0]}",
            cseq=1,
            headers=(*(("Route", route) for route in plan.routes), *new.headers),
            body=new.body,
        )
        return request, plan.destination

    def check(self, new: NewRequest) -> None:
        """Refuse what could not be sent.

        Raises:
            LocalProtocolError: a value is not fit for the wire, or a MESSAGE is longer than may be sent over UDP.
        """
        request, _ = self.build(new)
        length = len(request.raw)
        if new.method == "MESSAGE" and length > LONGEST_MESSAGE:
            raise LocalProtocolError(
                f"message to {new.uri}: it has {length} octets, more than {LONGEST_MESSAGE} [SIP-102, RFC 3428 8]; "
                "send less, or a link to it"
            )

    def send(self, new: NewRequest, now: float) -> None:
        """Send a request."""
        request, destination = self.build(new)
        if destination is None:
            self._layer.counters.count_transport_error(NO_ROUTE)
            self._events.append(RequestFailed(new.branch, "", NO_ROUTE))
            return
        self._pending.add(new.branch)
        self._layer.counters.count_request_out(new.method)
        self._layer.start(request, new.branch, destination, None, now)

    def on_response(self, client: ClientTransaction, response: Response) -> None:
        """A response that the transaction does not absorb."""
        if client.branch not in self._pending:
            return  # to a CANCEL
        if response.status >= 200:
            self._pending.discard(client.branch)
        self._events.append(RequestAnswered(client.branch, response))

    def on_timeout(self, client: ClientTransaction) -> bool:
        """Timer F; `False` if it is no request of ours."""
        if client.branch not in self._pending:
            return False
        self._layer.counters.timeouts[client.alarm] += 1
        self._fail(client.branch, client.alarm, "")
        return True

    def on_error(self, client: ClientTransaction, reason: str) -> bool:
        """It cannot be sent; `False` if it is no request of ours."""
        if client.branch not in self._pending:
            return False
        self._layer.counters.count_transport_error(reason)
        self._fail(client.branch, "", reason)
        return True

    def _fail(self, branch: str, timer: str, reason: str) -> None:
        self._pending.discard(branch)
        self._events.append(RequestFailed(branch, timer, reason))
