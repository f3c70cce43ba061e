"""The commands that call operations: one per row of the table of operations, its arguments taken from the row."""

from __future__ import annotations

import errno
import importlib
import json
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from deploy.client import Refusal, call
from deploy.configuration import parse_setting
from slee.api.errors import SleeError
from slee.management.arguments import Arguments
from slee.management.document import place, told
from slee.management.failures import EXIT_UNEXPECTED, EXIT_USAGE, document, failure_of
from slee.management.operations import OPERATIONS, Operation, Transfer
from slee.management.store import SOCKET

DEFAULT_STATE_DIR = ".slee"


class Command(click.Command):
    """A command whose failures are shown as one line each, or as the server's document with `--json` (MGT-2)."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Refusal, SleeError) as error:
            content, status = _told(error)
            if ctx.params.get("json"):
                click.echo(json.dumps(content, indent=2, ensure_ascii=False))
            else:
                for line in str(content["message"]).splitlines():
                    click.echo(f"slee: {line}", err=True)
            ctx.exit(status)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has had enough
                raise
            click.echo(f"slee: {error.filename or 'standard output'}: {error.strerror}", err=True)
            ctx.exit(EXIT_UNEXPECTED)


def family(name: str, help_text: str) -> click.Group:
    """The commands of one family."""
    group = click.Group(name, help=help_text)
    for operation in OPERATIONS:
        if operation.family == name:
            _add(group, operation)
    if name == "bundle":
        group.add_command(importlib.import_module("deploy.build").build)
    return group


def _add(group: click.Group, operation: Operation) -> None:
    """Put a command into its family, or into the group within it that its name has a word for."""
    *inner, verb = operation.verb.split(".")
    for word in inner:
        found = group.commands.get(word)
        if not isinstance(found, click.Group):
            found = click.Group(word, help=_GROUPS[f"{operation.family}.{word}"])
            group.add_command(found)
        group = found
    made = _ADAPTED.get(operation.name) or _TRANSFERS.get(operation.transfer)
    if made is None:
        group.add_command(_command(operation), verb)
    else:
        group.add_command(importlib.import_module(made).command(operation), verb)


def show(result: Any, *, as_json: bool, nothing: str = "done") -> None:
    """Print a result: as the server's own document, or as a table for people."""
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        importlib.import_module("deploy.tables").show(result, nothing=nothing)


def state_options() -> list[click.Parameter]:
    """The options of every command that reads or changes what a server keeps."""
    return [
        click.Option(["--json"], is_flag=True, help="Print the result as JSON."),
        click.Option(
            ["--state-dir"],
            type=click.Path(file_okay=False, path_type=Path),
            default=DEFAULT_STATE_DIR,
            show_default=True,
            envvar="SLEE_STATE_DIR",
            help="State directory of the server.",
        ),
    ]


def connection_options() -> list[click.Parameter]:
    """The options that every command has which speaks to a server."""
    return [
        *state_options(),
        click.Option(
            ["--socket"], type=click.Path(path_type=Path), help="Socket of the server, if not in its state directory."
        ),
    ]


def _command(operation: Operation) -> click.Command:
    """A command whose required arguments are positional and whose others are options."""
    fields = operation.arguments.model_fields
    parameters = [parameter(name, field) for name, field in fields.items()]

    def run(*, json: bool, state_dir: Path, socket: Path | None, **given: Any) -> None:
        values = {name: _plain(fields[name], value) for name, value in given.items() if value not in (None, ())}
        _perform(operation, values, socket or state_dir / SOCKET, as_json=json)

    return made(operation, parameters, run)


_ADAPTED: dict[str, str] = {"bundle.install": "deploy.install"}
"""Modules of commands that are not made of their operation's arguments alone, by operation."""
_TRANSFERS: dict[Transfer | None, str] = {Transfer.UPLOAD: "deploy.upload", Transfer.DOWNLOAD: "deploy.download"}
"""And by the way that a file goes with the operation."""
_GROUPS: dict[str, str] = {"profile.table": "Make, list, rename and remove profile tables."}


def made(operation: Operation, parameters: list[click.Parameter], run: Callable[..., None]) -> click.Command:
    """A command of an operation: its parameters, and those of every command."""
    return Command(
        operation.verb.rpartition(".")[2],
        params=[*parameters, *connection_options()],
        callback=run,
        help=operation.summary,
    )


def _perform(operation: Operation, values: dict[str, Any], socket: Path, *, as_json: bool) -> None:
    try:
        arguments: Arguments = operation.arguments.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        raise click.UsageError(str(told(place(found["loc"]), found["msg"], found["type"], "MGT-2"))) from error
    show(call(socket, operation, arguments), as_json=as_json, nothing="done" if operation.changes else "none")


def parameter(name: str, field: FieldInfo) -> click.Parameter:
    """What an argument of an operation is on the command line."""
    origin = typing.get_origin(field.annotation)
    repeated = origin in (tuple, dict)
    if field.is_required() and origin is not dict:
        return click.Argument([name], nargs=-1 if repeated else 1, required=True, metavar=name.upper())
    if _is_positional(field):
        many = "..." if repeated else ""
        return click.Argument([name], nargs=-1 if repeated else 1, required=False, metavar=f"[{name.upper()}]{many}")
    kind = click.FLOAT if field.annotation == float | None else click.STRING
    flag = f"--{name.replace('_', '-')}"
    if field.annotation is bool:
        return click.Option([flag, name], is_flag=True, help=field.description)
    if origin is dict:
        return click.Option(
            ["--set", name], multiple=True, required=field.is_required(), metavar="KEY=VALUE", help=field.description
        )
    return click.Option([flag, name], type=kind, multiple=repeated, help=field.description)


def _is_positional(field: FieldInfo) -> bool:
    extra = cast("dict[str, object] | None", field.json_schema_extra)
    return bool(extra and extra.get("x-positional"))


def _plain(field: FieldInfo, value: Any) -> Any:
    if typing.get_origin(field.annotation) is dict:
        return dict(setting(text) for text in value)
    return value


def setting(text: str) -> tuple[str, Any]:
    """Key and value of `KEY=VALUE`."""
    try:
        return parse_setting(text)
    except ValueError as error:
        raise click.UsageError(f"--set: {error}") from error


def _told(error: Refusal | SleeError) -> tuple[dict[str, Any], int]:
    """The document of a failure, whether the server told it or it was met here."""
    if isinstance(error, Refusal):
        return error.document, error.exit_status
    found = document(error)
    issues = [
        {name: getattr(issue, name) for name in ("component", "rule", "problem", "remedy")} for issue in found.issues
    ]
    status = failure_of(error).exit
    return {"code": found.code, "message": found.message, "issues": issues}, status or EXIT_USAGE
