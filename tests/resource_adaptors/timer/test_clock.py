"""The wall clock and the steady one, runs that overlap, limits and alarms (TIM-12 to TIM-19, TIM-28 to TIM-32)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest

from resource_adaptors.timer.api import (
    TIMER,
    Cron,
    Every,
    LocalProtocolError,
    Missed,
    Once,
    Overlap,
    Plan,
    ResourceExhaustedError,
    ScheduleFired,
    by_name,
    by_payload,
    by_prefix,
)
from resource_adaptors.timer.testing import TimerSimulator
from slee import ActivityContext, Sbb, TimerEvent, handles, initial_event, resource
from slee.kernel.ports import Limits
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.resource_adaptors.timer.kit import Office, Worker, put

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.fixture
def office() -> Iterator[Office]:
    with SleeHarness(leftovers_allowed=True, failures_allowed=True, journal=SimulatedDisk()) as slee:
        yield Office(slee)


def alarms(office: Office) -> list[str]:
    return [alarm.alarm_type for alarm in office.slee.alarms]


# Clocks.


def test_tim_16_a_clock_that_stands_holds_up_what_goes_by_it_and_nothing_else(office: Office) -> None:
    office.make(Plan(name="wall", timing=Cron("* * * * * *")))
    office.make(Plan(name="steady", timing=Every(1)))
    office.slee.advance(3)
    before = len([event for event in office.fired if event.name == "wall"])
    office.timer.stop_clock()
    office.slee.advance(20)
    assert len([event for event in office.fired if event.name == "steady"]) == 23
    assert len([event for event in office.fired if event.name == "wall"]) - before <= 1
    assert alarms(office) == ["timer.clock_step"]
    office.timer.start_clock()
    office.slee.advance(5)
    dues = [event.due for event in office.fired if event.name == "wall"]
    assert dues == [dues[0] + n for n in range(len(dues))]
    assert len(dues) == before + 5
    assert [event.index for event in office.fired if event.name == "steady"] == list(range(28))
    assert all(event.missed == 0 for event in office.fired)


@pytest.mark.parametrize("step", [3600, -3600])
def test_tim_16_and_33_a_step_by_an_hour_under_load_fires_nothing_twice(office: Office, step: float) -> None:
    for name in ("a", "b", "c"):
        office.make(Plan(name=name, timing=Cron("*/10 * * * * *"), missed=Missed.ALL))
    office.make(Plan(name="steady", timing=Every(5)))
    office.slee.advance(100)
    office.timer.step_clock(step)
    office.slee.advance(3700 if step < 0 else 100)
    for name in ("a", "b", "c"):
        dues = [event.due for event in office.fired if event.name == name]
        assert dues == [dues[0] + 10 * n for n in range(len(dues))]
    steady = [event for event in office.fired if event.name == "steady"]
    assert [event.index for event in steady] == list(range(3800 // 5 if step < 0 else 40))
    assert all(event.fired >= event.due for event in office.fired)


def test_tim_16_the_period_of_a_kept_schedule_is_not_moved_by_an_earlier_step(office: Office) -> None:
    office.make(Plan(name="steady", timing=Every(100)))
    office.timer.step_clock(3600)
    office.slee.advance(40)
    office.slee.kernel.stop(within=1)
    office.slee.run()
    office.slee.kernel.start()
    office.slee.run()
    office.slee.advance(59)
    assert office.fired == []
    office.slee.advance(1.1)
    assert [(event.index, event.missed) for event in office.fired] == [(0, 0)]


def test_tim_30_the_alarm_of_a_step_goes_when_the_clock_is_quiet(office: Office) -> None:
    office.make(Plan(name="a", timing=Every(50)))
    office.timer.step_clock(10)
    office.slee.advance(500)
    assert alarms(office) == ["timer.clock_step"]
    office.slee.advance(200)
    assert alarms(office) == []


def test_tim_12_occurrences_within_the_resolution_fire_together() -> None:
    class Gathering(TimerSimulator):
        is_gathering = True

    with SleeHarness(leftovers_allowed=True) as slee:
        timer = slee.add_resource("timer", Gathering())
        slee.install(Worker)
        Worker.told.clear()
        begin = slee.clock.now + 1
        for number in range(10):
            put(timer, Plan(name=f"n{number}", timing=Once(begin + number * 0.004)))
        slee.advance(2)
        events = [event for event in Worker.told if isinstance(event, ScheduleFired)]
        assert len(events) == 10
        assert len({event.fired for event in events}) <= 5
        assert all(0 <= event.fired - event.due <= 0.010001 for event in events)


@pytest.mark.parametrize("policy", list(Missed))
def test_tim_7_and_13_a_change_of_clocks_a_crash_and_a_stop_by_policy(policy: Missed) -> None:
    """Every occurrence of two days in which the clocks are put back is fired, or missed, exactly once."""
    slee = SleeHarness(leftovers_allowed=True, journal=SimulatedDisk())
    office = Office(slee)
    begin = datetime.datetime(2001, 10, 28, 0, 0, 30, tzinfo=VIENNA).timestamp()
    slee.advance(begin - slee.clock.now)
    plan = Plan(name="a", timing=Cron("*/15 * * * *", "Europe/Vienna"), missed=policy)
    office.make(plan)
    told: list[object] = []
    hour = 3600
    for awake, asleep, is_crash in ((1.6, 0.4, True), (0.3, 1.2, False), (2.0, 3.1, True), (1.1, 0.01, False)):
        slee.advance(awake * hour)
        told += Worker.told
        if is_crash:
            slee = slee.crash(survivors=1_000, downtime=asleep * hour)
            office = Office(slee)
            slee.restart()
        else:
            slee.kernel.stop(within=1)
            slee.run()
            Worker.told.clear()
            slee.advance(asleep * hour)
            slee.kernel.start()
            slee.run()
    slee.advance(hour)
    told += Worker.told
    first = begin - 30 + 900
    wanted = [first + 900 * n for n in range(int((slee.clock.now - first) // 900) + 1)]
    fired = [event for event in told if isinstance(event, ScheduleFired)]
    dropped = [event for event in told if not isinstance(event, ScheduleFired)]
    dues = [event.due for event in fired]
    assert len(set(dues)) == len(dues)
    assert set(dues) <= set(wanted)
    if policy is Missed.ALL:
        assert dues == wanted
        assert [event.index for event in fired] == list(range(len(wanted)))
    elif policy is Missed.LAST:
        assert len(fired) + sum(event.missed for event in fired) == len(wanted)
        assert sum(event.missed > 0 for event in fired) == 3
    else:
        assert len(fired) + sum(event.count for event in dropped) == len(wanted)
        assert all(event.fired - event.due <= 1 for event in fired)
        assert len(dropped) == 3


# Overlap.


@pytest.mark.parametrize(
    ("overlap", "indexes"), [(Overlap.ALLOW, [0, 1, 2, 3]), (Overlap.SKIP, [0, 3]), (Overlap.QUEUE_ONE, [0, 2])]
)
def test_tim_14_the_maker_that_stays_attached_is_no_run(overlap: Overlap, indexes: list[int]) -> None:
    class Maker(Sbb, vendor="test", version="1.0"):
        timer = resource(TIMER)

        @initial_event(selector=lambda event: "maker" if event.name == "desk" else None)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            if event.name == "desk":
                plan = Plan(name="slow", timing=Every(10), overlap=overlap, missed=Missed.SKIP)
                self.timer.create(plan).attach(self)

    class Runner(Sbb, vendor="test", version="1.0"):
        runs: ClassVar[list[int]] = []

        @initial_event(selector=lambda event: event.name if event.name == "slow" else None)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            Runner.runs.append(event.index)
            self.timers.set(aci, after=25)

        @handles
        def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
            aci.detach(self)

    with SleeHarness(leftovers_allowed=True) as slee:
        timer = slee.add_resource("timer", TimerSimulator())
        slee.install(Maker)
        slee.install(Runner)
        put(timer, Plan(name="desk", timing=Once(timer.wall_now())))
        slee.advance(0)
        schedule = timer.register.get("slow")
        schedule.service = None  # fired to every service
        slee.advance(42)
        assert Runner.runs[: len(indexes)] == indexes
        if overlap is Overlap.QUEUE_ONE:
            assert timer.statistics().missed["skip"] >= 1


# Storms, limits, alarms.


def test_tim_18_a_backlog_raises_an_alarm_that_goes_with_it(office: Office) -> None:
    office.timer.scheduler.rate = 2.0
    at = office.timer.wall_now() + 5
    for number in range(30):
        put(office.timer, Plan(name=f"s{number:02}", timing=Once(at)))
    office.slee.advance(14)
    assert alarms(office) == ["timer.backlog"]
    office.slee.advance(20)
    assert alarms(office) == []
    assert [event.name for event in office.fired] == [f"s{number:02}" for number in range(30)]


def test_tim_30_the_alarm_of_a_failing_schedule_goes_when_it_does_well(office: Office) -> None:
    office.make(Plan(name="a", timing=Every(10)))
    Worker.failing = 5
    office.slee.advance(50)
    assert alarms(office) == ["timer.schedule_failing"]
    assert office.timer.show_schedule("a").failures == 5
    office.slee.advance(10)
    assert alarms(office) == []


def test_tim_30_the_alarm_of_a_limit_goes_when_there_is_room() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee, {"max_schedules_of_service": 1})
        office.make(Plan(name="a", timing=Every(10)))

        def tries(worker: Worker) -> None:
            with pytest.raises(ResourceExhaustedError, match="TIM-28"):
                worker.timer.create(Plan(name="b", timing=Every(10)))

        office.do(tries)
        assert alarms(office) == ["timer.limit"]
        office.do(lambda worker: worker.timer.cancel("a"))
        assert alarms(office) == []


def test_tim_17_an_occurrence_that_the_slee_refuses_is_tried_again_by_its_rule() -> None:
    """A queue that is full is a reason like a rollback."""
    with SleeHarness(leftovers_allowed=True, failures_allowed=True, limits=Limits(queue=1)) as slee:
        office = Office(slee)
        put(office.timer, Plan(name="a", timing=Every(100), retries=3, retry_delay=1))
        handle = office.timer.register.get("a").handle
        slee.clock.move_to(slee.clock.now + 100)
        office.timer.context.endpoint.fire(handle, ScheduleFired("a", 0.0, 0.0, -2, 0, None))
        office.timer.tick(slee.clock.now)
        slee.advance(5)
        assert [event.index for event in office.fired] == [-2, 0]
        assert office.timer.statistics().retries == 1


# Services.


def test_tim_32_what_a_service_made_is_fired_to_it_alone(office: Office) -> None:
    class Curious(Sbb, vendor="test", version="1.0"):
        told: ClassVar[list[str]] = []

        @initial_event(selector=by_name)
        def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
            Curious.told.append(event.name)

    office.slee.install(Curious)
    office.make(Plan(name="own", timing=Every(10)))
    office.timer.create_schedule("common", {"cron": "* * * * * *"})
    office.slee.advance(10)
    assert set(Curious.told) == {"desk", "common"}
    assert {event.name for event in office.fired} == {"own", "common"}


def test_tim_32_a_private_payload_is_not_shown(office: Office) -> None:
    office.make(Plan(name="a", timing=Every(10), payload="4711", is_private=True))
    office.make(Plan(name="b", timing=Every(10), payload="4712"))
    office.slee.advance(10)
    assert [event.payload for event in office.fired] == ["4711", "4712"]
    assert "4711" not in f"{office.fired}"
    assert "4712" in f"{office.fired}"


@pytest.mark.parametrize("payload", [2**63, ["a"], ("a", (1, (2,))), {"a": 1}, {1}])
def test_tim_1_a_payload_that_no_journal_carries_is_refused(office: Office, payload: object) -> None:
    def tries(worker: Worker) -> None:
        with pytest.raises(LocalProtocolError, match="TIM-1"):
            worker.timer.create(Plan(name="a", timing=Every(10), payload=payload))

    office.do(tries)


def test_tim_1_every_payload_that_is_taken_comes_back_after_a_crash() -> None:
    payload = (True, 1, 1.5, "x", b"\x00", None, (("nested"), 2))
    slee = SleeHarness(leftovers_allowed=True, journal=SimulatedDisk())
    office = Office(slee)
    office.make(Plan(name="a", timing=Every(10), payload=payload))
    slee = slee.crash(survivors=1_000)
    office = Office(slee)
    slee.restart()
    slee.advance(10)
    assert [event.payload for event in office.fired] == [payload]


def test_tim_24_a_kill_before_the_retry_tries_again_and_ends_then() -> None:
    slee = SleeHarness(leftovers_allowed=True, failures_allowed=True, journal=SimulatedDisk())
    office = Office(slee)
    office.make(Plan(name="a", timing=Once(office.timer.wall_now() + 10), retries=2, retry_delay=5))
    Worker.failing = 1
    slee.advance(12)
    slee = slee.crash(survivors=1_000, downtime=1)
    office = Office(slee)
    slee.restart()
    assert office.timer.show_schedule("a").due == ()
    slee.advance(5)
    assert [event.index for event in office.fired] == [0]
    assert not slee.kernel.resources["timer"].contexts


def test_tim_21_name_prefix_and_payload_select_the_entity() -> None:
    """One entity for each name, prefix or payload; or the one that attached itself to what it made."""

    def service(selector: object, kind: str) -> type[Sbb]:
        class Selected(Sbb, vendor="test", version=kind):
            @initial_event(selector=selector)
            def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
                self.null_activities.create().attach(self)

        return Selected

    with SleeHarness(leftovers_allowed=True) as slee:
        timer = slee.add_resource("timer", TimerSimulator())
        for selector, kind in ((by_name, "name"), (by_prefix, "prefix"), (by_payload, "payload")):
            slee.install(service(selector, kind), name=kind)
        for name, payload in (("room:1", "x"), ("room:2", "x"), ("desk:1", "y"), ("desk:2", "z")):
            put(timer, Plan(name=name, timing=Every(10, count=2), payload=payload))
        slee.advance(30)
        entities = {service.id.name: len(service.roots) for service in slee.kernel.services.values()}
    assert entities == {"name": 4, "prefix": 2, "payload": 3}


def test_tim_29_every_figure_has_its_name_and_type(office: Office) -> None:
    office.make(Plan(name="a", timing=Cron("* * * * *"), missed=Missed.SKIP, retries=1))
    Worker.failing = 1
    office.slee.advance(70)
    office.timer.suspend_schedule("a")
    office.slee.advance(300)
    office.timer.resume_schedule("a")
    office.timer.step_clock(5)
    office.slee.advance(1)
    figures = {(name, *labels.values()): value for name, _, _, labels, value in office.timer.statistics().metrics()}
    assert figures["slee_timer_schedules", "cron"] == 1
    assert figures["slee_timer_fired", "cron"] == 2
    assert figures["slee_timer_missed", "skip"] == 5
    assert figures["slee_timer_retries",] == 1
    assert figures["slee_timer_clock_steps",] == 1
    assert figures["slee_timer_backlog",] == 0
    buckets, total = figures["slee_timer_lateness_seconds",]
    assert buckets[-1][1] == 3
    assert total >= 1
    kinds = {name: kind for name, kind, *_ in office.timer.statistics().metrics()}
    assert {name for name, kind in kinds.items() if kind == "counter"} == {
        "slee_timer_fired",
        "slee_timer_missed",
        "slee_timer_retries",
        "slee_timer_clock_steps",
    }
