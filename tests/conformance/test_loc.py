"""Local objects (group LOC)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, Sbb, handles, local
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    NoSuchObjectError,
    ReentrantCallError,
    TransactionRequiredError,
    TransactionRolledBackError,
)
from tests.conformance.kit import LOG, Boom, Note, Root, TracedLeaf, TracedRoot, World, boom


def test_loc_1_equality_follows_the_entity_and_is_legal_everywhere() -> None:
    with World(Root) as world:
        kept: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            other = sbb.leaves.create()
            kept.extend((leaf, next(iter(sbb.leaves)), other, leaf.run(lambda child: child.local)))

        world.do("a", act)
        first, again, other, own = kept
        assert first == again == own != other
        assert hash(first) == hash(own)
        assert first != "x"
        for use in (
            lambda: first.priority,
            lambda: setattr(first, "priority", 1),
            lambda: first.is_valid,
            lambda: first.remove(),
            lambda: first.run(lambda leaf: None),
        ):
            with pytest.raises(TransactionRequiredError):
                use()
        assert world.entities() == 3
        world.do("a", lambda sbb, aci: first.remove())
        assert first == again


def test_loc_2_self_local_is_what_create_returned() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: LOG.append(str((leaf := sbb.leaves.create()) == leaf.run(lambda c: c.local))))
        assert LOG[-1] == "True"


def test_loc_3_exactly_the_local_methods_are_offered() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            assert leaf.run(lambda child: 1) == 1
            for name in ("secret", "on_note", "sbb_load", "count", "timers", "missing", "_slee", "entity_"):
                with pytest.raises(AttributeError):
                    getattr(leaf, name)
            with pytest.raises(AttributeError):
                leaf.count = 1

        world.do("a", act)


def test_loc_3_local_on_handlers_callbacks_and_coroutines_is_refused() -> None:
    with pytest.raises(ComponentDefinitionError) as info:

        class Bad(Sbb, vendor="test", version="1.0"):
            @local
            @handles
            def on_note(self, event: Note, aci: ActivityContext) -> None: ...

            @local
            def sbb_load(self) -> None: ...

            @local
            async def later(self) -> None: ...

    assert [issue.rule for issue in info.value.issues] == ["LOC-3"] * 3


def test_loc_4_a_call_runs_at_once_on_the_instance_and_passes_things_as_they_are() -> None:
    with World(Root) as world:
        thing = object()

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            ids = [leaf.run(id), leaf.run(id)]
            assert ids[0] == ids[1]
            assert leaf.run(lambda child: thing) is thing

        world.do("a", act)


def test_loc_5_writes_of_callee_and_caller_roll_back_together() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: setattr(sbb, "leaf", sbb.leaves.create()))

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf.run(lambda leaf: setattr(leaf, "count", 9))
            sbb.count = 9
            sbb.set_rollback_only()

        world.do("a", act)
        seen: list[object] = []
        world.do("a", lambda sbb, aci: seen.extend((sbb.count, sbb.leaf.run(lambda leaf: leaf.count))))
        assert seen == [0, 0]


def test_loc_6_priority_is_an_int_from_minus_128_to_127() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for good in (-128, 127, 0):
                sbb.local.priority = good
                assert sbb.local.priority == good
            for bad in (-129, 128):
                with pytest.raises(ValueError, match="LOC-6"):
                    sbb.local.priority = bad
            for wrong in (1.0, "1", None, True):
                with pytest.raises(TypeError, match="LOC-6"):
                    sbb.local.priority = wrong
            assert sbb.local.priority == 0
            sbb.local.priority = 5

        def roll_back(sbb: Any, aci: ActivityContext) -> None:
            sbb.local.priority = 9
            sbb.set_rollback_only()

        world.do("a", act)
        world.do("a", roll_back)
        assert world.roots()[0].priority == 5


def test_loc_7_remove_takes_descendants_relations_and_attachments_with_it() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            node = sbb.nodes.create()
            leaf = node.run(lambda n: n.leaves.create())
            aci.attach(node)
            aci.attach(leaf)
            node.remove()
            assert not node.is_valid
            assert not leaf.is_valid
            assert len(sbb.nodes) == 0
            assert node not in sbb.nodes

        world.do("a", act)
        context = world.start("a")
        assert list(context.attached) == world.roots()
        assert world.entities() == 1


def test_loc_8_an_entity_may_remove_itself_and_runs_on_to_its_end() -> None:
    with World(TracedRoot) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            relation = sbb.first
            sbb.local.remove()
            LOG.append("ran on")
            for use in (lambda: sbb.count, lambda: sbb.activities, lambda: sbb.first, lambda: len(relation)):
                with pytest.raises(InvalidStateError):
                    use()
            sbb.tracer.info("still here")

        world.do("a", act)
        assert LOG.index("TracedRoot.sbb_remove") < LOG.index("ran on")
        assert world.entities() == 0


def test_loc_9_priority_of_a_removed_entity_is_an_error_without_mark() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            leaf.remove()
            with pytest.raises(NoSuchObjectError):
                _ = leaf.priority
            with pytest.raises(NoSuchObjectError):
                leaf.priority = 3
            assert not sbb.is_rollback_only

        world.do("a", act)


@pytest.mark.parametrize("use", ["remove", "run"])
def test_loc_10_remove_or_call_of_a_removed_entity_marks(use: str) -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            leaf.remove()
            with pytest.raises(TransactionRolledBackError) as info:
                leaf.remove() if use == "remove" else leaf.run(lambda child: None)
            assert isinstance(info.value.__cause__, NoSuchObjectError)
            assert sbb.is_rollback_only

        world.do("a", act)


def test_loc_11_an_undeclared_exception_marks_and_is_the_cause() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        told: list[object] = []
        world.on(TracedLeaf, "sbb_exception_thrown", lambda sbb, *arguments: told.extend(arguments))

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.first.create()
            with pytest.raises(TransactionRolledBackError) as info:
                leaf.run(boom)
            assert isinstance(info.value.__cause__, Boom)
            assert sbb.is_rollback_only

        world.do("a", act)
        assert [type(told[0]), *told[1:]] == [Boom, None, None]
        assert world.causes() == [Boom]


def test_loc_12_the_caller_may_go_on_or_let_it_pass() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a")

        def passes(sbb: Any, aci: ActivityContext) -> None:
            sbb.first.create().run(boom)

        LOG.clear()
        world.do("a", passes)
        assert [entry for entry in LOG if entry.endswith("exception_thrown")] == [
            "TracedLeaf.sbb_exception_thrown",
            "TracedRoot.sbb_exception_thrown",
        ]
        assert world.entities() == 1


def test_loc_13_a_call_back_into_a_running_entity_is_refused() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            inside: list[str] = []

            def back(child: Any) -> None:
                with pytest.raises(TransactionRolledBackError) as info:
                    leaf.run(lambda again: inside.append("ran"))
                assert isinstance(info.value.__cause__, ReentrantCallError)

            leaf.run(back)
            assert inside == []
            assert sbb.is_rollback_only
            LOG.append("refused")

        world.do("a", act)
        assert LOG[-1] == "refused"


def test_loc_14_a_reentrant_entity_is_called_on_the_same_instance() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            node = sbb.nodes.create()

            def outer(first: Any) -> None:
                first.count = 4
                node.run(lambda second: seen.extend((second is first, second.count)))

            seen: list[object] = []
            node.run(outer)
            assert seen == [True, 4]

        world.do("a", act)


def test_loc_15_is_valid_never_raises_in_a_delivery() -> None:
    with World(Root) as world:
        kept: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            kept.append(sbb.leaves.create())
            assert kept[0].is_valid
            kept[0].remove()
            assert not kept[0].is_valid

        world.do("a", act)
        seen: list[bool] = []
        world.do("a", lambda sbb, aci: seen.append(kept[0].is_valid))
        assert seen == [False]


def test_loc_16_a_transaction_may_span_two_trees() -> None:
    with World(Root) as world:
        kept: list[Any] = []

        def keep(sbb: Any, aci: ActivityContext) -> None:
            kept.append(sbb.leaves.create())
            aci.attach(kept[0])
            aci.detach(sbb)

        world.do("a", keep, key="1")
        context = world.start("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            kept[0].run(lambda leaf: setattr(leaf, "count", 3))
            context.detach(kept[0])
            sbb.set_rollback_only()

        world.do("b", act, key="2")
        assert len(world.roots()) == 1  # the first tree; the second was rolled back with its creation
        world.do("b", lambda sbb, aci: context.detach(kept[0]), key="2")
        assert len(world.roots()) == 1
        assert world.roots()[0].convergence_name[5] == "2"
