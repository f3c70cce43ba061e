"""Whether a condition fits the attributes that it names: asked when a class is made, and of each dynamic query."""

from __future__ import annotations

import datetime
import decimal
import enum
import types
import typing
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from slee.api.address import Address
from slee.api.errors import AttributeTypeMismatchError, Issue, UnrecognizedAttributeError
from slee.api.query import Comparison, Condition, Operator, Parameter, comparisons

if TYPE_CHECKING:
    from slee.api.profile import Attribute

SEARCHABLE: Final[tuple[type, ...]] = (bool, int, float, str, Address)
"""The types whose values can be searched by (PRF-24)."""
_ORDERED: Final[tuple[type, ...]] = (
    int,
    float,
    str,
    bytes,
    decimal.Decimal,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)
_EQUATED: Final = (*SEARCHABLE, *_ORDERED)
_PREFIXES: Final = (Operator.LONGEST_PREFIX, Operator.HAS_PREFIX)
_EQUALITIES: Final = (Operator.EQUAL, Operator.DIFFERENT)


def scalar_type(annotation: object) -> type | None:
    """The one class that values of the annotated type have, `None` apart; `None` if there is no such class."""
    if hasattr(annotation, "__metadata__"):
        return scalar_type(getattr(annotation, "__origin__", None))
    if isinstance(annotation, typing.NewType):
        return scalar_type(annotation.__supertype__)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [scalar_type(member) for member in typing.get_args(annotation) if member is not type(None)]
        return members[0] if len(members) == 1 else None
    return annotation if isinstance(annotation, type) and typing.get_origin(annotation) is None else None


def operator_fits(operator: Operator, scalar: type | None) -> bool:
    """Whether values of that class can be compared so."""
    if scalar is None:
        return False
    if operator in _PREFIXES:
        return scalar is str
    if operator in _EQUALITIES:
        return scalar in _EQUATED or issubclass(scalar, enum.Enum)
    return scalar in _ORDERED


def query_issues(where: str, condition: Condition, attributes: Mapping[str, Attribute]) -> Iterator[Issue]:
    """What is wrong with the condition of a static query (PRF-29)."""
    for part in comparisons(condition):
        found = attributes.get(part.attribute)
        if found is None:
            yield Issue(where, "PRF-29", f"unknown attribute {part.attribute}", f"name one of {', '.join(attributes)}")
        elif not operator_fits(part.operator, found.scalar):
            yield Issue(
                where, "PRF-29", f"{part.operator.value} on {found}: {found.kind}", "use one that fits the type"
            )
        else:
            yield from (
                Issue(where, "PRF-29", f"{value!r} is compared with {found}: {found.kind}", "give a value of that type")
                for value in part.operands
                if not _fits(value, found, part)
            )


def _fits(value: object, attribute: Attribute, part: Comparison) -> bool:
    if isinstance(value, Parameter):
        scalar = scalar_type(value.annotation)
        return scalar is attribute.scalar or (attribute.scalar is float and scalar is int)
    return value_fits(value, attribute, part.operator)


def value_fits(value: object, attribute: Attribute, operator: Operator) -> bool:
    """Whether the attribute can be compared with the value; `None` only by equality, where the type admits it."""
    return attribute.kind.accepts(value) and (value is not None or operator in _EQUALITIES)


def require_fitting(table: str, condition: Condition, attributes: Mapping[str, Attribute]) -> None:
    """Judge a dynamic query before anything is read (PRF-32).

    Raises:
        UnrecognizedAttributeError: it names an attribute that the specification lacks.
        AttributeTypeMismatchError: a value, or an operator, does not fit the attribute's type.
    """
    for part in comparisons(condition):
        found = attributes.get(part.attribute)
        if found is None:
            known = ", ".join(attributes) or "none"
            raise UnrecognizedAttributeError(f"{table} has no attribute {part.attribute} [PRF-32]; it has {known}")
        if not operator_fits(part.operator, found.scalar):
            raise AttributeTypeMismatchError(
                f"{table}: {part.operator.value} on {found}: {found.kind} [PRF-32]; use an operator that fits the type"
            )
        for value in part.operands:
            if not value_fits(value, found, part.operator):
                raise AttributeTypeMismatchError(
                    f"{table}: {value!r} is compared with {found}: {found.kind} [PRF-32]; give a value of that type"
                )


__all__ = ["SEARCHABLE", "operator_fits", "query_issues", "require_fitting", "scalar_type", "value_fits"]
