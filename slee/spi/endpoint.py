"""Through which a resource adaptor starts activities, fires events on them and ends them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import TYPE_CHECKING

from slee.api.address import Address
from slee.api.ids import ServiceID
from slee.spi.flags import ActivityFlags, EventFlags

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext


class SleeEndpoint:
    """Through which an adaptor starts activities, fires events on them and ends them (RA-17 to RA-28).

    Handles are immutable values that compare alike in every process (AC-19). The variants ending in `_transacted`
    take effect when the current transaction commits and need one; the others take effect at once.
    """

    __slots__ = ()

    @abstractmethod
    def start_activity(
        self, handle: Hashable, activity: object, flags: ActivityFlags | int = 0, *, continuing: bool = False
    ) -> ActivityContext:
        """Start an activity.

        Raises:
            TypeError: handle or activity is `None`, or the handle hashes by identity (RA-18, RA-45).
            ActivityAlreadyExistsError: the handle is known (RA-18).
            InvalidStateError: the adaptor is not Active, or Stopping without `continuing` (RA-17).
        """

    @abstractmethod
    def start_activity_transacted(
        self, handle: Hashable, activity: object, flags: ActivityFlags | int = 0
    ) -> ActivityContext:
        """Start an activity that exists from the commit on; also the half of an opening command (OUT-8)."""

    @abstractmethod
    def start_activity_suspended(
        self, handle: Hashable, activity: object, flags: ActivityFlags | int = 0
    ) -> ActivityContext:
        """Start an activity at once, whose events wait until the current transaction completes (RA-22, RA-24)."""

    @abstractmethod
    def suspend_activity(self, handle: Hashable) -> None:
        """Let events accepted from now on wait until the current transaction completes (RA-22)."""

    @abstractmethod
    def fire(
        self,
        handle: Hashable,
        event: object,
        address: Address | None = None,
        service: ServiceID | None = None,
        flags: EventFlags | int = 0,
    ) -> None:
        """Fire an event on an activity.

        Raises:
            InvalidStateError: the adaptor is not active, or the thread is not the kernel's (RA-17, RA-28).
            UnrecognizedActivityHandleError: no activity of that handle is known (RA-18).
            ActivityIsEndingError: the activity is ending (AC-5).
            IllegalEventError: the event's class is no installed event type of this adaptor (RA-25, RA-26).
            FireEventError: refused for want of resources (RA-27).
        """

    @abstractmethod
    def fire_transacted(
        self,
        handle: Hashable,
        event: object,
        address: Address | None = None,
        service: ServiceID | None = None,
        flags: EventFlags | int = 0,
    ) -> None:
        """Fire an event that is accepted when the current transaction commits (RA-20)."""

    @abstractmethod
    def save_activity(self, handle: Hashable, state: bytes) -> None:
        """Keep the activity over a restart, with what `restore_activity` is to be given of it (DUR-2).

        An activity that has never been saved ends with the process. A later state replaces the earlier one; in a
        transaction it is kept if that commits. Without a journal it has no effect.

        Raises:
            TypeError: the state is no `bytes`; or the handle is none that lasts: the adaptor has no marshaller, and
                the handle is not made of str, int, bytes and tuples (AC-19).
        """

    @abstractmethod
    def end_activity(self, handle: Hashable) -> None:
        """End an activity; `ActivityEnd` is its last event. Ending one that is ending has no effect (AC-4)."""

    @abstractmethod
    def end_activity_transacted(self, handle: Hashable) -> None:
        """End an activity when the current transaction commits (RA-20)."""


__all__ = ["SleeEndpoint"]
