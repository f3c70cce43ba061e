"""Services as a resource adaptor sees them: what they receive of it, and what their bundles declare (RA-37)."""

from __future__ import annotations

import msgspec

from slee.api.ids import EventTypeID, ServiceID
from slee.spi.scheduling import DeclaredSchedule


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


__all__ = ["ReceivableEvent", "ReceivableService"]
