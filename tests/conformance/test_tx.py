"""Transaction failure and rollback (group TX)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, CreateError, RolledBackContext
from slee.api.errors import TransactionRequiredError, TransactionRolledBackError
from tests.conformance.kit import LOG, Act, Boom, Do, Note, Root, Traced, TracedRoot, World, boom

ROLLED_BACK = ("sbb_activate", "sbb_load", "sbb_rolled_back", "sbb_store", "sbb_passivate")


def test_tx_1_a_mark_is_for_good_and_seen_by_all_that_take_part() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.is_rollback_only is False
            leaf = sbb.leaves.create()
            leaf.run(lambda child: child.set_rollback_only())
            assert sbb.is_rollback_only
            assert leaf.run(lambda child: child.is_rollback_only)
            kept.append(sbb)

        kept: list[Any] = []
        world.do("a", act)
        with pytest.raises(TransactionRequiredError):
            kept[0].set_rollback_only()
        with pytest.raises(TransactionRequiredError):
            _ = kept[0].is_rollback_only


def test_tx_2_work_after_the_mark_runs_and_is_undone() -> None:
    with World(Root) as world:
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.set_rollback_only()
            sbb.count = 5
            sbb.ra.send("never")
            sbb.note(Note(), aci)
            assert sbb.count == 5

        world.do("a", act)
        assert world.state()["count"] == 0
        assert world.ra.commands == []
        assert world.ra.dropped == ["never"]
        figures = {(f.sbb.name, f.event_type.name): f for f in world.kernel.statistics().deliveries}
        assert (figures["Root", "test.Do"].committed, figures["Root", "test.Do"].rolled_back) == (1, 1)


def test_tx_3_an_exception_is_told_to_the_instance_in_its_transaction_and_then_to_a_new_one() -> None:
    with World(Traced, failures_allowed=True) as world:
        seen: list[object] = []
        event: list[object] = []

        def thrown(sbb: Any, exception: BaseException, given: object, aci: object) -> None:
            assert sbb.is_rollback_only
            seen.extend((id(sbb), type(exception), given, aci, world.ra.context.transaction_id))

        def act(sbb: Any, aci: ActivityContext) -> None:
            event.extend((id(sbb), sbb.event_context.event, aci, world.ra.context.transaction_id))
            raise Boom

        world.do("a")
        LOG.clear()
        world.on(Traced, "sbb_exception_thrown", thrown)
        world.do("a", act)
        assert seen == [event[0], Boom, event[1], event[2], event[3]]
        assert [
            f"Traced.{name}" for name in ("sbb_activate", "sbb_load", "on_do", "sbb_exception_thrown", *ROLLED_BACK)
        ] == LOG
        assert world.causes() == [Boom]


def test_tx_4_the_instance_that_raised_is_neither_stored_nor_passivated() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a", boom)
        assert LOG == ["Traced.sbb_create", "Traced.sbb_post_create", "Traced.on_do", "Traced.sbb_exception_thrown"]


def test_tx_5_a_mark_alone_is_followed_by_passivate_and_rolled_back() -> None:
    with World(Traced) as world:
        world.do("a")
        LOG.clear()
        world.do("a", lambda sbb, aci: sbb.set_rollback_only())
        assert [
            f"Traced.{name}" for name in ("sbb_activate", "sbb_load", "on_do", "sbb_passivate", *ROLLED_BACK)
        ] == LOG


@pytest.mark.parametrize("callback", ["sbb_load", "sbb_store"])
def test_tx_6_an_exception_from_load_or_store_rolls_back_like_one_from_the_handler(callback: str) -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        LOG.clear()
        once = [True]

        def fail(sbb: Any) -> None:
            if once:
                once.clear()
                raise Boom

        told: list[object] = []
        world.on(Traced, callback, fail)
        world.on(Traced, "sbb_exception_thrown", lambda sbb, *arguments: told.extend(arguments[1:]))
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 9))
        assert world.state(Traced)["count"] == 0
        assert LOG.count("Traced.sbb_exception_thrown") == 1
        assert LOG.count("Traced.sbb_rolled_back") == 1
        assert told == [None, None]


@pytest.mark.parametrize("callback", ["sbb_create", "sbb_post_create"])
def test_tx_6_an_exception_from_creation_is_told_to_the_instance(callback: str) -> None:
    with World(Traced, failures_allowed=True) as world:
        world.on(Traced, callback, boom)
        world.do("a")
        assert LOG[-1] == "Traced.sbb_exception_thrown"
        assert "Traced.on_do" not in LOG
        assert world.entities() == 0


def test_tx_7_what_sbb_rolled_back_does_commits_by_itself() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")

        def rolled_back(sbb: Any, context: RolledBackContext) -> None:
            assert sbb.count == 0
            sbb.count = 77
            sbb.ra.send("sorry")
            sbb.note(Note(), context.activity_context)

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            raise Boom

        world.on(Traced, "sbb_rolled_back", rolled_back)
        world.do("a", act)
        assert world.state(Traced)["count"] == 77
        assert world.ra.commands == ["sorry"]
        assert LOG.count("Traced.on_note") == 1


@pytest.mark.parametrize("raises", [True, False])
def test_tx_8_sbb_rolled_back_is_not_repeated_when_it_rolls_back(raises: bool) -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")

        def rolled_back(sbb: Any, context: RolledBackContext) -> None:
            sbb.count = 5
            if raises:
                raise Boom
            sbb.set_rollback_only()

        world.on(Traced, "sbb_rolled_back", rolled_back)
        LOG.clear()
        world.do("a", boom)
        assert LOG.count("Traced.sbb_rolled_back") == 1
        assert world.state(Traced)["count"] == 0


def test_tx_9_only_the_entity_that_the_router_called_is_told() -> None:
    with World(TracedRoot, failures_allowed=True) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            sbb.first.create()

        def act(sbb: Any, aci: ActivityContext) -> None:
            (leaf,) = sbb.first
            leaf.run(lambda child: None)
            sbb.first.create()
            raise Boom

        world.do("a", set_up)
        LOG.clear()
        world.do("a", act)
        assert LOG.count("TracedRoot.sbb_rolled_back") == 1
        assert "TracedLeaf.sbb_rolled_back" not in LOG


def test_tx_10_the_context_tells_event_and_activity_of_the_failed_delivery() -> None:
    with World(Traced, failures_allowed=True) as world:
        told: list[object] = []

        def rolled_back(sbb: Any, context: RolledBackContext) -> None:
            told.extend((context.event, context.activity_context, context.is_remove_rolled_back))

        world.on(Traced, "sbb_rolled_back", rolled_back)
        world.do("a")
        event = Do(lambda sbb, aci: sbb.local.remove() or boom())
        world.fire("a", event)
        assert told == [event, world.context("a"), False]


def test_tx_10_a_removal_that_the_slee_began_is_told_as_such() -> None:
    with World(Traced, failures_allowed=True) as world:
        told: list[object] = []

        def rolled_back(sbb: Any, context: RolledBackContext) -> None:
            told.extend((context.event, context.activity_context, context.is_remove_rolled_back))

        world.on(Traced, "sbb_rolled_back", rolled_back)
        world.on(Traced, "sbb_remove", boom)
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        assert told == [None, None, True]


def test_tx_11_a_root_that_refuses_its_creation_is_told_nothing() -> None:
    with World(Traced, failures_allowed=True) as world:

        def refuse(sbb: Any) -> None:
            raise CreateError

        world.on(Traced, "sbb_post_create", refuse)
        world.do("a")
        assert LOG == ["Traced.sbb_create", "Traced.sbb_post_create"]
        assert world.causes() == [CreateError]


def test_tx_11_a_handler_that_raises_create_error_is_told() -> None:
    with World(Traced, failures_allowed=True) as world:

        def refuse(sbb: Any, aci: ActivityContext) -> None:
            raise CreateError

        world.do("a", refuse)
        assert LOG[-1] == "Traced.sbb_exception_thrown"


def test_tx_12_a_root_whose_handler_failed_never_was() -> None:
    with World(Root, failures_allowed=True) as world:
        world.do("a", boom)
        assert world.roots() == []
        assert world.entities() == 0
        context = world.context("a")
        assert context is not None
        assert not context.attached
        assert LOG == ["Root.on_do"]
        assert world.kernel.events[Do].delivered == 1
        world.do("a")
        assert len(world.roots()) == 1


def test_tx_13_the_adaptor_learns_of_the_unserved_request() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a", boom)
        assert "Traced.sbb_rolled_back" not in LOG
        names = [callback[0] for callback in world.ra.callbacks]
        assert names[-3:] == ["event_processing_successful", "event_unreferenced", "activity_unreferenced"]


def test_tx_14_the_others_get_the_event_in_order() -> None:
    with World(Root, failures_allowed=True) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            for _ in range(2):
                aci.attach(sbb.leaves.create())

        world.do("a", set_up)
        LOG.clear()
        world.on(Root, "on_note", boom)
        world.fire("a", Note())
        assert LOG == ["Root.on_note", "Leaf.on_note", "Leaf.on_note"]


def failing(world: World, act: Act) -> None:
    """Have the existing root run `act` in a delivery that is rolled back."""

    def fail(instance: Any, aci: ActivityContext) -> None:
        act(instance, aci)
        instance.set_rollback_only()

    world.do("a", fail)


def test_tx_15_rollback_undoes_state_attachments_masks_priorities_and_entities() -> None:
    with World(Root) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            for _ in range(3):
                aci.attach(sbb.leaves.create())
            aci.mask_events(sbb, {Note})

        world.do("a", set_up)
        (root,) = world.roots()
        context = world.start("a")
        assert root.children is not None
        before = (dict(root.state), dict(context.attached), root.count, root.priority, list(root.children["leaves"]))

        def act(sbb: Any, aci: ActivityContext) -> None:
            first, second, third = sbb.leaves
            second.remove()
            third.priority = 3
            aci.detach(first)
            aci.attach(sbb.leaves.create())
            sbb.twins.create()
            first.remove()
            aci.mask_events(sbb, ())
            sbb.local.priority = 9
            sbb.count = 4
            sbb.local.remove()

        failing(world, act)
        assert root.children is not None
        after = (dict(root.state), dict(context.attached), root.count, root.priority, list(root.children["leaves"]))
        assert after == before
        assert world.entities() == 4
        assert root.children["twins"] == {}
        assert [leaf.priority for leaf in root.children["leaves"]] == [0, 0, 0]
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 1))
        assert world.roots() == [root]


def test_tx_16_rollback_undoes_timers_names_null_activities_and_suspensions() -> None:
    with World(Root) as world:
        ids: dict[str, Any] = {}

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.bind(aci, "kept")
            ids["kept"] = sbb.timers.set(aci, after=5)
            sbb.context = sbb.null_activities.create()
            sbb.naming.bind(sbb.context, "null")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.unbind("kept")
            sbb.naming.bind(aci, "lost")
            sbb.timers.cancel(ids["kept"])
            ids["lost"] = sbb.timers.set(aci, after=1)
            sbb.naming.bind(sbb.null_activities.create(), "lost null")
            sbb.context.activity.end()
            sbb.event_context.suspend()

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.naming.find("kept") is aci
            assert sbb.naming.find("lost") is None
            assert sbb.naming.find("lost null") is None
            assert sbb.timers.find_context(ids["kept"]) is aci
            assert sbb.timers.find_context(ids["lost"]) is None
            assert not sbb.context.is_ending
            assert not sbb.event_context.is_suspended

        world.do("a", set_up)
        failing(world, act)
        world.do("a", look)
        statistics = world.kernel.statistics()
        assert (statistics.timers, statistics.null_activities) == (1, 1)
        fired: list[object] = []
        world.on(Root, "on_timer", lambda sbb, event, aci: fired.append(event.timer_id))
        world.slee.clock.advance(10)
        assert fired == [ids["kept"]]


def test_tx_17_rollback_undoes_events_starts_ends_and_commands() -> None:
    with World(Root) as world:
        world.start("b")
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.note(Note(), aci)
            sbb.ra.open("opened")
            sbb.ra.close("b")
            sbb.ra.send("never")
            world.ra.endpoint.fire_transacted("a", Note())

        failing(world, act)
        assert world.context("opened") is None
        context = world.context("b")
        assert context is not None
        assert context.state.value == "Active"
        assert "Root.on_note" not in LOG
        assert world.ra.commands == []
        assert world.told("activity_ended") == []


def test_tx_18_rollback_leaves_traces_and_what_an_adaptor_did_by_itself() -> None:
    with World(Root) as world:
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.tracer.info("seen")
            world.ra.endpoint.start_activity("own", "activity")
            world.ra.endpoint.fire("own", Do(key="own"))
            world.ra.endpoint.start_activity("ended", "activity")
            world.ra.endpoint.end_activity("ended")

        failing(world, act)
        assert [message.text for message in world.slee.observer.messages] == ["seen"]
        assert world.context("own") is not None
        assert world.context("ended") is None
        assert LOG.count("Root.on_do") == 3


def test_tx_19_effects_become_visible_together() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            sbb.text = "one"
            sbb.note(Note(), aci)

        def note(sbb: Any, aci: ActivityContext) -> None:
            assert (sbb.count, sbb.text) == (1, "one")
            LOG.append("seen")

        world.on(Root, "on_note", note)
        world.do("a", act)
        assert LOG[-1] == "seen"


@pytest.mark.parametrize("callback", ["sbb_exception_thrown", "sbb_rolled_back"])
def test_tx_20_an_exception_from_a_failure_callback_is_reported_and_the_next_event_goes_on(callback: str) -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        world.on(Traced, callback, boom)
        world.do("a", boom)
        assert world.causes() == [Boom, Boom]
        kinds = [failure.kind for failure in world.slee.failures]
        assert kinds == ["sbb", "callback"]
        LOG.clear()
        world.do("a")
        assert "Traced.on_do" in LOG


def test_tx_21_a_handlers_failure_is_no_failure_of_the_event() -> None:
    with World(Root, failures_allowed=True) as world:
        event = Do(boom)
        world.fire("a", event)
        assert world.told("event_processing_failed") == []
        # SBB_PROCESSED, and SBB_ROLLED_BACK since every handler rolled back.
        assert world.told("event_processing_successful") == [("a", event, 0xE0 | 0x100 | 0x200)]


def test_tx_22_a_caller_that_catches_is_treated_as_if_it_had_marked() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())

        def act(sbb: Any, aci: ActivityContext) -> None:
            (leaf,) = sbb.first
            with pytest.raises(TransactionRolledBackError):
                leaf.run(boom)
            assert sbb.is_rollback_only

        LOG.clear()
        world.do("a", act)
        assert LOG.count("TracedRoot.sbb_exception_thrown") == 0
        assert LOG.count("TracedRoot.sbb_store") == 1  # that of sbb_rolled_back
        assert LOG.count("TracedRoot.sbb_passivate") == 2
        assert LOG.count("TracedRoot.sbb_rolled_back") == 1


def test_tx_23_system_exit_is_a_failure_like_any_other() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")

        def leave(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            raise SystemExit

        LOG.clear()
        world.do("a", leave)
        assert "Traced.sbb_exception_thrown" in LOG
        assert world.state(Traced)["count"] == 0
        assert world.causes() == [SystemExit]


def test_tx_23_keyboard_interrupt_rolls_back_without_callback_and_goes_on_to_the_shell() -> None:
    with World(Traced) as world:
        world.do("a")

        def interrupt(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            raise KeyboardInterrupt

        LOG.clear()
        with pytest.raises(KeyboardInterrupt):
            world.do("a", interrupt)
        assert LOG == ["Traced.sbb_activate", "Traced.sbb_load", "Traced.on_do"]
        assert world.state(Traced)["count"] == 0
        world.slee.run()
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 2))
        assert world.state(Traced)["count"] == 2


def test_tx_24_what_is_kept_after_its_delivery_is_refused() -> None:
    with World(Root) as world:
        kept: dict[str, Any] = {}

        def act(sbb: Any, aci: ActivityContext) -> None:
            kept.update(sbb=sbb, relation=sbb.leaves, local=sbb.local, null=sbb.null_activities, aci=aci)

        world.do("a", act)
        for use in (
            lambda: kept["sbb"].count,
            lambda: kept["relation"].create(),
            lambda: kept["local"].priority,
            lambda: kept["null"].create(),
            lambda: kept["aci"].attach(kept["local"]),
        ):
            with pytest.raises(TransactionRequiredError):
                use()
        assert world.entities() == 1
