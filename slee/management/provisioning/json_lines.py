"""JSON Lines: one object for each profile, of its name and its attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from slee.management.provisioning.records import NAME, Lines, Place, Record, Unreadable, decoded, overlong


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
        if not isinstance(text, str):
            yield text
            return
        try:
            found: object = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            yield Unreadable(Place(number, 0), f"it is no JSON: {error}", "write one JSON object on each line", text)
            return
        if not isinstance(found, dict):
            yield Unreadable(Place(number, 0), "it is no JSON object", f'write {{"{NAME}": ..., ...}}', text)
            return
        values = cast("dict[str, object]", found)
        yield Record(number, values.pop(NAME, None), values, {}, text)


def json_record(name: str, values: Mapping[str, object]) -> str:
    """One line of JSON Lines."""
    return msgspec.json.encode({NAME: name, **values}).decode() + "\n"


__all__ = ["JsonLinesReader", "json_record"]
