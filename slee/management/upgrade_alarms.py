"""The alarms of upgrades (UPG-16)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from slee.api.alarm import AlarmLevel
from slee.api.source import SubsystemSource

if TYPE_CHECKING:
    from slee.facilities.facilities import Facilities

_LOG = logging.getLogger(__name__)
SOURCE: Final = SubsystemSource("upgrade")
DRAIN: Final = "slee.upgrade-drain"
"""Type of the alarm for trees that are left for longer than expected."""
ROLLBACK: Final = "slee.upgrade-rollback"
"""Type of the alarm for a rollback that is due and cannot be made."""


class UpgradeAlarms:
    """Raises and clears them."""

    def __init__(self, facilities: Facilities) -> None:
        self._alarms = facilities.alarms

    def raise_drain(self, upgrade: str, message: str) -> None:
        """Trees are left for longer than expected."""
        self._alarms.raise_alarm(SOURCE, DRAIN, upgrade, level=AlarmLevel.WARNING, message=message)

    def raise_rollback(self, upgrade: str, message: str) -> None:
        """A rollback is due and cannot be made."""
        _LOG.error("%s", message, extra={"component": upgrade})
        self._alarms.raise_alarm(SOURCE, ROLLBACK, upgrade, level=AlarmLevel.CRITICAL, message=message)

    def clear(self, upgrade: str, alarm_type: str) -> None:
        """Its cause is gone."""
        for alarm in self._alarms.active(SOURCE):
            if (alarm.alarm_type, alarm.instance_id) == (alarm_type, upgrade):
                self._alarms.clear(alarm.id)


__all__ = ["DRAIN", "ROLLBACK", "SOURCE", "UpgradeAlarms"]
