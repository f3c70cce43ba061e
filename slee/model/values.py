"""The types of CMP fields and shared attributes: immutable values that the codec carries (CMP-8 to CMP-10)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import typing
from collections.abc import Callable, Hashable
from typing import Final

import msgspec

from slee.api.activity import ActivityContext, EventContext
from slee.api.address import Address
from slee.api.event import TimerID
from slee.api.ids import BundleID, ComponentID
from slee.api.sbb import SbbLocal

_NO_ZERO: Final = object()

_ZEROS: Final[dict[type, object]] = {
    bool: False,
    int: 0,
    float: 0.0,
    str: "",
    bytes: b"",
    tuple: (),
    frozenset: frozenset(),
    type(None): None,
}
_PLAIN: Final = (
    bool,
    int,
    float,
    str,
    bytes,
    type(None),
    decimal.Decimal,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
)
_INTEGERS: Final = range(-(2**63), 2**63)
_INSTEAD: Final[dict[object, str]] = {
    list: "tuple[..., ...]",
    dict: "a frozen struct, or tuple[tuple[K, V], ...]",
    set: "frozenset[...]",
    bytearray: "bytes",
}


class ValueType:
    """A declared type: tells whether a value belongs to it, and its zero value."""

    __slots__ = ("accepts", "exact", "is_reference", "text", "zero")

    def __init__(
        self,
        text: str,
        accepts: Callable[[object], bool],
        *,
        zero: object = _NO_ZERO,
        exact: frozenset[type] = frozenset(),
        is_reference: bool = False,
    ) -> None:
        self.text = text
        self.accepts = accepts
        self.zero = zero
        self.exact = exact
        """Classes whose instances belong to the type whatever their value: the fast way of the check at commit."""
        self.is_reference = is_reference

    @property
    def has_zero(self) -> bool:
        """Whether a field of this type begins with a value (CMP-1)."""
        return self.zero is not _NO_ZERO

    def __str__(self) -> str:
        return self.text


def value_type(annotation: object) -> ValueType:
    """The value type of an annotation.

    Raises:
        TypeError: the type is mutable, open (`Any`, `object`, a bare `SbbLocal`) or unknown to the codec; the
            message names the type to use instead.
    """
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if annotation is None:
        annotation = type(None)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _tuple(annotation, arguments)
    if origin is frozenset:
        member = value_type(arguments[0])
        return ValueType(
            f"frozenset[{member}]",
            lambda v: type(v) is frozenset and all(member.accepts(m) for m in v),
            zero=frozenset(),
        )
    if origin is SbbLocal:
        return ValueType(f"SbbLocal[{arguments[0].__name__}]", lambda v: isinstance(v, SbbLocal), is_reference=True)
    if origin is typing.Literal:
        return ValueType(str(annotation), lambda v: v in arguments and any(type(v) is type(a) for a in arguments))
    if isinstance(annotation, type) and origin is None:
        return _plain(annotation)
    raise TypeError(_refusal(origin if origin in _INSTEAD else annotation))


def _plain(cls: type) -> ValueType:
    if cls is int:
        return ValueType("int", lambda v: type(v) is int and v in _INTEGERS, zero=0)
    if cls in _PLAIN:
        name = "None" if cls is type(None) else cls.__name__
        return ValueType(name, lambda v: type(v) is cls, zero=_ZEROS.get(cls, _NO_ZERO), exact=frozenset((cls,)))
    if issubclass(cls, ActivityContext | EventContext):
        return ValueType(cls.__name__, lambda v: isinstance(v, cls), is_reference=True)
    if issubclass(cls, enum.Enum | TimerID | Address | ComponentID | BundleID):
        return ValueType(cls.__name__, lambda v: isinstance(v, cls))
    if _is_frozen(cls):
        return ValueType(cls.__name__, lambda v: type(v) is cls)
    raise TypeError(_refusal(cls))


def _is_frozen(cls: type) -> bool:
    if issubclass(cls, msgspec.Struct):
        return cls.__struct_config__.frozen
    if dataclasses.is_dataclass(cls):
        parameters = getattr(cls, "__dataclass_params__", None)
        return bool(getattr(parameters, "frozen", False))
    return False


def _union(arguments: tuple[object, ...]) -> ValueType:
    members = [value_type(argument) for argument in arguments]
    exact = frozenset[type]().union(*(member.exact for member in members))
    return ValueType(
        " | ".join(member.text for member in members),
        lambda v: any(member.accepts(v) for member in members),
        zero=None if type(None) in arguments else _NO_ZERO,
        exact=exact,
        is_reference=any(member.is_reference for member in members),
    )


def _tuple(annotation: object, arguments: tuple[object, ...]) -> ValueType:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        member = value_type(arguments[0])
        return ValueType(
            f"tuple[{member}, ...]",
            lambda v: type(v) is tuple and all(member.accepts(m) for m in v),
            zero=(),
        )
    members = [value_type(argument) for argument in arguments]
    return ValueType(
        str(annotation),
        lambda v: (
            type(v) is tuple and len(v) == len(members) and all(t.accepts(m) for t, m in zip(members, v, strict=True))
        ),
    )


def _refusal(annotation: object) -> str:
    instead = _INSTEAD.get(annotation) if isinstance(annotation, Hashable) else None
    if annotation in (typing.Any, object):
        return f"type {annotation} is open; name the type that the field holds"
    if annotation is SbbLocal:
        return "a bare SbbLocal says nothing; use SbbLocal[TheSbb]"
    if instead:
        name = getattr(annotation, "__name__", annotation)
        return f"type {name} is mutable; use {instead}"
    return f"type {annotation!r} is mutable or unknown to the codec; use a frozen struct or frozen dataclass"
