"""What the kernel keeps of an installed service and of each SBB in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from slee.api.errors import InvalidStateError, UnrecognizedServiceError
from slee.api.ids import ServiceID
from slee.kernel.calls import Firings, LocalMethod, Relation
from slee.kernel.states import ServiceState
from slee.model.descriptor import Durability

if TYPE_CHECKING:
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.ids import SbbID
    from slee.api.view import ActivityContextView
    from slee.kernel.context import Context
    from slee.kernel.entity import SbbEntity
    from slee.kernel.kernel import Kernel
    from slee.model.descriptor import HandlerDescriptor, SbbDescriptor, ServiceDescriptor

SYNC: Final = 2
DURABILITY_RANKS: Final = {Durability.MEMORY: 0, Durability.ASYNC: 1, Durability.SYNC: SYNC}
DURATION_BOUNDS: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1.0)
"""Upper bounds of the histogram of delivery durations, in seconds."""


class DeliveryStatistics:
    """What became of the deliveries of one event type to one SBB of a service."""

    __slots__ = ("buckets", "committed", "rolled_back", "seconds")

    def __init__(self) -> None:
        self.committed = 0
        self.rolled_back = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)


class EventHandler:
    """One event handler of an SBB in a service, ready to be called."""

    __slots__ = ("descriptor", "function", "statistics", "takes_event_context")

    def __init__(self, descriptor: HandlerDescriptor, function: Callable[..., None]) -> None:
        self.descriptor = descriptor
        self.function = function if descriptor.view is None else _through(descriptor.view, function)
        self.takes_event_context = descriptor.takes_event_context
        self.statistics = DeliveryStatistics()


def _through(view: type[ActivityContextView], function: Callable[..., None]) -> Callable[..., None]:
    """A handler whose context parameter is annotated with a view: it is given the context seen through it (SHR-1)."""

    def handle(instance: object, event: object, context: Context, *rest: object) -> None:
        function(instance, event, view(context), *rest)

    return handle


class InitialHandler:
    """How one service selects the root entity for one type of initial event (group IES)."""

    __slots__ = ("handler", "priority", "rivals", "selector", "selector_takes_selection", "service", "variables")

    def __init__(self, service: ServiceRuntime, handler: EventHandler) -> None:
        mark = handler.descriptor.mark
        self.service = service
        self.handler = handler
        self.priority = service.descriptor.default_priority
        self.variables = mark.variables.value
        self.selector = mark.selector
        self.selector_takes_selection = mark.selector_takes_selection
        self.rivals: tuple[ServiceRuntime, ...] = ()
        """Services whose place this one has taken and that have trees left (UPG-4)."""


class SbbEnvironment:
    """One SBB in one service: what its entities share."""

    __slots__ = (
        "_tracer",
        "activates",
        "alarms",
        "bound",
        "catches",
        "cls",
        "creates",
        "descriptor",
        "entities",
        "fields",
        "handlers",
        "initial",
        "kernel",
        "loads",
        "local_functions",
        "masked_on_attach",
        "passivates",
        "plain_removal",
        "rank",
        "post_creates",
        "references",
        "removes",
        "retired",
        "rolls_back",
        "service",
        "special",
        "stores",
    )

    def __init__(
        self, kernel: Kernel, service: ServiceRuntime, descriptor: SbbDescriptor, bound: Mapping[str, object]
    ) -> None:
        self.kernel = kernel
        self.service = service
        self.descriptor = descriptor
        self.cls = descriptor.cls
        self.retired = descriptor.retired
        self.bound: dict[str, object] = dict(bound)
        for name, event_class in descriptor.fires.items():
            self.bound[name] = Firings(kernel, f"{descriptor.id}.{name}", event_class, f"service:{service.id}")
        self.alarms: AlarmFacility = kernel.reports.observer.alarms(service.id, descriptor.id)
        self._tracer: Tracer | None = None
        self.handlers = {c: EventHandler(h, getattr(self.cls, h.method)) for c, h in descriptor.handlers.items()}
        self.masked_on_attach = descriptor.masked_on_attach
        self.fields = dict(descriptor.fields)
        self.initial = dict(descriptor.initial)
        self.references = tuple(name for name, kind in self.fields.items() if kind.is_reference)
        self.local_functions = {name: getattr(self.cls, name) for name in descriptor.local_methods}
        self.entities = 0
        self.rank = 0 if kernel.journalling is None else DURABILITY_RANKS[service.descriptor.durability]
        """Durability class as a number: 0 for memory, which is every class without a journal (DUR-1)."""
        defined = descriptor.callbacks
        self.creates = "sbb_create" in defined
        self.post_creates = "sbb_post_create" in defined
        self.activates = "sbb_activate" in defined
        self.passivates = "sbb_passivate" in defined
        self.loads = "sbb_load" in defined
        self.stores = "sbb_store" in defined
        self.removes = "sbb_remove" in defined
        self.catches = "sbb_exception_thrown" in defined
        self.rolls_back = "sbb_rolled_back" in defined
        self.special = self.creates or self.post_creates or self.loads or self.stores or self.passivates
        """Whether an instance has a callback besides the handler's code."""
        self.plain_removal = not (self.activates or self.loads or self.removes)
        """Whether a removal calls no code of the SBB."""

    @property
    def tracer(self) -> Tracer:
        """The root tracer, which counts as used once it has been asked for (TRC-16)."""
        if self._tracer is None:
            self._tracer = self.kernel.reports.observer.tracer(self.service.id, self.descriptor.id)
        return self._tracer

    def relation(self, entity: SbbEntity, name: str) -> Relation:
        """The child relation `name` of an entity, for the current transaction (CHD-11)."""
        child = self.descriptor.children[name]
        tx = self.kernel.transaction_for(name, "CHD-1")
        entity.require_existence(f"child relation {name}")
        return Relation(tx, entity, name, self.service.environments[child.sbb.sbb_id], child.default_priority)

    def local_method(self, entity: SbbEntity, name: str) -> LocalMethod:
        """A business method of an entity; `AttributeError` for anything else (LOC-3)."""
        function = self.local_functions.get(name)
        if function is None:
            offered = ", ".join(self.local_functions) or "none"
            raise AttributeError(f"{self.descriptor.id} has no @local method {name} [LOC-3]; it offers {offered}")
        return LocalMethod(entity, name, function, self.descriptor.local_methods[name])


class ServiceRuntime:
    """One installed service in the kernel."""

    __slots__ = (
        "activity",
        "descriptor",
        "environments",
        "follows",
        "forced",
        "id",
        "initial",
        "kernel",
        "names",
        "root",
        "roots",
        "selector_failures",
        "state",
        "successor",
    )

    def __init__(
        self, kernel: Kernel, descriptor: ServiceDescriptor, bound: Mapping[SbbID, Mapping[str, object]]
    ) -> None:
        self.kernel = kernel
        self.descriptor = descriptor
        self.id: ServiceID = descriptor.id
        self.state = ServiceState.INACTIVE
        self.environments = {
            identity: SbbEnvironment(kernel, self, sbb, bound.get(identity, {}))
            for identity, sbb in descriptor.sbbs.items()
        }
        self.root = self.environments[descriptor.root.id]
        self.initial = {c: InitialHandler(self, h) for c, h in self.root.handlers.items() if h.descriptor.mark.initial}
        self.names: dict[object, SbbEntity] = {}
        """Root entities by convergence name (IES-6)."""
        self.roots: dict[SbbEntity, float] = {}
        """Root entities with the time at which each was made."""
        self.activity: Context | None = None
        self.selector_failures = 0
        self.successor: ServiceRuntime | None = None
        """The service that has taken its place (SVC-14)."""
        self.follows = False
        """Whether initial events still go to its living trees by their convergence name (UPG-6)."""
        self.forced: list[str] = []
        """Ids of the trees removed by the SLEE since it was last activated (UPG-14)."""


def require_service(services: Mapping[ServiceID, ServiceRuntime], identity: ServiceID) -> ServiceRuntime:
    """The service of that id, or `UnrecognizedServiceError`."""
    given: object = identity
    if not isinstance(given, ServiceID):
        raise TypeError(f"a service id is needed, not {given!r} [SVC-2]; give the ServiceID")
    service = services.get(identity)
    if service is None:
        raise UnrecognizedServiceError(f"{identity} is not installed [SVC-2]; list the services")
    return service


def require_inactive(service: ServiceRuntime) -> None:
    """Refuse the removal of a service that may have entities (DU-28)."""
    if service.state is not ServiceState.INACTIVE:
        raise InvalidStateError(f"{service.id} is {service.state.value} [DU-28]; deactivate it and wait for Inactive")


__all__ = [
    "DURABILITY_RANKS",
    "DURATION_BOUNDS",
    "SYNC",
    "DeliveryStatistics",
    "EventHandler",
    "InitialHandler",
    "SbbEnvironment",
    "ServiceRuntime",
    "require_inactive",
    "require_service",
]
