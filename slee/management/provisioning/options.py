"""How an import is asked for, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How an import is done."""

    source: str = "import"
    """Name of the file, for messages."""
    dry_run: bool = False
    skip_bad: bool = False
    md5: bool = False


@dataclass(slots=True)
class ImportCounts:
    """What an import has done, or would do."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0


__all__ = ["ImportCounts", "ImportOptions"]
