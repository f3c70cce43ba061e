"""Records what goes wrong in the kernel, so that a test cannot miss it."""

from __future__ import annotations

from dataclasses import dataclass

from slee.api.facilities import TraceLevel, Tracer
from slee.api.ids import SbbID, ServiceID
from slee.kernel.states import StateChange
from slee.spi.flags import FailureReason


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that went wrong."""

    kind: str
    """`sbb`, `callback`, `selector`, `tree`, `event`, `adaptor` or `command`."""
    where: str
    """The entity, service or RA entity."""
    cause: object
    """The exception or reason."""

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.cause!r}"


@dataclass(frozen=True, slots=True)
class Message:
    """One trace message."""

    source: str
    tracer: str
    level: TraceLevel
    text: str


class RecordingTracer(Tracer):
    """Keeps every message, whatever its level."""

    __slots__ = ("messages", "name", "source")

    def __init__(self, source: str, name: str, messages: list[Message]) -> None:
        self.source = source
        self.name = name
        self.messages = messages

    def named(self, name: str) -> Tracer:
        return RecordingTracer(self.source, name, self.messages)

    def is_enabled(self, level: TraceLevel) -> bool:
        return level is not TraceLevel.OFF

    def trace(self, level: TraceLevel, message: str, *args: object, cause: BaseException | None = None) -> None:
        self.messages.append(Message(self.source, self.name, level, message % args if args else message))


class RecordingObserver:
    """The kernel's observer in a test."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.changes: list[StateChange] = []
        self.messages: list[Message] = []

    def named_tracer(self, source: str) -> Tracer:
        """A tracer for any source."""
        return RecordingTracer(source, "", self.messages)

    def tracer(self, service: ServiceID, sbb: SbbID) -> Tracer:
        return self.named_tracer(f"{service}/{sbb}")

    def state_changed(self, change: StateChange) -> None:
        self.changes.append(change)

    def sbb_raised(self, service: ServiceID, entity: str, event: object, activity: str, error: BaseException) -> None:
        self.failures.append(Failure("sbb", entity, error))

    def callback_failed(self, service: ServiceID, entity: str, callback: str, error: BaseException) -> None:
        self.failures.append(Failure("callback", f"{entity} {callback}", error))

    def selector_failed(self, service: ServiceID, event: object, activity: str, error: BaseException) -> None:
        self.failures.append(Failure("selector", str(service), error))

    def tree_dropped(self, service: ServiceID, root: str, cause: BaseException | None) -> None:
        self.failures.append(Failure("tree", root, cause))

    def event_failed(
        self, event: object, activity: str, age: float, reason: FailureReason, cause: BaseException | None
    ) -> None:
        self.failures.append(Failure("event", f"{type(event).__name__} on {activity}", cause or reason))

    def adaptor_failed(self, entity_name: str, callback: str, error: BaseException) -> None:
        self.failures.append(Failure("adaptor", f"{entity_name} {callback}", error))

    def command_failed(self, entity_name: str, command: object, reason: object) -> None:
        self.failures.append(Failure("command", f"{entity_name} {command!r}", reason))
