"""`slee journal`: look at the journal of a server that does not run, and repair a damaged one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deploy.commands import Command, show, state_options
from slee.stores import JOURNAL_FOLDER
from slee.stores.sqlite import repair as repairing

EXIT_DAMAGED = 1


def show_journal(*, state_dir: Path, json: bool) -> None:
    """Show what the journal holds, and whether it is whole; the status is 1 if it is damaged. Changes nothing."""
    found = repairing.examine(state_dir / JOURNAL_FOLDER)
    show(_told(found), as_json=json)
    if found.problem:
        click.get_current_context().exit(EXIT_DAMAGED)


def repair_journal(*, state_dir: Path, yes: bool, json: bool) -> None:
    """Make a damaged journal usable: shows what is dropped, asks, and keeps the damaged files in a folder beside it."""
    found = repairing.examine(state_dir / JOURNAL_FOLDER)
    if not found.problem:
        show({"journal": str(found.directory), "repaired": False, "damage": None}, as_json=json)
        return
    if not json:
        show(_told(found), as_json=False)
    if not yes:
        click.confirm("Drop this, and keep the rest?", abort=True, err=True)
    done, kept = repairing.repair(state_dir / JOURNAL_FOLDER)
    show({**_told(done), "repaired": True, "damaged_files": str(kept)}, as_json=json)


def _told(found: repairing.Examination) -> dict[str, Any]:
    return {
        "journal": str(found.directory),
        "exists": found.exists,
        "owner": found.owner or None,
        "epoch": found.epoch,
        "last_record": found.sequence,
        "records_in_log": found.log_records,
        "octets": found.octets,
        "keys": len(found.entries),
        "damage": found.problem or None,
        "live": [{"kind": kind, "keys": count} for kind, count in found.kinds.items()],
        "dropped": [{"dropped": line} for line in found.dropped],
    }


journal = click.Group("journal", help="Look at the journal of a server that is stopped, and repair it.")
journal.add_command(Command("show", params=state_options(), callback=show_journal, help=show_journal.__doc__))
journal.add_command(
    Command(
        "repair",
        params=[*state_options(), click.Option(["--yes"], is_flag=True, help="Do not ask.")],
        callback=repair_journal,
        help=repair_journal.__doc__,
    )
)
