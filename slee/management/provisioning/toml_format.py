"""TOML: one table for each profile, `[profile."NAME"]`, for seeds that people write.

TOML has no word for no value: `profile_unset = ["attribute"]` says it where the default profile has one.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from slee.management.document import Path, key_lines, line_of, told_line
from slee.management.provisioning.records import BOM, Place, Record, Unreadable, decoded

LONGEST: Final = 16 << 20
"""Octets of a whole file, which is read at once."""
UNSET: Final = "profile_unset"
_TABLE: Final = "profile"


class TomlReader:
    """Reads a TOML file once all of it is there."""

    is_text = False
    header = ""
    columns: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._octets = bytearray()
        self._is_too_long = False

    def feed(self, octets: bytes) -> Iterator[Record | Unreadable]:
        if len(self._octets) + len(octets) > LONGEST:
            self._is_too_long = True
            self._octets.clear()
        elif not self._is_too_long:
            self._octets += octets
        return iter(())

    def finish(self) -> Iterator[Record | Unreadable]:
        if self._is_too_long:
            problem = f"the file is longer than {LONGEST} octets"
            yield Unreadable(Place(1, 0), problem, "give so many profiles as CSV or JSON Lines", "")
            return
        text = decoded(1, bytes(self._octets.removeprefix(BOM)))
        if not isinstance(text, str):
            yield text
            return
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line, problem = told_line(error, text)
            yield Unreadable(Place(line, 0), f"it is no TOML: {problem}", "mend the line", "")
            return
        except RecursionError:
            yield Unreadable(Place(1, 0), "it is no TOML: values nest too deep", "nest them less", "")
            return
        lines = dict(key_lines(text))
        for key in document:
            if key != _TABLE:
                where = Place(lines.get((key,), 1), 0)
                yield Unreadable(where, f"{key} is no table of profiles", '[profile."NAME"] begins a profile', "")
        profiles: object = document.get(_TABLE, {})
        if not isinstance(profiles, dict):
            yield Unreadable(Place(1, 0), "profile is no table", '[profile."NAME"] begins a profile', "")
            return
        for name, values in cast("dict[str, Any]", profiles).items():
            yield _record(lines, name, values)


def _record(lines: Mapping[Path, int], name: str, given: object) -> Record | Unreadable:
    line = lines.get((_TABLE, name), 1)
    if not isinstance(given, dict):
        return Unreadable(Place(line, 0), f"profile.{name} is no table", '[profile."NAME"] begins a profile', "")
    values = cast("dict[str, object]", given)
    unset = values.pop(UNSET, [])
    if not isinstance(unset, list) or not all(isinstance(each, str) for each in cast("list[object]", unset)):
        return Unreadable(Place(line, 0), f"{UNSET} is no list of attributes", f'write {UNSET} = ["..."]', "")
    none = dict.fromkeys(cast("list[str]", unset))

    def locate(attribute: str) -> Place:
        return Place(line_of((_TABLE, name, UNSET if attribute in none else attribute), lines), 0)

    return Record(line, name, {**none, **values}, locate, toml_record(name, {**none, **values}))


def toml_record(name: str, values: Mapping[str, object]) -> str:
    """One profile in TOML; values are JSON's kinds."""
    lines = [f"[profile.{_text(name)}]"]
    unset = [key for key, value in values.items() if value is None]
    if unset:
        lines.append(f"{UNSET} = {_value(unset)}")
    lines.extend(f"{_key(key)} = {_value(value)}" for key, value in values.items() if value is not None)
    return "\n".join(lines) + "\n\n"


def _value(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in items if v is not None) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(member) for member in cast("Sequence[object]", value)) + "]"
    return repr(value) if isinstance(value, int | float) else _text(str(value))


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _text(key)


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, except for DEL, which TOML wants escaped, and pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


__all__ = ["LONGEST", "UNSET", "TomlReader", "toml_record"]
