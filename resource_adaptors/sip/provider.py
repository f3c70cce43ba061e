"""What SBBs call on SIP: each command is judged at the call, noted, and enlisted in the delivery's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from resource_adaptors.sip.api import TEXT, ClientTransaction, Sip, Target
from resource_adaptors.sip.message.checks import check_address, check_text, header_lines
from resource_adaptors.sip.message.errors import LocalProtocolError
from resource_adaptors.sip.message.uri import Uri
from resource_adaptors.sip.protocol.requests import NewRequest

if TYPE_CHECKING:
    from resource_adaptors.sip.adaptor import SipAdaptor
    from slee.api.activity import ActivityContext

_FINAL: Final = 200
_ACCEPT: Final = ("Accept", "application/sdp")


class Respond(msgspec.Struct, frozen=True):
    """Answer a request."""

    server: Any
    status: int
    reason: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Fork(msgspec.Struct, frozen=True):
    """Forward a request to several targets."""

    server: Any
    targets: tuple[Target, ...]
    branches: tuple[str, ...]
    record_route: bool
    track: bool = False


class Send(msgspec.Struct, frozen=True):
    """Send a request of our own."""

    request: NewRequest


class CancelBranches(msgspec.Struct, frozen=True):
    """Cancel the branches of a request."""

    server: Any


class SipProvider(Sip):
    """The interface of one SIP resource adaptor entity."""

    def __init__(self, adaptor: SipAdaptor) -> None:
        self._adaptor = adaptor

    def is_served(self, uri: Uri) -> bool:
        return self._adaptor.core.router.is_served(uri)

    def is_waiting(self, aci: ActivityContext) -> bool:
        return self._adaptor.is_waiting(aci)

    def allowed(self) -> str:
        return self._adaptor.allowed()

    def respond(
        self,
        aci: ActivityContext,
        status: int,
        *,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        if not 101 <= status <= 699:
            raise LocalProtocolError(f"respond: status {status} [SIP-61, SIP-189]; give 101 to 699")
        server = self._adaptor.server(aci, "respond")
        if reason is not None:
            check_text("reason phrase", reason)
        header_lines(headers)
        if server.answered:
            raise LocalProtocolError(f"respond: {server} has its final answer [SIP-64]; answer a request once")
        self._adaptor.core.check_respond(server.transaction, status)
        context = self._adaptor.context
        if status >= _FINAL:
            server.answered = True
            context.on_rollback(server.forget_answer)
        context.enlist(Respond(server, status, reason, tuple(headers), bytes(body)))

    def reject(self, aci: ActivityContext, status: int, *, headers: Sequence[tuple[str, str]] = ()) -> None:
        if status < 300:
            raise LocalProtocolError(f"reject: status {status} is no refusal [SIP-181]; give 300 to 699")
        self.respond(aci, status, headers=headers)

    def redirect(self, aci: ActivityContext, contacts: Sequence[str], status: int = 302) -> None:
        if not 300 <= status <= 399:
            raise LocalProtocolError(f"redirect: status {status} is no redirection [SIP-181]; give 300 to 399")
        values = [f"<{contact}>" for contact in contacts]
        for value in values:
            check_address("Contact", value)
        self.respond(aci, status, headers=[("Contact", value) for value in values])

    def forward(
        self, aci: ActivityContext, to: Target, *, record_route: bool = False, track: bool = False
    ) -> ActivityContext:
        return self.fork(aci, (to,), record_route=record_route, track=track)[0]

    def fork(
        self, aci: ActivityContext, targets: Sequence[Target], *, record_route: bool = False, track: bool = False
    ) -> tuple[ActivityContext, ...]:
        adaptor = self._adaptor
        server = adaptor.server(aci, "fork")
        track = track or server.is_followed
        if track and server.transaction.method != "INVITE":
            raise LocalProtocolError(
                f"fork: {server} makes no dialog that can be followed [SIP-160]; track INVITE requests only"
            )
        if not targets:
            raise LocalProtocolError("fork: no target [SIP-151]; give at least one, or reject the request")
        for target in targets:
            for value in target.route:
                check_address("Route", value)
        if server.answered or server.cancelled:
            what = "cancelled" if server.cancelled else "answered"
            raise LocalProtocolError(f"fork: {server} is {what} [SIP-68, SIP-151]; leave it alone")
        context = adaptor.context
        branches = tuple(adaptor.core.new_branch(server.transaction, target.uri) for target in targets)
        server.branches += len(branches)
        context.on_rollback(server.forget_branches, len(branches))
        context.enlist(Fork(server, tuple(targets), branches, record_route or track, track))
        start = context.endpoint.start_activity_transacted
        return tuple(
            start(branch, ClientTransaction(branch, target)) for branch, target in zip(branches, targets, strict=True)
        )

    def follow(self, aci: ActivityContext) -> None:
        server = self._adaptor.server(aci, "follow")
        if server.transaction.method != "INVITE":
            raise LocalProtocolError(f"follow: {server} makes no dialog that can be followed [SIP-160]; follow INVITEs")
        if server.branches:
            raise LocalProtocolError(f"follow: {server} is forwarded already [SIP-160]; have a higher priority")
        if not server.is_followed:
            server.is_followed = True
            self._adaptor.context.on_rollback(server.forget_following)

    def send(
        self,
        method: str,
        to: str,
        *,
        from_: str,
        target: Target | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> ActivityContext:
        adaptor = self._adaptor
        uri, routes = (None, ()) if target is None else (target.uri, target.route)
        new = adaptor.core.new_request(method, to, from_=from_, uri=uri, routes=routes, headers=headers, body=body)
        context = adaptor.context
        context.enlist(Send(new))
        return context.endpoint.start_activity_transacted(
            new.branch, ClientTransaction(new.branch, Target(new.request.uri_text) if target is None else target)
        )

    def message(
        self,
        to: str,
        *,
        from_: str,
        body: bytes | str,
        content_type: str = TEXT,
        target: Target | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> ActivityContext:
        data = body.encode() if isinstance(body, str) else bytes(body)
        named = (*headers, ("Content-Type", content_type))
        return self.send("MESSAGE", to, from_=from_, target=target, headers=named, body=data)

    def options(
        self, to: str, *, from_: str, target: Target | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> ActivityContext:
        named = headers if any(name.lower() == "accept" for name, _ in headers) else (*headers, _ACCEPT)
        return self.send("OPTIONS", to, from_=from_, target=target, headers=named)

    def cancel_branches(self, aci: ActivityContext) -> None:
        server = self._adaptor.server(aci, "cancel_branches")
        self._adaptor.context.enlist(CancelBranches(server))
