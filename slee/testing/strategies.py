"""Hypothesis strategies for ids, addresses, events, profiles, and what CMP fields may hold (TST-13)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from slee.api.activity import ActivityContext, EventContext
from slee.api.address import Address, AddressPlan
from slee.api.declaration import Cmp
from slee.api.ids import ComponentID, ServiceID
from slee.api.local import SbbLocal
from slee.api.profile import Attribute, Profile
from slee.api.profile_event import ProfileID
from slee.api.sbb import Sbb
from slee.api.values import value_type
from slee.model.codec import declared_annotation
from slee.model.profile import describe_profile

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


def profile_ids() -> st.SearchStrategy[ProfileID]:
    """Ids of profiles: a table's name without `/`, and a profile's that may hold it (PRF-4)."""
    return st.builds(ProfileID, _WORDS, st.text(min_size=1, max_size=20))


def profile_values(specification: type[Profile]) -> st.SearchStrategy[dict[str, object]]:
    """Values for every attribute of a profile specification, by name, that fit its types and constraints (PRF-17).

    What is unique in a table, and what `profile_verify` says, is left to the test.

    Raises:
        TypeError: an attribute can only be a reference.
    """
    described = describe_profile(specification)
    return st.fixed_dictionaries({each.name: _attribute_values(each, described.model) for each in described.attributes})


def _attribute_values(attribute: Attribute, model: type[BaseModel]) -> st.SearchStrategy[object]:
    def fits(value: object) -> bool:
        try:
            model.model_validate({attribute.name: value})
        except ValidationError:
            return False
        return True

    return values(attribute.annotation).filter(fits)


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
        if origin is Annotated:
            return self._constrained(arguments[0], _Bounds(arguments[1:]))
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

    def _constrained(self, annotation: object, bounds: _Bounds) -> st.SearchStrategy[Any]:
        """Values within pydantic's bounds, as far as they can be aimed at."""
        if typing.get_origin(annotation) in (typing.Union, types.UnionType):
            return st.one_of([self._constrained(argument, bounds) for argument in typing.get_args(annotation)])
        aimed = _AIMED.get(annotation)
        return self.of(annotation) if aimed is None else aimed(bounds)

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


class _Bounds:
    """What the metadata of `Annotated` bounds a value by."""

    def __init__(self, metadata: Iterable[object]) -> None:
        self._told: dict[str, Any] = {}
        for each in metadata:
            for bound in each.metadata if isinstance(each, FieldInfo) else (each,):
                for name in ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern"):
                    if (value := getattr(bound, name, None)) is not None:
                        self._told[name] = value

    def integers(self) -> st.SearchStrategy[int]:
        told = self._told
        low = max(-(2**63), told.get("ge", -(2**63)), told.get("gt", -(2**63) - 1) + 1)
        return st.integers(low, min(2**63 - 1, told.get("le", 2**63 - 1), told.get("lt", 2**63) - 1))

    def floats(self) -> st.SearchStrategy[float]:
        told = self._told
        return st.floats(
            told.get("ge", told.get("gt")),
            told.get("le", told.get("lt")),
            exclude_min="ge" not in told and "gt" in told,
            exclude_max="le" not in told and "lt" in told,
            allow_nan=False,
        )

    def texts(self) -> st.SearchStrategy[str]:
        if "pattern" in self._told:
            pattern: str = self._told["pattern"]
            return st.from_regex(pattern)
        return st.text(min_size=self._told.get("min_length", 0), max_size=self._told.get("max_length"))


_AIMED: Final[dict[object, Callable[[_Bounds], st.SearchStrategy[Any]]]] = {
    int: _Bounds.integers,
    float: _Bounds.floats,
    str: _Bounds.texts,
}
"""The types whose bounds are aimed at; of others, values that do not fit are thrown away."""


def _must_refer(annotation: object) -> bool:
    """Whether every value of the type is a reference, which only a delivery can make."""
    if typing.get_origin(annotation) is SbbLocal:
        return True
    return isinstance(annotation, type) and issubclass(annotation, ActivityContext | EventContext)


__all__ = ["addresses", "cmp_states", "component_ids", "events", "profile_ids", "profile_values", "values"]
