"""The storage port of profile tables: the database that follows the journal (PRF-46).

Truth is the resident table; the database is what it is loaded from at start. No call waits for the database, except for
the opening and the loading: changes are queued in the order of the commits and written off the kernel's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from slee.api.ids import ProfileSpecificationID
    from slee.model.profile import ProfileDescriptor, Row


class StoredTable(NamedTuple):
    """A profile table as the database has it."""

    table: str
    specification: ProfileSpecificationID
    schema_hash: str


class TableCreated(NamedTuple):
    """A table has been made; its default profile follows as a `RowChange` in the same append."""

    table: str
    descriptor: ProfileDescriptor


class TableRemoved(NamedTuple):
    """A table has been removed, with everything in it."""

    table: str


class TableRenamed(NamedTuple):
    """A table has another name now (PRF-2)."""

    table: str
    renamed: str


class TableSwitched(NamedTuple):
    """A table that was made anew takes the old one's place; the rows that changed meanwhile follow in the append."""

    table: str
    descriptor: ProfileDescriptor
    label: str
    """Of the `Remaking`."""
    default: Row
    """The default profile's values."""


class RowChange(NamedTuple):
    """The newest values of one profile."""

    table: str
    profile: str | None
    """`None` is the default profile."""
    row: Row | None
    """Values by the descriptor's positions; `None`: the profile has been removed."""


ProfileChange = TableCreated | TableRemoved | TableRenamed | TableSwitched | RowChange


class StorageStatus(NamedTuple):
    """How the database fares."""

    reason: str
    """Why it cannot be written at present, for the operator; empty while it can."""
    waiting: int
    """Changes appended and not written yet."""
    age: float
    """Seconds since the oldest of them was appended; 0.0 without one."""


class OutsideChange(NamedTuple):
    """What another program has changed in one table of the database."""

    table: str
    rows: Mapping[str, Row | None]
    """The values that the database has now of the profiles that changed; `None` for one that is gone."""
    unreadable: Sequence[str]
    """Why profiles cannot be read, each with its name and the attribute."""
    everything: bool
    """Whether any row may have changed, so that the table has to be read anew."""


class Remaking(Protocol):
    """A table that is being made anew under another specification, beside the one in use (UPG-15).

    The database keeps both from `remake` on, and a `TableSwitched` exchanges them in one transaction: whatever ends the
    process before that leaves the old table, and after it the new one. The old one is kept as a backup.
    """

    @property
    def is_ready(self) -> bool:
        """Whether the table has been copied, so that the exchange takes no time."""
        ...

    @property
    def is_switched(self) -> bool:
        """Whether the database has the new table in the old one's place."""
        ...

    @property
    def problem(self) -> str:
        """Why there will be no new table; empty if it comes along."""
        ...

    def abandon(self) -> None:
        """Drop the new table; does not wait."""
        ...

    def wait(self, timeout: float) -> None:
        """Wait until the database has got on with it, at most `timeout` seconds."""
        ...


class JournalledProfiles(NamedTuple):
    """What a journal holds of profile changes when it is opened: a database may not have had all of them."""

    floor: int
    """The position up to which the journal has let go of changes, since the database had them."""
    changes: Mapping[int, bytes]
    """By position, as `ProfileStorage.encoded` made them; those that the database has are among them perhaps."""
    undo: Sequence[bytes]
    """Made by `encoded_undo`, for changes of which all or none are to be: their end was not recorded. Newest first."""


class ProfileStorage(Protocol):
    """A profile database, opened by the one SLEE that owns it."""

    @property
    def position(self) -> int:
        """The position of the last append that the database holds; 0 in an empty one.

        What the journal holds beyond it is appended anew at start; an append at or below it changes nothing, so that
        each change is applied exactly once.
        """
        ...

    def tables(self) -> Mapping[str, StoredTable]:
        """The tables stored, by name; may wait."""
        ...

    def load(self, table: str, descriptor: ProfileDescriptor) -> Iterator[tuple[str | None, Row]]:
        """Every profile of a table with its row, the default profile (under `None`) first; may wait.

        Raises:
            SchemaMismatchError: the table is stored with another schema, and has to be migrated first.
        """
        ...

    def append(self, position: int, changes: Sequence[ProfileChange]) -> None:
        """Take the changes of one or more commits, in their order, without waiting.

        They are written in one database transaction together with `position`. A failure to write shows in `status`,
        and the changes wait.

        Args:
            position: of the journal's entry that holds them; higher than in every append before.
            changes: at most one `RowChange` for a profile.
        """
        ...

    def encoded(self, changes: Sequence[ProfileChange]) -> bytes:
        """The changes of an append, to come, as the journal keeps them; to be called in the order of the appends."""
        ...

    def encoded_undo(
        self, table: str, descriptor: ProfileDescriptor, changes: Mapping[str, tuple[Row | None, Row | None]]
    ) -> bytes:
        """What takes changes of a table's profiles back, for the journal; by name the values before and after.

        A profile that somebody has changed again since is left alone by it.
        """
        ...

    def outside(self) -> Sequence[OutsideChange]:
        """What other programs have changed in tables that are loaded, since the last call; does not wait."""
        ...

    def remake(
        self, table: str, descriptor: ProfileDescriptor, convert: Callable[[str, Row], Row], label: str
    ) -> Remaking:
        """Begin to make a table anew under another specification; does not wait.

        Args:
            table: name of a table that is loaded.
            descriptor: the other specification.
            convert: makes a profile's values; called on the database's thread, and may raise.
            label: names what is kept of the old one; letters, digits and underscores.
        """
        ...

    def back_up(self, label: str) -> None:
        """Keep a copy of the database as it is after what was appended so far, if it is a file; does not wait."""
        ...

    def backup(self, label: str, table: str, descriptor: ProfileDescriptor) -> Mapping[str, Row]:
        """The profiles that a table had when it was made anew, in that specification; empty without a backup."""
        ...

    def forget_backup(self, label: str) -> None:
        """Drop what is kept within the database of tables that were made anew; does not wait."""
        ...

    def status(self) -> StorageStatus:
        """How it fares now."""
        ...

    def reach(self, position: int, timeout: float) -> bool:
        """Wait until the database holds a position, at most `timeout` seconds; whether it does."""
        ...

    def close(self) -> None:
        """Write what was appended, if it can be written, and give the database up."""
        ...


__all__ = [
    "JournalledProfiles",
    "OutsideChange",
    "ProfileChange",
    "ProfileStorage",
    "Remaking",
    "RowChange",
    "StorageStatus",
    "StoredTable",
    "TableCreated",
    "TableRemoved",
    "TableRenamed",
    "TableSwitched",
]
