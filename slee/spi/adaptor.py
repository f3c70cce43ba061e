"""The resource adaptor: the object that turns protocol traffic into events and commands into traffic (group RA)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

import msgspec

from slee.api.alarm import AlarmFacility
from slee.api.facilities import Tracer
from slee.api.ids import EventTypeID, ResourceAdaptorID, ServiceID
from slee.api.resource import ResourceAdaptorType
from slee.api.usage import UsageParameters
from slee.spi.endpoint import SleeEndpoint
from slee.spi.flags import FailureReason
from slee.spi.interface import ResourceInterface
from slee.spi.kept import KeptRecords
from slee.spi.marshaller import Marshaller
from slee.spi.scheduling import DeclaredSchedule
from slee.spi.timer import SharedTimer
from slee.spi.transactions import Transactions

if TYPE_CHECKING:
    from pydantic import BaseModel

    from slee.api.activity import ActivityContext

U = TypeVar("U", bound=UsageParameters)


class ReceivableEvent(msgspec.Struct, frozen=True):
    """An event type that a service receives, with the resource option of its handler (RA-37)."""

    event_type: EventTypeID
    event_class: type
    option: str | None
    initial: bool


class ReceivableService(msgspec.Struct, frozen=True):
    """A service and the event types of this adaptor that it receives (RA-37, RA-38)."""

    id: ServiceID
    events: tuple[ReceivableEvent, ...]
    schedules: tuple[DeclaredSchedule, ...] = ()
    """What its bundle declares (TIM-23)."""


class ResourceAdaptorContext(Protocol):
    """What an adaptor object is given first of all (RA-1)."""

    @property
    def entity_name(self) -> str:
        """Name of the resource adaptor entity that this object serves."""
        ...

    @property
    def endpoint(self) -> SleeEndpoint:
        """Starts, fires on and ends activities."""
        ...

    @property
    def tracer(self) -> Tracer:
        """Root tracer of the entity."""
        ...

    @property
    def alarms(self) -> AlarmFacility:
        """Raises and clears the alarms of the entity (RA-42)."""
        ...

    def usage(self, parameters: type[U]) -> U:
        """The entity's default usage set (RA-42).

        `NoUsageParametersInterfaceDefinedError` if the adaptor names no class in `usage_parameters` (USG-19).
        """
        ...

    def profiles(self, table: str) -> Mapping[str, Mapping[str, object]]:
        """The committed profiles of a table, values by attribute by name (RA-42); `UnrecognizedProfileTableError`."""
        ...

    @property
    def kept(self) -> KeptRecords:
        """Records of the entity's own, which outlast activities, a stop of the SLEE and the process."""
        ...

    @property
    def is_entity_active(self) -> bool:
        """Whether the entity is Active: if so in `ra_stopping`, only the SLEE stops, and work goes on later (RA-9)."""
        ...

    @property
    def now(self) -> float:
        """Time in seconds since the epoch, by the product's clock; never steps back while the process runs."""
        ...

    @property
    def invoking_service(self) -> ServiceID | None:
        """The service whose SBB is calling down into the adaptor (RA-41)."""

    @property
    def transaction_id(self) -> int | None:
        """Number of the active transaction, for logs; `None` if none is active."""

    def random_bytes(self, count: int) -> bytes:
        """Random octets from the injected source (OUT-9)."""
        ...

    def enlist(self, command: object) -> None:
        """Enlist a command in the current transaction; `perform` gets it after the commit (OUT-2, OUT-3)."""

    def perform_recorded(self, command: object) -> None:
        """Have `perform` get a command when all that has been committed so far is durable; soon, without a journal.

        For what tells a peer that it may forget: the answer after which it sends its request no more (OUT-6).
        """

    def on_rollback(self, function: Callable[..., object], *arguments: object) -> None:
        """Have `function` called if the current transaction rolls back: it takes back what a command noted at its call.

        As with `enlist`, it is a `TransactionRequiredError` if none is active.
        """

    @property
    def transactions(self) -> Transactions:
        """Begins and completes transactions of the adaptor's own (RA-46)."""
        ...

    @property
    def timer(self) -> SharedTimer:
        """Calls functions later (RA-43)."""
        ...

    def event_class(self, event_type: EventTypeID) -> type:
        """The class of an event type as installed; `UnrecognizedEventError` if it is not (RA-39)."""
        ...

    def service(self, service: ServiceID) -> ReceivableService:
        """A service as installed, with its events; `UnrecognizedServiceError` if it is not (RA-39)."""
        ...

    def activity_context(self, handle: Hashable) -> ActivityContext | None:
        """The context of an activity of this entity, `None` if the handle is unknown."""

    def attached(self, handle: Hashable) -> frozenset[int]:
        """Numbers of the SBB entities attached to an activity, the same in every process; none if it is unknown."""
        ...

    def handle_of(self, aci: ActivityContext) -> Hashable | None:
        """The handle behind a context, `None` if the activity is not one of this entity's."""

    def context_of(self, activity: object) -> ActivityContext | None:
        """The context of an activity object, by `get_activity_handle`; `None` if it is no activity here (RA-40)."""

    def pump(self) -> None:
        """Let the SLEE process what has been fired; call it after each batch of input from outside."""

    def pump_soon(self) -> None:
        """The same once the input that is ready has been read: for adaptors with many readers, to share the work."""

    def spawn_reader(self, fileno: int, ready: Callable[[], None]) -> Callable[[], None]:
        """Call `ready` on the kernel's thread whenever `fileno` can be read; the result stops that."""
        ...

    def spawn(self, work: Callable[[], Coroutine[object, object, object]]) -> Callable[[], None]:
        """Run a coroutine on the kernel's thread, for streams and foreign libraries; the result cancels it.

        It runs between steps, never within one: call `pump` after firing from it. What it raises is logged and counted
        like an exception of a callback (RA-35). Not for each event: a task costs more than a delivery.
        """
        ...


class ResourceAdaptor:
    """Subclass it to bring a protocol into the SLEE; callbacks run on the kernel's thread and default to nothing.

    Class attributes: `id`; `ra_types`, the types whose events it fires; `configuration`, its frozen pydantic model.
    """

    id: ClassVar[ResourceAdaptorID]
    ra_types: ClassVar[tuple[ResourceAdaptorType[ResourceInterface], ...]] = ()
    configuration: ClassVar[type[BaseModel] | None] = None
    usage_parameters: ClassVar[type[UsageParameters] | None] = None
    """What each entity counts for its operators (USG-4)."""
    fires_any_event_type: ClassVar[bool] = False
    """Whether the adaptor may fire, and is told of, event types that are not among those of `ra_types` (RA-26)."""

    reconfigures_while_active: ClassVar[bool] = False
    """Whether a change of configuration is taken in every state, and activities go on (RA-12)."""
    recovers: ClassVar[tuple[type, ...]] = ()
    """Classes of commands that `recover_output` takes; each an immutable type that the codec carries (OUT-16)."""
    marshaller: Marshaller | None = None
    """Without one, MAY_MARSHAL may not be given (RA-44); set it before the entity is made."""

    def set_context(self, context: ResourceAdaptorContext) -> None:
        """Called first of all (RA-1)."""

    def unset_context(self) -> None:
        """Called last of all (RA-10)."""

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        """Judge a complete configuration, also a changed one; raise `InvalidConfigurationError` to refuse it (RA-2)."""

    def ra_configure(self, configuration: BaseModel) -> None:
        """Take the configuration; the object becomes Inactive (RA-1)."""

    def ra_configuration_update(self, configuration: BaseModel) -> None:
        """Take a changed configuration, complete and verified, as `ra_configure` did the first one (RA-11).

        By default it is given to `ra_configure`. It comes while the object is Inactive, or in any state if the adaptor
        declares `reconfigures_while_active` (RA-12).
        """
        self.ra_configure(configuration)

    def ra_unconfigure(self) -> None:
        """Let go of the configuration (RA-10)."""

    def ra_active(self) -> None:
        """Begin work: the SLEE is Running and the entity Active (RA-6)."""

    def ra_stopping(self) -> None:
        """Begin no new work; what is in progress may complete (RA-8)."""

    def ra_inactive(self) -> None:
        """Let go of sockets: no activity is left (RA-8)."""

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        """The object that SBBs call for one of `ra_types`."""
        raise NotImplementedError(f"{type(self).__name__} offers no interface for {ra_type}")

    def perform(self, command: object) -> None:
        """Carry out a command whose transaction has committed (OUT-2); an exception counts as a failed send."""
        raise NotImplementedError(f"{type(self).__name__} performs no command")

    def next_deadline(self) -> float | None:
        """When `tick` has to be called next, in the time of `now`; `None` if nothing is due."""
        return None

    def tick(self, now: float) -> None:
        """Do what has come due."""

    def is_idle(self) -> bool:
        """Whether nothing is due but what goes on as long as the adaptor works, such as watchdogs of connections.

        `SleeHarness.run_until_idle` lets time pass until every adaptor is.
        """
        return self.next_deadline() is None

    def lasts(self, handle: Hashable) -> bool:
        """Whether an activity of this adaptor lives as long as it works, such as that of a peer.

        The harness does not tell a test that it is left.
        """
        return False

    def restore_activity(self, handle: Hashable, state: bytes) -> object | None:
        """Take back an activity after a restart, from what was last saved of it; returns the activity object.

        Called once for each, after `ra_active` and before any event. The state may be one output behind. `None`
        declines: the activity ends, and `ActivityEnd` is delivered to the entities attached (DUR-7).
        """
        return None

    def recover_output(self, command: object) -> bool:
        """Repeat a command that may have been sent before the crash, if the protocol makes that harmless (OUT-16).

        Called after `restore_activity`. Returns whether it was repeated; else it fails with `outcome_unknown`.
        """
        return False

    def get_activity(self, handle: Hashable) -> object:
        """The activity object of a handle; `None` for the one given at the start (AC-13, RA-40).

        Asked once for each activity, when an SBB first reads `aci.activity`.
        """
        return None

    def get_activity_handle(self, activity: object) -> Hashable | None:
        """The handle of an activity, `None` if it is not one of this adaptor's (RA-40)."""
        return None

    def query_liveness(self, handle: Hashable) -> None:
        """End the activity if it is dead; do nothing otherwise (AC-18)."""

    def administrative_remove(self, handle: Hashable) -> None:
        """An operator removed the activity: say the protocol's goodbye (AC-17)."""

    def activity_ended(self, handle: Hashable) -> None:
        """The activity's end is complete and the handle unknown (AC-16)."""

    def activity_unreferenced(self, handle: Hashable) -> None:
        """Nothing refers to the activity any more (AC-14)."""

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        """Every candidate has been served (RA-31, RA-32)."""

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        """Delivery could not be attempted (TX-21)."""

    def event_unreferenced(self, handle: Hashable, event: object, flags: int) -> None:
        """Nothing refers to the event any more (RA-32)."""

    def verify_service(self, service: ReceivableService, active: Sequence[ReceivableService]) -> None:
        """Judge a service that is about to become Active beside those of `active`, by the options of its handlers.

        Raise `VerificationError` to refuse the activation; nothing has changed then. It is asked in every state of the
        entity, so answer by the arguments alone.
        """

    def service_active(self, service: ReceivableService) -> None:
        """A service has become Active (RA-37)."""

    def service_stopping(self, service: ReceivableService) -> None:
        """A service has become Stopping (RA-37)."""

    def service_inactive(self, service: ReceivableService) -> None:
        """A service has become Inactive (RA-37)."""

    def service_removed(self, service: ServiceID, others: Sequence[ServiceID]) -> None:
        """A service is uninstalled: let go of what is kept for it, or leave it to `others`, its other versions.

        Told in every state of the entity.
        """
