"""Callback tokens: they name an activity, cannot be forged, and end (HTTP-32).

A token is `sh=N.UNTIL.SINGLE.HANDLE.MAC`: the shard, hexadecimal seconds since the epoch, `1` if it is good for one
call, the handle in base64url, and 128 bits of an HMAC-SHA256 over all before it, in base64url.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import msgspec

_MAC: Final = 16
_SHARD: Final = "sh=0"
"""The shard that has the activity; there is one so far (COM-19)."""


class Token(msgspec.Struct, frozen=True):
    """What a token says."""

    handle: str
    until: int
    """Seconds since the epoch."""
    is_single: bool


def write_token(key: bytes, token: Token) -> str:
    """The token as it stands in a URL."""
    text = f"{_SHARD}.{token.until:x}.{int(token.is_single)}.{_encoded(token.handle.encode())}"
    return f"{text}.{_encoded(_mac(key, text))}"


def read_token(key: bytes, text: str, now: float) -> Token | None:
    """What a token says; `None` if it was not written with this key, or its time is over."""
    signed, _, mac = text.rpartition(".")
    if not text.isascii() or not hmac.compare_digest(_encoded(_mac(key, signed)), mac):
        return None
    shard, until, single, handle = signed.split(".")
    token = Token(_decoded(handle).decode(), int(until, 16), single == "1")
    return token if shard == _SHARD and token.until > now else None


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, b"callback." + text.encode(), hashlib.sha256)[:_MAC]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
