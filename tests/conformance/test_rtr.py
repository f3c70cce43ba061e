"""Event delivery (group RTR)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import (
    ActivityContext,
    Cmp,
    EventContext,
    Sbb,
    SbbLocal,
    ServiceID,
    child,
    cmp,
    event_type,
    handles,
    initial_event,
    local,
)
from slee.api.errors import (
    InvalidStateError,
    NotAttachedError,
    TransactionRequiredError,
    UnrecognizedEventError,
    UnrecognizedServiceError,
)
from slee.kernel.states import SleeState
from slee.spi import EventFlags, FailureReason
from tests.conformance.kit import LOG, Act, Do, Leaf, Note, Other, Root, Traced, World, key, play

ORDER: list[str] = []


class Named(Sbb, vendor="test", version="1.0"):
    """A child that knows its name."""

    name: Cmp[str] = cmp()

    @local
    def run(self, act: Act) -> object:
        return act(self)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        ORDER.append(self.name)


class Middle(Sbb, vendor="test", version="1.0"):
    name: Cmp[str] = cmp()
    named = child(Named)

    @local
    def run(self, act: Act) -> object:
        return act(self)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        ORDER.append(self.name)


class Top(Sbb, vendor="test", version="1.0"):
    name: Cmp[str] = cmp("top")
    middles = child(Middle)
    named = child(Named)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.act(self, aci)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        ORDER.append(self.name)
        play(self, "on_note", aci)


def grow(sbb: Any, relation: str, name: str, priority: int, aci: ActivityContext) -> SbbLocal[Any]:
    local: SbbLocal[Any] = getattr(sbb, relation).create()
    local.priority = priority
    local.run(lambda child: setattr(child, "name", name))
    aci.attach(local)
    return local


def test_rtr_1_events_of_a_context_are_processed_in_the_order_of_acceptance() -> None:
    with World(Root) as world:
        seen: list[int] = []
        for number in range(5):
            world.queue("a", Do(lambda sbb, aci, n=number: seen.append(n)))
        world.slee.run()
        assert seen == [0, 1, 2, 3, 4]


def test_rtr_1_the_next_event_waits_for_all_candidates_of_the_one_before() -> None:
    with World(Root) as world:
        world.do("a", key="1")
        world.do("a", key="2")
        notes: list[str] = []
        world.on(Root, "on_note", lambda sbb, aci: notes.append(sbb.event_context.event.text))
        world.queue("a", Note("x"))
        world.queue("a", Note("y"))
        world.slee.run()
        assert notes == ["x", "x", "y", "y"]


def test_rtr_2_a_suspended_context_delays_no_other() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=5), key="a")
        world.do("b", key="b")
        assert LOG == ["Root.on_do", "Root.on_do"]


def test_rtr_2_a_long_queue_does_not_hold_up_another_context() -> None:
    with World(Root) as world:
        order: list[str] = []
        for _ in range(3):
            world.queue("a", Do(lambda sbb, aci: order.append("a"), key="a"))
        world.queue("b", Do(lambda sbb, aci: order.append("b"), key="b"))
        world.slee.run()
        assert order.index("b") < 3


def test_rtr_3_an_entity_without_handler_is_passed_over_without_a_transaction() -> None:
    with World(Traced) as world:
        world.do("a")
        LOG.clear()
        world.fire("a", Other())
        assert LOG == []
        assert ("event_processing_successful", "a", Other(), 0xE0) in world.ra.callbacks


def test_rtr_4_a_child_of_a_high_root_precedes_a_lower_root() -> None:
    ORDER.clear()
    with World(Top) as world:
        high = world.slee.install(Top, name="High", default_priority=10)

        def low(sbb: Any, aci: ActivityContext) -> None:
            sbb.name = "low"

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.name = "high"
            grow(sbb, "named", "child", -100, aci)

        world.fire("a", Do(low), service=world.service)
        world.fire("a", Do(act), service=high)
        world.fire("a", Note())
        assert ORDER == ["high", "child", "low"]


def test_rtr_4_the_first_level_that_differs_decides() -> None:
    ORDER.clear()
    with World(Top) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for name, own, under in (("m1", 1, 100), ("m2", 2, -100)):
                middle = grow(sbb, "middles", name, own, aci)
                middle.run(lambda m, n=name, u=under: grow(m, "named", f"{n}.leaf", u, aci))

        world.do("a", act)
        world.fire("a", Note())
        assert ORDER == ["top", "m2", "m2.leaf", "m1", "m1.leaf"]


def test_rtr_5_an_ancestor_precedes_its_descendants() -> None:
    ORDER.clear()
    with World(Top) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            middle = grow(sbb, "middles", "middle", 0, aci)
            middle.run(lambda m: grow(m, "named", "leaf", 127, aci))

        world.do("a", act)
        world.fire("a", Note())
        assert ORDER == ["top", "middle", "leaf"]


def test_rtr_6_initial_processing_goes_first_on_a_tie_and_by_service_priority() -> None:
    with World() as world:
        order: list[str] = []
        act = lambda sbb, aci: order.append(sbb.service_id.name)
        world.slee.install(Root, name="five", default_priority=5)
        world.slee.install(Root, name="nine", default_priority=9)
        world.do("a", act, key="1")
        assert order == ["nine", "five"]
        world.slee.install(Root, name="also five", default_priority=5)
        del order[:]
        world.do("a", act, key="2")
        # "nine" is new to the key and initial; the roots of key 1 are attached and handle the event too.
        assert order == ["nine", "nine", "five", "also five", "five"]


def test_rtr_7_an_existing_root_is_served_at_the_place_of_its_service() -> None:
    with World() as world:
        order: list[str] = []
        act = lambda sbb, aci: order.append(sbb.service_id.name)
        world.slee.install(Root, name="low", default_priority=1)
        high = world.slee.install(Root, name="high", default_priority=2)
        world.fire("a", Do(lambda sbb, aci: setattr(sbb.local, "priority", -5)), service=high)
        world.do("b", act)
        assert order == ["high", "low"]


def test_rtr_7_an_attached_root_is_served_at_the_place_of_its_service_too() -> None:
    with World() as world:
        order: list[str] = []
        act = lambda sbb, aci: order.append(sbb.service_id.name)
        world.slee.install(Root, name="low", default_priority=1)
        high = world.slee.install(Root, name="high", default_priority=2)
        world.do("a")
        world.fire("a", Do(lambda sbb, aci: setattr(sbb.local, "priority", -5)), service=high)
        world.do("a", act)
        assert order == ["high", "low"]


def test_rtr_8_equal_candidates_have_the_same_order_on_every_run() -> None:
    def run() -> list[str]:
        with World(Root) as world:
            for name in ("x", "y", "z"):
                world.do("a", lambda sbb, aci, n=name: setattr(sbb, "text", n), key=name)
            order: list[str] = []
            world.on(Root, "on_note", lambda sbb, aci: order.append(sbb.text))
            world.fire("a", Note())
            return order

    assert run() == run()


def test_rtr_9_an_entity_that_attaches_again_is_served_once() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.detach(sbb)
            aci.attach(sbb)

        world.do("a")
        LOG.clear()
        world.on(Root, "on_note", act)
        world.fire("a", Note())
        assert LOG == ["Root.on_note"]


def test_rtr_9_a_delivery_that_rolled_back_is_not_repeated() -> None:
    with World(Root) as world:
        world.do("a")
        LOG.clear()
        world.on(Root, "on_note", lambda sbb, aci: sbb.set_rollback_only())
        world.fire("a", Note())
        assert LOG == ["Root.on_note"]


def test_rtr_10_an_entity_attached_by_an_earlier_handler_gets_the_event() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            leaf.priority = 100
            aci.attach(leaf)

        world.do("a")
        LOG.clear()
        world.on(Root, "on_note", act)
        world.fire("a", Note())
        assert LOG == ["Root.on_note", "Leaf.on_note"]


@pytest.mark.parametrize("how", ["detach", "mask", "remove"])
def test_rtr_11_one_that_was_taken_out_before_its_turn_does_not_get_the_event(how: str) -> None:
    with World(Root) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf = sbb.leaves.create()
            aci.attach(sbb.leaf)

        def take_out(sbb: Any, aci: ActivityContext) -> None:
            if how == "detach":
                aci.detach(sbb.leaf)
            elif how == "mask":
                aci.mask_events(sbb.leaf, {Note})
            else:
                sbb.leaf.remove()

        world.do("a", set_up)
        world.on(Root, "on_note", take_out)
        LOG.clear()
        world.fire("a", Note())
        assert LOG == ["Root.on_note"]


def test_rtr_11_an_attachment_that_rolled_back_brings_nothing() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())
            sbb.set_rollback_only()

        world.do("a")
        world.on(Root, "on_note", act)
        LOG.clear()
        world.fire("a", Note())
        assert LOG == ["Root.on_note"]


def test_rtr_12_a_change_of_priority_counts_for_those_not_served() -> None:
    ORDER.clear()
    with World(Top) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            held = [grow(sbb, "named", name, priority, aci) for name, priority in (("one", 1), ("two", 2))]

            def note(top: Any, aci: ActivityContext) -> None:
                held[0].priority = 9
                top.local.priority = -9

            world.on(Top, "on_note", note)

        world.do("a", act)
        world.fire("a", Note())
        assert ORDER == ["top", "one", "two"]


def test_rtr_13_a_target_service_alone_gets_the_event() -> None:
    with World() as world:
        one = world.slee.install(Root, name="one")
        world.slee.install(Root, name="two")
        world.fire("a", Do(), service=one)
        assert [root.service_id.name for root in world.roots()] == ["one"]
        world.do("a")
        LOG.clear()
        world.fire("a", Note(), service=one)
        assert LOG == ["Root.on_note"]


def test_rtr_13_an_unknown_target_is_refused_at_the_fire() -> None:
    with World(Root) as world:
        unknown = ServiceID("unknown", "test", "1.0")
        world.start("a")
        with pytest.raises(UnrecognizedServiceError, match="SVC-2"):
            world.ra.endpoint.fire("a", Note(), None, unknown)

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(UnrecognizedServiceError):
                sbb.note(Note(), aci, service=unknown)

        world.do("a", act)


def test_rtr_14_a_mask_holds_on_its_context_only() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: aci.mask_events(sbb, {Note}))
        world.do("b")
        LOG.clear()
        world.fire("a", Note())
        assert LOG == []
        assert ("event_processing_successful", "a", Note(), 0xE0) in world.ra.callbacks
        world.fire("b", Note())
        assert LOG == ["Root.on_note"]
        (root,) = world.roots()
        assert len(root.contexts) == 2


def test_rtr_15_a_mask_replaces_the_one_before_and_an_empty_one_clears() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.mask_events(sbb, {Note})
            aci.mask_events(sbb, [Other])
            assert aci.event_mask(sbb) == {Other}
            aci.mask_events(sbb, ())
            assert aci.event_mask(sbb) == frozenset()

        world.do("a", act)
        context = world.start("a")
        with pytest.raises(TransactionRequiredError):
            context.event_mask(None)


def test_rtr_16_a_mask_that_makes_no_sense_is_refused_and_changes_nothing() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.mask_events(sbb, {Other})
            with pytest.raises(UnrecognizedEventError):
                aci.mask_events(sbb, {Unhandled})
            with pytest.raises(TypeError):
                aci.mask_events(sbb, None)
            leaf = sbb.leaves.create()
            with pytest.raises(NotAttachedError):
                aci.mask_events(leaf, {Note})
            assert aci.event_mask(sbb) == {Other}

        world.do("a", act)


@event_type("test.Unhandled", vendor="test", version="1.0")
class Unhandled:
    pass


class Masked(Sbb, vendor="test", version="1.0"):
    """Begins masked for both of its events."""

    @initial_event(selector=key, mask_on_attach=True)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("Masked.on_do")
        if event.act:
            event.act(self, aci)

    @handles(mask_on_attach=True)
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        LOG.append("Masked.on_note")


def test_rtr_17_the_initial_mask_spares_the_event_that_brought_the_attachment() -> None:
    with World(Masked) as world:
        world.do("a")
        assert LOG == ["Masked.on_do"]
        world.fire("a", Note())
        world.do("a")
        assert LOG == ["Masked.on_do"]
        world.do("b")
        assert LOG == ["Masked.on_do", "Masked.on_do"]


def test_rtr_17_a_repeated_attach_leaves_the_mask_alone() -> None:
    with World(Masked) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.mask_events(sbb, ())
            aci.attach(sbb)
            assert aci.event_mask(sbb) == frozenset()

        world.do("a", act)
        world.fire("a", Note())
        assert LOG == ["Masked.on_do", "Masked.on_note"]


def test_rtr_18_the_mask_is_the_initial_one_until_it_is_set() -> None:
    with World(Masked) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert aci.event_mask(sbb) == {Do, Note}
            aci.detach(sbb)
            with pytest.raises(NotAttachedError):
                aci.event_mask(sbb)
            aci.attach(sbb)

        world.do("a", act)


def test_rtr_19_masks_roll_back_and_are_forgotten_by_detaching() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: aci.mask_events(sbb, {Note}))

        def fail(sbb: Any, aci: ActivityContext) -> None:
            aci.mask_events(sbb, {Other})
            sbb.set_rollback_only()

        world.do("a", fail)

        def note_mask(sbb: Any, aci: ActivityContext) -> None:
            assert aci.event_mask(sbb) == {Note}

        def again(sbb: Any, aci: ActivityContext) -> None:
            aci.detach(sbb)
            aci.attach(sbb)
            assert aci.event_mask(sbb) == frozenset()

        world.do("a", note_mask)
        world.do("a", again)


def test_rtr_20_a_handler_gets_the_event_as_fired_and_its_context() -> None:
    with World(Root) as world:
        event = Other("x")

        def act(sbb: Any, aci: ActivityContext, event_context: EventContext) -> None:
            assert event_context.event is event
            assert event_context is sbb.event_context
            assert event_context.activity_context is aci
            assert aci is world.context("a")

        world.do("a")
        world.on(Root, "on_other", act)
        world.fire("a", event)
        assert LOG[-1] == "Root.on_other"


def test_rtr_21_an_event_type_has_no_subclasses_to_be_matched() -> None:
    with pytest.raises(Exception, match="RTR-21"):

        @event_type("test.Sub", vendor="test", version="1.0")
        class Sub(Note):
            pass


def test_rtr_22_firing_is_legal_in_sbb_create_and_not_outside_a_delivery() -> None:
    with World(Traced) as world:
        kept: list[Any] = []
        context = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            kept.append(sbb.note)

        world.on(Traced, "sbb_create", lambda sbb: sbb.note(Note(), context))
        world.on(Traced, "sbb_post_create", lambda sbb: sbb.note(Note(), context))
        world.do("a", act)
        with pytest.raises(TransactionRequiredError):
            kept[0](Note(), context)
        assert world.kernel.events[Note].delivered == 2


def test_rtr_23_an_event_fired_in_a_delivery_is_accepted_at_its_commit() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.note(Note(), aci)
            assert Note not in world.kernel.events or world.kernel.events[Note].accepted == 0

        world.do("a", act)
        assert world.kernel.events[Note].accepted == 1

        def fail(sbb: Any, aci: ActivityContext) -> None:
            sbb.note(Note(), aci)
            sbb.set_rollback_only()

        world.do("a", fail)
        assert world.kernel.events[Note].accepted == 1
        assert LOG.count("Root.on_note") == 1


def test_rtr_24_a_wrong_event_or_context_is_refused_without_mark() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for arguments in ((None, aci), (Other(), aci), (Note(), None), (Note(), "a")):
                with pytest.raises(TypeError):
                    sbb.note(*arguments)
            assert not sbb.is_rollback_only
            sbb.count = 1

        world.do("a", act)
        assert world.state()["count"] == 1
        assert "Root.on_note" not in LOG


def test_rtr_25_firing_on_an_activity_that_is_ending_is_refused() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            null.activity.end()
            with pytest.raises(InvalidStateError, match="RTR-25"):
                sbb.note(Note(), null)
            sbb.context = null

        world.do("a", act)

        def on_end(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(InvalidStateError, match="RTR-25"):
                sbb.note(Note(), aci)
            LOG.append("refused")

        world.on(Root, "on_end", on_end)
        world.end("a")
        assert "refused" in LOG


def test_rtr_26_an_event_fired_on_its_own_context_joins_the_queue() -> None:
    with World(Root) as world:
        order: list[str] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())
            sbb.note(Note("fired"), aci)
            order.append("on_do")

        world.on(Root, "on_note", lambda sbb, aci: order.append(f"root {sbb.event_context.event.text}"))
        world.on(Leaf, "on_note", lambda sbb, aci: order.append(f"leaf {sbb.event_context.event.text}"))
        world.queue("a", Do(act))
        world.queue("a", Note("early"))
        world.slee.run()
        assert order == ["on_do", "root early", "leaf early", "root fired", "leaf fired"]


def test_rtr_27_events_of_one_transaction_keep_the_order_of_their_calls() -> None:
    with World(Root) as world:
        order: list[str] = []
        world.on(Root, "on_note", lambda sbb, aci: order.append(sbb.event_context.event.text))
        world.on(Root, "on_other", lambda sbb, aci, context: order.append(context.event.text))

        def act(sbb: Any, aci: ActivityContext) -> None:
            leaf = sbb.leaves.create()
            sbb.note(Note("1"), aci)
            leaf.run(lambda child: child.note(Note("2"), aci))
            sbb.other(Other("3"), aci)
            sbb.note(Note("4"), aci)

        world.do("a", act)
        assert order == ["1", "2", "3", "4"]


def test_rtr_28_each_delivery_sees_what_the_one_before_committed() -> None:
    with World(Root, failures_allowed=True) as world:
        shared: list[object] = []

        def first(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            sbb.leaf = sbb.leaves.create()
            aci.attach(sbb.leaf)

        def note(sbb: Any, aci: ActivityContext) -> None:
            sbb.count += 1

        def leaf_note(sbb: Any, aci: ActivityContext) -> None:
            shared.append(world.state()["count"])
            raise RuntimeError

        world.do("a", first)
        world.on(Root, "on_note", note)
        world.on(Leaf, "on_note", leaf_note)
        world.fire("a", Note())
        assert shared == [2]
        assert world.state()["count"] == 2


def test_rtr_29_candidates_do_not_share_a_transaction() -> None:
    with World(Root) as world:
        numbers: list[object] = []
        world.do("a", key="1")
        world.do("a", key="2")
        world.on(Root, "on_note", lambda sbb, aci: numbers.append(world.ra.context.transaction_id))
        world.fire("a", Note())
        assert len(set(numbers)) == 2


def test_rtr_30_the_order_of_callbacks_of_a_delivery() -> None:
    with World(Traced) as world:
        world.do("a")
        names = ["sbb_create", "sbb_post_create", "on_do", "sbb_store", "sbb_passivate"]
        assert [f"Traced.{name}" for name in names] == LOG
        LOG.clear()
        world.do("a")
        names = ["sbb_activate", "sbb_load", "on_do", "sbb_store", "sbb_passivate"]
        assert [f"Traced.{name}" for name in names] == LOG


def test_rtr_31_an_event_whose_target_is_gone_fails_and_the_next_is_processed() -> None:
    with World(Root, failures_allowed=True) as world:
        other = world.slee.install(Root, name="other")
        world.queue("a", Note("lost"), service=other)
        world.queue("a", Do())
        world.kernel.deactivate_service(other)
        world.kernel.remove_service(other)
        world.slee.run()
        flags = EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED | EventFlags.UNREFERENCED
        assert world.told("event_processing_failed") == [("a", Note("lost"), flags, FailureReason.SERVICE_GONE)]
        assert LOG == ["Root.on_do"]


def test_rtr_32_an_event_with_no_candidate_succeeds_with_nobody_served() -> None:
    with World(Root) as world:
        world.fire("a", Note())
        assert world.told("event_processing_successful") == [("a", Note(), 0xE0)]
        assert world.told("event_unreferenced") == [("a", Note(), 0xE0)]
        assert world.kernel.events[Note].unserved == 1


def test_rtr_33_reclamation_comes_before_the_next_candidate_and_callbacks_after_the_last() -> None:
    with World(Root) as world:
        counts: list[int] = []
        world.do("a", key="1")
        world.do("a", key="2")

        def note(sbb: Any, aci: ActivityContext) -> None:
            counts.append(len(world.roots()))
            aci.detach(sbb)

        world.on(Root, "on_note", note)
        del world.ra.callbacks[:]
        world.fire("a", Note())
        assert counts == [2, 1]
        names = [callback[0] for callback in world.ra.callbacks]
        assert names == ["event_processing_successful", "event_unreferenced", "activity_unreferenced"]


def test_rtr_34_events_accepted_before_a_stop_are_delivered_in_stopping() -> None:
    with World(Root) as world:
        world.queue("a", Do())
        world.kernel.stop()
        assert world.kernel.state is SleeState.STOPPING
        world.slee.run()
        assert LOG == ["Root.on_do"]
        world.end("a")
        assert world.kernel.state is SleeState.STOPPED
