"""Problem documents: what the adaptor's own errors say (RFC 9457, HTTP-8)."""

from __future__ import annotations

import http

import msgspec

TYPE = "application/problem+json"
"""Media type of a problem document."""


def problem(status: int, code: str, detail: str = "") -> bytes:
    """The document for a status; `code` is its stable word."""
    title = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Error"
    members: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "code": code}
    if detail:
        members["detail"] = detail
    return msgspec.json.encode(members)
