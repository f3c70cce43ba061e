"""What readers of files give: records, each with its place, and what is wrong where it cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from slee.model.profile_text import is_name_short

NAME: Final = "profile_name"
"""The column, or key, of the profile's name; no attribute can have this name."""
LONGEST_RECORD: Final = 1 << 20
"""Octets; a longer record is skipped and told, and is never held in memory."""
BOM: Final = b"\xef\xbb\xbf"
"""The byte order mark, with which some programs begin a file in UTF-8; no part of what it says."""
FOREIGN: Final = re.compile("[\udc80-\udcff]")
"""Octets that are no UTF-8, as `surrogateescape` shows them."""


class Place(NamedTuple):
    """Where something stands in a file."""

    line: int
    """Counted from 1."""
    column: int
    """Character of the line, counted from 1; 0 for the whole line."""

    def __str__(self) -> str:
        return f"{self.line}:{self.column}" if self.column else str(self.line)


class Record(NamedTuple):
    """One profile of a file."""

    line: int
    name: object
    """As the file gives it."""
    values: Mapping[str, object]
    """Values by attribute: of `str` or `None` in a CSV, of JSON's kinds elsewhere."""
    locate: Callable[[str], Place]
    """Where an attribute stands; the place of the record where that is not known."""
    text: str
    """The record as it stands in the file."""


class Unreadable(NamedTuple):
    """A record that is none."""

    place: Place
    problem: str
    remedy: str
    text: str
    """As much of it as is held."""
    profile: str = ""
    """Its name, if it is known."""
    attribute: str = ""
    """Likewise."""


class Reader(Protocol):
    """Reads one file."""

    is_text: bool
    """Whether values are texts, as in a CSV."""
    header: str
    """What a file of rejected records begins with."""
    columns: tuple[str, ...]
    """The attributes that a header names; empty where files have none."""

    def feed(self, octets: bytes) -> Iterator[Record | Unreadable]:
        """Read a piece; gives the records that it completes."""
        ...

    def finish(self) -> Iterator[Record | Unreadable]:
        """The file ends here; gives what is left."""
        ...


class Lines:
    """Cuts octets into lines of bounded length."""

    def __init__(self) -> None:
        self.number = 0
        """Of the last line given."""
        self._held = bytearray()
        self._overlong = False

    def feed(self, octets: bytes) -> Iterator[bytes | None]:
        """The lines that a piece completes, without their ends; `None` for one that is too long."""
        begin = 0
        while (end := octets.find(b"\n", begin)) >= 0:
            self._hold(octets[begin:end])
            begin = end + 1
            yield self._line()
        self._hold(octets[begin:])

    def finish(self) -> Iterator[bytes | None]:
        """The last line, if it has no end."""
        if self._held or self._overlong:
            yield self._line()

    def _hold(self, octets: bytes) -> None:
        if len(self._held) + len(octets) > LONGEST_RECORD:
            self._overlong = True
            self._held.clear()
        elif not self._overlong:
            self._held += octets

    def _line(self) -> bytes | None:
        self.number += 1
        line = None if self._overlong else bytes(self._held.removeprefix(BOM) if self.number == 1 else self._held)
        self._overlong = False
        self._held.clear()
        return line


def overlong(line: int) -> Unreadable:
    """A record that is too long."""
    problem = f"the record is longer than {LONGEST_RECORD} octets"
    return Unreadable(Place(line, 0), problem, "shorten it, or close the quote that is open", "")


def decoded(line: int, octets: bytes) -> str | Unreadable:
    """The text of a record."""
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        problem = f"octet 0x{octets[error.start]:02x} is no UTF-8"
        text = octets.decode(errors="replace")
        where = place_in(line, text, len(octets[: error.start].decode()))
        return Unreadable(where, problem, "store the file as UTF-8", text)


def place_in(line: int, text: str, at: int) -> Place:
    """The place of a character of a text that begins on a line."""
    return Place(line + text.count("\n", 0, at), at - text.rfind("\n", 0, at))


def name_to_tell(name: object) -> str:
    """The name of a profile as a message tells it, which is empty for what can be no name."""
    return name if isinstance(name, str) and is_name_short(name) else ""


__all__ = [
    "BOM",
    "FOREIGN",
    "LONGEST_RECORD",
    "NAME",
    "Lines",
    "Place",
    "Reader",
    "Record",
    "Unreadable",
    "decoded",
    "name_to_tell",
    "overlong",
    "place_in",
]
