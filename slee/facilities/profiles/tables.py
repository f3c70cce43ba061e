"""The profile tables of one kernel: what management makes, changes and searches them with (group PRF)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from slee.api.address import Address
from slee.api.errors import (
    DependencyError,
    InvalidStateError,
    TransactionRolledBackError,
    UnrecognizedProfileError,
    UnrecognizedProfileSpecificationError,
    UnrecognizedProfileTableError,
)
from slee.api.profile_event import ProfileID
from slee.api.query_check import require_fitting
from slee.api.source import ProfileTableSource
from slee.facilities.profiles.carried import news_carriers
from slee.facilities.profiles.following import Following, Whole
from slee.facilities.profiles.news import end_activity, tell
from slee.facilities.profiles.reference import Referrer, reference_class, referrer
from slee.facilities.profiles.rows import ResidentRows
from slee.facilities.profiles.search import search
from slee.facilities.profiles.session import EditSession, SessionState, drafted
from slee.facilities.profiles.table import Table
from slee.facilities.profiles.view import (
    TableView,
    attribute_condition,
    query_arguments,
    require_new_name,
    require_new_table_name,
)
from slee.facilities.profiles.watch import CHANGED_OUTSIDE
from slee.facilities.profiles.work import ProfileWork
from slee.kernel.profile_storage import RowChange, TableCreated, TableRemoved, TableRenamed

if TYPE_CHECKING:
    from slee.api.ids import ProfileSpecificationID
    from slee.api.query import Condition, Query
    from slee.facilities.facilities import Facilities
    from slee.facilities.profiles.remaking import TableRemaking
    from slee.kernel.journalling import Journalling
    from slee.kernel.kernel import Kernel
    from slee.kernel.profile_storage import ProfileChange, ProfileStorage, StoredTable
    from slee.model.profile import ProfileDescriptor, Row


class ProfileTables:
    """Specifications and tables; usable in every state of the SLEE, between deliveries."""

    def __init__(self, kernel: Kernel, facilities: Facilities, storage: ProfileStorage | None = None) -> None:
        """Make the facility of one kernel.

        Args:
            kernel: the engine; its transactions commit and roll back what SBBs change.
            facilities: where tables are notification sources.
            storage: the database that follows; without one, tables live in memory only.
        """
        self._kernel = kernel
        self._facilities = facilities
        kernel.find_address_profile = self.find_address_profile
        self.dormant: dict[str, StoredTable] = {}
        """Tables of the database whose specification is not installed."""
        facilities.read_profiles = self.read
        self.following = Following(kernel)
        """Brings what is committed to the database."""
        if storage is not None:
            self.follow_with(storage)
        self._specifications: dict[ProfileSpecificationID, tuple[ProfileDescriptor, Referrer]] = {}
        self.by_name: dict[str, Table] = {}
        """The tables."""

    def follow_with(self, storage: ProfileStorage, journalling: Journalling | None = None) -> None:
        """Have a database follow what is committed from now on, by way of the journal if there is one (PRF-46)."""
        self.following.begin(storage, journalling)
        self.dormant = dict(storage.tables())
        if journalling is not None:
            journalling.find_profile = self.find_profile
            journalling.records.facility_carriers.update(news_carriers(self._table_of_news))

    # Specifications.

    def add_specification(self, descriptor: ProfileDescriptor) -> None:
        """A specification is installed."""
        self._specifications[descriptor.id] = (descriptor, self._referrer(descriptor))

    def _referrer(self, descriptor: ProfileDescriptor) -> Referrer:
        """What makes references to profiles of a specification."""
        return referrer(reference_class(descriptor, self._committed))

    def remove_specification(self, identity: ProfileSpecificationID) -> None:
        """A specification is uninstalled; `DependencyError` while it has tables (DU-29)."""
        self._specification(identity)
        if tables := self.tables(identity):
            raise DependencyError(f"{identity} has the tables {', '.join(tables)} [DU-29]; remove them first")
        del self._specifications[identity]

    @property
    def specifications(self) -> tuple[ProfileSpecificationID, ...]:
        """Every specification installed."""
        return tuple(self._specifications)

    def descriptor(self, identity: ProfileSpecificationID) -> ProfileDescriptor:
        """A specification's descriptor; `UnrecognizedProfileSpecificationError` if it is not installed."""
        return self._specification(identity)[0]

    def _specification(self, identity: ProfileSpecificationID) -> tuple[ProfileDescriptor, Referrer]:
        found = self._specifications.get(identity)
        if found is None:
            raise UnrecognizedProfileSpecificationError(f"{identity} is not installed [PRF-1]; install its bundle")
        return found

    # Tables.

    def create_table(self, name: str, specification: ProfileSpecificationID) -> None:
        """Make a table with its default profile (PRF-1, PRF-2, PRF-6).

        Raises:
            InvalidArgumentError: the name is empty, or holds a `/`.
            UnrecognizedProfileSpecificationError: the specification is not installed.
            ProfileTableAlreadyExistsError: the name is in use.
            CreateError: a callback of the default profile raised; there is no table.
        """
        require_new_table_name(name, self.by_name, self.dormant)
        descriptor, refer = self._specification(specification)
        self._facilities.add(ProfileTableSource(name), descriptor.usage)
        table = self._table(name, descriptor, refer)

        def initialise(work: ProfileWork) -> None:
            work.before[table, None] = None
            work.create(table, None, initialise=True)
            if table.stores:
                work.use(table, None)
            work.verified[table, None] = None

        try:
            self.transact(initialise, announce=[TableCreated(name, descriptor)])
        except BaseException:
            self._facilities.remove(ProfileTableSource(name))
            raise
        self.by_name[name] = table

    def load_table(self, name: str, specification: ProfileSpecificationID) -> None:
        """Take in a table that the database holds (DUR-6).

        Raises:
            SchemaMismatchError: it is stored with other attributes than the specification has.
        """
        descriptor, refer = self._specification(specification)
        assert self.following.storage is not None
        self._facilities.add(ProfileTableSource(name), descriptor.usage)
        table = self._table(name, descriptor, refer)
        table.resident.load(self.following.storage.load(name, descriptor))
        self.by_name[name] = table
        self.dormant.pop(name, None)
        # What another program has changed has been taken in with the rest.
        self._facilities.alarms.clear_source(ProfileTableSource(name), CHANGED_OUTSIDE)

    def load_stored(self, specification: ProfileSpecificationID) -> None:
        """Take in every table of a specification that the database holds; `SchemaMismatchError` as `load_table`."""
        for name, stored in tuple(self.dormant.items()):
            if stored.specification == specification:
                self.load_table(name, specification)

    def _table(self, name: str, descriptor: ProfileDescriptor, refer: Referrer) -> Table:
        facilities = self._facilities.of(ProfileTableSource(name))
        return Table(self._kernel, name, descriptor, refer, facilities, self.following.require_room)

    def _table_of_news(self, name: str, specification: ProfileSpecificationID) -> Table:
        """The table that a recovered event is of; one that is gone is made up, for its snapshots alone."""
        found = self.by_name.get(name)
        if found is not None and found.descriptor.id == specification:
            return found
        return self._table(name, *self._specification(specification))

    def remove_table(self, name: str) -> None:
        """Remove a table with all its profiles, and end its activity (PRF-44)."""
        table = self.table(name)
        gone = dict.fromkeys(table.resident.rows)
        with self._facilities.removing(ProfileTableSource(name)):
            self.transact(lambda work: self.put_into(work, table, gone), announce=[TableRemoved(name)])
            table.removed = True
            del self.by_name[name]
            end_activity(table)

    def exchange(self, remaking: TableRemaking) -> None:
        """Let a table that has been made anew take the old one's place, after `judge` in the same step."""
        old, refer = remaking.table, self._specification(remaking.descriptor.id)[1]
        new = self._table(old.name, remaking.descriptor, refer)
        new.resident, new.context = remaking.resident, old.context
        self.following.take(remaking.changes())
        self._facilities.change_usage(ProfileTableSource(old.name), new.descriptor.usage)
        old.removed, old.resident = True, ResidentRows(old.descriptor)
        self.by_name[old.name] = new

    def rename_table(self, name: str, renamed: str) -> None:
        """Give a table another name; its profiles keep theirs (PRF-2), and the activity of the old name ends."""
        table = self.table(name)
        require_new_table_name(renamed, self.by_name, self.dormant)
        self.following.require_no_whole(name)
        source = ProfileTableSource(renamed)
        with self._facilities.renaming(ProfileTableSource(name), source):
            del self.by_name[name]
            end_activity(table)
            table.name = renamed
            self.following.note_references()
            self.by_name[renamed] = table
            self.following.take([TableRenamed(name, renamed)])
        table.facilities = self._facilities.of(source)

    def tables(self, specification: ProfileSpecificationID | None = None) -> tuple[str, ...]:
        """The names of the tables, or of those of one specification (PRF-3)."""
        if specification is not None:
            self._specification(specification)
        return tuple(name for name, table in self.by_name.items() if specification in (None, table.descriptor.id))

    def table(self, name: str) -> Table:
        """The table of that name; `UnrecognizedProfileTableError` if there is none (PRF-3)."""
        found = self.by_name.get(name)
        if found is None:
            raise UnrecognizedProfileTableError(f"there is no profile table {name} [PRF-3]; list the tables")
        return found

    # Profiles.

    def create(self, table: str, name: str) -> EditSession:
        """Open the session of a new profile, which exists once the session has committed (PRF-11).

        Raises:
            ProfileAlreadyExistsError: there is a profile of that name.
            CreateError: `profile_post_create` raised.
            TransactionRolledBackError: `profile_passivate` raised (PRF-39).
        """
        found = self.table(table)
        require_new_name(f"{table}: create", name)
        tx = self._kernel.begin()
        try:
            row = drafted(ProfileWork(tx, self._committed, by_management=True), found, name)
        finally:
            self._kernel.roll_back(tx)
        return EditSession(self, found, name, SessionState.NEW, row, None)

    def edit(self, table: str, name: str | None) -> EditSession:
        """Open a session on a profile, read-only at first; `None` names the default profile (PRF-8, PRF-12)."""
        found = self.table(table)
        row = found.resident.get(name)
        if row is None:
            raise UnrecognizedProfileError(f"{table}/{name} does not exist [PRF-21]; create it, or list the profiles")
        return EditSession(self, found, name, SessionState.READ_ONLY, row, row)

    def remove(self, table: str, name: str) -> None:
        """Remove a profile; `UnrecognizedProfileError` if there is none."""
        found = self.table(table)
        if name not in found.resident.rows:
            raise UnrecognizedProfileError(f"{table}/{name} does not exist [PRF-21]; list the profiles")
        self.transact(lambda work: work.remove(found, name))

    def put_rows(self, table: str, rows: Mapping[str, Row | None]) -> None:
        """Make, replace or remove many profiles in one transaction, as an import does; all or none.

        A row is judged like any other commit, `profile_store` and `profile_verify` included. New rows are taken as
        they are: `profile_post_create` is not called.
        """
        found = self.table(table)
        self.transact(lambda work: self.put_into(work, found, rows))

    def put_into(
        self, work: ProfileWork, table: Table, rows: Mapping[str, Row | None], *, judged: bool = False
    ) -> None:
        """What `put_rows` does, within a transaction that is under way.

        Args:
            work: of the transaction.
            table: what the rows go into.
            rows: by name; `None` removes.
            judged: whether the rows' types and constraints have been judged, so that only what callbacks change is.
        """
        for name, row in rows.items():
            if row is None:
                if name in table.resident.rows:
                    work.remove(table, name)
                continue
            work.put(table, name, row)
            if judged:
                work.judged[table, name] = row
            if table.stores:
                work.use(table, name)
            work.verified[table, name] = None

    def take_over(self, table: str, rows: Mapping[str, Row | None]) -> None:
        """`put_rows` of what another program has written to the database, which therefore is not told of it."""
        self.following.is_paused = True
        try:
            self.put_rows(table, rows)
        finally:
            self.following.is_paused = False

    def stored_rows(self, table: str) -> Iterator[tuple[str | None, Row]]:
        """A table as the database has it now; `InvalidStateError` without one."""
        found = self.table(table)
        if self.following.storage is None:
            raise InvalidStateError(f"profile table {table} is kept in memory only [PRF-46]; there is nothing to read")
        return self.following.storage.load(found.name, found.descriptor)

    def profiles(self, table: str) -> tuple[str, ...]:
        """The names of a table's profiles, the default profile not among them (PRF-7)."""
        return tuple(self.table(table).resident.rows)

    def read(self, table: str) -> Mapping[str, Mapping[str, object]]:
        """The committed profiles of a table: values by attribute, by name (RA-42)."""
        found = self.table(table)
        return {name: found.descriptor.values(row) for name, row in found.resident.rows.items() if name is not None}

    def find_by(self, table: str, attribute: str, value: object) -> tuple[str, ...]:
        """The names of the profiles with that value (PRF-23, PRF-24)."""
        found = self.table(table)
        return search(found.resident, attribute_condition(found, attribute, value))

    def query(self, table: str, query: str | Query, *arguments: object) -> tuple[str, ...]:
        """The names of the profiles that a static query selects (PRF-30)."""
        found = self.table(table)
        asked, values = query_arguments(found, query, arguments)
        return search(found.resident, asked.condition, values, asked.max_matches)

    def select(self, table: str, condition: Condition, limit: int | None = None) -> tuple[str, ...]:
        """The names of the profiles that meet a condition (PRF-32); at most `limit`."""
        found = self.table(table)
        require_fitting(table, condition, found.descriptor.by_name)
        return search(found.resident, condition, limit=limit)

    # What SBBs and the kernel use.

    def view(self, name: str) -> TableView:
        """The table of that name as an SBB uses it; it need not exist yet."""
        return TableView(self._kernel, self.by_name, name, self._committed)

    def find_profile(self, table: str, name: str, is_locked: bool) -> object:
        """A reference as it was stored in a CMP field; `None` if its profile is gone (CMP-17)."""
        found = self.by_name.get(table)
        return None if found is None or name not in found.resident.rows else found.refer(found, name, is_locked)

    def find_address_profile(self, table: str, address: Address) -> ProfileID | None:
        """The profile of an address, for initial event selection (IES-11): by the index of type `Address`."""
        found = self.by_name.get(table)
        for index in () if found is None else found.resident.indexes.values():
            if index.scalar is Address:
                name = index.any_name(address)
                return None if name is None else ProfileID(table, name)
        return None

    def whole(self) -> Whole:
        """Several transactions that are to take effect as a whole, over a crash too; `end` it."""
        return Whole(self.following)

    def transact(
        self,
        do: Callable[[ProfileWork], None],
        announce: Iterable[ProfileChange] = (),
        whole: Whole | None = None,
    ) -> None:
        """Do something in a management transaction of its own; raises what it was refused for.

        Args:
            do: changes profiles through the work that it is given.
            announce: changes of tables that the database learns before those of rows.
            whole: what the transaction is a part of.
        """
        kernel = self._kernel
        tx = kernel.begin()
        work = ProfileWork(tx, self._committed, by_management=True)
        work.announced = list(announce)
        work.whole = whole
        try:
            do(work)
        except BaseException:
            tx.marked = True
            kernel.finish(tx)
            raise
        if not kernel.finish(tx):
            raise work.error or TransactionRolledBackError("the profile change was rolled back [PRF-16]")

    # Commits.

    def _committed(self, work: ProfileWork) -> None:
        """A transaction has committed: tell the database, and those who listen."""
        changes = work.changes()
        if changes or work.announced:
            gone = {change.table for change in work.announced if isinstance(change, TableRemoved)}
            rows = [RowChange(t.name, name, after) for t, name, _, after in changes if t.name not in gone]
            self.following.take([*work.announced, *rows])
            if work.whole is not None:
                work.whole.note(changes)
        for table, name, before, after in changes:
            if table.descriptor.has_events and name is not None:
                tell(table, name, before, after)


__all__ = ["ProfileTables"]
