"""Origins: which pages may use a route (HTTP-36), and whether a request with a cookie was meant (HTTP-38)."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 9.2.1)."""
_PORTS: Final = {"http": 80, "https": 443}


def parse_origin(text: str) -> str:
    """The origin, as browsers write it: scheme and host in lower case, without the scheme's own port.

    Raises:
        ValueError: it is none; `*` and `null` are none either.
    """
    parts = urlsplit(text)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in text:
        raise ValueError(f"{text!r} is no origin; write https://app.example.net")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = parts.port in (None, _PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" if is_usual else f"{parts.scheme}://{host}:{parts.port}"


def own_origin(scheme: str, host: str) -> str | None:
    """The origin that a request was sent to, by its scheme and its Host; `None` if that is no host."""
    try:
        return parse_origin(f"{scheme}://{host.lower()}")
    except ValueError:
        return None


def is_meant(
    origin: str | None,
    own: str | None,
    others: Collection[str],
    *,
    site: str | None,
    token: str | None,
    cookie: str | None,
) -> bool:
    """Whether a request that changes something and carries a cookie comes from a page that may ask for it (HTTP-38).

    Args:
        origin: value of Origin.
        own: the origin that the request was sent to.
        others: further origins whose pages may.
        site: value of Sec-Fetch-Site, which no page can set: how a browser says where a request comes from whose Origin
            it hides, as that of a form is under `Referrer-Policy: no-referrer` (Fetch 3.1, HTTP-37).
        token: value of the header that repeats the cookie's token.
        cookie: value of that cookie.
    """
    if origin == "null":
        return site == "same-origin"
    if origin is not None:
        return origin == own or origin in others
    return bool(token) and cookie is not None and hmac.compare_digest(str(token).encode(), cookie.encode())
