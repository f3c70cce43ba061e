"""The stores by their names in the configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from slee.kernel.journal import Journal, JournalStatus
from slee.stores.memory import MemoryJournal
from slee.stores.sqlite import SqliteJournal

__all__ = ["JOURNAL_FOLDER", "StoreKind", "Synchronous", "open_store"]

JOURNAL_FOLDER: Final = "journal"
"""Where the journal lies in a state directory."""

StoreKind = Literal["memory", "sqlite"]
Synchronous = Literal["normal", "full"]


def open_store(
    kind: StoreKind,
    directory: Path,
    *,
    synchronous: Synchronous = "normal",
    on_acknowledged: Callable[[int], None] | None = None,
    on_status: Callable[[JournalStatus], None] | None = None,
) -> Journal:
    """Open the journal of a state directory's one shard.

    `on_acknowledged` gets the highest sequence number that is durable, `on_status` each change of the condition. Both
    are called on the store's thread, or within `append`, and must neither wait nor raise.

    Raises:
        JournalInUseError: another process has it (DUR-16).
        JournalDamagedError: it is damaged; no file has been changed (DUR-5).
        JournalError: it is of another format, or its files cannot be written.
    """
    if kind == "memory":
        return MemoryJournal(on_acknowledged=on_acknowledged)
    return SqliteJournal(
        directory / JOURNAL_FOLDER,
        full=synchronous == "full",
        on_acknowledged=on_acknowledged,
        on_status=on_status,
    )
