"""SBB entities, their tree, and the local objects that refer to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from slee.api.errors import (
    InvalidStateError,
    NoSuchObjectError,
    TransactionRequiredError,
    TransactionRolledBackError,
    UnsetFieldError,
)
from slee.api.local import SbbLocal
from slee.api.sbb import Sbb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slee.api.activity import ActivityContext, EventContext
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import NamingFacility, NullActivities, TimerFacility, Tracer
    from slee.api.ids import ServiceID
    from slee.api.local import ChildRelation
    from slee.kernel.context import Context
    from slee.kernel.environment import SbbEnvironment

PRIORITIES = range(-128, 128)


class SbbEntity:
    """One persistent instance of an SBB's state, and its place in the entity tree.

    It is also the `SbbContext` through which an instance reaches the SLEE.
    """

    __slots__ = (
        "_top",
        "children",
        "contexts",
        "convergence_name",
        "count",
        "env",
        "exists",
        "key",
        "parent",
        "priority",
        "removed",
        "sequence",
        "siblings",
        "state",
    )

    def __init__(self, env: SbbEnvironment, parent: SbbEntity | None, priority: int, sequence: int) -> None:
        self.env = env
        self.parent = parent
        self._top: SbbEntity | None = None if parent is None else parent.root
        self.priority = priority
        self.sequence = sequence
        """Number of the creation; breaks ties in the order of delivery (RTR-8)."""
        self.state: dict[str, object] = {}
        """Committed CMP values."""
        self.contexts: dict[Context, None] = {}
        self.count = 0
        """Of a root: attachments of the whole tree (ATT-9)."""
        self.children: dict[str, dict[SbbEntity, None]] | None = None
        self.siblings: dict[SbbEntity, None] | None = None
        """The children of the parent in the relation that holds this one; `None` for a root."""
        self.convergence_name: object = None
        self.exists = False
        """Whether `sbb_create` has returned (SBB-24)."""
        self.removed = False
        self.key: bytes | None = None
        """Under which the journal has it; `None` if it has not."""

    @property
    def root(self) -> SbbEntity:
        """The root of its tree. A root does not refer to itself: that cycle would be left to the collector."""
        top = self._top
        return self if top is None else top

    def path(self) -> tuple[int, ...]:
        """Priorities from the root down, negated: an entity with the smaller path is served first (RTR-4, RTR-5)."""
        if self.parent is None:
            return (-self.priority,)
        path: list[int] = []
        entity: SbbEntity | None = self
        while entity is not None:
            path.append(-entity.priority)
            entity = entity.parent
        return tuple(reversed(path))

    @property
    def id(self) -> str:
        """What an operator calls the entity (SVC-23)."""
        return str(self.sequence)

    def tree(self) -> Iterator[SbbEntity]:
        """This entity and all below it, parents first."""
        waiting: list[SbbEntity] = [self]
        while waiting:
            entity = waiting.pop()
            yield entity
            if entity.children is not None:
                waiting.extend(child for members in entity.children.values() for child in members)

    def let_go_of_tree(self) -> None:
        """Its tree has been removed for good: have parents let go of children, or both are left to the collector."""
        for entity in tuple(self.tree()):
            entity.children = entity.siblings = None

    def __repr__(self) -> str:
        return f"{self.env.descriptor.id}#{self.sequence} of {self.env.service.id}"

    # What an instance reaches through `self`.

    @property
    def service_id(self) -> ServiceID:
        return self.env.service.id

    @property
    def now(self) -> float:
        return self.env.kernel.now

    @property
    def timers(self) -> TimerFacility:
        return self.env.kernel.timers

    @property
    def naming(self) -> NamingFacility:
        return self.env.kernel.naming

    @property
    def null_activities(self) -> NullActivities:
        return self.env.kernel.null_activities

    @property
    def tracer(self) -> Tracer:
        return self.env.tracer

    @property
    def alarms(self) -> AlarmFacility:
        return self.env.alarms

    @property
    def local(self) -> SbbLocal[Any]:
        self.env.kernel.transaction_for("local", "SBB-23")
        self.require_existence("local")
        return Local(self)

    @property
    def activities(self) -> tuple[ActivityContext, ...]:
        self.env.kernel.transaction_for("activities", "SBB-23")
        self.require_existence("activities")
        return tuple(self.contexts)

    @property
    def event_context(self) -> EventContext:
        firing = self.env.kernel.transaction_for("event_context", "RTR-20").firing
        if firing is None:
            raise InvalidStateError(f"{self}: no event is being delivered [RTR-20]; use event_context in a handler")
        return firing

    @property
    def service_activity(self) -> ActivityContext:
        self.env.kernel.transaction_for("service_activity", "SVC-13")
        context = self.env.service.activity
        if context is None:
            raise InvalidStateError(f"{self}: the service is not Active and has no activity [SVC-13]")
        return context

    @property
    def is_rollback_only(self) -> bool:
        return self.env.kernel.transaction_for("is_rollback_only", "SBB-23").marked

    def set_rollback_only(self) -> None:
        self.env.kernel.transaction_for("set_rollback_only", "SBB-23").marked = True

    def bound(self, attribute: str) -> object:
        """The value that was bound to a declaration when the service was set up."""
        return self.env.bound[attribute]

    def relation(self, attribute: str) -> ChildRelation[Any]:
        """The child relation of that name, for the current transaction."""
        return self.env.relation(self, attribute)

    def refuse_late_use(self, attribute: str) -> NoReturn:
        """Refuse what an instance is asked for after its last callback (SBB-4)."""
        what = f"{self}: {attribute} on an instance whose delivery is over"
        remedy = "keep state in CMP fields, not the instance"
        if self.env.kernel.transaction is not None:
            raise InvalidStateError(f"{what}, in another one [SBB-4]; {remedy}")
        raise TransactionRequiredError(f"{what} [SBB-4]; {remedy}")

    def initial_value(self, field: str) -> object:
        """The initial value of a CMP field that has been deleted, or has none (CMP-2, CMP-14)."""
        self.env.kernel.transaction_for(field, "CMP-3")
        if self.removed:
            raise InvalidStateError(f"{self}: field {field} after its removal [LOC-8]; read it before remove()")
        initial = self.env.descriptor.initial
        if field not in initial:
            raise UnsetFieldError(
                f"{self.env.descriptor.id}: field {field} has no value yet [CMP-2]; write it first or give a default"
            )
        return initial[field]

    def require_existence(self, what: str) -> None:
        """Refuse what needs an entity while there is none (SBB-24), or none any more (LOC-8)."""
        if self.removed:
            raise InvalidStateError(f"{self}: {what} after its removal [LOC-8]; do it before remove()")
        if not self.exists:
            raise InvalidStateError(f"{self}: {what} in sbb_create [SBB-24]; do it in sbb_post_create")


class Local(SbbLocal[Any]):
    """The local object of an entity; two are equal exactly if they designate the same entity (LOC-1)."""

    __slots__ = ("entity",)

    entity: SbbEntity

    def __init__(self, entity: SbbEntity) -> None:
        self.entity = entity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Local) and other.entity is self.entity

    def __hash__(self) -> int:
        return hash(self.entity)

    def __repr__(self) -> str:
        return f"SbbLocal[{self.entity}]"

    @property
    def priority(self) -> int:
        self.entity.env.kernel.transaction_for("priority", "LOC-1")
        self._require_entity("priority")
        return self.entity.priority

    @priority.setter
    def priority(self, value: int) -> None:
        tx = self.entity.env.kernel.transaction_for("priority", "LOC-1")
        if type(value) is not int:
            raise TypeError(f"{self}: a priority is an int, not {value!r} [LOC-6]; give -128 to 127")
        if value not in PRIORITIES:
            raise ValueError(f"{self}: priority {value} is out of range [LOC-6]; give -128 to 127")
        self._require_entity("priority")
        tx.undo.append((_set_priority, (self.entity, self.entity.priority)))
        _set_priority(self.entity, value)

    @property
    def is_valid(self) -> bool:
        self.entity.env.kernel.transaction_for("is_valid", "LOC-15")
        return not self.entity.removed

    def remove(self) -> None:
        kernel = self.entity.env.kernel
        tx = kernel.transaction_for("remove", "LOC-1")
        if self.entity.removed:
            tx.marked = True
            raise TransactionRolledBackError(f"{self}: remove of a removed entity [LOC-10]") from self._gone()
        tx.remove_tree(self.entity)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.entity.env.local_method(self.entity, name)

    def _require_entity(self, what: str) -> None:
        if self.entity.removed:
            raise NoSuchObjectError(f"{self}: {what} of a removed entity [LOC-9]; ask is_valid first")

    def _gone(self) -> NoSuchObjectError:
        return NoSuchObjectError(f"{self}: the entity has been removed [LOC-10]; ask is_valid first")


def _set_priority(entity: SbbEntity, value: int) -> None:
    entity.env.kernel.changes += 1
    entity.priority = value
    if entity.env.rank:
        entity.env.kernel.dirty[entity] = None


def forget_root(entity: SbbEntity) -> float:
    """Free the convergence name of a root (IES-24); says when it was made."""
    service = entity.env.service
    if entity.key is not None:
        service.kernel.dirty[entity] = None
    if service.names.get(entity.convergence_name) is entity:
        del service.names[entity.convergence_name]
    return service.roots.pop(entity, 0.0)


def restore_root(entity: SbbEntity, made: float) -> None:
    """Undo `forget_root`."""
    service = entity.env.service
    service.roots[entity] = made
    service.names[entity.convergence_name] = entity


def entity_of(designator: object, what: str) -> SbbEntity:
    """The entity that an instance or a local object designates (ATT-1, ATT-4)."""
    if isinstance(designator, Local):
        return designator.entity
    if isinstance(designator, Sbb):
        found: object = designator._slee
        if isinstance(found, SbbEntity):
            return found
    raise TypeError(f"{what}: {designator!r} designates no SBB entity [ATT-4]; give self or a local object")
