"""A profile table that comes to another version of its specification while it is in use (UPG-15).

`prepare` makes the new rows beside the old ones, in slices between which calls are served, and has the database do the
same. `switch` is one step: it brings in what has changed meanwhile, and exchanges the two. Until then nothing has
changed for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from slee.api.errors import Issue, ProfileVerificationError, UpgradeError
from slee.facilities.profiles.rows import ResidentRows
from slee.kernel.profile_storage import RowChange, TableSwitched
from slee.model.profile_migration import RowMigration, RowMigrationError

if TYPE_CHECKING:
    from slee.api.ids import ProfileSpecificationID
    from slee.facilities.profiles.tables import ProfileTables
    from slee.kernel.profile_storage import ProfileChange, ProfileStorage, Remaking
    from slee.model.profile import Row

_SLICE: Final = 64
"""Profiles between two chances for calls; less than a millisecond."""
PAUSE: Final = 0.1
"""Seconds between two looks at the database, unless it has got on before."""
_TOLD: Final = 20
"""Profiles that do not fit, of which a refusal tells."""


class TableRemaking:
    """One table, on its way to another specification."""

    def __init__(
        self,
        tables: ProfileTables,
        name: str,
        specification: ProfileSpecificationID,
        label: str,
        *,
        earlier: Mapping[str, Row] | None = None,
        mends: bool = False,
    ) -> None:
        """Begin with a table that is loaded.

        Args:
            tables: the facility.
            name: of the table.
            specification: the other version, which is installed.
            label: names the backup.
            earlier: profiles as they were under the other specification: where the values of attributes come from
                that this one does not know, and whole profiles that do not fit otherwise.
            mends: whether a profile that does not fit becomes what it was earlier, or the default profile; else it
                is a reason for refusal.
        """
        table, following = tables.table(name), tables.following
        migration = RowMigration(table.descriptor, tables.descriptor(specification))
        self.table = table
        self.descriptor = migration.new
        self._migration = migration
        self._following = following
        self._label = label
        self._earlier = earlier or {}
        self._mends = mends
        self._lost = tuple(attribute.position for attribute in migration.lost())
        self.resident = ResidentRows(migration.new)
        self._made_from: dict[str, Row] = {}
        """The old row of each new one, and of each that is to be made."""
        self._changed: dict[str, None] = {}
        """Profiles that have changed since the making began."""
        self._issues: list[Issue] = []
        self.mended: list[str] = []
        """Profiles that did not fit, with the reason."""
        self._remaking: Remaking | None = None

    @property
    def database(self) -> Remaking | None:
        """The database's part."""
        return self._remaking

    @property
    def before(self) -> Mapping[str, Row]:
        """The profiles as they were before."""
        return self._made_from

    def prepare(self, *, at_start: bool = False) -> Iterator[Callable[[], object] | None]:
        """Make the new rows; each step is short, and may give what to wait for on another thread.

        Args:
            at_start: whether nothing has been committed since the table was loaded.

        Raises:
            UpgradeError: profiles do not fit the other specification, each is named; or the database cannot be written.
        """
        self.resident.default = self._default()
        self._made_from = dict(self.table.resident.rows)
        known = self._following.target
        yield from self._make_rows()
        self._refuse_if_unfit()
        storage = self._following.storage
        if storage is None:
            return
        if not at_start:  # what changes from now on goes with the exchange; the database has to have the rest
            yield from self._await(storage, lambda: storage.position >= known, partial(storage.reach, known, PAUSE))
        self._remaking = remaking = storage.remake(self.table.name, self.descriptor, self._stored, self._label)
        try:
            yield from self._await(storage, lambda: remaking.is_ready, partial(remaking.wait, PAUSE))
        except BaseException:
            self.abandon()
            raise

    def judge(self) -> None:
        """Bring in what has changed since, and judge the whole; `UpgradeError` leaves everything as it is."""
        if self._following.is_whole:
            raise UpgradeError(f"{self.table}: an import is under way [UPG-15]; wait for its end")
        rows = self.table.resident.rows
        changed = [name for name in self._made_from if name not in rows]
        changed += [name for name, row in rows.items() if self._made_from.get(name) is not row]
        for name in changed:
            self._changed[name] = None
            self._put(name, rows.get(name))
        self.resident.default = self._default()
        self._refuse_if_unfit()
        if self._remaking is not None and self._remaking.problem:
            raise UpgradeError(f"{self._remaking.problem} [UPG-15]; plan the upgrade anew")

    def changes(self) -> list[ProfileChange]:
        """What the database is told at the exchange: `ProfileTables.exchange` tells it."""
        table, rows = self.table.name, self.resident.rows
        switched = TableSwitched(table, self.descriptor, self._label, self.resident.default)
        return [switched, *(RowChange(table, name, rows.get(name)) for name in self._changed)]

    def abandon(self) -> None:
        """Leave everything as it is."""
        if self._remaking is not None:
            self._remaking.abandon()

    def _make_rows(self) -> Iterator[Callable[[], object] | None]:
        for count, (name, row) in enumerate(self._made_from.items(), 1):
            self._put(name, row)
            if count % _SLICE == 0:
                yield None
            if len(self._issues) >= _TOLD:
                return

    def _await(
        self, storage: ProfileStorage, condition: Callable[[], bool], wait: Callable[[], object]
    ) -> Iterator[Callable[[], object] | None]:
        while not condition():
            reason = (self._remaking and self._remaking.problem) or storage.status().reason
            if reason:
                raise UpgradeError(f"{reason} [UPG-15]; mend that, and apply the upgrade again")
            yield wait

    def _put(self, name: str, row: Row | None) -> None:
        if row is None:
            self._made_from.pop(name, None)
            self.resident.put(name, None)
            return
        self._made_from[name] = row
        made = self._judged(name, row)
        self.resident.put(name, made)
        if made is not None:
            self._judge_uniqueness(name, made)

    def _judged(self, name: str, row: Row) -> Row | None:
        try:
            return self._fitting(name, row)
        except RowMigrationError as error:
            problems = [(self._where(name), str(error))]
        except ProfileVerificationError as error:
            problems = [(issue.component, issue.problem) for issue in error.issues]
        if self._mends:
            self.mended.append(f"{problems[0][0]}: {problems[0][1]}")
            return self._earlier.get(name, self.descriptor.defaults)
        for where, problem in problems:
            self._issues.append(Issue(where, "UPG-15", problem, "mend the profile, or @migrates"))
        return None

    def _judge_uniqueness(self, name: str, made: Row) -> None:
        for attribute in self.descriptor.unique:
            shared = self.resident.indexes[attribute.name].shared(made[attribute.position])
            if shared is None:
                continue
            where, problem = self._where(name, attribute.name), f"{shared[0]} and {shared[1]} have the same value"
            if self._mends and attribute.default is None:
                self.mended.append(f"{where}: {problem}")
                made = (*made[: attribute.position], None, *made[attribute.position + 1 :])
                self.resident.put(name, made)
            else:
                self._issues.append(Issue(where, "PRF-18", problem, "give one of them another"))

    def _stored(self, name: str, row: Row) -> Row:
        """A row as the database is to have it; called on the database's thread."""
        if self._made_from.get(name) == row and (made := self.resident.rows.get(name)) is not None:
            return made
        return self._fitting(name, row)

    def _fitting(self, name: str, row: Row) -> Row:
        """A row under the other specification, judged."""
        earlier = self._earlier.get(name)
        base = list(self.descriptor.defaults)
        if earlier is not None:
            for position in self._lost:
                base[position] = earlier[position]
        return self.descriptor.validate(self._where(name), self._migration(row, tuple(base)))

    def _default(self) -> Row:
        table = self.table
        try:
            row = self._migration(table.resident.default, self.descriptor.defaults)
            if table.resident.default == table.descriptor.defaults:
                row = self.descriptor.defaults  # nobody has set values of their own
            return self.descriptor.validate(f"{table}'s default profile", row)
        except (RowMigrationError, ProfileVerificationError) as error:
            if self._mends:
                return self.descriptor.defaults
            raise UpgradeError(f"{table}: the default profile does not fit: {error} [UPG-15]; mend it") from error

    def _where(self, name: str, attribute: str = "") -> str:
        return f"{self.table}/{name}.{attribute}" if attribute else f"{self.table}/{name}"

    def _refuse_if_unfit(self) -> None:
        if not self._issues:
            return
        told = "\n".join(str(issue) for issue in self._issues[:_TOLD])
        more = len(self._issues) - _TOLD
        self._issues.clear()
        raise UpgradeError(f"{told}\nand {more} more" if more > 0 else told)


__all__ = ["PAUSE", "TableRemaking"]
