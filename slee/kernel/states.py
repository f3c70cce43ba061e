"""The state machines of the SLEE, services, RA entities and activity contexts, as tables.

A transition that is not in a table does not exist: asking for it changes nothing and raises `InvalidStateError`.
Inputs in capitals are an operator's or an adaptor's; those in lower case are spontaneous, the SLEE's own.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from slee.api.errors import InvalidStateError

S = TypeVar("S", bound=enum.Enum)


class SleeState(enum.Enum):
    """States of the SLEE (SLE-1)."""

    STOPPED = "Stopped"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"


class ServiceState(enum.Enum):
    """States of a service (SVC-1)."""

    INACTIVE = "Inactive"
    ACTIVE = "Active"
    STOPPING = "Stopping"


class ResourceState(enum.Enum):
    """States of a resource adaptor entity (group RA)."""

    INACTIVE = "Inactive"
    ACTIVE = "Active"
    STOPPING = "Stopping"


class ContextState(enum.Enum):
    """States of an activity context (AC-1)."""

    __hash__ = object.__hash__  # members are single objects; the inherited hash is a call of Python code

    ACTIVE = "Active"
    ENDING = "Ending"
    INVALID = "Invalid"


SLEE: Final[Mapping[tuple[SleeState, str], SleeState]] = {
    (SleeState.STOPPED, "START"): SleeState.STARTING,
    (SleeState.STARTING, "ready"): SleeState.RUNNING,
    (SleeState.RUNNING, "STOP"): SleeState.STOPPING,
    (SleeState.STOPPING, "no activity left"): SleeState.STOPPED,
}

SERVICE: Final[Mapping[tuple[ServiceState, str], ServiceState]] = {
    (ServiceState.INACTIVE, "ACTIVATE"): ServiceState.ACTIVE,
    (ServiceState.INACTIVE, "recovered trees"): ServiceState.STOPPING,
    (ServiceState.ACTIVE, "DEACTIVATE"): ServiceState.STOPPING,
    (ServiceState.STOPPING, "no tree left"): ServiceState.INACTIVE,
    (ServiceState.STOPPING, "RESUME"): ServiceState.ACTIVE,
}

RESOURCE: Final[Mapping[tuple[ResourceState, str], ResourceState]] = {
    (ResourceState.INACTIVE, "ACTIVATE"): ResourceState.ACTIVE,
    (ResourceState.ACTIVE, "DEACTIVATE"): ResourceState.STOPPING,
    (ResourceState.STOPPING, "no activity left"): ResourceState.INACTIVE,
}

CONTEXT: Final[Mapping[tuple[ContextState, str], ContextState]] = {
    (ContextState.ACTIVE, "END"): ContextState.ENDING,
    (ContextState.ENDING, "end processed"): ContextState.INVALID,
}


@dataclass(frozen=True, slots=True)
class StateChange:
    """One transition, told after it is visible to queries (SLE-11, SVC-8)."""

    kind: str
    """`slee`, `service` or `resource`."""
    id: str
    """The service id or entity name as text; empty for the SLEE."""
    old: enum.Enum
    new: enum.Enum
    time: float
    """Seconds since the epoch."""


def next_state(table: Mapping[tuple[S, str], S], state: S, event: str, what: object, rule: str) -> S:
    """The state that `event` leads to.

    Raises:
        InvalidStateError: the table has no such transition; says from which states it has one.
    """
    new = table.get((state, event))
    if new is None:
        possible = " or ".join(sorted(source.value for source, name in table if name == event))
        raise InvalidStateError(f"{what} is {state.value}; {event.lower()} is possible when {possible} [{rule}]")
    return new
