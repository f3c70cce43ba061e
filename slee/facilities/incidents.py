"""What goes wrong in the kernel, as alarms (ATT-19, CON-9, RA-7, SLE-5, TX-20)."""

from __future__ import annotations

from typing import Final

from slee.api.alarm import AlarmFacility, AlarmLevel
from slee.api.facilities import Tracer
from slee.api.ids import SbbID, ServiceID
from slee.api.source import ResourceSource, SbbSource, SubsystemSource
from slee.facilities.facilities import Facilities
from slee.kernel.states import ResourceState, StateChange
from slee.spi.flags import FailureReason

ROUTER: Final = SubsystemSource("router")
TREE_DROPPED: Final = "slee.tree-dropped"
CALLBACK_FAILED: Final = "slee.callback-failed"
INTERNAL_ERROR: Final = "slee.internal-error"
NOT_ACTIVE: Final = "slee.adaptor-not-active"


class Incidents:
    """The part of the kernel's observer that is the same everywhere: it provides tracers, and raises alarms.

    One alarm of a type stands for all cases of it until an operator clears it; it tells the first, the log every one.
    """

    def __init__(self, facilities: Facilities) -> None:
        self.facilities = facilities
        facilities.add(ROUTER)

    def tracer(self, service: ServiceID, sbb: SbbID) -> Tracer:
        """The root tracer of an SBB in a service."""
        return self.facilities.of(SbbSource(service, sbb)).tracer

    def alarms(self, service: ServiceID, sbb: SbbID) -> AlarmFacility:
        """The alarms of an SBB in a service."""
        return self.facilities.alarms.facility(SbbSource(service, sbb))

    def state_changed(self, change: StateChange) -> None:
        """An entity that is deactivated fails to be active no more."""
        if change.new is ResourceState.INACTIVE:
            self.facilities.alarms.clear_source(ResourceSource(change.id), NOT_ACTIVE)

    def callback_failed(self, service: ServiceID, sbb: SbbID, entity: str, callback: str, error: BaseException) -> None:
        """A callback of an SBB raised where nothing can be rolled back for it (TX-20)."""
        self.facilities.alarms.raise_alarm(
            SbbSource(service, sbb),
            CALLBACK_FAILED,
            callback,
            level=AlarmLevel.MINOR,
            message=f"{entity} raised in {callback}",
            cause=error,
        )

    def tree_dropped(self, service: ServiceID, sbb: SbbID, root: str, cause: BaseException | None) -> None:
        """A tree was dropped because its removal failed (ATT-19)."""
        self.facilities.alarms.raise_alarm(
            SbbSource(service, sbb),
            TREE_DROPPED,
            str(service),
            level=AlarmLevel.MAJOR,
            message=f"the removal of {root} failed; its tree was dropped without callbacks",
            cause=cause,
        )

    def event_failed(
        self, event: object, activity: str, age: float, reason: FailureReason, cause: BaseException | None
    ) -> None:
        """An error in the kernel's own code ended an event (CON-9)."""
        if reason is FailureReason.INTERNAL_ERROR:
            self.facilities.alarms.raise_alarm(
                ROUTER,
                INTERNAL_ERROR,
                type(event).__name__,
                level=AlarmLevel.CRITICAL,
                message=f"event {type(event).__name__} on {activity} failed, {age:.3f} s old",
                cause=cause,
            )

    def adaptor_failed(self, entity_name: str, callback: str, error: BaseException) -> None:
        """An adaptor could not become active (RA-7, SLE-5)."""
        if callback == "ra_active":
            self.facilities.alarms.raise_alarm(
                ResourceSource(entity_name),
                NOT_ACTIVE,
                entity_name,
                level=AlarmLevel.CRITICAL,
                message=f"resource adaptor entity {entity_name} could not become active",
                cause=error,
            )

    def adaptor_began(self, entity_name: str) -> None:
        """An adaptor has become active."""
        self.facilities.alarms.clear_source(ResourceSource(entity_name), NOT_ACTIVE)
