"""Attachment and reclamation (group ATT)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, RolledBackContext
from slee.api.errors import (
    InvalidStateError,
    NoSuchObjectError,
    TransactionRequiredError,
    TransactionRolledBackError,
)
from tests.conformance.kit import LOG, Leaf, Note, Root, Traced, TracedLeaf, TracedRoot, World, boom


def test_att_1_self_and_local_object_designate_the_same_entity() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.detach(sbb)
            aci.attach(sbb.local)
            assert aci.is_attached(sbb)
            leaf = sbb.leaves.create()
            aci.attach(leaf)
            assert leaf.run(lambda child: aci.is_attached(child))

        world.do("a", act)
        assert len(world.roots()) == 1


def test_att_2_attaching_twice_is_attaching_once() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.mask_events(sbb, {Note})
            aci.attach(sbb)
            assert aci.event_mask(sbb) == {Note}

        world.do("a", act)
        (root,) = world.roots()
        assert root.count == 1
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert world.roots() == []


def test_att_3_detaching_what_is_not_attached_does_nothing() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: aci.detach(sbb.leaves.create()))
        assert world.roots()[0].count == 1


def test_att_4_operations_need_a_delivery_and_an_entity() -> None:
    with World(Root) as world:
        kept: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            for operation in (aci.attach, aci.detach, aci.is_attached):
                for wrong in (None, "self", aci, object()):
                    with pytest.raises(TypeError):
                        operation(wrong)
            kept.extend((aci, sbb.local))

        world.do("a", act)
        aci, local = kept
        for operation in (aci.attach, aci.detach, aci.is_attached):
            with pytest.raises(TransactionRequiredError):
                operation(local)


@pytest.mark.parametrize("operation", ["attach", "detach", "is_attached"])
def test_att_5_a_removed_entity_marks_the_transaction(operation: str) -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            leaf.remove()
            with pytest.raises(TransactionRolledBackError) as info:
                getattr(aci, operation)(leaf)
            assert isinstance(info.value.__cause__, NoSuchObjectError)
            assert sbb.is_rollback_only
            LOG.append("marked")

        world.do("a", act)
        assert LOG[-1] == "marked"


def test_att_6_attach_is_refused_on_invalid_and_legal_on_ending_contexts() -> None:
    with World(Root) as world:
        gone = world.start("gone")
        world.end("gone")

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(InvalidStateError, match="AC-2"):
                gone.attach(sbb)

        world.do("b", act)

        def on_end(sbb: Any, aci: ActivityContext) -> None:
            if not sbb.count:
                sbb.count = 1
                aci.attach(sbb.leaves.create())

        world.on(Root, "on_end", on_end)
        world.do("a")
        LOG.clear()
        world.end("a")
        assert LOG == ["Root.on_end", "Leaf.on_end"]


def test_att_7_the_transaction_sees_its_own_attachments() -> None:
    with World(Root) as world:
        b = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.activities == (aci,)
            b.attach(sbb)
            b.attach(sbb)
            assert b.is_attached(sbb)
            assert sbb.activities == (aci, b)
            aci.detach(sbb)
            assert not aci.is_attached(sbb)
            assert sbb.activities == (b,)

        world.do("a", act)
        (root,) = world.roots()
        assert list(root.contexts) == [b]


def test_att_8_attachments_commit_and_roll_back_with_the_transaction() -> None:
    with World(Root) as world:
        b = world.start("b")
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            b.attach(sbb)
            aci.detach(sbb)
            sbb.set_rollback_only()

        world.do("a", act)
        (root,) = world.roots()
        assert [str(context) for context in root.contexts] == ["test:a"]
        assert not b.attached


def test_att_9_the_count_is_that_of_the_whole_tree() -> None:
    with World(Root) as world:
        b = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            aci.attach(leaf)
            b.attach(leaf)

        world.do("a", act)
        assert world.roots()[0].count == 3


def test_att_10_a_root_is_attached_after_post_create_and_before_the_handler() -> None:
    with World(Traced) as world:
        seen: list[object] = []
        world.on(Traced, "sbb_post_create", lambda sbb: seen.append(sbb.activities))
        world.do("a", lambda sbb, aci: seen.append(sbb.activities))
        assert seen == [(), (world.context("a"),)]


def test_att_11_children_are_never_attached_by_the_slee() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.leaves.create())
        context = world.start("a")
        assert list(context.attached) == world.roots()
        LOG.clear()
        world.fire("a", Note())
        assert LOG == ["Root.on_note"]


def test_att_12_a_tree_with_count_0_goes_before_the_next_candidate() -> None:
    with World(TracedRoot) as world:

        def note(sbb: Any, aci: ActivityContext) -> None:
            LOG.append(f"{len(world.roots(TracedRoot))} roots")
            aci.detach(sbb)

        world.do("a", key="1")
        world.do("a", key="2")
        LOG.clear()
        world.on(TracedRoot, "on_note", note)
        world.fire("a", Note())
        handler = ["sbb_activate", "sbb_load", "on_note"]
        removal = ["sbb_store", "sbb_passivate", "sbb_activate", "sbb_load", "sbb_remove"]
        expected = [f"TracedRoot.{name}" for name in handler + removal]
        assert [*expected[:3], "2 roots", *expected[3:6], *expected[6:], *expected[:3], "1 roots", *expected[3:]] == LOG


def test_att_13_a_root_that_detaches_in_its_first_delivery_is_gone_after_it() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert world.entities() == 0
        assert world.kernel.services[world.service].names == {}


def test_att_13_whatever_brought_the_count_to_0() -> None:
    with World(Root) as world:  # the removal of the only attached child

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf = sbb.leaves.create()
            aci.attach(sbb.leaf)
            aci.detach(sbb)
            world.on(Leaf, "on_note", lambda leaf, aci: leaf.local.remove())

        world.do("a", act)
        assert world.entities() == 2
        world.fire("a", Note())
        assert world.entities() == 0

    with World(Root) as world:  # a call from another tree
        held: list[Any] = []

        def keep(sbb: Any, aci: ActivityContext) -> None:
            held.append(sbb.leaves.create())
            aci.attach(held[0])
            aci.detach(sbb)

        world.do("a", keep, key="1")
        b = world.context("a")
        world.do("b", lambda sbb, aci: b.detach(held[0]), key="2")
        assert len(world.roots()) == 1

    with World(Root) as world:  # the end of an activity
        world.do("a")
        world.end("a")
        assert world.entities() == 0


def test_att_13_sbb_rolled_back_may_bring_the_count_to_0() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.on(Traced, "sbb_rolled_back", lambda sbb, context: context.activity_context.detach(sbb))
        world.do("a")
        world.do("a", boom)
        assert world.entities() == 0


def test_att_14_an_attached_descendant_keeps_the_root() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            node = sbb.nodes.create()
            node.run(lambda n: aci.attach(n.leaves.create()))
            aci.detach(sbb)

        world.do("a", act)
        assert world.entities() == 3
        world.end("a")
        assert world.entities() == 0


def test_att_15_a_child_with_count_0_is_kept_with_its_root() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            aci.attach(leaf)
            aci.detach(leaf)

        world.do("a", act)
        assert world.entities() == 2


def test_att_16_reclamation_goes_by_committed_state() -> None:
    with World(Traced) as world:
        world.do("a")

        def swing(sbb: Any, aci: ActivityContext) -> None:
            aci.detach(sbb)
            aci.attach(sbb)

        def roll_back(sbb: Any, aci: ActivityContext) -> None:
            aci.detach(sbb)
            sbb.set_rollback_only()

        world.do("a", swing)
        world.do("a", roll_back)
        assert world.entities() == 1
        assert "Traced.sbb_remove" not in LOG


def test_att_17_the_slees_removal_runs_in_one_transaction_from_the_root() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        numbers: list[object] = []
        for sbb in (TracedRoot, TracedLeaf):
            world.on(sbb, "sbb_remove", lambda sbb: numbers.append(world.ra.context.transaction_id))
        LOG.clear()
        world.do("a", lambda sbb, aci: (aci.detach(sbb), sbb.ra.send("committed")))
        after = LOG[LOG.index("TracedRoot.sbb_passivate") + 1 :]
        assert after == [
            f"{cls}.{name}"
            for cls in ("TracedRoot", "TracedLeaf")
            for name in ("sbb_activate", "sbb_load", "sbb_remove")
        ]
        assert len(set(numbers)) == 1
        assert world.ra.commands == ["committed"]
        assert world.entities() == 0


@pytest.mark.parametrize("raises", [True, False])
def test_att_18_a_removal_that_fails_is_rolled_back_and_told_to_the_root(raises: bool) -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        told: list[object] = []

        def rolled_back(sbb: Any, context: RolledBackContext) -> None:
            told.extend((context.is_remove_rolled_back, context.event, context.activity_context))
            told.append(len(sbb.first))
            world.start("b").attach(sbb)

        world.do("a", lambda sbb, aci: sbb.first.create())
        world.on(TracedLeaf, "sbb_remove", boom if raises else lambda sbb: sbb.set_rollback_only())
        world.on(TracedRoot, "sbb_rolled_back", rolled_back)
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert told == [True, None, None, 1]
        assert world.entities() == 2
        assert [str(context) for context in world.roots(TracedRoot)[0].contexts] == ["test:b"]
        assert not [failure for failure in world.slee.failures if failure.kind == "tree"]


def test_att_19_a_tree_that_stays_at_0_is_dropped_with_an_alarm() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        world.on(TracedLeaf, "sbb_remove", boom)
        LOG.clear()
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert LOG.count("TracedLeaf.sbb_remove") == 1
        assert world.entities() == 0
        (alarm,) = [failure for failure in world.slee.failures if failure.kind == "tree"]
        assert "TracedRoot" in alarm.where
        assert "Boom" in repr(alarm.cause)
        world.do("b")
        assert len(world.roots(TracedRoot)) == 1


def test_att_20_nothing_but_attachments_keeps_a_tree() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.timers.set(aci, after=60)
            sbb.naming.bind(aci, "name")
            sbb.event_context.suspend(timeout=1)
            sbb.ra.send("pending")
            sbb.leaf = sbb.leaves.create()
            aci.detach(sbb)

        world.do("a", act)
        assert world.entities() == 0


def test_att_21_nothing_is_left_of_a_reclaimed_tree() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())

        world.do("a", act)
        context = world.start("a")
        world.do("a", lambda sbb, aci: [aci.detach(leaf) for leaf in sbb.leaves] and aci.detach(sbb))
        assert not context.attached
        assert world.roots() == []
        assert world.kernel.services[world.service].names == {}
        assert world.told("activity_unreferenced") == [("a",)]


def test_att_21_a_local_object_of_a_reclaimed_entity_is_invalid() -> None:
    with World(Root) as world:
        kept: list[Any] = []
        world.do("a", lambda sbb, aci: kept.append(sbb.local) or aci.detach(sbb), key="1")
        seen: list[bool] = []
        world.do("a", lambda sbb, aci: seen.append(kept[0].is_valid), key="2")
        assert seen == [False]


def test_att_22_a_tree_reclaimed_during_an_event_does_not_get_it() -> None:
    with World(Root) as world:
        held: list[Any] = []
        world.do("b", lambda sbb, aci: held.append(sbb.local), key="1")
        b = world.start("b")
        world.do("b", key="2")
        LOG.clear()
        taken: list[object] = []

        def note(sbb: Any, aci: ActivityContext) -> None:
            for entity in list(b.attached):
                if entity is not sbb._slee:
                    taken.append(entity)
                    b.detach(type(held[0])(entity))

        world.on(Root, "on_note", note)
        world.fire("b", Note())
        assert len(taken) == 1
        assert LOG == ["Root.on_note"]
        assert len(world.roots()) == 1


def test_att_24_at_rest_counts_equal_the_graph() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for _ in range(2):
                aci.attach(sbb.leaves.create())
            sbb.nodes.create().run(lambda node: aci.attach(node))

        for handle in ("a", "b"):
            world.do(handle, act, key=handle)
        world.do("b", key="a")
        for root in world.roots():
            tree = [root]
            for entity in tree:
                tree.extend(child for members in (entity.children or {}).values() for child in members)
            assert root.count == sum(len(entity.contexts) for entity in tree) > 0
        for handle in ("a", "b"):
            world.end(handle)
        assert world.entities() == 0
