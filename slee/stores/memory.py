"""The store that keeps nothing: for tests, and for servers whose calls may end with the process (DUR-1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slee.kernel.journal import Entry, JournalCondition, JournalStatus, Recovery

__all__ = ["MemoryJournal"]

_WRITING = JournalStatus(JournalCondition.WRITING, "", 0, 0, 0.0)
_NOTHING = Recovery({}, 0, 1, "")


class MemoryJournal:
    """Acknowledges a record when it is appended, within the call, and forgets it."""

    def __init__(self, *, on_acknowledged: Callable[[int], None] | None = None) -> None:
        self._on_acknowledged = on_acknowledged
        self._sequence = 0

    @property
    def recovery(self) -> Recovery:
        """An empty one."""
        return _NOTHING

    def release(self) -> None:
        """Nothing is kept."""

    @property
    def acknowledged(self) -> int:
        """The last record."""
        return self._sequence

    def append(self, entries: Sequence[Entry]) -> int:
        """Count a record."""
        self._sequence += 1
        if self._on_acknowledged is not None:
            self._on_acknowledged(self._sequence)
        return self._sequence

    def hasten(self) -> None:
        """Nobody ever waits."""

    def status(self) -> JournalStatus:
        """Always well."""
        return _WRITING

    def close(self) -> None:
        """Nothing is held."""
