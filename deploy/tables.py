"""Results of operations as tables for people."""

from __future__ import annotations

from typing import Final, TypeAlias

import click
from rich import box
from rich.console import Console
from rich.table import Table

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | float | bool | None

_UNBOUNDED: Final = 10_000
"""Columns where no terminal sets them: an identity that is broken cannot be copied into the next command."""
_SHOWN: Final = 3
"""Members of a list that a cell shows; of a longer one it shows the length."""


def show(result: Json, *, nothing: str = "done") -> None:
    """Print the result of an operation; `nothing` stands for a result that there is none of."""
    if isinstance(result, dict):
        _print([{"": key, " ": value} for key, value in result.items() if not _rows(value)], header=False)
        for rows in filter(None, map(_rows, result.values())):
            click.echo()
            _print(rows)
    elif isinstance(result, list) and (rows := [row for row in result if isinstance(row, dict)]):
        _print(rows)
    elif isinstance(result, list):
        click.echo("\n".join(map(_cell, result)) or "none")
    else:
        click.echo(nothing if result is None else _cell(result))


def _rows(value: Json) -> list[dict[str, Json]]:
    """The rows of a value that is a table itself."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _print(rows: list[dict[str, Json]], *, header: bool = True) -> None:
    """Print rows of equal keys as a table; without header, whole lists are shown."""
    table = Table(box=box.SIMPLE_HEAD, show_header=header, pad_edge=False, show_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_short(name, value) if header else _cell(value) for name, value in row.items()))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    console.print(table)


def _short(name: str, value: Json) -> str:
    return f"{len(value)} {name}" if isinstance(value, list) and len(value) > _SHOWN else _cell(value)


def _cell(value: Json) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(map(_cell, value))
    return str(value)
