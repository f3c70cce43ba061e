"""Cron expressions: five fields, or six with leading seconds, and when they match (TIM-4, TIM-7, TIM-8)."""

from __future__ import annotations

import calendar
import datetime
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import msgspec

from resource_adaptors.timer.protocol.errors import LocalProtocolError
from resource_adaptors.timer.protocol.zones import Zone

HORIZON_YEARS: Final = 50
"""Years ahead of an instant in which an occurrence is looked for (TIM-28)."""

_SHORTHANDS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_MONTHS: Final = {name: n for n, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_DAYS: Final = {name: n for n, name in enumerate("sun mon tue wed thu fri sat".split())}
_LONGEST_NUMBER: Final = 9


class _Field(msgspec.Struct, frozen=True):
    """What a field may hold."""

    name: str
    low: int
    high: int
    names: dict[str, int] = {}


_FIELDS: Final = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _DAYS),
)


class _Days(msgspec.Struct, frozen=True):
    """Which days of a month match."""

    days: frozenset[int]
    has_last: bool
    weekdays: frozenset[int]
    """0 is Sunday."""
    ordinals: frozenset[tuple[int, int]]
    """Weekday and which of the month it is."""
    by_day: bool
    """Whether the field of the day restricts."""
    by_weekday: bool

    def of(self, year: int, month: int) -> list[int]:
        """The matching days of a month, rising."""
        first, length = calendar.monthrange(year, month)
        if not self.by_day and not self.by_weekday:
            return list(range(1, length + 1))
        return [day for day in range(1, length + 1) if self._matches(day, (first + day) % 7, length)]

    def _matches(self, day: int, weekday: int, length: int) -> bool:
        in_days = day in self.days or (self.has_last and day == length)
        in_weekdays = weekday in self.weekdays or (weekday, (day + 6) // 7) in self.ordinals
        if self.by_day and self.by_weekday:
            return in_days or in_weekdays
        return (in_days or not self.by_day) and (in_weekdays or not self.by_weekday)


class CronExpression:
    """When a cron expression matches, in one zone."""

    __slots__ = ("_days", "_hours", "_minutes", "_months", "_seconds", "_twice", "_zone")

    def __init__(self, expression: str, zone: Zone) -> None:
        """Read an expression.

        Raises:
            LocalProtocolError: it is malformed; names the field, the position and the allowed range (TIM-9).
        """
        fields = _split(expression)
        self._zone = zone
        self._seconds = _numbers(fields[0], _FIELDS[0])
        self._minutes = _numbers(fields[1], _FIELDS[1])
        self._hours = _numbers(fields[2], _FIELDS[2])
        self._months = frozenset(_numbers(fields[4], _FIELDS[4]))
        self._days = _read_days(fields[3], fields[5])
        self._twice = fields[2][1].startswith("*") or "/" in fields[2][1]
        """Whether it fires in both hours when clocks are put back (TIM-7)."""

    def next_after(self, instant: float) -> float | None:
        """The first occurrence after an instant, within the next 50 years; `None` if there is none (TIM-8)."""
        zone = self._zone
        overlap = zone.overlap_near(instant)
        local = zone.local(instant)
        if overlap is not None and instant >= overlap.transition and local < overlap.end:
            local = overlap.end - datetime.timedelta(seconds=1)  # what occurs twice has occurred for the first time
        found: float | None = None
        for match in self._matches_after(local):
            at = zone.first(match)
            if at > instant:
                found = float(at)
                break
        if overlap is not None and self._twice:
            start = overlap.start - datetime.timedelta(seconds=1)
            if instant >= overlap.transition:
                start = max(start, zone.local(instant))
            again = next(self._matches_after(start), None)
            if again is not None and again < overlap.end:
                second = float(overlap.transition + int((again - overlap.start).total_seconds()))
                if second > instant and (found is None or second < found):
                    return second
        return found

    def _matches_after(self, local: datetime.datetime) -> Iterator[datetime.datetime]:
        """Matching local times after one, rising."""
        for day, is_first in self._dates(local.date()):
            hours = self._hours
            for hour in hours[bisect_left(hours, local.hour) :] if is_first else hours:
                minutes = self._minutes
                same_hour = is_first and hour == local.hour
                for minute in minutes[bisect_left(minutes, local.minute) :] if same_hour else minutes:
                    after = local.second + 1 if same_hour and minute == local.minute else 0
                    for second in self._seconds[bisect_left(self._seconds, after) :]:
                        yield datetime.datetime(day.year, day.month, day.day, hour, minute, second)

    def _dates(self, start: datetime.date) -> Iterator[tuple[datetime.date, bool]]:
        """Matching days from `start` on, and whether it is that one."""
        for year in range(start.year, min(start.year + HORIZON_YEARS, datetime.MAXYEAR) + 1):
            for month in range(start.month if year == start.year else 1, 13):
                if month not in self._months:
                    continue
                for number in self._days.of(year, month):
                    day = datetime.date(year, month, number)
                    if day >= start:
                        yield day, day == start


def _split(expression: str) -> list[tuple[int, str]]:
    """The six fields with their positions; seconds are 0 where five are given."""
    text = _SHORTHANDS.get(expression.strip().lower(), expression)
    fields: list[tuple[int, str]] = []
    position = 0
    for word in text.split(" "):
        if word:
            fields.append((position, word))
        position += len(word) + 1
    if len(fields) == 5:
        fields.insert(0, (0, "0"))
    if len(fields) != 6:
        raise LocalProtocolError(
            f"cron {expression!r}: {len(fields)} fields [TIM-9]; give minute hour day month weekday, with seconds in "
            f"front if wanted, or one of {' '.join(_SHORTHANDS)}"
        )
    return fields


def _numbers(given: tuple[int, str], field: _Field) -> tuple[int, ...]:
    """The numbers that a field stands for, rising."""
    found: set[int] = set()
    for position, part in _parts(given):
        found.update(_range(part, position, field))
    return tuple(sorted(found))


def _parts(given: tuple[int, str]) -> Iterator[tuple[int, str]]:
    position, text = given
    for part in text.split(","):
        yield position, part
        position += len(part) + 1


def _range(part: str, position: int, field: _Field) -> range:
    """What `*`, `a`, `a-b`, and any of them with `/step` stand for."""
    span, slash, step_text = part.partition("/")
    step = 1
    if slash:
        if not _is_number(step_text) or not 1 <= int(step_text) <= field.high:
            raise _bad(field, position + len(span) + 1, step_text, f"a step of 1 to {field.high}")
        step = int(step_text)
    if span == "*":
        high = 6 if field.name == "weekday" else field.high
        return range(field.low, high + 1, step)
    low_text, dash, high_text = span.partition("-")
    low = _number(low_text, position, field)
    high = field.high if slash else low
    if dash:
        high = _number(high_text, position + len(low_text) + 1, field)
    if high < low:
        raise _bad(field, position, span, f"a range that rises, within {field.low} to {field.high}")
    return range(low, high + 1, step)


def _number(text: str, position: int, field: _Field) -> int:
    named = field.names.get(text.lower())
    if named is not None:
        return named
    if _is_number(text) and field.low <= int(text) <= field.high:
        return int(text)
    names = f" or {' '.join(field.names)}" if field.names else ""
    raise _bad(field, position, text, f"{field.low} to {field.high}{names}")


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdecimal()


def _read_days(days: tuple[int, str], weekdays: tuple[int, str]) -> _Days:
    numbers: set[int] = set()
    has_last = False
    for position, part in _parts(days):
        if part.upper() == "L":
            has_last = True
        else:
            numbers.update(_range(part, position, _FIELDS[3]))
    plain: set[int] = set()
    ordinals: set[tuple[int, int]] = set()
    for position, part in _parts(weekdays):
        day, sharp, which = part.partition("#")
        if sharp:
            if which not in ("1", "2", "3", "4", "5"):
                raise _bad(_FIELDS[5], position + len(day) + 1, which, "1 to 5 after #")
            ordinals.add((_number(day, position, _FIELDS[5]) % 7, int(which)))
        else:
            plain.update(number % 7 for number in _range(part, position, _FIELDS[5]))
    return _Days(
        frozenset(numbers),
        has_last,
        frozenset(plain),
        frozenset(ordinals),
        by_day=days[1] != "*",
        by_weekday=weekdays[1] != "*",
    )


def _bad(field: _Field, position: int, text: str, allowed: str) -> LocalProtocolError:
    return LocalProtocolError(f"cron: {field.name} at position {position}: {text!r} [TIM-9]; allowed is {allowed}")
