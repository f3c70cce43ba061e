"""Values of profile attributes as JSON: what files, databases and the management API show of them."""

from __future__ import annotations

import datetime
import re
import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec

LONGEST_NAME: Final = 1_024
"""Characters of a profile's name, which are at most 2,048 octets in UTF-8: what a database's trees have room for."""
_LONGEST_IN_OCTETS: Final = 2_048
_ESCAPED_AT: Final = 7
"""Octets of NUL, which a database cannot hold as it is."""
_HALF: Final = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs, which are no characters: no file, database or answer can show them."""


def json_encoder() -> Callable[[object], bytes]:
    """Writes a value as JSON, the same bytes for equal values."""
    encoder = msgspec.json.Encoder(enc_hook=_encoded, order="deterministic")
    return encoder.encode


def json_decoder(annotation: object) -> Callable[[str | bytes | None], Any]:
    """Reads what `json_encoder` has written of a value of the type; whatever msgspec raises if it is none."""
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(plain(annotation), dec_hook=_decoded)
    return typing.cast("Callable[[str | bytes | None], Any]", decoder.decode)


def json_builtin(value: object) -> Any:
    """A value as JSON's own kinds: what `convert` reads back."""
    return msgspec.to_builtins(value, enc_hook=_encoded, order="deterministic")


def convert(value: object, annotation: object, *, strict: bool = True) -> Any:
    """The value of the type that JSON's own kinds stand for; `msgspec.ValidationError` if they stand for none.

    Args:
        value: of JSON's kinds.
        annotation: the type.
        strict: whether a text stands for a text only, and not for a number.
    """
    return msgspec.convert(value, plain(annotation), dec_hook=_decoded, strict=strict)


def plain(annotation: object) -> Any:
    """The annotation without pydantic's constraints, which are judged by the specification's model."""
    if hasattr(annotation, "__metadata__"):
        return plain(typing.get_args(annotation)[0])
    return annotation


def _encoded(value: object) -> object:
    if isinstance(value, datetime.timezone):
        return value.tzname(None)
    return str(value)


def _decoded(kind: type[Any], value: object) -> object:
    parse = getattr(kind, "parse", None)
    if parse is None or not isinstance(value, str):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return parse(value)


def is_name_short(name: str) -> bool:
    """Whether a profile's name is short enough for every database."""
    if len(name) > LONGEST_NAME:
        return False
    if name.isascii() and "\0" not in name:
        return True
    return len(name.encode(errors="replace")) + name.count("\0") * (_ESCAPED_AT - 1) <= _LONGEST_IN_OCTETS


_ENCODE: Final = json_encoder()
_WITHOUT_TEXT: Final = (int, float, bytes)


def is_unicode(value: object) -> bool:
    """Whether the texts in an attribute's value can be written as UTF-8."""
    if isinstance(value, str):
        return value.isascii() or _HALF.search(value) is None
    if value is None or isinstance(value, _WITHOUT_TEXT):
        return True
    try:
        _ENCODE(value)
    except UnicodeEncodeError:
        return False
    return True


__all__ = [
    "LONGEST_NAME",
    "convert",
    "is_name_short",
    "is_unicode",
    "json_builtin",
    "json_decoder",
    "json_encoder",
    "plain",
]
