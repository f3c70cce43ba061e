"""What a registrar must judge in a REGISTER request, whatever keeps the bindings (RFC 3261 10.3, SIP-117)."""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.uri import SipUri
from resource_adaptors.sip.message.values import NameAddr

DEFAULT_Q: Final = 1.0


class Refusal(Exception):
    """A REGISTER that must be refused; says how to answer it."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers


class RequestedBinding(msgspec.Struct, frozen=True):
    """One contact that a REGISTER asks to bind, or with `expires` 0 to remove."""

    contact: str
    q: float
    expires: int
    """Seconds, within the registrar's bounds."""


class ExpiryBounds(msgspec.Struct, frozen=True):
    """The registrar's expiry policy, in seconds (correction of APP-1)."""

    minimum: int
    default: int
    maximum: int


def requested_bindings(request: Request, bounds: ExpiryBounds) -> tuple[RequestedBinding, ...] | None:
    """The bindings that a REGISTER asks for; empty for a mere query, `None` for `Contact: *`, which removes all.

    Raises:
        Refusal: 400 for a wildcard that is not alone or not with `Expires: 0`, or a Contact that is no SIP URI or has
            a bad q; 423 for an expiry below the minimum (RFC 3261 10.2.2, 10.3 steps 6 and 7).
    """
    if request.contact_star:
        if request.contacts or request.expires != 0:
            raise Refusal(400, "Wildcard Contact Needs Expires 0")
        return None
    return tuple(_requested(request, contact, bounds) for contact in request.contacts)


def _requested(request: Request, contact: NameAddr, bounds: ExpiryBounds) -> RequestedBinding:
    if not isinstance(contact.uri, SipUri):
        raise Refusal(400, "Contact Is No SIP URI")
    q = contact.q
    if q is None:
        if contact.param("q") is not None:
            raise Refusal(400, "Bad q In Contact")
        q = DEFAULT_Q
    expires = contact.expires
    if expires is None:
        expires = request.expires
    if expires is None:
        expires = bounds.default
    if 0 < expires < bounds.minimum:
        raise Refusal(423, "Interval Too Brief", (("Min-Expires", str(bounds.minimum)),))
    return RequestedBinding(contact.uri.text, q, min(expires, bounds.maximum))
