"""Event conservation (group CON; CON-13 needs the journal)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from slee import ActivityContext, PreserveMissed, TimerEvent
from slee.api.alarm import AlarmLevel
from slee.api.errors import ActivityIsEndingError, FireEventError
from slee.facilities.selfcheck import SelfCheck
from slee.kernel.conservation import unaccounted
from slee.kernel.ports import Limits
from slee.kernel.states import SleeState
from slee.spi import EventFlags, FailureReason
from tests.conformance.kit import ALL_EVENT_FLAGS, LOG, Boom, Do, Note, Other, Root, World, boom


def conserved(world: World) -> bool:
    """Whether every event accepted so far is somewhere (CON-3)."""
    waiting = sum(context.queued for context in world.kernel.contexts())
    return world.kernel.statistics().queued == waiting


def test_con_1_acceptance_is_the_return_of_the_fire_or_the_commit() -> None:
    with World(Root) as world:
        world.queue("a", Note())
        assert world.kernel.events[Note].accepted == 1

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.other(Other(), aci)
            assert Other not in world.kernel.events or world.kernel.events[Other].accepted == 0

        world.do("a", act)
        assert world.kernel.events[Other].accepted == 1


def test_con_1_a_refusal_is_counted_by_reason_and_is_no_acceptance() -> None:
    with World(limits=Limits(queue=1)) as world:
        world.queue("a", Note())
        with pytest.raises(FireEventError):
            world.queue("a", Note())
        world.ra.endpoint.end_activity("a")
        with pytest.raises(ActivityIsEndingError):
            world.ra.endpoint.fire("a", Note())
        statistics = world.kernel.events[Note]
        assert statistics.accepted == 1
        assert statistics.refusals == {FailureReason.QUEUE_FULL: 1, FailureReason.CONTEXT_GONE: 1}


def test_con_2_and_3_the_sum_holds_after_every_step_of_a_random_history() -> None:
    chance = random.Random(7)
    with World(Root, failures_allowed=True, limits=Limits(maximum_age=30)) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            dice = chance.random()
            if dice < 0.1:
                raise Boom
            if dice < 0.2:
                sbb.set_rollback_only()
            if dice < 0.4:
                sbb.event_context.suspend(timeout=chance.choice((1, 40)))
            if dice < 0.6:
                sbb.note(Note(), aci)
            if dice < 0.7:
                sbb.timers.set(aci, after=2, period=3, repetitions=3)
            if dice > 0.9:
                aci.detach(sbb)

        for _ in range(300):
            handle = chance.choice("abcdef")
            context = world.context(handle)
            if context is None or not context.is_ending:
                world.queue(handle, Do(act, key=chance.choice("123")))
            if chance.random() < 0.1 and context is not None:
                world.ra.endpoint.end_activity(handle)
            while world.slee.step():
                assert conserved(world)
            world.slee.clock.advance(chance.random() * 3)
            assert conserved(world)
        world.kernel.stop(within=1)
        world.slee.clock.advance(1)
        assert world.kernel.state is SleeState.STOPPED
        assert world.kernel.statistics().queued == 0
        assert world.entities() == 0


def test_con_4_delivered_is_delivered_whoever_was_served_and_however_it_went() -> None:
    with World(Root, failures_allowed=True) as world:
        world.fire("a", Note())
        world.do("a", boom)
        assert (world.kernel.events[Note].delivered, world.kernel.events[Note].unserved) == (1, 1)
        assert (world.kernel.events[Do].delivered, world.kernel.events[Do].unserved) == (1, 0)
        assert world.kernel.events[Do].failed == 0


def test_con_5_events_behind_a_suspended_one_are_kept_in_order() -> None:
    with World(Root) as world:
        order: list[str] = []
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=500))
        world.on(Root, "on_note", lambda sbb, aci: order.append(sbb.event_context.event.text))
        for text in "123":
            world.queue("a", Note(text))
        world.slee.clock.advance(499)
        assert order == []
        world.slee.clock.advance(1)
        assert order == ["1", "2", "3"]


def test_con_6_a_full_queue_refuses_sbbs_as_well() -> None:
    with World(Root, limits=Limits(queue=2)) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(FireEventError) as info:
                sbb.note(Note(), aci)
            assert info.value.reason == FailureReason.QUEUE_FULL

        world.queue("a", Do(act))
        world.queue("a", Other())
        world.slee.run()
        assert world.kernel.events[Note].refusals == {FailureReason.QUEUE_FULL: 1}


def test_con_7_an_event_that_is_too_old_expires_unserved() -> None:
    with World(Root, failures_allowed=True, limits=Limits(maximum_age=10)) as world:
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=10.5))
        world.queue("a", Note("old"))
        world.slee.clock.advance(1)
        world.queue("a", Note("young"))
        LOG.clear()
        world.slee.clock.advance(20)
        assert LOG == ["Root.on_note"]
        assert world.told("event_processing_failed") == [
            ("a", Note("old"), ALL_EVENT_FLAGS, FailureReason.QUEUE_TIMEOUT)
        ]
        statistics = world.kernel.events[Note]
        assert (statistics.expired, statistics.failed, statistics.delivered) == (1, 0, 1)


def test_con_7_once_served_an_event_no_longer_expires_and_the_slees_own_never_do() -> None:
    with World(Root, limits=Limits(maximum_age=1)) as world:
        timers: list[object] = []
        world.on(Root, "on_timer", lambda sbb, event, aci: timers.append(event))

        def act(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())
            sbb.timers.set(aci, after=1, preserve_missed=PreserveMissed.ALL)

        world.do("a", act)
        world.on(Root, "on_note", lambda sbb, aci: sbb.event_context.suspend(timeout=20))
        world.queue("a", Note())
        world.slee.run()
        world.end("a")
        LOG.clear()
        world.slee.clock.advance(20)
        assert LOG == ["Leaf.on_note", "Root.on_end", "Leaf.on_end"]


def test_con_7_timer_events_never_expire() -> None:
    with World(Root, limits=Limits(maximum_age=1)) as world:
        world.do("a", lambda sbb, aci: sbb.timers.set(aci, after=1) and sbb.event_context.suspend(timeout=20))
        world.slee.clock.advance(20)
        assert LOG[-1] == "Root.on_timer"


def test_con_8_a_type_or_target_that_is_gone_fails_the_event_and_the_next_goes_on() -> None:
    with World(Root, failures_allowed=True) as world:
        other = world.slee.install(Root, name="other")
        world.queue("a", Note(), service=other)
        world.queue("a", Other())
        world.queue("a", Do())
        world.kernel.deactivate_service(other)
        world.kernel.remove_service(other)
        world.kernel.remove_event_type(Other)
        world.slee.run()
        assert LOG == ["Root.on_do"]
        reasons = [arguments[3] for arguments in world.told("event_processing_failed")]
        assert reasons == [FailureReason.SERVICE_GONE, FailureReason.EVENT_TYPE_GONE]


def test_con_8_an_event_on_a_context_that_is_gone_fails() -> None:
    with World(Root, failures_allowed=True) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.note(Note(), aci)
            world.ra.endpoint.end_activity("a")

        world.do("a", act)
        assert world.kernel.events[Note].failures == {FailureReason.CONTEXT_GONE: 1}
        assert [(failure.kind, failure.cause) for failure in world.slee.failures] == [
            ("event", FailureReason.CONTEXT_GONE)
        ]
        assert conserved(world)


def test_con_9_an_error_of_the_router_fails_the_event_and_everything_else_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(Root, failures_allowed=True) as world:
        world.do("a")
        router = world.kernel.router
        real = type(router)._serve

        def broken(self: Any, firing: Any, *arguments: Any) -> None:
            if isinstance(firing.event, Note):
                real(self, firing, *arguments)
                raise ZeroDivisionError
            real(self, firing, *arguments)

        monkeypatch.setattr(type(router), "_serve", broken)
        world.queue("a", Note())
        world.queue("a", Do())
        world.queue("b", Do())
        LOG.clear()
        world.slee.run()
        assert LOG == ["Root.on_note", "Root.on_do", "Root.on_do"]
        assert world.told("event_processing_failed") == [("a", Note(), ALL_EVENT_FLAGS, FailureReason.INTERNAL_ERROR)]
        assert world.causes() == [ZeroDivisionError]
        assert world.kernel.events[Note].failures == {FailureReason.INTERNAL_ERROR: 1}
        assert conserved(world)


def test_con_9_an_open_transaction_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with World(Root, failures_allowed=True) as world:
        world.do("a")

        def broken(*arguments: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(type(world.kernel), "finish", broken)
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 9) or sbb.ra.send("never"))
        monkeypatch.undo()
        assert world.kernel.transaction is None
        assert world.state()["count"] == 0
        assert world.ra.commands == []
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 1))
        assert world.state()["count"] == 1


def test_con_10_a_failed_event_leaves_a_counter_a_report_and_its_callback() -> None:
    with World(Root, failures_allowed=True) as world:
        world.start("a")
        world.ra.endpoint.fire("a", Note(), flags=EventFlags.PROCESSING_SUCCESSFUL)
        world.ra.endpoint.fire("a", Note(), flags=EventFlags.PROCESSING_FAILED)
        world.kernel.remove_event_type(Note)
        world.slee.run()
        assert [(failure.kind, failure.where) for failure in world.slee.failures] == [("event", "Note on test:a")] * 2
        assert len(world.told("event_processing_failed")) == 1
        assert world.told("event_unreferenced") == []
        figures = {f.event_type.name: f for f in world.kernel.statistics().events}
        assert figures["test.Note"].failures == {FailureReason.EVENT_TYPE_GONE: 2}


def test_con_11_a_stop_delivers_what_is_queued_with_the_end_last() -> None:
    with World(Root) as world:
        world.do("a")
        LOG.clear()
        world.queue("a", Note())
        world.kernel.stop(within=5)
        world.slee.clock.advance(5)
        assert LOG == ["Root.on_note", "Root.on_end"]
        assert world.kernel.statistics().queued == 0


def test_con_12_a_dropped_occurrence_was_never_accepted() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.timers.set(aci, after=1, preserve_missed=PreserveMissed.NONE))
        world.slee.clock.move_to(world.slee.now() + 100)
        world.slee.run()
        assert world.kernel.events[TimerEvent].accepted == 0


def test_con_14_an_operators_removal_strands_no_event() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=5))
        world.queue("a", Note())
        world.kernel.resources["test"].remove_activity("a")
        world.slee.clock.advance(5)
        assert world.context("a") is None
        assert conserved(world)


def test_con_3_the_sum_holds_before_during_and_after_a_delivery_by_type_and_in_total() -> None:
    with World(Root, failures_allowed=True) as world:
        pictures: list[dict[str, tuple[int, ...]]] = []

        def picture(*_: object) -> None:
            statistics = world.kernel.statistics()
            assert statistics.queued == sum(event.queued for event in statistics.events)
            for event in statistics.events:
                assert event.accepted == event.delivered + event.failed + event.expired + event.queued
            pictures.append({e.event_type.name: (e.accepted, e.queued) for e in statistics.events if e.accepted})
            assert unaccounted(world.kernel) == []

        picture()
        world.queue("a", Do(picture))
        world.queue("a", Note())
        picture()
        world.slee.run()
        picture()
        assert pictures[1]["test.Do"] == pictures[2]["test.Do"] == (1, 1)
        assert pictures[3] == pictures[2] | {"test.Do": (1, 0), "test.Note": (1, 0)}


def test_con_3_the_sum_holds_by_source_as_well() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: [sbb.note(Note(), aci), sbb.event_context.suspend(timeout=5)])
        world.queue("a", Note())
        statistics = world.kernel.statistics()
        notes = {s.source: (s.accepted, s.queued) for s in statistics.sources if s.event_type.name == "test.Note"}
        assert notes == {"resource:test": (1, 1), f"service:{world.service}": (1, 1)}
        (total,) = [event for event in statistics.events if event.event_type.name == "test.Note"]
        assert (total.accepted, total.queued) == (2, 2)
        world.slee.advance(5)
        sources = world.kernel.statistics().sources
        assert {(s.source, s.delivered) for s in sources if s.event_type.name == "test.Note"} == {
            ("resource:test", 1),
            (f"service:{world.service}", 1),
        }
        (started,) = [s for s in sources if s.event_type.name == "slee.ServiceStarted"]
        assert (started.source, started.accepted, started.delivered) == ("slee", 1, 1)


def test_con_15_the_self_check_raises_a_critical_alarm_with_the_figures_at_its_interval() -> None:
    world = World(Root)
    SelfCheck(world.kernel, world.slee.facilities.alarms, 30)
    world.slee.advance(60)
    assert world.slee.alarms == ()
    world.queue("a", Note())
    context = world.context("a")
    assert context is not None
    context.dequeue()
    world.slee.advance(29)
    assert world.slee.alarms == ()
    world.slee.clock.move_to(world.slee.now() + 30)
    world.kernel.step(world.slee.now())
    (alarm,) = world.slee.alarms
    assert (alarm.level, alarm.alarm_type) == (AlarmLevel.CRITICAL, "slee.events-unaccounted")
    assert alarm.message == "Note from resource:test: 1 accepted, 0 delivered, 0 failed, 0 expired, 0 queued [CON-3]"
    world.kernel.event_statistics(Note, "resource:test").delivered += 1
    world.slee.advance(30)
    assert world.slee.alarms == ()


def test_con_15_an_interval_that_cannot_be_is_refused() -> None:
    with World() as world, pytest.raises(ValueError, match="CON-15"):
        SelfCheck(world.kernel, world.slee.facilities.alarms, 0)


def test_con_15_the_test_kit_checks_after_every_step() -> None:
    world = World(Root)
    world.queue("a", Note())
    world.queue("b", Note())
    context = world.context("b")
    assert context is not None
    context.dequeue()
    with pytest.raises(AssertionError, match="Note from resource:test: 2 accepted, 1 delivered"):
        world.slee.step()
