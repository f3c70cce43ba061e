"""Profiles as components and listeners meet them (PRF-21 to PRF-28, PRF-36 to PRF-46)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityEnd, Address, AddressPlan, AlarmLevel, ProfileAdded, ProfileRemoved, ProfileUpdated
from slee.api.errors import (
    InvalidArgumentError,
    InvalidStateError,
    NoSuchObjectError,
    ReadOnlyProfileError,
    StaleProfileError,
    TransactionRequiredError,
    TransactionRolledBackError,
    UnrecognizedProfileError,
)
from slee.api.source import ProfileTableSource
from slee.kernel.profile_storage import ProfileChange, RowChange, StorageStatus, TableCreated
from slee.kernel.states import ContextState
from tests.conformance.kit import Boom, boom
from tests.conformance.profile_kit import ACTS, CALLS, Plain, Tables, Watcher

pytestmark = pytest.mark.usefixtures("followed")


def test_prf_21_what_the_view_offers() -> None:
    with Tables() as world:
        kept: list[Any] = []

        def act(sbb: Any) -> None:
            table = sbb.plain
            kept.append(table)
            alice = table.create("alice")
            assert table.find("alice") == alice == table.get("alice")
            assert isinstance(alice, Plain)
            assert table.find("bob") is None
            with pytest.raises(UnrecognizedProfileError):
                table.get("bob")
            assert list(table.find_all()) == [alice] == list(table.find_all_by("age", 0))
            assert table.find_by("age", 0) == alice
            assert table.find_by("age", 1) is None
            assert (table.remove("alice"), table.remove("alice")) == (True, False)

        world.use(act)
        (table,) = kept
        for use in (
            lambda: table.create("x"),
            lambda: table.find("x"),
            lambda: table.get("x"),
            table.find_all,
            lambda: table.find_all_by("age", 0),
            lambda: table.find_by("age", 0),
            lambda: table.remove("x"),
            lambda: table.query("of_city", "x"),
        ):
            with pytest.raises(TransactionRequiredError):
                use()


def test_prf_22_collections_are_immutable_and_follow_the_transaction() -> None:
    with Tables() as world:
        world.add("Plain", "alice", city="here")
        world.add("Plain", "bob", city="here")
        pending = world.profiles.edit("Plain", "bob")
        pending.edit()
        pending.set("city", "there")

        def act(sbb: Any) -> None:
            found = sbb.plain.find_all_by("city", "here")
            assert type(found) is tuple
            sbb.plain.create("carol").city = "here"
            sbb.plain.get("alice").city = "gone"
            sbb.plain.remove("bob")
            assert [p.profile_name for p in sbb.plain.find_all_by("city", "here")] == ["carol"]
            assert {p.profile_name for p in sbb.plain.find_all()} == {"alice", "carol"}
            assert len(found) == 2
            sbb.set_rollback_only()

        world.slee.failures_allowed = True
        world.use(act)
        assert set(world.profiles.find_by("Plain", "city", "here")) == {"alice", "bob"}
        assert world.profiles.profiles("Plain") == ("alice", "bob")


def test_prf_23_unfit_searches_are_refused() -> None:
    with Tables() as world:

        def act(sbb: Any) -> None:
            for attribute, value in (("none", 1), ("age", "1"), ("age", True), ("city", 1), ("vip", 1)):
                with pytest.raises(ValueError, match="PRF-23"):
                    sbb.plain.find_all_by(attribute, value)
                with pytest.raises(ValueError, match="PRF-23"):
                    sbb.plain.find_by(attribute, value)
            for use in (
                lambda: sbb.plain.find(None),
                lambda: sbb.plain.create(None),
                lambda: sbb.plain.remove(None),
                lambda: sbb.plain.find_by(None, 1),
                lambda: sbb.plain.find_by("number", None),
            ):
                with pytest.raises(TypeError):
                    use()
            with pytest.raises(InvalidArgumentError):
                sbb.plain.create("")
            assert not sbb.is_rollback_only

        world.use(act)


def test_prf_24_five_types_are_searched_by_indexed_or_not() -> None:
    with Tables() as world:
        home = Address(AddressPlan.SIP, "sip:a@b")
        values: dict[str, object] = {
            "number": "1",
            "city": "here",
            "age": 3,
            "weight": 1.5,
            "vip": True,
            "home": home,
            "nick": "Alice",
        }
        world.add("Plain", "alice", **values, tags=("x",))
        world.add("Plain", "bob")
        for attribute, value in values.items():
            assert world.profiles.find_by("Plain", attribute, value) == ("alice",), attribute
        with pytest.raises(ValueError, match="PRF-24"):
            world.profiles.find_by("Plain", "tags", ("x",))


def test_prf_25_a_reference_tells_its_names_without_transaction_and_nothing_else() -> None:
    with Tables() as world:
        kept: list[Any] = []
        world.use(lambda sbb: kept.extend((sbb.plain.create("alice"), sbb.plain.create("bob"), sbb.plain.get("alice"))))
        alice, bob, again = kept
        assert (alice.profile_table, alice.profile_name) == ("Plain", "alice")
        assert alice == again
        assert hash(alice) == hash(again)
        assert alice != bob
        for use in (lambda: alice.age, lambda: setattr(alice, "age", 1), alice.grow, alice.remove):
            with pytest.raises(TransactionRequiredError):
                use()
        with pytest.raises(AttributeError):
            alice.unknown = 1


def test_prf_26_business_methods_run_in_the_transaction_and_are_not_reentrant() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Plain", "alice", age=1)
        assert world.use(lambda sbb: sbb.plain.get("alice").grow(years=2)) == 3
        assert world.values("Plain", "alice")["age"] == 3

        def act(sbb: Any) -> None:
            alice = sbb.plain.get("alice")
            with pytest.raises(TransactionRolledBackError):
                alice.run(lambda _: alice.grow())
            assert sbb.is_rollback_only

        world.use(act)

        def nested(sbb: Any) -> None:
            one = sbb.again.create("one")
            one.run(lambda _: one.run(lambda inner: None))
            assert one.depth == 2

        world.use(nested)
        assert world.values("Again", "one") == {"depth": 2}


def test_prf_27_declared_exceptions_pass_and_others_mark() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Plain", "alice")

        def act(sbb: Any) -> None:
            alice = sbb.plain.get("alice")
            with pytest.raises(LookupError):
                alice.look()
            assert not sbb.is_rollback_only
            with pytest.raises(TransactionRolledBackError) as caught:
                alice.run(boom)
            assert isinstance(caught.value.__cause__, Boom)
            assert sbb.is_rollback_only

        world.use(act)


def test_prf_28_a_reference_to_what_was_removed_is_refused() -> None:
    with Tables() as world:
        kept: list[Any] = []
        world.use(lambda sbb: kept.extend((sbb.plain.create("alice"), sbb.plain.create("bob"))))
        alice, bob = kept

        def act(sbb: Any) -> None:
            alice.remove()
            assert not alice.is_valid
            for use in (lambda: alice.age, lambda: setattr(alice, "age", 1), alice.grow, alice.remove):
                with pytest.raises(NoSuchObjectError):
                    use()

        world.use(act)
        world.profiles.remove_table("Plain")

        def later(sbb: Any) -> None:
            with pytest.raises(NoSuchObjectError, match="table"):
                str(bob.age)

        world.use(later)


def test_prf_36_the_callbacks_of_a_touch() -> None:
    with Tables() as world:
        world.add("Traced", "one")
        world.add("Traced", "two")
        CALLS.clear()

        def act(sbb: Any) -> None:
            one = sbb.traced.get("one")
            one.use()
            one.number += 1
            sbb.traced.get("one").use()

        world.use(act)
        assert CALLS == ["activate", "load", "use", "use", "store", "passivate"]
        CALLS.clear()
        world.slee.failures_allowed = True
        world.use(lambda sbb: (sbb.traced.get("one").use(), sbb.set_rollback_only()))
        assert CALLS == ["activate", "load", "use", "passivate"]


def test_prf_37_the_callbacks_of_creation_and_removal() -> None:
    with Tables() as world:
        world.use(lambda sbb: sbb.traced.create("one").use())
        assert CALLS == ["post_create", "use", "store", "passivate"]
        CALLS.clear()
        world.use(lambda sbb: sbb.traced.remove("one"))
        assert CALLS == ["activate", "load", "remove"]


@pytest.mark.parametrize("callback", ["activate", "passivate"])
def test_prf_38_attributes_outside_their_time_are_refused(callback: str) -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one", number=1)
        seen: list[object] = []

        def act(profile: Any) -> None:
            seen.append((profile.profile_table, profile.profile_name, profile.tracer is not None))
            with pytest.raises(InvalidStateError, match="PRF-38"):
                str(profile.number)

        ACTS[callback] = act
        ACTS["load"] = lambda profile: seen.append(profile)
        world.use(lambda sbb: sbb.traced.get("one").number)
        assert ("Traced", "one", True) in seen
        (instance,) = [kept for kept in seen if type(kept) is not tuple]
        with pytest.raises(InvalidStateError, match="PRF-38"):
            str(instance.number)
        ACTS["post_create"] = lambda profile: seen.append(profile.profile_name)
        world.profiles.create_table("more", world.profiles.table("Traced").descriptor.id)
        assert seen[-1] is None or None in seen


@pytest.mark.parametrize("callback", ["activate", "load", "store", "remove"])
def test_prf_39_a_callback_that_raises_marks_and_drops_the_instance(callback: str) -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one")
        CALLS.clear()
        ACTS[callback] = boom

        def act(sbb: Any) -> None:
            one = sbb.traced.get("one")
            sbb.traced.create("two")
            one.use()
            one.remove() if callback == "remove" else None
            assert callback == "store"

        world.use(act)
        assert world.profiles.profiles("Traced") == ("one",)
        assert callback in CALLS
        assert CALLS.count("passivate") == 1, "that of the other profile"


def test_prf_39_a_passivation_that_raises_is_told_as_a_failure_of_the_delivery_that_it_rolls_back() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one")
        ACTS["passivate"] = boom
        world.use(lambda sbb: setattr(sbb.traced.get("one"), "number", 1))
        assert world.values("Traced", "one")["number"] == 0
        assert TransactionRolledBackError in world.causes()


def test_prf_39_a_passivation_that_raises_refuses_what_management_does() -> None:
    with Tables() as world:
        world.add("Traced", "one")
        ACTS["passivate"] = boom
        with pytest.raises(TransactionRolledBackError, match=r"Traced/two: profile_passivate raised Boom.* \[PRF-39\]"):
            world.profiles.create("Traced", "two")
        with pytest.raises(TransactionRolledBackError, match=r"Traced/one: profile_passivate raised Boom.* \[PRF-39\]"):
            world.change("Traced", "one", number=1)
        ACTS.clear()
        assert world.values("Traced", "one")["number"] == 0


def test_tx_17_rollback_undoes_creations_writes_and_removals_of_profiles() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Plain", "alice", age=1, number="1", city="here")
        world.add("Plain", "bob", number="2")
        before = {name: world.values("Plain", name) for name in world.profiles.profiles("Plain")}

        def act(sbb: Any) -> None:
            sbb.plain.remove("bob")
            sbb.plain.get("alice").number = "2"
            sbb.plain.create("carol").city = "here"
            sbb.plain.get("alice").city = "there"
            boom()

        world.use(act)
        assert {name: world.values("Plain", name) for name in world.profiles.profiles("Plain")} == before
        assert world.profiles.find_by("Plain", "city", "here") == ("alice",)
        assert world.profiles.find_by("Plain", "number", "2") == ("bob",)


def test_ac_27_an_sbb_cannot_end_the_activity_of_a_table() -> None:
    with Tables(Watcher) as world:
        offered: list[str] = []
        world.on(Watcher, "on_added", lambda sbb, event, aci: offered.extend((*dir(aci.activity), *dir(type(aci)))))
        world.add("Plain", "alice")
        assert "table" in offered
        context = world.profiles.table("Plain").context
        assert context is not None
        assert not hasattr(context.activity, "end")
        world.stop()
        assert context.state is ContextState.INVALID


def test_alm_1_a_profile_table_is_a_source_of_its_own() -> None:
    with Tables() as world:
        level = AlarmLevel.MAJOR
        ACTS["use"] = lambda profile: profile.alarms.raise_alarm("type", "one", level=level, message="text")
        world.use(lambda sbb: sbb.traced.create("one").use())
        (alarm,) = world.slee.alarms
        assert alarm.source == ProfileTableSource("Traced")
        (told,) = world.slee.observer.alarm_notifications
        assert told.type == "alarm.profiletable"


def test_alm_14_removing_a_table_clears_its_alarms() -> None:
    with Tables() as world:
        level = AlarmLevel.MAJOR
        ACTS["use"] = lambda profile: profile.alarms.raise_alarm("type", "one", level=level, message="text")
        world.use(lambda sbb: sbb.traced.create("one").use())
        world.profiles.remove_table("Traced")
        assert world.slee.alarms == ()
        assert [n.level for n in world.slee.observer.alarm_notifications] == [level, AlarmLevel.CLEAR]


def watch(world: Tables) -> list[tuple[str, Any]]:
    """What `Watcher` is told, as (kind, values)."""
    told: list[tuple[str, Any]] = []

    def added(sbb: Any, event: ProfileAdded, aci: Any) -> None:
        told.append(("added", (event.profile.profile, event.added.age)))

    def updated(sbb: Any, event: ProfileUpdated, aci: Any) -> None:
        told.append(("updated", (event.profile.profile, event.before.age, event.after.age)))

    def removed(sbb: Any, event: ProfileRemoved, aci: Any) -> None:
        told.append(("removed", (event.profile.profile, event.removed.age)))

    world.on(Watcher, "on_added", added)
    world.on(Watcher, "on_updated", updated)
    world.on(Watcher, "on_removed", removed)
    world.on(Watcher, "on_end", lambda *_: told.append(("end", ActivityEnd)))
    return told


def test_prf_40_changes_are_told_after_the_commit_whoever_made_them() -> None:
    with Tables(Watcher, failures_allowed=True) as world:
        told = watch(world)
        world.add("Plain", "alice", age=1)
        world.use(lambda sbb: setattr(sbb.plain.get("alice"), "age", 2))
        world.use(lambda sbb: (setattr(sbb.plain.get("alice"), "age", 3), sbb.set_rollback_only()))
        world.profiles.remove("Plain", "alice")
        world.add("Traced", "silent")
        world.slee.run()
        assert told == [("added", ("alice", 1)), ("updated", ("alice", 1, 2)), ("removed", ("alice", 2))]


def test_prf_41_what_the_events_carry() -> None:
    with Tables(Watcher) as world:
        seen: list[Any] = []

        def added(sbb: Any, event: ProfileAdded, aci: Any) -> None:
            seen.append(event)
            assert event.address == Address(AddressPlan.SLEE_PROFILE, "Plain/alice")
            assert isinstance(event.added, Plain)
            assert event.added.profile_name == "alice"
            with pytest.raises(ReadOnlyProfileError):
                event.added.age = 3
            assert event.added.age == 1
            assert aci.activity.table == "Plain"

        world.on(Watcher, "on_added", added)
        world.add("Plain", "alice", age=1)
        with pytest.raises(InvalidStateError, match="PRF-41"):
            str(seen[0].added.age)


def test_prf_42_one_event_for_each_transaction_and_profile() -> None:
    with Tables(Watcher) as world:
        told = watch(world)

        def both(sbb: Any) -> None:
            alice = sbb.plain.create("alice")
            alice.age = 1
            alice.age = 2

        world.use(both)

        def several(sbb: Any) -> None:
            alice = sbb.plain.get("alice")
            alice.age = 3
            alice.age = 4
            sbb.plain.create("nobody")
            sbb.plain.remove("nobody")

        world.use(several)

        def again(sbb: Any) -> None:
            sbb.plain.remove("alice")
            sbb.plain.create("alice").age = 5

        world.use(again)
        world.use(lambda sbb: (setattr(sbb.plain.get("alice"), "age", 6), sbb.plain.remove("alice")))
        assert told == [
            ("added", ("alice", 2)),
            ("updated", ("alice", 2, 4)),
            ("updated", ("alice", 4, 5)),
            ("removed", ("alice", 5)),
        ]


def test_prf_43_a_write_of_equal_values_is_not_told() -> None:
    with Tables(Watcher) as world:
        world.add("Plain", "alice", age=1, city="here")
        told = watch(world)
        world.use(lambda sbb: setattr(sbb.plain.get("alice"), "city", str(b"here", "ascii")))
        world.change("Plain", "alice", age=1)
        assert told == []


def test_prf_44_a_removed_table_removes_its_profiles_and_ends_its_activity() -> None:
    with Tables(Watcher) as world:
        told = watch(world)
        world.add("Plain", "alice")
        world.add("Plain", "bob")
        first = world.profiles.table("Plain").context
        del told[:]
        world.profiles.remove_table("Plain")
        world.slee.run()
        kinds = [kind for kind, _ in told]
        assert kinds == ["removed", "removed", "end"]
        world.profiles.create_table("Plain", Plain.specification_id)
        assert world.profiles.profiles("Plain") == ()
        world.add("Plain", "carol")
        second = world.profiles.table("Plain").context
        assert None not in (first, second)
        assert second is not first


def test_prf_45_no_update_is_lost() -> None:
    with Tables() as world:
        world.add("Plain", "alice", age=0)
        session = world.profiles.edit("Plain", "alice")
        session.edit()
        session.set("age", 100)
        for _ in range(10):
            world.use(lambda sbb: sbb.plain.get("alice").grow())
        with pytest.raises(StaleProfileError, match="alice"):
            session.commit()
        assert (session.is_writeable, session.is_dirty, session.get("age")) == (True, True, 100)
        assert world.values("Plain", "alice")["age"] == 10
        session.restore()
        session.edit()
        session.set("age", 11)
        session.commit()
        assert world.values("Plain", "alice")["age"] == 11


class Database:
    """A storage that records what it is given."""

    def __init__(self) -> None:
        self.position = 0
        self.appended: list[tuple[int, tuple[ProfileChange, ...]]] = []

    def tables(self) -> dict[str, Any]:
        return {}

    def append(self, position: int, changes: Any) -> None:
        self.position = position
        self.appended.append((position, tuple(changes)))

    def status(self) -> StorageStatus:
        return StorageStatus("", 0, 0.0)


def test_prf_46_the_database_gets_what_was_committed_in_order_and_nothing_else() -> None:
    with Tables(failures_allowed=True) as world:
        database = Database()
        world.profiles.follow_with(database)
        world.profiles.create_table("more", Plain.specification_id)
        world.add("Plain", "alice", age=1)
        world.use(lambda sbb: (setattr(sbb.plain.get("alice"), "age", 2), sbb.plain.create("bob")))
        world.use(lambda sbb: (setattr(sbb.plain.get("alice"), "age", 3), sbb.set_rollback_only()))
        world.use(lambda sbb: (setattr(sbb.plain.get("alice"), "number", 3), setattr(sbb, "unknown", 3)))
        world.profiles.remove("Plain", "bob")
        assert [position for position, _ in database.appended] == [1, 2, 3, 4]
        made, added, changed, removed = [changes for _, changes in database.appended]
        assert isinstance(made[0], TableCreated)
        assert made[1] == RowChange("more", None, defaults())
        assert [(c.profile, c.row and c.row[2]) for c in added if isinstance(c, RowChange)] == [("alice", 1)]
        assert [(c.profile, c.row and c.row[2]) for c in changed if isinstance(c, RowChange)] == [
            ("alice", 2),
            ("bob", 0),
        ]
        assert removed == (RowChange("Plain", "bob", None),)


def defaults() -> tuple[object, ...]:
    return tuple(attribute.default for attribute in Plain.specification_attributes)
