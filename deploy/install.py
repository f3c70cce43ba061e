"""`slee bundle install FILE`: the file goes with the request, so that the server need not be able to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deploy.client import call
from deploy.commands import made, setting, show
from slee.management.arguments import Install
from slee.management.operations import Operation
from slee.management.store import SOCKET


def command(operation: Operation) -> click.Command:
    """The command."""
    parameters: list[click.Parameter] = [
        click.Argument(["file"], type=click.Path(exists=True, dir_okay=False, path_type=Path)),
        click.Option(
            ["--set", "settings"], multiple=True, metavar="SBB.KEY=VALUE", help="Configuration of an SBB, by its name."
        ),
    ]

    def run(*, json: bool, state_dir: Path, socket: Path | None, file: Path, settings: tuple[str, ...]) -> None:
        configuration: dict[str, dict[str, Any]] = {}
        for text in settings:
            path, value = setting(text)
            sbb, _, key = path.partition(".")
            configuration.setdefault(sbb, {})[key] = value
        arguments = Install.model_construct(
            source=str(file.resolve()), archive=file.read_bytes(), configuration=configuration
        )
        result = call(socket or state_dir / SOCKET, operation, arguments)
        show(result, as_json=json)

    return made(operation, parameters, run)
