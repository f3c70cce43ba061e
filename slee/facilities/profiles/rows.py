"""The resident rows of one profile table, in compact form: a tuple of values for each profile, and the indexes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slee.facilities.profiles.index import Index

if TYPE_CHECKING:
    from slee.model.profile import ProfileDescriptor, Row


class ResidentRows:
    """What a table holds now, uncommitted work of the active transaction included (its undo log takes it back)."""

    __slots__ = ("_by_position", "default", "descriptor", "indexes", "rows")

    def __init__(self, descriptor: ProfileDescriptor) -> None:
        self.descriptor = descriptor
        self.rows: dict[str, Row] = {}
        self.default: Row = descriptor.defaults
        """The default profile's values; it is in no index (PRF-7)."""
        self.indexes = {attribute.name: Index(attribute) for attribute in descriptor.indexed}
        self._by_position = tuple((index.attribute.position, index) for index in self.indexes.values())

    def get(self, name: str | None) -> Row | None:
        """A profile's values; `None` names the default profile."""
        return self.default if name is None else self.rows.get(name)

    def put(self, name: str | None, row: Row | None) -> None:
        """Set or remove a profile's values, in the indexes too."""
        if name is None:
            assert row is not None
            self.default = row
            return
        before = self.rows.get(name)
        for position, index in self._by_position:
            old = None if before is None else before[position]
            new = None if row is None else row[position]
            if old is not new:
                index.discard(old, name)
                index.add(new, name)
        if row is not None:
            self.rows[name] = row
        elif before is not None:
            del self.rows[name]

    def load(self, rows: Iterable[tuple[str | None, Row]]) -> None:
        """Take in what the database holds; equal texts of the rows become one object where they repeat often."""
        for name, row in rows:
            self.put(name, row)

    def rebuild(self) -> None:
        """Make the rows' dictionary anew, without the room that it keeps for growth."""
        self.rows = dict(self.rows)


__all__ = ["ResidentRows"]
