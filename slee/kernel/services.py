"""Installed services: their states, the events that may be initial for them, and what adaptors are told of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from slee.api.activity import ServiceActivity
from slee.api.errors import InvalidLinkNameBindingError, InvalidStateError
from slee.api.event import ServiceStarted
from slee.kernel.environment import InitialHandler, ServiceRuntime, require_inactive, require_service
from slee.kernel.states import SERVICE, ContextState, ServiceState, SleeState, next_state
from slee.kernel.succession import forget, heir, name_rivals
from slee.spi.adaptor import ReceivableEvent, ReceivableService

if TYPE_CHECKING:
    from slee.api.ids import SbbID, ServiceID
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity
    from slee.model.descriptor import ServiceDescriptor
    from slee.spi.wheel import Timer

InitialTable = dict[type, tuple[InitialHandler, ...]]
_SLICE: Final = 256
"""Trees removed at a deadline between two deliveries, so that thousands of them hold up nobody."""


class ServiceDeadline:
    """Stands on the wheel for the deadline of a service's deactivation (SVC-22)."""

    __slots__ = ("service",)

    def __init__(self, service: ServiceRuntime) -> None:
        self.service = service


class ServiceRegistry:
    """The services of one kernel (group SVC)."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.services: dict[ServiceID, ServiceRuntime] = {}
        self.initial: InitialTable = {}
        """Active services for which an event of each type may be initial; highest priority first."""
        self._deadlines: dict[ServiceID, Timer[Any]] = {}
        """Of the services that are stopping, those with a bound."""
        self.continuing: InitialTable = {}
        """The same for events of work admitted earlier, which services that are stopping still take (SVC-5)."""

    def add(self, descriptor: ServiceDescriptor, bound: Mapping[SbbID, Mapping[str, object]]) -> None:
        """Take a service in, Inactive."""
        if descriptor.id in self.services:
            raise InvalidStateError(f"{descriptor.id} is in the kernel [DU-16]; remove it first")
        self.services[descriptor.id] = service = ServiceRuntime(self._kernel, descriptor, bound)
        for env in service.environments.values():
            for event_class in env.handlers:
                self._kernel.add_event_type(event_class)

    def remove(self, identity: ServiceID) -> None:
        """Forget an Inactive service."""
        service = require_service(self.services, identity)
        require_inactive(service)
        del self.services[identity]
        forget(service, self.services.values())
        if self._kernel.journalling is not None:
            self._kernel.journalling.forget(service)

    def activate(self, identities: tuple[ServiceID, ...]) -> None:
        """Inactive to Active, all or none (SVC-2, SVC-3, SVC-7)."""
        services = self._chosen(identities, "ACTIVATE")
        _require_links(services)
        self._require_consent(services)
        for service in services:
            self._renew(service)
            self._move(service, "ACTIVATE")
        if self._kernel.state is SleeState.RUNNING:
            for service in services:
                self.begin(service)

    def deactivate(self, identities: tuple[ServiceID, ...], within: float | None = None) -> None:
        """Active to Stopping, all or none; Inactive follows when the last tree is gone (SVC-4, SVC-7, SVC-22)."""
        _require_bound(within)
        services = self._chosen(identities, "DEACTIVATE")
        for service in services:
            self._move(service, "DEACTIVATE")
        self._wind_up(services, within)

    def switch(
        self,
        pairs: Sequence[tuple[ServiceID, ServiceID]],
        *,
        within: float | None = None,
        follow: bool = False,
        resume: bool = False,
    ) -> None:
        """Replace each old service by its new one, all in one step or none (SVC-14, SVC-15, UPG-2).

        Args:
            pairs: ids of the old and the new service of each pair.
            within: seconds after which the trees of the old services that are left are removed.
            follow: let an initial event go to the living tree of an old service that it names (UPG-6).
            resume: take a new service that is Stopping as well: the way back of an upgrade (UPG-13).
        """
        _require_bound(within)
        named = [identity for pair in pairs for identity in pair]
        if not pairs or len(set(named)) != len(named):
            raise ValueError("switch: no service, or one twice [SVC-15]; name each once, as old or as new")
        olds = self._chosen(tuple(old for old, _ in pairs), "DEACTIVATE")
        news = self._successors(tuple(new for _, new in pairs), resume=resume)
        _require_links(news)
        self._require_consent(news, leaving=olds)
        changes: list[tuple[ServiceRuntime, ServiceState]] = []
        for old, new in zip(olds, news, strict=True):
            changes += [(old, old.state), (new, new.state)]
            self._put_in_place(old, new, follow=follow)
        self._select_initial()
        for service, before in changes:
            self._tell(service, before)
        self._wind_up(olds, within)
        if self._kernel.state is SleeState.RUNNING:
            for service in news:
                self.begin(service)

    def succeed(self, old: ServiceID, new: ServiceID, *, follow: bool = False) -> None:
        """Say anew, after a restart, that one service has taken the place of another whose trees are left."""
        service = require_service(self.services, old)
        service.successor, service.follows = require_service(self.services, new), follow
        self._select_initial()

    def _put_in_place(self, old: ServiceRuntime, new: ServiceRuntime, *, follow: bool) -> None:
        arrival = "RESUME" if new.state is ServiceState.STOPPING else "ACTIVATE"
        old.state = next_state(SERVICE, old.state, "DEACTIVATE", str(old.id), "SVC-14")
        new.state = next_state(SERVICE, new.state, arrival, str(new.id), "SVC-14")
        old.successor, old.follows = new, follow
        self._renew(new)

    def _renew(self, service: ServiceRuntime) -> None:
        """A service becomes Active: nothing has taken its place, and no deadline stands."""
        service.successor, service.follows, service.forced = None, False, []
        deadline = self._deadlines.pop(service.id, None)
        if deadline is not None:
            deadline.cancel()

    def _wind_up(self, services: Iterable[ServiceRuntime], within: float | None) -> None:
        """What follows from Stopping: the service's activity ends, and so do its trees when the time comes."""
        for service in services:
            if service.activity is not None:
                service.activity.end_now()
            if within is not None:
                self._set_deadline(service, within)
            self.judge(service)

    def force(self, identity: ServiceID, within: float = 0.0) -> None:
        """Remove the trees of a stopping service `within` seconds from now on (SVC-22, UPG-14)."""
        _require_bound(within)
        service = require_service(self.services, identity)
        if service.state is not ServiceState.STOPPING:
            raise InvalidStateError(f"{identity}: it is {service.state.value} [UPG-14]; deactivate it first")
        old = self._deadlines.pop(identity, None)
        if old is not None:
            old.cancel()
        self._set_deadline(service, within)

    def judge(self, service: ServiceRuntime) -> None:
        """Is the last tree of a stopping service gone (SVC-4)?"""
        if service.state is ServiceState.STOPPING and not service.roots:
            self._move(service, "no tree left")
            deadline = self._deadlines.pop(service.id, None)
            if deadline is not None:
                deadline.cancel()

    def go_on_stopping(self, service: ServiceRuntime) -> None:
        """A service that is not to be Active has recovered trees: it is Stopping until they are gone (SVC-9)."""
        self._move(service, "recovered trees")

    def _set_deadline(self, service: ServiceRuntime, within: float) -> None:
        kernel = self._kernel
        kernel.schedule.expirers[ServiceDeadline] = self._pass_deadlines
        self._deadlines[service.id] = kernel.schedule.set(kernel.now + within, ServiceDeadline(service), kernel.now)

    def _pass_deadlines(self, items: list[ServiceDeadline], now: float) -> None:
        """Remove every tree that is left; a service becomes Inactive with its last one (SVC-22)."""
        kernel = self._kernel
        for item in items:
            service = item.service
            for root in list(islice(service.roots, _SLICE)):
                service.forced.append(root.id)
                kernel.remove_tree(root)
            if service.roots:
                self._deadlines[service.id] = kernel.schedule.set(now, item, now)

    def begin(self, service: ServiceRuntime) -> None:
        """Start the service's own activity and tell it (SVC-10, SVC-11)."""
        kernel = self._kernel
        context = service.activity
        if context is None or context.state is not ContextState.ACTIVE:  # else it was recovered
            service.activity = context = kernel.own_context(("service", service.id), ServiceActivity(service.id))
            if service.root.rank:
                context.last_on()
        firing = kernel.firing(ServiceStarted(service.id), context, None, service)
        context.accept(firing)

    def active(self) -> list[ServiceRuntime]:
        """The services that are Active."""
        return [service for service in self.services.values() if service.state is ServiceState.ACTIVE]

    def _chosen(self, identities: tuple[ServiceID, ...], event: str) -> list[ServiceRuntime]:
        """The services named, after all checks; so that one in a wrong state leaves all as they were (SVC-7)."""
        services = [require_service(self.services, identity) for identity in identities]
        if not services or len(set(identities)) != len(identities):
            raise ValueError(f"{event.lower()}: no service, or one twice [SVC-7]; name each once")
        for service in services:
            next_state(SERVICE, service.state, event, str(service.id), "SVC-2")
        return services

    def _require_consent(self, services: list[ServiceRuntime], leaving: Sequence[ServiceRuntime] = ()) -> None:
        """Ask every adaptor whether it can serve the services beside those that stay Active (RA-37)."""
        active = [service for service in self.active() if service not in leaving]
        for service in services:
            for resource in self._kernel.resources.values():
                others = [receivable_service(resource, other) for other in active]
                resource.adaptor.verify_service(receivable_service(resource, service), others)
            active.append(service)

    def _successors(self, identities: tuple[ServiceID, ...], *, resume: bool) -> list[ServiceRuntime]:
        """The new services of a switch, of which some may be Stopping where that is asked for (SVC-14, UPG-13)."""
        services = [require_service(self.services, identity) for identity in identities]
        stopping = [s.id for s in services if resume and s.state is ServiceState.STOPPING]
        others = tuple(identity for identity in identities if identity not in stopping)
        if others or not stopping:
            self._chosen(others, "ACTIVATE")
        return services

    def _move(self, service: ServiceRuntime, event: str) -> None:
        old = service.state
        service.state = next_state(SERVICE, old, event, str(service.id), "SVC-2")
        self._select_initial()
        self._tell(service, old)

    def _tell(self, service: ServiceRuntime, old: ServiceState) -> None:
        """Notify of one transition that is visible already (SVC-8)."""
        self._kernel.reports.state_changed("service", str(service.id), old, service.state)
        for resource in tuple(self._kernel.resources.values()):
            if resource.is_object_active:
                tell(resource, service)

    def _select_initial(self) -> None:
        """Work out anew which services an event of each type may be initial for (IES-2, IES-3, SVC-5)."""
        active = self.active()
        successors = {(service.id.name, service.id.vendor) for service in active}
        stopping = [
            service
            for service in self.services.values()
            if service.state is ServiceState.STOPPING
            and (service.id.name, service.id.vendor) not in successors
            and heir(service) is None
        ]
        name_rivals(self.services.values())
        _fill(self.initial, active)
        _fill(self.continuing, [*active, *stopping])


def _fill(table: InitialTable, services: Iterable[ServiceRuntime]) -> None:
    table.clear()
    for service in sorted(services, key=lambda service: -service.descriptor.default_priority):
        for event_class, initial in service.initial.items():
            table[event_class] = (*table.get(event_class, ()), initial)


def _require_bound(within: float | None) -> None:
    if within is not None and not 0 <= within < math.inf:
        raise ValueError(f"deactivate within {within} seconds [SVC-22]; give a finite number, 0 or more")


def _require_links(services: Iterable[ServiceRuntime]) -> None:
    """Refuse the activation of a service that lacks a resource (SVC-3)."""
    missing = [
        f"{env.descriptor.id}.{attribute} needs {ra_type}"
        for service in services
        for env in service.environments.values()
        for attribute, ra_type in env.descriptor.resources.items()
        if env.bound.get(attribute) is None
    ]
    if missing:
        raise InvalidLinkNameBindingError(
            f"{'; '.join(missing)} [SVC-3]; bind each to a link of an entity of that type"
        )


def tell(resource: ResourceEntity, service: ServiceRuntime) -> None:
    """Tell an adaptor the state of a service, and which of its events the service receives (RA-37)."""
    adaptor = resource.adaptor
    callbacks: dict[ServiceState, Callable[[ReceivableService], None]] = {
        ServiceState.ACTIVE: adaptor.service_active,
        ServiceState.STOPPING: adaptor.service_stopping,
        ServiceState.INACTIVE: adaptor.service_inactive,
    }
    function = callbacks[service.state]
    resource.callback(function.__name__, function, receivable_service(resource, service))


def receivable_service(resource: ResourceEntity, service: ServiceRuntime) -> ReceivableService:
    """A service as an adaptor sees it (RA-37 to RA-39)."""
    return ReceivableService(service.id, _receivable(resource, service), service.descriptor.schedules)


def _receivable(resource: ResourceEntity, service: ServiceRuntime) -> tuple[ReceivableEvent, ...]:
    """The events of this adaptor that any SBB of the service handles, one entry for each option (RA-38)."""
    found: dict[tuple[type, str | None], bool] = {}
    for env in service.environments.values():
        for event_class, handler in env.handlers.items():
            if adaptor_fires(resource, event_class):
                key = (event_class, handler.descriptor.mark.option)
                is_initial = env is service.root and handler.descriptor.mark.initial
                found[key] = found.get(key, False) or is_initial
    types = {c: h.descriptor.event_type for env in service.environments.values() for c, h in env.handlers.items()}
    return tuple(ReceivableEvent(types[c], c, option, initial) for (c, option), initial in found.items())


def adaptor_fires(resource: ResourceEntity, event_class: type) -> bool:
    """Whether an adaptor may fire events of a class (RA-26, RA-38)."""
    return event_class in resource.event_types or resource.adaptor.fires_any_event_type
