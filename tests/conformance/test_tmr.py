"""Timers (group TMR; TMR-32 needs the journal)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Address,
    AddressPlan,
    PreserveMissed,
    Sbb,
    ServiceID,
    TimerEvent,
    TimerID,
    initial_event,
)
from slee.api.errors import InvalidStateError, TransactionRequiredError
from slee.kernel.states import ContextState
from tests.conformance.kit import LOG, Do, Root, World

ADDRESS = Address(AddressPlan.SIP, "sip:a@b")


class Clock:
    """Sets timers on activity `a`, and keeps what they deliver; times are relative to the start."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begin = world.slee.now()
        self.events: list[TimerEvent] = []
        self.ids: list[TimerID] = []
        world.on(Root, "on_timer", lambda sbb, event, aci: self.events.append(event))

    def set(self, **options: Any) -> TimerID:
        if "at" in options:
            options["at"] += self.begin
        self.world.do("a", lambda sbb, aci: self.ids.append(sbb.timers.set(aci, **options)))
        return self.ids[-1]

    def cancel(self, identity: TimerID) -> None:
        self.world.do("a", lambda sbb, aci: sbb.timers.cancel(identity))

    def advance(self, seconds: float) -> None:
        self.world.slee.clock.advance(seconds)

    def leap(self, to: float) -> None:
        """Let the clock stand still until now, and then be at `to`."""
        self.world.slee.clock.move_to(self.begin + to)
        self.world.slee.run()

    @property
    def fired(self) -> list[tuple[float, int, int | None]]:
        """(scheduled, missed, remaining) of each event."""
        return [(event.scheduled - self.begin, event.missed, event.remaining) for event in self.events]


def test_tmr_1_a_one_shot_timer_occurs_once_at_or_after() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=5)
        clock.set(at=7)
        clock.advance(20)
        assert [time for time, _, _ in clock.fired] == [5, 7]

        def act(sbb: Any, aci: ActivityContext) -> None:
            for wrong in ({}, {"at": 1.0, "after": 1.0}):
                with pytest.raises(TypeError, match="TMR-1"):
                    sbb.timers.set(aci, **wrong)

        world.do("a", act)


def test_tmr_2_a_start_in_the_past_is_due_at_the_commit() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=-10)
        assert clock.fired == [(-10, 0, 0)]


def test_tmr_3_a_periodic_timer_keeps_its_schedule() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=10, period=10, repetitions=3)
        clock.advance(100)
        assert clock.fired == [(10, 0, 2), (20, 0, 1), (30, 0, 0)]
        clock.events.clear()
        clock.set(after=0.5, period=1)
        clock.advance(50)
        assert len(clock.events) == 50
        assert {event.remaining for event in clock.events} == {None}


def test_tmr_4_occurrences_in_the_past_are_due_at_once_and_the_rest_keep_the_schedule() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=-25, period=10, repetitions=4, preserve_missed=PreserveMissed.ALL)
        assert [time for time, _, _ in clock.fired] == [-25, -15, -5]
        clock.advance(5)
        assert [time for time, _, _ in clock.fired] == [-25, -15, -5, 5]


BAD: list[dict[str, Any]] = [
    {"after": -1},
    {"at": -1},
    {"after": 1, "period": 0},
    {"after": 1, "period": -1},
    {"after": 1, "period": 1, "repetitions": -1},
    {"after": 1, "repetitions": 2},
    {"after": 1, "repetitions": 0},
    {"after": 1, "timeout": -1},
    {"after": 1, "period": 5, "timeout": 6},
    {"after": math.nan},
    {"at": math.inf},
    {"after": 1, "period": math.nan},
    {"after": 1, "timeout": math.inf},
]


@pytest.mark.parametrize("options", BAD, ids=str)
def test_tmr_5_numbers_out_of_range_are_refused_without_mark(options: dict[str, Any]) -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(ValueError, match="TMR-5"):
                sbb.timers.set(aci, **options)
            with pytest.raises(TypeError):
                sbb.timers.set(None, after=1)
            assert not sbb.is_rollback_only

        world.do("a", act)
        assert world.kernel.statistics().timers == 0


def test_tmr_6_an_ending_or_invalid_context_takes_no_timer() -> None:
    with World(Root) as world:
        gone = world.start("gone")
        world.end("gone")

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            null.activity.end()
            for context in (gone, null):
                with pytest.raises(InvalidStateError):
                    sbb.timers.set(context, after=1)

        world.do("a", act)


def test_tmr_7_setting_and_cancelling_commit_by_themselves_outside_a_transaction() -> None:
    with World(Root) as world:
        clock = Clock(world)
        world.do("a")
        context = world.start("a")
        identity = world.kernel.timers.set(context, after=5)
        other = world.kernel.timers.set(context, after=6)
        world.kernel.timers.cancel(other)
        clock.advance(10)
        assert [event.timer_id for event in clock.events] == [identity]


def test_tmr_8_set_and_cancelled_or_rolled_back_was_never_set() -> None:
    with World(Root) as world:
        clock = Clock(world)
        ids: list[TimerID] = []

        def cancelled(sbb: Any, aci: ActivityContext) -> None:
            sbb.timers.cancel(sbb.timers.set(aci, at=1))

        def rolled_back(sbb: Any, aci: ActivityContext) -> None:
            ids.append(sbb.timers.set(aci, at=1))
            sbb.set_rollback_only()

        world.do("a", cancelled)
        world.do("a", rolled_back)
        clock.advance(10)
        assert clock.events == []
        world.do("a", lambda sbb, aci: LOG.append(str(sbb.timers.find_context(ids[0]))))
        assert LOG[-1] == "None"


def test_tmr_9_a_cancel_that_rolls_back_leaves_the_timer_running() -> None:
    with World(Root) as world:
        clock = Clock(world)
        identity = clock.set(after=5)
        world.do("a", lambda sbb, aci: sbb.timers.cancel(identity) or sbb.set_rollback_only())
        clock.advance(5)
        assert clock.fired == [(5, 0, 0)]


def test_tmr_10_cancelling_what_is_not_there_has_no_effect() -> None:
    with World(Root) as world:
        clock = Clock(world)
        identity = clock.set(after=1)
        clock.advance(1)
        for cancel in (identity, identity, TimerID("unknown")):
            clock.cancel(cancel)

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(TypeError):
                sbb.timers.cancel(None)

        world.do("a", act)
        identity = clock.set(after=9)
        world.do("b", lambda sbb, aci: sbb.timers.cancel(identity), key="2")
        clock.advance(10)
        assert len(clock.events) == 1


def test_tmr_11_ids_are_immutable_unique_and_fit_for_cmp() -> None:
    with World(Root, seed=1) as one, World(Root, seed=2) as two:
        ids = [Clock(world).set(after=60) for world in (one, two, one)]
        assert len(set(ids)) == 3
        assert TimerID(ids[0].key) == ids[0]
        assert hash(TimerID(ids[0].key)) == hash(ids[0])
        with pytest.raises(AttributeError):
            ids[0].key = "x"
        one.do("a", lambda sbb, aci: setattr(sbb, "timer", ids[0]))
        assert one.state()["timer"] == ids[0]


def test_tmr_12_defaults() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=1, period=10, repetitions=3)  # LAST; the default timeout is one second
        clock.leap(12.5)
        assert clock.fired == [(11, 1, 1)]
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=20, period=0.5, repetitions=2)  # a period shorter than that takes its place
        clock.leap(21)
        assert clock.fired == [(20, 0, 1), (20.5, 0, 0)]


def test_tmr_13_nothing_is_delivered_before_its_time() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=1.003)
        clock.advance(1.0029)
        assert clock.events == []
        clock.advance(0.0002)
        assert clock.events[0].fired_at >= clock.events[0].scheduled


def test_tmr_14_resolution_and_default_timeout_are_positive() -> None:
    with World(Root) as world:
        facility = world.kernel.timers
        assert facility.resolution > 0
        assert facility.default_timeout > 0


def test_tmr_15_late_is_after_scheduled_plus_timeout() -> None:
    for now, delivered in ((15.0, 1), (15.01, 0)):
        with World(Root) as world:
            clock = Clock(world)
            clock.set(at=10, timeout=5, preserve_missed=PreserveMissed.NONE)
            clock.leap(now)
            assert len(clock.events) == delivered


def test_tmr_15_waiting_in_the_queue_makes_nothing_late() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=1, timeout=0.5, preserve_missed=PreserveMissed.NONE)
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=30))
        clock.advance(30)
        assert len(clock.events) == 1
        assert clock.events[0].fired_at - clock.begin == 1


def test_tmr_16_all_delivers_every_occurrence_in_order() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=10, period=10, repetitions=3, preserve_missed=PreserveMissed.ALL)
        clock.leap(100)
        assert clock.fired == [(10, 0, 2), (20, 0, 1), (30, 0, 0)]


def test_tmr_17_none_never_delivers_a_late_one() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=10, preserve_missed=PreserveMissed.NONE)
        clock.leap(100)
        assert clock.events == []
        assert world.kernel.statistics().timers == 0


def test_tmr_18_last_delivers_the_most_recent_of_a_late_run() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=10)
        clock.leap(100)
        assert clock.fired == [(10, 0, 0)]


@pytest.mark.parametrize(
    ("preserve", "now", "expected"),
    [
        (PreserveMissed.ALL, 137, [(100, 0, 5), (110, 0, 4), (120, 0, 3), (130, 0, 2)]),
        (PreserveMissed.LAST, 137, [(130, 3, 2)]),
        (PreserveMissed.NONE, 137, []),
        (PreserveMissed.LAST, 133, [(120, 2, 3), (130, 0, 2)]),
    ],
    ids=str,
)
def test_tmr_19_the_example(preserve: PreserveMissed, now: float, expected: list[object]) -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=100, period=10, repetitions=6, timeout=5, preserve_missed=preserve)
        clock.leap(99)
        clock.leap(now)
        assert clock.fired == expected
        if preserve is PreserveMissed.NONE:
            clock.leap(140)
            assert clock.fired == [(140, 4, 1)]


def test_tmr_20_an_event_tells_of_its_timer() -> None:
    with World(Root) as world:
        clock = Clock(world)
        identity = clock.set(after=2)
        other = clock.set(after=3, period=4, repetitions=0)
        clock.advance(3)
        one, two = clock.events
        assert (one.timer_id, one.period, one.repetitions, one.remaining, one.missed) == (identity, None, 1, 0, 0)
        assert (two.timer_id, two.period, two.repetitions, two.remaining) == (other, 4, 0, None)
        assert (one.scheduled - clock.begin, one.fired_at - clock.begin) == (2, 2)


def test_tmr_21_dropped_occurrences_lower_remaining_like_delivered_ones() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=10, period=10, repetitions=5, timeout=1, preserve_missed=PreserveMissed.NONE)
        clock.leap(29)
        clock.leap(30)
        assert clock.fired == [(30, 2, 2)]


def test_tmr_22_missed_counts_since_the_last_delivered_one() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=10, period=10, repetitions=0, timeout=1, preserve_missed=PreserveMissed.NONE)
        clock.leap(29)
        clock.leap(30)
        clock.leap(40)
        clock.leap(59)
        clock.leap(60)
        assert [missed for _, missed, _ in clock.fired] == [2, 0, 1]


def test_tmr_23_find_context_knows_a_timer_until_its_activity_has_ended() -> None:
    with World(Root) as world:
        clock = Clock(world)
        expired, cancelled, running = clock.set(after=1), clock.set(after=50), clock.set(after=60)
        clock.cancel(cancelled)
        clock.advance(1)
        context = world.context("a")
        seen: list[object] = []

        def look(sbb: Any, aci: ActivityContext) -> None:
            seen.extend(sbb.timers.find_context(i) for i in (expired, cancelled, running, TimerID("unknown")))

        world.do("b", look, key="2")
        assert seen == [context, context, context, None]
        world.end("a")
        seen.clear()
        world.do("b", look, key="2")
        assert seen == [None] * 4
        with pytest.raises(TransactionRequiredError):
            world.kernel.timers.find_context(expired)


class OnTimer(Sbb, vendor="test", version="1.0"):
    """For which every timer event is initial."""

    @initial_event()
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        LOG.append(f"OnTimer {self.event_context.address}")


def test_tmr_24_a_timer_event_is_delivered_like_any_event() -> None:
    with World(Root, OnTimer) as world:
        clock = Clock(world)
        clock.set(after=1, address=ADDRESS)
        world.do("a", key="1")
        world.do("a", key="2")
        clock.advance(1)
        assert f"OnTimer {ADDRESS}" in LOG
        assert len(clock.events) == 3  # the setter's root, and two others that are attached


def test_tmr_25_a_timer_event_that_nobody_receives_lets_the_timer_go_on() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=1, period=1, repetitions=3)
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        clock.advance(1)
        assert world.kernel.events[TimerEvent].unserved == 1
        world.do("a")
        clock.advance(1)
        assert clock.fired == [(2, 0, 1)]


def test_tmr_26_a_timer_belongs_to_its_context() -> None:
    with World(Root) as world:
        other = world.slee.install(Root, name="other")
        clock = Clock(world)
        world.queue("a", Do(set_and_leave), world.service)
        world.slee.run()
        world.kernel.deactivate_service(world.service)
        world.do("a")
        clock.advance(10)
        assert len(clock.events) == 1
        assert isinstance(other, ServiceID)


def set_and_leave(sbb: Any, aci: ActivityContext) -> None:
    sbb.timers.set(aci, after=5)
    aci.detach(sbb)


def test_tmr_27_the_end_cancels_and_what_was_accepted_comes_before_it() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=1, period=5, repetitions=2)
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=3))
        clock.advance(2)
        world.end("a")
        LOG.clear()
        clock.advance(20)
        assert LOG == ["Root.on_timer", "Root.on_end"]
        assert world.kernel.statistics().timers == 0


def test_tmr_27_an_end_in_a_transaction_cancels_at_its_commit() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(after=1, period=1)

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.event_context.suspend(timeout=5)
            sbb.ra.close("a")

        world.do("a", act)
        LOG.clear()
        clock.advance(10)
        assert LOG == ["Root.on_end"]


def test_tmr_28_a_timer_makes_an_activity_referenced() -> None:
    with World(Root) as world:
        clock = Clock(world)
        context = world.start("b")
        world.kernel.timers.cancel(world.kernel.timers.set(context, after=5))
        assert world.told("activity_unreferenced") == [("b",)]
        assert clock.events == []


def test_tmr_28_a_timer_is_a_reference_until_its_last_occurrence() -> None:
    with World(Root) as world:
        clock = Clock(world)
        nulls: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            nulls.append(null)
            sbb.timers.set(null, after=1, period=1, repetitions=2)
            sbb.timers.set(aci, after=5)
            aci.detach(sbb)

        world.do("a", act)
        clock.advance(1)
        assert nulls[0].state is ContextState.ACTIVE
        clock.advance(1)
        assert nulls[0].state is ContextState.INVALID
        assert world.told("activity_unreferenced") == []
        clock.advance(3)
        assert world.told("activity_unreferenced") == [("a",)]


def test_tmr_28_a_last_occurrence_that_is_dropped_ends_the_reference_too() -> None:
    with World(Root) as world:
        clock = Clock(world)
        nulls: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            nulls.append(sbb.null_activities.create())
            sbb.timers.set(nulls[0], after=1, preserve_missed=PreserveMissed.NONE)

        world.do("a", act)
        clock.leap(100)
        assert nulls[0].state is ContextState.INVALID


def test_tmr_29_at_most_one_event_after_a_cancel() -> None:
    with World(Root) as world:
        clock = Clock(world)
        identity = clock.set(after=1, period=1)
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=1.5))
        clock.advance(1)
        world.do("b", lambda sbb, aci: sbb.timers.cancel(identity), key="2")
        clock.advance(10)
        assert len(clock.events) == 1


def test_tmr_30_what_is_due_together_comes_by_schedule_then_by_setting() -> None:
    with World(Root) as world:
        clock = Clock(world)
        ids = [clock.set(at=at) for at in (3, 2, 3, 1)]
        clock.leap(10)
        assert [event.timer_id for event in clock.events] == [ids[3], ids[1], ids[0], ids[2]]


def test_tmr_31_a_clock_that_jumps_back_repeats_nothing() -> None:
    with World(Root) as world:
        clock = Clock(world)
        clock.set(at=10, period=10, repetitions=2)
        clock.advance(10)
        world.slee.clock.now -= 8
        world.slee.run()
        assert len(clock.events) == 1
        clock.advance(18)
        assert [time for time, _, _ in clock.fired] == [10, 20]


def test_tmr_33_a_stopped_slee_releases_nothing() -> None:
    with World(Root) as world:
        world.kernel.stop()
        world.slee.run()
        assert world.kernel.next_deadline() is None
        world.slee.clock.advance(100)
        assert LOG == []
