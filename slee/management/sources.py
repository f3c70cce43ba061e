"""Notification sources as management knows them: named by operators, and given back what was desired for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slee.api.errors import InvalidArgumentError, UnrecognizedNotificationSourceError
from slee.api.facilities import TraceLevel
from slee.api.source import NotificationSource
from slee.facilities.facilities import Facilities
from slee.management.alarm_file import AlarmFile
from slee.management.results import SourceInfo
from slee.management.store import Desired, StateDirectory

if TYPE_CHECKING:
    from slee.api.usage import UsageParameters


class Sources:
    """The notification sources of one server."""

    def __init__(self, *, facilities: Facilities, store: StateDirectory, alarms: AlarmFile) -> None:
        self.facilities = facilities
        self._store = store
        self._alarms = alarms

    def list(self) -> tuple[SourceInfo, ...]:
        """Every notification source: SBBs in services, resource adaptor entities, subsystems (ALM-1)."""
        counting = {sets.source for sets in self.facilities.counting}
        return tuple(SourceInfo(source, source in counting) for source in sorted(self.facilities.sources, key=str))

    def add(self, source: NotificationSource, usage: type[UsageParameters] | None = None) -> None:
        """Take in a source, with the trace levels, alarms and usage sets that it had (ALM-19, DUR-9, TRC-18)."""
        if source in self.facilities.sources:
            return
        self.facilities.add(source, usage)
        for alarm in self._alarms.take(source):
            self.facilities.alarms.restore(alarm)
        desired, key = self._store.desired, str(source)
        for tracer, level in desired.traces.get(key, {}).items():
            self.facilities.traces(source).assign(tracer, TraceLevel.parse(level))
        if usage is not None:
            sets = self.facilities.usage(source)
            for name in desired.usage_sets.get(key, ()):
                sets.create(name)
            for parameter in desired.usage_told.get(key, ()):
                if parameter in usage.parameters:
                    sets.tell(parameter, on=True)

    def remove(self, *sources: NotificationSource) -> None:
        """Forget sources that are no more, and what was desired for them (ALM-14, TRC-18)."""
        for source in sources:
            self.facilities.remove(source)
        with self._store.changing(_without(self._store.desired, {str(source) for source in sources})):
            pass

    def resolve(self, given: NotificationSource | str) -> NotificationSource:
        """The source that an operator names, in full or by its short name.

        Raises:
            UnrecognizedNotificationSourceError: there is none.
            InvalidArgumentError: the short name is that of several.
        """
        if isinstance(given, NotificationSource):
            if given not in self.facilities.sources:
                raise UnrecognizedNotificationSourceError(
                    f"{given}: there is no such source [ALM-11]; list the sources"
                )
            return given
        named = [source for source in self.facilities.sources if given in (source.short, str(source))]
        if not named:
            raise UnrecognizedNotificationSourceError(f"{given}: there is no such source [ALM-11]; list the sources")
        if len(named) > 1:
            raise InvalidArgumentError(f"{given}: several sources are called so [ALM-1]; give one of {_listed(named)}")
        return named[0]


def _listed(sources: list[NotificationSource]) -> str:
    return ", ".join(map(str, sources))


def _without(desired: Desired, keys: set[str]) -> Desired:
    return msgspec.structs.replace(
        desired,
        traces={key: value for key, value in desired.traces.items() if key not in keys},
        usage_sets={key: value for key, value in desired.usage_sets.items() if key not in keys},
        usage_told={key: value for key, value in desired.usage_told.items() if key not in keys},
    )
