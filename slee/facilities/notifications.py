"""Notifications of alarms, traces and usage, and who listens to them.

A listener is called at once and must be quick; what it raises is logged and counted, and reaches nobody. A subscription
keeps notifications until they are taken, as many as it has room for: however slow its owner is, nobody waits (ALM-20).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import ClassVar

import msgspec

from slee.api.alarm import AlarmID, AlarmLevel
from slee.api.facilities import TraceLevel
from slee.api.source import NotificationSource

_LOG = logging.getLogger(__name__)


class Notification(msgspec.Struct, frozen=True):
    """What every notification carries."""

    family: ClassVar[str]

    source: NotificationSource
    sequence: int
    """Grows by one with each notification of this family and source."""
    time: float
    """Seconds since the epoch."""

    @property
    def type(self) -> str:
        """Family and kind of source: `alarm.sbb` (ALM-1)."""
        return f"{self.family}.{self.source.kind}"


class AlarmNotification(Notification, frozen=True):
    """An alarm was raised, or cleared: then `level` is CLEAR (ALM-5, ALM-6)."""

    family: ClassVar[str] = "alarm"

    id: AlarmID
    alarm_type: str
    instance_id: str
    level: AlarmLevel
    message: str
    cause: str | None


class TraceNotification(Notification, frozen=True):
    """A trace message was written (TRC-9)."""

    family: ClassVar[str] = "trace"

    tracer: str
    level: TraceLevel
    message: str
    cause: str | None
    error: BaseException | None
    """The exception that the cause was, for logs in the same process."""


class UsageNotification(Notification, frozen=True):
    """A usage parameter changed (USG-14)."""

    family: ClassVar[str] = "usage"

    set_name: str | None
    """`None` for the default set."""
    parameter: str
    is_counter: bool
    value: int
    """The counter's new value, or the value recorded by the sample."""


class UpgradeNotification(Notification, frozen=True):
    """One step of an upgrade was made (UPG-16)."""

    family: ClassVar[str] = "upgrade"

    upgrade: str
    """Id of the upgrade."""
    step: str
    """`applied`, `migrated`, `permanent`, `rolled-back` or `forced`."""
    message: str


def cause_text(cause: object) -> str | None:
    """A cause as text, whatever it is: that of an exception begins with its class (ALM-8, TRC-9)."""
    if cause is None:
        return None
    try:
        text = str(cause)
    except Exception as error:
        text = f"its text cannot be had: {type(error).__name__}"
    return f"{type(cause).__name__}: {text}" if isinstance(cause, BaseException) else text


Listener = Callable[[Notification], object]


class Subscription:
    """Notifications that wait for their subscriber."""

    __slots__ = ("_hub", "_waiting", "capacity", "families", "lost")

    def __init__(self, hub: Notifications, families: frozenset[str], capacity: int) -> None:
        self._hub = hub
        self._waiting: deque[Notification] = deque()
        self.families = families
        self.capacity = capacity
        self.lost = 0
        """Notifications for which there was no room."""

    def take(self) -> tuple[Notification, ...]:
        """What has come since the last time, in order."""
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken

    def close(self) -> None:
        """Get nothing more."""
        self._hub.end(self)

    def offer(self, notification: Notification) -> bool:
        """Keep a notification; `False` if there is no room, and this one is lost."""
        if len(self._waiting) < self.capacity:
            self._waiting.append(notification)
            return True
        self.lost += 1
        return False


class Notifications:
    """Passes notifications on."""

    def __init__(self) -> None:
        self._listeners: list[tuple[frozenset[str], Listener]] = []
        self._subscriptions: list[Subscription] = []
        self._sequences: dict[tuple[str, NotificationSource], int] = {}
        self.lost = 0
        """Notifications that a listener failed over, or a subscription had no room for."""

    def listen(self, listener: Listener, *families: str) -> None:
        """Call `listener` with each notification of some families: `alarm`, `trace`, `usage`, `upgrade`."""
        self._listeners.append((frozenset(families), listener))

    def subscribe(self, *families: str, capacity: int = 1_000) -> Subscription:
        """Keep notifications of some families until they are taken, at most `capacity` of them."""
        subscription = Subscription(self, frozenset(families), capacity)
        self._subscriptions.append(subscription)
        return subscription

    def end(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def next_number(self, family: str, source: NotificationSource) -> int:
        """The sequence number of the next notification of a family and source."""
        key = (family, source)
        self._sequences[key] = number = self._sequences.get(key, 0) + 1
        return number

    def go_on_after(self, family: str, source: NotificationSource, number: int) -> None:
        """Let the next notification have a higher number than one of an earlier process."""
        key = (family, source)
        self._sequences[key] = max(number, self._sequences.get(key, 0))

    def emit(self, notification: Notification) -> None:
        """Pass a notification on; nothing that a listener does reaches the caller (ALM-20)."""
        family = notification.family
        for families, listener in self._listeners:
            if family in families:
                try:
                    listener(notification)
                except Exception:
                    self.lost += 1
                    _LOG.exception("a listener failed over a notification", extra={"type": notification.type})
        for subscription in self._subscriptions:
            if family in subscription.families and not subscription.offer(notification):
                self.lost += 1
                if subscription.lost == 1:
                    _LOG.warning("a subscription has no room for more", extra={"type": notification.type})
