"""The SIP resource adaptor type: its events, its activities, and what SBBs call.

Events are exact: each message fires one event of one type (SIP-178). An event holds the immutable message and where it
came from. Names follow RFC 3261.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from resource_adaptors.sip.dialog_events import (
    DIALOG_EVENTS,
    INSIDE_EVENTS,
    Ack,
    Bye,
    DialogExpired,
    DialogInfo,
    DialogMessage,
    DialogNotify,
    DialogRefer,
    DialogRequest,
    DialogTerminated,
    DialogUpdate,
    Prack,
    ProxyDialog,
    Reinvite,
    Resubscribe,
)
from resource_adaptors.sip.message.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from resource_adaptors.sip.message.message import Message as SipMessage
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.uri import OtherUri, SipUri, TelUri, Uri, parse_uri
from resource_adaptors.sip.message.values import NameAddr
from resource_adaptors.sip.outcome import HearsOutcomes, Outcome
from resource_adaptors.sip.registration import ExpiryBounds, Refusal, RequestedBinding, requested_bindings
from resource_adaptors.sip.response_events import (
    RESPONSE_EVENTS,
    Accepted,
    Answered,
    Busy,
    Challenged,
    Declined,
    Failed,
    Progress,
    Redirected,
    Rejected,
    Ringing,
    TransactionTimeout,
    TransportError,
    Trying,
    Unavailable,
    response_event,
)
from slee.api.activity import ActivityContext
from slee.api.event import event_type
from slee.api.resource import ResourceAdaptorType
from slee.spi import ResourceInterface, command, opening_command, query


class Source(msgspec.Struct, frozen=True):
    """Where a message came from."""

    host: str
    port: int
    transport: str = "UDP"
    trust: str = "trusted"
    """Trust class of the listener: `trusted`, `edge` or `untrusted` (SIP-137)."""


class Target(msgspec.Struct, frozen=True):
    """Where to forward a request: the new Request-URI, and the Route values to put on it (RFC 3327 Path)."""

    uri: str
    route: tuple[str, ...] = ()


class ServerTransaction(msgspec.Struct, frozen=True):
    """Activity of a request received outside a dialog; ends when its final answer has been sent."""

    request: Request
    source: Source

    def __repr__(self) -> str:
        return f"{self.request.method} {self.request.uri_text} (Call-ID {self.request.call_id})"


class ClientTransaction(msgspec.Struct, frozen=True):
    """Activity of one branch of a forwarded request, or of a request of our own.

    Ends when its final response or failure has been delivered.
    """

    branch: str
    """The branch parameter of its Via, which names it (RFC 3261 17.1.3)."""
    target: Target

    def __repr__(self) -> str:
        return f"branch {self.branch} to {self.target.uri}"


# Requests outside a dialog, on the ServerTransaction.


@event_type("sip.Invite", vendor="slee", version="1.0")
class Invite:
    """INVITE outside a dialog (RFC 3261 13)."""

    request: Request
    source: Source


@event_type("sip.Register", vendor="slee", version="1.0")
class Register:
    """REGISTER (RFC 3261 10)."""

    request: Request
    source: Source


@event_type("sip.Options", vendor="slee", version="1.0")
class Options:
    """OPTIONS outside a dialog (RFC 3261 11)."""

    request: Request
    source: Source


@event_type("sip.Message", vendor="slee", version="1.0")
class Message:
    """MESSAGE outside a dialog (RFC 3428)."""

    request: Request
    source: Source


@event_type("sip.Subscribe", vendor="slee", version="1.0")
class Subscribe:
    """SUBSCRIBE outside a dialog (RFC 6665)."""

    request: Request
    source: Source


@event_type("sip.Publish", vendor="slee", version="1.0")
class Publish:
    """PUBLISH (RFC 3903)."""

    request: Request
    source: Source


@event_type("sip.Refer", vendor="slee", version="1.0")
class Refer:
    """REFER outside a dialog (RFC 3515)."""

    request: Request
    source: Source


@event_type("sip.Notify", vendor="slee", version="1.0")
class Notify:
    """NOTIFY outside a dialog (RFC 6665)."""

    request: Request
    source: Source


@event_type("sip.Info", vendor="slee", version="1.0")
class Info:
    """INFO outside a dialog (RFC 6086)."""

    request: Request
    source: Source


@event_type("sip.Update", vendor="slee", version="1.0")
class Update:
    """UPDATE outside a dialog (RFC 3311)."""

    request: Request
    source: Source


@event_type("sip.OtherRequest", vendor="slee", version="1.0")
class OtherRequest:
    """A request of any other method outside a dialog."""

    request: Request
    source: Source


@event_type("sip.Cancel", vendor="slee", version="1.0")
class Cancel:
    """The INVITE of this ServerTransaction was cancelled; the adaptor has answered the CANCEL (SIP-68)."""

    request: Request
    source: Source


@event_type("sip.ForkExhausted", vendor="slee", version="1.0")
class ForkExhausted:
    """No branch is left; add branches or answer in this event's handler, or `status` goes out (SIP-158)."""

    status: int
    """Status of the best answer (SIP-156)."""
    response: Response | None
    """The best answer, `None` if it was made locally."""
    unreachable: bool
    """Whether no branch got any answer because none of the targets could be reached."""


TEXT: Final = "text/plain;charset=UTF-8"
"""Content-Type of a MESSAGE that people read."""

REQUEST_EVENTS: Final[dict[str, type]] = {
    "INVITE": Invite,
    "REGISTER": Register,
    "OPTIONS": Options,
    "MESSAGE": Message,
    "SUBSCRIBE": Subscribe,
    "PUBLISH": Publish,
    "REFER": Refer,
    "NOTIFY": Notify,
    "INFO": Info,
    "UPDATE": Update,
}
"""Event class by method; every other method is an `OtherRequest` (SIP-178)."""


class Sip(ResourceInterface):
    """What SBBs call on SIP: `self.sip.fork(aci, ...)`.

    Commands take the context of the activity that they act on. Each raises `LocalProtocolError` in the handler when
    the activity's state forbids it, and is carried out after the handler's transaction has committed.
    """

    @query
    def is_served(self, uri: Uri) -> bool:
        """Whether the URI's host is one of the served domains or listeners (B26 `domains`)."""
        raise NotImplementedError

    @query
    def is_waiting(self, aci: ActivityContext) -> bool:
        """Whether nobody has decided on the request yet: not answered, not forwarded, not cancelled.

        Every service gets the event, the one of highest priority first; ask this before you answer or forward, unless
        yours is the only one.
        """
        raise NotImplementedError

    @query
    def allowed(self) -> str:
        """The value of Allow: the methods that the stack and the active services take (RFC 3261 20.5)."""
        raise NotImplementedError

    @command
    def respond(
        self,
        aci: ActivityContext,
        status: int,
        *,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer the request of a ServerTransaction, provisionally (101 to 199) or finally.

        Raises:
            LocalProtocolError: a final answer was given already, or a header value is not fit for the wire.
        """
        raise NotImplementedError

    @command
    def reject(self, aci: ActivityContext, status: int, *, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer finally with 300 to 699 and its usual reason phrase."""
        raise NotImplementedError

    @command
    def redirect(self, aci: ActivityContext, contacts: Sequence[str], status: int = 302) -> None:
        """Answer 3xx with Contact values."""
        raise NotImplementedError

    @opening_command
    def forward(
        self, aci: ActivityContext, to: Target, *, record_route: bool = False, track: bool = False
    ) -> ActivityContext:
        """Forward the request of a ServerTransaction to one target; returns the branch's context.

        With `track` the dialogs that an INVITE makes are followed: `Ringing`, `Progress` and `Answered` name the
        `ProxyDialog` activity to attach to, on which the requests inside it fire. It stays on the path for that.
        """
        raise NotImplementedError

    @opening_command
    def fork(
        self, aci: ActivityContext, targets: Sequence[Target], *, record_route: bool = False, track: bool = False
    ) -> tuple[ActivityContext, ...]:
        """Forward the request to all targets at once; the first 2xx cancels the others (SIP-157).

        Returns the contexts of the branches, in the order of the targets. For `track` see `forward`.
        """
        raise NotImplementedError

    @command
    def follow(self, aci: ActivityContext) -> None:
        """Have the dialogs of an INVITE followed, whichever service of lower priority forwards it; see `forward`.

        For services that watch calls: `Answered` then names the dialog to attach to.

        Raises:
            LocalProtocolError: it is no INVITE that waits for its answer, or it is forwarded already.
        """
        raise NotImplementedError

    @opening_command
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
        """Send a request of our own outside a dialog (RFC 3261 8.1); returns the context of its ClientTransaction.

        Its final response fires there by class (`Accepted`, `Rejected`, ...), or `TransactionTimeout` or
        `TransportError` does, and ends it. `message` and `options` are shorter for their methods.

        Args:
            method: any but INVITE, ACK, CANCEL, BYE and PRACK.
            to: URI of the recipient. To a user of ours, and without a target, the request comes in again as if from
                outside: services of higher priority see it, and the proxy forks it to the contacts. A user is ours at
                our domains, or at any name if none is configured; a numeric address is sent to as it is.
            from_: URI of the sender.
            target: where to send it instead: its URI becomes the Request-URI, its route the Route.
            headers: further headers; Via, From, To, Call-ID, CSeq, Max-Forwards and Content-Length are the stack's.
            body: with a Content-Type among the headers.

        Raises:
            LocalProtocolError: a value is not fit for the wire, or the method makes no such request.
        """
        raise NotImplementedError

    @opening_command
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
        """Send a MESSAGE of our own (RFC 3428); see `send`. `Accepted` says 200, delivered, or 202, stored.

        Args:
            to: URI of the recipient.
            from_: URI of the sender.
            body: octets, or text that is sent as UTF-8; the request is at most 1,300 octets long with its headers.
            content_type: of the body.
            target: see `send`.
            headers: further headers; no Contact, which a MESSAGE must not have (RFC 3428 4).

        Raises:
            LocalProtocolError: a value is not fit for the wire, or the request is too long (RFC 3428 8).
        """
        raise NotImplementedError

    @opening_command
    def options(
        self, to: str, *, from_: str, target: Target | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> ActivityContext:
        """Ask what a user agent can do (RFC 3261 11.1); see `send`. The answer is in the headers of `Accepted`."""
        raise NotImplementedError

    @command
    def cancel_branches(self, aci: ActivityContext) -> None:
        """Cancel every branch of the request that has no final answer yet."""
        raise NotImplementedError


SIP: Final[ResourceAdaptorType[Sip]] = ResourceAdaptorType(
    "SIP",
    vendor="slee",
    version="1.0",
    interface=Sip,
    events=(
        *REQUEST_EVENTS.values(),
        OtherRequest,
        Cancel,
        ForkExhausted,
        *RESPONSE_EVENTS,
        TransactionTimeout,
        TransportError,
        *DIALOG_EVENTS,
    ),
    activities=(ServerTransaction, ClientTransaction, ProxyDialog),
)

__all__ = [
    "DIALOG_EVENTS",
    "INSIDE_EVENTS",
    "REQUEST_EVENTS",
    "RESPONSE_EVENTS",
    "SIP",
    "TEXT",
    "Accepted",
    "Ack",
    "Answered",
    "Busy",
    "Bye",
    "Cancel",
    "Challenged",
    "ClientTransaction",
    "Declined",
    "DialogExpired",
    "DialogInfo",
    "DialogMessage",
    "DialogNotify",
    "DialogRefer",
    "DialogRequest",
    "DialogTerminated",
    "DialogUpdate",
    "ExpiryBounds",
    "Failed",
    "ForkExhausted",
    "HearsOutcomes",
    "Info",
    "Invite",
    "LocalProtocolError",
    "Message",
    "NameAddr",
    "Notify",
    "Options",
    "OtherRequest",
    "OtherUri",
    "Outcome",
    "Prack",
    "Progress",
    "ProtocolError",
    "ProxyDialog",
    "Publish",
    "Redirected",
    "Refer",
    "Refusal",
    "Register",
    "Reinvite",
    "Rejected",
    "RemoteProtocolError",
    "Request",
    "RequestedBinding",
    "Response",
    "Resubscribe",
    "Ringing",
    "ServerTransaction",
    "Sip",
    "SipMessage",
    "SipUri",
    "Source",
    "Subscribe",
    "Target",
    "TelUri",
    "TransactionTimeout",
    "TransportError",
    "Trying",
    "Unavailable",
    "Update",
    "Uri",
    "parse_uri",
    "requested_bindings",
    "response_event",
]
