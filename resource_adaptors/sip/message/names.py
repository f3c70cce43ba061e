"""Header names: canonical spelling, compact forms, and what is known of each header (SIP-2, SIP-3, SIP-6, SIP-7)."""

from __future__ import annotations

from typing import Final

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

SINGLE: Final = frozenset(
    "from to call-id cseq max-forwards content-length content-type expires min-expires event refer-to replaces "
    "session-expires min-se subscription-state rack rseq sip-etag sip-if-match date".split()
)
"""Headers that may stand once only (SIP-7)."""

UNSPLIT: Final = frozenset(
    "www-authenticate proxy-authenticate authorization proxy-authorization date subject user-agent server "
    "organization call-id".split()
)
"""Headers whose commas do not separate values (SIP-6, RFC 3261 7.3.1 and 20)."""

LISTS: Final = frozenset(
    "accept accept-contact accept-encoding accept-language alert-info allow allow-events call-info contact "
    "content-encoding content-language diversion error-info geolocation history-info in-reply-to path "
    "p-access-network-info p-asserted-identity p-associated-uri p-preferred-identity p-visited-network-id "
    "proxy-require reason record-route reject-contact request-disposition require resource-priority route "
    "security-client security-server security-verify service-route supported unsupported via warning".split()
)
"""Headers that hold comma-separated values."""

PARAMETRISED: Final = LISTS | frozenset(
    "from to reply-to refer-to referred-by content-type content-disposition event replaces session-expires min-se "
    "subscription-state".split()
)
"""Headers whose values have parameters behind semicolons."""

_USUAL: Final = (
    "Accept Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authorization Call-ID Call-Info Contact "
    "Content-Disposition Content-Encoding Content-Length Content-Type CSeq Date Error-Info Event Expires From "
    "Max-Forwards Min-Expires Min-SE Organization P-Asserted-Identity P-Preferred-Identity Path Privacy "
    "Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-To Referred-By Replaces "
    "Reply-To Require Retry-After Route RSeq Server Service-Route Session-Expires SIP-ETag SIP-If-Match Subject "
    "Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate"
).split()


def canonical(name: str) -> str:
    """Canonical name of a header in any spelling: the long form in lower case."""
    lower = name.lower()
    return COMPACT.get(lower, lower)


class _Spellings(dict[str, str]):
    """Canonical name by the usual spellings, which spares most headers the folding of case; works for any other."""

    def __missing__(self, name: str) -> str:
        return canonical(name)


KEYS: Final = _Spellings(
    {
        **{spelling: key for name, key in COMPACT.items() for spelling in (name, name.upper())},
        **{spelling: name.lower() for name in _USUAL for spelling in (name, name.lower(), name.upper())},
    }
)
"""`KEYS[name]` is `canonical(name)`, only faster for the usual spellings."""
