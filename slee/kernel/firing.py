"""What stands in the queue of an activity context: firings of events, and barriers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from slee.api.activity import ActivityContext, EventContext
from slee.api.errors import InvalidStateError
from slee.spi.flags import FailureReason

if TYPE_CHECKING:
    from slee.api.address import Address
    from slee.api.ids import ServiceID
    from slee.kernel.context import Context
    from slee.kernel.entity import SbbEntity
    from slee.kernel.environment import InitialHandler, ServiceRuntime
    from slee.spi.wheel import Timer


OWN_SOURCE: Final = "slee"
"""The source of the events that the SLEE itself fires."""


class EventStatistics:
    """What became of the events of one type from one source (CON-3)."""

    __slots__ = (
        "accepted",
        "delivered",
        "expired",
        "expires",
        "failed",
        "failures",
        "installed",
        "refusals",
        "unserved",
    )

    def __init__(self, *, expires: bool = True) -> None:
        self.expires = expires
        """Whether an event of this type may outlive the maximum age (CON-7)."""
        self.installed = True
        """`False` once the event type has been uninstalled (CON-8)."""
        self.accepted = 0
        self.delivered = 0
        self.unserved = 0
        """Of those delivered: nobody was there to serve."""
        self.failed = 0
        self.expired = 0
        self.failures: dict[FailureReason, int] = {}
        """Failed and expired events by reason (CON-10)."""
        self.refusals: dict[FailureReason, int] = {}
        """Events that were refused, and so never accepted, by reason (CON-1)."""

    @classmethod
    def total(cls, parts: Iterable[EventStatistics]) -> EventStatistics:
        """The sum over several sources, a copy."""
        total = cls()
        for part in parts:
            total.accepted += part.accepted
            total.delivered += part.delivered
            total.unserved += part.unserved
            total.failed += part.failed
            total.expired += part.expired
            for into, counts in ((total.failures, part.failures), (total.refusals, part.refusals)):
                for reason, count in counts.items():
                    into[reason] = into.get(reason, 0) + count
        return total

    @property
    def queued(self) -> int:
        """Events that are waiting or in process."""
        return self.accepted - self.delivered - self.failed - self.expired

    def refuse(self, reason: FailureReason) -> None:
        """Count an event that was not accepted."""
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def fail(self, reason: FailureReason) -> None:
        """Count an accepted event that ends as failed, or as expired if it has grown too old."""
        if reason is FailureReason.QUEUE_TIMEOUT:
            self.expired += 1
        else:
            self.failed += 1
        self.failures[reason] = self.failures.get(reason, 0) + 1


class Entry:
    """One place in a context's queue; the queue is a chain of these, so that an idle context owns no container."""

    next: Entry | None = None


class Barrier(Entry):
    """Holds back the events behind it until a transaction completes (RA-22)."""

    open = False


class Firing(Entry, EventContext):
    """One firing of one event; it is the queue's entry, the router's progress and the `EventContext` in one."""

    initial: tuple[InitialHandler, ...] | None = None
    """Services whose initial processing is still to come, in order; `None` before routing begins."""
    served: set[SbbEntity] | None = None
    order: list[SbbEntity] | None = None
    """Several attached entities to be served, the next one last, as it was worked out at `ordered_at`."""
    ordered_at = 0
    processed = False
    """Whether a handler was called, or a callback of a root being made (RA-30)."""
    served_well = False
    """Whether a delivery has committed."""
    done = False
    suspended = False
    timeout: Timer[Any] | None = None
    number = 0
    """Place in the order of acceptance, of an event that the journal may keep; 0 of others."""
    key: bytes | None = None
    """Under which the journal has it; `None` if it has not."""
    accepted_at = 0.0
    """When the event joined the queue, in seconds since the epoch."""

    def __init__(
        self,
        event: object,
        context: Context,
        statistics: EventStatistics,
        address: Address | None = None,
        target: ServiceRuntime | None = None,
        flags: int = 0,
    ) -> None:
        self._event = event
        self.cls = type(event)
        self.context = context
        self.statistics = statistics
        self._address = address
        self.target = target
        self.flags = flags

    @property
    def event(self) -> object:
        return self._event

    @property
    def activity_context(self) -> ActivityContext:
        return self.context

    @property
    def address(self) -> Address | None:
        return self._address

    @property
    def service(self) -> ServiceID | None:
        return None if self.target is None else self.target.id

    @property
    def is_suspended(self) -> bool:
        self.context.kernel.transaction_for("is_suspended", "ECX-6")
        return self.suspended

    def suspend(self, *, timeout: float | None = None) -> None:
        kernel = self.context.kernel
        tx = kernel.transaction_for("suspend", "ECX-6")
        if timeout is None:
            timeout = kernel.limits.suspension_timeout
        if type(timeout) not in (int, float):
            raise TypeError(f"a suspension timeout is a number of seconds, not {timeout!r} [ECX-4]; give a float")
        if not 0 < timeout < math.inf:
            raise ValueError(f"a suspension timeout of {timeout} [ECX-4]; give a finite number of seconds above 0")
        self._require(suspended=False, what="suspend")
        self.suspended = True
        self.timeout = timer = kernel.schedule.set(kernel.now + timeout, self, kernel.now)
        tx.undo.append((self._unsuspend, (timer,)))
        self.note()

    def resume(self) -> None:
        kernel = self.context.kernel
        tx = kernel.transaction_for("resume", "ECX-6")
        self._require(suspended=True, what="resume")
        timer = self.timeout
        self.suspended = False
        self.timeout = None
        self.note()
        tx.undo.append((self._resuspend, (timer,)))
        tx.when_committed(self.release, timer)

    def release(self, timer: Timer[Any] | None) -> None:
        """Let delivery go on: after the commit of a resume, or at the timeout (ECX-8, ECX-13)."""
        if timer is not None:
            timer.cancel()
        if not self.suspended:
            self.context.schedule()

    def timed_out(self) -> None:
        """The suspension's timeout has passed: resume (ECX-8)."""
        self.suspended = False
        self.timeout = None
        self.note()
        self.context.schedule()

    def note(self) -> None:
        """Its progress has changed: the next record has it (DUR-10)."""
        if self.number:
            self.context.kernel.dirty[self] = None

    def _unsuspend(self, timer: Timer[Any]) -> None:
        timer.cancel()
        self.suspended = False
        self.timeout = None

    def _resuspend(self, timer: Timer[Any] | None) -> None:
        self.suspended = True
        self.timeout = timer

    def _require(self, *, suspended: bool, what: str) -> None:
        if self.done:
            raise InvalidStateError(f"{what}: processing of the event has ended [ECX-5]; decide during its delivery")
        if self.suspended is not suspended:
            state = "suspended" if self.suspended else "not suspended"
            raise InvalidStateError(f"{what}: the event is {state} [ECX-5]; ask is_suspended first")


class RolledBack:
    """What `sbb_rolled_back` is told (TX-10)."""

    __slots__ = ("activity_context", "event", "is_remove_rolled_back")

    def __init__(self, firing: Firing | None, *, removal: bool = False) -> None:
        self.event = None if firing is None else firing.event
        self.activity_context = None if firing is None else firing.context
        self.is_remove_rolled_back = removal
