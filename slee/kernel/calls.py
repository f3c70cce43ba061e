"""What an instance calls in its delivery: firing of events, child relations, business methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from slee.api.errors import (
    FireEventError,
    InvalidStateError,
    NoSuchObjectError,
    ReentrantCallError,
    TransactionRolledBackError,
)
from slee.api.local import ChildRelation, SbbLocal
from slee.api.sbb import Sbb
from slee.kernel.entity import Local, SbbEntity
from slee.kernel.firing import EventStatistics, Firing
from slee.spi.flags import FailureReason

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext
    from slee.api.address import Address
    from slee.api.ids import ServiceID
    from slee.kernel.environment import SbbEnvironment
    from slee.kernel.kernel import Kernel
    from slee.kernel.transaction import Transaction


class Firings:
    """Fires events of one type; what a `fires(...)` declaration is on an instance (RTR-22 to RTR-27)."""

    __slots__ = ("event_class", "kernel", "source", "statistics", "what")

    def __init__(self, kernel: Kernel, what: str, event_class: type, source: str) -> None:
        self.kernel = kernel
        self.what = what
        self.event_class = event_class
        self.source = source
        self.statistics: EventStatistics | None = None
        """Looked up at the first firing: a type that was never fired has no counters."""

    def __call__(
        self,
        event: object,
        aci: ActivityContext,
        *,
        address: Address | None = None,
        service: ServiceID | None = None,
    ) -> None:
        kernel = self.kernel
        tx = kernel.transaction or kernel.transaction_for(self.what, "RTR-22")
        if type(event) is not self.event_class:
            raise TypeError(
                f"{self.what}: {type(event).__name__} is no {self.event_class.__name__} [RTR-24]; "
                "fire an event of the declared class"
            )
        context = kernel.context_of(aci, self.what)
        context.require_active(self.what, "RTR-25")
        target = None if service is None else kernel.service(service)
        statistics = self.statistics
        if statistics is None:
            statistics = self.statistics = kernel.event_statistics(self.event_class, self.source)
        if context.queued >= kernel.limits.queue:
            statistics.refuse(FailureReason.QUEUE_FULL)
            raise FireEventError(f"{self.what}: the queue of {context} is full [CON-6]", FailureReason.QUEUE_FULL)
        tx.fired.append(Firing(event, context, statistics, address, target))


class LocalMethod:
    """One business method of an entity, called in the caller's transaction (LOC-4)."""

    __slots__ = ("entity", "function", "name", "raises")

    def __init__(
        self, entity: SbbEntity, name: str, function: Callable[..., Any], raises: tuple[type[Exception], ...]
    ) -> None:
        self.entity = entity
        self.name = name
        self.function = function
        self.raises = raises

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        entity = self.entity
        tx = entity.env.kernel.transaction
        if tx is None:
            tx = entity.env.kernel.transaction_for(f"{entity}.{self.name}", "LOC-1")
        refusal = self._refusal(tx)
        if refusal is not None:
            tx.marked = True
            raise TransactionRolledBackError(f"{entity}.{self.name} was not called") from refusal
        return tx.call(entity, self.function, self.raises, args, kwargs)

    def _refusal(self, tx: Transaction) -> Exception | None:
        """Why the method must not run."""
        entity = self.entity
        if entity.removed:
            return NoSuchObjectError(f"{entity}: it has been removed [LOC-10]; ask is_valid first")
        if entity in tx.running and not entity.env.cls.sbb_reentrant:
            return ReentrantCallError(f"{entity}: it is running [LOC-13]; declare the SBB reentrant=True")
        if entity in tx.failed:
            return InvalidStateError(f"{entity}: its instance has raised in this transaction [SBB-19]")
        return None


class Relation(ChildRelation[Any]):
    """The children of an entity in one relation, in the order of their creation (CHD-5, CHD-6)."""

    __slots__ = ("env", "name", "parent", "priority", "tx")

    def __init__(self, tx: Transaction, parent: SbbEntity, name: str, env: SbbEnvironment, priority: int) -> None:
        self.tx = tx
        self.parent = parent
        self.name = name
        self.env = env
        self.priority = priority

    def create(self) -> SbbLocal[Any]:
        self._require_current("create")
        if self.parent in self.tx.removing:
            raise InvalidStateError(
                f"{self.parent}: {self.name}.create in sbb_remove [SBB-14]; create no children there"
            )
        return Local(self.tx.create_child(self.parent, self.name, self.env, self.priority))

    def remove(self, local: SbbLocal[Sbb]) -> None:
        self._require_current("remove")
        entity = _child(local, self.name)
        if entity not in self._members():
            raise ValueError(f"{self.parent}: {local!r} is not in {self.name} [CHD-8]; remove one of its children")
        self.tx.remove_tree(entity)

    def clear(self) -> None:
        self._require_current("clear")
        for entity in tuple(self._members()):
            if not entity.removed:
                self.tx.remove_tree(entity)

    def remove_all(self, children: Iterable[SbbLocal[Sbb]]) -> None:
        """Remove each of `children` that is in this relation, in the order of creation (CHD-9)."""
        self._require_current("remove_all")
        chosen = {_child(local, self.name) for local in children}
        for entity in tuple(self._members()):
            if entity in chosen and not entity.removed:
                self.tx.remove_tree(entity)

    def retain_all(self, children: Iterable[SbbLocal[Sbb]]) -> None:
        """Remove each child that is not one of `children`, in the order of creation (CHD-9)."""
        self._require_current("retain_all")
        chosen = {_child(local, self.name) for local in children}
        for entity in tuple(self._members()):
            if entity not in chosen and not entity.removed:
                self.tx.remove_tree(entity)

    def __len__(self) -> int:
        self._require_current("len")
        return len(self._members())

    def __contains__(self, item: object) -> bool:
        self._require_current("in")
        return _child(item, self.name) in self._members()

    def __iter__(self) -> Iterator[SbbLocal[Any]]:
        self._require_current("iteration")
        for entity in tuple(self._members()):
            self._require_current("iteration")
            if not entity.removed:
                yield Local(entity)

    def _members(self) -> dict[SbbEntity, None]:
        children = self.parent.children
        return {} if children is None else children[self.name]

    def _require_current(self, what: str) -> None:
        current = self.env.kernel.transaction
        if current is None:
            current = self.env.kernel.transaction_for(f"{self.name}.{what}", "CHD-11")
        self.parent.require_existence(self.name)
        if current is not self.tx:
            raise InvalidStateError(
                f"{self.parent}: {self.name}.{what} in another delivery [CHD-11]; use self.{self.name} anew"
            )


def _child(local: object, relation: str) -> SbbEntity:
    if not isinstance(local, Local):
        raise TypeError(f"{relation}: {local!r} is no local object [CHD-10]; give what create() returned")
    return local.entity
