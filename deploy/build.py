"""`slee bundle build`."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from pathlib import Path

import click

from deploy.builder import Builder
from deploy.commands import DEFAULT_STATE_DIR, Command, show
from deploy.shipment import SHIPPED
from slee.api.errors import DeploymentError
from slee.management.imports import RESERVED
from slee.management.manifest import MANIFEST
from slee.management.store import installed_archives, replace_file


def run(*, folder: Path, output: Path, offered: tuple[Path, ...], state_dir: Path, json: bool) -> None:
    """Build the bundle of a source folder into a wheel, verified and locked.

    What it depends on is taken from --with, from the wheels in the output folder, from the bundles installed in the
    state directory, and from the sources beside this program; the highest version in range goes into the lock.
    """
    builder = Builder(SHIPPED.load_adaptors())
    try:
        for path in (*offered, *([output] if output.is_dir() else [])):
            for wheel in sorted(path.glob("*.whl")) if path.is_dir() else [path]:
                builder.offer_archive(str(wheel), wheel.read_bytes())
        for source, data in installed_archives(state_dir):
            builder.offer_archive(source, data)
        for root, kind in product((folder.resolve().parent.parent, SHIPPED.root), sorted(RESERVED)):
            for manifest in sorted((root / kind).glob(f"*/{MANIFEST}")):
                # A neighbour whose own manifest is wrong can be no dependency, and is no reason to refuse this one.
                with suppress(DeploymentError):
                    builder.offer_folder(manifest.parent)
        built = builder.build(folder)
    finally:
        builder.close()
    output.mkdir(parents=True, exist_ok=True)
    path = output / built.file_name
    replace_file(path, built.archive)
    show({"bundle": str(built.manifest.id), "file": str(path)}, as_json=json)


build = Command(
    "build",
    params=[
        click.Argument(["folder"], type=click.Path(exists=True, file_okay=False, path_type=Path)),
        click.Option(
            ["-o", "--output"],
            type=click.Path(file_okay=False, path_type=Path),
            default=".",
            help="Folder to write the wheel to; this one if not given.",
        ),
        click.Option(
            ["--with", "offered"],
            multiple=True,
            type=click.Path(exists=True, path_type=Path),
            help="Wheel, or folder of wheels, that the bundle may depend on.",
        ),
        click.Option(
            ["--state-dir"],
            type=click.Path(file_okay=False, path_type=Path),
            default=DEFAULT_STATE_DIR,
            envvar="SLEE_STATE_DIR",
            help="State directory whose installed bundles it may depend on.",
        ),
        click.Option(["--json"], is_flag=True, help="Print the result as JSON."),
    ],
    callback=run,
    help=run.__doc__,
)
