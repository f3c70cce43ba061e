"""The types of CMP fields and shared attributes: immutable values that the codec carries (CMP-8 to CMP-10)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import sys
import types
import typing
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final

import msgspec

from slee.api.activity import ActivityContext, EventContext
from slee.api.address import Address
from slee.api.alarm import AlarmID
from slee.api.declaration import UNSET, Cmp
from slee.api.errors import Issue
from slee.api.event import TimerID
from slee.api.ids import BundleID, ComponentID
from slee.api.local import ProfileLocal, SbbLocal

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
_LEAST, _GREATEST = -(2**63), 2**63 - 1
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
    if isinstance(annotation, typing.NewType):
        return value_type(annotation.__supertype__)
    if origin is typing.Annotated:  # the constraints are pydantic's
        return value_type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return _tuple(annotation, arguments)
    if origin is frozenset:
        member = value_type(arguments[0])
        return ValueType(
            f"frozenset[{member}]",
            lambda v: _is_frozenset(v) and all(member.accepts(m) for m in v),
            zero=frozenset[object](),
        )
    if origin is SbbLocal:
        return ValueType(f"SbbLocal[{arguments[0].__name__}]", lambda v: isinstance(v, SbbLocal), is_reference=True)
    if origin is typing.Literal:
        return ValueType(str(annotation), lambda v: v in arguments and any(type(v) is type(a) for a in arguments))
    if isinstance(annotation, type) and origin is None:
        return _plain(annotation)
    raise TypeError(_refusal(origin if origin in _INSTEAD else annotation))


def _plain(cls: type[object]) -> ValueType:
    if cls is int:
        return ValueType("int", _is_integer, zero=0)
    if cls is float:  # type checkers admit an int for a float, so it must not fail at the commit
        return ValueType("float", lambda v: type(v) in (float, int), zero=0.0, exact=frozenset((float, int)))
    if cls in _PLAIN:
        name = "None" if cls is type(None) else cls.__name__
        return ValueType(name, lambda v: type(v) is cls, zero=_ZEROS.get(cls, _NO_ZERO), exact=frozenset((cls,)))
    if issubclass(cls, ActivityContext | EventContext):
        return ValueType(cls.__name__, lambda v: isinstance(v, cls), is_reference=True)
    if issubclass(cls, ProfileLocal):
        return ValueType(cls.__name__, lambda v: isinstance(v, cls) and v.slee_refers, is_reference=True)
    if issubclass(cls, enum.Enum | TimerID | AlarmID | Address | ComponentID | BundleID):
        return ValueType(cls.__name__, lambda v: isinstance(v, cls))
    if _is_frozen(cls):
        return _struct(cls)
    raise TypeError(_refusal(cls))


def _is_integer(value: object) -> bool:
    return type(value) is int and _LEAST <= value <= _GREATEST


def _is_frozen(cls: type[object]) -> bool:
    if issubclass(cls, msgspec.Struct):
        return cls.__struct_config__.frozen
    if dataclasses.is_dataclass(cls):
        parameters = getattr(cls, "__dataclass_params__", None)
        return bool(getattr(parameters, "frozen", False))
    return False


_structs: dict[type, ValueType] = {}
"""Frozen classes met; one that holds itself finds itself here."""


def _struct(cls: type[object]) -> ValueType:
    """The value type of a frozen class: each of its fields must be a value too (CMP-8, CMP-10)."""
    found = _structs.get(cls)
    if found is not None:
        return found
    fields: list[tuple[str, ValueType]] = []
    kind = ValueType(cls.__name__, lambda v: type(v) is cls and all(k.accepts(getattr(v, name)) for name, k in fields))
    _structs[cls] = kind
    try:
        hints = typing.get_type_hints(cls)
        fields.extend((name, value_type(hints[name])) for name in _field_names(cls))
    except (NameError, TypeError) as error:
        del _structs[cls]
        raise type(error)(f"{cls.__name__}: {error}") from error
    return kind


def _field_names(cls: type[object]) -> tuple[str, ...]:
    if issubclass(cls, msgspec.Struct):
        return cls.__struct_fields__
    return tuple(entry.name for entry in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ()


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
            lambda v: _is_tuple(v) and all(member.accepts(m) for m in v),
            zero=(),
        )
    members = [value_type(argument) for argument in arguments]
    return ValueType(
        str(annotation),
        lambda v: (
            _is_tuple(v) and len(v) == len(members) and all(t.accepts(m) for t, m in zip(members, v, strict=True))
        ),
    )


def _is_tuple(value: object) -> typing.TypeGuard[tuple[object, ...]]:
    return type(value) is tuple


def _is_frozenset(value: object) -> typing.TypeGuard[frozenset[object]]:
    return type(value) is frozenset


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


def field_type(cls: type, name: str) -> ValueType:
    """The value type of the CMP field `name: Cmp[T]` that `cls` itself declares.

    Raises:
        NameError: the annotation names something that does not exist, or not yet.
        TypeError: there is no such annotation, or T is refused by `value_type`.
    """
    return value_type(declared_type(cls, name, Cmp))


def declared_type(cls: type, name: str, container: type, *, of_default: type | None = None) -> object:
    """The T of the attribute `name: Container[T]` that `cls` itself declares; `of_default` if it has no annotation.

    Raises:
        NameError: the annotation names something that does not exist, or not yet.
        TypeError: there is no such annotation.
    """
    hint: object = vars(cls).get("__annotations__", {}).get(name, of_default)
    if hint is None or hint is type(None):
        raise TypeError("it has no annotation")
    if hint is of_default:
        return hint
    if isinstance(hint, str):
        module = sys.modules.get(cls.__module__)
        names: dict[str, Any] = dict(vars(module)) if module else {}
        hint = resolved(hint, names, dict(vars(cls)))
    arguments = typing.get_args(hint)
    origin: object = typing.get_origin(hint)
    if origin is not container or len(arguments) != 1:
        raise TypeError(f"it is annotated {hint!r}, not {container.__name__}[...]")
    argument: object = arguments[0]
    return argument


def resolved(annotation: str, names: dict[str, Any], inner: dict[str, Any] | None = None) -> object:
    """What an annotation kept as text stands for; whatever Python raises if it stands for nothing."""
    value: object = eval(annotation, names, inner)
    return value


def default_issue(where: str, kind: ValueType, default: object, rule: str = "CMP-11") -> Iterator[Issue]:
    """What is wrong with the default of a field, if anything (CMP-11)."""
    if default is not UNSET and not kind.accepts(default):
        yield Issue(where, rule, f"default {default!r} is no {kind}", "give a value of the type")
