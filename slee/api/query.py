"""Queries over the profiles of a table: conditions on attributes, joined by `&`, `|` and `~` (PRF-29 to PRF-35).

A condition is a value that says what is asked; the table's indexes answer it. A *static* query is a method of the
profile specification marked `@query`: it is called once, when the class is made, with stand-ins for `self` and the
parameters. A *dynamic* query is a condition made at run time.
"""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, overload

from slee.api.errors import Issue

__all__ = [
    "And",
    "AttributeName",
    "Comparison",
    "Condition",
    "Not",
    "Operator",
    "Or",
    "Parameter",
    "Query",
    "StandIn",
    "Terms",
    "comparisons",
    "query",
    "where",
]

_MAXIMUM_DEPTH = 64
"""How deep conditions may be joined: evaluation follows the joints."""


class Operator(enum.Enum):
    """How an attribute is compared; `None` is matched by EQUAL and DIFFERENT only."""

    EQUAL = "=="
    DIFFERENT = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    BETWEEN = "between"  # inclusive at both ends (PRF-34)
    LONGEST_PREFIX = "longest-prefix"  # the longest stored value that is a prefix of the argument (PRF-33)
    HAS_PREFIX = "has-prefix"  # the stored value starts with the argument (PRF-34)


class Condition:
    """What is asked of a profile; join conditions with `&`, `|` and `~`."""

    __slots__ = ()
    depth = 1

    def __and__(self, other: Condition) -> And:
        return And((self, other))

    def __or__(self, other: Condition) -> Or:
        return Or((self, other))

    def __invert__(self) -> Not:
        return Not(self)


@dataclass(frozen=True, slots=True)
class Comparison(Condition):
    """One attribute compared with one value, or with the two ends of a range."""

    attribute: str
    operator: Operator
    operands: tuple[object, ...]
    """Values, or the `Parameter`s of a static query."""


class _Joint(Condition):
    __slots__ = ()

    def _check_depth(self, parts: tuple[Condition, ...]) -> int:
        for part in parts:
            if not isinstance(part, Condition):
                raise TypeError(f"{part!r} is no condition [PRF-29]; join what `where(...)` gives")
        depth = 1 + max(part.depth for part in parts)
        if depth > _MAXIMUM_DEPTH:
            raise ValueError(f"conditions are joined {depth} deep [PRF-29]; at most {_MAXIMUM_DEPTH} is evaluated")
        return depth


class And(_Joint):
    """Every part holds; parts that are themselves joined so are taken in flat."""

    __slots__ = ("depth", "parts")

    def __init__(self, parts: tuple[Condition, ...]) -> None:
        self.depth = self._check_depth(parts)
        self.parts: tuple[Condition, ...] = tuple(
            inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))
        )
        self.depth = 1 + max(part.depth for part in self.parts)


class Or(_Joint):
    """One part holds; parts that are themselves joined so are taken in flat."""

    __slots__ = ("depth", "parts")

    def __init__(self, parts: tuple[Condition, ...]) -> None:
        self._check_depth(parts)
        self.parts: tuple[Condition, ...] = tuple(
            inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))
        )
        self.depth = 1 + max(part.depth for part in self.parts)


class Not(_Joint):
    """The part does not hold."""

    __slots__ = ("depth", "part")

    def __init__(self, part: Condition) -> None:
        self.depth = self._check_depth((part,))
        self.part = part


class AttributeName(str):
    """What `self.attribute` is inside a static query: the attribute's name."""

    __slots__ = ()


class StandIn:
    """What `self` is inside a static query: it knows the attributes' names."""

    def __init__(self, specification: str, attributes: Collection[str]) -> None:
        self._specification = specification
        self._attributes = attributes

    def __getattr__(self, name: str) -> AttributeName:
        if name not in self._attributes:
            known = ", ".join(self._attributes) or "none"
            raise AttributeError(f"{self._specification} has no attribute {name}; it has {known}")
        return AttributeName(name)


class Terms:
    """One attribute, to be compared."""

    __slots__ = ("_attribute",)

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute

    def equals(self, value: object) -> Comparison:
        """The attribute equals the value; `None` asks for profiles without one."""
        return Comparison(self._attribute, Operator.EQUAL, (value,))

    def differs(self, value: object) -> Comparison:
        """The attribute does not equal the value."""
        return Comparison(self._attribute, Operator.DIFFERENT, (value,))

    def less(self, value: object) -> Comparison:
        """The attribute is less than the value."""
        return Comparison(self._attribute, Operator.LESS, (value,))

    def at_most(self, value: object) -> Comparison:
        """The attribute is the value or less."""
        return Comparison(self._attribute, Operator.AT_MOST, (value,))

    def greater(self, value: object) -> Comparison:
        """The attribute is greater than the value."""
        return Comparison(self._attribute, Operator.GREATER, (value,))

    def at_least(self, value: object) -> Comparison:
        """The attribute is the value or greater."""
        return Comparison(self._attribute, Operator.AT_LEAST, (value,))

    def between(self, low: object, high: object) -> Comparison:
        """The attribute is in the range, both ends included (PRF-34)."""
        return Comparison(self._attribute, Operator.BETWEEN, (low, high))

    def longest_prefix_of(self, text: object) -> Comparison:
        """The attribute is the longest one stored in the table that `text` starts with (PRF-33)."""
        return Comparison(self._attribute, Operator.LONGEST_PREFIX, (text,))

    def has_prefix(self, prefix: object) -> Comparison:
        """The attribute starts with `prefix` (PRF-34)."""
        return Comparison(self._attribute, Operator.HAS_PREFIX, (prefix,))


def where(attribute: object) -> Terms:
    """Begin a condition: `where(self.prefix).longest_prefix_of(number)`, or by name `where("prefix")`."""
    if not isinstance(attribute, str):
        raise TypeError(f"where({attribute!r}) [PRF-29]; give self.ATTRIBUTE in a @query, or an attribute's name")
    return Terms(str(attribute))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a static query."""

    name: str
    annotation: object
    """The declared type, resolved."""


def comparisons(condition: Condition) -> list[Comparison]:
    """Every comparison in a condition."""
    found: list[Comparison] = []
    waiting = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Comparison):
            found.append(part)
        elif isinstance(part, And | Or):
            waiting.extend(part.parts)
        elif isinstance(part, Not):
            waiting.append(part.part)
    return found


class Query:
    """A static query: a method of a profile specification, called once when its class is made."""

    __slots__ = ("_function", "condition", "max_matches", "name", "owner", "parameters", "read_only")

    condition: Condition
    """What it asks, with `Parameter`s where arguments will stand."""
    parameters: tuple[Parameter, ...]

    def __init__(self, function: Callable[..., Condition], max_matches: int | None, read_only: bool) -> None:
        self._function = function
        self.max_matches = max_matches
        """Most profiles that it gives; `None` for all (PRF-31)."""
        self.read_only = read_only
        """Whether the profiles that it gives refuse writes (PRF-31)."""
        self.name = function.__name__
        self.owner = ""

    def __repr__(self) -> str:
        return f"{self.owner}.{self.name}"

    def build(self, owner: str, names: dict[str, Any], attributes: object) -> list[Issue]:
        """Call the method with stand-ins; what is wrong with it, except for the types of what it compares.

        Args:
            owner: the specification, for messages.
            names: what annotations may name.
            attributes: the stand-in for `self`.
        """
        self.owner = owner
        where_ = repr(self)
        remedy = "write def name(self, parameter: Type, ...) -> Condition: return where(self.attribute)..."
        if self.max_matches is not None and self.max_matches < 1:
            return [Issue(where_, "PRF-31", f"max_matches is {self.max_matches}", "give 1 or more, or leave it out")]
        parameters = list(inspect.signature(self._function).parameters.values())[1:]
        if any(p.kind is not p.POSITIONAL_OR_KEYWORD or p.default is not p.empty for p in parameters):
            return [Issue(where_, "PRF-29", "a parameter is optional, or not positional", remedy)]
        try:
            hints = typing.get_type_hints(self._function, names, {"Condition": Condition})
        except NameError as error:
            return [Issue(where_, "PRF-29", f"its annotations do not resolve: {error}", "import the types at run time")]
        missing = [p.name for p in parameters if p.name not in hints]
        if missing:
            return [Issue(where_, "PRF-29", f"parameter {missing[0]} has no type", remedy)]
        self.parameters = tuple(Parameter(p.name, hints[p.name]) for p in parameters)
        try:
            condition: object = self._function(attributes, *self.parameters)
        except (AttributeError, TypeError, ValueError) as error:
            return [Issue(where_, "PRF-29", str(error), remedy)]
        if not isinstance(condition, Condition):
            return [Issue(where_, "PRF-29", f"it returns {condition!r}, no condition", remedy)]
        self.condition = condition
        used = {id(value) for part in comparisons(condition) for value in part.operands}
        unused = [p.name for p in self.parameters if id(p) not in used]
        return [Issue(where_, "PRF-29", f"parameter {name} is not used", "use it, or remove it") for name in unused]


@overload
def query(method: Callable[..., Condition], /) -> Query: ...
@overload
def query(
    *, max_matches: int | None = None, read_only: bool = False
) -> Callable[[Callable[..., Condition]], Query]: ...
def query(
    method: Callable[..., Condition] | None = None, /, *, max_matches: int | None = None, read_only: bool = False
) -> Query | Callable[[Callable[..., Condition]], Query]:
    """Make a method of a profile specification a static query (PRF-29).

        @query(max_matches=1)
        def best(self, number: str) -> Condition:
            return where(self.prefix).longest_prefix_of(number)

    Args:
        max_matches: most profiles that it gives; at least 1.
        read_only: the profiles that it gives refuse writes.
    """

    def declare(function: Callable[..., Condition]) -> Query:
        return Query(function, max_matches, read_only)

    return declare if method is None else declare(method)
