"""Expressions against a naive model that looks at every minute, round changes of clocks (TIM-4, TIM-5, TIM-7)."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from resource_adaptors.timer.protocol.catchup import overdue
from resource_adaptors.timer.protocol.cron import CronExpression
from resource_adaptors.timer.protocol.timing import Calendar, Every, Occurrences, compile_timing
from resource_adaptors.timer.protocol.zones import find_zone

CHANGES = (
    ("Europe/Vienna", "2026-03-29T01:00"),
    ("Europe/Vienna", "2026-10-25T01:00"),
    ("America/New_York", "2027-03-14T07:00"),
    ("America/New_York", "2027-11-07T06:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Asia/Kathmandu", "2026-06-01T00:00"),
    ("UTC", "2028-02-29T00:00"),
)
"""Zones and instants, in UTC, round which their clocks change: by an hour, by half of one, by a day, or not at all."""
HOURS = 30
"""Looked at before and after a change."""


class Model:
    """Every minute of some days as its zone writes it, and the local minutes that are left out."""

    def __init__(self, zone: str, middle: str) -> None:
        at = datetime.datetime.fromisoformat(middle).replace(tzinfo=datetime.UTC)
        info = ZoneInfo(zone)
        first = int(at.timestamp()) - HOURS * 3600
        self.begin, self.end = first, first + 2 * HOURS * 3600
        self.minutes: list[tuple[int, datetime.datetime, bool]] = []
        """Instant, local time, and whether it is the second time that the clock shows it, or is left out."""
        before: datetime.datetime | None = None
        for instant in range(first - 60, self.end, 60):
            local = datetime.datetime.fromtimestamp(instant, info)
            naive = local.replace(tzinfo=None, fold=0)
            if before is not None:
                left_out = before + datetime.timedelta(minutes=1)
                while left_out < naive:  # what the clock leaves out counts at the first instant after it
                    self.minutes.append((instant, left_out, False))
                    left_out += datetime.timedelta(minutes=1)
                self.minutes.append((instant, naive, bool(local.fold)))
            before = naive

    def instants(self, matches: object, *, twice: bool) -> list[int]:
        """When something fires that matches local minutes."""
        return sorted({at for at, local, again in self.minutes if (twice or not again) and matches(local)})


MODELS = {change: Model(*change) for change in CHANGES}


def found(occurrences: Occurrences, model: Model) -> list[float]:
    times: list[float] = []
    due = occurrences.next_after(model.begin - 1)
    while due is not None and due < model.end:
        times.append(due)
        due = occurrences.next_after(due)
    return times


def numbers(low: int, high: int, most: int = 4) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=1, max_size=most, unique=True)


def field(given: list[int] | None) -> str:
    return "*" if given is None else ",".join(map(str, given))


hours = st.one_of(numbers(0, 23, 5), numbers(0, 4, 3), st.sampled_from(["*", "*/2", "*/3", "1-3/1"]))


@settings(max_examples=150, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    minutes=st.one_of(st.none(), numbers(0, 59)),
    hour=hours,
    days=st.one_of(st.none(), numbers(1, 31, 20)),
    months=st.one_of(st.none(), numbers(1, 12, 10)),
    weekdays=st.one_of(st.none(), numbers(0, 6)),
)
def test_tim_7_and_33_cron_is_what_a_look_at_every_minute_finds(
    change: tuple[str, str],
    minutes: list[int] | None,
    hour: list[int] | str,
    days: list[int] | None,
    months: list[int] | None,
    weekdays: list[int] | None,
) -> None:
    text = hour if isinstance(hour, str) else field(hour)
    step = {"*": 1, "*/2": 2, "*/3": 3}
    allowed = range(0, 24, step[text]) if text in step else [1, 2, 3] if text == "1-3/1" else hour

    def matches(local: datetime.datetime) -> bool:
        on_day = days is None or local.day in days
        on_weekday = weekdays is None or local.isoweekday() % 7 in weekdays
        either = on_day or on_weekday if days is not None and weekdays is not None else on_day and on_weekday
        return (
            (minutes is None or local.minute in minutes)
            and local.hour in allowed
            and either
            and (months is None or local.month in months)
        )

    expression = f"{field(minutes)} {text} {field(days)} {field(months)} {field(weekdays)}"
    cron = CronExpression(expression, find_zone(change[0]))
    assert found(cron, MODELS[change]) == MODELS[change].instants(matches, twice=isinstance(hour, str)), expression


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@settings(max_examples=150, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    minutes=numbers(0, 59),
    hour=numbers(0, 5, 3),
    days=st.one_of(st.none(), numbers(1, 31, 20)),
    months=st.one_of(st.none(), numbers(1, 12, 10)),
    weekdays=st.one_of(st.none(), numbers(0, 6)),
    off=st.sets(st.integers(-1, 1), max_size=2),
    on_holiday=st.sampled_from(["skip", "shift_before", "shift_after"]),
)
def test_tim_5_and_33_rules_are_what_a_look_at_every_minute_finds(
    change: tuple[str, str],
    minutes: list[int],
    hour: list[int],
    days: list[int] | None,
    months: list[int] | None,
    weekdays: list[int] | None,
    off: set[int],
    on_holiday: str,
) -> None:
    model = MODELS[change]
    middle = datetime.datetime.fromisoformat(change[1]).date()
    days_off = frozenset(middle + datetime.timedelta(days=n) for n in off)
    step = datetime.timedelta(days=1 if on_holiday == "shift_before" else -1)

    def is_match(local: datetime.datetime) -> bool:
        return (
            local.minute in minutes
            and local.hour in hour
            and (days is None or local.day in days)
            and (months is None or local.month in months)
            and (weekdays is None or local.weekday() in weekdays)
        )

    def matches(local: datetime.datetime) -> bool:
        if local.date() in days_off:
            return False
        if is_match(local):
            return True
        moved = local + step  # what stands on a day off is moved to the nearest day that is none
        while on_holiday != "skip" and moved.date() in days_off:
            if is_match(moved):
                return True
            moved += step
        return False

    parts = ["FREQ=DAILY", f"BYHOUR={field(hour)}", f"BYMINUTE={field(minutes)}", "BYSECOND=0"]
    parts += [f"BYMONTHDAY={field(days)}"] if days is not None else []
    parts += [f"BYMONTH={field(months)}"] if months is not None else []
    parts += [f"BYDAY={','.join(WEEKDAYS[n] for n in weekdays)}"] if weekdays is not None else []
    rule = Calendar(
        ";".join(parts),
        change[0],
        start=datetime.datetime(2000, 1, 1),
        holidays="off",
        on_holiday=on_holiday,
    )
    occurrences = compile_timing(rule, 0.0, {"off": days_off}.get)
    assert found(occurrences, model) == model.instants(matches, twice=False), parts


@settings(deadline=None)
@given(
    period=st.floats(0.1, 1e5),
    begin=st.floats(0, 1e9),
    count=st.integers(1, 500),
    keep=st.integers(1, 20),
)
def test_tim_13_what_is_overdue_is_counted(period: float, begin: float, count: int, keep: int) -> None:
    occurrences = compile_timing(Every(period, begin), 0.0, {}.get)
    dues = [begin + n * period for n in range(count)]
    told = overdue(occurrences, begin, dues[-1], keep)
    assert told.count == count
    assert list(told.latest) == dues[-keep:]


def test_tim_13_of_very_many_the_latest_are_found_though_not_all_are_counted() -> None:
    occurrences = compile_timing(Every(0.1, 0.0), 0.0, {}.get)
    told = overdue(occurrences, 0.0, 1e9, 3)
    assert told.count == 100_000
    assert [round(due, 3) for due in told.latest] == [999_999_999.8, 999_999_999.9, 1e9]
