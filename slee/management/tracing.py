"""Trace levels (group TRC)."""

from __future__ import annotations

from contextlib import AbstractContextManager

import msgspec

from slee.api.errors import InvalidArgumentError
from slee.api.facilities import TraceLevel
from slee.api.source import NotificationSource
from slee.facilities.tracing import ROOT, TraceSource, require_name
from slee.management.results import SourceInfo, TracerInfo
from slee.management.sources import Sources
from slee.management.store import StateDirectory

Source = NotificationSource | str
_Changing = AbstractContextManager[None]


class Tracing:
    """The trace levels of one server."""

    def __init__(self, *, sources: Sources, store: StateDirectory) -> None:
        self._sources = sources
        self._store = store

    def sources(self) -> tuple[SourceInfo, ...]:
        """Every notification source, which can trace and raise alarms, and perhaps counts (ALM-1)."""
        return self._sources.list()

    def set_level(self, source: Source, level: TraceLevel, tracer: str = ROOT) -> TracerInfo:
        """Assign a level to a tracer, used or not; tracers below it without a level of their own follow (TRC-13).

        Raises:
            UnrecognizedNotificationSourceError: there is no such source.
            InvalidArgumentError: the name is malformed.
        """
        traces = self._traces(source, tracer)
        assigned = self._store.desired.traces.get(str(traces.source), {})
        with self._desiring(traces.source, {**assigned, tracer: level.name}):
            traces.assign(tracer, level)
        return self._info(traces, tracer)

    def unset_level(self, source: Source, tracer: str) -> TracerInfo:
        """Let a tracer go by its nearest ancestor with a level again; the root always has one (TRC-14).

        Raises:
            UnrecognizedNotificationSourceError: there is no such source.
            InvalidArgumentError: the name is malformed, or that of the root.
        """
        traces = self._traces(source, tracer)
        if tracer == ROOT:
            traces.unassign(tracer)
        assigned = self._store.desired.traces.get(str(traces.source), {})
        with self._desiring(traces.source, {name: level for name, level in assigned.items() if name != tracer}):
            traces.unassign(tracer)
        return self._info(traces, tracer)

    def level(self, source: Source, tracer: str = ROOT) -> TracerInfo:
        """The effective level of a tracer, used or not (TRC-15).

        Raises:
            UnrecognizedNotificationSourceError: there is no such source.
            InvalidArgumentError: the name is malformed.
        """
        return self._info(self._traces(source, tracer), tracer)

    def used(self, source: Source) -> tuple[TracerInfo, ...]:
        """The tracers that components of a source have asked for (TRC-16)."""
        traces = self._traces(source)
        return tuple(self._info(traces, name) for name in sorted(traces.tracers))

    def assigned(self, source: Source) -> tuple[TracerInfo, ...]:
        """The tracers of a source to which a level is assigned, the root always among them (TRC-16)."""
        traces = self._traces(source)
        return tuple(self._info(traces, name) for name in sorted(traces.assigned))

    def _traces(self, source: Source, tracer: str = ROOT) -> TraceSource:
        found = self._sources.resolve(source)
        try:
            require_name(found, tracer)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from error
        return self._sources.facilities.traces(found)

    def _info(self, traces: TraceSource, tracer: str) -> TracerInfo:
        return TracerInfo(traces.source, tracer, traces.level(tracer).name, tracer in traces.assigned)

    def _desiring(self, source: NotificationSource, levels: dict[str, str]) -> _Changing:
        desired = self._store.desired
        traces = {**desired.traces, str(source): levels}
        kept = {key: assigned for key, assigned in traces.items() if assigned}
        return self._store.changing(msgspec.structs.replace(desired, traces=kept))
