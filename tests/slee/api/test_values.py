"""Value types: what annotations of CMP fields mean (CMP-1, CMP-8 to CMP-10)."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Literal, NewType

import msgspec
import pytest

from slee import ActivityContext, SbbID, SbbLocal, TimerID
from slee.api.values import value_type


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


@dataclasses.dataclass(frozen=True)
class Line:
    points: tuple[Point, ...]
    parent: Line | None = None


class Open(msgspec.Struct, frozen=True):
    anything: Any


class Unresolved(msgspec.Struct, frozen=True):
    missing: "Missing"  # noqa: F821  that is the point


class Suit(enum.Enum):
    HEARTS = 1


Metres = NewType("Metres", int)


@pytest.mark.parametrize(
    ("annotation", "zero"),
    [
        (bool, False),
        (int, 0),
        (float, 0.0),
        (str, ""),
        (bytes, b""),
        (tuple[int, ...], ()),
        (frozenset[str], frozenset()),
        (int | None, None),
        (None, None),
        (Metres, 0),
    ],
)
def test_zero_values(annotation: Any, zero: object) -> None:
    kind = value_type(annotation)
    assert kind.has_zero
    assert kind.zero == zero
    assert kind.accepts(zero)


@pytest.mark.parametrize("annotation", [Point, Suit, tuple[int, str], TimerID, SbbID, ActivityContext, int | str])
def test_types_without_zero_value(annotation: Any) -> None:
    assert not value_type(annotation).has_zero


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (int, [0, -(2**63), 2**63 - 1], [2**63, True, 1.0, "1"]),
        (float, [0.5, 3], [True, "1"]),
        (bool, [True], [1, None]),
        (str, ["x"], [b"x", None]),
        (tuple[int, str], [(1, "x")], [(1,), ("x", 1), [1, "x"], (1, "x", 2)]),
        (tuple[int, ...], [(), (1, 2)], [(1, "x"), [1]]),
        (frozenset[int], [frozenset({1})], [{1}, frozenset({"x"})]),
        (int | str, [1, "x"], [None, 1.5]),
        (Literal["a", "b"], ["a"], ["c", b"a"]),
        (Suit, [Suit.HEARTS], [1, "HEARTS"]),
        (Point, [Point(1)], [Point("x"), (1, 2), Line(())]),
        (Line, [Line((Point(1),), Line(()))], [Line([Point(1)]), Line((), Point(1))]),
        (TimerID, [TimerID("x")], ["x"]),
        (SbbLocal[Any], [], ["no entity"]),
    ],
    ids=str,
)
def test_a_value_belongs_to_its_type_or_not(annotation: Any, good: list[object], bad: list[object]) -> None:
    kind = value_type(annotation)
    assert [value for value in good if not kind.accepts(value)] == []
    assert [value for value in bad if kind.accepts(value)] == []


@pytest.mark.parametrize("annotation", [bool, str, bytes, float, int | None, str | None])
def test_the_exact_classes_accept_whatever_the_value(annotation: Any) -> None:
    kind = value_type(annotation)
    for cls in kind.exact:
        assert kind.accepts(cls() if cls is not type(None) else None)


REFUSED = [list[int], dict[str, int], set[str], bytearray, Any, object, SbbLocal, Open, tuple[set[int], ...]]


@pytest.mark.parametrize("annotation", REFUSED)
def test_mutable_and_open_types_are_refused(annotation: Any) -> None:
    with pytest.raises(TypeError):
        value_type(annotation)


def test_a_name_that_does_not_resolve_is_told_apart() -> None:
    with pytest.raises(NameError, match="Missing"):
        value_type(Unresolved)


def test_references_are_known() -> None:
    assert value_type(ActivityContext).is_reference
    assert value_type(ActivityContext | None).is_reference
    assert not value_type(tuple[ActivityContext, ...]).is_reference


def test_the_text_names_the_type() -> None:
    assert str(value_type(int | None)) == "int | None"
    assert str(value_type(tuple[int, ...])) == "tuple[int, ...]"
    assert str(value_type(Point)) == "Point"
