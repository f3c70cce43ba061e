"""Which of several final responses a forking proxy sends on (RFC 3261 16.7 step 6, SIP-156)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from resource_adaptors.sip.message.message import Response

INFORMATIVE: Final = frozenset({401, 407, 415, 420, 484})
"""Of 4xx these come first: they tell the caller how to do better."""
CHALLENGES: Final = frozenset({401, 407})


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """The final outcome of one branch, other than 2xx."""

    status: int
    response: Response | None
    """What the target answered, `None` if the outcome is ours: a timeout, a transport failure, a refusal."""
    is_unreachable: bool = False
    """Whether the target could not be reached at all."""
    headers: tuple[tuple[str, str], ...] = ()
    """What a refusal of ours must carry."""


def rank(status: int) -> int:
    """The lower, the better: 6xx, then 3xx, 4xx, 5xx; within 4xx the informative ones first, within 5xx 503 last."""
    status_class = status // 100
    if status_class == 6:
        return 0
    if status_class == 4:
        return 40 if status in INFORMATIVE else 41
    return status_class * 10 + (status == 503)


def better(one: Candidate | None, other: Candidate) -> Candidate:
    """The better of two outcomes; the first of equals."""
    return other if one is None or rank(other.status) < rank(one.status) else one


def status_upstream(status: int) -> int:
    """The status that is sent on: a 503 speaks of the branch's target, not of us, so it becomes 500."""
    return 500 if status == 503 else status


def with_challenges(data: bytes, others: Sequence[Response]) -> bytes:
    """Put the challenges of other branches into an answer (RFC 3261 16.7 step 7)."""
    lines = [
        f"{name}: {value}"
        for response in others
        for name in ("WWW-Authenticate", "Proxy-Authenticate")
        for value in response.values(name)
    ]
    if not lines:
        return data
    head, separator, body = data.partition(b"\r\n\r\n")
    return b"\r\n".join((head, *(line.encode("utf-8", "surrogateescape") for line in lines))) + separator + body
