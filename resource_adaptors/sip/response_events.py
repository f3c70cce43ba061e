"""Events of responses and failures, on a ClientTransaction (SIP-178). Use them from `api`."""

from __future__ import annotations

from typing import Final

from resource_adaptors.sip.message.message import Response
from slee.api.activity import ActivityContext
from slee.api.event import event_type


@event_type("sip.Trying", vendor="slee", version="1.0")
class Trying:
    """100."""

    response: Response


@event_type("sip.Ringing", vendor="slee", version="1.0")
class Ringing:
    """180."""

    response: Response
    dialog: ActivityContext | None = None
    """The dialog that the response belongs to, if the request was forwarded with `track=True`."""


@event_type("sip.Progress", vendor="slee", version="1.0")
class Progress:
    """Any other of 101 to 199."""

    response: Response
    dialog: ActivityContext | None = None
    """The dialog that the response belongs to, if the request was forwarded with `track=True`."""


@event_type("sip.Answered", vendor="slee", version="1.0")
class Answered:
    """2xx to INVITE. Of a followed dialog it goes to the caller when this has been processed and recorded."""

    response: Response
    dialog: ActivityContext | None = None
    """The dialog that the response belongs to, if the request was forwarded with `track=True`."""


@event_type("sip.Accepted", vendor="slee", version="1.0")
class Accepted:
    """2xx to another method."""

    response: Response


@event_type("sip.Redirected", vendor="slee", version="1.0")
class Redirected:
    """3xx."""

    response: Response


@event_type("sip.Challenged", vendor="slee", version="1.0")
class Challenged:
    """401 or 407."""

    response: Response


@event_type("sip.Busy", vendor="slee", version="1.0")
class Busy:
    """486 or 600."""

    response: Response


@event_type("sip.Unavailable", vendor="slee", version="1.0")
class Unavailable:
    """408 or 480."""

    response: Response


@event_type("sip.Declined", vendor="slee", version="1.0")
class Declined:
    """603, 607 or 608."""

    response: Response


@event_type("sip.Rejected", vendor="slee", version="1.0")
class Rejected:
    """Any other 4xx or 6xx."""

    response: Response


@event_type("sip.Failed", vendor="slee", version="1.0")
class Failed:
    """5xx."""

    response: Response


@event_type("sip.TransactionTimeout", vendor="slee", version="1.0")
class TransactionTimeout:
    """No final response came in time: timer B, C or F (RFC 3261 17.1, 16.8)."""

    timer: str
    """`B`, `C` or `F`."""


@event_type("sip.TransportError", vendor="slee", version="1.0")
class TransportError:
    """The request could not be sent, or the target is unreachable."""

    reason: str
    """One of a closed list: `refused`, `unreachable`, `no_route`, `send_failed`."""


_BY_STATUS: Final[dict[int, type]] = {
    100: Trying,
    180: Ringing,
    401: Challenged,
    407: Challenged,
    408: Unavailable,
    480: Unavailable,
    486: Busy,
    600: Busy,
    603: Declined,
    607: Declined,
    608: Declined,
}
_BY_CLASS: Final[dict[int, type]] = {1: Progress, 2: Accepted, 3: Redirected, 4: Rejected, 5: Failed, 6: Rejected}

RESPONSE_EVENTS: Final = (
    Trying,
    Ringing,
    Progress,
    Answered,
    Accepted,
    Redirected,
    Challenged,
    Busy,
    Unavailable,
    Declined,
    Rejected,
    Failed,
)


def response_event(status: int, method: str) -> type:
    """The one event class that a response fires (SIP-178); an unknown status counts as its class (SIP-190)."""
    found = _BY_STATUS.get(status)
    if found is not None:
        return found
    if 200 <= status < 300 and method == "INVITE":
        return Answered
    return _BY_CLASS[status // 100]


__all__ = [
    "RESPONSE_EVENTS",
    "Accepted",
    "Answered",
    "Busy",
    "Challenged",
    "Declined",
    "Failed",
    "Progress",
    "Redirected",
    "Rejected",
    "Ringing",
    "TransactionTimeout",
    "TransportError",
    "Trying",
    "Unavailable",
    "response_event",
]
