"""Notification sources as management knows them: named by operators, and given back what was desired for them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

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


V = TypeVar("V")


class Sources:
    """The notification sources of one server."""

    def __init__(self, *, facilities: Facilities, store: StateDirectory, alarms: AlarmFile) -> None:
        self.facilities = facilities
        self._store = store
        self._alarms = alarms
        facilities.keeper = self

    def list(self) -> tuple[SourceInfo, ...]:
        """Every notification source: SBBs in services, adaptor entities, profile tables, subsystems (ALM-1)."""
        counting = {sets.source for sets in self.facilities.counting}
        return tuple(SourceInfo(source, source in counting) for source in sorted(self.facilities.sources, key=str))

    def add(self, source: NotificationSource, usage: type[UsageParameters] | None = None) -> None:
        """Take in a source, with what is kept for it."""
        self.facilities.add(source, usage)

    def restore(self, source: NotificationSource) -> None:
        """Give a source the trace levels, alarms and usage sets that it had (ALM-19, DUR-9, TRC-18)."""
        for alarm in self._alarms.take(source):
            self.facilities.alarms.restore(alarm)
        desired, key = self._store.desired, str(source)
        for tracer, level in desired.traces.get(key, {}).items():
            self.facilities.traces(source).assign(tracer, TraceLevel.parse(level))
        sets = next((sets for sets in self.facilities.counting if sets.source == source), None)
        if sets is None:
            return
        for name in desired.usage_sets.get(key, ()):
            if name not in sets.sets:
                sets.create(name)
        for parameter in desired.usage_told.get(key, ()):
            if parameter in sets.parameters.parameters:
                sets.tell(parameter, on=True)

    def changing(self, source: NotificationSource, renamed: NotificationSource | None) -> AbstractContextManager[None]:
        """Forget what was desired for a source, or keep it under another name, unless the block raises."""
        desired, key = self._store.desired, str(source)
        changed = _without(desired, {key})
        if renamed is not None:
            changed = _as(desired, changed, key, str(renamed))
        return nullcontext() if changed == desired else self._store.changing(changed)

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


def _as(desired: Desired, without: Desired, key: str, renamed: str) -> Desired:
    return msgspec.structs.replace(
        without,
        traces=_carried(desired.traces, without.traces, key, renamed),
        usage_sets=_carried(desired.usage_sets, without.usage_sets, key, renamed),
        usage_told=_carried(desired.usage_told, without.usage_told, key, renamed),
    )


def _carried(before: Mapping[str, V], without: dict[str, V], key: str, renamed: str) -> dict[str, V]:
    return {**without, renamed: before[key]} if key in before else without


def _without(desired: Desired, keys: set[str]) -> Desired:
    return msgspec.structs.replace(
        desired,
        traces={key: value for key, value in desired.traces.items() if key not in keys},
        usage_sets={key: value for key, value in desired.usage_sets.items() if key not in keys},
        usage_told={key: value for key, value in desired.usage_told.items() if key not in keys},
    )
