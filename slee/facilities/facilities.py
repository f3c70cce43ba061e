"""The facilities of one server, by notification source: tracers, alarms and usage sets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeVar

from slee.api.alarm import AlarmFacility
from slee.api.errors import (
    InvalidArgumentError,
    NoUsageParametersInterfaceDefinedError,
    UnrecognizedProfileTableError,
)
from slee.api.facilities import Tracer
from slee.api.source import NotificationSource
from slee.api.usage import UsageParameters
from slee.facilities.alarms import Alarms
from slee.facilities.notifications import Notifications
from slee.facilities.tracing import ROOT, TraceSource
from slee.facilities.usage import UsageSource

U = TypeVar("U", bound=UsageParameters)


class SourceKeeper(Protocol):
    """Keeps what operators want of each source, over a restart too."""

    def restore(self, source: NotificationSource) -> None:
        """A source has come to be: give it the alarms, trace levels and usage sets that are kept for it."""
        ...

    def changing(self, source: NotificationSource, renamed: NotificationSource | None) -> AbstractContextManager[None]:
        """What is kept of a source that is removed within the block, or has another name after it."""
        ...


class Facilities:
    """What the notification sources of one server trace, raise and count with; made once by the composition root."""

    def __init__(self, *, now: Callable[[], float], random: Callable[[int], bytes]) -> None:
        """Make facilities that know no source.

        Args:
            now: seconds since the epoch.
            random: source of random octets, for ids.
        """
        self.notifications = Notifications()
        self.alarms = Alarms(self.notifications, now, random(6).hex())
        self.read_profiles: Callable[[str], Mapping[str, Mapping[str, object]]] | None = None
        """Reads a profile table; given by the facility of profiles."""
        self.keeper: SourceKeeper | None = None
        """Given by management."""
        self.sources: dict[NotificationSource, None] = {}
        """The sources that there are, oldest first."""
        self._traces: dict[NotificationSource, TraceSource] = {}
        self._usage: dict[NotificationSource, UsageSource] = {}
        self._now = now

    def add(self, source: NotificationSource, usage: type[UsageParameters] | None = None) -> None:
        """Take in a source that has come to be, with its default usage set if it counts; once more has no effect."""
        if source in self.sources:
            return
        self.sources[source] = None
        if usage is not None:
            self._usage[source] = UsageSource(source, usage, self.notifications, self._now)
        if self.keeper is not None:
            self.keeper.restore(source)

    def remove(self, source: NotificationSource) -> None:
        """Forget a source: its alarms are cleared first, its levels and sets end (ALM-14, TRC-18)."""
        self.alarms.clear_source(source)
        self.sources.pop(source, None)
        self._traces.pop(source, None)
        sets = self._usage.pop(source, None)
        if sets is not None:
            sets.end()

    @contextmanager
    def removing(self, source: NotificationSource) -> Generator[None]:
        """Forget a source, and what is kept of it, if the block that does away with it comes to its end."""
        with nullcontext() if self.keeper is None else self.keeper.changing(source, None):
            yield
        self.remove(source)

    @contextmanager
    def renaming(self, source: NotificationSource, renamed: NotificationSource) -> Generator[None]:
        """Have a source go on under another name, with its levels and sets; its alarms are cleared (PRF-2)."""
        with nullcontext() if self.keeper is None else self.keeper.changing(source, renamed):
            yield
        sets = self._usage.pop(source, None)
        self.remove(source)
        if sets is not None:
            sets.source = renamed
            self._usage[renamed] = sets
        self.add(renamed)

    def change_usage(self, source: NotificationSource, usage: type[UsageParameters] | None) -> None:
        """Have a source count something else from now on, in sets of the names that it had, at zero."""
        old = self._usage.pop(source, None)
        if old is not None:
            old.end()
        if usage is None:
            return
        self._usage[source] = made = UsageSource(source, usage, self.notifications, self._now)
        if old is None:
            return
        for name in old.names:
            made.create(name)
        for parameter in old.told.intersection(usage.parameters):
            made.tell(parameter, on=True)

    def traces(self, source: NotificationSource) -> TraceSource:
        """The tracers of a source with their levels."""
        found = self._traces.get(source)
        if found is None:
            found = self._traces[source] = TraceSource(source, self.notifications, self._now)
        return found

    def usage(self, source: NotificationSource) -> UsageSource:
        """The usage sets of a source; `InvalidArgumentError` if it declares no usage parameters (USG-19)."""
        found = self._usage.get(source)
        if found is None:
            raise InvalidArgumentError(f"{source}: it has no usage parameters [USG-19]; ask one that counts")
        return found

    @property
    def counting(self) -> tuple[UsageSource, ...]:
        """The usage sets of every source that has some."""
        return tuple(self._usage.values())

    def of(self, source: NotificationSource) -> SourceFacilities:
        """What the components of a source reach."""
        return SourceFacilities(self, source)


class SourceFacilities:
    """The facilities as the components of one source reach them."""

    __slots__ = ("_facilities", "alarms", "source")

    def __init__(self, facilities: Facilities, source: NotificationSource) -> None:
        self._facilities = facilities
        self.source = source
        self.alarms: AlarmFacility = facilities.alarms.facility(source)

    @property
    def tracer(self) -> Tracer:
        """The root tracer; counts as used from now on (TRC-16)."""
        return self._facilities.traces(self.source).tracer(ROOT)

    def profiles(self, table: str) -> Mapping[str, Mapping[str, object]]:
        """The committed profiles of a table; `UnrecognizedProfileTableError` if there is none of that name (RA-42)."""
        read = self._facilities.read_profiles
        if read is None:
            raise UnrecognizedProfileTableError(f"{table}: there are no profile tables here [PRF-3]; make them first")
        return read(table)

    def usage(self, parameters: type[U]) -> U:
        """The default usage set.

        Raises:
            NoUsageParametersInterfaceDefinedError: the source declares no usage parameters (USG-19).
            TypeError: it declares others.
        """
        try:
            default = self._facilities.usage(self.source).default
        except InvalidArgumentError as error:
            raise NoUsageParametersInterfaceDefinedError(
                f"{self.source}: it declares no usage parameters [USG-19]; set usage_parameters on its class"
            ) from error
        if not isinstance(default, parameters):
            raise TypeError(f"{self.source}: its usage parameters are {type(default).__name__} [USG-19]; ask for those")
        return default
