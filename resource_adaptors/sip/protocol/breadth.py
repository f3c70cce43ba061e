"""Max-Breadth (RFC 5393 5.3): what a request may fork into is divided at each proxy, so that a spiral of forks ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Request

DEFAULT_MAX_BREADTH: Final = 60
"""Branches that one request may have at any time, all proxies together, where it does not say (RFC 5393 5.3.3)."""


def share_of_breadth(request: Request, branches: int) -> int | None:
    """The share of Max-Breadth of each branch, 0 if there is none left; `None` where it need not be written."""
    text = request.header("max-breadth")
    if text is None and branches == 1:
        return None
    given = int(text) if text is not None and text.isascii() and text.isdigit() else DEFAULT_MAX_BREADTH
    return min(given, DEFAULT_MAX_BREADTH) // branches if branches else None
