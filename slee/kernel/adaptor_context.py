"""What an adaptor object is given: its endpoint, clock, randomness, tracer, and the shell's pump and readers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from slee.api.errors import TransactionRequiredError, UnrecognizedEventError
from slee.api.event import event_type_id
from slee.api.view import ActivityContextView
from slee.kernel.adaptor_timer import AdaptorTimer
from slee.kernel.adaptor_transactions import AdaptorTransactions
from slee.kernel.context import Context
from slee.kernel.services import receivable_service
from slee.kernel.states import ContextState, ResourceState

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.ids import EventTypeID, ServiceID
    from slee.api.usage import UsageParameters
    from slee.kernel.kernel import Kernel
    from slee.kernel.ports import AdaptorFacilities
    from slee.kernel.resource import ResourceEntity
    from slee.kernel.transaction import Transaction
    from slee.spi.adaptor import ReceivableService
    from slee.spi.kept import KeptRecords

U = TypeVar("U", bound="UsageParameters")


class Shell(Protocol):
    """What drives the kernel: the runtime's loop, or the test harness."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def pump(self) -> None:
        """Let the kernel process what has been fired, and hand over its outputs."""

    def pump_soon(self) -> None:
        """Let the kernel work once the input that is ready has been read."""

    def spawn_reader(self, fileno: int, ready: Callable[[], None]) -> Callable[[], None]:
        """Call `ready` whenever `fileno` can be read; the result stops that."""
        ...

    def spawn(
        self, work: Callable[[], Coroutine[object, object, object]], failed: Callable[[BaseException], None]
    ) -> Callable[[], None]:
        """Run a coroutine, and tell what it raises; the result cancels it."""
        ...


class AdaptorContext:
    """The `ResourceAdaptorContext` of one resource adaptor entity."""

    __slots__ = (
        "_clock",
        "_entity",
        "_facilities",
        "_kernel",
        "_shell",
        "_tracer",
        "pump",
        "pump_soon",
        "spawn_reader",
        "timer",
        "transactions",
    )

    def __init__(self, kernel: Kernel, entity: ResourceEntity, shell: Shell, facilities: AdaptorFacilities) -> None:
        self._kernel = kernel
        self._entity = entity
        self._shell = shell
        self._clock = shell.now
        self._facilities = facilities
        self._tracer: Tracer | None = None
        self.pump = shell.pump
        self.pump_soon = shell.pump_soon
        self.spawn_reader = shell.spawn_reader
        self.timer = AdaptorTimer(kernel, entity, shell.now)
        self.transactions = AdaptorTransactions(kernel, entity)

    def spawn(self, work: Callable[[], Coroutine[object, object, object]]) -> Callable[[], None]:
        return self._shell.spawn(work, self._spawned_failed)

    def _spawned_failed(self, error: BaseException) -> None:
        entity = self._entity
        entity.failed_callbacks += 1
        self._kernel.reports.observer.adaptor_failed(entity.name, "spawn", error)

    @property
    def entity_name(self) -> str:
        return self._entity.name

    @property
    def endpoint(self) -> ResourceEntity:
        return self._entity

    @property
    def tracer(self) -> Tracer:
        if self._tracer is None:
            self._tracer = self._facilities.tracer
        return self._tracer

    @property
    def alarms(self) -> AlarmFacility:
        return self._facilities.alarms

    def usage(self, parameters: type[U]) -> U:
        return self._facilities.usage(parameters)

    def profiles(self, table: str) -> Mapping[str, Mapping[str, object]]:
        return self._facilities.profiles(table)

    @property
    def kept(self) -> KeptRecords:
        return self._kernel.kept.of(self._entity.name)

    @property
    def is_entity_active(self) -> bool:
        return self._entity.state is ResourceState.ACTIVE

    @property
    def now(self) -> float:
        """In a transaction its own time, elsewhere the clock's."""
        if self._kernel.transaction is not None:
            return self._kernel.now
        return self._clock()

    @property
    def invoking_service(self) -> ServiceID | None:
        tx = self._kernel.transaction
        if tx is None or not tx.running:
            return None
        return tx.running[-1].env.service.id

    @property
    def transaction_id(self) -> int | None:
        tx = self._kernel.transaction
        return None if tx is None else tx.id

    def random_bytes(self, count: int) -> bytes:
        return self._kernel.random(count)

    def enlist(self, command: object) -> None:
        self._transaction(type(command).__name__).outputs.append((self._entity, command))

    def perform_recorded(self, command: object) -> None:
        output = (self._entity, command)
        journalling = self._kernel.journalling
        if journalling is None:
            self._kernel.outputs.append(output)
        else:
            journalling.when_durable(lambda: self._kernel.outputs.append(output))

    def on_rollback(self, function: Callable[..., object], *arguments: object) -> None:
        self._transaction("on_rollback").undo.append((function, arguments))

    def _transaction(self, what: str) -> Transaction:
        tx = self._kernel.transaction
        if tx is None:
            raise TransactionRequiredError(
                f"{self._entity.name}: {what} without a transaction [OUT-2]; call it in a delivery"
            )
        return tx

    def event_class(self, event_type: EventTypeID) -> type:
        for event_class, sources in self._kernel.sources.items():
            is_installed = all(statistics.installed for statistics in sources.values())
            if is_installed and event_type_id(event_class) == event_type:
                return event_class
        raise UnrecognizedEventError(f"{event_type}: it is not installed [RA-39]; install its bundle first")

    def service(self, service: ServiceID) -> ReceivableService:
        return receivable_service(self._entity, self._kernel.service(service))

    def activity_context(self, handle: Hashable) -> ActivityContext | None:
        return self._entity.contexts.get(handle)

    def attached(self, handle: Hashable) -> frozenset[int]:
        context = self._entity.contexts.get(handle)
        return frozenset() if context is None else frozenset(entity.sequence for entity in context.attached)

    def handle_of(self, aci: ActivityContext) -> Hashable | None:
        if isinstance(aci, ActivityContextView):
            aci = aci.context
        if isinstance(aci, Context) and aci.resource is self._entity and aci.state is not ContextState.INVALID:
            return aci.handle
        return None

    def context_of(self, activity: object) -> ActivityContext | None:
        handle = self._entity.adaptor.get_activity_handle(activity)
        return None if handle is None else self._entity.contexts.get(handle)
