"""Editing sessions: how management reads, changes and makes profiles (PRF-11 to PRF-17)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from slee.api.errors import (
    InvalidStateError,
    ReadOnlyProfileError,
    StaleProfileError,
    UnrecognizedAttributeError,
)

if TYPE_CHECKING:
    from slee.api.profile import Attribute
    from slee.facilities.profiles.table import Table
    from slee.facilities.profiles.work import ProfileWork
    from slee.model.profile import Row


class SessionState(enum.Enum):
    """States of an editing session."""

    READ_ONLY = "ReadOnly"
    WRITEABLE = "Writeable"
    DIRTY = "Writeable, dirty"
    NEW = "Writeable, dirty, never committed"
    CLOSED = "Closed"


SESSION: Final[Mapping[tuple[SessionState, str], SessionState]] = {
    (SessionState.READ_ONLY, "edit"): SessionState.WRITEABLE,
    (SessionState.READ_ONLY, "close"): SessionState.CLOSED,
    (SessionState.WRITEABLE, "edit"): SessionState.WRITEABLE,
    (SessionState.WRITEABLE, "set"): SessionState.DIRTY,
    (SessionState.WRITEABLE, "commit"): SessionState.READ_ONLY,
    (SessionState.WRITEABLE, "restore"): SessionState.READ_ONLY,
    (SessionState.WRITEABLE, "close"): SessionState.CLOSED,
    (SessionState.DIRTY, "edit"): SessionState.DIRTY,
    (SessionState.DIRTY, "set"): SessionState.DIRTY,
    (SessionState.DIRTY, "commit"): SessionState.READ_ONLY,
    (SessionState.DIRTY, "restore"): SessionState.READ_ONLY,
    (SessionState.NEW, "edit"): SessionState.NEW,
    (SessionState.NEW, "set"): SessionState.NEW,
    (SessionState.NEW, "commit"): SessionState.READ_ONLY,
    (SessionState.NEW, "restore"): SessionState.CLOSED,
}
"""A pair that is missing does not exist: asking for it changes nothing and raises."""


class SessionHost(Protocol):
    """What a session changes tables through."""

    def transact(self, do: Callable[[ProfileWork], None]) -> None:
        """Do it in a management transaction; raises what the transaction was refused for."""
        ...


class EditSession:
    """One operator's view of one profile, with values of its own until `commit`."""

    __slots__ = ("_base", "_host", "_row", "_table", "name", "state")

    def __init__(
        self, host: SessionHost, table: Table, name: str | None, state: SessionState, row: Row, base: Row | None
    ) -> None:
        """Open a session; `ProfileTables.edit` and `ProfileTables.create` do.

        Args:
            host: what commits.
            table: the table.
            name: the profile's name, `None` for the default profile.
            state: where it begins: READ_ONLY, or NEW.
            row: the values that it begins with.
            base: the committed values that they come from; `None` for a new profile.
        """
        self._host = host
        self._table = table
        self.name = name
        self.state = state
        self._row = row
        self._base = base

    @property
    def table(self) -> str:
        """Name of the table."""
        return self._table.name

    @property
    def is_writeable(self) -> bool:
        """Whether attributes can be written (PRF-12)."""
        return self.state in (SessionState.WRITEABLE, SessionState.DIRTY, SessionState.NEW)

    @property
    def is_dirty(self) -> bool:
        """Whether something was written that has been neither committed nor restored (PRF-12)."""
        return self.state in (SessionState.DIRTY, SessionState.NEW)

    @property
    def values(self) -> dict[str, object]:
        """The values by attribute, with what was set and is not committed yet; secret ones too."""
        self._require_open("values")
        return self._table.descriptor.values(self._current())

    def get(self, attribute: str) -> object:
        """The value of one attribute, with what was set and is not committed yet."""
        self._require_open("get")
        return self._current()[self._attribute(attribute).position]

    def set(self, attribute: str, value: object) -> None:
        """Write one attribute, to be judged at the commit (PRF-17).

        Raises:
            ReadOnlyProfileError: the session is read-only; `edit` first (PRF-14).
        """
        self._require_open("set")
        if self.state is SessionState.READ_ONLY:
            raise ReadOnlyProfileError(f"{self}: set {attribute} in a read-only session [PRF-14]; edit() first")
        position = self._attribute(attribute).position
        self._row = (*self._row[:position], value, *self._row[position + 1 :])
        self.state = self._next("set", "PRF-12")

    def edit(self) -> None:
        """Make the session writeable, from the values committed now; without effect if it is (PRF-12)."""
        following = self._next("edit", "PRF-13")
        if self.state is SessionState.READ_ONLY:
            self._row = self._base = self._table.row(self.name)
        self.state = following

    def commit(self) -> None:
        """Take the values into the table: `profile_store`, the checks, `profile_verify` (PRF-16).

        Raises:
            InvalidStateError: the session is not writeable (PRF-13).
            ProfileVerificationError: values do not fit; the session stays as it is.
            UniqueAttributeViolationError: another profile has the same value of a unique attribute.
            StaleProfileError: the profile has changed since `edit`; restore, and make the change anew (PRF-45).
            ProfileAlreadyExistsError: the new profile's name has been taken meanwhile.
        """
        following = self._next("commit", "PRF-13")
        self._host.transact(self._write)
        self._row = self._base = self._table.row(self.name)
        self.state = following

    def _write(self, work: ProfileWork) -> None:
        table = self._table
        if self.state is SessionState.NEW:
            work.take_in(table, self.name, self._row)
        elif table.removed or table.resident.get(self.name) is not self._base:
            raise StaleProfileError(f"{self} was changed since edit() [PRF-45]; restore(), and make the change anew")
        elif self._row is not self._base or table.stores:
            work.put(table, self.name, self._row)
            if table.stores:
                work.use(table, self.name)
        work.verified[table, self.name] = None

    def restore(self) -> None:
        """Drop what was not committed (PRF-15)."""
        self.state = self._next("restore", "PRF-13")

    def close(self) -> None:
        """End the session; `InvalidStateError` while something is not committed (PRF-13)."""
        self.state = self._next("close", "PRF-13")

    def __str__(self) -> str:
        return f"{self.table}/{'(default)' if self.name is None else self.name}"

    def _current(self) -> Row:
        return self._table.row(self.name) if self.state is SessionState.READ_ONLY else self._row

    def _attribute(self, name: str) -> Attribute:
        found = self._table.descriptor.by_name.get(name)
        if found is None:
            known = ", ".join(self._table.descriptor.by_name)
            raise UnrecognizedAttributeError(f"{self} has no attribute {name} [PRF-32]; it has {known}")
        return found

    def _next(self, what: str, rule: str) -> SessionState:
        following = SESSION.get((self.state, what))
        if following is None:
            raise InvalidStateError(f"{self}: {what} in a session that is {self.state.value} [{rule}]")
        return following

    def _require_open(self, what: str) -> None:
        if self.state is SessionState.CLOSED:
            raise InvalidStateError(f"{self}: {what} in a closed session [PRF-13]; open another")


def drafted(work: ProfileWork, table: Table, name: str) -> Row:
    """The values that a new profile begins with, of which nothing stays: the transaction is rolled back.

    Raises:
        ProfileAlreadyExistsError: there is a profile of that name.
        CreateError: `profile_post_create` raised.
        TransactionRolledBackError: `profile_passivate` raised (PRF-39).
    """
    work.create(table, name)
    row = table.row(name)
    work.end()
    if work.error is not None:
        raise work.error
    return row


__all__ = ["SESSION", "EditSession", "SessionHost", "SessionState", "drafted"]
