"""`slee profile export TABLE`: the file comes in pieces, to standard output or where `--output` says."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import click
from pydantic import ValidationError

from deploy.client import download
from deploy.commands import made, parameter, show
from slee.management.document import place, told
from slee.management.operations import Operation
from slee.management.profile_arguments import ProfileExport
from slee.management.store import SOCKET


def command(operation: Operation) -> click.Command:
    """The command."""
    fields = ProfileExport.model_fields
    parameters: list[click.Parameter] = [
        *(parameter(name, field) for name, field in fields.items()),
        click.Option(
            ["--output", "-o"],
            type=click.File("wb", lazy=True),
            default="-",
            help="File to write; standard output without.",
        ),
    ]

    def run(*, json: bool, state_dir: Path, socket: Path | None, output: IO[bytes], **given: Any) -> None:
        try:
            arguments = ProfileExport(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            raise click.UsageError(str(told(place(found["loc"]), found["msg"], found["type"], "MGT-2"))) from error
        octets = 0
        for piece in download(socket or state_dir / SOCKET, operation, arguments):
            octets += output.write(piece)
        if json and output.name != "<stdout>":
            show({"table": arguments.table, "format": arguments.format, "octets": octets}, as_json=True)

    return made(operation, parameters, run)


__all__ = ["command"]
