"""Tracers: one notification source each, with levels that are assigned by name and inherited (group TRC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from slee.api.errors import InvalidArgumentError
from slee.api.facilities import TraceLevel, Tracer
from slee.api.source import NotificationSource
from slee.facilities.notifications import Notifications, TraceNotification, cause_text

ROOT: Final = ""
DEFAULT: Final = TraceLevel.INFO
"""Level of a root tracer to which none is assigned (TRC-6)."""


class TraceSource:
    """The tracers of one notification source and the levels assigned to them (TRC-7)."""

    def __init__(self, source: NotificationSource, notifications: Notifications, now: Callable[[], float]) -> None:
        self.source = source
        self.assigned: dict[str, TraceLevel] = {ROOT: DEFAULT}
        self.tracers: dict[str, SourceTracer] = {}
        """The tracers that somebody has asked for, by name (TRC-16)."""
        self._notifications = notifications
        self._now = now

    def tracer(self, name: str) -> SourceTracer:
        """The tracer of that name; the same one for everybody (TRC-3)."""
        found = self.tracers.get(name)
        if found is None:
            require_name(self.source, name)
            found = self.tracers[name] = SourceTracer(self, name, self.level(name))
        return found

    def level(self, name: str) -> TraceLevel:
        """The effective level: assigned, or that of the nearest ancestor that has one (TRC-6)."""
        while name not in self.assigned:
            name = name.rpartition(".")[0]
        return self.assigned[name]

    def assign(self, name: str, level: TraceLevel) -> None:
        """Assign a level; tracers held already follow at once (TRC-13)."""
        require_name(self.source, name)
        self.assigned[name] = level
        self._follow()

    def unassign(self, name: str) -> None:
        """Take an assigned level away; without effect if there is none (TRC-14)."""
        require_name(self.source, name)
        if name == ROOT:
            raise InvalidArgumentError(f"{self.source}: the root tracer always has a level [TRC-14]; assign another")
        self.assigned.pop(name, None)
        self._follow()

    def _follow(self) -> None:
        for name, tracer in self.tracers.items():
            tracer.threshold = self.level(name).value

    def write(self, level: TraceLevel, name: str, message: str, error: BaseException | None) -> None:
        """Write one message that has passed the level (TRC-8, TRC-9)."""
        number = self._notifications.next_number("trace", self.source)
        self._notifications.emit(
            TraceNotification(self.source, number, self._now(), name, level, message, cause_text(error), error)
        )


class SourceTracer(Tracer):
    """One tracer of a notification source."""

    __slots__ = ("_traces",)

    def __init__(self, traces: TraceSource, name: str, level: TraceLevel) -> None:
        self._traces = traces
        self.source = traces.source
        self.name = name
        self.threshold = level.value

    def named(self, name: str) -> Tracer:
        return self._traces.tracer(name)

    def trace(self, level: TraceLevel, message: str, *args: object, cause: BaseException | None = None) -> None:
        given: object = message
        if not isinstance(level, TraceLevel) or not isinstance(given, str):
            raise TypeError(f"{self.source}: trace({level!r}, {given!r}) [TRC-10]; give a TraceLevel and a text")
        if level is TraceLevel.OFF:
            raise ValueError(f"{self.source}: a message of level OFF [TRC-8]; choose SEVERE to FINEST")
        if level.value <= self.threshold:
            self._traces.write(level, self.name, _combine(message, args), cause)


def require_name(source: NotificationSource, name: object) -> None:
    """Refuse what cannot be the name of a tracer (TRC-2)."""
    if not isinstance(name, str):
        raise TypeError(f"{source}: a tracer name is a str, not {name!r} [TRC-2]; give a text")
    if name and not all(name.split(".")):
        raise ValueError(f"{source}: tracer name {name!r} has an empty part [TRC-2]; write a.b")


def _combine(message: str, args: tuple[object, ...]) -> str:
    """The message with its arguments; one that fails to format is shown as its failure (TRC-11)."""
    if not args:
        return message
    try:
        return message % args
    except Exception as error:
        return f"{message!r} could not be formatted: {type(error).__name__}: {error}"
