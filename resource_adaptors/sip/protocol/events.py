"""What the core tells the adaptor: plain values, drained from `SipCore.events` after each call."""

from __future__ import annotations

import msgspec

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.protocol.followed import FollowedBranch, HeldAnswer, ProxyDialog
from resource_adaptors.sip.protocol.server import ServerTransaction


class RequestReceived(msgspec.Struct, frozen=True, gc=False):
    """A new request that a service must answer: answer, forward or `finish` its transaction."""

    transaction: ServerTransaction
    request: Request


class CancelReceived(msgspec.Struct, frozen=True, gc=False):
    """The INVITE was cancelled, the CANCEL answered (SIP-68). A step: call `SipCore.proceed` when it is processed."""

    transaction: ServerTransaction
    request: Request
    """The CANCEL."""


class ProvisionalReceived(msgspec.Struct, frozen=True, gc=False):
    """A branch had a provisional response; it has been forwarded already unless it was 100."""

    transaction: ServerTransaction
    branch: str
    """The branch's name, as it was given to `forward`."""
    response: Response
    dialog: ProxyDialog | None = None
    """The dialog that it belongs to, if that is followed."""


class FinalReceived(msgspec.Struct, frozen=True, gc=False):
    """A branch ended with a final response. Other than 2xx it is a step: call `SipCore.proceed` when it is processed.

    A 2xx has been forwarded already.
    """

    transaction: ServerTransaction
    branch: str
    response: Response
    is_local: bool = False
    """Whether the product made it, because the branch could not be forwarded (correction of SIP-151)."""


class BranchTimeout(msgspec.Struct, frozen=True, gc=False):
    """A branch had no final response in time. A step: call `SipCore.proceed` when it is processed."""

    transaction: ServerTransaction
    branch: str
    timer: str
    """`B`, `C` or `F`."""


class TransportFailure(msgspec.Struct, frozen=True, gc=False):
    """A branch's target cannot be reached. A step: call `SipCore.proceed` when it is processed."""

    transaction: ServerTransaction
    branch: str
    reason: str
    """One of `refused`, `unreachable`, `no_route`, `send_failed`."""


class BranchesExhausted(msgspec.Struct, frozen=True, gc=False):
    """No branch is left. A step: add branches or answer before `SipCore.proceed`, which sends the best answer."""

    transaction: ServerTransaction
    status: int
    """Status of the best answer (SIP-156)."""
    response: Response | None
    """The best answer, `None` if no target gave it."""
    is_unreachable: bool
    """Whether no branch got an answer because no target could be reached."""


class AckReceived(msgspec.Struct, frozen=True, gc=False):
    """The 2xx that a service gave to an INVITE was acknowledged."""

    transaction: ServerTransaction
    request: Request
    """The ACK."""


class AckTimeout(msgspec.Struct, frozen=True, gc=False):
    """A final answer was never acknowledged (timer H, or 64 times T1 for a 2xx)."""

    transaction: ServerTransaction


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The final answer has been sent, or can no longer be: nothing more will happen to the transaction's request."""

    transaction: ServerTransaction
    status: int
    """What was sent; 0 if nothing, as for a non-INVITE request past its deadline (SIP-62)."""


class DialogBegun(msgspec.Struct, frozen=True, gc=False):
    """The first response with a To tag has come on a followed branch; the response itself is told next."""

    dialog: ProxyDialog
    transaction: ServerTransaction
    branch: str
    response: Response


class AnswerHeld(msgspec.Struct, frozen=True, gc=False):
    """A 2xx to a followed INVITE has come, and ends its branch. It is sent on when `SipCore.release` is called."""

    held: FollowedBranch
    transaction: ServerTransaction
    branch: str
    response: Response
    dialog: ProxyDialog


class DialogRequest(msgspec.Struct, frozen=True, gc=False):
    """A request inside a followed dialog has come, and is being forwarded."""

    dialog: ProxyDialog
    request: Request
    source: tuple[str, int]
    is_from_caller: bool


class DialogOver(msgspec.Struct, frozen=True, gc=False):
    """A followed dialog has ended."""

    dialog: ProxyDialog
    cause: str
    """`bye`; `gone`, the other side knows it no more; or `failed`, it never was more than early."""
    status: int
    """Status of the answer that ended it."""
    held: HeldAnswer | None
    """The answer, which is sent on when `SipCore.release` is called; `None` if nothing waits."""


class RequestAnswered(msgspec.Struct, frozen=True, gc=False):
    """A request of our own has a response; a final one ends it."""

    branch: str
    response: Response


class RequestFailed(msgspec.Struct, frozen=True, gc=False):
    """A request of our own has ended without a final response."""

    branch: str
    timer: str = ""
    """`F` if none came in time, empty if it could not be sent."""
    reason: str = ""
    """Why it could not be sent: one of the reasons of `TransportFailure`."""


Event = (
    RequestReceived
    | CancelReceived
    | ProvisionalReceived
    | FinalReceived
    | BranchTimeout
    | TransportFailure
    | BranchesExhausted
    | AckReceived
    | AckTimeout
    | Answered
    | DialogBegun
    | AnswerHeld
    | DialogRequest
    | DialogOver
    | RequestAnswered
    | RequestFailed
)
