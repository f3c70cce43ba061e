"""Declarations on an SBB class, one per fact: state, events fired, children, resources, configuration, usage.

Each is a descriptor that is typed on the class and on the instance. None of them is a data descriptor at run time:
an instance's CMP values stand in its `__dict__`, and a plain read finds them there without a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, overload

import msgspec

from slee.api.activity import ActivityContext
from slee.api.address import Address
from slee.api.errors import ComponentDefinitionError, Issue
from slee.api.event import event_type_id
from slee.api.ids import ServiceID
from slee.api.resource import ResourceAdaptorType
from slee.api.usage import UsageParameters

if TYPE_CHECKING:
    from typing import Self

    from pydantic import BaseModel

    from slee.api.facilities import Rows, VolatileTable
    from slee.api.local import ChildRelation
    from slee.api.profile import Profile
    from slee.api.sbb import Sbb
    from slee.api.values import ValueType

T = TypeVar("T")
E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)
I = TypeVar("I")
M = TypeVar("M", bound="BaseModel")
U = TypeVar("U", bound=UsageParameters)
R = TypeVar("R", bound=msgspec.Struct)
S = TypeVar("S", bound="Sbb")

FORBIDDEN_METHODS: Final = (
    "__init__",
    "__new__",
    "__del__",
    "__slots__",
    "__setattr__",
    "__getattribute__",
    "__getattr__",
)
"""What an SBB may not define (SBB-3)."""

PRIORITIES: Final = range(-128, 128)
"""The priorities of entities and services (LOC-6, CHD-12)."""


class Unset:
    """The type of `UNSET`, which stands for a default that was not given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


class Declaration:
    """Something that an SBB class declares; knows the attribute that it is declared under."""

    __slots__ = ("name", "owner")

    name: str
    owner: type

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner = owner
        self.name = name

    def __repr__(self) -> str:
        if not hasattr(self, "owner"):  # within the class body, where a name of the module may be meant
            return f"a {type(self).__name__} of the class itself"
        return f"{self.owner.__qualname__}.{self.name}"


class Cmp(Declaration, Generic[T]):
    """A field of an SBB's container-managed persistent state (group CMP)."""

    __slots__ = ("default", "kind")

    def __init__(self, default: T | Unset = UNSET) -> None:
        self.default = default
        self.kind: ValueType | None = None
        """The declared type, once its annotation has been resolved (CMP-10)."""

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> T: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | T:
        """The initial value, or `UnsetFieldError`: reached only when the instance's `__dict__` lacks the field."""
        if instance is None:
            return self
        value: Any = instance._slee.initial_value(self.name)
        return value  # type: ignore[no-any-return]

    if TYPE_CHECKING:

        def __set__(self, instance: Sbb, value: T) -> None: ...

        def __delete__(self, instance: Sbb) -> None: ...


def cmp(default: T | Unset = UNSET) -> Cmp[T]:
    """Declare a CMP field: `name: Cmp[str] = cmp()`; without default it begins at its type's zero value (CMP-1)."""
    return Cmp(default)


class Firing(Protocol[E_contra]):
    """Fires an event of one type; made by `fires(...)`."""

    def __call__(
        self,
        event: E_contra,
        aci: ActivityContext,
        *,
        address: Address | None = None,
        service: ServiceID | None = None,
    ) -> None:
        """Fire `event` on `aci` at the commit of this delivery (RTR-22, RTR-23).

        Raises:
            TypeError: event or context is `None`, or the event is not of the declared class (RTR-24).
            InvalidStateError: the context is Ending or Invalid (RTR-25).
            UnrecognizedServiceError: the target service is not installed (RTR-13).
        """


class _Bound(Declaration):
    """A declaration whose value on an instance is what the SLEE bound to it when the service was set up."""

    __slots__ = ()

    def _value(self, instance: Sbb | Profile) -> Any:
        return instance._slee.bound(self.name)


class Fires(_Bound, Generic[E]):
    """Declares that the SBB fires events of one type (DU-1)."""

    __slots__ = ("event_type",)

    def __init__(self, event_type: type[E]) -> None:
        if event_type_id(event_type) is None:
            raise ComponentDefinitionError(
                [Issue(f"fires({event_type!r})", "DU-5", "that is no event type", "declare it with @event_type")]
            )
        self.event_type = event_type

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> Firing[E]: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | Firing[E]:
        return self if instance is None else self._value(instance)


def fires(event_type: type[E]) -> Fires[E]:
    """Declare an event type that the SBB fires: `diverted = fires(CallDiverted)`."""
    return Fires(event_type)


class Child(Declaration, Generic[S]):
    """Declares a child relation (CHD-12, CHD-13)."""

    __slots__ = ("default_priority", "sbb")

    def __init__(self, sbb: type[S], default_priority: int) -> None:
        if not isinstance(sbb, type) or not hasattr(sbb, "sbb_id"):
            raise ComponentDefinitionError(
                [Issue(f"child({sbb!r})", "CHD-13", "that is no Sbb class", "give a subclass of Sbb")]
            )
        if default_priority not in PRIORITIES:
            raise ComponentDefinitionError(
                [Issue(f"child({sbb.__name__})", "CHD-12", f"priority {default_priority}", "give -128 to 127")]
            )
        self.sbb = sbb
        self.default_priority = default_priority

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> ChildRelation[S]: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | ChildRelation[S]:
        if instance is None:
            return self
        return instance._slee.relation(self.name)


def child(sbb: type[S], *, default_priority: int = 0) -> Child[S]:
    """Declare a child relation: `charging = child(PrepaidCharging)`."""
    return Child(sbb, default_priority)


class Resource(_Bound, Generic[I]):
    """Declares the use of a resource adaptor type, bound to an RA entity by a link in the manifest."""

    __slots__ = ("ra_type",)

    def __init__(self, ra_type: ResourceAdaptorType[I]) -> None:
        self.ra_type = ra_type

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> I: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | I:
        return self if instance is None else self._value(instance)


def resource(ra_type: ResourceAdaptorType[I]) -> Resource[I]:
    """Declare the use of a resource: `sip = resource(SIP)`."""
    return Resource(ra_type)


class Configuration(_Bound, Generic[M]):
    """Declares the model of an SBB's configuration, filled from the manifest's `[config.NAME]` (DU-23)."""

    __slots__ = ("model",)

    def __init__(self, model: type[M]) -> None:
        self.model = model

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> M: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | M:
        return self if instance is None else self._value(instance)


def configuration(model: type[M]) -> Configuration[M]:
    """Declare the SBB's configuration: `config = configuration(RegistrarConfig)`, a frozen pydantic model."""
    return Configuration(model)


class Usage(_Bound, Generic[U]):
    """Declares what an SBB, or a profile table, counts (group USG)."""

    __slots__ = ("parameters",)

    def __init__(self, parameters: type[U]) -> None:
        self.parameters = parameters

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb | Profile, owner: type[Any]) -> U: ...
    def __get__(self, instance: Sbb | Profile | None, owner: type[Any]) -> Self | U:
        return self if instance is None else self._value(instance)


def usage_parameters(parameters: type[U]) -> Usage[U]:
    """Declare what the SBB, or each table of the profile specification, counts: `usage = usage_parameters(Figures)`."""
    return Usage(parameters)


class Volatile(_Bound, Generic[R]):
    """Declares the use of a volatile table."""

    __slots__ = ("table",)

    def __init__(self, table: VolatileTable[R]) -> None:
        self.table = table

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Sbb, owner: type[Any]) -> Rows[R]: ...
    def __get__(self, instance: Sbb | None, owner: type[Any]) -> Self | Rows[R]:
        return self if instance is None else self._value(instance)


def volatile(table: VolatileTable[R]) -> Volatile[R]:
    """Declare the use of a volatile table: `location = volatile(LOCATION)`."""
    return Volatile(table)
