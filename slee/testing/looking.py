"""What a test looks at: entities, usage, alarms, trace messages and failures of a harness."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from slee.api.source import NotificationSource, SbbSource
from slee.api.usage import UsageParameters

if TYPE_CHECKING:
    from slee.api.facilities import TraceLevel
    from slee.api.ids import ServiceID
    from slee.api.sbb import Sbb
    from slee.facilities.alarms import Alarm
    from slee.facilities.facilities import Facilities
    from slee.facilities.usage import UsageSource
    from slee.kernel.entity import SbbEntity
    from slee.kernel.kernel import Kernel
    from slee.testing.observer import Failure, Message, RecordingObserver

U = TypeVar("U", bound=UsageParameters)


class Looking:
    """The half of a harness that changes nothing."""

    kernel: Kernel
    facilities: Facilities
    observer: RecordingObserver

    def entities(self, root: type[Sbb]) -> list[SbbEntity]:
        """The root entities of every service with that root SBB, oldest first."""
        return [e for s in self.kernel.services.values() if s.root.descriptor.cls is root for e in s.roots]

    def usage(self, parameters: type[U], service: ServiceID | None = None, *, name: str | None = None) -> U:
        """The usage parameters of that class, of the one source that has them or of `service`.

        Args:
            parameters: the class.
            service: the service, where several count with that class.
            name: a set made by `create_usage_set`; the default set without.
        """
        found = self._usage(parameters, service).get(name)
        assert isinstance(found, parameters)
        return found

    def create_usage_set(self, parameters: type[U], name: str, service: ServiceID | None = None) -> U:
        """Make a named usage set, as an operator would, and return it (USG-2)."""
        self._usage(parameters, service).create(name)
        return self.usage(parameters, service, name=name)

    def _usage(self, parameters: type[UsageParameters], service: ServiceID | None) -> UsageSource:
        found = [
            sets
            for sets in self.facilities.counting
            if sets.parameters is parameters
            and (service is None or (isinstance(sets.source, SbbSource) and sets.source.service == service))
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} sources count with {parameters.__name__} [USG-3]; name the service")
        return found[0]

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The active alarms of every source, oldest first."""
        return self.facilities.alarms.active()

    @property
    def messages(self) -> list[Message]:
        """The trace messages written so far, of every source; `set_trace_level` says which are."""
        return self.observer.messages

    def set_trace_level(self, source: NotificationSource, level: TraceLevel, tracer: str = "") -> None:
        """Assign a level to a tracer of a source, as an operator would; INFO is that of each root at first (TRC-13)."""
        self.facilities.traces(source).assign(tracer, level)

    @property
    def failures(self) -> list[Failure]:
        """What went wrong so far: SBB code, callbacks, selectors, adaptors, commands."""
        return self.observer.failures


__all__ = ["Looking"]
