"""When a recurrence rule occurs: periods of its frequency, each expanded or limited by the BY parts (RFC 5545 3.3.10).

A period is reached by arithmetic, so that the cost of a look-up does not grow with the age of the rule (TIM-8).
"""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterator
from typing import Final

from resource_adaptors.timer.protocol.rule import Rule

_HORIZON: Final = datetime.timedelta(days=50 * 366)
"""How far ahead of a time an occurrence is looked for (TIM-28)."""
_STEPS: Final = {
    "SECONDLY": datetime.timedelta(seconds=1),
    "MINUTELY": datetime.timedelta(minutes=1),
    "HOURLY": datetime.timedelta(hours=1),
    "DAILY": datetime.timedelta(days=1),
    "WEEKLY": datetime.timedelta(days=7),
}
_FINEST: Final = ("SECONDLY", "MINUTELY", "HOURLY")
_Time = datetime.datetime


class Recurrence:
    """The local times of one rule that begins at `start`."""

    __slots__ = ("_days", "_hours", "_minutes", "_ordinals", "_rule", "_seconds", "last", "start")

    def __init__(self, rule: Rule, start: _Time, until: _Time | None = None) -> None:
        """Take a checked rule.

        Args:
            rule: the rule.
            start: local time of the first period; gives what the rule leaves open, as DTSTART does.
            until: the last local time that may occur.
        """
        self._rule = rule
        self.start = start
        frequency = rule.frequency
        self._seconds = _clock(rule.seconds, start.second, is_open=frequency == "SECONDLY")
        self._minutes = _clock(rule.minutes, start.minute, is_open=frequency in _FINEST[:2])
        self._hours = _clock(rule.hours, start.hour, is_open=frequency in _FINEST)
        self._days = frozenset(day for ordinal, day in rule.weekdays if not ordinal)
        self._ordinals = frozenset(pair for pair in rule.weekdays if pair[0])
        self.last: _Time | None = until
        """The last local time that may occur."""
        if rule.count is not None:
            self.last = self._last_of(rule.count)

    def after(self, local: _Time) -> Iterator[_Time]:
        """The occurrences after a local time, rising; none beyond fifty years."""
        begin = max(local, self.start - datetime.timedelta(seconds=1))
        end = min(begin, _Time.max - _HORIZON) + _HORIZON
        for period in self._periods(begin, end):
            for occurrence in self._occurrences(period):
                if self.last is not None and occurrence > self.last:
                    return
                if occurrence > begin:
                    yield occurrence

    def _last_of(self, count: int) -> _Time:
        last = self.start
        for number, occurrence in enumerate(self.after(self.start - datetime.timedelta(seconds=1)), 1):
            last = occurrence
            if number == count:
                break
        return last

    # Periods.

    def _periods(self, begin: _Time, end: _Time) -> Iterator[_Time]:
        """First instants of the periods of the rule, from the one that holds `begin` on."""
        rule, start = self._rule, self.start
        step = _STEPS.get(rule.frequency)
        if step is None:
            yield from self._long_periods(begin, end)
            return
        origin = _floor(start, rule.frequency, rule.week_start)
        stride = step * rule.interval
        period = origin + ((begin - origin) // stride if begin > origin else 0) * stride
        while period <= end:
            skipped = self._skip(period)
            if skipped is None:
                yield period
                period += stride
            else:
                period += max(1, -((period - skipped) // stride)) * stride

    def _skip(self, period: _Time) -> _Time | None:
        """Where to go on if nothing of a short period can match: keeps `BYMONTH=1` of every second from crawling."""
        frequency = self._rule.frequency
        if frequency == "WEEKLY":
            return None
        if not self._is_day(period.date()):
            return _floor(period, "DAILY", 0) + _STEPS["DAILY"]
        if frequency in _FINEST and period.hour not in self._hours:
            return _floor(period, "HOURLY", 0) + _STEPS["HOURLY"]
        if frequency in _FINEST[:2] and period.minute not in self._minutes:
            return _floor(period, "MINUTELY", 0) + _STEPS["MINUTELY"]
        return None

    def _long_periods(self, begin: _Time, end: _Time) -> Iterator[_Time]:
        months = self._rule.interval * (12 if self._rule.frequency == "YEARLY" else 1)
        origin = self.start.year * 12 + (0 if self._rule.frequency == "YEARLY" else self.start.month - 1)
        number = origin + max(0, (begin.year * 12 + begin.month - 1 - origin) // months) * months
        while number // 12 <= end.year:
            yield _Time(number // 12, number % 12 + 1, 1)
            number += months

    # Within a period.

    def _occurrences(self, period: _Time) -> Iterator[_Time]:
        positions = self._rule.positions
        if not positions:
            yield from self._all(period)
            return
        found = list(self._all(period))
        chosen = {position - 1 if position > 0 else len(found) + position for position in positions}
        yield from (found[index] for index in sorted(chosen) if 0 <= index < len(found))

    def _all(self, period: _Time) -> Iterator[_Time]:
        frequency = self._rule.frequency
        hours = (period.hour,) if frequency in _FINEST else self._hours
        minutes = (period.minute,) if frequency in _FINEST[:2] else self._minutes
        seconds = (period.second,) if frequency == "SECONDLY" else self._seconds
        if frequency == "SECONDLY" and period.second not in self._seconds:
            return
        for day in self._dates(period):
            for hour in hours:
                for minute in minutes:
                    for second in seconds:
                        yield _Time(day.year, day.month, day.day, hour, minute, second)

    def _dates(self, period: _Time) -> Iterator[datetime.date]:
        rule = self._rule
        first = period.date()
        if rule.frequency == "YEARLY":
            yield from self._dates_of_year(first.year)
        elif rule.frequency == "MONTHLY":
            if not rule.months or first.month in rule.months:
                yield from self._dates_of_month(first.year, first.month)
        elif rule.frequency == "WEEKLY":
            wanted = self._days or {self.start.weekday()}
            for offset in range(7):
                day = first + datetime.timedelta(days=offset)
                if day.weekday() in wanted and (not rule.months or day.month in rule.months):
                    yield day
        elif self._is_day(first):
            yield first

    def _dates_of_year(self, year: int) -> Iterator[datetime.date]:
        rule = self._rule
        if rule.weekdays and not rule.month_days and not rule.months:
            first, last = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
            yield from self._weekdays_between(first, last)
            return
        months = sorted(set(rule.months)) or (range(1, 13) if rule.month_days else (self.start.month,))
        for month in months:
            yield from self._dates_of_month(year, month)

    def _dates_of_month(self, year: int, month: int) -> Iterator[datetime.date]:
        rule = self._rule
        length = calendar.monthrange(year, month)[1]
        if rule.weekdays and not rule.month_days:
            yield from self._weekdays_between(datetime.date(year, month, 1), datetime.date(year, month, length))
            return
        for number in _month_days(rule.month_days or (self.start.day,), length):
            day = datetime.date(year, month, number)
            if not rule.weekdays or day in set(self._weekdays_between(day.replace(day=1), day.replace(day=length))):
                yield day

    def _weekdays_between(self, first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
        """Days of BYDAY from `first` to `last`, between which ordinals count."""
        length = (last - first).days + 1
        for offset in range(length):
            day = first + datetime.timedelta(days=offset)
            weekday = day.weekday()
            ahead, behind = offset // 7 + 1, -((length - 1 - offset) // 7 + 1)
            if weekday in self._days or (ahead, weekday) in self._ordinals or (behind, weekday) in self._ordinals:
                yield day

    def _is_day(self, day: datetime.date) -> bool:
        """Whether BYMONTH, BYMONTHDAY and BYDAY let a day be, where they limit."""
        rule = self._rule
        if rule.months and day.month not in rule.months:
            return False
        if rule.month_days:
            length = calendar.monthrange(day.year, day.month)[1]
            if day.day not in rule.month_days and day.day - length - 1 not in rule.month_days:
                return False
        return not self._days or day.weekday() in self._days


def _clock(given: tuple[int, ...], default: int, *, is_open: bool) -> tuple[int, ...]:
    if given:
        return tuple(sorted(set(given)))
    return tuple(range(60)) if is_open else (default,)


def _month_days(given: tuple[int, ...], length: int) -> list[int]:
    numbers = {number if number > 0 else length + 1 + number for number in given}
    return sorted(number for number in numbers if 1 <= number <= length)


def _floor(moment: _Time, frequency: str, week_start: int) -> _Time:
    """First second of the period that holds a moment."""
    if frequency == "SECONDLY":
        return moment.replace(microsecond=0)
    if frequency == "MINUTELY":
        return moment.replace(second=0, microsecond=0)
    if frequency == "HOURLY":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if frequency == "DAILY":
        return day
    return day - datetime.timedelta(days=(day.weekday() - week_start) % 7)
