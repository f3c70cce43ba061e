"""The kernel: a sans-IO engine with the verbs `step`, `next_deadline`, `take_outputs` and `statistics`.

It owns the activity contexts, entities and timers of one shard. A shell (`slee.runtime`, or the test harness) owns the
clock and the sockets, and calls it on one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from slee.api.errors import InvalidStateError, TransactionError, TransactionRequiredError
from slee.api.event import ActivityEnd, RowExpired, ServiceStarted, TimerEvent
from slee.api.local import ProfileLocal
from slee.api.view import ActivityContextView
from slee.kernel.conservation import retire
from slee.kernel.context import Context
from slee.kernel.entity import Local, SbbEntity
from slee.kernel.environment import ServiceRuntime, require_service
from slee.kernel.firing import OWN_SOURCE, EventStatistics, Firing
from slee.kernel.kept import Kept
from slee.kernel.lifecycle import Lifecycle
from slee.kernel.naming import Naming, NullActivityFactory
from slee.kernel.ports import Limits, Observer
from slee.kernel.reports import Reports
from slee.kernel.resource import ResourceEntity
from slee.kernel.router import Router
from slee.kernel.schedule import Schedule
from slee.kernel.services import ServiceRegistry
from slee.kernel.states import ContextState, ResourceState, ServiceState, SleeState
from slee.kernel.statistics import KernelStatistics, snapshot
from slee.kernel.timers import Timers
from slee.kernel.transaction import Transaction

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext
    from slee.api.address import Address
    from slee.api.ids import SbbID, ServiceID
    from slee.kernel.journalling import Journalling
    from slee.model.descriptor import ServiceDescriptor
    from slee.spi.adaptor import ResourceAdaptor

_LASTING: Final[tuple[type, ...]] = (ActivityEnd, TimerEvent, ServiceStarted, RowExpired)
"""Events of the SLEE's own, which no age expires (CON-7)."""


class Kernel:
    """One SLEE engine; see the module's docstring."""

    find_address_profile: Callable[[str, Address], object | None] | None = None
    """Finds the profile of an address in a table (IES-11); given by the facility of profiles."""
    serialises = False
    """Whether what may be marshalled is encoded and decoded to see that it comes back equal: the test kit's."""

    is_routing = False
    """Whether the SLEE is Running or Stopping (RTR-34); kept by its life cycle."""
    journalling: Journalling | None = None
    parks: Callable[[Firing], bool] | None = None
    refuses: Callable[[Context, object, EventStatistics, ServiceRuntime | None], None] | None = None

    def __init__(
        self,
        *,
        observer: Observer,
        random: Callable[[int], bytes],
        ticks: Callable[[], float],
        limits: Limits | None = None,
        thread: Callable[[], int] = lambda: 0,
    ) -> None:
        """Make an engine in state Stopped.

        Args:
            observer: is told of failures and state changes, and makes tracers.
            random: source of random octets, for ids.
            ticks: a clock in seconds that measures durations only.
            limits: bounds; the defaults serve.
            thread: number of the calling thread; adaptors are refused on any other than this one (RA-28).
        """
        self.reports = Reports(self, observer)
        self.random, self.ticks = random, ticks
        self.limits = limits or Limits()
        self.thread_now, self.thread = thread, thread()
        self.now = 0.0
        """Time of the current step, in seconds since the epoch."""
        self.changes = 0
        """Number of changes so far to what the order of delivery depends on: attachments, masks, priorities."""
        self.transaction: Transaction | None = None
        self.ready: deque[Context] = deque()
        self.registry = registry = ServiceRegistry(self)
        self.services, self.initial, self.continuing = registry.services, registry.initial, registry.continuing
        self.resources: dict[str, ResourceEntity] = {}
        self.own_contexts: dict[Context, None] = {}
        """Contexts of services and tables."""
        self.schedule = Schedule()
        self.timers = Timers(self)
        self.naming, self.null_activities = Naming(self), NullActivityFactory(self)
        self.router, self.kept = Router(self), Kept(self)
        self.sources = {event_class: {OWN_SOURCE: EventStatistics(expires=False)} for event_class in _LASTING}
        """The counters of every event type met, by source: an RA entity, a service, or the SLEE itself (CON-3)."""
        self.outputs: list[tuple[ResourceEntity, object]] = []
        self.dirty: dict[object, None] = {}
        """What has changed since the last record, of that which the journal keeps."""
        self.sequence = 0
        self._node = random(6).hex()
        self._outside: str | None = None
        self._lifecycle = Lifecycle(self)

    def step(self, now: float) -> bool:
        """Do one unit of work: one delivery, or the end of one event. `False` when nothing is ready.

        Nothing is while an adaptor's transaction is active: events are routed before or after it, not within.

        Args:
            now: seconds since the epoch; a value below the last one counts as the last one (TMR-31).
        """
        if self.transaction is not None:
            return False
        if now > self.now:
            self.now = now
            self.schedule.has_news = True
        if not self.is_routing:
            if self.state is SleeState.STOPPED:
                return False
            self._lifecycle.run()
        if self.schedule.has_news:
            self.schedule.expire(self.now)
        return self.router.step()

    def next_deadline(self) -> float | None:
        """When `step` has to be called next though nothing is ready; `None` if no timer runs."""
        if self.state is SleeState.STOPPED:
            return None
        if self.state is SleeState.STARTING:
            return self.now
        return self.schedule.next_deadline()

    def take_outputs(self) -> list[tuple[ResourceEntity, object]]:
        """The commands of committed transactions, in order; the shell hands each to its entity's `perform`."""
        outputs = self.outputs
        if outputs:
            self.outputs = []
        return outputs

    def statistics(self) -> KernelStatistics:
        """A consistent picture of all counters."""
        return snapshot(self)

    # Transactions.

    def begin(self) -> Transaction:
        """Begin a transaction that is no delivery: of a management operation or an adaptor (OUT-15)."""
        if self.transaction is not None:
            raise TransactionError("a transaction is active [RA-46]; complete it before beginning another")
        self.transaction = tx = Transaction(self)
        return tx

    def finish(self, tx: Transaction) -> bool:
        """Store, passivate, and commit unless the transaction is marked; say whether it committed."""
        if not tx.marked:
            if tx.has_store:
                tx.store()
            if not tx.marked:
                tx.check()
        if tx.profiles is not None:
            tx.profiles.settle()
        if tx.has_passivate:
            tx.passivate()
        if tx.marked:
            self.roll_back(tx)
            return False
        tx.keep_state()
        self.transaction = None
        if tx.at_commit is not None:
            for function, arguments in tx.at_commit:
                function(*arguments)
        for firing in tx.fired:
            firing.context.accept(firing)
        if self.journalling is not None:
            self.journalling.committed(tx)
        elif tx.outputs:
            self.outputs.extend(tx.outputs)
        self._complete(tx)
        return True

    def _complete(self, tx: Transaction) -> None:
        """What follows from a commit: barriers open, trees are reclaimed, contexts judged."""
        if tx.at_end is not None:
            for function, arguments in tx.at_end:
                function(*arguments)
        if tx.lightened is not None:
            for root in tx.lightened:
                if root.removed:
                    self.registry.judge(root.env.service)
                elif root.count == 0:
                    self.router.reclaim(root)
        if tx.loosened is not None:
            for context in tx.loosened:
                self.judge_context(context)

    def roll_back(self, tx: Transaction) -> None:
        """Undo everything that the transaction did (TX-15 to TX-17)."""
        tx.roll_back()
        self.transaction = None
        if tx.at_end is not None:
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

    # Activities.

    def judge_context(self, context: Context) -> None:
        """Has the context become unreferenced? Null activities end by themselves, adaptors are told (AC-14, AC-24)."""
        if context.state is not ContextState.ACTIVE or context.is_referenced:
            return
        resource = context.resource
        if resource is None:
            if context.handle in self.null_activities.contexts:
                context.end_now()
        elif context.referenced:
            context.referenced = False
            if context.flags & 4:
                resource.callback("activity_unreferenced", resource.adaptor.activity_unreferenced, context.handle)

    def forget_context(self, context: Context) -> None:
        """The end of an activity is complete (AC-10)."""
        context.complete_end()
        if context.names:
            self.naming.forget(context)
        if context.timers:
            context.cancel_timers()
        if context.spent_timers:
            self.timers.forget(context)
        resource = context.resource
        if resource is not None:
            resource.forget(context)
            if not resource.contexts:
                resource.judge()
        elif self.null_activities.contexts.pop(str(context.handle), None) is None:
            self.own_contexts.pop(context, None)
        if self.state is SleeState.STOPPING:
            self._lifecycle.judge()

    def end_activity(self, context: Context) -> None:
        """End one activity for an operator, between two deliveries; its adaptor is told first (AC-17)."""
        if context.resource is None:
            context.end_now()
        else:
            context.resource.remove_activity(context.handle)

    def remove_tree(self, root: SbbEntity) -> None:
        """Remove one entity tree for an operator, between two deliveries, whatever it is attached to (SVC-23)."""
        self.router.reclaim(root, forced=True)

    # The SLEE's state.

    @property
    def state(self) -> SleeState:
        """The SLEE's state (SLE-1)."""
        return self._lifecycle.state

    def start(self) -> None:
        """Stopped to Starting; Running follows by itself with the next step (SLE-2, SLE-3)."""
        self._lifecycle.start()

    def stop(self, *, within: float | None = None) -> None:
        """Running to Stopping; Stopped follows when the last activity has ended (SLE-7 to SLE-10).

        Args:
            within: seconds after which the activities that are left are ended by the SLEE.
        """
        self._lifecycle.stop(within)

    def contexts(self) -> Iterator[Context]:
        """Every activity context."""
        yield from self.own_contexts
        yield from self.null_activities.contexts.values()
        for resource in self.resources.values():
            yield from resource.contexts.values()

    # Services.

    def add_service(self, descriptor: ServiceDescriptor, bound: Mapping[SbbID, Mapping[str, object]]) -> None:
        """Take a service in, Inactive; `bound` gives the values of the SBBs' declarations."""
        self.registry.add(descriptor, bound)

    def remove_service(self, identity: ServiceID) -> None:
        """Forget an Inactive service."""
        self.registry.remove(identity)

    def activate_service(self, *identities: ServiceID) -> None:
        """Inactive to Active, all or none (SVC-2, SVC-3, SVC-7)."""
        self.registry.activate(identities)

    def deactivate_service(self, *identities: ServiceID, within: float | None = None) -> None:
        """Active to Stopping; Inactive follows with the last tree, removed `within` seconds (SVC-4, SVC-7, SVC-22)."""
        self.registry.deactivate(identities, within)

    def service_state(self, identity: ServiceID) -> ServiceState:
        """The actual state of a service."""
        return require_service(self.services, identity).state

    def service(self, identity: ServiceID) -> ServiceRuntime:
        """The service of that id, or `UnrecognizedServiceError`."""
        return require_service(self.services, identity)

    def add_event_type(self, event_class: type) -> None:
        """An event type is installed: adaptors find it by its id (RA-39)."""
        self.sources.setdefault(event_class, {})

    def remove_event_type(self, event_class: type) -> None:
        """An event type is being uninstalled: its events that are queued fail when their turn comes (CON-8)."""
        retire(self, event_class)

    # Resource adaptor entities.

    def create_resource(self, name: str, adaptor: ResourceAdaptor) -> ResourceEntity:
        """Take an RA entity in, Inactive; management has constructed and named the adaptor object."""
        self.resources[name] = entity = ResourceEntity(self, name, adaptor)
        return entity

    def remove_resource(self, name: str) -> None:
        """Forget an Inactive RA entity (RA-10)."""
        resource = self.resources[name]
        if resource.state is not ResourceState.INACTIVE:
            raise InvalidStateError(f"{name} is {resource.state.value} [RA-10]; deactivate it and wait for Inactive")
        del self.resources[name]
        self.kept.remove(name)

    # What the parts of the kernel ask of each other.

    def own_context(self, handle: tuple[str, object], activity: object) -> Context:
        """A context of the SLEE's own: of a service or a table."""
        context = Context(self, None, handle, activity)
        self.own_contexts[context] = None
        return context

    def context_of(self, aci: ActivityContext, what: str) -> Context:
        """The context given by an SBB, judged (AC-2)."""
        aci = aci.context if isinstance(aci, ActivityContextView) else aci
        if not isinstance(aci, Context):
            raise TypeError(f"{what}: {aci!r} is no activity context [RTR-24]; give the aci of a handler")
        aci.require_valid(what)
        return aci

    def firing(
        self, event: object, context: Context, address: Address | None = None, target: ServiceRuntime | None = None
    ) -> Firing:
        """A firing by an SBB or by the SLEE itself."""
        return Firing(event, context, self.event_statistics(type(event)), address, target)

    def event_statistics(self, event_class: type, source: str = OWN_SOURCE) -> EventStatistics:
        """The counters of one event type from one source."""
        sources = self.sources.setdefault(event_class, {})
        if (statistics := sources.get(source)) is None:
            statistics = sources[source] = EventStatistics()
            statistics.installed = all(other.installed for other in sources.values())
        return statistics

    @property
    def events(self) -> Mapping[type, EventStatistics]:
        """The counters of every event type met, from all sources, as they are now."""
        return {event_class: EventStatistics.total(sources.values()) for event_class, sources in self.sources.items()}

    def is_stale(self, value: object) -> bool:
        """Whether a stored reference has lost its target (CMP-16, CMP-17, ECX-18)."""
        value = value.context if isinstance(value, ActivityContextView) else value
        if isinstance(value, Local):
            return value.entity.removed
        if isinstance(value, ProfileLocal):
            return not value.is_valid
        is_over = isinstance(value, Firing) and value.done
        return is_over or (isinstance(value, Context) and value.state is ContextState.INVALID)

    def next_sequence(self) -> int:
        """The next number of the one sequence of creations."""
        self.sequence += 1
        return self.sequence

    def new_id(self, kind: str) -> str:
        """An id that is unique across processes and restarts (AC-26, TMR-11)."""
        return f"{kind}-{self._node}-{self.next_sequence()}"
