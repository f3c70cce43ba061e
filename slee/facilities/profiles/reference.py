"""References to profiles: what an SBB holds (PRF-25 to PRF-28).

The references of a specification have a class of their own, derived from the specification's: whatever type checkers
know of a profile holds for its reference. An attribute is read from the resident row; an instance is made only if the
specification has callbacks, or a business method is called.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, cast

from slee.api.errors import ReadOnlyProfileError, TransactionRequiredError
from slee.api.profile import Attribute, Profile
from slee.facilities.profiles.work import ProfileWork

if TYPE_CHECKING:
    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer
    from slee.api.usage import UsageParameters
    from slee.facilities.profiles.table import Table
    from slee.facilities.profiles.work import Committed
    from slee.kernel.transaction import Transaction
    from slee.model.profile import ProfileDescriptor


Referrer = Callable[["Table", str, bool], Any]
"""Makes a reference to a profile of a table; the last argument locks it against writes."""


def work_of(tx: Transaction, committed: Committed) -> ProfileWork:
    """What the transaction does with profiles; begun with the first call."""
    work = tx.profiles
    return work if isinstance(work, ProfileWork) else ProfileWork(tx, committed)


class ReferenceAttribute:
    """An attribute as references offer it: read from and written to the resident row."""

    __slots__ = ("_attribute", "_committed", "_name", "_position")

    def __init__(self, attribute: Attribute, committed: Committed) -> None:
        self._attribute = attribute
        self._name = attribute.name
        self._position = attribute.position
        self._committed = committed

    def __get__(self, ref: Any, owner: type) -> object:
        if ref is None:
            return self._attribute
        table: Table = ref._table
        tx = table.kernel.transaction
        if tx is None:
            _require_transaction(table, ref._name, self._name)
        if table.enters:
            work_of(tx, self._committed).use(table, ref._name)
        row = table.resident.rows.get(ref._name)
        return (table.row(ref._name) if row is None else row)[self._position]

    def __set__(self, ref: Any, value: object) -> None:
        table: Table = ref._table
        tx = table.kernel.transaction
        if tx is None:
            _require_transaction(table, ref._name, self._name)
        if ref._locked:
            raise ReadOnlyProfileError(f"{ref!r} comes from a read-only query [PRF-31]; find it anew to write")
        work = work_of(tx, self._committed)
        if table.enters:
            work.use(table, ref._name)
        work.write(table, ref._name, self._attribute, value)


def _require_transaction(table: Table, name: str, what: str) -> NoReturn:
    table.kernel.transaction_for(f"{table}/{name}: {what}", "PRF-25")
    raise TransactionRequiredError(f"{table}/{name}: {what} [PRF-25]")


def _method(
    name: str, function: Callable[..., Any], raises: tuple[type[Exception], ...], committed: Committed
) -> Callable[..., Any]:
    """A business method as references offer it (PRF-26)."""

    def call(ref: Any, *args: Any, **kwargs: Any) -> Any:
        table: Table = ref._table
        tx = table.kernel.transaction
        if tx is None:
            _require_transaction(table, ref._name, name)
        work = work_of(tx, committed)
        use = work.use(table, ref._name)
        use.locked += ref._locked
        try:
            return work.call(use, function, raises, args, kwargs)
        finally:
            use.locked -= ref._locked

    return call


def reference_class(descriptor: ProfileDescriptor, committed: Committed) -> type[Profile]:
    """The class of the references of one specification in one kernel."""

    def remove(ref: Any) -> None:
        _remove(ref, committed)

    cls = descriptor.cls
    namespace: dict[str, Any] = {
        "__slots__": ("_locked", "_name", "_table"),
        "__module__": cls.__module__,
        "__doc__": cls.__doc__,
        "__init__": _no_constructor,
        "__eq__": _equals,
        "__hash__": _hash,
        "__repr__": _show,
        "__setattr__": _refuse_unknown,
        "__dict__": property(_no_dictionary),
        "profile_table": property(lambda ref: ref._table.name),
        "profile_name": property(lambda ref: ref._name),
        "is_valid": property(_is_valid),
        "slee_refers": True,
        "slee_place": _place,
        "tracer": property(_tracer),
        "alarms": property(_alarms),
        "is_rollback_only": property(_is_rollback_only),
        "set_rollback_only": _set_rollback_only,
        "remove": remove,
    }
    for attribute in descriptor.attributes:
        namespace[attribute.name] = ReferenceAttribute(attribute, committed)
    if descriptor.counts_as:
        namespace[descriptor.counts_as] = property(_usage)
    for name, raises in descriptor.methods.items():
        namespace[name] = _method(name, getattr(cls, name), raises, committed)
    made = types.new_class(cls.__name__, (cls,), {"twin": True}, lambda body: body.update(namespace))
    return cast("type[Profile]", made)


def referrer(reference: Any) -> Referrer:
    """A function that makes references of that class; its slots are bound once, for they are made on every look-up."""
    set_table = reference._table.__set__
    set_name = reference._name.__set__
    set_locked = reference._locked.__set__
    new = object.__new__

    def refer(table: Table, name: str, locked: bool) -> Any:
        made = new(reference)
        set_table(made, table)
        set_name(made, name)
        set_locked(made, locked)
        return made

    return refer


def _no_constructor(ref: object) -> NoReturn:
    raise TypeError(f"{type(ref).__name__} is not made by a call [PRF-21]; create it in its table")


def _no_dictionary(ref: object) -> NoReturn:
    raise AttributeError(f"{ref!r} has no __dict__")


def _equals(ref: Any, other: Any) -> bool:
    return type(other) is type(ref) and other._name == ref._name and other._table is ref._table


def _hash(ref: Any) -> int:
    return hash((ref._table, ref._name))


def _show(ref: Any) -> str:
    return f"{ref._table.name}/{ref._name}"


def _refuse_unknown(ref: Any, name: str, value: object) -> None:
    cls = cast("type[Profile]", type(ref))
    found: object = vars(cls).get(name)
    if not isinstance(found, ReferenceAttribute):
        raise AttributeError(f"{ref!r} has no attribute {name} [PRF-25]; declare it on {cls.__name__}")
    found.__set__(ref, value)


def _is_valid(ref: Any) -> bool:
    table: Table = ref._table
    return not table.removed and ref._name in table.resident.rows


def _place(ref: Any) -> tuple[str, str, bool]:
    return ref._table.name, ref._name, bool(ref._locked)


def _tracer(ref: Any) -> Tracer:
    return cast("Table", ref._table).facilities.tracer


def _alarms(ref: Any) -> AlarmFacility:
    return cast("Table", ref._table).facilities.alarms


def _usage(ref: Any) -> UsageParameters:
    return cast("Table", ref._table).usage()


def _transaction(ref: Any, what: str) -> Transaction:
    table: Table = ref._table
    return table.kernel.transaction_for(f"{ref!r}: {what}", "PRF-25")


def _is_rollback_only(ref: Any) -> bool:
    return _transaction(ref, "is_rollback_only").marked


def _set_rollback_only(ref: Any) -> None:
    _transaction(ref, "set_rollback_only").marked = True


def _remove(ref: Any, committed: Committed) -> None:
    tx = _transaction(ref, "remove")
    if ref._locked:
        raise ReadOnlyProfileError(f"{ref!r} comes from a read-only query [PRF-31]; find it anew to remove it")
    work_of(tx, committed).remove(ref._table, ref._name)


__all__ = ["ReferenceAttribute", "Referrer", "reference_class", "referrer", "work_of"]
