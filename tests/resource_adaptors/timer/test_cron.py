"""Cron expressions against an independent scan of every minute of two years (TIM-4, TIM-7 to TIM-9, TIM-33)."""

from __future__ import annotations

import datetime
import time
from zoneinfo import ZoneInfo

import pytest

from resource_adaptors.timer.protocol.cron import CronExpression
from resource_adaptors.timer.protocol.errors import LocalProtocolError
from resource_adaptors.timer.protocol.zones import find_zone

ZONES = ("Europe/Vienna", "Australia/Lord_Howe", "Asia/Tokyo", "UTC")
"""Northern; southern with half an hour of daylight saving; without any; UTC."""
UTC = datetime.UTC
START = int(datetime.datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime.datetime(2028, 1, 1, tzinfo=UTC).timestamp())


def at(text: str, zone: str = "UTC") -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def following(expression: str, zone: str, after: float) -> str:
    due = CronExpression(expression, find_zone(zone)).next_after(after)
    assert due is not None
    return datetime.datetime.fromtimestamp(due, ZoneInfo(zone)).isoformat()


class Scan:
    """Matches fields that are sets of numbers against each minute; knows nothing of the code under test."""

    def __init__(self, zone: str, minutes: set[int], hours: set[int], days: set[int], weekdays: set[int]) -> None:
        self.info = ZoneInfo(zone)
        self.fields = (minutes, hours, days, weekdays)

    def matches(self, local: datetime.datetime) -> bool:
        minutes, hours, days, weekdays = self.fields
        is_day = local.day in days if days else True
        is_weekday = local.isoweekday() % 7 in weekdays if weekdays else True
        either = is_day or is_weekday if days and weekdays else is_day and is_weekday
        return local.minute in minutes and local.hour in hours and either

    def all(self, *, twice: bool) -> list[int]:
        found: set[int] = set()
        offset = None
        for chunk in range(START, END, 1800):  # no zone here changes within half an hour
            local = datetime.datetime.fromtimestamp(chunk, self.info)
            before, offset = offset, local.utcoffset()
            if before is not None and offset is not None and offset > before:
                gap = local.replace(tzinfo=None, fold=0)
                while (gap := gap - datetime.timedelta(minutes=1)) >= local.replace(tzinfo=None) - (offset - before):
                    if self.matches(gap):
                        found.add(chunk)
            if local.hour in self.fields[1] and (twice or not local.fold):
                found.update(chunk + 60 * n for n in range(30) if self.matches(local + datetime.timedelta(minutes=n)))
        return sorted(found)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("expression", "fields", "twice"),
    [
        ("30 2 * * *", ({30}, {2}, set(), set()), False),
        ("15 1,2,3 * * *", ({15}, {1, 2, 3}, set(), set()), False),
        ("10,40 * * * 0", ({10, 40}, set(range(24)), set(), {0}), True),
        ("45 */2 * * *", ({45}, set(range(0, 24, 2)), set(), set()), True),
        ("0 6 1,15 * mon", ({0}, {6}, {1, 15}, {1}), False),
        ("5 1-3 25-31 * *", ({5}, {1, 2, 3}, set(range(25, 32)), set()), False),
    ],
)
def test_tim_33_two_years_against_a_scan_of_every_minute(
    zone: str, expression: str, fields: tuple[set[int], ...], twice: bool
) -> None:
    wanted = Scan(zone, *fields).all(twice=twice)
    cron = CronExpression(expression, find_zone(zone))
    found: list[float] = []
    due = cron.next_after(START - 1)
    while due is not None and due < END:
        found.append(due)
        due = cron.next_after(due)
    assert found == wanted


def test_tim_7_a_time_in_the_gap_fires_after_it() -> None:
    day = at("2026-03-29T00:00:00", "Europe/Vienna")
    assert following("30 2 * * *", "Europe/Vienna", day) == "2026-03-29T03:00:00+02:00"
    assert following("30 2 * * *", "Europe/Vienna", day + 7200) == "2026-03-30T02:30:00+02:00"


def test_tim_7_a_time_that_occurs_twice_fires_at_the_first() -> None:
    day = at("2026-10-25T00:00:00", "Europe/Vienna")
    assert following("30 2 * * *", "Europe/Vienna", day) == "2026-10-25T02:30:00+02:00"
    assert following("30 2 * * *", "Europe/Vienna", day + 2.5 * 3600) == "2026-10-26T02:30:00+01:00"


@pytest.mark.parametrize("hours", ["*", "*/2", "0-23/1"])
def test_tim_7_every_hour_fires_in_both(hours: str) -> None:
    first = at("2026-10-25T02:30:00", "Europe/Vienna")
    assert following(f"30 {hours} * * *", "Europe/Vienna", first) == "2026-10-25T02:30:00+01:00"


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("*/20 5 * * * *", "2026-01-01T00:05:00", "2026-01-01T00:05:20+00:00"),
        ("0 12 L * *", "2026-02-01T00:00:00", "2026-02-28T12:00:00+00:00"),
        ("0 12 L 2 *", "2027-03-01T00:00:00", "2028-02-29T12:00:00+00:00"),
        ("0 9 * * mon#1", "2026-01-06T00:00:00", "2026-02-02T09:00:00+00:00"),
        ("0 9 * jan-mar FRI#5", "2026-01-01T00:00:00", "2026-01-30T09:00:00+00:00"),
        ("0 0 * * 7", "2026-01-01T00:00:00", "2026-01-04T00:00:00+00:00"),
        ("@hourly", "2026-01-01T00:00:00", "2026-01-01T01:00:00+00:00"),
        ("@weekly", "2026-01-01T00:00:00", "2026-01-04T00:00:00+00:00"),
        ("@monthly", "2026-01-01T00:00:00", "2026-02-01T00:00:00+00:00"),
        ("@yearly", "2026-01-01T00:00:00", "2027-01-01T00:00:00+00:00"),
        ("@daily", "2026-01-01T00:00:00", "2026-01-02T00:00:00+00:00"),
        ("0 0 13 * fri", "2026-01-01T00:00:00", "2026-01-02T00:00:00+00:00"),
    ],
)
def test_tim_4_what_expressions_mean(expression: str, after: str, due: str) -> None:
    assert following(expression, "UTC", at(after)) == due


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_tim_8_never_is_told(expression: str) -> None:
    assert CronExpression(expression, find_zone("UTC")).next_after(START) is None


@pytest.mark.parametrize("expression", ["* * * * *", "30 2 29 2 *", "0 0 * * mon#5", "59 23 31 12 *", "* * * * * *"])
def test_tim_8_it_answers_within_a_millisecond(expression: str) -> None:
    cron = CronExpression(expression, find_zone("Europe/Vienna"))
    runs = []
    for shift in range(20):
        began = time.process_time()
        cron.next_after(START + shift * 86_400 * 30)
        runs.append(time.process_time() - began)
    assert sorted(runs)[10] < 0.001


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("60 * * * *", ("minute", "position 0", "0 to 59")),
        ("0 24 * * *", ("hour", "position 2", "0 to 23")),
        ("0 1,25 * * *", ("hour", "position 4", "0 to 23")),
        ("0 0 32 * *", ("day", "position 4", "1 to 31")),
        ("0 0 * foo *", ("month", "position 6", "jan feb")),
        ("0 0 * * fri#6", ("weekday", "position 12", "1 to 5")),
        ("*/0 * * * *", ("minute", "position 2", "step")),
        ("5-1 * * * *", ("minute", "position 0", "rises")),
        ("* * *", ("3 fields",)),
        ("1 2 3 4 5 6 7", ("7 fields",)),
        ("- * * * *", ("minute", "position 0")),
        ("+5 * * * *", ("minute", "position 0")),
    ],
)
def test_tim_9_a_bad_expression_is_refused_with_field_position_and_range(
    expression: str, told: tuple[str, ...]
) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        CronExpression(expression, find_zone("UTC"))
    assert all(part in str(caught.value) for part in told), str(caught.value)


def test_tim_6_an_unknown_zone_is_refused() -> None:
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(LocalProtocolError, match="TIM-6"):
            find_zone(name)


def test_tim_6_the_version_of_the_zone_data_is_told() -> None:
    from resource_adaptors.timer.protocol.zones import data_version

    assert data_version()[:2] == "20"
