"""Queries over profiles (PRF-29 to PRF-35)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import Collation, Condition, Profile, attribute, query, where
from slee.api.errors import (
    AttributeTypeMismatchError,
    ComponentDefinitionError,
    InvalidArgumentError,
    ReadOnlyProfileError,
    UnrecognizedAttributeError,
    UnrecognizedQueryError,
)
from slee.api.query import Terms
from tests.conformance.profile_kit import Plain, Tables

pytestmark = pytest.mark.usefixtures("followed")


def people(world: Tables) -> None:
    for name, city, age in (("alice", "here", 1), ("bob", "here", 2), ("carol", "there", 3), ("dave", "there", 4)):
        world.add("Plain", name, city=city, age=age, number=name if age < 4 else None)


def found(world: Tables, condition: Condition) -> str:
    return " ".join(sorted(world.profiles.select("Plain", condition)))


def test_prf_29_every_operator_and_their_joints() -> None:
    with Tables() as world:
        people(world)
        age, city, number = where("age"), where("city"), where("number")
        assert found(world, age.equals(2)) == "bob"
        assert found(world, age.differs(2)) == "alice carol dave"
        assert found(world, age.less(2)) == "alice"
        assert found(world, age.at_most(2)) == "alice bob"
        assert found(world, age.greater(2)) == "carol dave"
        assert found(world, age.at_least(2)) == "bob carol dave"
        assert found(world, age.between(2, 3)) == "bob carol"
        assert found(world, city.equals("here") & age.greater(1)) == "bob"
        assert found(world, city.equals("here") | age.greater(3)) == "alice bob dave"
        assert found(world, ~city.equals("here")) == "carol dave"
        assert found(world, number.equals(None)) == "dave"
        assert found(world, number.differs(None)) == "alice bob carol"
        assert found(world, number.less("b")) == "alice"
        assert found(world, city.has_prefix("the") & ~age.equals(3)) == "dave"
        assert {p.profile_name for p in world.use(lambda sbb: sbb.plain.query("of_city", "here"))} == {"alice", "bob"}
        assert world.profiles.query("Plain", Plain.in_age, 4, 9) == ("dave",)


def test_prf_29_what_cannot_be_asked_is_told_at_class_creation() -> None:
    def declare(build: Any) -> None:
        class Wrong(Profile, vendor="test", version="1.0"):
            text: str = ""
            number: int = 0
            pair: tuple[int, ...] = ()
            asked = build

    def unknown(self: Any, value: str) -> Condition:
        return where(self.none).equals(value)

    def unfit(self: Any, value: int) -> Condition:
        return where(self.number).has_prefix(value)

    def structured(self: Any, value: tuple[int, ...]) -> Condition:
        return where(self.pair).equals(value)

    def other_type(self: Any, value: int) -> Condition:
        return where(self.text).equals(value)

    def other_value(self: Any) -> Condition:
        return where(self.text).equals(1)

    def unused(self: Any, value: str, more: str) -> Condition:
        return where(self.text).equals(value)

    def untyped(self: Any, value) -> Condition:
        return where(self.text).equals(value)

    for method in (unknown, unfit, structured, other_type, other_value, unused, untyped):
        with pytest.raises(ComponentDefinitionError, match="PRF-29"):
            declare(query(method))


def test_prf_30_unfit_calls_of_a_static_query() -> None:
    with Tables() as world:

        def act(sbb: Any) -> None:
            for arguments in ((), ("a", "b")):
                with pytest.raises(InvalidArgumentError, match="PRF-30"):
                    sbb.plain.query("of_city", *arguments)
            for value in (1, None, True):
                with pytest.raises(AttributeTypeMismatchError, match="PRF-30"):
                    sbb.plain.query("of_city", value)
            with pytest.raises(UnrecognizedQueryError, match="PRF-30"):
                sbb.plain.query("none")

        world.use(act)


def test_prf_31_a_query_is_bounded_and_may_give_read_only_profiles() -> None:
    with Tables() as world:
        people(world)

        for name in ("age", "remove"):

            def refuse(sbb: Any, name: str = name) -> None:
                first, second = sbb.plain.query("grown", 1)
                with pytest.raises(ReadOnlyProfileError, match="PRF-31"):
                    first.remove() if name == "remove" else setattr(second, name, 9)
                sbb.plain.get(first.profile_name).age = 9
                assert first.age == 9

            world.use(refuse)
        for most in (0, -1):
            with pytest.raises(ComponentDefinitionError, match="PRF-31"):

                class Bad(Profile, vendor="test", version="1.0"):
                    text: str = ""

                    @query(max_matches=most)
                    def all(self) -> Condition:
                        return where(self.text).equals("")


def test_prf_32_a_dynamic_query_is_judged_before_anything_is_read() -> None:
    with Tables() as world:
        people(world)
        with pytest.raises(UnrecognizedAttributeError, match="PRF-32"):
            found(world, where("city").equals("here") & where("none").equals(1))
        for condition in (
            where("age").equals("1"),
            where("age").less(None),
            where("age").between(1, "2"),
            where("age").has_prefix("1"),
            where("city").longest_prefix_of(1),
            where("vip").less(True),
            where("tags").equals(()),
        ):
            with pytest.raises(AttributeTypeMismatchError, match="PRF-32"):
                found(world, condition)
        assert world.use(lambda sbb: [p.profile_name for p in sbb.plain.select(where("age").equals(2))]) == ["bob"]


class Indexed(Profile, vendor="test", version="1.0"):
    prefix: str = attribute("", indexed=True)
    caseless: str = attribute("", unique=True, collation=Collation.CASELESS)

    @query
    def route(self, number: str) -> Condition:
        return where(self.prefix).longest_prefix_of(number)


class Scanned(Profile, vendor="test", version="1.0"):
    prefix: str = ""
    caseless: str = attribute("", collation=Collation.CASELESS)


@pytest.mark.parametrize("specification", [Indexed, Scanned])
def test_prf_33_the_longest_stored_prefix_is_selected(specification: type[Profile]) -> None:
    with Tables() as world:
        world.profiles.provide(specification, "routes")
        for prefix in ("1", "12", "123", "1234", "124"):
            world.add("routes", f"to {prefix}", prefix=prefix, caseless=prefix)
        for number, prefix in {
            "1653333": "1",
            "1256999": "12",
            "1238764": "123",
            "1234567": "1234",
            "1247123": "124",
        }.items():
            assert world.profiles.select("routes", where("prefix").longest_prefix_of(number)) == (f"to {prefix}",)
        assert world.profiles.select("routes", where("prefix").longest_prefix_of("987654")) == ()
        world.profiles.remove("routes", "to 123")
        assert world.profiles.select("routes", where("prefix").longest_prefix_of("1238764")) == ("to 12",)


@pytest.mark.parametrize("specification", [Indexed, Scanned])
def test_prf_34_has_prefix_and_range(specification: type[Profile]) -> None:
    with Tables() as world:
        world.profiles.provide(specification, "routes")
        for prefix in ("a", "ab", "abc", "b"):
            world.add("routes", prefix, prefix=prefix, caseless=prefix)

        def select(condition: Condition) -> list[str]:
            return sorted(world.profiles.select("routes", condition))

        term: Terms = where("prefix")
        assert select(term.has_prefix("ab")) == ["ab", "abc"]
        assert select(term.has_prefix("")) == ["a", "ab", "abc", "b"]
        assert select(term.between("ab", "b")) == ["ab", "abc", "b"]
        assert select(term.between("b", "a")) == []


@pytest.mark.parametrize("specification", [Indexed, Scanned])
def test_prf_35_a_collation_governs_every_comparison(specification: type[Profile]) -> None:
    with Tables() as world:
        world.profiles.provide(specification, "routes")
        for text in ("Ab", "b", "STRASSE"):
            world.add("routes", text, caseless=text)
        term = where("caseless")
        for condition, expected in (
            (term.equals("aB"), {"Ab"}),
            (term.equals("straße"), {"STRASSE"}),
            (term.less("B"), {"Ab"}),
            (term.between("AB", "B"), {"Ab", "b"}),
            (term.has_prefix("A"), {"Ab"}),
            (term.longest_prefix_of("ABBA"), {"Ab"}),
        ):
            assert set(world.profiles.select("routes", condition)) == expected
        assert world.profiles.find_by("routes", "caseless", "AB") == ("Ab",)
        if specification is Indexed:
            with pytest.raises(Exception, match="PRF-18"):
                world.add("routes", "other", caseless="AB")
        assert world.profiles.select("routes", where("prefix").equals("x")) == ()
