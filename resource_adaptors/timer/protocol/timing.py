"""When a schedule fires: the four kinds, as values that can be kept, and what computes their occurrences (TIM-1)."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

import msgspec

from resource_adaptors.timer.protocol.cron import CronExpression
from resource_adaptors.timer.protocol.errors import LocalProtocolError
from resource_adaptors.timer.protocol.recurrence import Recurrence
from resource_adaptors.timer.protocol.rule import parse_moment, parse_rule
from resource_adaptors.timer.protocol.zones import Zone, find_zone

SHORTEST_PERIOD: Final = 0.1
LONGEST_PERIOD: Final = 10 * 366 * 86_400.0
HORIZON: Final = 50 * 366 * 86_400.0
"""Seconds ahead in which an occurrence must lie (TIM-28)."""
_EARLIEST: Final = datetime.datetime(1900, 1, 1)
_LATEST: Final = datetime.datetime(2999, 12, 31)
"""The years that are computed with: further on, local times and fractions of seconds cannot be told any more."""
EARLIEST: Final = _EARLIEST.replace(tzinfo=datetime.UTC).timestamp()
LATEST: Final = _LATEST.replace(tzinfo=datetime.UTC).timestamp()

Holidays: TypeAlias = Callable[[str], frozenset[datetime.date] | None]
"""Tells the days off of a calendar as they are now; `None` if there is no such calendar."""

_INTERVAL: Final = re.compile(r"R(\d{0,9})/([^/]+)/([^/]+)")
_DURATION: Final = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_ADJUSTMENTS: Final = ("skip", "shift_before", "shift_after")
_DAY: Final = datetime.timedelta(days=1)
_SECOND: Final = datetime.timedelta(seconds=1)
_NO_DAYS: Final[frozenset[datetime.date]] = frozenset()


class Once(msgspec.Struct, frozen=True, tag="once"):
    """A single instant, or a local time of a zone (TIM-2)."""

    at: float | datetime.datetime
    """Seconds since the epoch, or a naive local time."""
    zone: str = "UTC"


class Every(msgspec.Struct, frozen=True, tag="every"):
    """`start`, `start + period`, `start + 2 * period` and so on: no drift (TIM-3)."""

    period: float
    """0.1 seconds to 10 years."""
    start: float | None = None
    """Seconds since the epoch; one period after the creation if `None`."""
    count: int = 0
    """Occurrences; 0 for no end."""


class Cron(msgspec.Struct, frozen=True, tag="cron"):
    """The times that a cron expression matches in a zone (TIM-4)."""

    expression: str
    zone: str = "UTC"


class Calendar(msgspec.Struct, frozen=True, tag="calendar"):
    """The times of an RFC 5545 recurrence rule in a zone, without some, with others, kept off holidays (TIM-5)."""

    rule: str
    zone: str = "UTC"
    start: datetime.datetime | None = None
    """Local time at which the rule begins, as DTSTART does; the creation if `None`."""
    exdates: tuple[str, ...] = ()
    """Local times that are left out, written `20261224T063000`."""
    rdates: tuple[str, ...] = ()
    holidays: str | None = None
    """Name of the calendar of days off."""
    on_holiday: str = "skip"
    """`skip`, `shift_before` or `shift_after`: to the nearest day that is none."""


Timing: TypeAlias = Once | Every | Cron | Calendar


class Occurrences(Protocol):
    """What tells when a schedule is due."""

    def next_after(self, instant: float) -> float | None:
        """The first occurrence after an instant, in seconds since the epoch; `None` for never (TIM-8)."""
        ...


def parse_interval(text: str) -> Every:
    """Read the ISO 8601 form, such as `R5/2026-01-01T00:00:00Z/PT10M`; `R/` repeats without end (TIM-3).

    Raises:
        LocalProtocolError: it is malformed; the message says what is wrong.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise LocalProtocolError(f"interval {text!r} [TIM-3, TIM-9]; give Rn/START/DURATION")
    try:
        start = datetime.datetime.fromisoformat(match[2])
    except ValueError as error:
        raise LocalProtocolError(f"interval {text!r}: start {match[2]!r} [TIM-9]; give an ISO 8601 time") from error
    if start.tzinfo is None:
        raise LocalProtocolError(f"interval {text!r}: start without offset [TIM-9]; end it with Z or +HH:MM")
    duration = _DURATION.fullmatch(match[3])
    if duration is None or not any(duration.groups()):
        raise LocalProtocolError(f"interval {text!r}: duration {match[3]!r} [TIM-9]; give PnW, or PnDTnHnMnS")
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in duration.groups())
    period = weeks * 604_800 + days * 86_400 + hours * 3600 + minutes * 60 + seconds
    # R5 repeats five times: six occurrences in ISO 8601 that count the first; here n is the number of firings.
    return Every(period, start.timestamp(), int(match[1] or 0))


def compile_timing(timing: Timing, created: float, holidays: Holidays) -> Occurrences:
    """What computes the occurrences of a schedule made at `created`.

    Raises:
        LocalProtocolError: the timing is malformed or out of range (TIM-9, TIM-28).
    """
    if isinstance(timing, Once):
        return _Single(_instant(timing))
    if isinstance(timing, Every):
        return _Interval.of(timing, created)
    zone = find_zone(timing.zone)
    if isinstance(timing, Cron):
        return _cron(timing.expression, zone)
    return _Calendar(timing, zone, created, holidays)


@lru_cache(maxsize=4096)
def _cron(expression: str, zone: Zone) -> CronExpression:
    """Many rooms are woken at the same time: equal expressions share what they were read into (TIM-26)."""
    return CronExpression(expression, zone)


def _instant(timing: Once) -> float:
    at = timing.at
    if isinstance(at, datetime.datetime):
        at = at.timestamp() if at.tzinfo is not None else find_zone(timing.zone).first(at)
    return _checked("once", at)


def _checked(what: str, at: float) -> float:
    if not EARLIEST <= at <= LATEST:
        raise LocalProtocolError(f"{what}: {at!r} [TIM-9]; give seconds since the epoch, within the years 1900 to 2999")
    return float(at)


class _Single:
    __slots__ = ("_at",)

    def __init__(self, at: float) -> None:
        self._at = at

    def next_after(self, instant: float) -> float | None:
        return self._at if self._at > instant else None


class _Interval(msgspec.Struct, frozen=True, gc=False):
    start: float
    period: float
    count: int

    @classmethod
    def of(cls, timing: Every, created: float) -> _Interval:
        """What computes the occurrences of a checked timing."""
        if not SHORTEST_PERIOD <= timing.period <= LONGEST_PERIOD:
            raise LocalProtocolError(f"every: period {timing.period!r} [TIM-3, TIM-28]; allowed is 0.1 s to 10 years")
        if timing.count < 0:
            raise LocalProtocolError(f"every: count {timing.count} [TIM-3]; give 0 for no end, or more")
        start = created + timing.period if timing.start is None else _checked("every: start", timing.start)
        return cls(start, timing.period, timing.count)

    def next_after(self, instant: float) -> float | None:
        start, period = self.start, self.period
        number = max(0, math.floor((instant - start) / period))
        while start + number * period <= instant:
            number += 1
        if self.count and number >= self.count:
            return None
        return start + number * period if number else start


class _Calendar:
    __slots__ = ("_calendar", "_excluded", "_extra", "_holidays", "_on_holiday", "_recurrence", "_zone")

    def __init__(self, timing: Calendar, zone: Zone, created: float, holidays: Holidays) -> None:
        rule = parse_rule(timing.rule)
        until = None if rule.until is None else _local(rule.until, zone)
        start = timing.start or zone.local(created)
        if start.tzinfo is not None:
            raise LocalProtocolError("calendar: start has an offset [TIM-9]; give a local time and the zone")
        if not _EARLIEST <= start <= _LATEST:
            raise LocalProtocolError(f"calendar: start {start} [TIM-9]; give a time of the years 1900 to 2999")
        self._zone = zone
        self._recurrence = Recurrence(rule, start, until)
        self._excluded = frozenset(_local(parse_moment("EXDATE", 0, text), zone) for text in timing.exdates)
        self._extra = tuple(sorted(_local(parse_moment("RDATE", 0, text), zone) for text in timing.rdates))
        if timing.on_holiday not in _ADJUSTMENTS:
            raise LocalProtocolError(f"calendar: {timing.on_holiday!r} [TIM-5]; allowed is {', '.join(_ADJUSTMENTS)}")
        self._on_holiday = timing.on_holiday
        self._holidays = holidays
        self._calendar = timing.holidays
        if timing.holidays is not None and holidays(timing.holidays) is None:
            raise LocalProtocolError(f"calendar: holidays {timing.holidays!r} are unknown [TIM-5]; configure them")

    def next_after(self, instant: float) -> float | None:
        """The first occurrence; one that was shifted over holidays may have been due some days off."""
        local = self._zone.local(instant)
        days_off = (self._holidays(self._calendar) if self._calendar is not None else None) or _NO_DAYS
        is_shifted = bool(days_off) and self._on_holiday != "skip"
        # Unshifted, instants rise with local times: what is not after this one's local time is not after it either.
        reach = (_longest_run(days_off) + 1) * _DAY if is_shifted else _SECOND
        begin = max(local, datetime.datetime.min + reach) - reach
        best: float | None = None
        for match in self._merged(begin):
            if best is not None and match - reach > self._zone.local(best):
                break
            shifted = self._adjusted(match, days_off)
            if shifted is None:
                continue
            at = float(self._zone.first(shifted))
            if at > instant and (best is None or at < best):
                best = at
                if not is_shifted:
                    break
        return best

    def _merged(self, begin: datetime.datetime) -> Iterator[datetime.datetime]:
        """Occurrences of the rule and the added ones, without those left out, rising."""
        extra = [moment for moment in self._extra if moment > begin]
        for match in self._recurrence.after(begin):
            while extra and extra[0] <= match:
                added = extra.pop(0)
                if added != match:
                    yield added
            if match not in self._excluded:
                yield match
        yield from extra

    def _adjusted(self, match: datetime.datetime, days_off: frozenset[datetime.date]) -> datetime.datetime | None:
        if match.date() not in days_off:
            return match
        if self._on_holiday == "skip":
            return None
        step = _DAY if self._on_holiday == "shift_after" else -_DAY
        while match.date() in days_off:
            match += step
        return match


def _local(moment: datetime.datetime, zone: Zone) -> datetime.datetime:
    """A moment in local time; one beyond the years that are computed with stands for their beginning or end."""
    earliest, latest = (end.replace(tzinfo=moment.tzinfo) for end in (_EARLIEST, _LATEST))
    moment = min(max(moment, earliest), latest)
    return moment if moment.tzinfo is None else zone.local(moment.timestamp())


@lru_cache(maxsize=64)
def _longest_run(days_off: frozenset[datetime.date]) -> int:
    """Days off in a row, at most: so far is an occurrence shifted."""
    longest = 0
    for day in days_off:
        if day - _DAY not in days_off:
            length = 1
            while day + length * _DAY in days_off:
                length += 1
            longest = max(longest, length)
    return longest
