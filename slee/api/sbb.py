"""Service building blocks: declare state, events, children and resources on a subclass of `Sbb`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Protocol, cast

from slee.api.declaration import FORBIDDEN_METHODS, Cmp, Declaration
from slee.api.errors import ComponentDefinitionError, Issue
from slee.api.handler import HANDLER_MARK
from slee.api.ids import SbbID, ServiceID
from slee.api.local import LOCAL_MARK, ChildRelation, SbbLocal, local
from slee.api.values import default_issue, field_type
from slee.api.view import declare_view, view_issues, view_of

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext, EventContext
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import NamingFacility, NullActivities, TimerFacility, Tracer

CALLBACKS = (
    "sbb_create",
    "sbb_post_create",
    "sbb_activate",
    "sbb_passivate",
    "sbb_load",
    "sbb_store",
    "sbb_remove",
    "sbb_exception_thrown",
    "sbb_rolled_back",
)
"""The life-cycle callbacks of an SBB; each defaults to nothing."""


class SbbContext(Protocol):
    """What an instance reaches the SLEE through; the kernel's SBB entity provides it."""

    @property
    def service_id(self) -> ServiceID: ...
    @property
    def now(self) -> float: ...
    @property
    def timers(self) -> TimerFacility: ...
    @property
    def naming(self) -> NamingFacility: ...
    @property
    def null_activities(self) -> NullActivities: ...
    @property
    def tracer(self) -> Tracer: ...
    @property
    def alarms(self) -> AlarmFacility: ...
    @property
    def local(self) -> SbbLocal[Any]: ...
    @property
    def activities(self) -> tuple[ActivityContext, ...]: ...
    @property
    def event_context(self) -> EventContext: ...
    @property
    def service_activity(self) -> ActivityContext: ...
    @property
    def is_rollback_only(self) -> bool: ...
    def set_rollback_only(self) -> None: ...
    def bound(self, attribute: str) -> object: ...
    def relation(self, attribute: str) -> ChildRelation[Any]: ...
    def initial_value(self, field: str) -> object: ...
    def refuse_late_use(self, attribute: str) -> NoReturn: ...


class RolledBackContext(Protocol):
    """What `sbb_rolled_back` is told of the delivery that failed (TX-10)."""

    @property
    def event(self) -> object | None:
        """The event of the failed delivery, `None` if it was no event delivery."""

    @property
    def activity_context(self) -> ActivityContext | None:
        """The context of the failed delivery, `None` if it was no event delivery."""

    @property
    def is_remove_rolled_back(self) -> bool:
        """Whether it was a cascade removal that the SLEE began."""
        ...


class Sbb:
    """A service building block: subclass it, and declare everything once on the class.

        class Greeter(Sbb, vendor="example.net", version="1.0"):
            greeted: Cmp[int] = cmp(0)

            @initial_event(selector=call_id)
            def on_invite(self, event: Invite, aci: ActivityContext) -> None:
                self.greeted += 1

    An instance is made for each delivery over a copy of the entity's committed state; what a handler assigns to CMP
    fields is kept at commit and dropped at rollback. Handlers are `def`, run to completion, and do no I/O.

    Class arguments: `vendor` and `version` complete the id; `name` replaces the class name in it; `reentrant=True`
    admits local calls back into a running entity (LOC-13).
    """

    __slots__ = ("__dict__", "__weakref__", "_slee")

    if TYPE_CHECKING:
        _slee: SbbContext

    sbb_id: ClassVar[SbbID]
    sbb_declarations: ClassVar[dict[str, Declaration]] = {}
    sbb_reentrant: ClassVar[bool] = False

    def __init_subclass__(
        cls,
        *,
        vendor: str | None = None,
        version: str | None = None,
        name: str | None = None,
        reentrant: bool = False,
        retired: bool = False,
    ) -> None:
        super().__init_subclass__()
        if retired:  # the twin that an instance becomes after its delivery is no component
            return
        issues = list(_class_issues(cls, vendor, version))
        if issues:
            raise ComponentDefinitionError(issues)
        cls.sbb_id = identity = SbbID(name or cls.__name__, cast("str", vendor), cast("str", version))
        views = dict.fromkeys(view for view in map(view_of, _handlers(cls)) if view is not None)
        issues = [issue for view in views for issue in view_issues(view, identity)]
        if issues:
            raise ComponentDefinitionError(issues)
        for view in views:
            declare_view(view, identity)
        cls.sbb_reentrant = reentrant
        cls.sbb_declarations = {
            key: value for base in reversed(cls.__mro__) for key, value in vars(base).items() if _is_declaration(value)
        }

    @property
    def service_id(self) -> ServiceID:
        """Id of the service that this entity's tree belongs to (CHD-15)."""
        return self._slee.service_id

    @property
    def now(self) -> float:
        """Time of this delivery in seconds since the epoch."""
        return self._slee.now

    @property
    def timers(self) -> TimerFacility:
        """The timer facility."""
        return self._slee.timers

    @property
    def naming(self) -> NamingFacility:
        """The activity context naming facility."""
        return self._slee.naming

    @property
    def null_activities(self) -> NullActivities:
        """Makes null activities."""
        return self._slee.null_activities

    @property
    def tracer(self) -> Tracer:
        """The root tracer of this SBB in its service."""
        return self._slee.tracer

    @property
    def alarms(self) -> AlarmFacility:
        """Raises and clears the alarms of this SBB in its service; in force whatever becomes of the transaction."""
        return self._slee.alarms

    @property
    def local(self) -> SbbLocal[Any]:
        """The local object of this entity (LOC-2)."""
        return self._slee.local

    @property
    def activities(self) -> tuple[ActivityContext, ...]:
        """The contexts that this entity is attached to, each once (ATT-7)."""
        return self._slee.activities

    @property
    def event_context(self) -> EventContext:
        """The firing being delivered (RTR-20)."""
        return self._slee.event_context

    @property
    def service_activity(self) -> ActivityContext:
        """The context of this service's own activity (SVC-13)."""
        return self._slee.service_activity

    @property
    def is_rollback_only(self) -> bool:
        """Whether the transaction is marked for rollback (TX-1)."""
        return self._slee.is_rollback_only

    def set_rollback_only(self) -> None:
        """Mark the transaction for rollback, for good (TX-1)."""
        self._slee.set_rollback_only()

    def sbb_create(self) -> None:
        """Called when the entity is made; CMP fields can be written, nothing else exists yet (SBB-24)."""

    def sbb_post_create(self) -> None:
        """Called after `sbb_create`, with the entity in place (SBB-5)."""

    def sbb_activate(self) -> None:
        """Called when this instance is bound to an existing entity; outside state and transaction (SBB-8)."""

    def sbb_passivate(self) -> None:
        """Called last on this instance; outside state and transaction (SBB-7)."""

    def sbb_load(self) -> None:
        """Called with the committed state readable, before the handler (SBB-9)."""

    def sbb_store(self) -> None:
        """Called after the code of the transaction and before its commit (SBB-10)."""

    def sbb_remove(self) -> None:
        """Called when the entity is removed, with everything still in place (SBB-13)."""

    def sbb_exception_thrown(self, exception: BaseException, event: object | None, aci: ActivityContext | None) -> None:
        """Called when code of this instance raised; what it does is dropped by the rollback (SBB-17, SBB-18)."""

    def sbb_rolled_back(self, context: RolledBackContext) -> None:
        """Called after a failed delivery, on a new instance in a transaction of its own (SBB-21)."""


def _handlers(cls: type[Sbb]) -> Iterator[object]:
    """The event handlers, inherited ones included."""
    names = dict.fromkeys(name for base in cls.__mro__ for name in vars(base))
    return (method for name in names if hasattr(method := getattr(cls, name), HANDLER_MARK))


def _is_declaration(value: object) -> bool:
    return isinstance(value, Declaration)


def _class_issues(cls: type[Sbb], vendor: str | None, version: str | None) -> Iterator[Issue]:
    """What the class alone shows to be wrong (DU-6)."""
    where = cls.__qualname__
    if not vendor or not version:
        yield Issue(where, "CID-4", "vendor or version is missing", 'write class X(Sbb, vendor="...", version="...")')
    for method in FORBIDDEN_METHODS:
        if any(method in vars(base) for base in _own_bases(cls, method)):
            yield Issue(where, "SBB-3", f"it defines {method}", "initialise state in sbb_create, and keep it in CMP")
    for key, value in vars(cls).items():
        if isinstance(value, Declaration) and hasattr(Sbb, key):
            yield Issue(f"{where}.{key}", "CMP-11", "the name is an attribute of Sbb", "give it another name")
        elif isinstance(value, Cmp):
            yield from _field_issues(cls, cast("Cmp[object]", value))
        elif hasattr(value, LOCAL_MARK):
            yield from _local_issues(f"{where}.{key}", value)


def _own_bases(cls: type[Sbb], method: str) -> list[type]:
    """Where `method` must not be found: the class, and for all but `__slots__` what is mixed in."""
    if method == "__slots__":
        return [cls]
    return [base for base in cls.__mro__ if base not in Sbb.__mro__ and base is not Generic]


def _field_issues(cls: type[Sbb], field: Cmp[Any]) -> Iterator[Issue]:
    where = f"{cls.__qualname__}.{field.name}"
    if any(hasattr(base, field.name) for base in cls.__mro__[1:]):
        yield Issue(where, "CMP-11", "a base class declares that name", "give it another name")
    try:
        field.kind = field_type(cls, field.name)
    except NameError:
        return  # a name that the module defines later: judged at verification
    except TypeError as error:
        yield Issue(where, "CMP-10", str(error), "annotate it Cmp[...] with an immutable type")
    else:
        yield from default_issue(where, field.kind, field.default)


def _local_issues(where: str, method: object) -> Iterator[Issue]:
    if hasattr(method, HANDLER_MARK) or where.rpartition(".")[2] in CALLBACKS:
        yield Issue(where, "LOC-3", "a handler or callback is marked @local", "call a method of its own from both")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        yield Issue(where, "LOC-3", "an async def is marked @local", "write a plain def")


__all__ = [
    "CALLBACKS",
    "ChildRelation",
    "RolledBackContext",
    "Sbb",
    "SbbContext",
    "SbbLocal",
    "local",
]
