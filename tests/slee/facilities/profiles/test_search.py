"""Every condition gives what a naive scan gives, whatever indexes there are (PRF-24, PRF-29 to PRF-35)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slee import Collation, Condition, Profile, attribute, where
from slee.api.query import And, Comparison, Not, Operator, Or
from slee.facilities.profiles.rows import ResidentRows
from slee.facilities.profiles.search import search
from slee.model.profile import describe_profile


class Sample(Profile, vendor="test", version="1.0"):
    text: str | None = attribute(None, indexed=True)
    caseless: str = attribute("", indexed=True, collation=Collation.CASELESS)
    number: int | None = attribute(None, indexed=True)
    plain_text: str | None = None
    plain_number: int | None = None


DESCRIPTOR = describe_profile(Sample)
TEXTS = ("text", "caseless", "plain_text")
NUMBERS = ("number", "plain_number")
texts = st.text("aAbß", max_size=4)
numbers = st.integers(-2, 2)
rows = st.tuples(st.none() | texts, texts, st.none() | numbers, st.none() | texts, st.none() | numbers)


def comparison(attribute_: str) -> st.SearchStrategy[Condition]:
    terms = where(attribute_)
    values: Any = texts if attribute_ in TEXTS else numbers
    asked = [
        values.map(terms.equals),
        values.map(terms.differs),
        values.map(terms.less),
        values.map(terms.at_most),
        values.map(terms.greater),
        values.map(terms.at_least),
        st.builds(terms.between, values, values),
    ]
    if attribute_ != "caseless":
        asked += [st.just(terms.equals(None)), st.just(terms.differs(None))]
    if attribute_ in TEXTS:
        asked += [values.map(terms.longest_prefix_of), values.map(terms.has_prefix)]
    return st.one_of(asked)


conditions: st.SearchStrategy[Condition] = st.recursive(
    st.one_of([comparison(name) for name in (*TEXTS, *NUMBERS)]),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        inner.map(lambda a: ~a),
    ),
    max_leaves=6,
)


def key(name: str, value: Any) -> Any:
    return value.casefold() if name == "caseless" and value is not None else value


def naive(table: dict[str, tuple[object, ...]], condition: Condition) -> set[str]:
    """What the rules say, word by word."""
    everybody = set(table)
    if isinstance(condition, And):
        return set.intersection(*(naive(table, part) for part in condition.parts))
    if isinstance(condition, Or):
        return set.union(*(naive(table, part) for part in condition.parts))
    if isinstance(condition, Not):
        return everybody - naive(table, condition.part)
    assert isinstance(condition, Comparison)
    name = condition.attribute
    position = DESCRIPTOR.by_name[name].position
    stored: dict[str, Any] = {profile: key(name, row[position]) for profile, row in table.items()}
    first, *rest = (key(name, value) for value in condition.operands)
    known = {profile: value for profile, value in stored.items() if value is not None}
    match condition.operator:
        case Operator.EQUAL:
            return {profile for profile, value in stored.items() if value == first}
        case Operator.DIFFERENT:
            return {profile for profile, value in stored.items() if value != first}
        case Operator.LESS:
            return {profile for profile, value in known.items() if value < first}
        case Operator.AT_MOST:
            return {profile for profile, value in known.items() if value <= first}
        case Operator.GREATER:
            return {profile for profile, value in known.items() if value > first}
        case Operator.AT_LEAST:
            return {profile for profile, value in known.items() if value >= first}
        case Operator.BETWEEN:
            return {profile for profile, value in known.items() if first <= value <= rest[0]}
        case Operator.HAS_PREFIX:
            return {profile for profile, value in known.items() if value.startswith(first)}
        case Operator.LONGEST_PREFIX:
            prefixes = {profile: value for profile, value in known.items() if first.startswith(value)}
            longest = max(map(len, prefixes.values()), default=0)
            return {profile for profile, value in prefixes.items() if len(value) == longest}


changes = st.lists(st.tuples(st.sampled_from("pqrst"), st.none() | rows), max_size=20)


@given(before=changes, warm=st.lists(conditions, max_size=2), after=changes, condition=conditions)
def test_search_gives_what_a_naive_scan_gives(
    before: list[tuple[str, Any]], warm: list[Condition], after: list[tuple[str, Any]], condition: Condition
) -> None:
    table = ResidentRows(DESCRIPTOR)
    for part in (before, after):
        for name, row in part:
            table.put(name, row)
        for asked in (*warm, condition):  # the first makes the order of the indexes, which the changes then keep
            found = search(table, asked)
            assert len(found) == len(set(found))
            assert set(found) == naive(table.rows, asked)
            assert search(table, asked, limit=2) == found[:2]
