"""Results of operations on a terminal: a table for people, or the server's own document."""

from __future__ import annotations

import json
from typing import Any

import click


def show(result: Any, *, as_json: bool) -> None:
    """Print the result of an operation, as parsed JSON."""
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    elif isinstance(result, list) and all(isinstance(row, dict) for row in result):
        _rows(result)
    elif isinstance(result, dict):
        _rows([{"": key, " ": _cell(value)} for key, value in result.items()], header=False)
    elif isinstance(result, list):
        click.echo("\n".join(map(_cell, result)) or "none")
    else:
        click.echo("done" if result is None else _cell(result))


def _rows(rows: list[dict[str, Any]], *, header: bool = True) -> None:
    if not rows:
        click.echo("none")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=header, pad_edge=False, show_edge=False)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_short(name, value) for name, value in row.items()))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    console.print(table)


_UNBOUNDED = 10_000
"""Columns where no terminal sets them: an identity that is broken cannot be copied into the next command."""
_SHOWN = 3


def _short(name: str, value: Any) -> str:
    """A cell of a table; a long list as its length."""
    return f"{len(value)} {name}" if isinstance(value, list) and name and len(value) > _SHOWN else _cell(value)


def _cell(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(map(_cell, value))
    return str(value)
