"""What services that take orders by HTTP are sent that is none."""

from __future__ import annotations

import pytest

from resource_adaptors.http.testing import HttpClient

no_orders = pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b'"\\ud800"', 422),
        (b'{"to": "sip:bob@example.test", "text": "\\ud800"}', 422),
        (b'{"to": "sip:bob@example.test", "text": "' + b"x" * 70_000 + b'"}', 413),
    ],
    ids=["nothing", "cut off", "no text", "no text within", "long"],
)
"""Bodies and the status that each is refused with; a test takes both."""


def refusal(client: HttpClient, method: str, path: str, body: bytes) -> int:
    """The status that the body is answered with."""
    return client.request(method, path, headers=[("Content-Type", "application/json")], body=body).status
