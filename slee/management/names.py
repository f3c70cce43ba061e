"""Short names: what is installed may be named so where one thing alone has the name, as services may (SVC-2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from slee.api.errors import InvalidArgumentError, UnrecognizedError
from slee.api.ids import BundleID, ComponentID

Id = TypeVar("Id", bound=BundleID | ComponentID)


def named(given: str, known: Iterable[Id]) -> Id | None:
    """The one identity of that name, `None` if there is none; `InvalidArgumentError` lists several."""
    found = sorted(identity for identity in known if identity.name == given)
    if len(found) > 1:
        several = ", ".join(map(str, found))
        raise InvalidArgumentError(f"{given}: several have that name [DU-32]; give one of {several}")
    return found[0] if found else None


def identified(given: Id | str, known: Iterable[Id], error: type[UnrecognizedError]) -> Id:
    """The identity given, or the one that has the name given; the error given if none has."""
    if not isinstance(given, str):
        return given
    found = named(given, known)
    if found is None:
        raise error(f"{given}: nothing of that name is installed [DU-32]; list what is")
    return found
