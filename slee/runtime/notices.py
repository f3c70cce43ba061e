"""Notifications as log records: trace messages, alarms, changes of usage parameters that are told, upgrades."""

from __future__ import annotations

import logging
from typing import Final

from slee.api.alarm import AlarmLevel
from slee.api.facilities import TraceLevel
from slee.facilities.notifications import (
    AlarmNotification,
    Notification,
    TraceNotification,
    UpgradeNotification,
    UsageNotification,
)
from slee.runtime.logs import TRACES

_TRACES: Final = logging.getLogger(TRACES)
_ALARMS: Final = logging.getLogger("slee.alarm")
_USAGE: Final = logging.getLogger("slee.usage")
_UPGRADES: Final = logging.getLogger("slee.upgrade")

TRACE_LEVELS: Final[dict[TraceLevel, int]] = {
    TraceLevel.SEVERE: logging.ERROR,
    TraceLevel.WARNING: logging.WARNING,
    TraceLevel.INFO: logging.INFO,
    TraceLevel.CONFIG: 18,
    TraceLevel.FINE: logging.DEBUG,
    TraceLevel.FINER: 8,
    TraceLevel.FINEST: 5,
}
ALARM_LEVELS: Final[dict[AlarmLevel, int]] = {
    AlarmLevel.CLEAR: logging.INFO,
    AlarmLevel.CRITICAL: logging.CRITICAL,
    AlarmLevel.MAJOR: logging.ERROR,
    AlarmLevel.WARNING: logging.WARNING,
    AlarmLevel.INDETERMINATE: logging.WARNING,
    AlarmLevel.MINOR: logging.WARNING,
}


def log_notification(notification: Notification) -> None:
    """Write one notification to the log."""
    extra: dict[str, object] = {"source": str(notification.source), "sequence": notification.sequence}
    if isinstance(notification, TraceNotification):
        extra |= {"tracer": notification.tracer, "trace_level": notification.level.name}
        level = TRACE_LEVELS[notification.level]
        _TRACES.log(level, "%s", notification.message, extra=extra, exc_info=notification.error)
    elif isinstance(notification, AlarmNotification):
        extra |= {"alarm": notification.id.key, "alarm_level": notification.level.name, "cause": notification.cause}
        done = "cleared" if notification.level is AlarmLevel.CLEAR else "raised"
        what = f"{notification.alarm_type} {notification.instance_id}"
        _ALARMS.log(ALARM_LEVELS[notification.level], "%s %s: %s", what, done, notification.message, extra=extra)
    elif isinstance(notification, UsageNotification):
        extra |= {"set": notification.set_name, "parameter": notification.parameter}
        _USAGE.info("%s is %s", notification.parameter, notification.value, extra=extra)
    elif isinstance(notification, UpgradeNotification):
        extra |= {"upgrade": notification.upgrade, "step": notification.step}
        _UPGRADES.info("%s %s: %s", notification.upgrade, notification.step, notification.message, extra=extra)
