"""SBB life cycle (group SBB)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, CreateError, Sbb, initial_event
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    TransactionRequiredError,
    TransactionRolledBackError,
)
from slee.api.source import SbbSource
from tests.conformance.kit import (
    LOG,
    Boom,
    Do,
    Note,
    Root,
    Traced,
    TracedLeaf,
    TracedRoot,
    World,
    boom,
)

CREATED = ["sbb_create", "sbb_post_create", "on_do", "sbb_store", "sbb_passivate"]
USED = ["sbb_activate", "sbb_load", "on_do", "sbb_store", "sbb_passivate"]


def names(cls: str, *callbacks: str) -> list[str]:
    return [f"{cls}.{name}" for name in callbacks]


def test_sbb_1_state_lives_outside_the_instance() -> None:
    with World(Root) as world:
        seen: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            seen.append((id(sbb), sbb.count))
            kept.append(sbb)
            sbb.count += 1

        kept: list[Any] = []
        world.do("a", act)
        world.do("a", act)
        assert kept[0] is not kept[1]
        assert [count for _, count in seen] == [0, 1]


def test_sbb_2_an_entity_has_one_instance_in_a_transaction() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        LOG.clear()
        seen: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            (leaf,) = sbb.first
            for _ in range(3):
                leaf.run(seen.append)

        world.do("a", act)
        assert seen[0] is seen[1] is seen[2]
        assert LOG.count("TracedLeaf.sbb_activate") == 1
        assert LOG.count("TracedLeaf.sbb_passivate") == 1


@pytest.mark.parametrize("method", ["__init__", "__new__", "__del__", "__setattr__", "__getattribute__", "__getattr__"])
def test_sbb_3_methods_that_bypass_the_life_cycle_are_refused(method: str) -> None:
    with pytest.raises(ComponentDefinitionError, match="SBB-3"):
        type("Bad", (Sbb,), {method: lambda *_: None}, vendor="test", version="1.0")
    mixin = type("Mixin", (), {method: lambda *_: None})
    with pytest.raises(ComponentDefinitionError, match="SBB-3"):
        type("Bad", (mixin, Sbb), {}, vendor="test", version="1.0")


def test_sbb_3_slots_are_refused_and_facilities_are_in_place_before_the_first_callback() -> None:
    with pytest.raises(ComponentDefinitionError, match="SBB-3"):

        class Bad(Sbb, vendor="test", version="1.0"):
            __slots__ = ("x",)

    with World(Traced) as world:
        world.on(
            Traced, "sbb_create", lambda sbb: LOG.append(f"{sbb.service_id.name} {sbb.ra.caller()} {sbb.tracer.source}")
        )
        world.do("a")
        assert LOG[1].startswith("Traced ServiceID[name=Traced")


def test_sbb_4_an_instance_kept_longer_is_useless() -> None:
    with World(Root) as world:
        kept: list[Any] = []
        world.do("a", lambda sbb, aci: kept.append(sbb))
        (sbb,) = kept
        uses = (
            lambda: sbb.count,
            lambda: setattr(sbb, "count", 9),
            lambda: sbb.undeclared,
            lambda: delattr(sbb, "count"),
            lambda: sbb.timers,
            lambda: sbb.ra,
        )
        for use in uses:
            with pytest.raises(TransactionRequiredError, match="SBB-4"):
                use()

        def act(other: Any, aci: ActivityContext) -> None:
            for use in uses:
                with pytest.raises(InvalidStateError, match="SBB-4"):
                    use()

        world.do("a", act)
        assert world.state()["count"] == 0


def test_sbb_4_an_instance_whose_transaction_rolled_back_is_useless_too() -> None:
    with World(Root, failures_allowed=True) as world:
        kept: list[Any] = []
        world.do("a", lambda sbb, aci: kept.append(sbb) or boom())
        with pytest.raises(TransactionRequiredError):
            _ = kept[0].count


def test_sbb_5_creation_runs_before_anything_else_of_the_entity() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create().run(lambda leaf: None))
        assert LOG[:6] == [
            *names("TracedRoot", "sbb_create", "sbb_post_create", "on_do"),
            *names("TracedLeaf", "sbb_create", "sbb_post_create", "run"),
        ]


def test_sbb_6_activate_and_load_run_for_existing_entities_only() -> None:
    with World(Traced) as world:
        world.do("a")
        assert names("Traced", *CREATED) == LOG
        LOG.clear()
        world.do("a")
        assert names("Traced", *USED) == LOG


def test_sbb_7_passivate_is_last_on_all_instances_in_the_order_of_first_use() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        assert LOG[-4:] == [
            *names("TracedRoot", "sbb_store"),
            *names("TracedLeaf", "sbb_store"),
            *names("TracedRoot", "sbb_passivate"),
            *names("TracedLeaf", "sbb_passivate"),
        ]


@pytest.mark.parametrize("callback", ["sbb_activate", "sbb_passivate"])
def test_sbb_8_activate_and_passivate_stand_outside_state_and_transaction(callback: str) -> None:
    with World(Traced) as world:
        context = world.start("b")
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 3))

        def outside(sbb: Any) -> None:
            for use in (
                lambda: sbb.count,
                lambda: sbb.local,
                lambda: sbb.activities,
                lambda: sbb.set_rollback_only(),
                lambda: sbb.is_rollback_only,
                lambda: sbb.event_context,
                lambda: context.attach(sbb),
                lambda: sbb.naming.find("x"),
                lambda: sbb.null_activities.create(),
                lambda: sbb.note(Note(), context),
            ):
                with pytest.raises(InvalidStateError):
                    use()
            LOG.append("checked")

        world.on(Traced, callback, outside)
        world.do("a")
        assert "checked" in LOG
        assert world.state(Traced)["count"] == 3


def test_sbb_9_load_reads_committed_state_and_may_write() -> None:
    with World(Traced) as world:
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 3))
        world.on(Traced, "sbb_load", lambda sbb: setattr(sbb, "count", sbb.count + 1))
        seen: list[int] = []
        world.do("a", lambda sbb, aci: seen.append(sbb.count))
        assert seen == [4]
        assert world.state(Traced)["count"] == 4


def test_sbb_10_store_runs_once_on_every_instance_also_when_nothing_was_written() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        LOG.clear()
        world.do("a", lambda sbb, aci: [leaf.run(lambda child: None) for leaf in sbb.first])
        assert LOG.count("TracedRoot.sbb_store") == 1
        assert LOG.count("TracedLeaf.sbb_store") == 1
        LOG.clear()
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert LOG.count("TracedRoot.sbb_store") == 1


def test_sbb_11_what_store_uses_is_stored_after_it_and_what_it_does_commits() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())

        def store(sbb: Any) -> None:
            sbb.count = 5
            sbb.ra.send("stored")
            sbb.note(Note(), sbb.activities[0])
            (leaf,) = sbb.first
            leaf.run(lambda child: setattr(child, "count", 6))
            world.on(TracedRoot, "sbb_store", lambda sbb: None)

        world.on(TracedRoot, "sbb_store", store)
        LOG.clear()
        world.do("a")
        assert LOG.index("TracedRoot.sbb_store") < LOG.index("TracedLeaf.sbb_store")
        (root,) = world.roots(TracedRoot)
        assert root.state["count"] == 5
        assert root.children is not None
        assert [leaf.state["count"] for leaf in root.children["first"]] == [6]
        assert world.ra.commands == ["stored"]
        assert LOG.count("TracedRoot.on_note") == 1


def test_sbb_12_store_is_not_called_once_the_transaction_is_marked() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        LOG.clear()
        world.do("a", lambda sbb, aci: sbb.set_rollback_only())
        assert LOG.index("TracedRoot.sbb_passivate") < LOG.index("TracedRoot.sbb_store")  # that of sbb_rolled_back
        LOG.clear()

        def store(sbb: Any) -> None:
            world.on(TracedRoot, "sbb_store", lambda sbb: None)
            sbb.set_rollback_only()

        world.on(TracedRoot, "sbb_store", store)
        world.do("a", lambda sbb, aci: [leaf.run(lambda child: None) for leaf in sbb.first])
        assert "TracedLeaf.sbb_store" not in LOG
        assert "TracedLeaf.sbb_passivate" in LOG


def test_sbb_13_remove_sees_everything_as_before_and_nothing_follows_it() -> None:
    with World(TracedRoot) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 4
            sbb.first.create()

        def remove(sbb: Any) -> None:
            assert sbb.count == 4
            assert [str(context) for context in sbb.activities] == ["test:a"]
            assert len(sbb.first) == 1
            LOG.append("seen")

        world.do("a", set_up)
        world.on(TracedRoot, "sbb_remove", remove)
        LOG.clear()
        world.do("a", lambda sbb, aci: sbb.local.remove())
        assert [
            *names("TracedRoot", "sbb_activate", "sbb_load", "on_do", "sbb_remove"),
            "seen",
            *names("TracedLeaf", "sbb_activate", "sbb_load", "sbb_remove"),
        ] == LOG


def test_sbb_13_created_and_removed_in_one_transaction() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create().remove())
        assert [entry for entry in LOG if "Leaf" in entry] == names(
            "TracedLeaf", "sbb_create", "sbb_post_create", "sbb_remove"
        )


def test_sbb_14_what_is_legal_in_remove() -> None:
    with World(TracedRoot) as world:
        ids: list[Any] = []

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            ids.append(sbb.timers.set(aci, after=60))
            null = sbb.null_activities.create()
            null.attach(sbb)
            sbb.first.create()

        def remove(sbb: Any) -> None:
            context, null = sbb.activities
            sbb.note(Note(), context)
            null.activity.end()
            sbb.timers.cancel(ids[0])
            (leaf,) = sbb.first
            leaf.run(lambda child: LOG.append("called"))
            with pytest.raises(InvalidStateError, match="SBB-14"):
                world.start("b").attach(sbb)
            with pytest.raises(InvalidStateError, match="SBB-14"):
                sbb.first.create()

        world.do("a", set_up)
        world.on(TracedRoot, "sbb_remove", remove)
        world.do("a", lambda sbb, aci: sbb.local.remove())
        assert "called" in LOG
        assert world.entities() == 0
        assert world.kernel.statistics().timers == 0
        assert world.kernel.statistics().null_activities == 0


@pytest.mark.parametrize("callback", ["sbb_create", "sbb_post_create"])
def test_sbb_15_a_child_that_refuses_leaves_nothing_and_no_mark(callback: str) -> None:
    with World(TracedRoot) as world:

        def refuse(sbb: Any) -> None:
            if callback == "sbb_post_create":
                world.start("b").attach(sbb)
                sbb.twigs.create()
            sbb.count = 9
            raise CreateError("no")

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(CreateError, match="no"):
                sbb.first.create()
            assert not sbb.is_rollback_only
            assert len(sbb.first) == 0

        world.on(TracedLeaf, callback, refuse)
        world.do("a", act)
        assert world.entities() == 1
        assert not world.start("b").attached
        assert "TracedLeaf.sbb_exception_thrown" not in LOG
        assert "TracedLeaf.sbb_passivate" not in LOG
        assert world.roots(TracedRoot)[0].count == 1


def test_sbb_16_an_exception_from_activate_fails_the_delivery_before_it_begins() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        world.on(Traced, "sbb_activate", boom)
        LOG.clear()
        world.do("a")
        assert names("Traced", "sbb_activate") == LOG
        assert [failure.kind for failure in world.slee.failures] == ["callback"]
        assert world.kernel.events[Do].delivered == 2


def test_sbb_16_in_a_local_call_it_marks_the_callers_transaction() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        world.on(TracedLeaf, "sbb_activate", boom)

        def act(sbb: Any, aci: ActivityContext) -> None:
            (leaf,) = sbb.first
            with pytest.raises(TransactionRolledBackError) as info:
                leaf.run(lambda child: None)
            assert isinstance(info.value.__cause__, Boom)
            assert sbb.is_rollback_only
            LOG.append("marked")

        world.do("a", act)
        assert "marked" in LOG
        assert "TracedLeaf.sbb_exception_thrown" not in LOG


def test_sbb_16_an_exception_from_passivate_changes_nothing() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.on(Traced, "sbb_passivate", boom)
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 2))
        assert world.state(Traced)["count"] == 2
        assert [failure.kind for failure in world.slee.failures] == ["callback"]


@pytest.mark.parametrize("callback", ["sbb_create", "sbb_post_create", "sbb_load", "sbb_store", "sbb_remove"])
def test_sbb_17_an_exception_from_a_callback_marks_and_is_thrown(callback: str) -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        if callback in ("sbb_load", "sbb_store", "sbb_remove"):
            world.do("a", lambda sbb, aci: sbb.first.create())
        world.on(TracedLeaf, callback, boom)

        def act(sbb: Any, aci: ActivityContext) -> None:
            if callback in ("sbb_create", "sbb_post_create"):
                sbb.first.create()
            for leaf in sbb.first:
                if callback == "sbb_remove":
                    leaf.remove()
                else:
                    leaf.run(lambda child: None)

        LOG.clear()
        world.do("a", act)
        assert LOG.count("TracedLeaf.sbb_exception_thrown") == 1
        assert Boom in world.causes()


def test_sbb_17_any_exception_counts_whatever_its_type() -> None:
    class Odd(BaseException):
        pass

    with World(Traced, failures_allowed=True) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            raise Odd

        world.do("a", act)
        assert world.causes() == [Odd]
        assert LOG[-1] == "Traced.sbb_exception_thrown"
        assert world.kernel.events[Do].delivered == 1


def test_sbb_18_exception_thrown_reads_uncommitted_state_and_its_work_is_dropped() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        seen: list[object] = []

        def thrown(sbb: Any, exception: BaseException, event: object, aci: Any) -> None:
            seen.extend((sbb.count, type(event), aci))
            sbb.count = 50
            sbb.ra.send("never")
            sbb.note(Note(), aci)

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 7
            raise Boom

        world.on(Traced, "sbb_exception_thrown", thrown)
        world.do("a", act)
        assert seen == [7, Do, world.context("a")]
        assert world.state(Traced)["count"] == 0
        assert world.ra.commands == []
        assert "Traced.on_note" not in LOG


def test_sbb_19_an_instance_that_raised_is_never_used_again() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())

        def act(sbb: Any, aci: ActivityContext) -> None:
            (leaf,) = sbb.first
            with pytest.raises(TransactionRolledBackError):
                leaf.run(boom)
            LOG.clear()
            with pytest.raises(TransactionRolledBackError) as info:
                leaf.run(lambda child: None)
            assert "SBB-19" in str(info.value.__cause__)
            assert LOG == []

        world.do("a", act)
        assert not [entry for entry in LOG if entry.startswith("TracedLeaf")]


def test_sbb_20_a_declared_exception_reaches_the_caller_unchanged() -> None:
    with World(Root) as world:

        def fail(leaf: Any) -> None:
            raise KeyError("declared as LookupError")

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            with pytest.raises(KeyError):
                leaf.look(fail)
            assert not sbb.is_rollback_only
            assert leaf.run(lambda child: child.count) == 0

        world.do("a", act)


def test_sbb_21_rolled_back_has_an_instance_and_transaction_of_its_own() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 1))
        seen: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 2
            seen.append((sbb, world.ra.context.transaction_id))
            raise Boom

        def rolled_back(sbb: Any, context: object) -> None:
            seen.append((sbb, world.ra.context.transaction_id))
            assert sbb.count == 1

        world.on(Traced, "sbb_rolled_back", rolled_back)
        world.do("a", act)
        assert seen[0][0] is not seen[1][0]
        assert seen[0][1] != seen[1][1]
        assert world.causes() == [Boom]


def test_sbb_22_identity_and_tracer_work_in_every_callback() -> None:
    with World(TracedRoot) as world:
        seen: list[object] = []

        def look(sbb: Any, *_: object) -> None:
            seen.append((sbb.service_id, sbb.sbb_id.name, sbb.tracer.source))

        for callback in ("sbb_create", "sbb_post_create", "sbb_activate", "sbb_load", "sbb_store", "sbb_passivate"):
            world.on(TracedRoot, callback, look)
        world.on(TracedRoot, "sbb_remove", look)
        world.do("a")
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert len(seen) == 11
        (entry,) = set(seen)
        service, name, source = entry
        assert (service, name) == (world.service, "TracedRoot")
        assert source == SbbSource(world.service, TracedRoot.sbb_id)


def test_sbb_23_what_needs_a_delivery() -> None:
    with World(Root) as world:
        entities: list[Any] = []
        world.do("a", lambda sbb, aci: entities.append(sbb._slee))
        (context,) = entities
        for use in (
            lambda: context.local,
            lambda: context.activities,
            lambda: context.set_rollback_only(),
            lambda: context.is_rollback_only,
            lambda: context.event_context,
            lambda: context.service_activity,
        ):
            with pytest.raises(TransactionRequiredError):
                use()


def test_sbb_24_in_sbb_create_there_is_no_entity_yet() -> None:
    with World(TracedRoot) as world:
        context = world.start("a")

        def create(sbb: Any) -> None:
            sbb.count = sbb.count + 1
            for use in (
                lambda: sbb.local,
                lambda: sbb.activities,
                lambda: context.attach(sbb),
                lambda: sbb.first,
                lambda: sbb.first.create(),
            ):
                with pytest.raises(InvalidStateError, match="SBB-24"):
                    use()

        def post_create(sbb: Any) -> None:
            assert sbb.count == 1
            assert sbb.activities == ()
            assert sbb.local.is_valid
            sbb.first.create()
            world.start("b").attach(sbb)

        world.on(TracedRoot, "sbb_create", create)
        world.on(TracedRoot, "sbb_post_create", post_create)
        world.do("a")
        assert world.entities() == 2
        assert world.roots(TracedRoot)[0].count == 2


REACHED: list[Any] = []


def reach(event: Do) -> str:
    """Uses what a handler has leaked."""
    for use in (lambda: REACHED[0].count, lambda: REACHED[0].activities, lambda: REACHED[1].priority):
        with pytest.raises(TransactionRequiredError):
            use()
    REACHED.append("selector done")
    return event.key


class Leaky(Sbb, vendor="test", version="1.0"):
    @initial_event(selector=reach)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...


def test_sbb_25_a_selector_reaches_nothing_of_a_delivery() -> None:
    with World(Root) as world:
        REACHED.clear()
        world.do("a", lambda sbb, aci: REACHED.extend((sbb, sbb.local)))
        world.slee.install(Leaky)
        world.do("a")
        assert REACHED[2:] == ["selector done"]
    with pytest.raises(ComponentDefinitionError):
        initial_event(selector=Root.on_do)


def test_sbb_26_deliveries_neither_overlap_nor_nest() -> None:
    with World(Root) as world:
        inside: list[int] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            inside.append(1)
            sbb.note(Note(), aci)
            world.ra.endpoint.fire("a", Note())
            world.ra.context.pump()
            assert LOG.count("Root.on_note") == 0
            inside.append(2)

        world.do("a", act)
        assert inside == [1, 2]
        assert LOG.count("Root.on_note") == 2


def test_sbb_27_no_update_is_lost() -> None:
    with World(Root) as world:
        for number in range(50):
            world.queue(f"context {number}", Do(lambda sbb, aci: setattr(sbb, "count", sbb.count + 1)))
        world.slee.run()
        assert world.state()["count"] == 50
