"""Usage parameters: what a component counts for its operators (group USG)."""

from __future__ import annotations

from typing import ClassVar, Final

from slee.api.errors import ComponentDefinitionError, Issue

_EMPTY_MINIMUM: Final = 2**63 - 1
_EMPTY_MAXIMUM: Final = -(2**63)


class Counter:
    """A number that a component adds to (USG-5)."""

    __slots__ = ("help", "value")

    def __init__(self, help_text: str = "") -> None:
        self.help = help_text
        self.value = 0

    def increment(self, by: int = 1) -> None:
        """Add `by`, which may be negative; in force at once, whatever becomes of the transaction (USG-18)."""
        if type(by) is not int:
            raise TypeError(f"a counter is incremented by an int, not {type(by).__name__} [USG-7]; give an int")
        self.value += by


class Sample:
    """A distribution that a component records values of (USG-6)."""

    __slots__ = ("count", "help", "maximum", "minimum", "total")

    def __init__(self, help_text: str = "") -> None:
        self.help = help_text
        self.count = 0
        self.total = 0
        self.minimum = _EMPTY_MINIMUM
        self.maximum = _EMPTY_MAXIMUM

    def record(self, value: int) -> None:
        """Record one value; in force at once, whatever becomes of the transaction (USG-18)."""
        if type(value) is not int:
            raise TypeError(f"a sample records an int, not {type(value).__name__} [USG-7]; give an int")
        self.count += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)

    @property
    def mean(self) -> float:
        """Mean of all values since the last reset, 0.0 without any."""
        return self.total / self.count if self.count else 0.0


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
        wrong = [name for name, value in members.items() if not isinstance(value, Counter | Sample)]
        if wrong or not members:
            problem = f"{', '.join(wrong)} is no usage parameter" if wrong else "it has no usage parameter"
            raise ComponentDefinitionError(
                [Issue(cls.__qualname__, "USG-21", problem, "declare members with counter(...) or sample(...) only")]
            )
        cls.parameters = {name: value for name, value in members.items() if isinstance(value, Counter | Sample)}

    def __init__(self) -> None:
        for name, declared in type(self).parameters.items():
            vars(self)[name] = type(declared)(declared.help)

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError(f"{type(self).__name__}.{name} cannot be assigned [USG-7]; use increment or record")
