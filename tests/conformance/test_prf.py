"""Profile tables and their provisioning (PRF-1 to PRF-20)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import Address, AddressPlan, CreateError, Profile, ProfileID, attribute
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidArgumentError,
    InvalidStateError,
    ProfileAlreadyExistsError,
    ProfileTableAlreadyExistsError,
    ProfileVerificationError,
    ReadOnlyProfileError,
    TransactionRolledBackError,
    UniqueAttributeViolationError,
    UnrecognizedAttributeError,
    UnrecognizedProfileSpecificationError,
    UnrecognizedProfileTableError,
)
from slee.api.ids import ProfileSpecificationID
from slee.facilities.profiles.session import SESSION, SessionState
from tests.conformance.kit import Boom, boom
from tests.conformance.profile_kit import ACTS, CALLS, Fixed, Plain, Tables, Traced

pytestmark = pytest.mark.usefixtures("followed")

PLAIN = Plain.specification_id


def test_prf_1_a_table_needs_a_name_and_an_installed_specification() -> None:
    with Tables() as world:
        before = world.profiles.tables()
        for name in ("", "a/b", "/", "\udcff"):
            with pytest.raises(InvalidArgumentError, match="PRF-1"):
                world.profiles.create_table(name, PLAIN)
        with pytest.raises(TypeError, match="PRF-1"):
            world.profiles.create_table(None, PLAIN)
        with pytest.raises(UnrecognizedProfileSpecificationError):
            world.profiles.create_table("new", ProfileSpecificationID("None", "test", "1.0"))
        assert world.profiles.tables() == before


def test_prf_2_a_name_in_use_is_refused_and_a_renamed_table_keeps_all() -> None:
    with Tables() as world:
        world.add("Plain", "alice", age=7)
        world.change("Plain", None, age=3)
        with pytest.raises(ProfileTableAlreadyExistsError):
            world.profiles.create_table("Plain", PLAIN)
        with pytest.raises(ProfileTableAlreadyExistsError):
            world.profiles.rename_table("Plain", "Fixed")
        assert world.values("Plain", "alice")["age"] == 7
        world.profiles.rename_table("Plain", "People")
        assert world.values("People", "alice")["age"] == 7
        assert world.values("People", None)["age"] == 3
        with pytest.raises(UnrecognizedProfileTableError):
            world.values("Plain", "alice")
        world.profiles.rename_table("People", "Plain")
        assert world.use(lambda sbb: sbb.plain.get("alice").profile_table) == "Plain"


def test_prf_3_tables_are_named_exactly() -> None:
    with Tables() as world:
        world.profiles.create_table("plain", PLAIN)
        assert sorted(world.profiles.tables()) == ["Again", "Fixed", "Plain", "Traced", "plain"]
        assert world.profiles.tables(PLAIN) == ("Plain", "plain")
        for use in (
            lambda: world.profiles.remove_table("PLAIN"),
            lambda: world.profiles.rename_table("PLAIN", "x"),
            lambda: world.profiles.profiles("PLAIN"),
        ):
            with pytest.raises(UnrecognizedProfileTableError):
                use()
        with pytest.raises(UnrecognizedProfileSpecificationError):
            world.profiles.tables(ProfileSpecificationID("Plain", "test", "2.0"))
        world.profiles.remove_table("plain")
        assert world.profiles.tables(PLAIN) == ("Plain",)


def test_prf_4_a_name_that_a_database_has_no_room_for_is_refused() -> None:
    with Tables() as world:
        for name in ("x" * 1024, "\u4e2d" * 682, "\0" * 292):
            world.add("Plain", name)
        for name in ("x" * 1025, "\u4e2d" * 683, "\0" * 293):
            with pytest.raises(InvalidArgumentError, match="too long .PRF-4."):
                world.profiles.create("Plain", name)

            def act(sbb: Any, name: str = name) -> None:
                with pytest.raises(InvalidArgumentError, match=r"too long .PRF-4."):
                    sbb.plain.create(name)

            world.use(act)


def test_prf_4_a_name_that_is_no_unicode_is_refused() -> None:
    """SIP brings octets that are no UTF-8 as halves of surrogate pairs, which nothing can store or show."""
    with Tables() as world:
        with pytest.raises(InvalidArgumentError, match=r"half of a surrogate pair is no text .PRF-4."):
            world.profiles.create("Plain", "a\udcff")
        assert world.profiles.profiles("Plain") == ()


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("city", "\udcff"), ("tags", ("a", "\ud800")), ("home", Address(AddressPlan.SIP, "\udcff"))],
)
def test_prf_17_a_text_that_is_no_unicode_is_refused(attribute: str, value: object) -> None:
    with Tables() as world:
        with pytest.raises(
            ProfileVerificationError, match=rf"Plain/a\.{attribute}: half of a surrogate pair is no text"
        ):
            world.add("Plain", "a", **{attribute: value})
        world.add("Plain", "b", city="é\0")


def test_prf_4_an_id_is_table_and_name_with_the_first_slash_between() -> None:
    one = ProfileID("t", "a/b/c")
    assert ProfileID.parse(str(one)) == one
    assert hash(one) == hash(ProfileID("t", "a/b/c"))
    assert one not in (ProfileID("t", "a"), ProfileID("u", "a/b/c"))
    for text in ("t/", "t", "", "/x"):
        with pytest.raises(InvalidArgumentError):
            ProfileID.parse(text)
    for part in ("table", "profile"):
        with pytest.raises(AttributeError):
            setattr(one, part, "u")
    with Tables() as world, pytest.raises(InvalidArgumentError, match="PRF-4"):
        world.profiles.create("Plain", "")


def test_prf_5_a_profile_that_exists_is_not_created_anew() -> None:
    with Tables() as world:
        world.add("Plain", "alice", age=7)
        with pytest.raises(ProfileAlreadyExistsError):
            world.profiles.create("Plain", "alice")

        def act(sbb: Any) -> None:
            with pytest.raises(ProfileAlreadyExistsError):
                sbb.plain.create("alice")
            assert not sbb.is_rollback_only
            sbb.plain.create("bob")

        world.use(act)
        assert world.profiles.profiles("Plain") == ("alice", "bob")
        assert world.values("Plain", "alice")["age"] == 7


def test_prf_6_a_new_table_makes_its_default_profile_on_one_instance() -> None:
    with Tables() as world:
        seen: list[object] = []
        for callback in ("initialize", "post_create", "store", "verify"):
            ACTS[callback] = seen.append
        ACTS["initialize"] = lambda profile: (seen.append(profile), setattr(profile, "number", 5))
        world.profiles.create_table("more", Traced.specification_id)
        assert CALLS == ["initialize", "post_create", "store", "verify", "passivate"]
        assert len(set(map(id, seen))) == 1
        assert world.values("more", None) == {"number": 5}


@pytest.mark.parametrize("callback", ["initialize", "post_create", "store", "verify"])
def test_prf_6_a_callback_that_raises_leaves_no_table(callback: str) -> None:
    with Tables() as world:
        ACTS[callback] = boom
        with pytest.raises((CreateError, TransactionRolledBackError)):
            world.profiles.create_table("more", Traced.specification_id)
        assert "more" not in world.profiles.tables()
        del ACTS[callback]
        world.profiles.create_table("more", Traced.specification_id)


def test_prf_7_the_default_profile_is_in_no_listing() -> None:
    with Tables() as world:
        world.change("Plain", None, city="here", number="1")
        assert world.profiles.profiles("Plain") == ()
        assert world.profiles.find_by("Plain", "city", "here") == ()
        assert world.use(lambda sbb: (sbb.plain.find_all(), sbb.plain.find_by("number", "1"))) == ((), None)
        world.add("Plain", "alice", number="1")
        world.change("Plain", None, number=None)
        with pytest.raises(UniqueAttributeViolationError):
            world.add("Plain", "bob", number="1")


def test_prf_8_management_edits_the_default_profile_and_no_other_changes() -> None:
    with Tables() as world:
        world.add("Plain", "alice")
        world.change("Plain", None, age=40)
        assert world.values("Plain", None)["age"] == 40
        assert world.values("Plain", "alice")["age"] == 0


def test_prf_9_a_new_profile_starts_from_the_default_as_committed() -> None:
    with Tables() as world:
        world.change("Traced", None, number=4)
        CALLS.clear()
        session = world.profiles.create("Traced", "one")
        assert CALLS[0] == "post_create"
        assert "initialize" not in CALLS
        world.change("Traced", None, number=5)
        session.commit()
        assert world.values("Traced", "one") == {"number": 4}
        assert world.use(lambda sbb: sbb.traced.create("two").number) == 5


def test_prf_10_a_creation_that_raises_leaves_no_profile() -> None:
    with Tables() as world:
        ACTS["post_create"] = boom
        with pytest.raises(CreateError) as caught:
            world.profiles.create("Traced", "one")
        assert isinstance(caught.value.__cause__, Boom)

        def act(sbb: Any) -> None:
            with pytest.raises(CreateError) as caught:
                sbb.traced.create("one")
            assert isinstance(caught.value.__cause__, Boom)
            assert sbb.traced.find("one") is None

        world.use(act)
        assert world.profiles.profiles("Traced") == ()


def test_prf_11_a_new_profile_is_invisible_until_its_commit() -> None:
    with Tables() as world:
        session = world.profiles.create("Plain", "alice")
        session.set("city", "here")
        assert (session.is_writeable, session.is_dirty) == (True, True)
        assert world.profiles.profiles("Plain") == ()
        assert world.profiles.find_by("Plain", "city", "here") == ()
        assert world.use(lambda sbb: sbb.plain.find("alice")) is None
        session.commit()
        assert world.profiles.profiles("Plain") == ("alice",)
        other = world.profiles.create("Plain", "bob")
        other.restore()
        assert world.profiles.profiles("Plain") == ("alice",)
        with pytest.raises(InvalidStateError):
            other.get("age")


def test_prf_11_of_two_sessions_for_one_name_the_second_fails() -> None:
    with Tables() as world:
        one, two = world.profiles.create("Plain", "alice"), world.profiles.create("Plain", "alice")
        one.commit()
        with pytest.raises(ProfileAlreadyExistsError):
            two.commit()
        assert two.is_dirty


def test_prf_12_writeable_and_dirty_are_told_exactly() -> None:
    with Tables() as world:
        world.add("Plain", "alice")
        session = world.profiles.edit("Plain", "alice")
        assert (session.is_writeable, session.is_dirty) == (False, False)
        session.edit()
        session.edit()
        assert (session.is_writeable, session.is_dirty) == (True, False)
        session.set("age", 0)
        assert (session.is_writeable, session.is_dirty) == (True, True)
        session.edit()
        assert session.is_dirty
        session.commit()
        assert (session.is_writeable, session.is_dirty) == (False, False)


def test_prf_13_what_the_state_of_a_session_refuses() -> None:
    with Tables() as world:
        world.add("Plain", "alice")
        session = world.profiles.edit("Plain", "alice")
        for call in (session.commit, session.restore):
            with pytest.raises(InvalidStateError, match="PRF-13"):
                call()
        session.edit()
        session.set("age", 9)
        with pytest.raises(InvalidStateError, match="PRF-13"):
            session.close()
        assert session.get("age") == 9
        session.commit()
        session.close()
        for call in (session.edit, session.commit, session.restore, session.close, lambda: session.set("age", 1)):
            with pytest.raises(InvalidStateError, match="PRF-13"):
                call()
        assert {state for state, _ in SESSION} == set(SessionState) - {SessionState.CLOSED}


def test_prf_14_a_read_only_session_refuses_writes() -> None:
    with Tables() as world:
        world.add("Plain", "alice")
        session = world.profiles.edit("Plain", "alice")
        with pytest.raises(ReadOnlyProfileError, match="PRF-14"):
            session.set("age", 9)
        assert session.get("age") == world.values("Plain", "alice")["age"] == 0
        session.edit()
        with pytest.raises(UnrecognizedAttributeError):
            session.set("none", 9)


def test_prf_15_restore_brings_back_and_commit_shows_to_all() -> None:
    with Tables() as world:
        world.add("Plain", "alice", age=1)
        session, other = world.profiles.edit("Plain", "alice"), world.profiles.edit("Plain", "alice")
        session.edit()
        session.set("age", 2)
        assert other.get("age") == 1
        session.restore()
        assert (session.get("age"), session.is_writeable, session.is_dirty) == (1, False, False)
        session.edit()
        session.set("age", 3)
        session.commit()
        assert session.get("age") == other.get("age") == world.use(lambda sbb: sbb.plain.get("alice").age) == 3


def test_prf_16_a_commit_stores_then_verifies_and_a_refusal_keeps_the_session() -> None:
    with Tables() as world:
        world.add("Traced", "one", number=1)
        CALLS.clear()
        session = world.profiles.edit("Traced", "one")
        session.edit()
        session.set("number", -1)
        with pytest.raises(ProfileVerificationError, match="negative"):
            session.commit()
        assert CALLS == ["activate", "load", "store", "verify", "passivate"]
        assert (session.is_writeable, session.is_dirty, session.get("number")) == (True, True, -1)
        assert world.values("Traced", "one") == {"number": 1}
        session.set("number", 2)
        session.commit()
        assert world.profiles.find_by("Traced", "number", 2) == ("one",)
        assert world.profiles.find_by("Traced", "number", -1) == ()


def test_prf_17_types_and_constraints_are_judged_at_every_commit_all_at_once() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Plain", "alice", age=1)
        session = world.profiles.edit("Plain", "alice")
        session.edit()
        for name, value in (("age", "old"), ("weight", -1.0), ("city", None)):
            session.set(name, value)
        with pytest.raises(ProfileVerificationError) as caught:
            session.commit()
        assert {issue.component.rpartition(".")[2] for issue in caught.value.issues} == {"age", "weight", "city"}

        def act(sbb: Any) -> None:
            alice = sbb.plain.get("alice")
            alice.age, alice.weight = "old", -1.0

        world.use(act)
        assert world.causes() == [ProfileVerificationError]
        assert world.values("Plain", "alice")["age"] == 1
        world.use(lambda sbb: setattr(sbb.traced.create("minus"), "number", -1))
        assert world.values("Traced", "minus") == {"number": -1}, "profile_verify is for management"


def test_prf_17_a_wrong_declaration_is_told_at_class_creation() -> None:
    def declare(annotation: str, default: object = None) -> None:
        type(Profile)(
            "Wrong",
            (Profile,),
            {"__annotations__": {"value": annotation}, "__module__": __name__, "value": default},
            vendor="test",
            version="1.0",
        )

    for annotation, default in (
        ("list[int]", None),
        ("Any", None),
        ("int", "text"),
        ("Unknown", None),
        ("bytes", attribute(b"", indexed=True)),
    ):
        with pytest.raises(ComponentDefinitionError):
            declare(annotation, default)
    declare("int | None")


def test_prf_18_a_unique_attribute_is_enforced_for_management_and_components() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Plain", "alice", number="1")
        session = world.profiles.create("Plain", "bob")
        session.set("number", "1")
        with pytest.raises(UniqueAttributeViolationError) as caught:
            session.commit()
        assert (caught.value.table, caught.value.attribute) == ("Plain", "number")
        assert set(caught.value.profiles) == {"alice", "bob"}
        assert session.is_dirty
        world.use(lambda sbb: (setattr(sbb.plain.create("carol"), "number", "1"), sbb.plain.create("dave")))
        assert world.profiles.profiles("Plain") == ("alice",)
        assert world.causes() == [UniqueAttributeViolationError]
        assert world.profiles.find_by("Plain", "number", "1") == ("alice",)


def test_prf_19_uniqueness_is_judged_on_the_state_after_the_transaction() -> None:
    with Tables() as world:
        world.add("Plain", "alice", number="1")
        world.add("Plain", "bob", number="2")

        def swap(sbb: Any) -> None:
            alice, bob = sbb.plain.get("alice"), sbb.plain.get("bob")
            alice.number, bob.number = bob.number, alice.number

        world.use(swap)
        assert world.profiles.find_by("Plain", "number", "1") == ("bob",)

        def replace(sbb: Any) -> None:
            sbb.plain.create("carol").number = "1"
            sbb.plain.remove("bob")
            sbb.plain.create("dave").number = None
            sbb.plain.create("eve").number = None

        world.use(replace)
        assert world.profiles.find_by("Plain", "number", "1") == ("carol",)


def test_prf_20_components_do_not_change_a_read_only_specification() -> None:
    with Tables() as world:
        world.add("Fixed", "one")

        def act(sbb: Any) -> None:
            one = sbb.fixed.get("one")
            assert one.text == "fixed"
            for use in (
                lambda: sbb.fixed.create("two"),
                lambda: sbb.fixed.remove("one"),
                lambda: setattr(one, "text", "changed"),
                one.remove,
            ):
                with pytest.raises(ReadOnlyProfileError):
                    use()

        world.use(act)
        world.change("Fixed", "one", text="changed")
        world.profiles.remove("Fixed", "one")
        assert world.profiles.profiles("Fixed") == ()
        assert Fixed.specification_read_only
