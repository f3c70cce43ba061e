"""Active alarms, for operators (group ALM)."""

from __future__ import annotations

from collections.abc import Sequence

from slee.api.alarm import AlarmID
from slee.api.source import NotificationSource
from slee.management.results import AlarmInfo
from slee.management.sources import Sources


class ActiveAlarms:
    """The active alarms of one server."""

    def __init__(self, *, sources: Sources) -> None:
        self._sources = sources
        self._alarms = sources.facilities.alarms

    def list(self, source: NotificationSource | str | None = None) -> tuple[AlarmInfo, ...]:
        """Every active alarm, or those of one source, oldest first (ALM-11).

        Raises:
            UnrecognizedNotificationSourceError: there is no such source.
        """
        chosen = None if source is None else self._sources.resolve(source)
        return tuple(AlarmInfo.of(alarm) for alarm in self._alarms.active(chosen))

    def ids(self, source: NotificationSource | str | None = None) -> tuple[AlarmID, ...]:
        """The ids of active alarms, of all sources or of one (ALM-11).

        Raises:
            UnrecognizedNotificationSourceError: there is no such source.
        """
        return tuple(info.id for info in self.list(source))

    def is_active(self, alarm: AlarmID) -> bool:
        """Whether an alarm is active (ALM-11)."""
        return self._alarms.find(alarm) is not None

    def show(self, alarm: AlarmID) -> AlarmInfo | None:
        """One alarm; none if it is not active (ALM-12)."""
        found = self._alarms.find(alarm)
        return None if found is None else AlarmInfo.of(found)

    def find(self, alarms: Sequence[AlarmID]) -> tuple[AlarmInfo | None, ...]:
        """As many elements as ids, in their order, none for each that is not active (ALM-12)."""
        return tuple(self.show(alarm) for alarm in alarms)

    def clear(self, alarm: AlarmID) -> bool:
        """Clear one alarm; whether it was active (ALM-13)."""
        return self._alarms.clear(alarm)

    def clear_source(self, source: NotificationSource | str, alarm_type: str | None = None) -> int:
        """Clear the alarms of a source, or those of one type; the number cleared (ALM-13).

        Raises:
            UnrecognizedNotificationSourceError: there is no such source.
        """
        return self._alarms.clear_source(self._sources.resolve(source), alarm_type)
