"""The text of a recurrence rule: the parts of RFC 5545 3.3.10 that schedules may use (TIM-5, TIM-9)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Final

import msgspec

from resource_adaptors.timer.protocol.errors import LocalProtocolError

FREQUENCIES: Final = ("SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
WEEKDAYS: Final = {name: n for n, name in enumerate("MO TU WE TH FR SA SU".split())}
LARGEST_COUNT: Final = 100_000
"""Occurrences that COUNT may ask for; they are counted when the schedule is made."""
_LONGEST_NUMBER: Final = 9

_BY_DAY: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?")


class Rule(msgspec.Struct, frozen=True):
    """A recurrence rule, checked."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime.datetime | None = None
    """Last instant or local time that may occur; aware if the text says UTC."""
    seconds: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    """Ordinal, 0 for every one, and day, 0 for Monday."""
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0


def parse_rule(text: str) -> Rule:
    """Read a rule, with or without `RRULE:` in front.

    Raises:
        LocalProtocolError: a part is unknown, malformed or out of range; says which, where, and what is allowed.
    """
    body = text.removeprefix("RRULE:")
    found: dict[str, object] = {}
    position = len(text) - len(body)
    for part in body.split(";"):
        name, equals, value = part.partition("=")
        name = name.upper()
        where = position + len(name) + 1
        position += len(part) + 1
        if not equals or name not in _READERS:
            raise _bad(name or part, where, part, f"parts {' '.join(_READERS)}, each NAME=VALUE")
        field, reader = _READERS[name]
        if field in found:
            raise _bad(name, where, value, "each part once")
        found[field] = reader(name, where, value.upper())
    if "frequency" not in found:
        raise _bad("FREQ", 0, text, f"one of {' '.join(FREQUENCIES)}")
    if "count" in found and "until" in found:
        raise _bad("COUNT", 0, text, "COUNT or UNTIL, not both")
    rule = msgspec.convert(found, Rule)
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    if any(ordinal for ordinal, _ in rule.weekdays) and rule.frequency not in ("MONTHLY", "YEARLY"):
        raise _bad("BYDAY", 0, rule.frequency, "ordinals with FREQ MONTHLY or YEARLY")
    if rule.month_days and rule.frequency == "WEEKLY":
        raise _bad("BYMONTHDAY", 0, rule.frequency, "any FREQ but WEEKLY")
    others = (rule.seconds, rule.minutes, rule.hours, rule.weekdays, rule.month_days, rule.months)
    if rule.positions and not any(others):
        raise _bad("BYSETPOS", 0, rule.frequency, "use beside another BY part")


def _frequency(name: str, where: int, value: str) -> object:
    if value not in FREQUENCIES:
        raise _bad(name, where, value, " ".join(FREQUENCIES))
    return value


class _Numbers(msgspec.Struct, frozen=True):
    """Reads a list of numbers in a range; below zero counts from the end."""

    low: int
    high: int
    is_signed: bool = False

    def __call__(self, name: str, where: int, value: str) -> object:
        """The numbers, in the order given."""
        found: list[int] = []
        for word in value.split(","):
            number = self._number(word)
            if number is None:
                sign = f", or -{self.high} to -{self.low}" if self.is_signed else ""
                raise _bad(name, where, word, f"{self.low} to {self.high}{sign}")
            found.append(number)
            where += len(word) + 1
        return tuple(found)

    def _number(self, word: str) -> int | None:
        digits = word.lstrip("+-") if self.is_signed else word
        is_number = len(digits) <= _LONGEST_NUMBER and digits.isascii() and digits.isdecimal()
        if not is_number or len(word) - len(digits) > 1:
            return None
        number = int(digits)
        if not self.low <= number <= self.high:
            return None
        return -number if word.startswith("-") else number


class _One(_Numbers, frozen=True):
    """Reads one number in a range."""

    def __call__(self, name: str, where: int, value: str) -> object:
        """The number."""
        number = self._number(value)
        if number is None:
            raise _bad(name, where, value, f"{self.low} to {self.high}")
        return number


def _weekdays(name: str, where: int, value: str) -> object:
    found: list[tuple[int, int]] = []
    for word in value.split(","):
        match = _BY_DAY.fullmatch(word)
        ordinal = int(match[1] or 0) if match else 99
        if match is None or abs(ordinal) > 53 or (match[1] and not ordinal):
            raise _bad(name, where, word, f"{' '.join(WEEKDAYS)}, with an ordinal of -53 to 53 in front if wanted")
        found.append((ordinal, WEEKDAYS[match[2]]))
        where += len(word) + 1
    return tuple(found)


def _week_start(name: str, where: int, value: str) -> object:
    if value not in WEEKDAYS:
        raise _bad(name, where, value, " ".join(WEEKDAYS))
    return WEEKDAYS[value]


def parse_moment(name: str, where: int, value: str) -> datetime.datetime:
    """Read `19970714`, `19970714T133000` (local) or `19970714T173000Z`; a date stands for its last second."""
    match = _UNTIL.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        year, month, day, *clock = (int(digits) if digits and digits != "Z" else 0 for digits in match.groups())
        hour, minute, second = clock[:3] if match[4] else (23, 59, 59)
        zone = datetime.UTC if match[7] else None
        return datetime.datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        raise _bad(name, where, value, "YYYYMMDD, YYYYMMDDTHHMMSS or YYYYMMDDTHHMMSSZ") from None


_READERS: Final[dict[str, tuple[str, Callable[[str, int, str], object]]]] = {
    "FREQ": ("frequency", _frequency),
    "INTERVAL": ("interval", _One(1, 100_000)),
    "COUNT": ("count", _One(1, LARGEST_COUNT)),
    "UNTIL": ("until", parse_moment),
    "BYSECOND": ("seconds", _Numbers(0, 59)),
    "BYMINUTE": ("minutes", _Numbers(0, 59)),
    "BYHOUR": ("hours", _Numbers(0, 23)),
    "BYDAY": ("weekdays", _weekdays),
    "BYMONTHDAY": ("month_days", _Numbers(1, 31, is_signed=True)),
    "BYMONTH": ("months", _Numbers(1, 12)),
    "BYSETPOS": ("positions", _Numbers(1, 366, is_signed=True)),
    "WKST": ("week_start", _week_start),
}


def _bad(name: str, where: int, value: str, allowed: str) -> LocalProtocolError:
    return LocalProtocolError(f"recurrence rule: {name} at position {where}: {value!r} [TIM-9]; allowed is {allowed}")
