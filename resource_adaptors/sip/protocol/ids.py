"""Tags and branches, drawn from an injected source of randomness (SIP-56, COM-1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAGIC_COOKIE: Final = "z9hG4bK"
"""With which the branch of every RFC 3261 client begins."""
MARK_DIGITS: Final = 8
"""Hexadecimal digits at the end of our branches that a loop is known by (SIP-74)."""

_BLOCK: Final = 1024
_OCTETS: Final = 8


class Ids:
    """Draws identifiers of 64 random bits each, fetching randomness in blocks: the system call costs most."""

    __slots__ = ("_block", "_next", "_randomness")

    def __init__(self, randomness: Callable[[int], bytes]) -> None:
        self._randomness = randomness
        self._block = ""
        self._next = 0

    def tag(self) -> str:
        """A new tag: 16 hexadecimal digits."""
        at = self._next
        end = at + 2 * _OCTETS
        if end > len(self._block):
            self._block = self._randomness(_BLOCK).hex()
            at, end = 0, 2 * _OCTETS
        self._next = end
        return self._block[at:end]

    def branch(self, mark: str) -> str:
        """A new branch that ends in a loop mark."""
        return MAGIC_COOKIE + self.tag() + mark
