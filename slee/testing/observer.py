"""Records what goes wrong in the kernel, so that a test cannot miss it."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import Final

from slee.api.facilities import TraceLevel
from slee.api.ids import SbbID, ServiceID
from slee.api.source import ResourceSource
from slee.facilities.facilities import Facilities, SourceFacilities
from slee.facilities.incidents import Incidents
from slee.facilities.notifications import AlarmNotification, Notification, TraceNotification
from slee.kernel.states import StateChange
from slee.spi.flags import FailureReason

_PRODUCT: Final = re.compile(r"(slee|resource_adaptors|msgspec|pydantic)(\.|$)")
"""Modules whose frames are not the author's."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that went wrong."""

    kind: str
    """`sbb`, `callback`, `selector`, `tree`, `event`, `adaptor` or `command`."""
    where: str
    """The entity, service or RA entity."""
    cause: object
    """The exception or reason."""

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.cause!r}{self._place()}"

    def _place(self) -> str:
        """Where the cause was raised, if it is an exception: file and line of the author's own frame, if there is one.

        What a service calls on the SLEE or an adaptor raises there, and its author looks for the call.
        """
        cause = self.cause
        if not isinstance(cause, BaseException):
            return ""
        own = [f for f in traceback.walk_tb(cause.__traceback__) if not _PRODUCT.match(f[0].f_globals["__name__"])]
        frames = traceback.extract_tb(cause.__traceback__)
        frames = traceback.StackSummary.extract(own) or frames
        return f" at {frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""


@dataclass(frozen=True, slots=True)
class Message:
    """One trace message."""

    source: str
    tracer: str
    level: TraceLevel
    text: str


class RecordingObserver(Incidents):
    """The kernel's observer in a test, with the product's own facilities (TST-3)."""

    def __init__(self, facilities: Facilities | None = None) -> None:
        super().__init__(facilities or Facilities(now=lambda: 0.0, random=bytes))
        self.failures: list[Failure] = []
        self.not_restored: list[tuple[str, object]] = []
        """Activities that ended after a restart, with their entities: no adaptor took them back (DUR-7)."""
        self.changes: list[StateChange] = []
        self.messages: list[Message] = []
        self.alarm_notifications: list[AlarmNotification] = []
        """Every raise and clear of an alarm, in order."""
        self.facilities.notifications.listen(self._record, "trace", "alarm")

    def _record(self, notification: Notification) -> None:
        if isinstance(notification, TraceNotification):
            n = notification
            self.messages.append(Message(str(n.source), n.tracer, n.level, n.message))
        elif isinstance(notification, AlarmNotification):
            self.alarm_notifications.append(notification)

    def adaptor(self, name: str) -> SourceFacilities:
        """What the adaptor of an entity reaches."""
        return self.facilities.of(ResourceSource(name))

    def state_changed(self, change: StateChange) -> None:
        super().state_changed(change)
        self.changes.append(change)

    def sbb_raised(self, service: ServiceID, entity: str, event: object, activity: str, error: BaseException) -> None:
        self.failures.append(Failure("sbb", entity, error))

    def callback_failed(self, service: ServiceID, sbb: SbbID, entity: str, callback: str, error: BaseException) -> None:
        super().callback_failed(service, sbb, entity, callback, error)
        self.failures.append(Failure("callback", f"{entity} {callback}", error))

    def selector_failed(self, service: ServiceID, event: object, activity: str, error: BaseException) -> None:
        self.failures.append(Failure("selector", str(service), error))

    def tree_dropped(self, service: ServiceID, sbb: SbbID, root: str, cause: BaseException | None) -> None:
        super().tree_dropped(service, sbb, root, cause)
        self.failures.append(Failure("tree", root, cause))

    def event_failed(
        self, event: object, activity: str, age: float, reason: FailureReason, cause: BaseException | None
    ) -> None:
        super().event_failed(event, activity, age, reason, cause)
        self.failures.append(Failure("event", f"{type(event).__name__} on {activity}", cause or reason))

    def adaptor_failed(self, entity_name: str, callback: str, error: BaseException) -> None:
        super().adaptor_failed(entity_name, callback, error)
        self.failures.append(Failure("adaptor", f"{entity_name} {callback}", error))

    def activity_not_restored(self, entity_name: str, handle: object) -> None:
        self.not_restored.append((entity_name, handle))

    def command_failed(self, entity_name: str, command: object, reason: object) -> None:
        self.failures.append(Failure("command", f"{entity_name} {command!r}", reason))
