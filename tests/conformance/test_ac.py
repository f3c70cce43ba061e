"""Activities and activity contexts (group AC)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, ActivityEnd, NullActivity
from slee.api.errors import (
    ActivityAlreadyExistsError,
    ActivityIsEndingError,
    InvalidStateError,
    TransactionRequiredError,
    UnrecognizedActivityHandleError,
)
from slee.kernel.states import ContextState
from slee.spi import ActivityFlags
from tests.conformance.kit import LOG, Do, Leaf, Note, Root, World


def kept(world: World, handle: str = "a") -> Any:
    context = world.context(handle)
    assert context is not None
    return context


def test_ac_1_a_context_goes_from_active_to_ending_to_invalid() -> None:
    with World(Root) as world:
        states: list[object] = []
        world.do("a", lambda sbb, aci: states.append(aci.is_ending))
        world.on(Root, "on_end", lambda sbb, aci: states.append(aci.is_ending))
        context = kept(world)
        world.end("a")
        assert states == [False, True]
        assert context.state is ContextState.INVALID


def test_ac_2_an_invalid_context_keeps_identity_and_refuses_the_rest() -> None:
    with World(Root) as world:
        world.start("a")
        context = kept(world)
        world.end("a")
        assert context == context
        assert hash(context) == hash(context)
        assert str(context) == "test:a"

        def act(sbb: Any, aci: ActivityContext) -> None:
            for use in (
                lambda: context.is_ending,
                lambda: context.attach(sbb),
                lambda: context.detach(sbb),
                lambda: context.is_attached(sbb),
                lambda: context.mask_events(sbb, {Note}),
                lambda: context.event_mask(sbb),
                lambda: sbb.note(Note(), context),
                lambda: sbb.naming.bind(context, "name"),
                lambda: sbb.timers.set(context, after=1),
            ):
                with pytest.raises(InvalidStateError):
                    use()
            assert not sbb.is_rollback_only
            assert sbb.naming.find("name") is None

        world.do("b", act)


def test_ac_3_activity_end_is_the_last_event() -> None:
    with World(Root) as world:
        world.do("a")
        LOG.clear()
        world.queue("a", Note())
        world.ra.endpoint.end_activity("a")
        assert kept(world).state is ContextState.ENDING
        world.slee.run()
        assert LOG == ["Root.on_note", "Root.on_end"]


def test_ac_4_ending_twice_is_ending_once() -> None:
    with World(Root) as world:
        world.do("a")
        world.ra.endpoint.end_activity("a")
        world.ra.endpoint.end_activity("a")
        world.slee.run()
        assert LOG.count("Root.on_end") == 1
        with pytest.raises(UnrecognizedActivityHandleError):
            world.ra.endpoint.end_activity("a")


def test_ac_5_firing_on_an_ending_context_is_refused() -> None:
    with World(Root) as world:
        world.do("a")
        world.ra.endpoint.end_activity("a")
        with pytest.raises(ActivityIsEndingError):
            world.ra.endpoint.fire("a", Note())
        world.slee.run()
        assert world.kernel.events[Note].accepted == 0


def test_ac_6_everything_accepted_before_the_end_is_processed_before_it() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=5))
        world.queue("a", Note())
        world.end("a")
        LOG.clear()
        assert kept(world).state is ContextState.ENDING
        world.slee.clock.advance(5)
        assert LOG == ["Root.on_note", "Root.on_end"]


def test_ac_6_nothing_is_processed_after_the_end() -> None:
    with World(Root, failures_allowed=True) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.note(Note(), aci)
            world.ra.endpoint.end_activity("a")  # at once, so ahead of what this delivery fires

        world.do("a", act)
        assert LOG == ["Root.on_do", "Root.on_end"]
        assert world.kernel.events[Note].failed == 1


def test_ac_7_activity_end_is_delivered_by_priority_to_who_handles_it() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())
            aci.attach(sbb.nodes.create())  # without handler

        world.do("a", act)
        numbers: list[object] = []
        for sbb in (Root, Leaf):
            world.on(sbb, "on_end", lambda sbb, aci: numbers.append(world.ra.context.transaction_id))
        LOG.clear()
        world.end("a")
        assert LOG == ["Root.on_end", "Leaf.on_end"]
        assert len(set(numbers)) == 2


def test_ac_8_every_entity_is_detached_whatever_became_of_its_delivery() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            world.start("b").attach(sbb)
            for _ in range(2):
                aci.attach(sbb.leaves.create())
            aci.attach(sbb.nodes.create())
            _, second = sbb.leaves
            aci.mask_events(second, {ActivityEnd})

        world.do("a", act)
        counts: list[int] = []

        def on_end(sbb: Any, aci: ActivityContext) -> None:
            counts.append(len(kept(world).attached))
            sbb.set_rollback_only()

        world.on(Root, "on_end", on_end)
        world.on(Leaf, "on_end", on_end)
        context = kept(world)
        world.end("a")
        assert counts == [4, 3]
        assert not context.attached
        assert world.roots()[0].count == 1


def test_ac_9_in_the_handler_of_the_end_everything_is_in_place() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"))

        def on_end(sbb: Any, aci: ActivityContext) -> None:
            assert aci.is_attached(sbb)
            assert sbb.naming.find("name") is aci
            with pytest.raises(InvalidStateError):
                sbb.timers.set(aci, after=1)
            LOG.append("seen")

        world.on(Root, "on_end", on_end)
        world.end("a")
        assert LOG[-1] == "seen"


def test_ac_10_the_end_takes_names_timers_and_handle_with_it() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.bind(aci, "name")
            sbb.timers.set(aci, after=60)

        world.do("a", act)
        context = kept(world)
        world.end("a")
        assert world.context("a") is None
        assert context.state is ContextState.INVALID
        assert world.kernel.statistics().timers == 0

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.naming.find("name") is None

        world.do("b", look)


def test_ac_11_a_handle_is_known_until_the_end_is_complete() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"))
        first = kept(world)
        with pytest.raises(ActivityAlreadyExistsError):
            world.ra.endpoint.start_activity("a", "again")
        world.ra.endpoint.end_activity("a")
        with pytest.raises(ActivityAlreadyExistsError):
            world.ra.endpoint.start_activity("a", "again")
        world.slee.run()
        world.ra.endpoint.start_activity("a", "again")
        second = kept(world)
        assert second is not first
        assert not second.attached
        assert not second.names
        assert second.activity == "again"


def test_ac_12_contexts_are_equal_exactly_if_they_are_of_one_activity() -> None:
    with World(Root) as world:
        seen: list[Any] = []
        world.do("a", lambda sbb, aci: seen.append(aci))
        world.do("a", lambda sbb, aci: seen.append(aci))
        world.end("a")
        world.do("a", lambda sbb, aci: seen.append(aci))
        assert seen[0] == seen[1]
        assert hash(seen[0]) == hash(seen[1])
        assert seen[0] != seen[2]


def test_ac_13_the_activity_object_is_the_adaptors_own() -> None:
    with World(Root) as world:
        activity = object()
        world.ra.endpoint.start_activity("a", activity)
        seen: list[object] = []
        world.do("a", lambda sbb, aci: seen.append(aci.activity), key="1")
        assert seen == [activity]
        assert world.ra.get_activity_handle(object()) is None


def test_ac_14_unreferenced_comes_when_nothing_refers_to_the_activity() -> None:
    with World(Root) as world:
        ids: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.bind(aci, "name")
            ids.append(sbb.timers.set(aci, after=60))
            world.start("b").attach(sbb)

        told = lambda: world.told("activity_unreferenced")
        world.do("a", act)
        a = kept(world)
        world.do("b", lambda sbb, aci: a.detach(sbb))
        assert told() == []
        world.do("b", lambda sbb, aci: sbb.naming.unbind("name"))
        assert told() == []
        world.do("b", lambda sbb, aci: sbb.timers.cancel(ids[0]))
        assert told() == [("a",)]


def test_ac_14_it_does_not_come_while_an_event_is_queued_suspended_or_in_process() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.event_context.suspend(timeout=5)
            aci.detach(sbb)

        world.do("a", act)
        assert world.told("activity_unreferenced") == []
        world.slee.clock.advance(5)
        assert world.told("activity_unreferenced") == [("a",)]


def test_ac_14_without_the_flag_it_does_not_come() -> None:
    with World(Root) as world:
        world.start("a", ActivityFlags.NONE)
        world.fire("a", Note())
        world.end("a")
        assert world.told("activity_unreferenced") == []
        assert world.told("activity_ended") == []


def test_ac_15_it_comes_once_each_time_and_changes_no_state() -> None:
    with World(Root) as world:
        world.fire("a", Note())
        assert len(world.told("activity_unreferenced")) == 1
        world.slee.run()
        assert len(world.told("activity_unreferenced")) == 1
        world.fire("a", Note())
        assert len(world.told("activity_unreferenced")) == 2
        assert kept(world).state is ContextState.ACTIVE


def test_ac_16_ended_comes_once_and_the_handle_may_be_started_from_within() -> None:
    with World(Root) as world:
        world.do("a")

        def ended(handle: Any) -> None:
            if not world.told("activity_ended"):
                world.ra.callbacks.append(("activity_ended", handle))
                world.ra.endpoint.start_activity(handle, "again")

        world.ra.activity_ended = ended
        world.end("a")
        assert world.told("activity_ended") == [("a",)]
        assert kept(world).activity == "again"


def test_ac_17_an_operators_removal_is_told_before_the_end_is_delivered() -> None:
    with World(Root) as world:
        world.do("a")
        world.on(Root, "on_end", lambda sbb, aci: LOG.append(str(world.told("administrative_remove"))))
        world.kernel.resources["test"].remove_activity("a")
        world.slee.run()
        assert LOG[-1] == "[('a',)]"
        assert world.context("a") is None
        with pytest.raises(UnrecognizedActivityHandleError):
            world.kernel.resources["test"].remove_activity("a")


def test_ac_18_query_liveness_asks_only() -> None:
    with World(Root, failures_allowed=True) as world:
        world.start("a")
        world.kernel.resources["test"].query_liveness("a")
        world.slee.run()
        assert world.told("query_liveness") == [("a",)]

        def fail(handle: Any) -> None:
            raise RuntimeError

        world.ra.query_liveness = fail
        world.kernel.resources["test"].query_liveness("a")
        assert kept(world).state is ContextState.ACTIVE


def test_ac_19_a_handle_that_hashes_by_identity_is_refused() -> None:
    with World(Root) as world:
        with pytest.raises(TypeError, match="RA-45"):
            world.ra.endpoint.start_activity(object(), "activity")
        with pytest.raises(TypeError):
            world.ra.endpoint.start_activity([], "activity")


def test_ac_21_null_activities_commit_and_roll_back() -> None:
    with World(Root) as world:
        facility: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            facility.append(sbb.null_activities)
            null = sbb.null_activities.create()
            null.attach(sbb)
            sbb.context = null
            assert isinstance(null.activity, NullActivity)

        lost: list[Any] = []

        def never(sbb: Any, aci: ActivityContext) -> None:
            lost.append(sbb.null_activities.create())
            lost[0].attach(sbb)
            sbb.context.activity.end()
            sbb.set_rollback_only()

        world.do("a", act)
        world.do("a", never)
        assert world.kernel.statistics().null_activities == 1
        assert lost[0].state is ContextState.INVALID
        world.do("a", lambda sbb, aci: sbb.context.activity.end())
        assert world.kernel.statistics().null_activities == 0
        with pytest.raises(TransactionRequiredError):
            facility[0].create()


def test_ac_22_the_creating_transaction_may_use_it_at_once() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            null.attach(sbb)
            sbb.naming.bind(null, "null")
            sbb.timers.set(null, after=1)
            sbb.note(Note("on null"), null)

        world.do("a", act)
        assert LOG == ["Root.on_do", "Root.on_note"]


def test_ac_23_ending_twice_has_no_effect_and_anybody_may_end() -> None:
    with World(Root) as world:
        nulls: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            null.attach(sbb)
            nulls.append(null)

        world.do("a", act, key="1")
        LOG.clear()
        world.do("b", lambda sbb, aci: [nulls[0].activity.end() for _ in range(2)], key="2")
        assert LOG == ["Root.on_do", "Root.on_end"]
        world.do("b", lambda sbb, aci: nulls[0].activity.end(), key="2")
        assert LOG == ["Root.on_do", "Root.on_end", "Root.on_do"]


def test_ac_24_a_null_activity_that_nothing_refers_to_ends_by_itself() -> None:
    with World(Root) as world:
        nulls: list[Any] = []
        world.do("a", lambda sbb, aci: nulls.append(sbb.null_activities.create()))
        assert nulls[0].state is ContextState.INVALID

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            null.attach(sbb)
            nulls.append(null)
            sbb.context = null

        world.do("a", act)
        assert nulls[1].state is ContextState.ACTIVE
        world.do("a", lambda sbb, aci: nulls[1].detach(sbb))
        assert nulls[1].state is ContextState.INVALID
        world.do("a", lambda sbb, aci: LOG.append(str(sbb.context)))
        assert LOG[-1] == "None"


@pytest.mark.parametrize("what", ["timer", "name", "event"])
def test_ac_25_any_single_reference_keeps_a_null_activity(what: str) -> None:
    with World(Root) as world:
        nulls: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            nulls.append(null)
            if what == "timer":
                sbb.timers.set(null, after=5)
            elif what == "name":
                sbb.naming.bind(null, "name")
            else:
                sbb.note(Note(), null)

        world.queue("a", Do(act))
        world.slee.step()
        assert nulls[0].state is ContextState.ACTIVE
        world.slee.run()
        if what == "name":
            world.do("a", lambda sbb, aci: sbb.naming.unbind("name"))
        elif what == "timer":
            assert nulls[0].state is ContextState.ACTIVE
            world.slee.clock.advance(5)
        assert nulls[0].state is ContextState.INVALID


def test_ac_26_null_activities_have_unique_handles() -> None:
    with World(Root, seed=1) as one, World(Root, seed=2) as two:
        handles: list[object] = []
        for world in (one, two):
            world.do("a", lambda sbb, aci: handles.extend(sbb.null_activities.create().handle for _ in range(2)))
        assert len(set(handles)) == 4


def test_ac_27_an_sbb_cannot_end_what_is_not_its_own() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert not hasattr(aci, "end")
            assert not hasattr(sbb.service_activity, "end")
            assert not hasattr(sbb.service_activity.activity, "end")

        world.do("a", act)
        assert not hasattr(ActivityContext, "end")
