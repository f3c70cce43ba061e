"""Configuration properties: the flat, typed view of a configuration (RA-49, RA-50)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

import msgspec
from pydantic import BaseModel, SecretBytes, SecretStr

from slee.api.address import Address

PropertyValue = bool | int | float | str | bytes | timedelta | Address
TYPES: Final = {cls.__name__: cls for cls in (bool, int, float, str, bytes, timedelta, Address)}
"""The types of properties, by name."""
RESERVED: Final = "slee:"
"""How the names of the product's own properties begin."""
MASK: Final = "**********"
"""What stands for a secret value in text."""


class ConfigurationProperty(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A name, the name of a type, and a value of exactly that type; `ValueError` for anything else (RA-49)."""

    name: str
    type: str
    value: PropertyValue
    secret: bool = False
    """Whether text shows a mask in place of the value."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a property without name [RA-49]; give one")
        wanted = TYPES.get(self.type)
        if wanted is None:
            raise ValueError(f"{self.name}: {self.type!r} is no type of properties [RA-49]; give {', '.join(TYPES)}")
        if type(self.value) is not wanted:
            raise ValueError(
                f"{self.name}: {type(self.value).__name__} given for {self.type} [RA-49]; give a value of the type"
            )

    @property
    def text(self) -> str:
        """The value as text; a mask for a secret (RA-50)."""
        return MASK if self.secret else str(self.value)

    def __repr__(self) -> str:
        return f"{self.name}={MASK if self.secret else repr(self.value)}"


class ConfigurationProperties:
    """A set of properties by name. Properties and their values never change, so that copies share nothing that can."""

    __slots__ = ("_by_name",)

    def __init__(self, properties: Iterable[ConfigurationProperty] = ()) -> None:
        self._by_name: dict[str, ConfigurationProperty] = {}
        for given in properties:
            self.add(given)

    @classmethod
    def of(cls, configuration: BaseModel | None, **own: str) -> ConfigurationProperties:
        """The properties of a configuration; those of `own` come first, under the product's prefix.

        Names are written as in configuration files. A model within is taken apart, its properties named `outer.inner`;
        a value of another type becomes its text, and one that is `None` is left out. Pydantic's secret types make
        secret properties.
        """
        found = cls()
        for name, text in own.items():
            found._take(ConfigurationProperty(RESERVED + name, "str", text))
        if configuration is not None:
            for given in _properties("", configuration):
                found.add(given)
        return found

    def add(self, given: ConfigurationProperty) -> None:
        """Add a property.

        Raises:
            ValueError: there is one of that name, or the name is the product's (RA-49).
        """
        if given.name.startswith(RESERVED):
            raise ValueError(f"{given.name}: names in {RESERVED} are the product's [RA-49]; give another")
        self._take(given)

    def change(self, name: str, value: PropertyValue) -> None:
        """Give a property another value of its type.

        Raises:
            KeyError: there is none of that name.
            ValueError: the value is not of its type, or the property is the product's (RA-49).
        """
        if name.startswith(RESERVED):
            raise ValueError(f"{name}: it is the product's [RA-49]; change another")
        self._by_name[name] = msgspec.structs.replace(self._by_name[name], value=value)

    def copy(self) -> ConfigurationProperties:
        """A set of the same properties; a change to either never shows in the other (RA-50)."""
        copied = ConfigurationProperties()
        copied._by_name.update(self._by_name)
        return copied

    def __getitem__(self, name: str) -> ConfigurationProperty:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[ConfigurationProperty]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"ConfigurationProperties({', '.join(map(repr, self))})"

    def _take(self, given: ConfigurationProperty) -> None:
        if given.name in self._by_name:
            raise ValueError(f"{given.name}: there is a property of that name [RA-49]; change that one")
        self._by_name[given.name] = given


def _properties(prefix: str, model: BaseModel) -> Iterator[ConfigurationProperty]:
    for field in type(model).model_fields:
        value: object = getattr(model, field)
        name = prefix + field.replace("_", "-")
        if isinstance(value, BaseModel):
            yield from _properties(f"{name}.", value)
        elif isinstance(value, SecretStr | SecretBytes):
            secret = value.get_secret_value()
            yield ConfigurationProperty(name, type(secret).__name__, secret, secret=True)
        elif (
            isinstance(value, bool | int | float | str | bytes | timedelta | Address) and type(value) in TYPES.values()
        ):
            yield ConfigurationProperty(name, type(value).__name__, value)
        elif value is not None:
            yield ConfigurationProperty(name, "str", str(value))
