"""The profile tables of an upgrade: which ones come to another version, on the way there and on the way back.

The database exchanges a table after the desired state says so: a crash between the two finds a tentative upgrade, and
a start rolls that back. So a start leaves every table in the version that the record of its last upgrade asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from slee.api.errors import SleeError, UpgradeError
from slee.api.ids import ProfileSpecificationID, parse_id
from slee.facilities.profiles.remaking import PAUSE, TableRemaking
from slee.management.steps import Steps
from slee.management.store import TableRecord, UpgradeRecord
from slee.management.upgrade_results import PlannedTable
from slee.model.profile_migration import profile_changes, profile_migration_issues

if TYPE_CHECKING:
    from slee.facilities.profiles.tables import ProfileTables
    from slee.management.steps import Pauses
    from slee.model.profile import Row

_LOG = logging.getLogger(__name__)
_EXCHANGE: Final = 5.0
"""Seconds that an upgrade waits for the database to exchange its tables; they are exchanged later all the same."""


def planned_tables(
    tables: ProfileTables, olds: Iterable[object], news: Iterable[object]
) -> tuple[list[PlannedTable], list[str]]:
    """The tables that come to a version of another bundle, and every reason against it.

    Args:
        tables: the tables that there are.
        olds: the components of the bundle at work.
        news: those of the bundle to come to.
    """
    found: list[PlannedTable] = []
    refusals: list[str] = []
    to = {(i.name, i.vendor): i for i in news if isinstance(i, ProfileSpecificationID)}
    for identity in olds:
        if not isinstance(identity, ProfileSpecificationID) or not (names := tables.tables(identity)):
            continue
        new = to.get((identity.name, identity.vendor))
        if new is None:
            listed = ", ".join(names)
            remedy = "remove the table, or ship the specification"
            refusals.append(f"{listed}: there is no other version of {identity} [UPG-10]; {remedy}")
        elif new != identity:
            before, after = tables.descriptor(identity), tables.descriptor(new)
            refusals += [str(issue) for issue in profile_migration_issues(before, after)]
            changes = tuple(profile_changes(before, after))
            found += [PlannedTable(n, identity, new, len(tables.table(n).resident.rows), changes) for n in names]
    return found, refusals


def table_records(planned: Sequence[PlannedTable]) -> tuple[TableRecord, ...]:
    """The tables as the state directory keeps them."""
    return tuple(TableRecord(each.table, str(each.old), str(each.new)) for each in planned)


def table_steps(planned: Sequence[PlannedTable]) -> Iterator[str]:
    """What is done with the tables, for people."""
    if planned:
        yield "a backup of the profile tables is made"
    for each in planned:
        changes = "; ".join(each.changes) or "its attributes stay as they are"
        yield f"profile table {each.table} ({each.profiles} profiles) comes to {each.new}: {changes}"


class UpgradeTables:
    """Brings the tables of upgrades there and back."""

    def __init__(self, tables: ProfileTables) -> None:
        self._tables = tables
        self._exchanged: dict[str, list[TableRemaking]] = {}
        """Of the tentative upgrades of this process."""

    def prepare(self, upgrade: str, records: Sequence[TableRecord]) -> Pauses[list[TableRemaking]]:
        """Make the tables of an upgrade beside those in use; `UpgradeError` leaves nothing."""
        storage = self._tables.following.storage
        if records and storage is not None:
            storage.back_up(upgrade)
        return (yield from self._prepare([self._remaking(upgrade, record) for record in records]))

    def prepare_back(
        self, upgrade: str, records: Sequence[TableRecord], *, at_start: bool = False
    ) -> Pauses[list[TableRemaking]]:
        """The same for the way back; profiles that do not fit become what they were before the upgrade."""
        remakings = [made for record in records if (made := self._remaking_back(upgrade, record)) is not None]
        return (yield from self._prepare(remakings, at_start=at_start))

    def _remaking(self, upgrade: str, record: TableRecord) -> TableRemaking:
        return TableRemaking(self._tables, record.table, parse_id(record.new, ProfileSpecificationID), upgrade)

    def _remaking_back(self, upgrade: str, record: TableRecord) -> TableRemaking | None:
        """The way back of a table; `None` if it is there, or is gone."""
        table = self._tables.by_name.get(record.table)
        if table is None or str(table.descriptor.id) != record.new:
            return None
        old = parse_id(record.old, ProfileSpecificationID)
        earlier = self._earlier(upgrade, record.table, old)
        return TableRemaking(self._tables, record.table, old, f"{upgrade}_back", earlier=earlier, mends=True)

    def _earlier(self, upgrade: str, table: str, old: ProfileSpecificationID) -> Mapping[str, Row]:
        for remaking in self._exchanged.get(upgrade, ()):
            if remaking.table.name == table:
                return remaking.before
        storage = self._tables.following.storage
        return {} if storage is None else storage.backup(upgrade, table, self._tables.descriptor(old))

    def _prepare(self, remakings: list[TableRemaking], *, at_start: bool = False) -> Pauses[list[TableRemaking]]:
        try:
            for remaking in remakings:
                yield from remaking.prepare(at_start=at_start)
        except BaseException:
            for remaking in remakings:
                remaking.abandon()
            raise
        return remakings

    def exchange(self, upgrade: str, remakings: Sequence[TableRemaking]) -> None:
        """Put the new tables in the place of the old ones; each has been judged in the same step."""
        for remaking in remakings:
            self._tables.exchange(remaking)
            for problem in remaking.mended:
                _LOG.warning("%s; the profile is what it was before", problem, extra={"component": upgrade})
        self._exchanged[upgrade] = list(remakings)

    def require_written(self, upgrade: str) -> None:
        """Refuse to make an upgrade permanent that the database has not got."""
        for remaking in self._exchanged.get(upgrade, ()):
            if remaking.database is not None and not remaking.database.is_switched:
                raise UpgradeError(
                    f"profile table {remaking.table}: the database has not exchanged it yet [UPG-15]; try again"
                )

    def forget(self, upgrade: str) -> None:
        """Let go of what was kept for the way back; the backup that operators see stays."""
        storage = self._tables.following.storage
        if self._exchanged.pop(upgrade, None) is not None and storage is not None:
            storage.forget_backup(upgrade)
            storage.forget_backup(f"{upgrade}_back")

    def settle(self, upgrades: Mapping[str, UpgradeRecord]) -> Iterator[tuple[str, SleeError]]:
        """At a start: bring each table back whose upgrade was rolled back; yields those that cannot be brought."""
        for upgrade, record in sorted(upgrades.items(), key=lambda item: item[1].turned_at):
            if record.phase != "rolled-back" or not record.tables:
                continue
            try:
                remakings = Steps(self.prepare_back(upgrade, record.tables, at_start=True)).run()
                for remaking in remakings:
                    remaking.judge()
                self.exchange(upgrade, remakings)
                self.forget(upgrade)
            except SleeError as error:
                yield upgrade, error

    def current(self, record: UpgradeRecord) -> tuple[str, ...]:
        """The tables of an upgrade, each with the specification that it has now."""
        found = [(each.table, self._tables.by_name.get(each.table)) for each in record.tables]
        return tuple(f"{name}: {table.descriptor.id if table else 'removed'}" for name, table in found)


def written(remakings: Sequence[TableRemaking]) -> Pauses[None]:
    """Wait until the database has exchanged the tables, for a time that operators bear."""
    left = round(_EXCHANGE / PAUSE)
    for remaking in remakings:
        database = remaking.database
        while database is not None and left and not database.is_switched:
            left -= 1
            yield partial(database.wait, PAUSE)


@contextmanager
def abandoned_if_failed(remakings: Sequence[TableRemaking]) -> Generator[None]:
    """Judge the tables, and leave them as they are if that, or the block, fails."""
    try:
        for remaking in remakings:
            remaking.judge()
        yield
    except BaseException:
        for remaking in remakings:
            remaking.abandon()
        raise


def in_use(tables: ProfileTables, components: Iterable[object]) -> bool:
    """Whether a bundle's components have profile tables."""
    known = tables.specifications
    return any(isinstance(i, ProfileSpecificationID) and i in known and tables.tables(i) for i in components)


__all__ = [
    "UpgradeTables",
    "abandoned_if_failed",
    "in_use",
    "planned_tables",
    "table_records",
    "table_steps",
    "written",
]
