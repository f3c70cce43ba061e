"""Requests of our own outside dialogs: the user agent client (RFC 3261 8.1, RFC 3428)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.sip.message.checks import check_address
from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.uri import OtherUri, UriError, parse_uri
from resource_adaptors.sip.message.writer import Headers, build_request
from resource_adaptors.sip.protocol import tables
from resource_adaptors.sip.protocol.client import ClientNonInvite
from resource_adaptors.sip.protocol.events import RequestAnswered, RequestFailed
from resource_adaptors.sip.protocol.routing import NO_ROUTE, Path
from resource_adaptors.sip.protocol.transaction import Address, Layer, runs

if TYPE_CHECKING:
    from resource_adaptors.sip.protocol.events import Event
    from resource_adaptors.sip.protocol.ids import Ids
    from resource_adaptors.sip.protocol.layer import TransactionLayer
    from resource_adaptors.sip.protocol.notices import Notices
    from resource_adaptors.sip.protocol.routing import Router

LONGEST_MESSAGE: Final = 1300
"""Octets of a MESSAGE outside a dialog, headers and all: it must not congest the network (RFC 3428 8)."""
_NOT_OURS: Final = {
    "INVITE": "it makes a dialog",
    "ACK": "it belongs to an INVITE",
    "CANCEL": "it belongs to an INVITE",
    "BYE": "it belongs to a dialog",
    "PRACK": "it belongs to a dialog",
}
"""Methods of which a request outside a dialog cannot be made here, and why."""
_HALF_A_TAG: Final = 8


class NewRequest(msgspec.Struct, frozen=True):
    """A request of our own, complete, and where it goes."""

    branch: str
    """The branch parameter of its Via, which names it."""
    request: Request
    destination: Address | None
    """`None` if its next hop has no address that we can send to."""


@runs(tables.CLIENT_NON_INVITE)
class OwnTransaction(ClientNonInvite):
    """The client transaction of a request of our own: what it has to tell goes to the adaptor, not to the proxy."""

    __slots__ = ("_events",)

    def __init__(
        self, events: list[Event], layer: Layer, branch: str, method: str, destination: Address, owner: None
    ) -> None:
        super().__init__(layer, branch, method, destination, owner)
        self._events = events

    # Actions of the table.

    def deliver(self, payload: Response, now: float) -> None:
        self._events.append(RequestAnswered(self.branch, payload))

    def report_timeout(self, payload: object, now: float) -> None:
        self.layer.counters.timeouts[self.alarm] += 1
        self._events.append(RequestFailed(self.branch, timer=self.alarm))

    def report_error(self, payload: str, now: float) -> None:
        self.layer.counters.count_transport_error(payload)
        self._events.append(RequestFailed(self.branch, reason=payload))


class OwnRequests:
    """Makes requests and sends them; `RequestAnswered` and `RequestFailed` tell what becomes of them."""

    def __init__(self, layer: TransactionLayer, router: Router, ids: Ids, notices: Notices, user_agent: str) -> None:
        self._layer = layer
        self._router = router
        self._ids = ids
        self._events = notices.events
        self._via = f"SIP/2.0/UDP {router.sent_by};rport;branch="
        self._headers: tuple[tuple[str, str], ...] = (("User-Agent", user_agent),) if user_agent else ()
        self._transaction = partial(OwnTransaction, notices.events)

    def make(
        self,
        method: str,
        to: str,
        *,
        from_: str,
        uri: str | None = None,
        routes: tuple[str, ...] = (),
        headers: Headers = (),
        body: bytes = b"",
    ) -> NewRequest:
        """Make a request: its identifiers are drawn, its next hop is chosen (RFC 3261 8.1.1, 8.1.2).

        Args:
            method: none that belongs to a dialog or to another request.
            to: URI for To, and for the Request-URI unless `uri` says otherwise.
            from_: URI for From, which gets a new tag.
            uri: the Request-URI. Without it a request to a user of ours goes to this listener itself, as if it had
                come from outside: services look the user up, and fork it.
            routes: Route values, the next hop first.
            headers: further headers.
            body: with a Content-Type among `headers`.

        Raises:
            LocalProtocolError: the method is none for this, a value is not fit for the wire, or a MESSAGE is longer
                than may be sent (RFC 3428 8).
        """
        _check(method, to, from_, headers, body)
        for route in routes:
            check_address("Route", route)
        if uri is None and not routes and self._is_looked_up(to):
            routes = (self._router.record_route,)
        plan = self._router.plan(Path(uri or to, 0, (), 0), uri or to, routes)
        ids = self._ids
        branch = ids.branch(ids.tag()[:_HALF_A_TAG])
        request = build_request(
            method,
            plan.uri,
            via=self._via + branch,
            from_=f"<{from_}>;tag={ids.tag()}",
            to=f"<{to}>",
            call_id=f"{ids.tag()}{ids.tag()}@{self._router.sent_by_address[0]}",
            cseq=1,
            headers=(*(("Route", route) for route in plan.routes), *headers, *self._headers),
            body=body,
        )
        if method == "MESSAGE" and (length := len(request.raw)) > LONGEST_MESSAGE:
            raise LocalProtocolError(
                f"MESSAGE to {to}: {length} octets with its headers, at most {LONGEST_MESSAGE} may be sent "
                "[SIP-102, RFC 3428 8]; send less, or a link to it"
            )
        return NewRequest(branch, request, plan.destination)

    def _is_looked_up(self, to: str) -> bool:
        """Whether services know where a recipient is: at a domain of ours, or at a name where every domain is ours."""
        hop = self._router.hop(to)
        return hop.is_own or (hop.destination is None and self._router.is_served(parse_uri(to)))

    def send(self, new: NewRequest, now: float) -> None:
        """Send a request."""
        request, destination = new.request, new.destination
        if destination is None:
            self._layer.counters.count_transport_error(NO_ROUTE)
            self._events.append(RequestFailed(new.branch, reason=NO_ROUTE))
            return
        self._layer.counters.count_request_out(request.method)
        self._layer.start(request, new.branch, destination, None, now, self._transaction)


def _check(method: str, to: str, from_: str, headers: Headers, body: bytes) -> None:
    """Refuse what makes no request outside a dialog, before its identifiers are drawn."""
    reason = _NOT_OURS.get(method)
    if reason is not None:
        raise LocalProtocolError(
            f"{method} to {to}: {reason}, and is not sent by itself [SIP-181]; give another method"
        )
    for name, uri in (("To", to), ("From", from_)):
        try:
            if isinstance(parse_uri(uri), OtherUri):
                raise UriError(f"{uri!r} is neither a sip nor a tel URI")
        except UriError as error:
            raise LocalProtocolError(f"{method}: {name} [SIP-18]: {error}") from None
    names = {name.lower() for name, _ in headers}
    if method == "MESSAGE" and names & {"contact", "m"}:
        raise LocalProtocolError("MESSAGE: it has no Contact [SIP-102, RFC 3428 4]; leave it out")
    if body and not names & {"content-type", "c"}:
        raise LocalProtocolError(f"{method} to {to}: a body needs a Content-Type [RFC 3261 7.4.1]; add the header")
