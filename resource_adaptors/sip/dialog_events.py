"""Events of a followed dialog: requests inside it, and its end (SIP-178; SIP-160 as corrected). Use them from `api`."""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.sip.message.message import Request
from slee.api.event import event_type


class ProxyDialog(msgspec.Struct, frozen=True):
    """Activity of a dialog that passes through the proxy, of a call forwarded with `track=True`.

    Begins with the first response that has a To tag; ends when a BYE has been answered, when the INVITE fails, when a
    side says that it knows the dialog no more, or at the end of its lifetime. Survives a restart once it is confirmed.
    """

    call_id: str
    caller_tag: str
    callee_tag: str
    caller: str
    """Address-of-record in From."""
    callee: str
    """Address-of-record in To."""

    def __repr__(self) -> str:
        return f"dialog {self.call_id} from {self.caller} to {self.callee}"


@event_type("sip.Bye", vendor="slee", version="1.0")
class Bye:
    """BYE: the call ends when it has been answered; `DialogTerminated` tells."""

    request: Request
    is_from_caller: bool


@event_type("sip.Reinvite", vendor="slee", version="1.0")
class Reinvite:
    """INVITE inside a dialog."""

    request: Request
    is_from_caller: bool


@event_type("sip.Ack", vendor="slee", version="1.0")
class Ack:
    """ACK of a 2xx; repetitions are not told."""

    request: Request
    is_from_caller: bool


@event_type("sip.Prack", vendor="slee", version="1.0")
class Prack:
    """PRACK (RFC 3262)."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogUpdate", vendor="slee", version="1.0")
class DialogUpdate:
    """UPDATE inside a dialog (RFC 3311)."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogInfo", vendor="slee", version="1.0")
class DialogInfo:
    """INFO inside a dialog (RFC 6086)."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogRefer", vendor="slee", version="1.0")
class DialogRefer:
    """REFER inside a dialog (RFC 3515)."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogMessage", vendor="slee", version="1.0")
class DialogMessage:
    """MESSAGE inside a dialog (RFC 3428)."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogNotify", vendor="slee", version="1.0")
class DialogNotify:
    """NOTIFY inside a dialog (RFC 6665)."""

    request: Request
    is_from_caller: bool


@event_type("sip.Resubscribe", vendor="slee", version="1.0")
class Resubscribe:
    """SUBSCRIBE inside a dialog (RFC 6665)."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogRequest", vendor="slee", version="1.0")
class DialogRequest:
    """A request of any other method inside a dialog."""

    request: Request
    is_from_caller: bool


@event_type("sip.DialogTerminated", vendor="slee", version="1.0")
class DialogTerminated:
    """The dialog is over; the answer that ended it goes on when this has been processed and recorded."""

    cause: str
    """`bye`; `failed`, it was never more than early; or `gone`, one side knew it no more (481)."""
    status: int
    """Status of the answer that ended it."""


@event_type("sip.DialogExpired", vendor="slee", version="1.0")
class DialogExpired:
    """The dialog has reached its lifetime and is not followed any more; the call itself may go on (SIP-87)."""


INSIDE_EVENTS: Final[dict[str, type]] = {
    "BYE": Bye,
    "INVITE": Reinvite,
    "ACK": Ack,
    "PRACK": Prack,
    "UPDATE": DialogUpdate,
    "INFO": DialogInfo,
    "REFER": DialogRefer,
    "MESSAGE": DialogMessage,
    "NOTIFY": DialogNotify,
    "SUBSCRIBE": Resubscribe,
}
"""Event class by method of a request inside a followed dialog; every other method is a `DialogRequest` (SIP-178)."""

DIALOG_EVENTS: Final = (*INSIDE_EVENTS.values(), DialogRequest, DialogTerminated, DialogExpired)

__all__ = [
    "DIALOG_EVENTS",
    "INSIDE_EVENTS",
    "Ack",
    "Bye",
    "DialogExpired",
    "DialogInfo",
    "DialogMessage",
    "DialogNotify",
    "DialogRefer",
    "DialogRequest",
    "DialogTerminated",
    "DialogUpdate",
    "Prack",
    "ProxyDialog",
    "Reinvite",
    "Resubscribe",
]
