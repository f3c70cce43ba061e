"""Child relations and the entity tree (group CHD)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, CreateError, Sbb, SbbLocal, child, cmp, initial_event, local
from slee.api.declaration import Cmp
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    TransactionRequiredError,
    TransactionRolledBackError,
)
from tests.conformance.kit import LOG, Act, Boom, Do, Leaf, Note, Root, TracedLeaf, TracedRoot, World, boom, key


class Link(Sbb, vendor="test", version="1.0"):
    """A child of its own kind; chains grow from it."""

    last: Cmp[int] = cmp(0)

    @local
    def extend(self, number: int) -> SbbLocal[Any]:
        self.last = number
        return self.links.create()

    @local
    def run(self, act: Act) -> object:
        return act(self)

    def sbb_remove(self) -> None:
        LOG.append(f"remove {self.last}")


Link.links = child(Link)
Link.links.__set_name__(Link, "links")
Link.sbb_declarations["links"] = Link.links


class Chain(Sbb, vendor="test", version="1.0"):
    links = child(Link)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.act(self, aci)


def test_chd_1_create_makes_a_child_before_it_returns() -> None:
    with World(TracedRoot) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            LOG.clear()
            leaf = sbb.first.create()
            assert LOG == ["TracedLeaf.sbb_create", "TracedLeaf.sbb_post_create"]
            assert leaf in sbb.first
            kept.append(sbb.first)

        kept: list[Any] = []
        world.do("a", act)
        with pytest.raises(TransactionRequiredError):
            kept[0].create()


def test_chd_2_a_relation_needs_an_entity() -> None:
    with World(TracedRoot) as world:

        def create(sbb: Any) -> None:
            with pytest.raises(InvalidStateError):
                _ = sbb.first
            sbb.count = 1

        world.on(TracedRoot, "sbb_create", create)
        world.on(TracedRoot, "sbb_post_create", lambda sbb: sbb.first.create())
        world.do("a")
        assert world.entities() == 2


def test_chd_3_create_error_reaches_the_caller_and_leaves_nothing() -> None:
    with World(TracedRoot) as world:

        def refuse(sbb: Any) -> None:
            raise CreateError

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(CreateError):
                sbb.first.create()
            assert len(sbb.first) == 0
            assert not sbb.is_rollback_only

        world.on(TracedLeaf, "sbb_post_create", refuse)
        world.do("a", act)
        assert world.entities() == 1


def test_chd_4_any_other_exception_marks_the_transaction() -> None:
    with World(TracedRoot, failures_allowed=True) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(TransactionRolledBackError) as info:
                sbb.first.create()
            assert isinstance(info.value.__cause__, Boom)
            assert sbb.is_rollback_only
            LOG.append("marked")

        world.on(TracedLeaf, "sbb_create", boom)
        world.do("a", act)
        assert "marked" in LOG
        assert world.entities() == 0


def test_chd_5_the_relation_is_live() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            relation = sbb.leaves
            assert not relation
            one, two = relation.create(), relation.create()
            assert len(relation) == 2
            assert bool(relation)
            one.remove()
            assert one not in relation
            assert list(relation) == [two]

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert len(sbb.leaves) == 1

        world.do("a", act)
        world.do("a", look)


def test_chd_6_iteration_is_in_the_order_of_creation_and_survives_removals() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaves = [sbb.leaves.create() for _ in range(4)]
            seen: list[object] = []
            for leaf in sbb.leaves:
                seen.append(leaf)
                if leaf == leaves[0]:
                    leaves[1].remove()
                    leaf.remove()
                    sbb.leaves.create()
            assert seen == [leaves[0], leaves[2], leaves[3]]

        world.do("a", act)


def test_chd_7_nothing_but_create_puts_a_child_into_a_relation() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for name in ("add", "append", "extend", "update", "insert", "__setitem__", "__iadd__"):
                assert not hasattr(sbb.leaves, name)

        world.do("a", act)


def test_chd_8_remove_by_the_relation_is_remove_by_the_child() -> None:
    with World(TracedRoot) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.first.create()
            leaf.run(lambda child: child.twigs.create())
            aci.attach(leaf)
            with pytest.raises(ValueError, match="CHD-8"):
                sbb.second.remove(leaf)
            assert leaf.is_valid
            sbb.first.remove(leaf)
            assert not leaf.is_valid
            assert LOG[-1] == "TracedLeaf.sbb_remove"
            with pytest.raises(ValueError, match="CHD-8"):
                sbb.first.remove(leaf)

        world.do("a", act)
        assert world.entities() == 1
        assert world.roots(TracedRoot)[0].count == 1


def test_chd_9_several_children_go_in_the_order_of_creation() -> None:
    with World(TracedRoot) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaves = [sbb.first.create() for _ in range(5)]
            for number, leaf in enumerate(leaves):
                leaf.run(lambda child, n=number: setattr(child, "count", n))
            foreign = sbb.second.create()
            world.on(TracedLeaf, "sbb_remove", lambda child: removed.append(child.count))
            removed: list[int] = []
            sbb.first.remove_all([leaves[3], foreign, leaves[1]])
            assert removed == [1, 3]
            sbb.first.retain_all([foreign, leaves[2]])
            assert removed == [1, 3, 0, 4]
            sbb.first.clear()
            assert removed == [1, 3, 0, 4, 2]
            assert foreign.is_valid

        world.do("a", act)


def test_chd_10_what_is_no_local_object_is_refused_before_anything_is_removed() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            for use in (
                lambda: sbb.leaves.remove(None),
                lambda: sbb.leaves.remove("x"),
                lambda: sbb.leaves.remove_all([leaf, None]),
                lambda: sbb.leaves.retain_all([None]),
                lambda: sbb.leaves.remove_all(None),
                lambda: None in sbb.leaves,
            ):
                with pytest.raises(TypeError):
                    use()
            assert leaf.is_valid

        world.do("a", act)


def test_chd_11_a_relation_is_valid_in_its_transaction_only() -> None:
    with World(Root) as world:
        kept: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            iterator = iter(sbb.leaves)
            next(iterator)
            kept.extend((sbb.leaves, iterator, leaf))

        world.do("a", act)
        relation, iterator, leaf = kept
        uses = (
            lambda: len(relation),
            lambda: leaf in relation,
            lambda: relation.create(),
            lambda: relation.remove(leaf),
            lambda: list(relation),
            lambda: relation.clear(),
            lambda: relation.remove_all([leaf]),
            lambda: relation.retain_all([]),
        )
        for use in uses:
            with pytest.raises(TransactionRequiredError):
                use()

        def again(sbb: Any, aci: ActivityContext) -> None:
            for use in uses:
                with pytest.raises(InvalidStateError):
                    use()
            assert len(sbb.leaves) == 1

        world.do("a", again)
        with pytest.raises((TransactionRequiredError, StopIteration)):
            next(iterator)


def test_chd_12_a_child_begins_with_the_priority_of_its_relation() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.leaves.create().priority == 0
            assert sbb.twins.create().priority == 7

        world.do("a", act)
    for wrong in (-129, 128):
        with pytest.raises(ComponentDefinitionError, match="CHD-12"):
            child(Leaf, default_priority=wrong)


def test_chd_13_a_child_is_an_sbb_and_may_be_of_the_parents_kind() -> None:
    with pytest.raises(ComponentDefinitionError, match="CHD-13"):
        child(int)
    with World(Chain) as world:
        world.do("a", lambda sbb, aci: sbb.links.create().extend(1))
        assert world.entities() == 3


def test_chd_14_two_relations_to_one_sbb_are_separate() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf, twin = sbb.leaves.create(), sbb.twins.create()
            assert list(sbb.leaves) == [leaf]
            assert list(sbb.twins) == [twin]

        world.do("a", act)


def test_chd_15_the_whole_tree_belongs_to_one_service() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            node = sbb.nodes.create()
            assert node.run(lambda n: n.leaves.create().run(lambda leaf: leaf.service_id)) == world.service

        world.do("a", act)


def test_chd_16_one_sbb_may_be_root_here_and_child_there() -> None:
    with World(TracedLeaf, TracedRoot) as world:
        world.fire("a", Do(lambda sbb, aci: setattr(sbb, "count", 1)), service=world.services[0])
        world.fire("a", Do(lambda sbb, aci: sbb.first.create()), service=world.services[1])
        (root,) = world.roots(TracedRoot)
        assert root.children is not None
        assert [leaf.state["count"] for leaf in root.children["first"]] == [0]
        assert world.state(TracedLeaf)["count"] == 1


def tree(sbb: Any) -> None:
    """first: 1 and 2, of which 1 has no own children; second: 3."""
    for relation, number in (("second", 3), ("first", 1), ("first", 2)):
        leaf = getattr(sbb, relation).create()
        leaf.run(lambda node, n=number: setattr(node, "count", n))


def test_chd_17_removal_goes_parent_first_by_relation_and_creation() -> None:
    with World(TracedRoot) as world:
        order: list[str] = []
        for sbb in (TracedRoot, TracedLeaf):
            world.on(sbb, "sbb_remove", lambda sbb: order.append(f"{type(sbb).__name__} {sbb.count}"))
        world.do("a", lambda sbb, aci: tree(sbb))
        world.do("a", lambda sbb, aci: sbb.local.remove())
        assert order == ["TracedRoot 0", "TracedLeaf 1", "TracedLeaf 2", "TracedLeaf 3"]


def test_chd_18_a_child_removed_by_its_parents_remove_is_not_visited_again() -> None:
    with World(TracedRoot) as world:
        order: list[str] = []

        def remove(sbb: Any) -> None:
            order.append(f"{type(sbb).__name__} {sbb.count}")
            if isinstance(sbb, TracedRoot):
                list(sbb.first)[1].remove()

        for sbb in (TracedRoot, TracedLeaf):
            world.on(sbb, "sbb_remove", remove)
        world.do("a", lambda sbb, aci: tree(sbb))
        world.do("a", lambda sbb, aci: sbb.local.remove())
        assert order == ["TracedRoot 0", "TracedLeaf 2", "TracedLeaf 1", "TracedLeaf 3"]


def test_chd_19_place_and_attachments_are_dropped_when_the_own_remove_has_returned() -> None:
    with World(TracedRoot) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.first.create()
            aci.attach(leaf)

            def remove(child: Any) -> None:
                assert leaf.is_valid
                assert leaf in sbb.first
                assert child.activities == (aci,)
                LOG.append("in place")

            world.on(TracedLeaf, "sbb_remove", remove)
            leaf.remove()
            assert leaf not in sbb.first

        world.do("a", act)
        assert "in place" in LOG


def test_chd_20_a_removal_that_raises_leaves_all_as_before() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: tree(sbb))
        before = world.entities()
        world.on(TracedLeaf, "sbb_remove", lambda sbb: boom() if sbb.count == 3 else None)
        world.do("a", lambda sbb, aci: sbb.local.remove())
        assert world.entities() == before
        assert len(world.roots(TracedRoot)) == 1
        assert Boom in world.causes()


def test_chd_21_a_rolled_back_create_leaves_nothing() -> None:
    with World(Root) as world:
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            node = sbb.nodes.create()
            aci.attach(node)
            node.run(lambda n: n.leaves.create())
            sbb.set_rollback_only()

        world.do("a", act)
        assert world.entities() == 1
        assert world.roots()[0].count == 1
        world.do("a", lambda sbb, aci: LOG.append(str(len(sbb.nodes))))
        assert LOG[-1] == "0"


def test_chd_22_a_rolled_back_removal_leaves_each_at_its_place() -> None:
    with World(Root) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            for number in range(4):
                leaf = sbb.leaves.create()
                leaf.priority = number
                leaf.run(lambda child, n=number: setattr(child, "count", n))
                aci.attach(leaf)
                aci.mask_events(leaf, {Note})

        def remove(sbb: Any, aci: ActivityContext) -> None:
            list(sbb.leaves)[2].remove()
            sbb.leaves.clear()
            sbb.leaves.create()
            sbb.set_rollback_only()

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert [leaf.run(lambda child: child.count) for leaf in sbb.leaves] == [0, 1, 2, 3]
            assert [leaf.priority for leaf in sbb.leaves] == [0, 1, 2, 3]
            assert all(aci.event_mask(leaf) == {Note} for leaf in sbb.leaves)
            LOG.append("seen")

        for act in (set_up, remove, look):
            world.do("a", act)
        assert LOG[-1] == "seen"


def test_chd_23_removal_ends_no_activity_and_cancels_no_timer() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            leaf.run(lambda child: child.timers.set(aci, after=5))
            null = leaf.run(lambda child: child.null_activities.create())
            sbb.naming.bind(null, "null")
            leaf.remove()

        world.do("a", act)
        statistics = world.kernel.statistics()
        assert (statistics.timers, statistics.null_activities) == (1, 1)


def test_chd_24_a_chain_of_ten_thousand_is_removed_like_one_of_two() -> None:
    with World(Chain) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            link = sbb.links.create()
            for number in range(10_000):
                link = link.extend(number)
            aci.attach(link)
            aci.detach(sbb)

        world.do("a", act)
        assert world.entities() == 10_002
        LOG.clear()
        world.end("a")
        assert world.entities() == 0
        assert LOG[:2] == ["remove 0", "remove 1"]
        assert len(LOG) == 10_001


def test_chd_24_a_wide_relation_is_cleared_and_restored_in_linear_time() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: [sbb.leaves.create() for _ in range(5_000)])
        world.do("a", lambda sbb, aci: sbb.leaves.clear() or sbb.set_rollback_only())
        (root,) = world.roots()
        assert root.children is not None
        sequences = [child.sequence for child in root.children["leaves"]]
        assert sequences == sorted(sequences)
        world.do("a", lambda sbb, aci: sbb.leaves.clear())
        assert world.entities() == 1
