"""The kernel: a sans-IO engine with the verbs `step`, `next_deadline`, `take_outputs` and `statistics`.

It owns the activity contexts, entities and timers of one shard. A shell (`slee.runtime`, or the test harness) owns the
clock and the sockets, and calls it on one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slee.api.activity import ActivityContext, ServiceActivity
from slee.api.errors import InvalidStateError, TransactionRequiredError
from slee.api.event import ActivityEnd, RowExpired, ServiceStarted, TimerEvent
from slee.kernel.context import Context
from slee.kernel.entity import Local, SbbEntity
from slee.kernel.environment import InitialHandler, ServiceRuntime, require_inactive, require_service
from slee.kernel.firing import EventStatistics, Firing
from slee.kernel.naming import Naming, NullActivityFactory
from slee.kernel.ports import Observer
from slee.kernel.resource import ResourceEntity
from slee.kernel.router import RolledBack, Router
from slee.kernel.states import (
    SERVICE,
    SLEE,
    ContextState,
    ServiceState,
    SleeState,
    StateChange,
    next_state,
)
from slee.kernel.statistics import KernelStatistics, snapshot
from slee.kernel.timers import RESOLUTION, TimerRecord, Timers
from slee.kernel.transaction import Transaction, forget_root
from slee.spi.wheel import TimerWheel

if TYPE_CHECKING:
    import enum

    from slee.api.address import Address
    from slee.api.facilities import Tracer
    from slee.api.ids import SbbID, ServiceID
    from slee.model.descriptor import ServiceDescriptor
    from slee.spi.adaptor import ResourceAdaptor


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one kernel."""

    queue: int = 10_000
    """Events that wait on one activity context; more are refused (CON-6)."""
    suspension_timeout: float = 60.0
    """Seconds that a suspension lasts where none is given (ECX-3)."""


class Kernel:
    """One SLEE engine; see the module's docstring."""

    def __init__(
        self,
        *,
        observer: Observer,
        random: Callable[[int], bytes],
        ticks: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        """Make an engine in state Stopped.

        Args:
            observer: is told of failures and state changes, and makes tracers.
            random: source of random octets, for ids.
            ticks: a clock in seconds that measures durations only.
            limits: bounds; the defaults serve.
        """
        self.observer = observer
        self.random = random
        self.ticks = ticks
        self.limits = limits or Limits()
        self.now = 0.0
        """Time of the current step, in seconds since the epoch."""
        self.state = SleeState.STOPPED
        self.transaction: Transaction | None = None
        self.ready: deque[Context] = deque()
        self.initial: dict[type, list[InitialHandler]] = {}
        self.services: dict[ServiceID, ServiceRuntime] = {}
        self.resources: dict[str, ResourceEntity] = {}
        self.own_contexts: dict[object, Context] = {}
        """Contexts of services and tables."""
        self.wheel: TimerWheel[Any] = TimerWheel(RESOLUTION)
        self.timers = Timers(self)
        self.naming = Naming(self)
        self.null_activities = NullActivityFactory(self)
        self.expirers: dict[type, Callable[[list[Any], float], None]] = {TimerRecord: self.timers.expire}
        """Who is told when items of a class come due on the wheel."""
        self._router = Router(self)
        self._events: dict[type, EventStatistics] = {}
        self._outputs: list[tuple[ResourceEntity, object]] = []
        self._sequence = 0
        self._node = random(6).hex()
        self._outside: str | None = None
        self._stop_deadline: float | None = None
        for event_class in (ActivityEnd, TimerEvent, ServiceStarted, RowExpired):
            self._events[event_class] = EventStatistics()

    # The engine's verbs.

    def step(self, now: float) -> bool:
        """Do one unit of work: one delivery, or the end of one event. `False` when nothing is ready.

        Args:
            now: seconds since the epoch; a value below the last one counts as the last one (TMR-31).
        """
        if now > self.now:
            self.now = now
        if self.state is not SleeState.RUNNING and self.state is not SleeState.STOPPING:
            return False
        due = self.wheel.next_deadline()
        if due is not None and due <= self.now:
            self._expire()
        return self._router.step()

    def next_deadline(self) -> float | None:
        """When `step` has to be called next though nothing is ready; `None` if no timer runs."""
        if self.state is not SleeState.RUNNING and self.state is not SleeState.STOPPING:
            return None
        return self.wheel.next_deadline()

    def take_outputs(self) -> list[tuple[ResourceEntity, object]]:
        """The commands of committed transactions, in order; the shell hands each to its entity's `perform`."""
        outputs = self._outputs
        if outputs:
            self._outputs = []
        return outputs

    def statistics(self) -> KernelStatistics:
        """A consistent picture of all counters."""
        return snapshot(self)

    def _expire(self) -> None:
        """Release timers and suspensions that have come due."""
        by_class: dict[type, list[Any]] = {}
        for item in self.wheel.expire(self.now):
            by_class.setdefault(type(item), []).append(item)
        for cls, items in by_class.items():
            if cls is Firing:
                for firing in items:
                    firing.timed_out()
            else:
                self.expirers[cls](items, self.now)

    # Transactions.

    def begin(self) -> Transaction:
        """Begin a transaction that is no delivery: of a management operation or an adaptor (OUT-15)."""
        if self.transaction is not None:
            raise InvalidStateError("a transaction is active [RA-46]; complete it before beginning another")
        self.transaction = tx = Transaction(self)
        return tx

    def finish(self, tx: Transaction) -> bool:
        """Store, passivate, and commit unless the transaction is marked; say whether it committed."""
        tx.store()
        tx.passivate()
        if tx.marked:
            self.roll_back(tx)
            return False
        tx.keep_state()
        self.transaction = None
        for function, arguments in tx.at_commit:
            function(*arguments)
        for firing in tx.fired:
            firing.context.accept(firing)
        if tx.outputs:
            self._outputs.extend(tx.outputs)
        for function, arguments in tx.at_end:
            function(*arguments)
        for root in tx.lightened:
            if root.count == 0 and not root.removed:
                self.reclaim(root)
        for context in tx.loosened:
            self.judge_context(context)
        return True

    def roll_back(self, tx: Transaction) -> None:
        """Undo everything that the transaction did (TX-15 to TX-17)."""
        tx.roll_back_to(0)
        tx.retire()
        self.transaction = None
        for function, arguments in tx.at_end:
            function(*arguments)

    def transaction_for(self, what: str, rule: str) -> Transaction:
        """The active transaction, or the error of an in-delivery operation outside one."""
        tx = self.transaction
        if tx is None:
            if self._outside is not None:
                raise InvalidStateError(f"{what} in {self._outside} [SBB-8]; do it in the handler")
            raise TransactionRequiredError(f"{what} without a transaction [{rule}]; call it in a delivery")
        return tx

    def outside(self, callback: Callable[[], None]) -> None:
        """Call `sbb_activate` or `sbb_passivate`, which stand outside the transaction (SBB-8)."""
        tx, self.transaction = self.transaction, None
        self._outside = callback.__name__
        try:
            callback()
        finally:
            self._outside = None
            self.transaction = tx

    # Reclamation.

    def reclaim(self, root: SbbEntity) -> None:
        """Remove a tree whose root has no attachment left, in a transaction of its own (ATT-12, ATT-17 to ATT-19)."""
        if root.children is None and root.env.plain_removal:
            forget_root(root)
            root.removed = True
            root.env.entities -= 1
            self.judge_service(root.env.service)
            return
        tx = Transaction(self)
        self.transaction = tx
        try:
            tx.remove_tree(root)
        except Exception as error:
            tx.marked = True
            self.callback_failed(root, "sbb_remove", error)
        if not self.finish(tx):
            self._router.rolled_back(root, RolledBack(None, removal=True))
            if root.count == 0 and not root.removed:
                self._drop_tree(root)
        self.judge_service(root.env.service)

    def _drop_tree(self, root: SbbEntity) -> None:
        """Drop a tree without callbacks: its removal failed and nothing attached it again (ATT-19)."""
        self.observer.tree_dropped(root.env.service.id, str(root))
        waiting = [root]
        while waiting:
            entity = waiting.pop()
            entity.removed = True
            entity.env.entities -= 1
            if entity.children is not None:
                waiting.extend(child for members in entity.children.values() for child in members)
        forget_root(root)

    def judge_context(self, context: Context) -> None:
        """Has the context become unreferenced? Null activities end by themselves, adaptors are told (AC-14, AC-24)."""
        if context.is_referenced or context.state is not ContextState.ACTIVE:
            return
        resource = context.resource
        if resource is None:
            if context.handle in self.null_activities.contexts:
                context.end()
        elif context.referenced:
            context.referenced = False
            if context.flags & 4:
                resource.callback("activity_unreferenced", resource.adaptor.activity_unreferenced, context.handle)

    def forget_context(self, context: Context) -> None:
        """The end of an activity is complete (AC-10)."""
        context.state = ContextState.INVALID
        if context.names:
            self.naming.forget(context)
        if context.timers:
            context.cancel_timers()
        if context.resource is not None:
            context.resource.forget(context)
            if self.state is SleeState.STOPPING or not context.resource.contexts:
                context.resource.judge()
        elif self.null_activities.contexts.pop(str(context.handle), None) is None:
            self.own_contexts.pop(context.handle, None)
        if self.state is SleeState.STOPPING:
            self._judge_stop()

    # The SLEE's state.

    def start(self) -> None:
        """Stopped to Starting, then to Running by itself (SLE-2, SLE-3)."""
        self._move("START")
        self._move("ready")
        for resource in self.resources.values():
            if resource.state.value == "Active":
                self._begin_resource(resource)
        for service in self.services.values():
            if service.state is ServiceState.ACTIVE:
                self._begin_service(service)

    def stop(self, *, within: float | None = None) -> None:
        """Running to Stopping; Stopped follows when the last activity has ended (SLE-7 to SLE-10).

        Args:
            within: seconds after which the activities that are left are ended by the SLEE.
        """
        if within is not None and within < 0:
            raise ValueError(f"stop within {within} seconds [SLE-10]; give 0 or more")
        self._move("STOP")
        for context in tuple(self.own_contexts.values()):
            context.end()
        for resource in tuple(self.resources.values()):
            resource.halt()
        if within is not None:
            self.expirers[_StopDeadline] = self._end_all
            self.wheel.set(self.now + within, _StopDeadline())
        self._judge_stop()

    def _end_all(self, items: list[_StopDeadline], now: float) -> None:
        """The stop's deadline: resume what is suspended and end every activity that is left (SLE-10, CON-11)."""
        for context in tuple(self.contexts()):
            first = context.first
            if type(first) is Firing and first.suspended:
                first.timed_out()
            context.end()

    def _judge_stop(self) -> None:
        if self.state is SleeState.STOPPING and next(self.contexts(), None) is None:
            self._move("no activity left")

    def contexts(self) -> Iterator[Context]:
        """Every activity context."""
        yield from self.own_contexts.values()
        yield from self.null_activities.contexts.values()
        for resource in self.resources.values():
            yield from resource.contexts.values()

    def _move(self, event: str) -> None:
        old = self.state
        self.state = next_state(SLEE, old, event, "the SLEE", "SLE-2")
        self.notify("slee", "", old, self.state)

    # Services.

    def add_service(self, descriptor: ServiceDescriptor, bound: Mapping[SbbID, Mapping[str, object]]) -> None:
        """Take a service in, Inactive; `bound` gives the values of the SBBs' declarations."""
        if descriptor.id in self.services:
            raise InvalidStateError(f"{descriptor.id} is in the kernel [DU-16]; remove it first")
        self.services[descriptor.id] = ServiceRuntime(self, descriptor, bound)

    def remove_service(self, identity: ServiceID) -> None:
        """Forget an Inactive service."""
        service = require_service(self.services, identity)
        require_inactive(service)
        del self.services[identity]

    def activate_service(self, *identities: ServiceID) -> None:
        """Inactive to Active, all or none (SVC-2, SVC-7)."""
        services = self._chosen(identities, "ACTIVATE")
        for service in services:
            self._move_service(service, "ACTIVATE")
        self._select_initial()
        if self.state is SleeState.RUNNING:
            for service in services:
                self._begin_service(service)

    def deactivate_service(self, *identities: ServiceID) -> None:
        """Active to Stopping, all or none; Inactive follows when the last tree is gone (SVC-4, SVC-7)."""
        services = self._chosen(identities, "DEACTIVATE")
        for service in services:
            self._move_service(service, "DEACTIVATE")
        self._select_initial()
        for service in services:
            if service.activity is not None:
                service.activity.end()
                service.activity = None
            self.judge_service(service)

    def service_state(self, identity: ServiceID) -> ServiceState:
        """The actual state of a service."""
        return require_service(self.services, identity).state

    def service(self, identity: ServiceID) -> ServiceRuntime:
        """The service of that id, or `UnrecognizedServiceError`."""
        return require_service(self.services, identity)

    def judge_service(self, service: ServiceRuntime) -> None:
        """Is the last tree of a stopping service gone (SVC-4)?"""
        if service.state is ServiceState.STOPPING and not service.roots:
            self._move_service(service, "no tree left")

    def _chosen(self, identities: tuple[ServiceID, ...], event: str) -> list[ServiceRuntime]:
        """The services named, after all checks; so that one in a wrong state leaves all as they were (SVC-7)."""
        if not identities or len(set(identities)) != len(identities):
            raise ValueError(f"{event.lower()}: no service, or one twice [SVC-7]; name each once")
        services = [require_service(self.services, identity) for identity in identities]
        for service in services:
            next_state(SERVICE, service.state, event, str(service.id), "SVC-2")
        return services

    def _move_service(self, service: ServiceRuntime, event: str) -> None:
        old = service.state
        service.state = next_state(SERVICE, old, event, str(service.id), "SVC-2")
        self.notify("service", str(service.id), old, service.state)

    def _begin_service(self, service: ServiceRuntime) -> None:
        """Start the service's own activity and tell it (SVC-10)."""
        service.activity = context = self.own_context(("service", service.id), ServiceActivity(service.id))
        firing = self.make_firing(ServiceStarted(service.id), context, self._events[ServiceStarted])
        firing.target = service
        context.accept(firing)

    def _select_initial(self) -> None:
        """Which services an event of each type may be initial for; the one of highest priority last."""
        self.initial.clear()
        active = [service for service in self.services.values() if service.state is ServiceState.ACTIVE]
        active.sort(key=lambda service: service.descriptor.default_priority)
        for service in active:
            for event_class, initial in service.initial.items():
                self.initial.setdefault(event_class, []).append(initial)

    # Resource adaptor entities.

    def create_resource(self, name: str, adaptor: ResourceAdaptor) -> ResourceEntity:
        """Take an RA entity in, Inactive; management has constructed and named the adaptor object."""
        self.resources[name] = entity = ResourceEntity(self, name, adaptor)
        return entity

    def remove_resource(self, name: str) -> None:
        """Forget an Inactive RA entity (RA-10)."""
        resource = self.resources[name]
        if resource.state.value != "Inactive":
            raise InvalidStateError(f"{name} is {resource.state.value} [RA-10]; deactivate it and wait for Inactive")
        del self.resources[name]

    def _begin_resource(self, resource: ResourceEntity) -> None:
        """One entity that cannot begin does not keep the SLEE from Running (SLE-5)."""
        try:
            resource.begin()
        except Exception as error:
            self.adaptor_failed(resource.name, "ra_active", error)

    # What the parts of the kernel ask of each other.

    def own_context(self, handle: tuple[str, object], activity: object) -> Context:
        """A context of the SLEE's own: of a service or a table."""
        context = Context(self, None, handle, activity)
        self.own_contexts[handle] = context
        return context

    def context_of(self, aci: ActivityContext, what: str) -> Context:
        """The context given by an SBB, judged (AC-2)."""
        if not isinstance(aci, Context):
            raise TypeError(f"{what}: {aci!r} is no activity context [RTR-24]; give the aci of a handler")
        aci.require_valid(what)
        return aci

    def make_firing(
        self, event: object, context: Context, statistics: EventStatistics, address: Address | None = None
    ) -> Firing:
        """A firing of the SLEE's own."""
        return Firing(event, context, statistics, address)

    def firing(self, event: object, context: Context, address: Address | None, target: ServiceRuntime | None) -> Firing:
        """A firing by an SBB."""
        return Firing(event, context, self.event_statistics(type(event)), address, target)

    def event_statistics(self, event_class: type) -> EventStatistics:
        """The counters of one event type."""
        statistics = self._events.get(event_class)
        if statistics is None:
            statistics = self._events[event_class] = EventStatistics()
        return statistics

    @property
    def events(self) -> Mapping[type, EventStatistics]:
        """The counters of every event type met."""
        return self._events

    def is_stale(self, value: object) -> bool:
        """Whether a stored reference has lost its target (CMP-16, CMP-17, ECX-18)."""
        if isinstance(value, Local):
            return value.entity.removed
        if isinstance(value, Context):
            return value.state is ContextState.INVALID
        return isinstance(value, Firing) and value.done

    def next_sequence(self) -> int:
        """The next number of the one sequence of creations."""
        self._sequence += 1
        return self._sequence

    def new_id(self, kind: str) -> str:
        """An id that is unique across processes and restarts (AC-26, TMR-11)."""
        return f"{kind}-{self._node}-{self.next_sequence()}"

    def tracer_for(self, service: ServiceID, sbb: SbbID) -> Tracer:
        """The root tracer of an SBB in a service (SBB-22)."""
        return self.observer.tracer(service, sbb)

    def notify(self, kind: str, identity: str, old: enum.Enum, new: enum.Enum) -> None:
        """Tell one state change (SLE-11)."""
        self.observer.state_changed(StateChange(kind, identity, old, new, self.now))

    def sbb_raised(self, entity: SbbEntity, error: BaseException, event: object, aci: Context | None) -> None:
        """SBB code raised: log it with component, event and activity."""
        self.observer.sbb_raised(entity.env.service.id, str(entity), event, repr(aci), error)

    def callback_failed(self, entity: SbbEntity, callback: str, error: BaseException) -> None:
        """A callback of an SBB raised where nothing can be rolled back for it (TX-20)."""
        self.observer.callback_failed(entity.env.service.id, str(entity), callback, error)

    def selector_failed(self, service: ServiceRuntime, firing: Firing, error: Exception) -> None:
        """A selector raised or returned nonsense: not initial for that service (IES-16)."""
        service.selector_failures += 1
        self.observer.selector_failed(service.id, firing.event, repr(firing.context), error)

    def adaptor_failed(self, entity_name: str, callback: str, error: Exception) -> None:
        """A callback of an adaptor raised (RA-35)."""
        self.observer.adaptor_failed(entity_name, callback, error)

    def command_failed(self, entity_name: str, command: object, reason: object) -> None:
        """A committed command could not be performed (OUT-13)."""
        self.observer.command_failed(entity_name, command, reason)


class _StopDeadline:
    """Stands on the wheel for the deadline of a stop."""

    __slots__ = ()
