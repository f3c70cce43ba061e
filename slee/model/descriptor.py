"""Component classes turned into immutable descriptors, once, when they are verified (DU-6, DU-33).

The kernel and management work from descriptors only; annotations are resolved here and nowhere else.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from pydantic import BaseModel

from slee.api.activity import ActivityContext, EventContext
from slee.api.declaration import UNSET, Child, Cmp, Configuration, Declaration, Fires, Resource, Usage, Volatile
from slee.api.errors import Issue, VerificationError
from slee.api.event import event_type_id
from slee.api.facilities import VolatileTable
from slee.api.handler import HANDLER_MARK, HandlerMark, Select
from slee.api.ids import EventTypeID, SbbID, ServiceID
from slee.api.local import LOCAL_MARK
from slee.api.migration import StateMigration, declared_ways
from slee.api.profile import Profile
from slee.api.profile_table import Profiles
from slee.api.resource import ResourceAdaptorType
from slee.api.sbb import CALLBACKS, Sbb, SbbContext
from slee.api.usage import UsageParameters
from slee.api.values import ValueType, default_issue, field_type
from slee.api.view import ActivityContextView, declare_view, view_issues
from slee.spi.scheduling import DeclaredSchedule

_D = typing.TypeVar("_D", bound=Declaration)


class Durability(enum.Enum):
    """What of a service's state survives a crash (group DUR)."""

    MEMORY = "memory"
    ASYNC = "async"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class HandlerDescriptor:
    """One event handler of an SBB."""

    event_class: type
    event_type: EventTypeID
    method: str
    takes_event_context: bool
    mark: HandlerMark
    view: type[ActivityContextView] | None = None
    """What its context parameter is annotated with, if that is a view (SHR-1)."""


@dataclass(frozen=True, slots=True)
class ChildDescriptor:
    """One child relation of an SBB."""

    name: str
    sbb: type[Sbb]
    default_priority: int


@dataclass(frozen=True, slots=True)
class SbbDescriptor:
    """What an SBB class declares."""

    id: SbbID
    cls: type[Sbb]
    retired: type[Sbb]
    """Twin of `cls` that an instance becomes after its delivery; it refuses everything (SBB-4)."""
    fields: Mapping[str, ValueType]
    initial: Mapping[str, object]
    """Initial values of the fields that have one (CMP-1, CMP-2)."""
    handlers: Mapping[type, HandlerDescriptor]
    children: Mapping[str, ChildDescriptor]
    fires: Mapping[str, type]
    resources: Mapping[str, ResourceAdaptorType[object]]
    configuration: Mapping[str, type]
    usage: Mapping[str, type]
    tables: Mapping[str, VolatileTable[typing.Any]]
    profiles: Mapping[str, Profiles[typing.Any]]
    """The profile tables that it uses, by attribute (PRF-21)."""
    local_methods: Mapping[str, tuple[type[Exception], ...]]
    callbacks: frozenset[str]
    """The life-cycle callbacks that the class defines; the others are not called."""
    masked_on_attach: frozenset[type]
    views: tuple[type[ActivityContextView], ...] = ()
    """Views of activity contexts that handlers are given."""
    migrations: Mapping[str, StateMigration] = field(default_factory=dict[str, StateMigration])
    """What carries state here, by the version that it comes from (UPG-10)."""
    ways_back: Mapping[str, StateMigration] = field(default_factory=dict[str, StateMigration])
    """What carries state back, by the version that it goes to."""


@dataclass(frozen=True, slots=True)
class ServiceDescriptor:
    """A root SBB and how to run it."""

    id: ServiceID
    root: SbbDescriptor
    sbbs: Mapping[SbbID, SbbDescriptor]
    """Root and every SBB reachable by child relations."""
    default_priority: int = 0
    durability: Durability = Durability.ASYNC
    address_profile_table: str | None = None
    """Where ADDRESS_PROFILE looks addresses up (IES-11)."""
    schedules: tuple[DeclaredSchedule, ...] = ()
    """Schedules that its bundle declares for it (TIM-23)."""


@dataclass(slots=True)
class _Findings:
    issues: list[Issue] = field(default_factory=list[Issue])


def describe_service(
    identity: ServiceID,
    root: type[Sbb],
    *,
    default_priority: int = 0,
    durability: Durability = Durability.ASYNC,
    address_profile_table: str | None = None,
    schedules: tuple[DeclaredSchedule, ...] = (),
) -> ServiceDescriptor:
    """Describe a service with every SBB of its tree.

    Raises:
        VerificationError: lists everything that is wrong with any of the SBBs.
    """
    sbbs: dict[SbbID, SbbDescriptor] = {}
    issues: list[Issue] = []
    waiting = [root]
    seen: set[type[Sbb]] = set()
    while waiting:
        cls = waiting.pop(0)
        if cls in seen:
            continue
        seen.add(cls)
        try:
            sbbs[cls.sbb_id] = descriptor = describe_sbb(cls)
        except VerificationError as error:
            issues.extend(error.issues)
        else:
            waiting.extend(child.sbb for child in descriptor.children.values())
    if address_profile_table is None and root.sbb_id in sbbs:
        issues.extend(_address_profile_issues(sbbs[root.sbb_id]))
    if issues:
        raise VerificationError(issues)
    return ServiceDescriptor(
        identity,
        sbbs[root.sbb_id],
        types.MappingProxyType(sbbs),
        default_priority,
        durability,
        address_profile_table,
        schedules,
    )


def _address_profile_issues(root: SbbDescriptor) -> Iterator[Issue]:
    """Handlers that select ADDRESS_PROFILE in a service without an address profile table (IES-11)."""
    for handler in root.handlers.values():
        if handler.mark.initial and Select.ADDRESS_PROFILE in handler.mark.variables:
            where = f"{root.cls.__qualname__}.{handler.method}"
            problem = "it selects ADDRESS_PROFILE, and the service names no table"
            yield Issue(where, "IES-11", problem, "give the service an address-profile-table")


def describe_sbb(cls: type[Sbb]) -> SbbDescriptor:
    """Describe one SBB class; calls none of its code (DU-7).

    Raises:
        VerificationError: lists everything that is wrong with the class.
    """
    found = _Findings()
    fields, initial = _fields(cls, found)
    handlers = _handlers(cls, found)
    views = {h.view for h in handlers.values() if h.view is not None}
    found.issues.extend(issue for view in views for issue in view_issues(view, cls.sbb_id))
    ways = declared_ways(cls, cls.sbb_id.version, _methods(cls))
    found.issues.extend(ways.issues)
    usage = {n: d.parameters for n, d in _declared(cls, Usage[UsageParameters])}
    if len(usage) > 1:
        problem = f"{', '.join(usage)} all declare usage parameters"
        found.issues.append(Issue(str(cls.sbb_id), "USG-3", problem, "keep one of them, with the members of all"))
    if found.issues:
        raise VerificationError(found.issues)
    for view in views:
        declare_view(view, cls.sbb_id)
    return SbbDescriptor(
        id=cls.sbb_id,
        cls=cls,
        retired=_retired_twin(cls),
        fields=types.MappingProxyType(fields),
        initial=types.MappingProxyType(initial),
        handlers=types.MappingProxyType(handlers),
        children={n: ChildDescriptor(n, d.sbb, d.default_priority) for n, d in _declared(cls, Child[Sbb])},
        fires={n: d.event_type for n, d in _declared(cls, Fires[object])},
        resources={n: d.ra_type for n, d in _declared(cls, Resource[object])},
        configuration={n: d.model for n, d in _declared(cls, Configuration[BaseModel])},
        usage=usage,
        tables={n: d.table for n, d in _declared(cls, Volatile[msgspec.Struct])},
        profiles=dict(_declared(cls, Profiles[Profile])),
        local_methods={n: getattr(m, LOCAL_MARK) for n, m in _methods(cls) if hasattr(m, LOCAL_MARK)},
        callbacks=frozenset(n for n in CALLBACKS if getattr(cls, n) is not getattr(Sbb, n)),
        masked_on_attach=frozenset(e for e, h in handlers.items() if h.mark.mask_on_attach),
        views=tuple(dict.fromkeys(h.view for h in handlers.values() if h.view is not None)),
        migrations=ways.up,
        ways_back=ways.back,
    )


def _declared(cls: type[Sbb], kind: type[_D]) -> Iterator[tuple[str, _D]]:
    """The declarations of one kind, by attribute."""
    plain = typing.get_origin(kind) or kind
    for name, declaration in cls.sbb_declarations.items():
        if isinstance(declaration, plain):
            yield name, typing.cast("_D", declaration)


def _methods(cls: type[Sbb]) -> Iterator[tuple[str, Callable[..., object]]]:
    yield from inspect.getmembers(cls, inspect.isfunction)


def _fields(cls: type[Sbb], found: _Findings) -> tuple[dict[str, ValueType], dict[str, object]]:
    """The CMP fields with their types, and the initial values of those that have one."""
    fields: dict[str, ValueType] = {}
    initial: dict[str, object] = {}
    for name, declaration in _declared(cls, Cmp[object]):
        kind = declaration.kind
        if kind is None:
            kind = declaration.kind = _late_kind(declaration, found)
        if kind is None:
            continue
        fields[name] = kind
        if declaration.default is not UNSET:
            initial[name] = declaration.default
        elif kind.has_zero:
            initial[name] = kind.zero
    return fields, initial


def _late_kind(declaration: Cmp[typing.Any], found: _Findings) -> ValueType | None:
    """The type of a field whose annotation did not resolve when its class was created."""
    where = str(declaration)
    try:
        kind = field_type(declaration.owner, declaration.name)
    except NameError as error:
        found.issues.append(Issue(where, "CMP-10", str(error), "import the type at run time, not under TYPE_CHECKING"))
        return None
    except TypeError as error:
        found.issues.append(Issue(where, "CMP-10", str(error), "annotate it Cmp[...] with an immutable type"))
        return None
    found.issues.extend(default_issue(where, kind, declaration.default))
    return kind


def _handlers(cls: type[Sbb], found: _Findings) -> dict[type, HandlerDescriptor]:
    """The handlers by the event class that they are declared for (DU-4)."""
    handlers: dict[type, HandlerDescriptor] = {}
    for name, method in _methods(cls):
        mark: HandlerMark | None = getattr(method, HANDLER_MARK, None)
        if mark is None:
            continue
        where = f"{cls.__qualname__}.{name}"
        handler = _handler(where, name, method, mark, found)
        if handler is None:
            continue
        if handler.event_class in handlers:
            other = handlers[handler.event_class].method
            found.issues.append(
                Issue(
                    where,
                    "DU-4",
                    f"{other} handles {handler.event_type.name} already",
                    "keep one handler per event type, and tell cases apart in it",
                )
            )
        handlers[handler.event_class] = handler
    return handlers


def _handler(
    where: str, name: str, method: Callable[..., object], mark: HandlerMark, found: _Findings
) -> HandlerDescriptor | None:
    remedy = "write def method(self, event: EventClass, aci: ActivityContext) -> None"
    if inspect.iscoroutinefunction(method) or inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method):
        found.issues.append(Issue(where, "DU-4", "a handler is neither async nor a generator", remedy))
        return None
    parameters = list(inspect.signature(method).parameters.values())
    plain = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if len(parameters) not in (3, 4) or not plain:
        found.issues.append(Issue(where, "DU-4", "its signature is not (self, event, aci[, event_context])", remedy))
        return None
    try:
        hints = typing.get_type_hints(
            method, localns={"ActivityContext": ActivityContext, "EventContext": EventContext}
        )
    except NameError as error:
        found.issues.append(
            Issue(
                where,
                "DU-4",
                f"its annotations do not resolve: {error}",
                "import the event class at run time, not under TYPE_CHECKING",
            )
        )
        return None
    event_class = hints.get(parameters[1].name)
    identity = event_type_id(event_class)
    if identity is None or not isinstance(event_class, type):
        shown = "missing" if event_class is None else repr(event_class)
        found.issues.append(Issue(where, "DU-4", f"the event annotation is {shown}, no event type", remedy))
        return None
    aci: object = hints.get(parameters[2].name)
    view = aci if isinstance(aci, type) and issubclass(aci, ActivityContextView) else None
    return HandlerDescriptor(event_class, identity, name, len(parameters) == 4, mark, view)


def _retired_twin(cls: type[Sbb]) -> type[Sbb]:
    """A class that an instance of `cls` can become, and that refuses every access (SBB-4)."""

    def refuse(self: object, name: str, _value: object = None) -> typing.NoReturn:
        context: SbbContext = object.__getattribute__(self, "_slee")
        context.refuse_late_use(name)

    namespace = {
        "__slots__": (),
        "__getattribute__": refuse,
        "__setattr__": refuse,
        "__delattr__": refuse,
        "__module__": cls.__module__,
    }
    return types.new_class(f"Retired{cls.__name__}", (cls,), {"retired": True}, lambda body: body.update(namespace))
