"""Export of a profile table: profiles in the order of their names, secret attributes left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from slee.management.provisioning.csv_format import CsvReader, csv_record
from slee.management.provisioning.fields import Fields
from slee.management.provisioning.json_lines import JsonLinesReader, json_record
from slee.management.provisioning.records import NAME, Reader
from slee.management.provisioning.toml_format import TomlReader, toml_record

if TYPE_CHECKING:
    from slee.facilities.profiles.table import Table
    from slee.model.profile import Row

FORMATS: Final = ("csv", "jsonl", "toml")
"""CSV, JSON Lines, TOML."""
_CHUNK: Final = 200


def reader_of(form: str) -> Reader:
    """What reads files of a format."""
    readers: dict[str, Callable[[], Reader]] = {"csv": CsvReader, "jsonl": JsonLinesReader, "toml": TomlReader}
    return readers[form]()


def exported(table: Table, form: str) -> Iterator[bytes]:
    """A table as a file, in pieces; profiles that change or go meanwhile are shown as they are when their turn comes.

    Equal tables give equal octets.
    """
    fields = Fields(table.descriptor)
    if form == "csv":
        yield csv_record((NAME, *(field.name for field in fields.open))).encode()
    write = _writer(fields, form)
    names = sorted(table.resident.rows)
    for begin in range(0, len(names), _CHUNK):
        rows = ((name, table.resident.rows.get(name)) for name in names[begin : begin + _CHUNK])
        yield "".join(write(name, row) for name, row in rows if row is not None).encode()


def _writer(fields: Fields, form: str) -> Callable[[str, Row], str]:
    columns = tuple((field.position, field.text) for field in fields.open)
    if form == "csv":
        return lambda name, row: csv_record((name, *(text(row[position]) for position, text in columns)))
    record = json_record if form == "jsonl" else toml_record
    return lambda name, row: record(name, fields.shown(row))


__all__ = ["FORMATS", "exported", "reader_of"]
