"""The codec of declared types: makes values plain for MessagePack, and makes them again (DUR-12, CMP-10).

Each declared type has one `Carrier`. Its `text` describes the type down to the fields of the classes in it, so that the
hash of a schema changes whenever stored values would be read in another way. Nothing is executed on reading: classes
are those that the declaration names. Entities, contexts and events are references: the `References` in use says what
is written for them.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
import typing
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from slee.api.activity import ActivityContext, EventContext
from slee.api.alarm import AlarmID
from slee.api.declaration import Cmp
from slee.api.event import TimerID
from slee.api.ids import BundleID, ComponentID
from slee.api.local import ProfileLocal, SbbLocal
from slee.api.sbb import Sbb
from slee.api.values import declared_type, value_type

_PLAIN: Final = (bool, int, float, str, bytes, type(None))
_BY_MSGSPEC: Final = (decimal.Decimal, datetime.datetime, datetime.date, datetime.time, datetime.timedelta)
_ONE_CLASS_FOR_MANY: Final = (ComponentID, BundleID, TimerID, AlarmID)


def declared_annotation(sbb: type[Sbb], field: str) -> object:
    """The T of `field: Cmp[T]`, of the class or the one that it inherits the field from."""
    owner = next(base for base in sbb.__mro__ if field in vars(base))
    return declared_type(owner, field, Cmp)


class References(Protocol):
    """What stands for the entities, contexts and events that values refer to."""

    def place(self, target: object) -> object:
        """What is written for a target; plain for MessagePack."""
        ...

    def target(self, place: Any) -> object:
        """The target of what was written; `None` if there is none any more."""
        ...


def _as_it_is(value: Any, _: References) -> object:
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Carrier:
    """How values of one type are made plain for MessagePack, and made again."""

    text: str
    """Describes the type; of two types it is equal only if stored values of both are read alike."""
    plain: Callable[[Any, References], object] = _as_it_is
    value: Callable[[Any, References], object] = _as_it_is

    @property
    def is_plain(self) -> bool:
        """Whether values of the type are plain as they are."""
        return self.plain is _as_it_is


class Codec:
    """Makes the carriers of declared types."""

    def __init__(self) -> None:
        self._classes: dict[type, Carrier] = {}

    def carrier(self, annotation: object) -> Carrier:
        """The carrier of an annotation.

        Raises:
            TypeError: the type is open, mutable or unknown.
            NameError: a class in it has an annotation that names nothing.
        """
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if isinstance(annotation, typing.NewType):
            return self.carrier(annotation.__supertype__)
        if origin is typing.Annotated:  # the constraints are pydantic's
            return self.carrier(arguments[0])
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        if origin is tuple:
            return self._tuple(arguments)
        if origin is frozenset:
            return _frozenset(self.carrier(arguments[0]))
        if origin is SbbLocal:
            return _reference("SbbLocal")
        if origin is typing.Literal:
            return Carrier("literal")
        if annotation is None:
            return Carrier("None")
        if isinstance(annotation, type):
            return self._class(annotation)
        raise TypeError(f"{annotation!r} is not carried")

    def _class(self, cls: type[Any]) -> Carrier:
        if cls in _PLAIN:
            return Carrier("None" if cls is type(None) else cls.__name__)
        if cls in _BY_MSGSPEC:
            return _by_msgspec(cls)
        if cls is datetime.timezone:
            return Carrier(
                "timezone",
                lambda zone, _: zone.utcoffset(None).total_seconds(),
                lambda offset, _: datetime.timezone(datetime.timedelta(seconds=offset)),
            )
        if issubclass(cls, ActivityContext):
            return _reference("ActivityContext")
        if issubclass(cls, EventContext):
            return _reference("EventContext")
        if issubclass(cls, ProfileLocal):
            return _reference(f"profile {cls.__name__}")
        if issubclass(cls, enum.Flag):
            return Carrier(f"flag {cls.__name__}", lambda value, _: value.value, lambda plain, _: cls(plain))
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
        made = _made_of(cls)
        fields: list[tuple[str, Carrier]] = []

        def plain(value: Any, references: References) -> object:
            return [field.plain(getattr(value, name), references) for name, field in fields]

        def value(parts: Any, references: References) -> object:
            given = zip(fields, parts, strict=True)
            return cls(**{name: field.value(part, references) for (name, field), part in given if made[name]})

        self._classes[cls] = Carrier(f"^{cls.__name__}", plain, value)
        try:
            hints = typing.get_type_hints(cls)
            fields.extend((name, self.carrier(hints[name])) for name in made)
        except BaseException:
            del self._classes[cls]
            raise
        text = ", ".join(f"{name}: {field.text}" for name, field in fields)
        self._classes[cls] = carrier = Carrier(f"{cls.__name__}({text})", plain, value)
        return carrier

    def _union(self, arguments: tuple[object, ...]) -> Carrier:
        kinds = [value_type(argument) for argument in arguments]
        members = [self.carrier(argument) for argument in arguments]
        text = " | ".join(member.text for member in members)
        if all(member.is_plain for member in members):  # MessagePack tells them apart
            return Carrier(text)

        def plain(value: object, references: References) -> object:
            place = next(i for i, kind in enumerate(kinds) if kind.accepts(value))
            return [place, members[place].plain(value, references)]

        def made(pair: tuple[int, object], references: References) -> object:
            return members[pair[0]].value(pair[1], references)

        return Carrier(text, plain, made)

    def _tuple(self, arguments: tuple[object, ...]) -> Carrier:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            member = self.carrier(arguments[0])
            return Carrier(
                f"tuple[{member.text}, ...]",
                lambda value, refs: [member.plain(part, refs) for part in value],
                lambda plain, refs: tuple(member.value(part, refs) for part in plain),
            )
        members = [self.carrier(argument) for argument in arguments]
        return Carrier(
            f"tuple[{', '.join(member.text for member in members)}]",
            lambda value, refs: [m.plain(part, refs) for m, part in zip(members, value, strict=True)],
            lambda plain, refs: tuple(m.value(part, refs) for m, part in zip(members, plain, strict=True)),
        )


def _frozenset(member: Carrier) -> Carrier:
    return Carrier(
        f"frozenset[{member.text}]",
        lambda value, refs: sorted(msgspec.msgpack.encode(member.plain(part, refs)) for part in value),
        lambda plain, refs: frozenset(member.value(msgspec.msgpack.decode(part), refs) for part in plain),
    )


def _reference(text: str) -> Carrier:
    return Carrier(text, lambda value, refs: refs.place(value), lambda place, refs: refs.target(place))


def _by_msgspec(cls: type[Any]) -> Carrier:
    return Carrier(
        cls.__name__,
        lambda value, _: msgspec.msgpack.encode(value),
        lambda plain, _: msgspec.msgpack.decode(plain, type=cls),
    )


def _enum(cls: type[Any]) -> Carrier:
    members: dict[str, object] = dict(cls.__members__)
    return Carrier(f"enum {cls.__name__}", lambda member, _: member.name, lambda name, _: members[name])


def _identity(cls: type[Any]) -> Carrier:
    """Ids: a field declared with the common class holds one of any kind."""
    kinds = {kind.__name__: kind for kind in _kinds(cls)}
    return Carrier(
        cls.__name__,
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


__all__ = ["Carrier", "Codec", "References", "declared_annotation"]
