"""Attributes as files show them: texts in a CSV, JSON's kinds in JSON Lines, TOML and the management API."""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import enum
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from slee.api.address import Address
from slee.api.credentials import PASSWORD, Ha1
from slee.model.profile_text import convert, json_builtin, json_decoder, json_encoder, plain

if TYPE_CHECKING:
    from slee.api.profile import Attribute
    from slee.model.profile import ProfileDescriptor, Row

_Convert = Callable[[Any], Any]
_BOOLEANS: Final = {"true": True, "false": False}
_TOLD: Final = 5
"""Unknown attributes that a message names."""
_LONG: Final = 80
"""Characters of a value that a message shows."""
_SHOWN: Final = 10
"""Values of an enumeration that a remedy names."""
_REMEDIES: Final[Mapping[type, str]] = {
    str: "give a text in quotes",
    bool: "give true or false",
    int: "give a whole number",
    float: "give a number",
    bytes: "give base64",
    Address: "give an address, as Address[plan=SIP,text=sip:alice@example.net]",
    decimal.Decimal: "give a decimal number, as 1.50",
    datetime.datetime: "give date and time, as 2026-01-31T12:00:00Z",
    datetime.date: "give a date, as 2026-01-31",
    datetime.time: "give a time, as 12:00:00",
    datetime.timedelta: "give a duration, as PT1H30M",
}
_TEXTUAL: Final = (
    decimal.Decimal,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


class FieldError(ValueError):
    """A value that is none of its attribute; says which attribute and what is wrong, never a secret."""

    def __init__(self, attribute: str, problem: str, remedy: str) -> None:
        super().__init__(f"{attribute}: {problem}; {remedy}")
        self.attribute = attribute
        self.problem = problem
        self.remedy = remedy


class RowError(ValueError):
    """A profile's values of which some are none of their attributes: `errors` has each."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = tuple(errors)


class Field:
    """How one attribute is written and read."""

    def __init__(self, attribute: Attribute) -> None:
        self.attribute = attribute
        self.name = attribute.name
        self.position = attribute.position
        self.is_secret = attribute.secret
        self.ha1 = next((m for m in _metadata(attribute.annotation) if isinstance(m, Ha1)), None)
        self._none_fits = attribute.kind.accepts(None)
        self._to_text, self._from_text = _text_form(attribute)

    def text(self, value: object) -> str | None:
        """The value as a cell of a CSV."""
        return None if value is None else str(self._to_text(value))

    def json(self, value: object) -> object:
        """The value as JSON's kinds."""
        if isinstance(value, Address):
            return str(value)
        return json_builtin(value)

    def read_text(self, cell: object) -> object:
        """The value of a cell; `FieldError` if it is none."""
        if cell is None:
            if self._none_fits:
                return None
            if self.attribute.scalar is str:
                return ""
            raise FieldError(self.name, "the cell is empty", f"{_remedy_of(self.attribute)}, or leave the column out")
        try:
            return self._from_text(cell)
        except (ValueError, TypeError, ArithmeticError, KeyError, RecursionError) as error:
            raise self._refusal(cell, error) from error

    def read_json(self, value: object) -> object:
        """The value that JSON's kinds stand for; `FieldError` if they stand for none."""
        try:
            if self.attribute.scalar is Address and isinstance(value, str):
                return Address.parse(value)
            if isinstance(value, datetime.date | datetime.time):  # TOML has them
                value = value.isoformat()
            return convert(value, self.attribute.annotation)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._refusal(value, error) from error

    def _refusal(self, value: object, error: Exception) -> FieldError:
        shown = "what is given" if self.is_secret else _shortened(value)
        is_within = " - at `" in str(error) and not self.is_secret
        reason = f" ({error})" if is_within else ""
        return FieldError(self.name, f"{shown} is no {self.attribute.kind}{reason}", _remedy_of(self.attribute))


class Fields:
    """The attributes of one specification."""

    def __init__(self, descriptor: ProfileDescriptor) -> None:
        self.descriptor = descriptor
        self.by_name = {attribute.name: Field(attribute) for attribute in descriptor.attributes}
        self.open = tuple(field for field in self.by_name.values() if not field.is_secret)
        """What listings and exports show."""
        self.digests = tuple(field for field in self.by_name.values() if field.ha1 is not None)
        self.takes_password = bool(self.digests) and PASSWORD not in self.by_name

    def unknown(self, names: Iterable[str]) -> str | None:
        """What is wrong with columns of these names, if anything."""
        wrong = [n for n in names if n not in self.by_name and not (n == PASSWORD and self.takes_password)]
        if not wrong:
            return None
        more = f" and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        attributes = "attribute" if len(wrong) == 1 else "attributes"
        told = (name if name.isidentifier() and len(name) <= _LONG else _shortened(name) for name in wrong[:_TOLD])
        return f"{self.descriptor.id.name} has no {attributes} {', '.join(told)}{more}"

    def row(self, name: str, given: Mapping[str, object], base: Row, *, is_text: bool, md5: bool) -> Row:
        """A profile's values: those given, and of others what it has or begins with.

        Args:
            name: of the profile.
            given: values as read.
            base: what is kept of attributes that are not given.
            is_text: whether they are cells of a CSV.
            md5: whether a password gives a digest by MD5 too.

        Raises:
            RowError: values are none of their attributes, or there is no such attribute.
        """
        values = list(base)
        by_name = self.by_name
        errors: list[FieldError] = []
        for key, value in given.items():
            field = by_name.get(key)
            try:
                if field is not None:
                    values[field.position] = field.read_text(value) if is_text else field.read_json(value)
                elif (problem := self.unknown((key,))) is not None:
                    errors.append(FieldError(key, problem, f"it has {', '.join(by_name)}"))
            except FieldError as error:
                errors.append(error)
        if not errors and self.takes_password and (password := given.get(PASSWORD)) is not None:
            try:
                self._take_password(name, password, values, md5=md5)
            except FieldError as error:
                errors.append(error)
        if errors:
            raise RowError(errors)
        return tuple(values)

    def _take_password(self, name: str, password: object, values: list[Any], *, md5: bool) -> None:
        if not isinstance(password, str) or not password:
            raise FieldError(PASSWORD, "it is no text, or empty", "give the password as a text")
        for field in self.digests:
            ha1 = field.ha1
            assert ha1 is not None
            realm = self.by_name.get(ha1.realm)
            try:
                digest = ha1.digest(name, None if realm is None else values[realm.position], password)
            except ValueError as error:
                raise FieldError(PASSWORD, str(error), "or leave the password out") from error
            values[field.position] = digest if md5 or ha1.algorithm != "MD5" else None

    def shown(self, row: Row) -> dict[str, object]:
        """What may be shown of a profile, as JSON's kinds."""
        return {field.name: field.json(row[field.position]) for field in self.open}


def _text_form(attribute: Attribute) -> tuple[_Convert, _Convert]:
    scalar = attribute.scalar
    if scalar is str:
        return _same, _same
    if scalar is bool:
        return (lambda value: "true" if value else "false"), lambda text: _BOOLEANS[text.lower()]
    if scalar is int:
        return str, _integer
    if scalar is float:
        return repr, _number
    if scalar is bytes:
        return (lambda value: base64.b64encode(value).decode()), _octets
    if scalar is Address:
        return str, Address.parse
    if _is_textual(plain(attribute.annotation), scalar):
        return json_builtin, lambda text: convert(text, attribute.annotation)
    encode = json_encoder()
    return (lambda value: encode(value).decode()), json_decoder(attribute.annotation)


def _is_textual(annotation: object, scalar: type | None) -> bool:
    """Whether JSON shows every value as a text, and no two as the same."""
    if typing.get_origin(annotation) is typing.Literal:
        return all(isinstance(each, str) for each in typing.get_args(annotation))
    if scalar is None:
        return False
    if issubclass(scalar, enum.Enum):
        return all(isinstance(each.value, str) for each in scalar)
    return scalar in _TEXTUAL


def _same(value: Any) -> Any:
    return value


def _integer(text: str) -> int:
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not text.isascii() or "_" in text or not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _metadata(annotation: object) -> Iterator[object]:
    yield from getattr(annotation, "__metadata__", ())


def _shortened(value: object) -> str:
    """A value as files show it, but a text as one that hides no character."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONG else f"{text[:60]}... ({len(text)} characters)"


def _remedy_of(attribute: Attribute) -> str:
    """What to write for an attribute, for somebody who does not know the names of types."""
    scalar: type[Any] | None = attribute.scalar
    annotation = _without_none(plain(attribute.annotation))
    if typing.get_origin(annotation) is typing.Literal:
        return _one_of(typing.get_args(annotation))
    if scalar is None:
        is_list = typing.get_origin(annotation) in (tuple, frozenset)
        return 'give a list of JSON, as ["a", "b"]' if is_list else "give an object of JSON with its fields"
    if issubclass(scalar, enum.Enum):
        return _one_of(each.value for each in scalar)
    return _REMEDIES.get(scalar, "give a value of the type")


def _one_of(values: Iterable[object]) -> str:
    shown = [str(value) for value in values]
    more = f", or {len(shown) - _SHOWN} others" if len(shown) > _SHOWN else ""
    return f"give one of {', '.join(shown[:_SHOWN])}{more}"


def _without_none(annotation: object) -> object:
    """The type of which an optional attribute has a value."""
    given = [each for each in typing.get_args(annotation) if each is not types.NoneType]
    is_optional = types.NoneType in typing.get_args(annotation) and len(given) == 1
    return plain(given[0]) if is_optional else annotation


__all__ = ["Field", "FieldError", "Fields", "RowError"]
