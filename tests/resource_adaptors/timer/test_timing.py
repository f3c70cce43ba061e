"""Recurrence rules, intervals and single times (TIM-2, TIM-3, TIM-5, TIM-9)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_adaptors.timer.protocol.errors import LocalProtocolError
from resource_adaptors.timer.protocol.recurrence import Recurrence
from resource_adaptors.timer.protocol.timing import Calendar, Cron, Every, Once, Timing, compile_timing, parse_interval


def no_calendar(name: str) -> None:
    """No calendar of days off is known."""


CREATED = datetime.datetime(1997, 9, 2, 9, tzinfo=datetime.UTC).timestamp()


def times(timing: Timing, count: int, *, after: float = CREATED - 1, zone: str = "UTC") -> list[str]:
    occurrences = compile_timing(timing, CREATED, no_calendar)
    found: list[str] = []
    due = occurrences.next_after(after)
    while due is not None and len(found) < count:
        found.append(datetime.datetime.fromtimestamp(due, ZoneInfo(zone)).strftime("%Y%m%dT%H%M%S"))
        due = occurrences.next_after(due)
    return found


def days(rule: str, count: int) -> list[str]:
    found = times(Calendar(rule), count)
    assert all(text.endswith("T090000") for text in found)
    return [text[:8] for text in found]


@pytest.mark.parametrize(
    ("rule", "dates"),
    [
        # The examples of RFC 5545 3.8.5.3, which all begin on Tuesday 2 September 1997 at 09:00.
        ("FREQ=DAILY;COUNT=3", "19970902 19970903 19970904"),
        ("FREQ=DAILY;INTERVAL=10;COUNT=5", "19970902 19970912 19970922 19971002 19971012"),
        ("FREQ=DAILY;UNTIL=19970904T000000Z", "19970902 19970903"),
        ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;WKST=SU;BYDAY=TU,TH", "19970902 19970904 19970916 19970918"),
        ("FREQ=MONTHLY;COUNT=4;BYDAY=1FR", "19970905 19971003 19971107 19971205"),
        ("FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU", "19970907 19970928 19971102 19971130"),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "19970922 19971020 19971117"),
        ("FREQ=MONTHLY;BYMONTHDAY=-3", "19970928 19971029 19971128 19971229"),
        ("FREQ=MONTHLY;COUNT=4;BYMONTHDAY=1,-1", "19970930 19971001 19971031 19971101"),
        ("FREQ=MONTHLY;INTERVAL=18;COUNT=3;BYMONTHDAY=10,11", "19970910 19970911 19990310"),
        ("FREQ=YEARLY;COUNT=3;BYMONTH=6,7", "19980602 19980702 19990602"),
        ("FREQ=YEARLY;BYDAY=20MO", "19980518 19990517 20000515"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "19980305 19980312 19980319 19980326 19990304"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "19980213 19980313 19981113 19990813"),
        ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "19970913 19971011 19971108"),
        ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904 19971007 19971106"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "19970929 19971030 19971127"),
        ("FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA;COUNT=2", "19980101 19980102"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "19971031 19971231 19980131 19980331"),
        ("FREQ=DAILY;BYMONTH=1;COUNT=2", "19980101 19980102"),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "19971104 20011106 20051108"),
    ],
)
def test_tim_5_the_examples_of_rfc_5545(rule: str, dates: str) -> None:
    wanted = dates.split()
    assert days(rule, len(wanted) + ("COUNT" in rule or "UNTIL" in rule)) == wanted


def test_tim_5_rules_within_the_day() -> None:
    found = times(Calendar("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z"), 9)
    assert found == ["19970902T090000", "19970902T120000", "19970902T150000"]
    assert times(Calendar("FREQ=MINUTELY;INTERVAL=90;COUNT=3"), 9)[1:] == ["19970902T103000", "19970902T120000"]
    found = times(Calendar("FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,40"), 3)
    assert found == ["19970902T090000", "19970902T094000", "19970902T100000"]
    found = times(Calendar("FREQ=SECONDLY;BYMONTH=1;BYSECOND=7"), 2)
    assert found == ["19980101T000007", "19980101T000107"]


def test_tim_5_week_start_tells_which_week_a_day_belongs_to() -> None:
    begin = datetime.datetime(1997, 8, 5, 9)
    by_monday = Calendar("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", start=begin)
    by_sunday = Calendar("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", start=begin)
    assert [t[4:8] for t in times(by_monday, 9, after=0)] == ["0805", "0810", "0819", "0824"]
    assert [t[4:8] for t in times(by_sunday, 9, after=0)] == ["0805", "0817", "0819", "0831"]


def test_tim_5_dates_left_out_and_added() -> None:
    rule = Calendar("FREQ=DAILY;COUNT=3", exdates=("19970903T090000",), rdates=("19970902T120000", "19991231T235959"))
    assert times(rule, 9) == ["19970902T090000", "19970902T120000", "19970904T090000", "19991231T235959"]


@pytest.mark.parametrize(
    ("adjustment", "dates"),
    [
        ("skip", ["19970902", "19970906", "19970907"]),
        ("shift_after", ["19970902", "19970906", "19970907"]),
        ("shift_before", ["19970902", "19970906", "19970907"]),
    ],
)
def test_tim_5_holidays_in_the_middle_of_daily_runs_coincide(adjustment: str, dates: list[str]) -> None:
    off = {"at": frozenset(datetime.date(1997, 9, n) for n in (3, 4, 5))}
    occurrences = compile_timing(Calendar("FREQ=DAILY", holidays="at", on_holiday=adjustment), CREATED, off.get)
    found = []
    due = occurrences.next_after(CREATED - 1)
    while due is not None and len(found) < 3:
        found.append(datetime.datetime.fromtimestamp(due, datetime.UTC).strftime("%Y%m%d"))
        due = occurrences.next_after(due)
    assert found == dates


@pytest.mark.parametrize(("adjustment", "day"), [("skip", "10"), ("shift_after", "05"), ("shift_before", "02")])
def test_tim_5_holidays_shift_or_skip_a_weekly_run(adjustment: str, day: str) -> None:
    off = {"at": frozenset(datetime.date(1997, 9, n) for n in (3, 4))}
    calendar = Calendar("FREQ=WEEKLY;BYDAY=WE", holidays="at", on_holiday=adjustment)
    due = compile_timing(calendar, CREATED, off.get).next_after(CREATED - 3600)
    assert due is not None
    assert datetime.datetime.fromtimestamp(due, datetime.UTC).strftime("%d") == day


def test_tim_7_calendars_keep_local_time_over_a_change_of_clocks() -> None:
    rule = Calendar("FREQ=DAILY", zone="Europe/Vienna", start=datetime.datetime(2026, 10, 24, 2, 30))
    found = times(rule, 3, after=0, zone="Europe/Vienna")
    assert found == ["20261024T023000", "20261025T023000", "20261026T023000"]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("FREQ=DAYLY", ("FREQ", "position 5")),
        ("COUNT=3", ("FREQ",)),
        ("FREQ=DAILY;COUNT=0", ("COUNT", "position 17", "1 to")),
        ("FREQ=DAILY;BYHOUR=24", ("BYHOUR", "position 18", "0 to 23")),
        ("FREQ=DAILY;BYHOUR=1,x", ("BYHOUR", "position 20")),
        ("FREQ=DAILY;BYEASTER=1", ("BYEASTER",)),
        ("FREQ=DAILY;COUNT=1;UNTIL=20260101", ("COUNT or UNTIL",)),
        ("FREQ=DAILY;BYDAY=1MO", ("BYDAY",)),
        ("FREQ=WEEKLY;BYMONTHDAY=1", ("BYMONTHDAY",)),
        ("FREQ=DAILY;BYSETPOS=1", ("BYSETPOS",)),
        ("FREQ=DAILY;FREQ=DAILY", ("once",)),
        ("FREQ=DAILY;UNTIL=2026", ("UNTIL",)),
        ("FREQ=MONTHLY;BYDAY=0MO", ("BYDAY",)),
    ],
)
def test_tim_9_a_bad_rule_is_refused(rule: str, told: tuple[str, ...]) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        compile_timing(Calendar(rule), CREATED, no_calendar)
    assert all(part in str(caught.value) for part in told), str(caught.value)


def test_tim_2_an_instant_or_a_local_time() -> None:
    occurrences = compile_timing(Once(100.0), 0, no_calendar)
    assert occurrences.next_after(float("-inf")) == 100
    assert occurrences.next_after(100) is None
    local = Once(datetime.datetime(2026, 3, 29, 2, 30), "Europe/Vienna")
    gap_ends = datetime.datetime(2026, 3, 29, 1, tzinfo=datetime.UTC).timestamp()
    assert compile_timing(local, 0, no_calendar).next_after(0) == gap_ends


def test_tim_3_the_text_form_of_an_interval() -> None:
    every = parse_interval("R5/2026-01-01T00:00:00Z/PT10M")
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
    assert every == Every(600.0, begin, 5)
    assert parse_interval("R/2026-01-01T00:00:00+01:00/P1DT1H1M1.5S") == Every(90_061.5, begin - 3600)
    for text in ("R5", "R5/x/PT1M", "R5/2026-01-01T00:00:00/PT1M", "R5/2026-01-01T00:00:00Z/P", "5/a/b"):
        with pytest.raises(LocalProtocolError):
            parse_interval(text)


@given(start=st.floats(0, 2e9), period=st.floats(0.1, 1e6), count=st.integers(0, 50), after=st.floats(-10, 4e9))
def test_tim_3_no_drift(start: float, period: float, count: int, after: float) -> None:
    due = compile_timing(Every(period, start, count), 0, no_calendar).next_after(after)
    if due is None:
        assert count
        assert after >= start + (count - 1) * period
    else:
        assert due > after
        number = round((due - start) / period)
        assert due == start + number * period
        assert number == 0 or start + (number - 1) * period <= after


@pytest.mark.parametrize("period", [0.0999, -1, 0, float("nan"), float("inf"), 4e8])
def test_tim_28_periods_have_bounds(period: float) -> None:
    with pytest.raises(LocalProtocolError, match="TIM-3"):
        compile_timing(Every(period), 0, no_calendar)


FAR_ZONE = "Asia/Tokyo"


@pytest.mark.parametrize(
    "timing",
    [
        Once(1e18),
        Once(float("nan")),
        Once(datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)),
        Every(0.1, start=-1e18),
        Calendar("FREQ=DAILY", start=datetime.datetime(1, 1, 1)),
        Calendar("FREQ=DAILY", start=datetime.datetime(9999, 12, 31)),
        Calendar(f"FREQ=DAILY;COUNT={'1' * 5000}"),
        Cron(f"{'0' * 5000} * * * *"),
        Cron(f"*/{'1' * 5000} * * * *"),
    ],
)
def test_tim_9_what_cannot_be_computed_with_is_refused(timing: Timing) -> None:
    with pytest.raises(LocalProtocolError, match="TIM-9"):
        compile_timing(timing, 1e9, lambda _: None)


def test_tim_9_a_count_of_an_interval_has_an_end() -> None:
    with pytest.raises(LocalProtocolError, match="TIM-9"):
        parse_interval(f"R{'1' * 5000}/2026-01-01T00:00:00Z/PT10M")


def test_tim_5_an_end_that_stands_for_none_is_one_in_every_zone() -> None:
    for until in ("99991231T235959Z", "99991231T235959"):
        occurrences = compile_timing(Calendar(f"FREQ=DAILY;UNTIL={until}", FAR_ZONE), 1e9, lambda _: None)
        assert occurrences.next_after(1e9) == 1e9 + 86_400


def test_tim_5_dates_in_utc_are_local_ones_of_the_zone() -> None:
    rule = Calendar(
        "FREQ=DAILY",
        FAR_ZONE,
        start=datetime.datetime(2026, 1, 1, 9),
        exdates=("20260102T000000Z",),
        rdates=("20260102T010000Z",),
    )
    first = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
    occurrences = compile_timing(rule, first, lambda _: None)
    assert occurrences.next_after(first) == first + 25 * 3600


@pytest.mark.parametrize("holidays", [None, "at"])
def test_tim_8_a_fine_rule_is_not_looked_through_for_a_day(
    monkeypatch: pytest.MonkeyPatch, holidays: str | None
) -> None:
    seen: list[object] = []
    after = Recurrence.after

    def counted(self: Recurrence, local: datetime.datetime) -> Iterator[datetime.datetime]:
        for occurrence in after(self, local):
            seen.append(occurrence)
            yield occurrence

    monkeypatch.setattr(Recurrence, "after", counted)
    rule = Calendar("FREQ=SECONDLY", "Europe/Vienna", start=datetime.datetime(2001, 1, 1), holidays=holidays)
    occurrences = compile_timing(rule, 1e9, lambda _: frozenset({datetime.date(2026, 12, 25)}))
    assert occurrences.next_after(1.2e9) == 1.2e9 + 1
    assert len(seen) < 5
