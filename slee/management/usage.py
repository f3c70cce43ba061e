"""Usage parameter sets, for operators (group USG)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from slee.api.errors import (
    InvalidArgumentError,
    SleeError,
    UnrecognizedNotificationSourceError,
    UnrecognizedProfileTableError,
    UnrecognizedResourceAdaptorEntityError,
    UnrecognizedSbbError,
    UnrecognizedServiceError,
    UnrecognizedSubsystemError,
)
from slee.api.ids import ServiceID
from slee.api.source import NotificationSource, ProfileTableSource, ResourceSource, SbbSource, SubsystemSource
from slee.facilities.usage import UsageSource
from slee.management.results import UsageInfo
from slee.management.sources import Sources
from slee.management.store import StateDirectory

Source = NotificationSource | str

_UNRECOGNIZED: Final[Mapping[type[NotificationSource], type[SleeError]]] = {
    ResourceSource: UnrecognizedResourceAdaptorEntityError,
    ProfileTableSource: UnrecognizedProfileTableError,
    SubsystemSource: UnrecognizedSubsystemError,
}


class Usage:
    """What the components of one server have counted."""

    def __init__(
        self, *, sources: Sources, store: StateDirectory, service: Callable[[ServiceID | str], ServiceID]
    ) -> None:
        """Take the sources, the state directory, and who finds a service by id or name."""
        self._sources = sources
        self._store = store
        self._service = service

    def sets(self, source: Source) -> tuple[str, ...]:
        """The named sets of a source; the default one has no name (USG-10)."""
        return self._usage(source).names

    def create(self, source: Source, name: str) -> UsageInfo:
        """Make a named set, at zero (USG-2, USG-8).

        Raises:
            InvalidArgumentError: the name is empty, or the source does not count.
            UsageParameterSetNameAlreadyExistsError: there is a set of that name.
        """
        sets = self._usage(source)
        sets.require_new(name)
        with self._desiring_sets(sets.source, (*sets.names, name)):
            sets.create(name)
        return UsageInfo.of(sets, name)

    def remove(self, source: Source, name: str) -> None:
        """Remove a named set; components that hold it can count on it no more (USG-9).

        Raises:
            UnrecognizedUsageParameterSetNameError: there is none of that name.
        """
        sets = self._usage(source)
        given: object = name
        if given is None:
            raise InvalidArgumentError(f"{sets.source}: the default set stays [USG-1]; name another")
        sets.get(name)
        with self._desiring_sets(sets.source, tuple(other for other in sets.names if other != name)):
            sets.remove(name)

    def read(self, source: Source, name: str | None = None) -> UsageInfo:
        """Every parameter of a set, the default one without name (USG-10).

        Raises:
            UnrecognizedUsageParameterSetNameError: there is none of that name.
            InvalidArgumentError: the source does not count.
        """
        return UsageInfo.of(self._usage(source), name)

    def take(self, source: Source, name: str | None = None) -> UsageInfo:
        """Read a set and begin it at zero again, in one step (USG-12)."""
        sets = self._usage(source)
        taken = UsageInfo.of(sets, name)
        sets.reset(name)
        return taken

    def reset(self, source: Source, name: str | None = None) -> UsageInfo:
        """Begin one set at zero again, the default one without name (USG-11)."""
        sets = self._usage(source)
        sets.reset(name)
        return UsageInfo.of(sets, name)

    def reset_all(self, source: Source) -> tuple[UsageInfo, ...]:
        """Begin every set of a source at zero again (USG-11)."""
        sets = self._usage(source)
        sets.reset_all()
        return tuple(UsageInfo.of(sets, name) for name in sets.sets)

    def reset_service(self, service: ServiceID | str) -> tuple[UsageInfo, ...]:
        """Begin every set of every SBB of a service at zero again (USG-11).

        Raises:
            UnrecognizedServiceError: it is not installed.
        """
        return tuple(info for sets in self._of_service(self._service(service)) for info in self.reset_all(sets.source))

    def tell(self, source: Source, parameter: str, on: bool) -> UsageInfo:
        """Switch the notifications of a parameter's changes, in all sets of a source (USG-13).

        Raises:
            InvalidArgumentError: the source has no such parameter.
        """
        sets = self._usage(source)
        sets.require_parameter(parameter)
        told = (sets.told | {parameter}) if on else (sets.told - {parameter})
        desired = self._store.desired
        by_source = {**desired.usage_told, str(sets.source): tuple(sorted(told))}
        kept = {key: names for key, names in by_source.items() if names}
        with self._store.changing(msgspec.structs.replace(desired, usage_told=kept)):
            sets.tell(parameter, on=on)
        return UsageInfo.of(sets, None)

    def _usage(self, source: Source) -> UsageSource:
        """The sets of a source; each kind has its own error for an unknown one (USG-20)."""
        try:
            found = self._sources.resolve(source)
        except UnrecognizedNotificationSourceError as error:
            if isinstance(source, SbbSource):
                raise self._unknown_sbb(source) from error
            if isinstance(source, NotificationSource):
                raise _UNRECOGNIZED[type(source)](f"{source}: there is none [USG-20]; list the sources") from error
            raise
        return self._sources.facilities.usage(found)

    def _unknown_sbb(self, source: SbbSource) -> SleeError:
        try:
            self._service(source.service)
        except UnrecognizedServiceError as error:
            return error
        return UnrecognizedSbbError(f"{source.sbb}: it is not part of {source.service} [USG-20]; list its SBBs")

    def _of_service(self, service: ServiceID) -> Iterator[UsageSource]:
        for sets in self._sources.facilities.counting:
            if isinstance(sets.source, SbbSource) and sets.source.service == service:
                yield sets

    def _desiring_sets(self, source: NotificationSource, names: tuple[str, ...]) -> AbstractContextManager[None]:
        desired = self._store.desired
        by_source = {**desired.usage_sets, str(source): names}
        kept = {key: names for key, names in by_source.items() if names}
        return self._store.changing(msgspec.structs.replace(desired, usage_sets=kept))
