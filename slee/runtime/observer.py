"""Writes what happens in the kernel to the log, with component, event and activity, and raises alarms."""

from __future__ import annotations

import logging
from collections.abc import Callable

from slee.api.event import event_type_id
from slee.api.ids import SbbID, ServiceID
from slee.facilities.facilities import Facilities
from slee.facilities.incidents import Incidents
from slee.kernel.states import StateChange
from slee.runtime.notices import log_notification
from slee.spi.flags import FailureReason

_log = logging.getLogger("slee.kernel")


class LoggingObserver(Incidents):
    """The kernel's observer in the server."""

    def __init__(self, facilities: Facilities) -> None:
        super().__init__(facilities)
        self.listeners: list[Callable[[StateChange], None]] = []
        facilities.notifications.listen(log_notification, "alarm", "trace", "usage", "upgrade")

    def state_changed(self, change: StateChange) -> None:
        super().state_changed(change)
        what = f"{change.kind} {change.id}".rstrip()
        _log.info("%s is %s", what, change.new.value, extra={"component": what, "old": change.old.value})
        for listener in self.listeners:
            listener(change)

    def sbb_raised(self, service: ServiceID, entity: str, event: object, activity: str, error: BaseException) -> None:
        identity = event_type_id(type(event))
        _log.error(
            "%s raised %s in the delivery of %s on %s; the transaction is rolled back",
            entity,
            type(error).__name__,
            identity.name if identity else "no event",
            activity,
            exc_info=error,
            extra={"component": entity, "service": str(service), "event": str(identity), "activity": activity},
        )

    def callback_failed(self, service: ServiceID, sbb: SbbID, entity: str, callback: str, error: BaseException) -> None:
        super().callback_failed(service, sbb, entity, callback, error)
        _log.error(
            "%s raised %s in %s",
            entity,
            type(error).__name__,
            callback,
            exc_info=error,
            extra={"component": entity, "service": str(service), "callback": callback},
        )

    def selector_failed(self, service: ServiceID, event: object, activity: str, error: BaseException) -> None:
        identity = event_type_id(type(event))
        _log.error(
            "the initial event selector of %s failed for %s on %s; the event is not initial for it",
            service,
            identity.name if identity else type(event).__name__,
            activity,
            exc_info=error,
            extra={"component": str(service), "event": str(identity), "activity": activity},
        )

    def tree_dropped(self, service: ServiceID, sbb: SbbID, root: str, cause: BaseException | None) -> None:
        super().tree_dropped(service, sbb, root, cause)
        _log.error(
            "%s: the removal of tree %s failed; it was dropped without callbacks [ATT-19]",
            service,
            root,
            exc_info=cause,
            extra={"component": str(service), "entity": root},
        )

    def event_failed(
        self, event: object, activity: str, age: float, reason: FailureReason, cause: BaseException | None
    ) -> None:
        super().event_failed(event, activity, age, reason, cause)
        identity = event_type_id(type(event))
        name = identity.name if identity else type(event).__name__
        _log.error(
            "event %s on %s failed after %.3f s: %s",
            name,
            activity,
            age,
            reason.name.lower(),
            exc_info=cause,
            extra={"component": activity, "event": str(identity), "activity": activity, "reason": reason.name.lower()},
        )

    def adaptor_failed(self, entity_name: str, callback: str, error: BaseException) -> None:
        super().adaptor_failed(entity_name, callback, error)
        _log.error(
            "resource adaptor entity %s raised in %s",
            entity_name,
            callback,
            exc_info=error,
            extra={"component": entity_name, "callback": callback},
        )

    def activity_not_restored(self, entity_name: str, handle: object) -> None:
        _log.warning(
            "resource adaptor entity %s does not restore activity %r: it ends, not_restored [DUR-7]",
            entity_name,
            handle,
            extra={"component": entity_name, "activity": repr(handle), "reason": "not_restored"},
        )

    def command_failed(self, entity_name: str, command: object, reason: object) -> None:
        cause = reason if isinstance(reason, Exception) else None
        _log.error(
            "resource adaptor entity %s could not perform %s: %s",
            entity_name,
            type(command).__name__,
            reason,
            exc_info=cause,
            extra={"component": entity_name, "command": type(command).__name__},
        )
