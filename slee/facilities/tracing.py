"""Tracers that write to the standard library's logging, one logger for each notification source (group TRC)."""

from __future__ import annotations

import logging
from typing import Final

from slee.api.facilities import TraceLevel, Tracer

LOGGING_LEVELS: Final[dict[TraceLevel, int]] = {
    TraceLevel.SEVERE: logging.ERROR,
    TraceLevel.WARNING: logging.WARNING,
    TraceLevel.INFO: logging.INFO,
    TraceLevel.CONFIG: 18,
    TraceLevel.FINE: logging.DEBUG,
    TraceLevel.FINER: 8,
    TraceLevel.FINEST: 5,
}


class TraceSource:
    """The tracers of one notification source and the levels assigned to them."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.levels: dict[str, TraceLevel] = {"": TraceLevel.INFO}
        self.tracers: dict[str, SourceTracer] = {}
        self._logger = logging.getLogger("slee.trace")

    def tracer(self, name: str) -> SourceTracer:
        """The tracer of that name; the same one for everybody (TRC-3)."""
        given: object = name
        if not isinstance(given, str):
            raise TypeError(f"{self.source}: a tracer name is a str, not {given!r} [TRC-2]; give a text")
        if name and not all(name.split(".")):
            raise ValueError(f"{self.source}: tracer name {name!r} has an empty part [TRC-2]; write a.b")
        found = self.tracers.get(name)
        if found is None:
            found = self.tracers[name] = SourceTracer(self, name)
        return found

    def level(self, name: str) -> TraceLevel:
        """The effective level: assigned, or of the nearest ancestor that has one (TRC-6)."""
        while name not in self.levels:
            name = name.rpartition(".")[0]
        return self.levels[name]

    def write(self, level: TraceLevel, name: str, message: str, cause: BaseException | None) -> None:
        """Write one message that has passed the level."""
        extra = {"source": self.source, "tracer": name, "trace_level": level.name}
        self._logger.log(LOGGING_LEVELS[level], "%s", message, extra=extra, exc_info=cause)


class SourceTracer(Tracer):
    """One tracer of a notification source."""

    __slots__ = ("_source", "name")

    def __init__(self, source: TraceSource, name: str) -> None:
        self._source = source
        self.name = name

    @property
    def source(self) -> str:
        """The notification source."""
        return self._source.source

    @property
    def parent(self) -> str | None:
        """Name of the parent tracer, `None` for the root (TRC-4)."""
        return self.name.rpartition(".")[0] if self.name else None

    def named(self, name: str) -> Tracer:
        return self._source.tracer(name)

    def is_enabled(self, level: TraceLevel) -> bool:
        return TraceLevel.OFF < level <= self._source.level(self.name)

    def trace(self, level: TraceLevel, message: str, *args: object, cause: BaseException | None = None) -> None:
        given: object = message
        if not isinstance(level, TraceLevel) or not isinstance(given, str):
            raise TypeError(f"{self.source}: trace({level!r}, {given!r}) [TRC-10]; give a TraceLevel and a text")
        if level is TraceLevel.OFF:
            raise ValueError(f"{self.source}: a message of level OFF [TRC-8]; choose SEVERE to FINEST")
        if level <= self._source.level(self.name):
            self._source.write(level, self.name, _combine(message, args), cause)


def _combine(message: str, args: tuple[object, ...]) -> str:
    """The message with its arguments; one that fails to format is shown as its failure (TRC-11)."""
    if not args:
        return message
    try:
        return message % args
    except Exception as error:
        return f"{message!r} could not be formatted: {error!r}"
