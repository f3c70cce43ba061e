"""Messages that an adaptor has given up delivering, kept for an operator to retry or drop (HTTP-31)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import msgspec


class Letter(msgspec.Struct, frozen=True):
    """A message that was given up."""

    id: str
    target: str
    """Whom it is for, by its name in the configuration."""
    created: float
    """Seconds since the epoch."""
    attempts: int
    reason: str
    """Why it was given up, such as the status of the last answer."""
    octets: int
    """Length of the body."""


class KeepsLetters:
    """An adaptor that keeps dead letters is one of these besides; management finds it so."""

    __slots__ = ()

    @abstractmethod
    def letters(self) -> Sequence[Letter]:
        """The dead letters, oldest first."""

    @abstractmethod
    def retry_letter(self, identity: str) -> None:
        """Try one again as if it were new; `KeyError` if there is none of that id."""

    @abstractmethod
    def drop_letter(self, identity: str) -> None:
        """Forget one; `KeyError` if there is none of that id."""


__all__ = ["KeepsLetters", "Letter"]
