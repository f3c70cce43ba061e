"""Usage parameters: what a component counts for its operators (group USG)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Protocol, cast

from slee.api.errors import ComponentDefinitionError, Issue, UnrecognizedUsageParameterSetNameError

if TYPE_CHECKING:
    from typing import Self

_EMPTY_MINIMUM: Final = 2**63 - 1
_EMPTY_MAXIMUM: Final = -(2**63)


class UsageSets(Protocol):
    """The sets of one notification source; the usage facility provides it."""

    def get(self, name: str) -> UsageParameters:
        """The named set, or `UnrecognizedUsageParameterSetNameError` (USG-2)."""
        ...

    def changed(self, parameters: UsageParameters, name: str, value: int) -> None:
        """A parameter whose changes are told has changed (USG-14)."""


class _Parameter:
    """One parameter of one set; `parameters` is the set, `None` for what a class declares."""

    __slots__ = ("help", "name", "parameters")

    def __init__(self, help_text: str = "", name: str = "", parameters: UsageParameters | None = None) -> None:
        self.help = help_text
        self.name = name
        self.parameters = parameters


class Counter(_Parameter):
    """A number that a component adds to (USG-5)."""

    __slots__ = ("value",)

    def __init__(self, help_text: str = "", name: str = "", parameters: UsageParameters | None = None) -> None:
        super().__init__(help_text, name, parameters)
        self.value = 0

    def increment(self, by: int = 1) -> None:
        """Add `by`, which may be negative; in force at once, whatever becomes of the transaction (USG-18).

        Raises:
            TypeError: `by` is no `int` (USG-7).
            UnrecognizedUsageParameterSetNameError: the set has been removed (USG-9).
        """
        if type(by) is not int:
            raise TypeError(f"a counter is incremented by an int, not {type(by).__name__} [USG-7]; give an int")
        self.value += by

    def reset(self) -> None:
        """Begin at zero again; for operators (USG-11)."""
        self.value = 0


class Sample(_Parameter):
    """A distribution that a component records values of (USG-6)."""

    __slots__ = ("count", "maximum", "minimum", "total")

    def __init__(self, help_text: str = "", name: str = "", parameters: UsageParameters | None = None) -> None:
        super().__init__(help_text, name, parameters)
        self.count = 0
        self.total = 0
        self.minimum = _EMPTY_MINIMUM
        self.maximum = _EMPTY_MAXIMUM

    def record(self, value: int) -> None:
        """Record one value; in force at once, whatever becomes of the transaction (USG-18).

        Raises:
            TypeError: `value` is no `int` (USG-7).
            UnrecognizedUsageParameterSetNameError: the set has been removed (USG-9).
        """
        if type(value) is not int:
            raise TypeError(f"a sample records an int, not {type(value).__name__} [USG-7]; give an int")
        self.count += 1
        self.total += value
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value

    @property
    def mean(self) -> float:
        """Mean of all values since the last reset, 0.0 without any."""
        return self.total / self.count if self.count else 0.0

    def reset(self) -> None:
        """Forget every value; for operators (USG-11)."""
        self.count = 0
        self.total = 0
        self.minimum = _EMPTY_MINIMUM
        self.maximum = _EMPTY_MAXIMUM


def counter(help_text: str) -> Counter:
    """Declare a counter in a `UsageParameters` class; `help_text` tells an operator what it counts."""
    return Counter(help_text)


def sample(help_text: str) -> Sample:
    """Declare a sample in a `UsageParameters` class; `help_text` names what is measured and its unit."""
    return Sample(help_text)


class UsageParameters:
    """Declares what a component counts: subclass it with `counter(...)` and `sample(...)` members only (USG-21)."""

    parameters: ClassVar[dict[str, Counter | Sample]] = {}

    def __init_subclass__(cls) -> None:
        members = {name: value for name, value in vars(cls).items() if not name.startswith("__")}
        wrong = [
            name
            for name, value in members.items()
            if not isinstance(value, Counter | Sample) or not name.isidentifier() or hasattr(UsageParameters, name)
        ]
        own = {name: value for name, value in members.items() if isinstance(value, Counter | Sample)}
        parameters = {} if wrong else {**cls.parameters, **own}
        if not parameters:
            problem = f"{', '.join(wrong)} is no usage parameter" if wrong else "it has no usage parameter"
            raise ComponentDefinitionError(
                [Issue(cls.__qualname__, "USG-21", problem, "declare members with counter(...) or sample(...) only")]
            )
        cls.parameters = parameters

    def __init__(self, sets: UsageSets | None = None, set_name: str | None = None) -> None:
        """Make a set with every parameter at zero; `sets` are those that it is one of."""
        vars(self)["_sets"] = sets
        vars(self)["_set_name"] = set_name
        for name, declared in type(self).parameters.items():
            vars(self)[name] = type(declared)(declared.help, name, self)

    def named(self, name: str) -> Self:
        """The named set of the same source, which an operator has created.

        Raises:
            TypeError: the name is no text.
            UnrecognizedUsageParameterSetNameError: there is no set of that name (USG-2).
        """
        given: object = name
        if not isinstance(given, str):
            raise TypeError(f"{type(self).__name__}: a set name is a str, not {given!r} [USG-2]; give a text")
        sets: UsageSets | None = vars(self)["_sets"]
        if sets is None:
            raise UnrecognizedUsageParameterSetNameError(
                f"{type(self).__name__}: there is no set {name!r} [USG-2]; have it created"
            )
        return cast("Self", sets.get(name))

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError(f"{type(self).__name__}.{name} cannot be assigned [USG-7]; use increment or record")

    def __delattr__(self, name: str) -> None:
        raise TypeError(f"{type(self).__name__}.{name} cannot be deleted [USG-7]; declare it no more")
