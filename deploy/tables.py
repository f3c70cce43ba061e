"""Results of operations as tables for people."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, TypeAlias

import click
from rich import box
from rich.console import Console
from rich.table import Table

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | float | bool | None

_UNBOUNDED: Final = 10_000
"""Columns that a table may take: an identity that is broken cannot be copied into the next command."""
_SHOWN: Final = 3
"""Members of a list that a cell shows; of a longer one it shows the length."""
_DETAILS: Final = frozenset({"digest", "components", "attributes"})
"""What is shown of one result only, and left out of lists."""
_TIMES: Final = frozenset({"installed_at", "time", "since", "due"})
"""What is in seconds since the epoch."""


def show(result: Json, *, nothing: str = "done") -> None:
    """Print the result of an operation; `nothing` stands for a result that there is none of."""
    if isinstance(result, dict):
        shown = [(key, value) for key, value in result.items() if not _rows(value) and not isinstance(value, dict)]
        _print([{"": key.replace("_", " "), " ": _readable(key, value)} for key, value in shown], header=False)
        for values in (value for value in result.values() if isinstance(value, dict) and value):
            click.echo()
            _print([{"": key, " ": value} for key, value in values.items()], header=False)
        for rows in filter(None, map(_rows, result.values())):
            click.echo()
            _print(rows)
    elif isinstance(result, list) and (rows := [row for row in result if isinstance(row, dict)]):
        _print([dict(_columns(row)) for row in rows], verbatim=_names_of_values(rows))
    elif isinstance(result, list):
        click.echo("\n".join(map(_cell, result)) or "none")
    else:
        click.echo(nothing if result is None else _cell(result))


def _columns(row: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """The cells of a row of a list; values by name, such as those of a profile, have a column each."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from value.items()
        elif name not in _DETAILS:
            yield name, value


def _names_of_values(rows: list[dict[str, Json]]) -> frozenset[str]:
    """Names that are the operator's own, such as those of attributes, and are shown as they are."""
    return frozenset(name for row in rows for value in row.values() if isinstance(value, dict) for name in value)


def _rows(value: Json) -> list[dict[str, Json]]:
    """The rows of a value that is a table itself."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _print(rows: list[dict[str, Json]], *, header: bool = True, verbatim: frozenset[str] = frozenset()) -> None:
    """Print rows of equal keys as a table; without header, whole lists are shown."""
    table = Table(box=box.SIMPLE_HEAD, show_header=header, pad_edge=False, show_edge=False)
    for name in rows[0]:
        table.add_column(name if name in verbatim else name.replace("_", " "), no_wrap=True)
    for row in rows:
        table.add_row(*(_short(name, value) if header else _cell(value) for name, value in row.items()))
    console = Console(file=io.StringIO(), force_terminal=False, width=_UNBOUNDED, highlight=False, markup=False)
    with console.capture() as printed:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _short(name: str, value: Json) -> str:
    if isinstance(value, list) and len(value) > _SHOWN:
        return f"{len(value)} {name}"
    return _cell(_readable(name, value))


def _readable(name: str, value: Json) -> Json:
    """Times as ISO 8601 writes them, anything else as it is."""
    if name in _TIMES and isinstance(value, list):
        return [_readable(name, member) for member in value]
    if name in _TIMES and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value


def _cell(value: Json) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(map(_cell, value))
    if isinstance(value, dict):  # a table in a cell of a list: what it is of, and how that is
        return ", ".join(f"{key.replace('_', ' ')} {_cell(one)}" for key, one in value.items())
    return str(value)
