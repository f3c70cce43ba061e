"""Schedules as activities, run in the harness (TIM-10 to TIM-32)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import ClassVar

import pytest

from resource_adaptors.timer.api import (
    TIMER,
    AlreadyExistsError,
    Cron,
    Every,
    LocalProtocolError,
    Missed,
    Once,
    Overlap,
    Plan,
    ResourceExhaustedError,
    ScheduleActivity,
    ScheduleEnded,
    ScheduleFired,
    ScheduleMissed,
    UnknownScheduleError,
    by_name,
    by_prefix,
)
from resource_adaptors.timer.config import TimerConfiguration
from resource_adaptors.timer.protocol.schedule import Origin
from resource_adaptors.timer.testing import TimerSimulator
from slee import ActivityContext, ActivityEnd, Sbb, TimerEvent, handles, initial_event, resource
from slee.kernel.states import ResourceState, SleeState
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness

Told = tuple[str, object]


def desks_only(event: ScheduleFired) -> str | None:
    """What else fires is told to the clerk that made it, who is attached."""
    return by_prefix(event) if event.name.startswith("desk") else None


class Clerk(Sbb, vendor="test", version="1.0"):
    """Does what a test asks of it when its desk schedule fires, and notes what it is told."""

    timer = resource(TIMER)
    told: ClassVar[list[object]] = []
    errands: ClassVar[list[object]] = []

    @initial_event(selector=desks_only)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        if event.name.startswith("desk"):
            errand = Clerk.errands.pop(0)
            errand(self, aci)
        else:
            Clerk.told.append(event)

    @handles
    def on_missed(self, event: ScheduleMissed, aci: ActivityContext) -> None:
        Clerk.told.append(event)

    @handles
    def on_ended(self, event: ScheduleEnded, aci: ActivityContext) -> None:
        if not event.name.startswith("desk"):
            Clerk.told.append(event)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        activity = aci.activity
        assert isinstance(activity, ScheduleActivity)
        if not activity.name.startswith("desk"):
            Clerk.told.append("end")


class Watcher(Sbb, vendor="test", version="1.0"):
    """Is told of every schedule by initial events."""

    told: ClassVar[list[ScheduleFired]] = []

    @initial_event(selector=by_name)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        Watcher.told.append(event)


class Other(Sbb, vendor="test", version="1.0"):
    """Another service, with a desk of its own."""

    timer = resource(TIMER)
    seen: ClassVar[list[object]] = []

    @initial_event(selector=by_name)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        if event.name == "other-desk":
            Other.seen.append((self.timer.find(), self.timer.activity("a")))
            with pytest.raises(UnknownScheduleError):
                self.timer.cancel("a")
            with pytest.raises(AlreadyExistsError):
                self.timer.create(Plan(name="a", timing=Every(1)), replace=True)


def put(timer: TimerSimulator, plan: Plan) -> None:
    """Make a schedule that is fired to every service."""
    handle, now = timer.new_handle(plan.name), timer.time_of(plan.timing)
    timer.keeping.start(timer.register.make(handle, plan, now, origin=Origin.OPERATOR))


class Desk:
    """A harness whose clerk does an errand every time `do` is called."""

    def __init__(self, slee: SleeHarness, configuration: TimerConfiguration | None = None) -> None:
        self.slee = slee
        self.timer = slee.add_resource("timer", TimerSimulator(), configuration or TimerConfiguration())
        slee.install(Clerk)
        Clerk.told.clear()
        Clerk.errands.clear()
        self.desks = 0

    def do(self, errand: object) -> None:
        self.desks += 1
        Clerk.errands.append(errand)
        plan = Plan(name=f"desk{self.desks}:", timing=Once(self.timer.wall_now()))
        put(self.timer, plan)
        self.slee.advance(0)

    def make(self, plan: Plan, *, attach: bool = True) -> None:
        def errand(clerk: Clerk, aci: ActivityContext) -> None:
            made = clerk.timer.create(plan)
            if attach:
                made.attach(clerk)

        self.do(errand)

    @property
    def fired(self) -> list[ScheduleFired]:
        return [event for event in Clerk.told if isinstance(event, ScheduleFired)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with SleeHarness(leftovers_allowed=True) as slee:
        yield Desk(slee)


def test_tim_11_each_occurrence_says_when_it_was_due_and_which_it_is(desk: Desk) -> None:
    begin = desk.timer.wall_now()
    desk.make(Plan(name="a", timing=Every(10, count=3), payload=("x", 1)))
    desk.slee.advance(100)
    assert [(e.due - begin, e.index, e.missed, e.payload) for e in desk.fired] == [
        (10, 0, 0, ("x", 1)),
        (20, 1, 0, ("x", 1)),
        (30, 2, 0, ("x", 1)),
    ]
    assert Clerk.told[3:] == [ScheduleEnded("a", "completed"), "end"]
    assert not desk.slee.kernel.resources["timer"].contexts


def test_tim_11_ties_go_by_priority_then_name(desk: Desk) -> None:
    at = desk.timer.wall_now() + 5
    for name, priority in (("c", 0), ("b", 0), ("a", 0), ("z", 9)):
        desk.make(Plan(name=name, timing=Once(at), priority=priority))
    desk.slee.advance(10)
    assert [event.name for event in desk.fired] == ["z", "a", "b", "c"]


def test_tim_12_never_early(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(7.3, count=20)))
    desk.slee.advance(200)
    assert len(desk.fired) == 20
    assert all(event.fired >= event.due for event in desk.fired)
    buckets, _ = desk.timer.statistics().lateness
    assert buckets[-1][1] == 21


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Missed.ALL, [("F", 0, 0), ("F", 1, 0), ("F", 2, 0), ("F", 3, 0)]),
        (Missed.LAST, [("F", 3, 3)]),
        (Missed.SKIP, [("M", 4)]),
    ],
)
def test_tim_13_and_19_what_came_due_while_suspended_follows_the_policy(
    desk: Desk, policy: Missed, told: list[tuple[object, ...]]
) -> None:
    desk.make(Plan(name="a", timing=Every(10), missed=policy))
    desk.do(lambda clerk, aci: clerk.timer.suspend("a"))
    desk.slee.advance(45)
    assert Clerk.told == []
    desk.do(lambda clerk, aci: clerk.timer.resume("a"))
    desk.slee.advance(0)
    found = [("F", e.index, e.missed) if isinstance(e, ScheduleFired) else ("M", e.count) for e in Clerk.told]
    assert found == told
    Clerk.told.clear()
    desk.slee.advance(5.5)
    assert [event.index for event in desk.fired] == [4]


def test_tim_13_all_fires_so_many_at_most() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        desk = Desk(slee, TimerConfiguration(max_catch_up=3))
        desk.make(Plan(name="a", timing=Every(1), missed=Missed.ALL))
        desk.do(lambda clerk, aci: clerk.timer.suspend("a"))
        slee.advance(10.5)
        desk.do(lambda clerk, aci: clerk.timer.resume("a"))
        slee.advance(0)
        assert isinstance(Clerk.told[0], ScheduleMissed)
        assert Clerk.told[0].count == 7
        assert [event.index for event in desk.fired] == [7, 8, 9]


@pytest.mark.parametrize(
    ("overlap", "indexes"), [(Overlap.ALLOW, [0, 1, 2]), (Overlap.SKIP, [0, 3]), (Overlap.QUEUE_ONE, [0, 2])]
)
def test_tim_14_overlap_with_the_run_before(overlap: Overlap, indexes: list[int]) -> None:
    """An entity that stays attached keeps a run alive until it detaches."""

    class Slow(Sbb, vendor="test", version="1.0"):
        runs: ClassVar[list[int]] = []

        @initial_event(selector=by_name)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            Slow.runs.append(event.index)
            self.timers.set(aci, after=25)

        @handles
        def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
            aci.detach(self)

    with SleeHarness(leftovers_allowed=True) as slee:
        timer = slee.add_resource("timer", TimerSimulator(), TimerConfiguration())
        slee.install(Slow)
        plan = Plan(name="a", timing=Every(10), overlap=overlap)
        put(timer, plan)
        slee.advance(42 if overlap is Overlap.SKIP else 38)
    assert Slow.runs[: len(indexes)] == indexes


def test_tim_15_jitter_is_drawn_once_and_never_early(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(10, count=50), jitter=5))
    desk.slee.advance(1000)
    late = [event.fired - event.due for event in desk.fired]
    assert len(late) == 50
    assert all(0 <= seconds <= 5.01 for seconds in late)
    assert len({round(seconds, 3) for seconds in late}) > 30


def test_tim_16_a_forward_step_is_noticed(desk: Desk) -> None:
    begin = desk.timer.wall_now()
    desk.make(Plan(name="wall", timing=Once(begin + 3600)))
    desk.make(Plan(name="period", timing=Every(60)))
    desk.timer.step_clock(3600)
    desk.slee.advance(1)
    assert [event.name for event in desk.fired] == ["wall"]
    desk.slee.advance(60)
    assert [event.name for event in desk.fired] == ["wall", "period"]
    assert desk.timer.statistics().clock_steps == 1
    assert [alarm.alarm_type for alarm in desk.slee.alarms] == ["timer.clock_step"]


def test_tim_16_a_backward_step_fires_nothing_twice(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Cron("* * * * *")))
    desk.slee.advance(600)
    before = [event.due for event in desk.fired]
    desk.timer.step_clock(-300)
    desk.slee.advance(600)
    after = [event.due for event in desk.fired]
    assert len(before) == 10
    assert sorted(set(after)) == after
    assert len(after) == 15


def test_tim_17_a_run_that_rolls_back_is_retried_with_its_index() -> None:
    class Failing(Sbb, vendor="test", version="1.0"):
        runs: ClassVar[list[tuple[int, float]]] = []

        @initial_event(selector=by_name)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            Failing.runs.append((event.index, event.fired - event.due))
            if len(Failing.runs) < 3:
                raise RuntimeError("not yet")

    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        configuration = {"schedules": [{"name": "a", "cron": "* * * * *", "retries": 5, "retry_delay": 2.0}]}
        timer = slee.add_resource("timer", TimerSimulator(), TimerConfiguration.model_validate(configuration))
        slee.install(Failing)
        slee.advance(70)
        assert [index for index, _ in Failing.runs] == [0, 0, 0]
        assert [round(late) for _, late in Failing.runs] == [0, 2, 4]
        assert timer.statistics().retries == 2


def test_tim_17_without_retries_a_run_counts_as_delivered_and_tim_30_failing_raises_an_alarm() -> None:
    class Failing(Sbb, vendor="test", version="1.0"):
        runs: ClassVar[list[int]] = []

        @initial_event(selector=by_name)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            Failing.runs.append(event.index)
            raise RuntimeError("never")

    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        configuration = {"schedules": [{"name": "a", "cron": "* * * * *"}]}
        slee.add_resource("timer", TimerSimulator(), TimerConfiguration.model_validate(configuration))
        slee.install(Failing)
        slee.advance(60 * 4)
        assert slee.alarms == ()
        slee.advance(60)
        assert Failing.runs == [0, 1, 2, 3, 4]
        assert [alarm.alarm_type for alarm in slee.alarms] == ["timer.schedule_failing"]


def test_tim_18_a_storm_is_released_in_order_at_the_allowed_rate() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        desk = Desk(slee, TimerConfiguration(fires_per_second=10))
        at = desk.timer.wall_now() + 5
        for number in range(40):
            desk.make(Plan(name=f"s{number:02}", timing=Once(at)))
            slee.advance(0.1)
        slee.advance(at - desk.timer.wall_now() + 1.01)
        assert 15 <= len(desk.fired) <= 21
        slee.advance(10)
        assert [event.name for event in desk.fired] == [f"s{number:02}" for number in range(40)]


def test_tim_10_a_name_is_taken_unless_replaced(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(10)))

    def again(clerk: Clerk, aci: ActivityContext) -> None:
        with pytest.raises(AlreadyExistsError):
            clerk.timer.create(Plan(name="a", timing=Every(5)))
        clerk.timer.create(Plan(name="a", timing=Every(50)), replace=True).attach(clerk)

    desk.do(again)
    assert Clerk.told == [ScheduleEnded("a", "replaced"), "end"]
    desk.slee.advance(49)
    assert desk.fired == []
    desk.slee.advance(2)
    assert len(desk.fired) == 1


def test_tim_22_create_and_cancel_are_undone_with_the_transaction() -> None:
    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        desk = Desk(slee)
        desk.make(Plan(name="kept", timing=Every(10)))

        def fails(clerk: Clerk, aci: ActivityContext) -> None:
            clerk.timer.create(Plan(name="gone", timing=Every(10)))
            clerk.timer.cancel("kept")
            clerk.timer.create(Plan(name="kept", timing=Every(3)))
            raise RuntimeError("rolled back")

        desk.do(fails)
        slee.advance(10.5)
        assert [event.name for event in desk.fired] == ["kept"]
        assert len(slee.kernel.resources["timer"].contexts) == 1

        def looks(clerk: Clerk, aci: ActivityContext) -> None:
            assert clerk.timer.find() == ("kept",)
            assert clerk.timer.next("kept") == pytest.approx(desk.timer.wall_now() + 9.5)

        desk.do(looks)
    assert [str(failure) for failure in slee.failures if "rolled back" not in str(failure)] == []


def test_tim_22_reschedule_keeps_activity_and_index(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(10)))
    desk.slee.advance(10)
    desk.do(lambda clerk, aci: clerk.timer.reschedule("a", Every(3)))
    desk.slee.advance(3)
    assert [event.index for event in desk.fired] == [0, 1]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(name="", timing=Every(1)),
        Plan(name="x" * 129, timing=Every(1)),
        Plan(name="a b", timing=Every(1)),
        Plan(name="a", timing=Every(1), payload=b"x" * 4094),
        Plan(name="a", timing=Every(1), payload=["list"]),
        Plan(name="a", timing=Cron("0 0 30 2 *")),
        Plan(name="a", timing=Cron("61 * * * *")),
        Plan(name="a", timing=Cron("* * * * *", "Nowhere/Land")),
        Plan(name="a", timing=Once(9e9)),
        Plan(name="a", timing=Every(1), jitter=-1),
        Plan(name="a", timing=Once(1.0), valid_from=2.0),
    ],
)
def test_tim_8_9_and_28_what_cannot_be_had_is_refused_and_nothing_is_made(desk: Desk, plan: Plan) -> None:
    def tries(clerk: Clerk, aci: ActivityContext) -> None:
        with pytest.raises(LocalProtocolError):
            clerk.timer.create(plan)
        assert clerk.timer.find() == ()

    desk.do(tries)
    assert not desk.slee.kernel.resources["timer"].contexts


def test_tim_28_a_payload_at_the_limit_is_taken(desk: Desk) -> None:
    desk.make(Plan(name="x" * 128, timing=Every(1, count=1), payload=b"x" * 4093))
    desk.slee.advance(2)
    assert len(desk.fired) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"retry_delay": float("nan")},
        {"retry_delay": float("inf")},
        {"retries": 2**70},
        {"priority": 2**70},
        {"valid_from": float("nan")},
        {"valid_from": 1e18},
        {"valid_until": float("nan")},
    ],
)
def test_tim_28_numbers_that_nothing_can_be_computed_with_are_refused(desk: Desk, given: dict[str, float]) -> None:
    def refused(clerk: Clerk, event: object) -> None:
        with pytest.raises(LocalProtocolError, match="TIM-"):
            clerk.timer.create(Plan(name="x", timing=Every(1), **given))

    desk.do(refused)


def test_tim_28_a_service_may_have_so_many() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        desk = Desk(slee, TimerConfiguration(max_schedules_of_service=2))
        desk.make(Plan(name="a", timing=Every(10)))
        desk.make(Plan(name="b", timing=Every(10)))

        def third(clerk: Clerk, aci: ActivityContext) -> None:
            with pytest.raises(ResourceExhaustedError):
                clerk.timer.create(Plan(name="c", timing=Every(10)))

        desk.do(third)
        assert [alarm.alarm_type for alarm in slee.alarms] == ["timer.limit"]


def test_tim_32_a_service_sees_only_its_own(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(1000)))
    desk.slee.install(Other)
    Other.seen.clear()
    plan = Plan(name="other-desk", timing=Once(0.0))
    put(desk.timer, plan)
    desk.slee.advance(1)
    assert Other.seen == [((), None)]


def test_tim_20_valid_until_ends_a_schedule(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(10), valid_until=desk.timer.wall_now() + 25))
    desk.slee.advance(60)
    assert [event.index for event in desk.fired] == [0, 1]
    assert Clerk.told[2:] == [ScheduleEnded("a", "valid_until"), "end"]


def test_tim_20_administrative_removal_ends_a_schedule(desk: Desk) -> None:
    desk.make(Plan(name="a", timing=Every(10)))
    resource_entity = desk.slee.kernel.resources["timer"]
    resource_entity.remove_activity(next(iter(resource_entity.contexts)))
    desk.slee.run()
    assert Clerk.told == [ScheduleEnded("a", "removed"), "end"]
    desk.slee.advance(50)
    assert desk.fired == []


def test_tim_2_a_past_instant_fires_at_once_unless_skipped(desk: Desk) -> None:
    past = desk.timer.wall_now() - 100
    desk.make(Plan(name="a", timing=Once(past)))
    desk.make(Plan(name="b", timing=Once(past), missed=Missed.SKIP))
    desk.slee.advance(1)
    assert [event.name for event in desk.fired] == ["a"]
    assert ScheduleMissed("b", 1, past, past) in Clerk.told


class Keeper(Sbb, vendor="test", version="1.0"):
    """Makes the schedules it is asked for when `desk` fires, and is told of them by initial events."""

    timer = resource(TIMER)
    plans: ClassVar[list[Plan]] = []
    told: ClassVar[list[object]] = []

    @initial_event(selector=by_name)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        if event.name == "desk":
            self.timer.create(Keeper.plans.pop(0))
        else:
            Keeper.told.append(event)

    @handles
    def on_ended(self, event: ScheduleEnded, aci: ActivityContext) -> None:
        Keeper.told.append(event)


def kept(slee: SleeHarness, configuration: dict[str, object] | None = None) -> TimerSimulator:
    """A timer with the service that makes schedules; nothing has been told."""
    Keeper.told.clear()
    timer = slee.add_resource("timer", TimerSimulator(), TimerConfiguration.model_validate(configuration or {}))
    slee.install(Keeper)
    return timer


def ask(slee: SleeHarness, timer: TimerSimulator, plan: Plan) -> None:
    """Have the service make a schedule."""
    Keeper.plans.append(plan)
    put(timer, Plan(name="desk", timing=Once(timer.wall_now())))
    slee.advance(0)


POLICIES = [(Missed.ALL, [2, 3, 4, 5, 6]), (Missed.LAST, [6]), (Missed.SKIP, [])]


@pytest.mark.parametrize(("policy", "indexes"), POLICIES)
def test_tim_13_and_24_a_schedule_goes_on_after_a_crash(policy: Missed, indexes: list[int]) -> None:
    slee = SleeHarness(leftovers_allowed=True, journal=SimulatedDisk())
    with slee:
        timer = kept(slee)
        ask(slee, timer, Plan(name="a", timing=Every(10), missed=policy, payload=("p", (1,)), jitter=0.5))
        slee.advance(21)
        progress = timer.register.get("a").progress
        again = slee.crash(survivors=1_000, downtime=51)
    with again as slee:
        timer = kept(slee)
        slee.restart()
        assert timer.register.get("a").progress == progress
        slee.advance(0)
        assert [event.index for event in Keeper.told] == indexes
        assert all(event.payload == ("p", (1,)) for event in Keeper.told)
        Keeper.told.clear()
        slee.advance(9.5)
        assert [event.index for event in Keeper.told] == [7]


@pytest.mark.parametrize(("policy", "indexes"), POLICIES)
@pytest.mark.parametrize("is_process_ended", [False, True])
def test_tim_24_a_stop_of_the_slee_keeps_schedules(policy: Missed, indexes: list[int], is_process_ended: bool) -> None:
    """Their activities end, as all do; the schedules have new ones after the next start (RA-9)."""
    slee = SleeHarness(leftovers_allowed=True, journal=SimulatedDisk())
    timer = kept(slee, CRON)
    ask(slee, timer, Plan(name="a", timing=Every(10), missed=policy))
    slee.advance(21)
    Keeper.told.clear()
    slee.kernel.stop(within=1)
    slee.run()
    assert slee.kernel.state is SleeState.STOPPED
    assert not slee.kernel.resources["timer"].contexts
    assert Keeper.told == []
    if is_process_ended:
        slee = slee.crash(survivors=1_000, downtime=51)
        timer = kept(slee, CRON)
        slee.restart()
    else:
        slee.advance(51)
        assert Keeper.told == []
        slee.kernel.start()
        slee.run()
    slee.advance(0)
    assert [event.index for event in Keeper.told if event.name == "a"] == indexes
    assert [event.missed for event in Keeper.told if event.name == "c"] == [0]
    assert timer.register.get("c").progress.index == 1
    Keeper.told.clear()
    slee.advance(9)
    assert [event.index for event in Keeper.told] == [7]
    assert timer.context.kept.items() == ()


CRON = {"schedules": [{"name": "c", "cron": "30 * * * * *"}]}


def test_tim_20_deactivating_the_entity_ends_its_schedules() -> None:
    with SleeHarness(leftovers_allowed=True, journal=SimulatedDisk()) as slee:
        timer = kept(slee)
        ask(slee, timer, Plan(name="a", timing=Every(10), missed=Missed.ALL))
        entity = slee.kernel.resources["timer"]
        entity.deactivate()
        slee.advance(30)
        assert entity.state is ResourceState.INACTIVE
        entity.activate()
        slee.advance(30)
        assert timer.list_schedules("") == ()
        assert [event for event in Keeper.told if isinstance(event, ScheduleFired)] == []


def test_tim_24_what_changes_while_the_slee_stops_is_kept() -> None:
    """A run in progress may cancel and make schedules still."""

    class Last(Sbb, vendor="test", version="1.0"):
        timer = resource(TIMER)

        @initial_event(selector=by_name)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            self.timers.set(aci, after=5)
            self.null_activities.create().attach(self)
            self.timer.create(Plan(name="doomed", timing=Every(100)), replace=True)

        @handles
        def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
            if isinstance(aci.activity, ScheduleActivity):
                self.timer.cancel("doomed")
                self.timer.create(Plan(name="late", timing=Every(7)))

    with SleeHarness(leftovers_allowed=True, journal=SimulatedDisk()) as slee:
        timer = slee.add_resource("timer", TimerSimulator(), TimerConfiguration.model_validate(CRON))
        slee.install(Last)
        slee.advance(60)
        assert timer.register.named("doomed") is not None
        slee.kernel.stop(within=1)
        slee.advance(2)
        assert slee.kernel.state is SleeState.STOPPED
        slee.kernel.start()
        slee.run()
        assert [info.name for info in timer.list_schedules("")] == ["c", "late"]
        assert timer.show_schedule("late").due[0] == pytest.approx(timer.wall_now() + 5)


def test_tim_24_a_kill_between_firing_and_delivery_delivers_once() -> None:
    """The event and the progress of its schedule are in one record, so that it is neither lost nor fired again."""
    slee = SleeHarness(leftovers_allowed=True, journal=SimulatedDisk())
    timer = kept(slee)
    ask(slee, timer, Plan(name="a", timing=Once(timer.wall_now() + 10), payload=("x", 1)))
    Keeper.told.clear()
    slee.clock.move_to(slee.clock.now + 10)
    timer.tick(slee.clock.now)
    assert slee.recovery is not None
    slee.recovery.flush(slee.clock.now)
    assert Keeper.told == []
    again = slee.crash(survivors=1_000, downtime=5)
    timer = kept(again)
    again.restart()
    again.advance(1)
    assert [(type(event).__name__, event.name) for event in Keeper.told] == [
        ("ScheduleFired", "a"),
        ("ScheduleEnded", "a"),
    ]
    assert not again.kernel.resources["timer"].contexts
    assert timer.list_schedules("") == ()


def test_tim_23_configured_schedules_are_made_at_activation() -> None:
    configuration = {
        "zone_default": "Europe/Vienna",
        "holidays": {"at": ["2026-12-25"]},
        "schedules": [
            {"name": "night:report", "cron": "30 2 * * *", "payload": "x"},
            {"name": "week", "rule": "FREQ=WEEKLY", "holidays": "at", "on_holiday": "shift_after"},
            {"name": "tick", "every": "R/2026-01-01T00:00:00Z/PT10M"},
            {"name": "at", "at": "2040-01-01T00:00:00"},
        ],
    }
    with SleeHarness(leftovers_allowed=True) as slee:
        timer = slee.add_resource("timer", TimerSimulator(), TimerConfiguration.model_validate(configuration))
        assert dict(timer.statistics().schedules) == {"once": 1, "every": 1, "cron": 1, "calendar": 1}
        due = [datetime.datetime.fromtimestamp(t, datetime.UTC).minute for t in timer.show_schedule("night:report").due]
        assert due == [30] * 5
        assert [info.origin for info in timer.list_schedules("")] == ["configuration"] * 4
        names = {figure[0] for figure in timer.statistics().metrics()}
    assert names == {
        "slee_timer_schedules",
        "slee_timer_fired",
        "slee_timer_missed",
        "slee_timer_lateness_seconds",
        "slee_timer_backlog",
        "slee_timer_retries",
        "slee_timer_clock_steps",
    }


@pytest.mark.parametrize(
    "bad",
    [
        {"unknown": 1},
        {"resolution": 0},
        {"zone_default": "Nowhere/Land"},
        {"schedules": [{"name": "a"}]},
        {"schedules": [{"name": "a", "cron": "* * * * *", "rule": "FREQ=DAILY"}]},
        {"fires_per_second": 0},
    ],
)
def test_tim_31_and_com_17_wrong_configuration_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TimerConfiguration.model_validate(bad)
