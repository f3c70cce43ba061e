"""Activity contexts as SBBs see them: attach to them, fire on them, share attributes through them."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING

from slee.api.address import Address
from slee.api.ids import ServiceID

if TYPE_CHECKING:
    from slee.api.local import SbbLocal
    from slee.api.sbb import Sbb


class ActivityContext:
    """The SLEE's side of an activity: a queue of events, the entities attached, timers, names (group AC).

    One object stands for one activity as long as its handle is known; two activities never share one, not even
    when they had the same handle one after the other (AC-12).
    """

    __slots__ = ()

    @property
    @abstractmethod
    def activity(self) -> object:
        """The resource adaptor's activity object, or the `NullActivity` (AC-13)."""

    @property
    @abstractmethod
    def is_ending(self) -> bool:
        """`True` from the end of the activity on; raises `InvalidStateError` when the context is Invalid (AC-2)."""

    @abstractmethod
    def attach(self, entity: Sbb | SbbLocal[Sbb]) -> None:
        """Attach an SBB entity, which receives the events of this context from now on (ATT-1 to ATT-6)."""

    @abstractmethod
    def detach(self, entity: Sbb | SbbLocal[Sbb]) -> None:
        """Detach an SBB entity; without effect if it is not attached (ATT-3)."""

    @abstractmethod
    def is_attached(self, entity: Sbb | SbbLocal[Sbb]) -> bool:
        """Whether the SBB entity is attached, as this transaction sees it (ATT-7)."""

    @abstractmethod
    def mask_events(self, entity: Sbb | SbbLocal[Sbb], event_types: Collection[type]) -> None:
        """Replace the entity's event mask on this context; an empty one clears it (RTR-15)."""

    @abstractmethod
    def event_mask(self, entity: Sbb | SbbLocal[Sbb]) -> frozenset[type]:
        """The entity's event mask on this context (RTR-18)."""


class NullActivity:
    """An activity made by an SBB that no resource adaptor knows (AC-21)."""

    __slots__ = ()

    @abstractmethod
    def end(self) -> None:
        """End the activity at the commit of this delivery; without effect if it has ended (AC-23)."""


class EventContext:
    """One firing of one event; suspend it to hold back its delivery to further entities (group ECX)."""

    __slots__ = ()

    @property
    @abstractmethod
    def event(self) -> object:
        """The event object as fired."""

    @property
    @abstractmethod
    def activity_context(self) -> ActivityContext:
        """The context that it was fired on."""

    @property
    @abstractmethod
    def address(self) -> Address | None:
        """The address given at the fire (ECX-1)."""

    @property
    @abstractmethod
    def service(self) -> ServiceID | None:
        """The target service given at the fire (ECX-1)."""

    @property
    @abstractmethod
    def is_suspended(self) -> bool:
        """Whether delivery is suspended, as this transaction sees it (ECX-7)."""

    @abstractmethod
    def suspend(self, *, timeout: float | None = None) -> None:
        """Hold back delivery to further entities for at most `timeout` seconds (60 unless configured, ECX-3)."""

    @abstractmethod
    def resume(self) -> None:
        """Go on with the delivery after the commit of this transaction (ECX-13)."""


class ServiceActivity:
    """The activity of a service, which lives while the service is Active (SVC-10)."""

    __slots__ = ("service",)

    def __init__(self, service: ServiceID) -> None:
        self.service = service


class TableActivity:
    """The activity of a volatile table, on which the removal of its expired rows is told."""

    __slots__ = ("table",)

    def __init__(self, table: str) -> None:
        self.table = table


class ProfileTableActivity:
    """The activity of a profile table, on which changes to its profiles are told (PRF-40)."""

    __slots__ = ("table",)

    def __init__(self, table: str) -> None:
        self.table = table


class PreserveMissed(enum.Enum):
    """What becomes of timer occurrences that are late (TMR-16 to TMR-18)."""

    NONE = "none"
    ALL = "all"
    LAST = "last"
