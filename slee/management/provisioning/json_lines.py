"""JSON Lines: one JSON object on each line, with the profile's name under `profile_name`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NoReturn, cast

import msgspec

from slee.management.provisioning.records import (
    FOREIGN,
    NAME,
    Lines,
    Place,
    Record,
    Unreadable,
    decoded,
    name_to_tell,
    overlong,
    place_in,
)
from slee.model.profile_text import is_unicode

_SPACE: Final = re.compile(r"[ \t\r]*")
_ONE_EACH: Final = "write one JSON object on each line"


class JsonLinesReader:
    """Reads JSON Lines; empty lines are passed over."""

    is_text = False
    header = ""
    columns: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, octets: bytes) -> Iterator[Record | Unreadable]:
        for line in self._lines.feed(octets):
            yield from self._record(line)

    def finish(self) -> Iterator[Record | Unreadable]:
        for line in self._lines.finish():
            yield from self._record(line)

    def _record(self, line: bytes | None) -> Iterator[Record | Unreadable]:
        number = self._lines.number
        if line is None:
            yield overlong(number)
            return
        if not line or line.isspace():
            return
        text = decoded(number, line)
        yield _read(number, text) if isinstance(text, str) else _named(text, line)


def _read(number: int, text: str) -> Record | Unreadable:
    place = Place(number, 0)
    try:
        found: object = _DECODER.decode(text)
    except _TwiceError as error:
        return Unreadable(place, "the key is there twice", "give it once", text, error.profile, error.key)
    except json.JSONDecodeError as error:
        return Unreadable(place_in(number, text, error.pos), f"it is no JSON: {error.msg}", _ONE_EACH, text)
    except _ConstantError as error:
        return Unreadable(place, f"it is no JSON: {error} is no number of JSON", "give a number", text)
    except RecursionError:
        return Unreadable(place, "it is no JSON: values nest too deep", "nest them less", text)
    except ValueError:  # Python reads whole numbers of up to 4,300 digits
        return Unreadable(place, "it is no JSON: a number has too many digits", "give a shorter one", text)
    if not isinstance(found, dict):
        return Unreadable(place, "it is no JSON object", f'write {{"{NAME}": ..., ...}}', text)
    values = cast("dict[str, object]", found)
    if "\\u" in text and not is_unicode(values):
        key = next(key for key, value in values.items() if not (is_unicode(key) and is_unicode(value)))
        problem, remedy = "half of a surrogate pair is no text", "write both halves, or the character itself"
        told = key if is_unicode(key) else ascii(key)
        return Unreadable(place, problem, remedy, text, "" if key == NAME else name_to_tell(values.get(NAME)), told)
    return Record(number, values.pop(NAME, None), values, partial(_place, number, text), text)


def _named(found: Unreadable, octets: bytes) -> Unreadable:
    """With the profile and the attribute whose value is no UTF-8, where the line is an object otherwise."""
    record = _read(found.place.line, octets.decode(errors="surrogateescape"))
    if not isinstance(record, Record):
        return found
    attribute = next((key for key, value in record.values.items() if FOREIGN.search(f"{key}{value}")), NAME)
    if FOREIGN.search(attribute):
        return found
    return found._replace(profile="" if attribute == NAME else name_to_tell(record.name), attribute=attribute)


def _place(number: int, text: str, key: str) -> Place:
    """Where a key of the object that the text is stands."""
    at = _after_space(text, text.index("{") + 1)
    while text.startswith('"', at):
        begins = at
        found, at = _DECODER.raw_decode(text, at)
        if found == key:
            return place_in(number, text, begins)
        colon = _after_space(text, at)
        _, at = _DECODER.raw_decode(text, _after_space(text, colon + 1))
        at = _after_space(text, _after_space(text, at) + 1)
    return Place(number, 0)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None, "no space is space, too"
    return found.end()


class _TwiceError(Exception):
    """A key stands in an object twice."""

    def __init__(self, key: str, profile: str) -> None:
        super().__init__(key)
        self.key = key
        self.profile = profile


class _ConstantError(Exception):
    """A word stands for a number, which JSON does not have."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        key = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise _TwiceError(key, "" if key == NAME else name_to_tell(made.get(NAME)))
    return made


def _refuse(word: str) -> NoReturn:
    raise _ConstantError(word)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)
"""Of the standard library, since it tells where a text is no JSON, and which keys an object has twice."""


def json_record(name: str, values: Mapping[str, object]) -> str:
    """One line of JSON Lines."""
    return msgspec.json.encode({NAME: name, **values}).decode() + "\n"


__all__ = ["JsonLinesReader", "json_record"]
