"""`slee profile export TABLE`: the file comes in pieces, to standard output or where `--output` says."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import IO, Any, cast

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
            type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
            default="-",
            help="File to write; standard output without.",
        ),
    ]

    def run(*, json: bool, state_dir: Path, socket: Path | None, output: Path, **given: Any) -> None:
        try:
            arguments = ProfileExport(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            raise click.UsageError(str(told(place(found["loc"]), found["msg"], found["type"], "MGT-2"))) from error
        octets = _write(download(socket or state_dir / SOCKET, operation, arguments), output)
        if json and str(output) != "-":
            show({"table": arguments.table, "format": arguments.format, "octets": octets}, as_json=True)

    return made(operation, parameters, run)


def _write(pieces: Iterable[bytes], output: Path) -> int:
    """Write without a buffer, so that what finds no room is known at once; a file is made with the first piece."""
    octets = 0
    target: IO[bytes] | FileIO | None = None
    with ExitStack() as stack:
        for piece in pieces:
            rest = memoryview(piece)
            try:
                if target is None:
                    target = _stdout() if str(output) == "-" else stack.enter_context(output.open("wb", buffering=0))
                while rest:
                    written = target.write(rest)
                    octets += written
                    rest = rest[written:]
                target.flush()
            except OSError as error:
                told = f"{error.strerror}; {octets} octets of the export were written"
                where = "standard output" if str(output) == "-" else str(output)
                raise OSError(error.errno, told, where) from error
    return octets


def _stdout() -> IO[bytes]:
    stream: IO[bytes] = sys.stdout.buffer
    return cast("IO[bytes]", getattr(stream, "raw", stream))


__all__ = ["command"]
