"""Carries values of declared types through MessagePack and back (TST-8)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec

from slee.api.activity import ActivityContext, EventContext
from slee.api.alarm import AlarmID
from slee.api.declaration import Cmp
from slee.api.event import TimerID
from slee.api.ids import BundleID, ComponentID
from slee.api.local import SbbLocal
from slee.api.sbb import Sbb
from slee.api.values import declared_type, value_type

_AS_THEY_ARE: Final = (bool, int, float, str, bytes, type(None))
_BY_MSGSPEC: Final = (decimal.Decimal, datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_ONE_CLASS_FOR_MANY: Final = (ComponentID, BundleID, TimerID, AlarmID)


def declared_annotation(sbb: type[Sbb], field: str) -> object:
    """The T of `field: Cmp[T]`, of the class or the one that it inherits the field from."""
    owner = next(base for base in sbb.__mro__ if field in vars(base))
    return declared_type(owner, field, Cmp)


class References:
    """What a value refers to: entities and contexts are not carried, their places in this list are."""

    def __init__(self) -> None:
        self._targets: list[object] = []

    def place(self, target: object) -> int:
        """The place of `target`, the same one for equal targets."""
        for place, known in enumerate(self._targets):
            if known == target:
                return place
        self._targets.append(target)
        return len(self._targets) - 1

    def target(self, place: int) -> object:
        """What stands at a place."""
        return self._targets[place]


@dataclasses.dataclass(frozen=True, slots=True)
class Carrier:
    """How values of one type are made plain for MessagePack, and made again."""

    plain: Callable[[Any, References], object]
    value: Callable[[Any, References], object]


class Codec:
    """Makes carriers of declared types, and sends values through them."""

    def __init__(self) -> None:
        self._classes: dict[type, Carrier] = {}

    def copy(self, value: object, annotation: object) -> object:
        """What becomes of a value of a declared type when it is stored and read.

        Raises:
            ValueError: the value cannot be stored, or another one is read.
            TypeError: the codec does not carry the type.
        """
        carrier = self.carrier(annotation)
        references = References()
        try:
            stored = msgspec.msgpack.encode(carrier.plain(value, references))
            copy = carrier.value(msgspec.msgpack.decode(stored), references)
            again = msgspec.msgpack.encode(carrier.plain(copy, references))
        except Exception as error:
            raise ValueError(f"{value!r} cannot be stored and read: {error!r}") from error
        if again != stored:
            raise ValueError(f"{value!r} is read as {copy!r}")
        return copy

    def carrier(self, annotation: object) -> Carrier:
        """The carrier of an annotation; `TypeError` if it is open, mutable or unknown."""
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if isinstance(annotation, typing.NewType):
            return self.carrier(annotation.__supertype__)
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        if origin is tuple:
            return self._tuple(arguments)
        if origin is frozenset:
            return self._frozenset(self.carrier(arguments[0]))
        if origin is SbbLocal:
            return _REFERENCE
        if origin is typing.Literal or annotation is None:
            return _SAME
        if isinstance(annotation, type):
            return self._class(annotation)
        raise TypeError(f"{annotation!r} is not carried")

    def _class(self, cls: type[Any]) -> Carrier:
        if cls in _AS_THEY_ARE:
            return _SAME
        if cls in _BY_MSGSPEC:
            return _by_msgspec(cls)
        if cls is datetime.timezone:
            return Carrier(
                lambda zone, _: zone.utcoffset(None).total_seconds(),
                lambda offset, _: datetime.timezone(datetime.timedelta(seconds=offset)),
            )
        if issubclass(cls, ActivityContext | EventContext):
            return _REFERENCE
        if issubclass(cls, enum.Flag):
            return _flag(cls)
        if issubclass(cls, enum.Enum):
            return _enum(cls)
        if issubclass(cls, _ONE_CLASS_FOR_MANY):
            return _identity(cls)
        return self._struct(cls)

    def _struct(self, cls: type[Any]) -> Carrier:
        """The carrier of a frozen class, field by field; one that holds itself finds itself."""
        found = self._classes.get(cls)
        if found is not None:
            return found
        value_type(cls)
        fields: list[tuple[str, Carrier]] = []
        made = _made_of(cls)
        carrier = Carrier(
            lambda value, refs: [field.plain(getattr(value, name), refs) for name, field in fields],
            lambda plain, refs: cls(
                **{
                    name: field.value(part, refs)
                    for (name, field), part in zip(fields, plain, strict=True)
                    if made[name]
                }
            ),
        )
        self._classes[cls] = carrier
        hints = typing.get_type_hints(cls)
        fields.extend((name, self.carrier(hints[name])) for name in made)
        return carrier

    def _union(self, arguments: tuple[object, ...]) -> Carrier:
        kinds = [value_type(argument) for argument in arguments]
        members = [self.carrier(argument) for argument in arguments]

        def plain(value: object, refs: References) -> object:
            place = next(i for i, kind in enumerate(kinds) if kind.accepts(value))
            return [place, members[place].plain(value, refs)]

        def made(pair: tuple[int, object], references: References) -> object:
            return members[pair[0]].value(pair[1], references)

        return Carrier(plain, made)

    def _tuple(self, arguments: tuple[object, ...]) -> Carrier:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            member = self.carrier(arguments[0])
            return Carrier(
                lambda value, refs: [member.plain(part, refs) for part in value],
                lambda plain, refs: tuple(member.value(part, refs) for part in plain),
            )
        members = [self.carrier(argument) for argument in arguments]
        return Carrier(
            lambda value, refs: [m.plain(part, refs) for m, part in zip(members, value, strict=True)],
            lambda plain, refs: tuple(m.value(part, refs) for m, part in zip(members, plain, strict=True)),
        )

    def _frozenset(self, member: Carrier) -> Carrier:
        return Carrier(
            lambda value, refs: sorted(msgspec.msgpack.encode(member.plain(part, refs)) for part in value),
            lambda plain, refs: frozenset(member.value(msgspec.msgpack.decode(part), refs) for part in plain),
        )


_SAME: Final = Carrier(lambda value, _: value, lambda plain, _: plain)
_REFERENCE: Final = Carrier(lambda value, refs: refs.place(value), lambda place, refs: refs.target(place))


def _by_msgspec(cls: type[Any]) -> Carrier:
    return Carrier(lambda value, _: msgspec.msgpack.encode(value), lambda p, _: msgspec.msgpack.decode(p, type=cls))


def _enum(cls: type[Any]) -> Carrier:
    members: dict[str, object] = dict(cls.__members__)
    return Carrier(lambda member, _: member.name, lambda name, _: members[name])


def _flag(cls: type[Any]) -> Carrier:
    return Carrier(lambda member, _: member.value, lambda value, _: cls(value))


def _identity(cls: type[Any]) -> Carrier:
    """Ids: a field declared with the common class holds one of any kind."""
    kinds = {kind.__name__: kind for kind in _kinds(cls)}
    return Carrier(
        lambda value, _: [type(value).__name__, msgspec.msgpack.encode(value)],
        lambda pair, _: msgspec.msgpack.decode(pair[1], type=kinds[pair[0]]),
    )


def _kinds(cls: type[Any]) -> list[type[Any]]:
    return [cls, *(kind for below in cls.__subclasses__() for kind in _kinds(below))]


def _made_of(cls: type[Any]) -> dict[str, bool]:
    """The fields of a frozen class, each with whether the constructor takes it."""
    if issubclass(cls, msgspec.Struct):
        return dict.fromkeys(cls.__struct_fields__, True)
    return {field.name: field.init for field in dataclasses.fields(cls)}
