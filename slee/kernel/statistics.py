"""A frozen picture of the kernel's counters, for the metrics exporter and the management API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slee.api.event import event_type_id

if TYPE_CHECKING:
    from slee.api.ids import EventTypeID, SbbID, ServiceID
    from slee.kernel.firing import EventStatistics
    from slee.kernel.kernel import Kernel
    from slee.spi.flags import FailureReason


@dataclass(frozen=True, slots=True)
class EventFigures:
    """What became of events of one type; `accepted == delivered + failed + expired + queued` (CON-3)."""

    event_type: EventTypeID
    source: str
    """`resource:` and the name of an RA entity, `service:` and an id, `slee`; empty of a sum over all sources."""
    accepted: int
    delivered: int
    unserved: int
    failed: int
    expired: int
    failures: Mapping[FailureReason, int]
    """Failed and expired events by reason."""
    refusals: Mapping[FailureReason, int]
    """Events refused, which are not among those accepted, by reason."""

    @property
    def queued(self) -> int:
        """Events that are waiting or in process."""
        return self.accepted - self.delivered - self.failed - self.expired

    @property
    def refused(self) -> int:
        """Events refused for any reason."""
        return sum(self.refusals.values())


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """Deliveries of one event type to one SBB of one service."""

    service: ServiceID
    sbb: SbbID
    event_type: EventTypeID
    committed: int
    rolled_back: int
    seconds: float
    buckets: tuple[int, ...]
    """Deliveries by duration; bounds are `environment.DURATION_BOUNDS`, the last one is without bound."""


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """State and entities of one service."""

    service: ServiceID
    state: str
    trees: int
    entities: int
    selector_failures: int


@dataclass(frozen=True, slots=True)
class ResourceFigures:
    """State and activities of one resource adaptor entity."""

    name: str
    state: str
    activities: int
    performed_commands: int
    failed_commands: int
    failed_callbacks: int


@dataclass(frozen=True, slots=True)
class KernelStatistics:
    """One consistent picture."""

    state: str
    events: tuple[EventFigures, ...]
    sources: tuple[EventFigures, ...]
    """The same figures, apart by source."""
    deliveries: tuple[DeliveryFigures, ...]
    services: tuple[ServiceFigures, ...]
    resources: tuple[ResourceFigures, ...]
    null_activities: int
    timers: int
    ready_contexts: int

    @property
    def queued(self) -> int:
        """Events that are waiting or in process, of all types."""
        return sum(event.queued for event in self.events)


def snapshot(kernel: Kernel) -> KernelStatistics:
    """Read all counters."""
    return KernelStatistics(
        state=kernel.state.value,
        events=tuple(_figures(event_class, "", s) for event_class, s in kernel.events.items()),
        sources=tuple(
            _figures(event_class, source, s)
            for event_class, sources in kernel.sources.items()
            for source, s in sources.items()
        ),
        deliveries=tuple(_deliveries(kernel)),
        services=tuple(
            ServiceFigures(
                service.id,
                service.state.value,
                len(service.roots),
                sum(env.entities for env in service.environments.values()),
                service.selector_failures,
            )
            for service in kernel.services.values()
        ),
        resources=tuple(
            ResourceFigures(
                r.name, r.state.value, len(r.contexts), r.performed_commands, r.failed_commands, r.failed_callbacks
            )
            for r in kernel.resources.values()
        ),
        null_activities=len(kernel.null_activities.contexts),
        timers=len(kernel.timers.records),
        ready_contexts=len(kernel.ready),
    )


def _figures(event_class: type, source: str, s: EventStatistics) -> EventFigures:
    identity = event_type_id(event_class)
    assert identity is not None
    return EventFigures(
        event_type=identity,
        source=source,
        accepted=s.accepted,
        delivered=s.delivered,
        unserved=s.unserved,
        failed=s.failed,
        expired=s.expired,
        failures=dict(s.failures),
        refusals=dict(s.refusals),
    )


def _deliveries(kernel: Kernel) -> list[DeliveryFigures]:
    return [
        DeliveryFigures(
            service.id,
            env.descriptor.id,
            handler.descriptor.event_type,
            handler.statistics.committed,
            handler.statistics.rolled_back,
            handler.statistics.seconds,
            tuple(handler.statistics.buckets),
        )
        for service in kernel.services.values()
        for env in service.environments.values()
        for handler in env.handlers.values()
    ]
