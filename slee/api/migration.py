"""`@migrates`: carry an entity's state from one version of an SBB to another (UPG-10, UPG-11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from slee.api.errors import ComponentDefinitionError, Issue

MIGRATION_MARK = "__slee_migration__"

StateMigration: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, object]]
"""From the CMP values of one version to those of another."""
F = TypeVar("F", bound=StateMigration)


@dataclass(frozen=True, slots=True)
class MigrationMark:
    """What `@migrates` says of a function; one of the two is given."""

    from_version: str | None
    """Version of the SBB that the state is of."""
    to_version: str | None
    """Version of the SBB that the state becomes one of, on the way back."""


def migrates(*, from_version: str | None = None, to_version: str | None = None) -> Callable[[F], F]:
    """Make a static method of an SBB carry state between its own version and an earlier one (UPG-10).

        class Proxy(Sbb, vendor="example.net", version="2.0"):
            trunk: Cmp[str] = cmp()

            @staticmethod
            @migrates(from_version="1.0")
            def from_1_0(old: Mapping[str, Any]) -> dict[str, object]:
                return {**old, "trunk": "default"}

    It gets the values of the fields that have one, and returns those of the new version; a field that it leaves out
    begins with its initial value. It is a function of its argument alone: it reaches no facility, and it is called
    between deliveries, once for each entity.

    Args:
        from_version: the earlier version of the SBB, on the way up.
        to_version: the earlier version, on the way back down.

    Raises:
        ComponentDefinitionError: neither is given, or both.
    """
    if (from_version is None) == (to_version is None):
        problem = "it names no version" if from_version is None else "it names two directions"
        raise ComponentDefinitionError([Issue("migrates", "UPG-10", problem, "give from_version or to_version")])

    def declare(function: F) -> F:
        plain = getattr(function, "__func__", function)  # of a static method, whichever decorator stands first
        setattr(plain, MIGRATION_MARK, MigrationMark(from_version, to_version))
        return function

    return declare


__all__ = ["MIGRATION_MARK", "MigrationMark", "StateMigration", "migrates"]
