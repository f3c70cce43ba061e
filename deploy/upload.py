"""`slee profile import TABLE FILE`: the file goes with the request in pieces, with a progress bar on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import click
from pydantic import ValidationError

from deploy.client import upload
from deploy.commands import made, parameter, show
from slee.management.document import place, told
from slee.management.operations import Operation
from slee.management.profile_arguments import ProfileImport
from slee.management.provisioning.records import Place
from slee.management.provisioning.rejects import told_place
from slee.management.store import SOCKET

_PIECE: Final = 1 << 16
_SUFFIXES: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".toml": "toml"}
_EXIT_REJECTS: Final = 5


def command(operation: Operation) -> click.Command:
    """The command: the format goes by the file's suffix unless it is given."""
    fields = ProfileImport.model_fields
    parameters: list[click.Parameter] = [
        click.Argument(["table"]),
        click.Argument(["file"], type=click.File("rb")),
        *(parameter(name, fields[name]) for name in fields if name not in ("table", "source")),
        click.Option(
            ["--rejects"],
            type=click.Path(dir_okay=False, path_type=Path),
            help="Where to write the records that --skip-bad skips.",
        ),
    ]

    def run(
        *, json: bool, state_dir: Path, socket: Path | None, file: IO[bytes], rejects: Path | None, **given: Any
    ) -> None:
        if rejects is not None:
            _require_writable(rejects, file, skips=bool(given.get("skip_bad")))
        values = {name: value for name, value in given.items() if value is not None}
        values.setdefault("format", _SUFFIXES.get(Path(file.name).suffix.lower(), "csv"))
        try:
            arguments = ProfileImport(source=Path(file.name).name, **values)
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            raise click.UsageError(str(told(place(found["loc"]), found["msg"], found["type"], "MGT-2"))) from error
        try:
            result = upload(socket or state_dir / SOCKET, operation, arguments, _pieces(file))
        except KeyboardInterrupt:
            stays = (
                "what was imported by then stays"
                if given.get("skip_bad")
                else "the server takes all of it back, unless it was done"
            )
            click.echo(f"slee: {file.name}: the import was interrupted; {stays}", err=True)
            raise
        if json:
            show(result, as_json=True)
        else:
            _tell(result)
        if rejects is not None:
            _write_rejects(rejects, result)
        if result["rejects"]:
            click.get_current_context().exit(_EXIT_REJECTS)

    return made(operation, parameters, run)


def _tell(result: dict[str, Any]) -> None:
    would = "would be " if result["dry_run"] else ""
    for reject in result["rejects"]:
        where = told_place(Place(reject["line"], reject["column"]), reject["profile"], reject["attribute"])
        click.echo(f"slee: line {where}: {reject['problem']}; {reject['remedy']}", err=True)
    lines = len({reject["line"] for reject in result["rejects"]})
    counts = f"{result['added']} {would}added, {result['changed']} {would}changed, {result['unchanged']} unchanged"
    click.echo(f"{result['read']} read, {counts}, {lines} {would}skipped")


def _require_writable(path: Path, file: IO[bytes], *, skips: bool) -> None:
    """Find out before the import, after which the records skipped would be lost."""
    if not skips:
        raise click.UsageError("--rejects has nothing to write without --skip-bad: give both, or neither")
    try:
        path.open("a").close()
        if os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise click.UsageError(f"--rejects: {path} is the file that is imported; give another file")
    except OSError as error:
        raise click.UsageError(f"--rejects: {path} cannot be written: {error.strerror}; give another file") from error


def _write_rejects(path: Path, result: dict[str, Any]) -> None:
    """The records skipped, in the form of the file that they come from, so that they can be mended and imported."""
    texts = dict.fromkeys((reject["line"], reject["text"]) for reject in result["rejects"])
    lines = [text for _, text in texts]
    if result["header"]:
        lines.insert(0, result["header"])
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; the records skipped are not in it", str(path)) from error


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces; with a bar if there is a terminal to show it on, and a size."""
    if not (sys.stderr.isatty() and file.seekable()):
        while piece := file.read(_PIECE):
            yield piece
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    size = os.fstat(file.fileno()).st_size
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("importing", total=size)
        while piece := file.read(_PIECE):
            yield piece
            bar.advance(task, len(piece))


__all__ = ["command"]
