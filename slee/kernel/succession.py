"""Which version an event belongs to while one has replaced another and calls of the old one are up (UPG-3 to UPG-6).

A service that was replaced has a `successor`. To an Active service, the stopping ones whose place it has taken are its
*rivals*: each of its initial handlers names them, so that a service without rivals costs the router nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from slee.api.declaration import PRIORITIES
from slee.api.event import ServiceStarted
from slee.kernel.environment import InitialHandler, ServiceRuntime
from slee.kernel.initial import convergence_name
from slee.kernel.states import ServiceState

if TYPE_CHECKING:
    from slee.kernel.firing import Firing

_LAST: Final = PRIORITIES.start - 1
"""Below every entity's priority."""


class Deferral(InitialHandler):
    """Stands last among the initial handlers of an event: was an entity of the old version left to take it (UPG-4)?"""

    __slots__ = ("real",)

    def __init__(self, real: InitialHandler) -> None:
        super().__init__(real.service, real.handler)
        self.real = real
        self.rivals = real.rivals
        self.priority = _LAST


def heir(service: ServiceRuntime) -> ServiceRuntime | None:
    """The Active service that has taken the place of one that was replaced, perhaps several times."""
    successor = service.successor
    while successor is not None and successor.state is not ServiceState.ACTIVE:
        successor = successor.successor
    return successor


def name_rivals(services: Iterable[ServiceRuntime]) -> None:
    """Tell the initial handlers of every service which stopping services it has taken the place of."""
    rivals: dict[ServiceRuntime, list[ServiceRuntime]] = {}
    for service in services:
        if service.state is ServiceState.STOPPING and (successor := heir(service)) is not None:
            rivals.setdefault(successor, []).append(service)
    for service in services:
        own = tuple(rivals.get(service, ()))
        for initial in service.initial.values():
            initial.rivals = own


def forget(gone: ServiceRuntime, services: Iterable[ServiceRuntime]) -> None:
    """Take a service that is being removed out of the chains of successors."""
    for service in services:
        if service.successor is gone:
            service.successor = gone.successor


def contested(firing: Firing, initial: InitialHandler) -> InitialHandler | None:
    """By which handler an event is initial that calls of the old version may lay claim to; `None` if by none.

    That of the old version is given if its convergence is followed and names a living tree (UPG-6).
    """
    is_last = isinstance(initial, Deferral)
    real = initial.real if isinstance(initial, Deferral) else initial
    if firing.target is not real.service:
        if _is_taken(firing, initial.rivals):
            return None
        if _is_claimed(firing, initial.rivals):
            if not is_last:
                firing.initial = (*(firing.initial or ()), Deferral(real))
            return None
        for rival in initial.rivals:
            if rival.follows and (old := _living(firing, rival)) is not None:
                return old
    return succeeded(firing, real)


def succeeded(firing: Firing, initial: InitialHandler) -> InitialHandler | None:
    """The handler itself while its service is Active; else that of the service that has taken its place (SVC-17)."""
    service = initial.service
    if service.state is ServiceState.ACTIVE:
        return initial
    successor = heir(service)
    if successor is None:
        return initial if firing.context.continuing else None
    found = successor.initial.get(firing.cls)
    return found if found is None or not found.rivals else contested(firing, found)


def addressee(firing: Firing, target: ServiceRuntime) -> ServiceRuntime:
    """The service that an event with a target is for: the successor, unless a call of the old version awaits it."""
    successor = heir(target)
    if successor is None or target.state is ServiceState.ACTIVE or firing.cls is ServiceStarted:
        return target
    return target if _is_claimed(firing, (target,)) else successor


def _is_taken(firing: Firing, rivals: tuple[ServiceRuntime, ...]) -> bool:
    """Whether an entity of the old version has had its turn with the event."""
    return firing.served is not None and any(entity.env.service in rivals for entity in firing.served)


def _is_claimed(firing: Firing, rivals: tuple[ServiceRuntime, ...]) -> bool:
    """Whether an entity of the old version is attached that declares the type, masked or not."""
    cls = firing.cls
    return any(e.env.service in rivals and cls in e.env.handlers for e in firing.context.attached)


def _living(firing: Firing, rival: ServiceRuntime) -> InitialHandler | None:
    """The old version's handler, if the event's convergence name designates a tree of it that lives."""
    initial = rival.initial.get(firing.cls)
    if initial is None:
        return None
    try:
        name = convergence_name(initial, firing)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        rival.kernel.reports.selector_failed(rival, firing, error)
        return None
    return initial if name is not None and name in rival.names else None
