"""Schedules of configuration and bundles, days off, and what operators do (TIM-5, TIM-23, TIM-27, TIM-31)."""

from __future__ import annotations

import datetime

import pytest

from profiles.holiday.holiday import Holiday
from resource_adaptors.timer.api import (
    AlreadyExistsError,
    Calendar,
    Cron,
    Every,
    LocalProtocolError,
    Missed,
    Plan,
)
from resource_adaptors.timer.config import TimerConfiguration
from slee.api.errors import (
    InvalidArgumentError,
    InvalidConfigurationError,
    InvalidStateError,
    ScheduleAlreadyExistsError,
    UnrecognizedScheduleError,
    VerificationError,
)
from slee.api.ids import ServiceID
from slee.spi.scheduling import DeclaredSchedule, Scheduling
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.resource_adaptors.timer.kit import Office, Worker, put

NIGHTLY = DeclaredSchedule(name="night", cron="30 2 * * *", zone="Europe/Vienna")
MINUTELY = DeclaredSchedule(name="minute", cron="* * * * *")
CONFIGURATION = {"schedules": [{"name": "conf", "cron": "* * * * *"}]}


def harness() -> SleeHarness:
    return SleeHarness(leftovers_allowed=True, journal=SimulatedDisk())


def day(time: float) -> str:
    return datetime.datetime.fromtimestamp(time, datetime.UTC).strftime("%m-%d")


# Bundles.


def test_tim_23_schedules_of_a_bundle_are_made_when_its_service_becomes_active() -> None:
    with harness() as slee:
        office = Office(slee, schedules=(NIGHTLY, MINUTELY))
        infos = office.timer.list_schedules("")
        assert [(info.name, info.origin, info.service) for info in infos] == [
            ("minute", "bundle", str(office.service)),
            ("night", "bundle", str(office.service)),
        ]
        slee.advance(60)
        assert [event.name for event in office.fired] == ["minute"]


def test_tim_23_a_declared_schedule_is_suspended_but_not_cancelled() -> None:
    with harness() as slee:
        office = Office(slee, CONFIGURATION, schedules=(MINUTELY,))
        for name in ("conf", "minute"):
            with pytest.raises(InvalidStateError, match="TIM-23"):
                office.timer.cancel_schedule(name)
            assert office.timer.suspend_schedule(name).state == "suspended"
        with pytest.raises(InvalidStateError):
            office.timer.cancel_schedule("minute")

        def tries(worker: Worker) -> None:
            with pytest.raises(LocalProtocolError, match="TIM-23"):
                worker.timer.cancel("minute")
            with pytest.raises(AlreadyExistsError):
                worker.timer.create(Plan(name="minute", timing=Every(1)), replace=True)

        office.do(tries)
        slee.advance(120)
        assert office.fired == []


def test_tim_23_it_goes_with_its_service_and_not_with_one_version_of_it() -> None:
    with harness() as slee:
        office = Office(slee, schedules=(MINUTELY, NIGHTLY))
        office.make(Plan(name="own", timing=Every(1000)))
        newer = slee.install(Worker, version="2.0", schedules=(MINUTELY,))
        names = [(info.name, info.service) for info in office.timer.list_schedules("")]
        assert names == [("minute", str(newer)), ("own", str(office.service))]
        office.timer.service_removed(office.service, (newer,))
        assert {info.service for info in office.timer.list_schedules("")} == {str(newer)}
        office.timer.service_removed(newer, ())
        assert office.timer.list_schedules("") == ()


def test_tim_23_removal_of_a_service_reaches_what_was_put_away() -> None:
    with harness() as slee:
        office = Office(slee)
        office.make(Plan(name="own", timing=Every(1000)))
        office.make(Plan(name="too", timing=Every(1000)))
        slee.kernel.stop(within=1)
        slee.run()
        assert [key for key, _ in office.timer.context.kept.items()] == ["own", "too"]
        heir = ServiceID("Worker", "test", "9.0")
        office.timer.service_removed(office.service, (heir,))
        office.timer.service_removed(office.service, ())
        assert len(office.timer.context.kept.items()) == 2
        office.timer.service_removed(heir, ())
        assert office.timer.context.kept.items() == ()


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (DeclaredSchedule(name="conf", cron="* * * * *"), "TIM-10"),
        (DeclaredSchedule(name="a", cron="61 * * * *"), "TIM-9"),
        (DeclaredSchedule(name="a", cron="0 0 30 2 *"), "TIM-8"),
        (DeclaredSchedule(name="a b", cron="* * * * *"), "TIM-28"),
        (DeclaredSchedule(name="a", rule="FREQ=DAILY", holidays="none"), "TIM-5"),
    ],
)
def test_tim_23_a_service_whose_schedule_cannot_be_had_is_not_activated(wrong: DeclaredSchedule, rule: str) -> None:
    with harness() as slee, pytest.raises(VerificationError, match=rule):
        Office(slee, CONFIGURATION, schedules=(wrong,))


def test_tim_23_two_services_do_not_declare_one_name() -> None:
    with harness() as slee:
        Office(slee, schedules=(MINUTELY,))
        with pytest.raises(VerificationError, match="TIM-10"):
            slee.install(Worker, name="Another", schedules=(MINUTELY,))


@pytest.mark.parametrize("is_crash", [False, True])
def test_tim_23_a_changed_declaration_takes_effect_and_stays_suspended(is_crash: bool) -> None:
    slee = harness()
    office = Office(slee, CONFIGURATION, schedules=(MINUTELY,))
    for name in ("conf", "minute"):
        office.timer.suspend_schedule(name)
    slee.run()
    if not is_crash:
        slee.kernel.stop(within=1)
        slee.run()
    slee = slee.crash(survivors=1_000, downtime=5)
    changed = {"schedules": [{"name": "conf", "cron": "0 * * * *"}]}
    office = Office(slee, changed, schedules=(MINUTELY.model_copy(update={"cron": "5 * * * *"}),))
    slee.restart()
    infos = office.timer.list_schedules("")
    assert [(info.name, info.timing, info.state) for info in infos] == [
        ("conf", "0 * * * * UTC", "suspended"),
        ("minute", "5 * * * * UTC", "suspended"),
    ]


@pytest.mark.parametrize("is_crash", [False, True])
def test_tim_23_what_is_not_configured_any_more_is_gone(is_crash: bool) -> None:
    slee = harness()
    office = Office(slee, CONFIGURATION)
    slee.run()
    if not is_crash:
        slee.kernel.stop(within=1)
        slee.run()
    slee = slee.crash(survivors=1_000)
    office = Office(slee)
    slee.restart()
    assert office.timer.list_schedules("") == ()
    assert not slee.kernel.resources["timer"].contexts


def test_tim_10_the_configuration_takes_precedence_over_a_service() -> None:
    slee = harness()
    office = Office(slee)
    office.make(Plan(name="conf", timing=Every(1000)))
    slee = slee.crash(survivors=1_000)
    office = Office(slee, CONFIGURATION)
    slee.restart()
    assert [(info.name, info.origin) for info in office.timer.list_schedules("")] == [("conf", "configuration")]


# Days off.


def test_tim_5_days_off_come_from_a_profile_table_and_change_with_it() -> None:
    """`calendar` and `day` of each profile; days of the configuration count too."""
    configuration = {
        "holidays_table": "holiday",
        "holidays": {"at": ["2001-09-11"]},
        "schedules": [{"name": "daily", "rule": "FREQ=DAILY;BYHOUR=6;BYMINUTE=0;BYSECOND=0", "holidays": "at"}],
    }
    with harness() as slee:
        slee.profiles.provide(Holiday, "holiday")
        office = Office(slee, configuration)  # the clock stands at 2001-09-09
        days = [day(time) for time in office.timer.show_schedule("daily").due]
        assert days == ["09-09", "09-10", "09-12", "09-13", "09-14"]
        before = office.timer.show_schedule("daily").due[0]
        office.timer.is_watching = True
        first = datetime.datetime.fromtimestamp(before, datetime.UTC).date()
        holiday = slee.profiles.descriptor(Holiday.specification_id)
        row = holiday.row({"calendar": "at", "day": first, "label": "first"})
        slee.profiles.put_rows("holiday", {"first": row})
        slee.advance(2)
        assert office.timer.show_schedule("daily").due[0] == before + 86_400
        slee.profiles.put_rows("holiday", {"first": None})
        slee.advance(2)
        assert office.timer.show_schedule("daily").due[0] == before


def test_tim_5_a_schedule_that_was_kept_goes_on_without_its_calendar() -> None:
    slee = harness()
    office = Office(slee, {"holidays": {"at": ["2001-09-11"]}})
    office.make(Plan(name="a", timing=Calendar("FREQ=DAILY", holidays="at")))
    slee = slee.crash(survivors=1_000)
    office = Office(slee)
    slee.restart()
    assert len(office.timer.show_schedule("a").due) == 5

    def tries(worker: Worker) -> None:
        with pytest.raises(LocalProtocolError, match="TIM-5"):
            worker.timer.reschedule("a", Calendar("FREQ=DAILY", holidays="at"))

    office.do(tries)


# Operators.


def test_tim_27_operators_see_and_change_schedules() -> None:
    with harness() as slee:
        office = Office(slee, CONFIGURATION)
        timer = office.timer
        assert isinstance(timer, Scheduling)
        made = timer.create_schedule("op:1", {"every": "R2/2001-09-09T02:00:00Z/PT1H", "retry-delay": 5})
        assert (made.kind, made.origin, made.service, len(made.due)) == ("every", "operator", None, 2)
        office.make(Plan(name="own", timing=Cron("* * * * *"), missed=Missed.ALL))
        assert [info.name for info in timer.list_schedules("")] == ["conf", "op:1", "own"]
        assert [info.name for info in timer.list_schedules("op")] == ["op:1"]
        assert timer.suspend_schedule("own").state == "suspended"
        slee.advance(150)
        assert {event.name for event in office.fired} == {"conf"}
        assert timer.resume_schedule("own").state == "active"
        slee.advance(0)
        assert [event.index for event in office.fired if event.name == "own"] == [0, 1, 2]
        timer.cancel_schedule("op:1")
        timer.cancel_schedule("own")
        slee.run()
        assert [info.name for info in timer.list_schedules("")] == ["conf"]
        for operation in (timer.show_schedule, timer.suspend_schedule, timer.fire_schedule, timer.cancel_schedule):
            with pytest.raises(UnrecognizedScheduleError, match="TIM-27"):
                operation("own")


def test_tim_27_fire_now_is_out_of_turn_and_is_retried_by_its_rule() -> None:
    with SleeHarness(leftovers_allowed=True, failures_allowed=True, journal=SimulatedDisk()) as slee:
        office = Office(slee)
        put(office.timer, Plan(name="a", timing=Every(1000), retries=1, retry_delay=3))
        Worker.failing = 1
        office.timer.fire_schedule("a")
        slee.advance(4)
        assert [event.index for event in office.fired] == [-1]
        slee.advance(1000)
        assert [event.index for event in office.fired] == [-1, 0]


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"cron": "61 * * * *"}, "minute"),
        ({"cron": "0 0 30 2 *"}, "TIM-8"),
        ({"cron": "* * * * *", "rule": "FREQ=DAILY"}, "give one of"),
        ({"crom": "* * * * *"}, "crom"),
        ({"cron": "* * * * *", "exdates": ["20260101"]}, "exdates"),
        ({"cron": "* * * * *", "valid-until": "2027-01-01T00:00:00"}, "offset"),
        ({}, "give one of"),
    ],
)
def test_tim_27_what_an_operator_cannot_have_is_refused(properties: dict[str, object], told: str) -> None:
    with harness() as slee:
        office = Office(slee, CONFIGURATION)
        with pytest.raises(InvalidArgumentError, match=told):
            office.timer.create_schedule("a", properties)
        with pytest.raises(ScheduleAlreadyExistsError, match="TIM-10"):
            office.timer.create_schedule("conf", {"cron": "* * * * *"})
        assert [info.name for info in office.timer.list_schedules("")] == ["conf"]


# Configuration.


def test_tim_31_live_keys_change_while_the_entity_works() -> None:
    with harness() as slee:
        office = Office(slee, {**CONFIGURATION, "max_schedules_of_service": 1})
        live = {**CONFIGURATION, "max_schedules_of_service": 2, "fires_per_second": 5, "holidays": {"x": []}}
        changed = TimerConfiguration.model_validate(live)
        office.timer.ra_verify_configuration(changed)
        office.timer.ra_configuration_update(changed)
        office.make(Plan(name="a", timing=Every(1000)))
        office.make(Plan(name="b", timing=Every(1000)))
        assert office.timer.scheduler.rate == 5
        assert len(office.timer.list_schedules("")) == 3


@pytest.mark.parametrize(
    "key", [{"resolution": 0.5}, {"zone_default": "Asia/Tokyo"}, {"max_catch_up": 1}, {"schedules": []}]
)
def test_tim_31_the_other_keys_need_it_stopped(key: dict[str, object]) -> None:
    with harness() as slee:
        office = Office(slee, CONFIGURATION)
        changed = TimerConfiguration.model_validate({**CONFIGURATION, **key})
        with pytest.raises(InvalidConfigurationError, match="TIM-31"):
            office.timer.ra_verify_configuration(changed)
        slee.kernel.stop(within=1)
        slee.run()
        office.timer.ra_verify_configuration(changed)
        office.timer.ra_configuration_update(changed)
        slee.kernel.start()
        slee.run()
        assert office.timer.settings == changed


def test_tim_31_names_are_configured_once() -> None:
    with pytest.raises(ValueError, match="TIM-10"):
        TimerConfiguration.model_validate({"schedules": [CONFIGURATION["schedules"][0]] * 2})


OVER = [
    {"cron": "* * * * *", "valid_until": "2001-01-01T00:00:00Z"},
    {"rule": "FREQ=DAILY;COUNT=3", "start": "2001-01-01T00:00:00"},
    {"every": "R5/2001-01-01T00:00:00Z/PT10M"},
]
"""Declared long ago: their last times have passed before the clock of the harness begins."""


@pytest.mark.parametrize("over", OVER)
def test_tim_23_a_configured_schedule_that_is_over_keeps_no_other_from_being_made(over: dict[str, object]) -> None:
    with harness() as slee:
        office = Office(slee, {"schedules": [{"name": "over", **over}, *CONFIGURATION["schedules"]]})
        slee.advance(60)
        assert [event.name for event in office.fired] == ["conf"]
        assert [info.name for info in office.timer.list_schedules("")] == ["conf"]


@pytest.mark.parametrize("over", OVER)
def test_tim_23_a_service_becomes_active_when_a_schedule_of_its_bundle_is_over(over: dict[str, object]) -> None:
    with harness() as slee:
        office = Office(slee, schedules=(DeclaredSchedule.model_validate({"name": "over", **over}), MINUTELY))
        slee.advance(60)
        assert [event.name for event in office.fired] == ["minute"]


@pytest.mark.parametrize("wrong", [{"payload": "x" * 5000}, {"priority": 2**70}, {"name": "a b"}])
def test_tim_28_what_a_schedule_can_never_have_is_refused_with_the_configuration(wrong: dict[str, object]) -> None:
    with harness() as slee, pytest.raises(InvalidConfigurationError, match="TIM-"):
        Office(slee, {"schedules": [{"name": "a", "cron": "* * * * *", **wrong}]})


def test_tim_27_a_schedule_has_the_name_that_it_is_made_under() -> None:
    with harness() as slee:
        office = Office(slee)
        with pytest.raises(InvalidArgumentError, match="leave the property out"):
            office.timer.create_schedule("x", {"name": "y", "cron": "* * * * *"})
        office.timer.create_schedule("x", {"name": "x", "cron": "* * * * *"})


def test_tim_28_a_beginning_that_nobody_can_wait_for_is_refused() -> None:
    with harness() as slee:
        office = Office(slee)
        with pytest.raises(InvalidArgumentError, match="TIM-28"):
            office.timer.create_schedule("x", {"cron": "* * * * *", "valid_from": "9999-12-31T23:59:59Z"})


def test_tim_20_an_end_in_no_zone_s_calendar_is_none() -> None:
    with harness() as slee:
        office = Office(slee)
        every = {"rule": "FREQ=MINUTELY;COUNT=2", "zone": "Asia/Tokyo", "valid_until": "9999-12-31T23:59:59Z"}
        office.timer.create_schedule("x", every)
        slee.advance(121)
        assert len(office.fired) == 1
        assert office.timer.list_schedules("") == ()
