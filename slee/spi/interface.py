"""How a resource adaptor type describes the interface that SBBs call (OUT-1)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ClassVar, Final, TypeVar

from slee.api.errors import ComponentDefinitionError, Issue

_F = TypeVar("_F", bound=Callable[..., object])
_MARK: Final = "__slee_operation__"


def query(method: _F) -> _F:
    """Declare an operation that answers at once, changes nothing and enlists nothing."""
    setattr(method, _MARK, "query")
    return method


def command(method: _F) -> _F:
    """Declare an operation that is enlisted and performed after commit; it has no result."""
    setattr(method, _MARK, "command")
    return method


def opening_command(method: _F) -> _F:
    """Declare an operation that is enlisted, and returns at once the context of the activity that it opens."""
    setattr(method, _MARK, "opening command")
    return method


class ResourceInterface:
    """What SBBs call on a resource: each public method is a query, a command or an opening command (OUT-1).

    A subclass declares; the adaptor's provider, a subclass of that one, implements the operations declared.
    """

    operations: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        operations = dict(cls.operations)
        issues: list[Issue] = []
        for name, member in vars(cls).items():
            if name.startswith("_") or not inspect.isfunction(member):
                continue
            kind = getattr(member, _MARK, operations.get(name))
            if kind is None:
                issues.append(
                    Issue(
                        f"{cls.__qualname__}.{name}",
                        "OUT-1",
                        "the operation is not declared",
                        "mark it with @query, @command or @opening_command",
                    )
                )
            else:
                operations[name] = kind
        if issues:
            raise ComponentDefinitionError(issues)
        cls.operations = operations
