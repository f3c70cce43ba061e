"""What the adaptor answers by itself where no service does (COM-9, B23)."""

from __future__ import annotations

from typing import Final

from resource_adaptors.sip.api import REQUEST_EVENTS, OtherRequest
from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.message.uri import SipUri
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.server import ServerTransaction

RETRY_LATER: Final = (("Retry-After", "10"),)
"""What a refusal for want of resources says (COM-10)."""
_STACK: Final = ("ACK", "CANCEL", "BYE", "OPTIONS")
"""Methods that the stack handles without a service."""


def allowed(received: frozenset[type]) -> str:
    """The value of Allow: what the stack and the active services take."""
    methods = [method for method, event in REQUEST_EVENTS.items() if event in received]
    return ", ".join(dict.fromkeys((*methods, *_STACK)))


def answer_without_service(
    core: SipCore, transaction: ServerTransaction, request: Request, received: frozenset[type], now: float
) -> None:
    """Answer a request whose method no active service receives: 200 to our OPTIONS, else 405 or 501."""
    allow = ("Allow", allowed(received))
    if request.method == "OPTIONS" and _is_for_domain(core, request):
        core.respond(transaction, 200, now, headers=(allow, ("Accept", "application/sdp")))
    elif REQUEST_EVENTS.get(request.method, OtherRequest) is OtherRequest:
        core.respond(transaction, 501, now, headers=(allow,))
    else:
        core.respond(transaction, 405, now, headers=(allow,))


def unclaimed(core: SipCore, transaction: ServerTransaction, now: float) -> None:
    """Answer a request that services receive but none of them took."""
    core.respond(transaction, 404, now)


def _is_for_domain(core: SipCore, request: Request) -> bool:
    uri = request.uri
    return isinstance(uri, SipUri) and not uri.user and core.router.is_served(uri)
