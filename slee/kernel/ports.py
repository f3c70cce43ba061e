"""What the kernel needs from outside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.ids import SbbID, ServiceID
    from slee.api.usage import UsageParameters
    from slee.kernel.states import StateChange
    from slee.spi.flags import FailureReason

U = TypeVar("U", bound="UsageParameters")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one kernel."""

    queue: int = 10_000
    """Events that wait on one activity context; more are refused (CON-6)."""
    suspension_timeout: float = 60.0
    """Seconds that a suspension lasts where none is given (ECX-3)."""
    maximum_age: float | None = None
    """Seconds that an event may wait before its first delivery; an older one expires. `None`: for ever (CON-7)."""


class AdaptorFacilities(Protocol):
    """What a resource adaptor entity traces, raises alarms and counts with (RA-42)."""

    @property
    def tracer(self) -> Tracer:
        """Root tracer of the entity."""
        ...

    @property
    def alarms(self) -> AlarmFacility:
        """Alarms of the entity."""
        ...

    def usage(self, parameters: type[U]) -> U:
        """The entity's default usage set."""
        ...

    def profiles(self, table: str) -> Mapping[str, Mapping[str, object]]:
        """The committed profiles of a table: values by attribute, by name."""
        ...


class TransactionPart(Protocol):
    """What a facility does in a transaction, beyond what the undo log takes back."""

    def settle(self) -> None:
        """Judge what would be committed, unless it is marked; mark it to refuse it. Let go of instances either way."""


class Observer(Protocol):
    """Is told what happens in the kernel; provides tracers and alarms. None of its methods may raise."""

    def tracer(self, service: ServiceID, sbb: SbbID) -> Tracer:
        """The root tracer of an SBB in a service; asked for when first used."""
        ...

    def alarms(self, service: ServiceID, sbb: SbbID) -> AlarmFacility:
        """The alarms of an SBB in a service."""
        ...

    def state_changed(self, change: StateChange) -> None:
        """A state changed (SLE-11, SVC-8)."""

    def sbb_raised(self, service: ServiceID, entity: str, event: object, activity: str, error: BaseException) -> None:
        """Code of an SBB raised; its transaction is rolled back."""

    def callback_failed(self, service: ServiceID, sbb: SbbID, entity: str, callback: str, error: BaseException) -> None:
        """A callback of an SBB raised where nothing can be rolled back for it."""

    def selector_failed(self, service: ServiceID, event: object, activity: str, error: BaseException) -> None:
        """An initial event selector failed."""

    def tree_dropped(self, service: ServiceID, sbb: SbbID, root: str, cause: BaseException | None) -> None:
        """A tree was dropped because its removal failed (ATT-19)."""

    def event_failed(
        self, event: object, activity: str, age: float, reason: FailureReason, cause: BaseException | None
    ) -> None:
        """An event ended as failed or expired, `age` seconds after it was accepted (CON-10).

        With reason `INTERNAL_ERROR` the kernel itself is at fault, and `cause` says how (CON-9).
        """

    def adaptor_failed(self, entity_name: str, callback: str, error: BaseException) -> None:
        """A callback of a resource adaptor raised."""

    def adaptor_began(self, entity_name: str) -> None:
        """A resource adaptor has become active (RA-6)."""

    def activity_not_restored(self, entity_name: str, handle: object) -> None:
        """A recovered activity ends, since its adaptor does not take it back (DUR-7)."""

    def command_failed(self, entity_name: str, command: object, reason: object) -> None:
        """A committed command could not be performed."""
