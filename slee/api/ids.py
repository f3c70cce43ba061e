"""Identities of components and bundles: a kind and three strings, compared exactly (group CID)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, TypeVar

import msgspec

_ESCAPED = frozenset("\\,=[]")
_PARTS = ("name", "vendor", "version")
_BUNDLE: Final = -1


class _Identity(msgspec.Struct, frozen=True):
    """Name, vendor and version of one installed thing; its class is its kind (CID-1)."""

    rank: ClassVar[int] = _BUNDLE
    """Place of the kind in the order of ids."""

    name: str
    vendor: str
    version: str

    def __post_init__(self) -> None:
        kind = type(self).__name__
        for part in _PARTS:
            value: object = getattr(self, part)
            if not isinstance(value, str):
                raise TypeError(f"{kind}.{part} must be a str, not {type(value).__name__} [CID-4]; give the text")
            if not value or any(ord(c) < 32 or ord(c) == 127 for c in value):
                raise ValueError(
                    f"{kind}.{part} is {value!r} [CID-4]; give a text that is not empty and has no control character"
                )

    def __str__(self) -> str:
        """The text form of CID-6; `parse` reads it back."""
        parts = ",".join(f"{part}={escape(getattr(self, part))}" for part in _PARTS)
        return f"{type(self).__name__}[{parts}]"

    __repr__ = __str__

    # msgspec defines each comparison, so each is given here; functools.total_ordering would find them all present.

    def __lt__(self, other: object) -> bool:
        return self._order < self._order_of(other)

    def __le__(self, other: object) -> bool:
        return self._order <= self._order_of(other)

    def __gt__(self, other: object) -> bool:
        return self._order > self._order_of(other)

    def __ge__(self, other: object) -> bool:
        return self._order >= self._order_of(other)

    @property
    def _order(self) -> tuple[int, str, str, str]:
        return (self.rank, self.name, self.vendor, self.version)

    def _order_of(self, other: object) -> tuple[int, str, str, str]:
        """What `other` is ordered by: component ids among themselves, and bundle ids among themselves (CID-10)."""
        if not isinstance(other, _Identity) or (self.rank == _BUNDLE) is not (other.rank == _BUNDLE):
            raise TypeError(
                f"{self} cannot be ordered against {other!r} [CID-5, CID-10]; "
                "compare component ids with component ids, and bundle ids with bundle ids"
            )
        return other._order


class ComponentID(_Identity, frozen=True):
    """Identity of a component; ids of all kinds are totally ordered (CID-5)."""


class EventTypeID(ComponentID, frozen=True):
    """Identity of an event type."""

    rank: ClassVar[int] = 0


class SbbID(ComponentID, frozen=True):
    """Identity of an SBB."""

    rank: ClassVar[int] = 1


class ServiceID(ComponentID, frozen=True):
    """Identity of a service."""

    rank: ClassVar[int] = 2


class ResourceAdaptorID(ComponentID, frozen=True):
    """Identity of a resource adaptor."""

    rank: ClassVar[int] = 3


class ResourceAdaptorTypeID(ComponentID, frozen=True):
    """Identity of a resource adaptor type."""

    rank: ClassVar[int] = 4


class ProfileSpecificationID(ComponentID, frozen=True):
    """Identity of a profile specification."""

    rank: ClassVar[int] = 5


class LibraryID(ComponentID, frozen=True):
    """Identity of a library."""

    rank: ClassVar[int] = 6


class BundleID(_Identity, frozen=True):
    """Identity of a bundle; not a component (CID-10)."""


_KINDS: dict[str, type[_Identity]] = {
    kind.__name__: kind
    for kind in (
        EventTypeID,
        SbbID,
        ServiceID,
        ResourceAdaptorID,
        ResourceAdaptorTypeID,
        ProfileSpecificationID,
        LibraryID,
        BundleID,
    )
}

_I = TypeVar("_I", bound=_Identity)


def parse_id(text: str, kind: type[_I]) -> _I:
    """Read the text form of an identity of `kind` back (CID-7).

    Raises:
        ValueError: the text is malformed, of another kind, or a part is missing or repeated; says where.
    """
    name, bracket, _ = text.partition("[")
    if name not in _KINDS or not bracket:
        raise ValueError(f"{text!r} at 0: expected a kind and '[' [CID-7]; kinds are {', '.join(_KINDS)}")
    found = _KINDS[name]
    if not issubclass(found, kind):
        raise ValueError(f"{text!r} at 0: {name} where a {kind.__name__} is wanted [CID-7]; give a {kind.__name__}")
    parts = split_parts(text, len(name) + 1, _PARTS, "CID-7")
    missing = [part for part in _PARTS if part not in parts]
    if missing:
        raise ValueError(f"{text!r} at {len(text)}: {missing[0]} is missing [CID-7]; give name, vendor and version")
    return found(**parts)


def escape(text: str) -> str:
    """A part of a text form with what would end it escaped by a backslash (CID-6)."""
    return "".join("\\" + c if c in _ESCAPED else c for c in text)


def split_parts(text: str, start: int, names: Sequence[str], rule: str) -> dict[str, str]:
    """The `name=value` parts of a text form from `start` to its closing bracket, unescaped.

    Raises:
        ValueError: a part is malformed, not one of `names`, or repeated; or the text goes on behind the bracket.
    """
    parts: dict[str, str] = {}
    key: str | None = None
    value: list[str] = []
    at = start
    while at < len(text):
        c = text[at]
        if c == "\\" and at + 1 < len(text):
            at += 1
            value.append(text[at])
        elif c == "=" and key is None:
            key = "".join(value)
            value = []
            if key not in names or key in parts:
                raise ValueError(f"{text!r} at {at}: part {key!r} is unknown or repeated [{rule}]; parts are {names}")
        elif c in ",]" and key is not None:
            parts[key] = "".join(value)
            key, value = None, []
            if c == "]":
                break
        elif c in "=[]":
            raise ValueError(f"{text!r} at {at}: {c!r} must be escaped with a backslash [{rule}]")
        else:
            value.append(c)
        at += 1
    if at != len(text) - 1:
        raise ValueError(f"{text!r} at {min(at + 1, len(text))}: expected the end after ']' [{rule}]")
    return parts
