"""Web-hooks: their signature, their schedule, and what an answer means (HTTP-30, HTTP-31)."""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import msgspec

_RETRIED: Final = frozenset({408, 425, 429})
_SPREAD: Final = 0.2
"""Share of a delay that chance adds or takes off."""


class Record(msgspec.Struct, frozen=True):
    """What has to be told to whom: an entry of the outbox, complete enough to go on after a restart."""

    id: str
    """Value of `Webhook-Id`, and handle of the activity."""
    target: str
    body: bytes
    content_type: str
    ordering_key: str
    """Empty: in no order."""
    created: float
    """Seconds since the epoch."""
    attempts: int = 0
    due: float = 0.0
    """When the next try is."""
    status: int = 0
    """Of the last answer, 0 without one."""


class Verdict(enum.Enum):
    """What becomes of a web-hook after a try."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    DISABLE = "disable"
    """Given up, and the target wants no more."""


def judge(status: int) -> Verdict:
    """What an answer means; 0 is none."""
    if 200 <= status <= 299:
        return Verdict.DELIVERED
    if status == 410:
        return Verdict.DISABLE
    if status == 0 or status >= 500 or status in _RETRIED:
        return Verdict.RETRY
    return Verdict.DEAD


def next_due(record: Record, now: float, schedule: Sequence[float], give_up: float, jitter: float) -> float | None:
    """When to try again; `None` when the time is up.

    Args:
        record: with the try that has just failed counted.
        now: seconds since the epoch.
        schedule: seconds before each further try; the last one repeats.
        give_up: seconds from the creation on.
        jitter: 0 to 1, drawn by the caller.
    """
    delay = schedule[min(record.attempts, len(schedule)) - 1]
    due = now + delay * (1 - _SPREAD + 2 * _SPREAD * jitter)
    return due if due <= record.created + give_up else None


def signature(keys: Sequence[bytes], identity: str, timestamp: int, body: bytes) -> str:
    """Value of `Webhook-Signature`: one for each key, the new one first while keys rotate."""
    signed = f"{identity}.{timestamp}.".encode() + body
    made = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    return " ".join(f"v1,{text}" for text in made)
