"""A profile table as SBBs use it (PRF-21 to PRF-24, PRF-30 to PRF-32)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from slee.api.errors import (
    AttributeTypeMismatchError,
    InvalidArgumentError,
    ProfileTableAlreadyExistsError,
    TransactionRequiredError,
    UnrecognizedProfileError,
    UnrecognizedProfileTableError,
    UnrecognizedQueryError,
)
from slee.api.profile_table import ProfileTable
from slee.api.query import Comparison, Condition, Operator, Query
from slee.api.query_check import SEARCHABLE, require_fitting, scalar_type
from slee.api.values import value_type
from slee.facilities.profiles.reference import work_of
from slee.facilities.profiles.search import Arguments, search
from slee.model.profile_text import LONGEST_NAME, is_name_short, is_unicode

if TYPE_CHECKING:
    from slee.facilities.profiles.table import Table
    from slee.facilities.profiles.work import Committed
    from slee.kernel.kernel import Kernel
    from slee.kernel.profile_storage import StoredTable
    from slee.kernel.transaction import Transaction


def require_text(what: str, value: object) -> str:
    """A name that is a text and not empty (PRF-4)."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: {value!r} is no text [PRF-21]; give a name")
    if not value:
        raise InvalidArgumentError(f"{what}: the name is empty [PRF-4]; give one")
    return value


def require_new_name(what: str, value: object) -> str:
    """A name for a new profile: a text that every database has room for (PRF-4)."""
    name = require_text(what, value)
    if not is_unicode(name):
        raise InvalidArgumentError(f"{what}: half of a surrogate pair is no text [PRF-4]; give a name in Unicode")
    if not is_name_short(name):
        raise InvalidArgumentError(
            f"{what}: the name is too long [PRF-4]; give one of at most {LONGEST_NAME} characters and 2048 octets"
        )
    return name


def require_new_table_name(name: object, tables: Container[str], dormant: Mapping[str, StoredTable]) -> None:
    """Refuse what cannot be the name of another table (PRF-1, PRF-2)."""
    if not isinstance(name, str):
        raise TypeError(f"a profile table's name is {name!r} [PRF-1]; give a text")
    if not name or "/" in name or not name.isprintable():
        raise InvalidArgumentError(f"a profile table's name is {name!r} [PRF-1]; give a printable text without /")
    if name in tables:
        raise ProfileTableAlreadyExistsError(f"the profile table {name} exists [PRF-2]; take another name")
    if name in dormant:
        what = f"the database holds a table {name} of {dormant[name].specification}"
        raise ProfileTableAlreadyExistsError(f"{what} [PRF-2]; install its bundle, or take another name")


def attribute_condition(table: Table, attribute: object, value: object) -> Comparison:
    """What a search by an attribute asks (PRF-23, PRF-24)."""
    if attribute is None or value is None:
        raise TypeError(f"{table}: a search for {attribute!r} = {value!r} [PRF-23]; None cannot be searched for")
    found = table.descriptor.by_name.get(str(attribute))
    if found is None:
        known = ", ".join(table.descriptor.by_name)
        raise ValueError(f"{table} has no attribute {attribute} [PRF-23]; it has {known}")
    if found.scalar not in SEARCHABLE:
        raise ValueError(f"{table}.{attribute} is {found.kind} [PRF-24]; search by bool, int, float, str or Address")
    if not found.kind.accepts(value):
        raise ValueError(f"{table}.{attribute}: {value!r} is no {found.kind} [PRF-23]; give a value of that type")
    return Comparison(found.name, Operator.EQUAL, (value,))


def query_arguments(table: Table, query: str | Query, arguments: tuple[object, ...]) -> tuple[Query, Arguments]:
    """A static query of the table's specification, with its arguments by parameter (PRF-30)."""
    name = query.name if isinstance(query, Query) else query
    found = table.descriptor.queries.get(name)
    if found is None:
        known = ", ".join(table.descriptor.queries) or "none"
        raise UnrecognizedQueryError(f"{table} has no query {name} [PRF-30]; it has {known}")
    if len(arguments) != len(found.parameters):
        wanted = ", ".join(parameter.name for parameter in found.parameters) or "none"
        raise InvalidArgumentError(f"{table}.{name}: {len(arguments)} arguments [PRF-30]; give {wanted}")
    values: dict[str, object] = {}
    for parameter, value in zip(found.parameters, arguments, strict=True):
        scalar = scalar_type(parameter.annotation)
        if scalar is None or not value_type(scalar).accepts(value):
            raise AttributeTypeMismatchError(
                f"{table}.{name}: {parameter.name} is {value!r} [PRF-30]; give a {getattr(scalar, '__name__', 'value')}"
            )
        values[parameter.name] = value
    return found, values


class TableView(ProfileTable[Any]):
    """The table of one name, looked up at each use: it may be removed, made anew or renamed meanwhile (PRF-2)."""

    __slots__ = ("_committed", "_kernel", "_name", "_tables")

    def __init__(self, kernel: Kernel, tables: Mapping[str, Table], name: str, committed: Committed) -> None:
        self._kernel = kernel
        self._tables = tables
        self._name = name
        self._committed = committed

    def find(self, name: str) -> Any:
        if self._kernel.transaction is None:
            self._transaction("find")
        table = self._tables.get(self._name) or self._require_table()
        if name in table.resident.rows:
            return table.refer(table, name, False)
        require_text(f"{self._name}.find", name)
        return None

    def get(self, name: str) -> Any:
        found = self.find(name)
        if found is None:
            raise UnrecognizedProfileError(f"{self._name}/{name} does not exist [PRF-21]; use find, or create it")
        return found

    def create(self, name: str) -> Any:
        tx = self._transaction("create")
        table = self._require_table()
        require_new_name(f"{self._name}.create", name)
        work = work_of(tx, self._committed)
        work.require_writeable(table, name)
        work.create(table, name)
        return table.refer(table, name, False)

    def remove(self, name: str) -> bool:
        tx = self._transaction("remove")
        table = self._require_table()
        require_text(f"{self._name}.remove", name)
        work = work_of(tx, self._committed)
        work.require_writeable(table, name)
        if name not in table.resident.rows:
            return False
        work.remove(table, name)
        return True

    def find_all(self) -> tuple[Any, ...]:
        self._transaction("find_all")
        table = self._require_table()
        return tuple(table.refer(table, name, False) for name in table.resident.rows)

    def find_all_by(self, attribute: str, value: object) -> tuple[Any, ...]:
        self._transaction("find_all_by")
        table = self._require_table()
        names = search(table.resident, attribute_condition(table, attribute, value))
        return tuple(table.refer(table, name, False) for name in names)

    def find_by(self, attribute: str, value: object) -> Any:
        if self._kernel.transaction is None:
            self._transaction("find_by")
        table = self._tables.get(self._name) or self._require_table()
        index = table.resident.indexes.get(attribute)
        if index is not None and type(value) is index.scalar:  # the shortest way: one look-up
            name = index.any_name(value)
            return None if name is None else table.refer(table, name, False)
        names = search(table.resident, attribute_condition(table, attribute, value), limit=1)
        return table.refer(table, names[0], False) if names else None

    def query(self, query: str | Query, *arguments: object) -> tuple[Any, ...]:
        self._transaction("query")
        table = self._require_table()
        found, values = query_arguments(table, query, arguments)
        names = search(table.resident, found.condition, values, found.max_matches)
        return tuple(table.refer(table, name, found.read_only) for name in names)

    def select(self, condition: Condition) -> tuple[Any, ...]:
        self._transaction("select")
        table = self._require_table()
        require_fitting(self._name, condition, table.descriptor.by_name)
        return tuple(table.refer(table, name, False) for name in search(table.resident, condition))

    def _transaction(self, what: str) -> Transaction:
        tx = self._kernel.transaction
        if tx is None:
            self._kernel.transaction_for(f"{self._name}.{what}", "PRF-21")
            raise TransactionRequiredError(f"{self._name}.{what} [PRF-21]")
        return tx

    def _require_table(self) -> Table:
        table = self._tables.get(self._name)
        if table is None:
            raise UnrecognizedProfileTableError(f"there is no profile table {self._name} [PRF-3]; create it")
        return table


__all__ = [
    "TableView",
    "attribute_condition",
    "query_arguments",
    "require_new_name",
    "require_new_table_name",
    "require_text",
]
