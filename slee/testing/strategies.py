"""Hypothesis strategies for ids, addresses, events, and what CMP fields may hold (TST-13)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import typing
from typing import Any, Final, TypeVar

import msgspec
from hypothesis import strategies as st

from slee.api.activity import ActivityContext, EventContext
from slee.api.address import Address, AddressPlan
from slee.api.declaration import Cmp
from slee.api.ids import ComponentID, ServiceID
from slee.api.local import SbbLocal
from slee.api.sbb import Sbb
from slee.api.values import value_type
from slee.model.codec import declared_annotation

E = TypeVar("E")
C = TypeVar("C", bound=ComponentID)

_WORDS: Final = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,12}", fullmatch=True)
_SPAN: Final = datetime.timedelta(days=10_000)
_ZONES: Final = st.integers(-14 * 60, 14 * 60).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
_PLAIN: Final[dict[object, st.SearchStrategy[object]]] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(),
    str: st.text(),
    bytes: st.binary(),
    None: st.none(),
    type(None): st.none(),
    decimal.Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime.datetime: st.datetimes(timezones=st.just(datetime.UTC)),
    datetime.date: st.dates(),
    datetime.time: st.times(),
    datetime.timedelta: st.timedeltas(-_SPAN, _SPAN),
    datetime.timezone: _ZONES,
}


def component_ids(kind: type[C]) -> st.SearchStrategy[C]:
    """Ids of one kind, like `ServiceID`."""
    return st.builds(kind, _WORDS, _WORDS, _WORDS)


def addresses() -> st.SearchStrategy[Address]:
    """Addresses of the plans whose text is free of a form of its own."""
    names = st.builds("sip:{}@{}.example".format, _WORDS, st.from_regex(r"[a-z]{1,8}", fullmatch=True))
    return names.map(lambda text: Address(AddressPlan.SIP, text))


def events(event_class: type[E]) -> st.SearchStrategy[E]:
    """Events of a class whose fields the codec carries.

    Raises:
        TypeError: a field is of an open, mutable or unknown type.
    """
    return typing.cast("st.SearchStrategy[E]", values(event_class))


def cmp_states(sbb: type[Sbb]) -> st.SearchStrategy[dict[str, object]]:
    """Values for the CMP fields of an SBB, by name; a field that must refer to something is left out."""
    fields: dict[str, st.SearchStrategy[object]] = {}
    for name, declaration in sbb.sbb_declarations.items():
        if isinstance(declaration, Cmp):
            annotation = declared_annotation(sbb, name)
            if not _must_refer(annotation):
                fields[name] = values(annotation)
    return st.fixed_dictionaries(fields)


def values(annotation: object) -> st.SearchStrategy[Any]:
    """Values of a declared type; references are left out of unions.

    Raises:
        TypeError: the type is open, mutable, unknown to the codec, or nothing but a reference.
    """
    return _Values({}).of(annotation)


class _Values:
    """Makes one strategy; a class that holds itself finds itself in `known`."""

    def __init__(self, known: dict[type, st.SearchStrategy[Any]]) -> None:
        self._known = known

    def of(self, annotation: object) -> st.SearchStrategy[Any]:
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if isinstance(annotation, typing.NewType):
            return self.of(annotation.__supertype__)
        if origin in (typing.Union, types.UnionType):
            return st.one_of([self.of(argument) for argument in arguments if not _must_refer(argument)])
        if origin is typing.Literal:
            return st.sampled_from(arguments)
        if origin is frozenset:
            return st.frozensets(self.of(arguments[0]), max_size=4)
        if origin is tuple:
            if len(arguments) == 2 and arguments[1] is Ellipsis:
                return st.lists(self.of(arguments[0]), max_size=4).map(tuple)
            return st.tuples(*map(self.of, arguments))
        if annotation in _PLAIN:
            return _PLAIN[annotation]
        if not isinstance(annotation, type) or _must_refer(annotation):
            raise TypeError(f"{annotation!r} has no values to choose from [TST-13]; make a reference in a delivery")
        return self._class(annotation)

    def _class(self, cls: type[Any]) -> st.SearchStrategy[Any]:
        if issubclass(cls, enum.Enum):
            return st.sampled_from(cls)
        if cls is Address:
            return addresses()
        if issubclass(cls, ComponentID):
            return component_ids(ServiceID if cls is ComponentID else cls)
        if cls not in self._known:
            value_type(cls)
            self._known[cls] = st.deferred(lambda: self._built(cls))
        return self._known[cls]

    def _built(self, cls: type[Any]) -> st.SearchStrategy[Any]:
        hints = typing.get_type_hints(cls)
        if issubclass(cls, msgspec.Struct):
            names = cls.__struct_fields__
        else:
            names = tuple(field.name for field in dataclasses.fields(cls) if field.init)
        return st.builds(cls, **{name: self.of(hints[name]) for name in names})


def _must_refer(annotation: object) -> bool:
    """Whether every value of the type is a reference, which only a delivery can make."""
    if typing.get_origin(annotation) is SbbLocal:
        return True
    return isinstance(annotation, type) and issubclass(annotation, ActivityContext | EventContext)


__all__ = ["addresses", "cmp_states", "component_ids", "events", "values"]
