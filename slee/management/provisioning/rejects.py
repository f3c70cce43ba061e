"""Records that an import does not take, as they are told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slee.api.errors import Issue
from slee.management.provisioning.records import Place, name_to_tell

if TYPE_CHECKING:
    from slee.management.provisioning.records import Record, Unreadable


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that is not taken, and why."""

    line: int
    column: int
    """0 where the whole record is meant."""
    profile: str
    attribute: str
    problem: str
    remedy: str
    text: str
    """The record as the file has it."""

    def issue(self, source: str) -> Issue:
        """As an error names it."""
        where = told_place(Place(self.line, self.column), self.profile, self.attribute)
        return Issue(f"{source}:{where}", "PRF-17", self.problem, self.remedy)


def told_place(place: Place, profile: str, attribute: str) -> str:
    """Place, profile and attribute in one line, whatever the names hold."""
    what = "/".join(part if part.isprintable() else repr(part) for part in (profile, attribute) if part)
    return f"{place}: {what}" if what else str(place)


def rejected(record: Record, attribute: str, problem: str, remedy: str) -> Reject:
    """What is told of a record that is not taken; no attribute where the whole record is meant."""
    place = record.locate(attribute) if attribute else Place(record.line, 0)
    return Reject(*place, name_to_tell(record.name), attribute, problem, remedy, record.text)


def unread(found: Unreadable) -> Reject:
    """What is told of a record that cannot be read."""
    return Reject(*found.place, found.profile, found.attribute, found.problem, found.remedy, found.text)


__all__ = ["Reject", "rejected", "told_place", "unread"]
