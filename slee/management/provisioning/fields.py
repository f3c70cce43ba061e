"""Attributes as files show them: texts in a CSV, JSON's kinds in JSON Lines, TOML and the management API."""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import enum
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

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
            raise FieldError(self.name, "the cell is empty", f"give {self.attribute.kind}, or leave the column out")
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
        reason = f" ({error})" if isinstance(error, msgspec.ValidationError) and not self.is_secret else ""
        return FieldError(self.name, f"{shown} is no {self.attribute.kind}{reason}", "give a value of the type")


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
        return f"{self.descriptor.id.name} has no {attributes} {', '.join(wrong[:_TOLD])}{more}"

    def row(self, name: str, given: Mapping[str, object], base: Row, *, is_text: bool, md5: bool) -> Row:
        """A profile's values: those given, and of others what it has or begins with.

        Args:
            name: of the profile.
            given: values as read; unknown names among them are a `FieldError`.
            base: what is kept of attributes that are not given.
            is_text: whether they are cells of a CSV.
            md5: whether a password gives a digest by MD5 too.

        Raises:
            FieldError: a value is none of its attribute.
        """
        values = list(base)
        by_name = self.by_name
        for key, value in given.items():
            field = by_name.get(key)
            if field is not None:
                values[field.position] = field.read_text(value) if is_text else field.read_json(value)
            elif (problem := self.unknown((key,))) is not None:
                raise FieldError(key, problem, f"it has {', '.join(by_name)}")
        if self.takes_password and (password := given.get(PASSWORD)) is not None:
            self._take_password(name, password, values, md5=md5)
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
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


__all__ = ["Field", "FieldError", "Fields"]
