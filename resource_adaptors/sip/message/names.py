"""Names of methods and headers: spellings, and which headers are lists (SIP-2, SIP-3, SIP-6, SIP-7)."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> list[str]:
    return text.split()


KNOWN_METHODS: Final = frozenset(
    _words("INVITE ACK BYE CANCEL OPTIONS REGISTER MESSAGE SUBSCRIBE NOTIFY PUBLISH REFER INFO UPDATE PRACK")
)
COMPACT: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact names (SIP-3)."""
NEVER_SPLIT: Final = frozenset(
    ("www-authenticate", "proxy-authenticate", "authorization", "proxy-authorization", "date")
)
"""Headers whose commas do not separate values (SIP-6)."""
SINGLE: Final = frozenset(
    _words(
        "from to call-id cseq max-forwards content-length content-type expires min-expires event refer-to replaces "
        "session-expires min-se subscription-state rack rseq sip-etag sip-if-match date"
    )
)
"""Headers that may stand once only (SIP-7)."""
ADDRESSES: Final = ("contact", "route", "record-route", "path", "reply-to", "refer-to")
"""Headers besides From and To whose values are addresses that every element has to understand."""
LISTS: Final = frozenset(
    _words(
        "accept accept-contact accept-encoding accept-language alert-info allow allow-events call-info contact "
        "content-encoding content-language diversion error-info history-info in-reply-to p-asserted-identity "
        "p-preferred-identity path proxy-require reason record-route reject-contact request-disposition require route "
        "security-client security-server security-verify service-route supported unsupported warning"
    )
)
"""Headers known to be lists, Via apart."""

SPELLINGS: Final[dict[str, str]] = {
    spelling: canonical
    for written in _words(
        "Via From To Call-ID CSeq Max-Forwards Content-Length Content-Type Contact Route Record-Route Expires "
        "User-Agent Server Allow Supported Require Subject Date Accept Authorization Proxy-Authorization "
        "WWW-Authenticate Proxy-Authenticate Event Path Proxy-Require Reason Allow-Events Session-Expires Min-SE "
        "P-Asserted-Identity Content-Disposition Organization Priority Timestamp Warning Retry-After Reply-To "
        "Accept-Encoding Accept-Language Refer-To Referred-By Replaces RAck RSeq Subscription-State SIP-ETag "
        "SIP-If-Match Min-Expires Privacy Unsupported Service-Route"
    )
    for canonical in (written.lower(),)
    for spelling in (written, canonical, written.upper())
} | {spelling: canonical for short, canonical in COMPACT.items() for spelling in (short, short.upper())}
"""Canonical name by name as it is usually written; what is not here is looked at more closely."""
