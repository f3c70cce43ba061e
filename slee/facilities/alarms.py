"""The alarms of every notification source: raised and cleared by components, seen by operators (group ALM)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from slee.api.alarm import AlarmFacility, AlarmID, AlarmLevel
from slee.api.source import NotificationSource
from slee.facilities.notifications import AlarmNotification, Notifications, cause_text


class Alarm(msgspec.Struct, frozen=True):
    """One active alarm (ALM-12)."""

    id: AlarmID
    source: NotificationSource
    sequence: int
    """Number of the notification that told its raise."""
    time: float
    """When it was raised, in seconds since the epoch."""
    alarm_type: str
    instance_id: str
    level: AlarmLevel
    message: str
    cause: str | None


class AlarmJournal(Protocol):
    """Keeps active alarms over a restart (ALM-19). None of its methods may raise."""

    def raised(self, alarm: Alarm) -> None:
        """An alarm has become active."""

    def cleared(self, alarm: Alarm) -> None:
        """An alarm is active no more."""


class _Nowhere:
    """Keeps nothing."""

    def raised(self, alarm: Alarm) -> None: ...

    def cleared(self, alarm: Alarm) -> None: ...


class Alarms:
    """The active alarms of one server."""

    def __init__(self, notifications: Notifications, now: Callable[[], float], node: str) -> None:
        """Take who passes notifications on, the clock, and a text that no other process has."""
        self.journal: AlarmJournal = _Nowhere()
        self._notifications = notifications
        self._now = now
        self._node = node
        self._number = 0
        self._active: dict[AlarmID, Alarm] = {}
        self._by_source: dict[NotificationSource, dict[tuple[str, str], Alarm]] = {}

    def facility(self, source: NotificationSource) -> SourceAlarms:
        """What components of a source raise and clear alarms with."""
        return SourceAlarms(self, source)

    def raise_alarm(
        self,
        source: NotificationSource,
        alarm_type: str,
        instance_id: str,
        *,
        level: AlarmLevel,
        message: str,
        cause: object = None,
    ) -> AlarmID:
        """Raise an alarm, unless it is active already (ALM-3 to ALM-5)."""
        _judge(source, alarm_type, instance_id, level, message)
        own = self._by_source.setdefault(source, {})
        found = own.get((alarm_type, instance_id))
        if found is not None:
            return found.id
        number = self._notifications.next_number("alarm", source)
        alarm = Alarm(
            self._new_id(),
            source,
            number,
            self._now(),
            alarm_type,
            instance_id,
            level,
            message,
            cause_text(cause),
        )
        self.restore(alarm)
        self.journal.raised(alarm)
        self._emit(alarm, number, alarm.time, level)
        return alarm.id

    def restore(self, alarm: Alarm) -> None:
        """Take in an alarm that is active already, without a word (ALM-19)."""
        self._notifications.go_on_after("alarm", alarm.source, alarm.sequence)
        self._active[alarm.id] = alarm
        self._by_source.setdefault(alarm.source, {})[alarm.alarm_type, alarm.instance_id] = alarm

    def clear(self, alarm_id: AlarmID, source: NotificationSource | None = None) -> bool:
        """Clear one alarm, of `source` if one is given; whether it was active (ALM-9, ALM-13)."""
        alarm = self._active.get(alarm_id)
        if alarm is None or source not in (None, alarm.source):
            return False
        return self._clear((alarm,)) == 1

    def clear_source(self, source: NotificationSource, alarm_type: str | None = None) -> int:
        """Clear the alarms of a source, or those of one type; how many there were (ALM-9, ALM-13)."""
        own = self._by_source.get(source, {})
        return self._clear([alarm for alarm in own.values() if alarm_type in (None, alarm.alarm_type)])

    def active(self, source: NotificationSource | None = None) -> tuple[Alarm, ...]:
        """Every active alarm, or those of one source, in the order in which they were raised (ALM-11)."""
        if source is None:
            return tuple(self._active.values())
        return tuple(self._by_source.get(source, {}).values())

    def find(self, alarm_id: AlarmID) -> Alarm | None:
        """One active alarm, or `None` (ALM-12)."""
        return self._active.get(alarm_id)

    def _clear(self, alarms: Iterable[Alarm]) -> int:
        count = 0
        for alarm in alarms:
            del self._active[alarm.id]
            del self._by_source[alarm.source][alarm.alarm_type, alarm.instance_id]
            self.journal.cleared(alarm)
            number = self._notifications.next_number("alarm", alarm.source)
            self._emit(alarm, number, self._now(), AlarmLevel.CLEAR)
            count += 1
        return count

    def _emit(self, alarm: Alarm, number: int, time: float, level: AlarmLevel) -> None:
        self._notifications.emit(
            AlarmNotification(
                alarm.source,
                number,
                time,
                alarm.id,
                alarm.alarm_type,
                alarm.instance_id,
                level,
                alarm.message,
                alarm.cause,
            )
        )

    def _new_id(self) -> AlarmID:
        while True:
            self._number += 1
            identity = AlarmID(f"alarm-{self._node}-{self._number}")
            if identity not in self._active:
                return identity


class SourceAlarms(AlarmFacility):
    """The alarms of one notification source."""

    __slots__ = ("_alarms", "source")

    def __init__(self, alarms: Alarms, source: NotificationSource) -> None:
        self._alarms = alarms
        self.source = source

    def raise_alarm(
        self, alarm_type: str, instance_id: str, *, level: AlarmLevel, message: str, cause: object = None
    ) -> AlarmID:
        return self._alarms.raise_alarm(self.source, alarm_type, instance_id, level=level, message=message, cause=cause)

    def clear(self, alarm_id: AlarmID) -> bool:
        given: object = alarm_id
        if not isinstance(given, AlarmID):
            raise TypeError(f"{self.source}: clear({given!r}) [ALM-9]; give what raise_alarm returned")
        return self._alarms.clear(alarm_id, self.source)

    def clear_type(self, alarm_type: str) -> int:
        given: object = alarm_type
        if not isinstance(given, str):
            raise TypeError(f"{self.source}: clear_type({given!r}) [ALM-9]; give a text")
        return self._alarms.clear_source(self.source, alarm_type)

    def clear_all(self) -> int:
        return self._alarms.clear_source(self.source)


def _judge(source: NotificationSource, alarm_type: object, instance_id: object, level: object, message: object) -> None:
    """Refuse what cannot be an alarm (ALM-8)."""
    for name, value in (("type", alarm_type), ("instance", instance_id), ("message", message)):
        if not isinstance(value, str):
            raise TypeError(f"{source}: an alarm's {name} is a str, not {value!r} [ALM-8]; give a text")
        if not value and name != "message":
            raise ValueError(f"{source}: an alarm's {name} is empty [ALM-8]; give a text")
    if not isinstance(level, AlarmLevel):
        raise TypeError(f"{source}: an alarm's level is an AlarmLevel, not {level!r} [ALM-8]; give one")
    if level is AlarmLevel.CLEAR:
        raise ValueError(f"{source}: an alarm is raised at level CLEAR [ALM-8]; use clear()")
