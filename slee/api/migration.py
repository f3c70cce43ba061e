"""`@migrates`: carry the state of entities, or profiles, from one version to another (UPG-10, UPG-11)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

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
    """Make a static method of an SBB or profile specification carry state from and to an earlier version (UPG-10).

        class Proxy(Sbb, vendor="example.net", version="2.0"):
            trunk: Cmp[str] = cmp()

            @staticmethod
            @migrates(from_version="1.0")
            def from_1_0(old: Mapping[str, Any]) -> dict[str, object]:
                return {**old, "trunk": "default"}

    It gets the values of the fields that have one, and returns those of the new version; a field that it leaves out
    begins with its initial value. It is a function of its argument alone: it reaches no facility, and it is called
    between deliveries, once for each entity. Of a profile it gets all attributes; it may be called more than once for
    a profile, and on another thread.

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


@dataclass(frozen=True, slots=True)
class Ways:
    """What `@migrates` declares on one class."""

    up: Mapping[str, StateMigration]
    """By the version that state comes from."""
    back: Mapping[str, StateMigration]
    """By the version that it goes back to."""
    issues: tuple[Issue, ...]


def declared_ways(cls: type, own_version: str | None, methods: Iterable[tuple[str, Callable[..., Any]]]) -> Ways:
    """The migrations among the methods of a class of a version."""
    up: dict[str, StateMigration] = {}
    back: dict[str, StateMigration] = {}
    issues: list[Issue] = []
    for name, method in methods:
        mark: MigrationMark | None = getattr(method, MIGRATION_MARK, None)
        if mark is None:
            continue
        where = f"{cls.__qualname__}.{name}"
        if not isinstance(inspect.getattr_static(cls, name), staticmethod) or not _takes_one(method):
            remedy = "write @staticmethod @migrates(...) def f(old: Mapping[str, Any]) -> dict[str, object]"
            issues.append(Issue(where, "UPG-10", "it is no static method of one argument", remedy))
            continue
        version = mark.from_version or mark.to_version or ""
        chosen = up if mark.from_version else back
        if version == own_version:
            problem = f"{version} is its own version"
            issues.append(Issue(where, "UPG-10", problem, "name the version that is replaced"))
        if version in chosen:
            issues.append(Issue(where, "UPG-10", f"there is another one for {version}", "keep one for each version"))
        chosen[version] = cast("StateMigration", method)
    return Ways(up, back, tuple(issues))


def _takes_one(function: Callable[..., object]) -> bool:
    parameters = list(inspect.signature(function).parameters.values())
    return len(parameters) == 1 and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )


__all__ = ["MIGRATION_MARK", "MigrationMark", "StateMigration", "Ways", "declared_ways", "migrates"]
