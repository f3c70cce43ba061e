"""CSV (RFC 4180): a header of attribute names, an empty cell for no value, `""` for an empty text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from slee.management.provisioning.records import (
    FOREIGN,
    LONGEST_RECORD,
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

_FIELD: Final = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|$)')
_QUOTED: Final = re.compile(r'[",\r\n]|^\s|\s$')
_OTHERS: Final = (";", "\t")
"""What some programs put between cells."""


class CsvReader:
    """Reads a CSV; its first record is the header, without which nothing can be read."""

    is_text = True

    def __init__(self) -> None:
        self.header = ""
        self.columns: tuple[str, ...] = ()
        self._names: tuple[str, ...] | None = None
        self._lines = Lines()
        self._parts: list[bytes] = []
        """Lines of a record whose quote is open."""
        self._size = 0
        self._begins = 0
        self._broken = False

    def feed(self, octets: bytes) -> Iterator[Record | Unreadable]:
        for line in self._lines.feed(octets):
            yield from self._line(line)

    def finish(self) -> Iterator[Record | Unreadable]:
        for line in self._lines.finish():
            yield from self._line(line)
        if self._parts:
            text = b"\n".join(self._parts).decode(errors="replace")
            yield Unreadable(Place(self._begins, 0), "a quote is not closed", 'close it with "', text)
        if self._names is None and not self._broken:
            yield Unreadable(Place(1, 0), "there is no header", f"begin with {NAME},ATTRIBUTE,...", "")

    def _line(self, line: bytes | None) -> Iterator[Record | Unreadable]:
        if line is None:
            self._parts.clear()
            yield overlong(self._lines.number)
            self._broken |= self._names is None
            return
        if not self._parts and b'"' not in line:
            yield from self._record(self._lines.number, line.removesuffix(b"\r"))
            return
        if not self._parts:
            self._begins, self._size = self._lines.number, 0
        self._parts.append(line)
        self._size += len(line)
        if self._size > LONGEST_RECORD:
            self._parts.clear()
            yield overlong(self._begins)
        elif (line.count(b'"') % 2 == 1) is not (len(self._parts) > 1):
            return  # the quote that it opens is closed by a later line
        else:
            whole, self._parts = b"\n".join(self._parts), []
            yield from self._record(self._begins, whole.removesuffix(b"\r"))

    def _record(self, number: int, octets: bytes) -> Iterator[Record | Unreadable]:
        if self._broken or (not octets and self._names is not None):
            return
        text = decoded(number, octets)
        cells = _cells(number, text) if isinstance(text, str) else self._named(text, octets)
        if self._names is None:
            problem = cells if isinstance(cells, Unreadable) else self._take_header(cells, str(text))
            self._broken = problem is not None
            if problem is not None:
                yield problem
            return
        if isinstance(cells, Unreadable):
            yield cells
        elif len(cells) != len(self._names):
            problem_ = f"{len(cells)} cells where the header has {len(self._names)}"
            yield Unreadable(Place(number, 0), problem_, "quote cells that hold a comma", str(text))
        else:
            values: dict[str, object] = dict(zip(self._names, (value for value, _ in cells), strict=True))
            locate = partial(_place, number, str(text), self._names)
            yield Record(number, values.pop(NAME), values, locate, str(text))

    def _named(self, found: Unreadable, octets: bytes) -> Unreadable:
        """With the profile and the attribute whose cell is no UTF-8, where the record has its cells."""
        cells = _cells(0, octets.decode(errors="surrogateescape"))
        if self._names is None or isinstance(cells, Unreadable) or len(cells) != len(self._names):
            return found
        values = {name: value or "" for name, (value, _) in zip(self._names, cells, strict=True)}
        attribute = next(name for name in self._names if FOREIGN.search(values[name]))
        profile = "" if attribute == NAME else name_to_tell(values[NAME])
        return found._replace(profile=profile, attribute=attribute)

    def _take_header(self, cells: Sequence[tuple[str | None, int]], text: str) -> Unreadable | None:
        names = tuple(value or "" for value, _ in cells)
        for position, name in enumerate(names):
            if not name or name in names[:position]:
                problem = f"column {name!r} is there twice" if name else "a column has no name"
                return Unreadable(Place(1, cells[position][1]), problem, "name each column once", text)
        if NAME not in names:
            commas = "separate cells with commas, and " if any(map(text.__contains__, _OTHERS)) else ""
            remedy = f"{commas}begin with {NAME},ATTRIBUTE,..."
            return Unreadable(Place(1, 0), f"the header has no column {NAME}", remedy, text)
        self._names, self.header = names, text
        self.columns = tuple(name for name in names if name != NAME)
        return None


def _place(number: int, text: str, names: Sequence[str], name: str) -> Place:
    """Where the cell of a column begins."""
    cells = _cells(number, text)
    if isinstance(cells, Unreadable) or name not in names:
        return Place(number, 0)
    return place_in(number, text, cells[names.index(name)][1] - 1)


def _cells(number: int, text: str) -> list[tuple[str | None, int]] | Unreadable:
    """The cells of a record, each with the character that it begins at; an empty one without quotes is `None`."""
    cells: list[tuple[str | None, int]] = []
    if '"' not in text:
        at = 1
        for cell in text.split(","):
            cells.append((cell or None, at))
            at += len(cell) + 1
        return cells
    at = 0
    while True:
        found = _FIELD.match(text, at)
        if found is None:
            return Unreadable(
                place_in(number, text, at), "a quote within a cell", 'quote the whole cell, and write "" for "', text
            )
        quoted = found[1]
        cells.append(((found[2] or None) if quoted is None else quoted.replace('""', '"'), at + 1))
        at = found.end()
        if not found[3]:
            return cells


def csv_record(cells: Iterable[str | None]) -> str:
    """One line of a CSV."""
    return ",".join(map(_written, cells)) + "\n"


def _written(cell: str | None) -> str:
    if cell is None:
        return ""
    if not cell or _QUOTED.search(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell


__all__ = ["CsvReader", "csv_record"]
