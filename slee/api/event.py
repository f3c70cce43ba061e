"""Event types, and the events that the SLEE itself fires."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, TypeVar, cast, dataclass_transform

import msgspec

from slee.api.errors import ComponentDefinitionError, Issue
from slee.api.ids import EventTypeID, ServiceID

_E = TypeVar("_E")

MARK = "__slee_event_type__"
"""Class attribute that holds the `EventTypeID`; looked for in the class's own namespace only (RTR-21)."""


class TimerID(msgspec.Struct, frozen=True):
    """Identity of a timer; unique across processes and restarts, and fit for a CMP field (TMR-11)."""

    key: str


@dataclass_transform(frozen_default=True)
def event_type(name: str, *, vendor: str, version: str) -> Callable[[type[_E]], type[_E]]:
    """Make a class of annotated fields an event type: immutable, slotted, compared by value.

        @event_type("call.Diverted", vendor="example.net", version="1.0")
        class CallDiverted:
            callee: str

    Raises:
        ComponentDefinitionError: the class has base classes of its own (RTR-21: dispatch is by exact type).
    """
    identity = EventTypeID(name, vendor, version)

    def declare(cls: type[_E]) -> type[_E]:
        if cls.__bases__ != (object,):
            raise ComponentDefinitionError(
                [Issue(str(identity), "RTR-21", "an event type has no base class", "declare its fields in itself")]
            )
        namespace = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
        namespace[MARK] = identity
        struct: Any = types.new_class(
            cls.__name__, (msgspec.Struct,), {"frozen": True}, lambda body: body.update(namespace)
        )
        return cast("type[_E]", struct)

    return declare


def event_type_id(cls: object) -> EventTypeID | None:
    """The identity of an event class, or `None` if `cls` is no event type by itself."""
    if not isinstance(cls, type):
        return None
    identity: object = vars(cls).get(MARK)
    return identity if isinstance(identity, EventTypeID) else None


@event_type("slee.ActivityEnd", vendor="slee", version="1.0")
class ActivityEnd:
    """The activity has ended; the last event on its activity context (AC-7)."""


@event_type("slee.ServiceStarted", vendor="slee", version="1.0")
class ServiceStarted:
    """The service has become active; fired on the service's own activity (SVC-10)."""

    service: ServiceID


@event_type("slee.TimerEvent", vendor="slee", version="1.0")
class TimerEvent:
    """One occurrence of a timer (TMR-20). Times are seconds since the epoch."""

    timer_id: TimerID
    scheduled: float
    """When the occurrence was due."""
    fired_at: float
    """When it was released; never before `scheduled`."""
    period: float | None
    """Seconds between two occurrences, `None` for a one-shot timer."""
    repetitions: int
    """As set: 0 without end, 1 for a one-shot timer."""
    remaining: int | None
    """Occurrences that come after this one, `None` for a timer without end (TMR-21)."""
    missed: int
    """Occurrences dropped since the last one delivered (TMR-22)."""


@event_type("slee.RowExpired", vendor="slee", version="1.0")
class RowExpired:
    """A row of a volatile table has been removed because its time had come."""

    table: str
    """Name of the table."""
    key: str
    """Key under which the row was kept."""
    row: object
    """The row removed; an instance of the table's row type."""
