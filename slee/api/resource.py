"""Resource adaptor types: what an SBB binds with `resource(...)`."""

from __future__ import annotations

from typing import Generic, TypeVar

from slee.api.event import event_type_id
from slee.api.ids import EventTypeID, ResourceAdaptorTypeID

I_co = TypeVar("I_co", covariant=True)


class ResourceAdaptorType(Generic[I_co]):
    """A kind of resource: the events it fires, its activities, and the interface that SBBs call.

    An RA type is a value, bound by passing it, so that a service never matches strings (design, section 6).
    """

    __slots__ = ("activities", "event_types", "id", "interface")

    def __init__(
        self,
        name: str,
        *,
        vendor: str,
        version: str,
        interface: type[I_co],
        events: tuple[type, ...],
        activities: tuple[type, ...] = (),
    ) -> None:
        self.id = ResourceAdaptorTypeID(name, vendor, version)
        self.interface = interface
        self.activities = activities
        self.event_types: dict[type, EventTypeID] = {}
        for event in events:
            identity = event_type_id(event)
            if identity is None:
                raise TypeError(f"{self.id}: {event!r} is no event type [RA-25]; declare it with @event_type")
            self.event_types[event] = identity

    def __repr__(self) -> str:
        return str(self.id)
