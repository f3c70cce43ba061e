"""What one transaction does with profiles: instances and their callbacks, writes, and the judgement at its commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from slee.api.errors import (
    CreateError,
    InvalidStateError,
    Issue,
    ProfileAlreadyExistsError,
    ProfileError,
    ProfileVerificationError,
    ReadOnlyProfileError,
    ReentrantCallError,
    TransactionRolledBackError,
    UniqueAttributeViolationError,
)
from slee.api.profile import NOWHERE

if TYPE_CHECKING:
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.profile import Attribute, Profile, ProfileContext
    from slee.facilities.profiles.following import Whole
    from slee.facilities.profiles.table import Table
    from slee.kernel.profile_storage import ProfileChange
    from slee.kernel.transaction import Transaction
    from slee.model.profile import Row

_Key = tuple["Table", str | None]
Committed = Callable[["ProfileWork"], None]


class Use:
    """One profile in one transaction: its instance, and what the instance reaches the SLEE through (PRF-38)."""

    __slots__ = ("failed", "instance", "is_live", "locked", "name", "removed", "running", "table_", "work")

    def __init__(self, work: ProfileWork, table: Table, name: str | None) -> None:
        self.work = work
        self.table_ = table
        self.name = name
        self.running = 0
        self.is_live = False
        """Whether the values are at hand: from `profile_load`, or the creation, until `profile_passivate`."""
        self.removed = False
        self.failed = False
        self.locked = 0
        """Calls in progress that may not write (PRF-31)."""
        self.instance: Profile = table.descriptor.cls()
        self.instance._slee = self

    @property
    def table(self) -> str:
        """Name of the table."""
        return self.table_.name

    @property
    def tracer(self) -> Tracer:
        """The table's root tracer."""
        return self.table_.facilities.tracer

    @property
    def alarms(self) -> AlarmFacility:
        """The table's alarms."""
        return self.table_.facilities.alarms

    @property
    def is_rollback_only(self) -> bool:
        """Whether the transaction is marked."""
        return self.work.tx.marked

    def set_rollback_only(self) -> None:
        """Mark the transaction."""
        self.work.tx.marked = True

    def bound(self, name: str) -> object:
        """The table's default usage set, which is all that a specification declares apart from attributes."""
        return self.table_.usage()

    def read(self, attribute: Attribute) -> object:
        """The value of an attribute."""
        self._require_live(attribute)
        return self.table_.row(self.name)[attribute.position]

    def write(self, attribute: Attribute, value: object) -> None:
        """Set an attribute."""
        self._require_live(attribute)
        if self.locked:
            raise ReadOnlyProfileError(f"{self.table}/{self.name} comes from a read-only query [PRF-31]; find it anew")
        self.work.write(self.table_, self.name, attribute, value)

    def remove(self) -> None:
        """Remove the profile."""
        self._require_live("remove")
        assert self.name is not None
        self.work.remove(self.table_, self.name)

    def _require_live(self, what: object) -> None:
        if not self.is_live:
            raise InvalidStateError(
                f"{self.table}/{self.name}: {what} outside its time [PRF-38]; use it from profile_load on"
            )

    def end(self) -> None:
        """Take the instance's context away."""
        self.is_live = False
        self.instance._slee = cast("ProfileContext", NOWHERE)


class ProfileWork:
    """The part of a transaction that concerns profiles.

    Writes take effect on the resident rows at once, with their inverse in the transaction's undo log. Types,
    constraints and uniqueness are judged at the commit, on the state that would be committed (PRF-17, PRF-19).
    """

    __slots__ = (
        "announced",
        "before",
        "by_management",
        "error",
        "judged",
        "tx",
        "uses",
        "verified",
        "whole",
    )

    def __init__(self, tx: Transaction, committed: Committed, *, by_management: bool = False) -> None:
        self.tx = tx
        self.by_management = by_management
        self.before: dict[_Key, Row | None] = {}
        """The committed values of what was written."""
        self.uses: dict[_Key, Use] = {}
        self.verified: dict[_Key, None] = {}
        """Profiles whose `profile_verify` has to run: those that a management commit changes (PRF-16)."""
        self.judged: dict[_Key, Row] = {}
        """Rows whose types and constraints have been judged before."""
        self.announced: list[ProfileChange] = []
        """Changes of whole tables, which the database learns first."""
        self.error: BaseException | None = None
        """Why the commit is refused."""
        self.whole: Whole | None = None
        """What the transaction is a part of, that takes effect as a whole."""
        tx.profiles = self
        tx.when_committed(committed, self)

    # Writes.

    def put(self, table: Table, name: str | None, row: Row | None) -> None:
        """Set or remove a row, for as long as the transaction stands."""
        key = (table, name)
        old = table.resident.get(name)
        if key not in self.before:
            self.before[key] = old
        self.tx.undo.append((table.resident.put, (name, old)))
        table.resident.put(name, row)

    def write(self, table: Table, name: str | None, attribute: Attribute, value: object) -> None:
        """Set one attribute of a profile."""
        row = table.row(name)
        self.require_writeable(table, name)
        position = attribute.position
        self.put(table, name, (*row[:position], value, *row[position + 1 :]))

    def require_writeable(self, table: Table, name: str | None) -> None:
        """Keep components from writing where the specification says so (PRF-20)."""
        if table.descriptor.read_only and not self.by_management:
            raise ReadOnlyProfileError(
                f"{table}/{name}: {table.descriptor.id} is read-only to components [PRF-20]; change it by management"
            )

    # Life cycle.

    def use(self, table: Table, name: str | None) -> Use:
        """The instance of an existing profile, activated and loaded at first use (PRF-36).

        Raises:
            TransactionRolledBackError: a callback raised; the transaction is marked (PRF-39).
        """
        use = self.uses.get((table, name))
        if use is not None and not use.removed:
            if use.failed:
                raise TransactionRolledBackError(f"{table}/{name}: its instance raised in this transaction [PRF-39]")
            return use
        table.row(name)
        use = self._begin(table, name)
        if table.activates:
            self._call_back(use, "profile_activate")
        use.is_live = True
        if table.loads:
            self._call_back(use, "profile_load")
        return use

    def _begin(self, table: Table, name: str | None) -> Use:
        use = Use(self, table, name)
        self.uses.pop((table, name), None)
        self.uses[table, name] = use
        return use

    def create(self, table: Table, name: str | None, *, initialise: bool = False) -> None:
        """Make a profile with the default profile's values, and run `profile_post_create` (PRF-9, PRF-37).

        Raises:
            ProfileAlreadyExistsError: the name is taken; nothing has changed (PRF-5).
            CreateError: `profile_post_create` raised; there is no profile (PRF-10).
        """
        if name is not None:
            if name in table.resident.rows:
                raise ProfileAlreadyExistsError(f"{table}/{name} exists [PRF-5]; take another name, or edit it")
            self.put(table, name, table.resident.default)
        defined = table.descriptor.callbacks
        if not (table.enters or initialise or "profile_post_create" in defined):
            return
        use = self._begin(table, name)
        use.is_live = True
        try:
            if initialise and "profile_initialize" in defined:
                self._call_back(use, "profile_initialize", rolls_back=False)
            if "profile_post_create" in defined:
                self._call_back(use, "profile_post_create", rolls_back=False)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if name is not None:
                self.put(table, name, None)
            use.removed = True
            use.end()
            if not isinstance(error, CreateError):
                self.tx.marked = True
            raise CreateError(f"{table}/{name}: profile_post_create raised {error!r} [PRF-10]") from error

    def take_in(self, table: Table, name: str | None, row: Row) -> None:
        """Make a profile that has been created and edited elsewhere, in an editing session (PRF-11)."""
        if table.removed or name in table.resident.rows:
            raise ProfileAlreadyExistsError(f"{table}/{name} exists [PRF-5]; take another name, or edit it")
        self.put(table, name, row)
        if table.enters:
            self._begin(table, name).is_live = True

    def remove(self, table: Table, name: str) -> None:
        """Remove an existing profile (PRF-37)."""
        table.row(name)
        self.require_writeable(table, name)
        if table.enters or table.removes or (table, name) in self.uses:
            use = self.use(table, name)
            if table.removes:
                self._call_back(use, "profile_remove")
            use.removed = True
            use.end()
        self.put(table, name, None)

    def call(
        self, use: Use, function: Callable[..., Any], raises: tuple[type[Exception], ...], args: Any, kwargs: Any
    ) -> Any:
        """Run a business method (PRF-26, PRF-27)."""
        if use.running and not use.table_.descriptor.is_reentrant:
            self.tx.marked = True
            what = f"{use.table}/{use.name}.{function.__name__}"
            cause = ReentrantCallError(f"{what}: a method of it runs [PRF-26]; declare it reentrant=True")
            raise TransactionRolledBackError(f"{what} was not called [PRF-26]") from cause
        use.running += 1
        try:
            return function(use.instance, *args, **kwargs)
        except raises:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.tx.marked = True
            raise TransactionRolledBackError(
                f"{use.table}/{use.name}: {function.__name__} raised [PRF-27]; declare what callers are to see"
            ) from error
        finally:
            use.running -= 1

    def _call_back(self, use: Use, callback: str, *, rolls_back: bool = True) -> None:
        """Run a callback; whatever it raises drops the instance (PRF-39)."""
        use.running += 1
        try:
            getattr(use.instance, callback)()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            use.failed = True
            use.is_live = False
            if not rolls_back:
                raise
            self.tx.marked = True
            raise TransactionRolledBackError(f"{use.table}/{use.name}: {callback} raised {error!r} [PRF-39]") from error
        finally:
            use.running -= 1

    # The commit.

    def settle(self) -> None:
        """Judge what would be committed, and let go of the instances either way."""
        if not self.tx.marked:
            self.store()
        self.end()
        del self.tx  # which refers back: both would be left to the collector

    def store(self) -> None:
        """Run `profile_store`, then judge what would be committed; a refusal marks the transaction (PRF-16)."""
        try:
            self._store()
            self._judge()
            for table, name in self.verified:
                self.verify(table, name)
        except (ProfileError, TransactionRolledBackError) as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        """Mark the transaction, and tell why: management by the error, an SBB as of a failure of its own."""
        self.error = self.error or error
        self.tx.marked = True
        entity = next(iter(self.tx.instances), None)
        if entity is not None:
            self.tx.fail(entity, error)

    def _store(self) -> None:
        for use in tuple(self.uses.values()):
            table = use.table_
            writeable = self.by_management or not table.descriptor.read_only
            if table.stores and writeable and not use.removed and not use.failed and not self.tx.marked:
                self._call_back(use, "profile_store")

    def _judge(self) -> None:
        issues: list[Issue] = []
        if self.before and (self.whole is None or not self.whole.is_taken_back):
            table, _ = next(iter(self.before))
            table.require_room(table.name)
        for (table, name), before in self.before.items():
            row = table.resident.get(name)
            if row is None or row is before or self.judged.get((table, name)) is row:
                continue
            try:
                table.descriptor.validate(f"{table}/{name}", row)
            except ProfileVerificationError as error:
                issues.extend(error.issues)
        if issues:
            raise ProfileVerificationError(issues)
        for table, name in self.before:
            row = table.resident.get(name)
            if row is None or name is None:
                continue
            for attribute in table.descriptor.unique:
                shared = table.resident.indexes[attribute.name].shared(row[attribute.position])
                if shared is not None:
                    raise UniqueAttributeViolationError(table.name, attribute.name, shared)

    def verify(self, table: Table, name: str | None) -> None:
        """Run `profile_verify`, of a management commit (PRF-16).

        Raises:
            ProfileVerificationError: it refuses the values.
            TransactionRolledBackError: it raised something else.
        """
        if not table.verifies:
            return
        use = self.use(table, name)
        try:
            use.instance.profile_verify()
        except ProfileVerificationError:
            self.tx.marked = True
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.tx.marked = True
            use.failed = True
            raise TransactionRolledBackError(f"{table}/{name}: profile_verify raised {error!r} [PRF-39]") from error

    def end(self) -> None:
        """Run `profile_passivate`, and take every instance's context away (PRF-36, PRF-38)."""
        for use in tuple(self.uses.values()):
            if use.table_.passivates and not use.removed and not use.failed:
                use.is_live = False
                try:
                    self._call_back(use, "profile_passivate")
                except TransactionRolledBackError as error:
                    self._refuse(error)
            use.end()
        self.uses.clear()

    def changes(self) -> list[tuple[Table, str | None, Row | None, Row | None]]:
        """What a commit changed: table, name, values before and after; what is equal is left out (PRF-42, PRF-43)."""
        found: list[tuple[Table, str | None, Row | None, Row | None]] = []
        for (table, name), before in self.before.items():
            after = table.resident.get(name)
            if after is not before and after != before:
                found.append((table, name, before, after))
        return found


__all__ = ["Committed", "ProfileWork", "Use"]
