"""Usage parameter sets: one default set for each source that counts, and named ones that operators make (group USG).

A counter is a plain integer. What is rare costs nothing until it happens: a parameter whose changes are told, and one
of a removed set, change their class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from slee.api.errors import (
    InvalidArgumentError,
    UnrecognizedUsageParameterSetNameError,
    UsageParameterSetNameAlreadyExistsError,
)
from slee.api.source import NotificationSource
from slee.api.usage import Counter, Sample, UsageParameters, UsageSets
from slee.facilities.notifications import Notifications, UsageNotification


class _ToldCounter(Counter):
    """A counter whose changes are told (USG-13)."""

    __slots__ = ()

    def increment(self, by: int = 1) -> None:
        super().increment(by)
        _sets(self).changed(_set(self), self.name, self.value)


class _ToldSample(Sample):
    """A sample whose values are told (USG-13)."""

    __slots__ = ()

    def record(self, value: int) -> None:
        super().record(value)
        _sets(self).changed(_set(self), self.name, value)


class _RemovedCounter(Counter):
    """A counter of a set that has been removed (USG-9)."""

    __slots__ = ()

    def increment(self, by: int = 1) -> None:
        raise _removed(self)


class _RemovedSample(Sample):
    """A sample of a set that has been removed (USG-9)."""

    __slots__ = ()

    def record(self, value: int) -> None:
        raise _removed(self)


_PLAIN: Final = (Counter, Sample)
_TOLD: Final = (_ToldCounter, _ToldSample)
_REMOVED: Final = (_RemovedCounter, _RemovedSample)


class UsageSource(UsageSets):
    """The sets of one notification source (USG-1, USG-3, USG-4)."""

    def __init__(
        self,
        source: NotificationSource,
        parameters: type[UsageParameters],
        notifications: Notifications,
        now: Callable[[], float],
    ) -> None:
        self.source = source
        self.parameters = parameters
        self.told: set[str] = set()
        """Parameters whose changes are told."""
        self._notifications = notifications
        self._now = now
        self.sets: dict[str | None, UsageParameters] = {}
        """The default set under `None`, and the named ones."""
        self.since: dict[str | None, float] = {}
        """When each set last began at zero, in seconds since the epoch (USG-15)."""
        self._add(None)

    @property
    def default(self) -> UsageParameters:
        """The unnamed set."""
        return self.sets[None]

    @property
    def names(self) -> tuple[str, ...]:
        """The named sets (USG-10)."""
        return tuple(name for name in self.sets if name is not None)

    def get(self, name: str | None) -> UsageParameters:
        """A set, the default one for `None`; `UnrecognizedUsageParameterSetNameError` if there is none of that name."""
        found = self.sets.get(name)
        if found is None:
            raise UnrecognizedUsageParameterSetNameError(
                f"{self.source}: there is no usage parameter set {name!r} [USG-2]; create it, or list the sets"
            )
        return found

    def create(self, name: str) -> None:
        """Make a named set, at zero (USG-8)."""
        self.require_new(name)
        self._add(name)

    def require_new(self, name: str) -> None:
        """Refuse what cannot be the name of another set (USG-8)."""
        if not name:
            raise InvalidArgumentError(f"{self.source}: the name of a set is empty [USG-8]; give a name")
        if name in self.sets:
            raise UsageParameterSetNameAlreadyExistsError(
                f"{self.source}: set {name} exists [USG-8]; give another name"
            )

    def remove(self, name: str) -> None:
        """Remove a named set; references to it can be updated no more (USG-9)."""
        removed = self.get(name)
        del self.sets[name], self.since[name]
        _become(removed, _REMOVED, None)

    def reset(self, name: str | None) -> None:
        """Begin one set at zero again (USG-11)."""
        chosen = self.get(name)
        self.since[name] = self._now()
        for parameter in parameters_of(chosen):
            parameter.reset()
            if parameter.name in self.told and isinstance(parameter, Counter):
                self.changed(chosen, parameter.name, 0)

    def reset_all(self) -> None:
        """Begin every set at zero again, the unnamed one included (USG-11)."""
        for name in self.sets:
            self.reset(name)

    def tell(self, parameter: str, *, on: bool) -> None:
        """Switch the notifications of a parameter's changes, in all sets (USG-13)."""
        self.require_parameter(parameter)
        (self.told.add if on else self.told.discard)(parameter)
        for one in self.sets.values():
            _become(one, _TOLD if on else _PLAIN, parameter)

    def require_parameter(self, name: str) -> None:
        """Refuse the name of no parameter."""
        if name not in self.parameters.parameters:
            known = ", ".join(self.parameters.parameters)
            raise InvalidArgumentError(f"{self.source}: it has no usage parameter {name!r} [USG-13]; it has {known}")

    def changed(self, parameters: UsageParameters, name: str, value: int) -> None:
        """Tell that a parameter has changed (USG-14)."""
        set_name: str | None = vars(parameters)["_set_name"]
        is_counter = isinstance(vars(parameters)[name], Counter)
        number = self._notifications.next_number("usage", self.source)
        self._notifications.emit(UsageNotification(self.source, number, self._now(), set_name, name, is_counter, value))

    def end(self) -> None:
        """The source ends: no set of it can be updated any more."""
        for one in self.sets.values():
            _become(one, _REMOVED, None)

    def _add(self, name: str | None) -> None:
        self.sets[name] = made = self.parameters(self, name)
        self.since[name] = self._now()
        for parameter in self.told:
            _become(made, _TOLD, parameter)


def parameters_of(parameters: UsageParameters) -> tuple[Counter | Sample, ...]:
    """Every parameter of a set, in the order of declaration."""
    return tuple(cast("Counter | Sample", vars(parameters)[name]) for name in type(parameters).parameters)


def _become(parameters: UsageParameters, classes: tuple[type[Counter], type[Sample]], only: str | None) -> None:
    """Change the class of a set's parameters, or of one."""
    for parameter in parameters_of(parameters):
        if only in (None, parameter.name):
            if isinstance(parameter, Counter):
                parameter.__class__ = classes[0]
            else:
                parameter.__class__ = classes[1]


def _set(parameter: Counter | Sample) -> UsageParameters:
    assert parameter.parameters is not None, "it belongs to a set"
    return parameter.parameters


def _sets(parameter: Counter | Sample) -> UsageSource:
    sets: UsageSource = vars(_set(parameter))["_sets"]
    return sets


def _removed(parameter: Counter | Sample) -> UnrecognizedUsageParameterSetNameError:
    name: str | None = vars(_set(parameter))["_set_name"]
    return UnrecognizedUsageParameterSetNameError(
        f"{_sets(parameter).source}: usage parameter set {name!r} has been removed [USG-9]; ask for the set anew"
    )
