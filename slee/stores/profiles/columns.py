"""Columns of profile attributes: their SQL types, and the values on both sides.

What SQL has a type for is stored in it; every other value type is stored as a JSON text, so that nothing is lost. Texts
that a database cannot hold (NUL, lone surrogates) are written with an escape.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from slee.model.profile_text import json_decoder, json_encoder

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from slee.api.profile import Attribute

Convert = Callable[[Any], Any]

_TYPES: Final[dict[type, type[TypeEngine[Any]]]] = {
    bool: sa.Boolean,
    int: sa.BigInteger,
    float: sa.Double,
    str: sa.Text,
    bytes: sa.LargeBinary,
}
_BY_TEXT: Final = {str(cls()): cls for cls in _TYPES.values()}
_LONGEST: Final = 48
"""Octets of a column's name that are the attribute's: PostgreSQL cuts names at 63, and ours carry a suffix."""
_ESCAPE: Final = "\ufdd0"  # a code point that Unicode reserves for the inner use of programs
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff\ufdd0]")
_ESCAPED: Final = re.compile("\ufdd0([0-9a-f]{4})")


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """How the values of one attribute are stored."""

    name: str
    type: TypeEngine[Any]
    store: Convert | None
    """Value to SQL; `None` if it is stored as it is."""
    load: Convert | None
    """SQL to value; likewise."""


def column_kind(attribute: Attribute) -> ColumnKind:
    """How an attribute's values are stored."""
    name = column_name(attribute.name)
    scalar = attribute.scalar
    if scalar is str:
        return ColumnKind(name, sa.Text(), store_text, load_text)
    if scalar is bool or scalar is int or scalar is bytes:
        return ColumnKind(name, _TYPES[scalar](), None, None)
    if scalar is float:
        # An int is admitted for a float; beyond 2**53 it would not come back as it was.
        return ColumnKind(name, sa.Double(), _store_float, None)
    encode, decode = json_encoder(), json_decoder(attribute.annotation)

    def store(value: object) -> str | None:
        return store_text(encode(value).decode())

    def load(text: str) -> object:
        return decode(load_text(text))

    return ColumnKind(name, sa.Text(), _unless_none(store), _unless_none(load))


def sql_type(text: str) -> TypeEngine[Any]:
    """The SQL type whose text is given, as the catalogue has it; `KeyError` if no attribute is stored as that."""
    return _BY_TEXT[text]()


def column_name(attribute: str) -> str:
    """The name of an attribute's column: the attribute's, or its beginning and a hash if that is too long."""
    octets = attribute.encode()
    if len(octets) <= _LONGEST:
        return attribute
    digest = hashlib.sha256(octets).hexdigest()[:8]
    return f"{octets[: _LONGEST - 9].decode(errors='ignore')}_{digest}"


def store_text(text: str | None) -> str | None:
    """A text as every database can hold it."""
    if text is None or (text.isascii() and "\0" not in text) or not _UNSTORABLE.search(text):
        return text
    return _UNSTORABLE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def load_text(text: str | None) -> str | None:
    """The text that was stored."""
    if text is None or text.isascii() or _ESCAPE not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _store_float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _unless_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


__all__ = ["ColumnKind", "Convert", "column_kind", "column_name", "load_text", "sql_type", "store_text"]
