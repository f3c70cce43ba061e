"""Which profiles meet a condition: by an index where one answers, by looking at every row where none does."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from slee.api.query import And, Comparison, Condition, Not, Operator, Or, Parameter
from slee.facilities.profiles.index import Index, key_of

if TYPE_CHECKING:
    from slee.facilities.profiles.rows import ResidentRows
    from slee.model.profile import Row

_Test = Callable[["Row"], bool]
Arguments = Mapping[str, object]
_NO_ARGUMENTS: Final[Arguments] = {}
_ORDER: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def search(
    table: ResidentRows, condition: Condition, arguments: Arguments = _NO_ARGUMENTS, limit: int | None = None
) -> tuple[str, ...]:
    """Names of the profiles that meet the condition; at most `limit`.

    Args:
        table: the rows.
        condition: judged before, so that every comparison fits its attribute.
        arguments: values of the parameters in the condition.
        limit: most names to give.
    """
    names = _by_index(table, condition, arguments)
    if names is None:
        test = _test(table, condition, arguments)
        names = (name for name, row in table.rows.items() if test(row))
    return tuple(names if limit is None else islice(names, limit))


def _values(part: Comparison, arguments: Arguments) -> tuple[Any, ...]:
    return tuple(arguments[value.name] if isinstance(value, Parameter) else value for value in part.operands)


def _by_index(table: ResidentRows, condition: Condition, arguments: Arguments) -> Iterable[str] | None:
    """The names by the indexes, each once; `None` if the indexes do not answer."""
    if isinstance(condition, Comparison):
        index = table.indexes.get(condition.attribute)
        return None if index is None else _in_index(index, condition.operator, _values(condition, arguments))
    if isinstance(condition, Or):
        found = [_by_index(table, part, arguments) for part in condition.parts]
        if any(names is None for names in found):
            return None
        return dict.fromkeys(name for names in found if names is not None for name in names)
    if isinstance(condition, And):
        for part in sorted(condition.parts, key=_selectivity):
            names = _by_index(table, part, arguments)
            if names is not None:
                others = tuple(other for other in condition.parts if other is not part)
                return _filtered(table, names, [_test(table, other, arguments) for other in others])
    return None


def _selectivity(condition: Condition) -> int:
    """What is asked of an index first."""
    exact = (Operator.EQUAL, Operator.LONGEST_PREFIX)
    return 0 if isinstance(condition, Comparison) and condition.operator in exact else 1


def _filtered(table: ResidentRows, names: Iterable[str], tests: list[_Test]) -> Iterator[str]:
    rows = table.rows
    return (name for name in names if all(test(rows[name]) for test in tests))


def _in_index(index: Index, asked: Operator, values: tuple[Any, ...]) -> Iterable[str] | None:
    first = values[0]
    if asked is Operator.EQUAL:
        return None if first is None else index.names(first)
    if asked is Operator.LONGEST_PREFIX:
        key = index.longest_prefix(first)
        return () if key is None else index.names_of_key(key)
    if asked is Operator.HAS_PREFIX:
        return index.names_with_prefix(first)
    if asked is Operator.BETWEEN:
        return index.names_between(first, values[1])
    if asked in (Operator.LESS, Operator.AT_MOST):
        return index.names_between(high=first, with_high=asked is Operator.AT_MOST)
    if asked in (Operator.GREATER, Operator.AT_LEAST):
        return index.names_between(low=first, with_low=asked is Operator.AT_LEAST)
    return None


def _test(table: ResidentRows, condition: Condition, arguments: Arguments) -> _Test:
    """The condition as a function of a row."""
    if isinstance(condition, And):
        tests = [_test(table, part, arguments) for part in condition.parts]
        return lambda row: all(test(row) for test in tests)
    if isinstance(condition, Or):
        tests = [_test(table, part, arguments) for part in condition.parts]
        return lambda row: any(test(row) for test in tests)
    if isinstance(condition, Not):
        inner = _test(table, condition.part, arguments)
        return lambda row: not inner(row)
    assert isinstance(condition, Comparison)
    return _comparison(table, condition, _values(condition, arguments))


def _comparison(table: ResidentRows, part: Comparison, values: tuple[Any, ...]) -> _Test:
    """One comparison as a function of a row; a value that is `None` or of no declared type meets no order or prefix."""
    attribute = table.descriptor.by_name[part.attribute]
    position, accepts, key = attribute.position, attribute.kind.accepts, key_of(attribute)
    keys = [None if value is None else key(value) for value in values]
    if part.operator is Operator.LONGEST_PREFIX:
        keys = [_longest_prefix(table, part.attribute, values[0])]
        if keys[0] is None:
            return lambda _row: False
    compare = _comparer(part.operator, keys)

    def test(row: Row) -> bool:
        value = row[position]
        return compare(key(value)) if value is not None and accepts(value) else value is keys[0] is None

    if part.operator is Operator.DIFFERENT:
        return lambda row: not test(row)
    return test


def _comparer(asked: Operator, keys: list[Any]) -> Callable[[Any], bool]:
    first = keys[0]
    if asked is Operator.HAS_PREFIX:
        return lambda key: key.startswith(first)
    if asked is Operator.BETWEEN:
        return lambda key: first <= key <= keys[1]
    if asked in _ORDER:
        compare = _ORDER[asked]
        return lambda key: compare(key, first)
    return lambda key: key == first


def _longest_prefix(table: ResidentRows, name: str, text: str) -> str | None:
    """The key of the longest stored value that the text begins with."""
    index = table.indexes.get(name)
    if index is not None:
        return index.longest_prefix(text)
    attribute = table.descriptor.by_name[name]
    position, key = attribute.position, key_of(attribute)
    text = key(text)
    best: str | None = None
    for row in table.rows.values():
        value = row[position]
        if not isinstance(value, str):
            continue
        stored: str = key(value)
        if (best is None or len(stored) > len(best)) and text.startswith(stored):
            best = stored
    return best


__all__ = ["Arguments", "search"]
