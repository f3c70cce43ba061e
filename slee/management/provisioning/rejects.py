"""Records that an import does not take, as they are told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slee.api.errors import Issue
from slee.management.provisioning.records import Place
from slee.model.profile_text import is_name_short

if TYPE_CHECKING:
    from slee.management.provisioning.records import Record


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
        place = f"{source}:{Place(self.line, self.column)}"
        profile = self.profile if self.profile.isprintable() else repr(self.profile)
        what = "/".join(part for part in (profile, self.attribute) if part)
        return Issue(f"{place}: {what}" if what else place, "PRF-17", self.problem, self.remedy)


def rejected(record: Record, attribute: str, problem: str, remedy: str) -> Reject:
    """What is told of a record that is not taken; no attribute where the whole record is meant."""
    name = record.name if isinstance(record.name, str) and is_name_short(record.name) else ""
    return Reject(record.line, record.columns.get(attribute, 0), name, attribute, problem, remedy, record.text)


__all__ = ["Reject", "rejected"]
