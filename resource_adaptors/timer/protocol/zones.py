"""Local times of IANA zones and the instants that they stand for (TIM-6, TIM-7).

A local time is a naive `datetime`; an instant is seconds since the epoch. What `first` maps local times to never
decreases with the local time: a time that does not exist stands for the first instant after the gap, and one that
occurs twice for its first occurrence.
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

import msgspec

from resource_adaptors.timer.protocol.errors import LocalProtocolError

_EPOCH: Final = datetime.datetime(1970, 1, 1)  # naive on purpose: local times are
_SECOND: Final = datetime.timedelta(seconds=1)
_DAY: Final = 86_400
_VERSION: Final = re.compile(r"# version (\S+)")


class Overlap(msgspec.Struct, frozen=True):
    """Local times that occur twice, because clocks are put back at `transition`."""

    transition: int
    start: datetime.datetime
    """The first local time that occurs twice."""
    end: datetime.datetime
    """The first one after it that occurs once."""
    offset: int
    """Seconds east of UTC after the transition."""


class Zone:
    """One IANA zone."""

    __slots__ = ("_info", "name")

    def __init__(self, name: str) -> None:
        """Look a zone up.

        Raises:
            LocalProtocolError: no such zone is known (TIM-6).
        """
        try:
            self._info = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise LocalProtocolError(
                f"zone {name!r} is unknown [TIM-6]; give an IANA name such as Europe/Vienna"
            ) from (error)
        self.name = name

    def local(self, instant: float) -> datetime.datetime:
        """The local time at an instant, whole seconds rounded down."""
        return datetime.datetime.fromtimestamp(instant // 1, self._info).replace(tzinfo=None, fold=0)

    def offset(self, instant: float) -> int:
        """Seconds east of UTC at an instant."""
        offset = datetime.datetime.fromtimestamp(instant, self._info).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def first(self, local: datetime.datetime) -> int:
        """The instant of a local time: the first one, or the first after the gap that it lies in (TIM-7)."""
        before, after = self._offsets(local)
        seconds = int((local - _EPOCH) // _SECOND)
        if before >= after:
            return seconds - before
        return self._transition(seconds - after, seconds - before)

    def overlap_near(self, instant: float) -> Overlap | None:
        """The local times that occur twice within a day of an instant, if there are any."""
        low, high = int(instant) - _DAY, int(instant) + _DAY
        before, after = self.offset(low), self.offset(high)
        if before <= after:
            return None
        transition = self._transition(low, high)
        return Overlap(transition, _naive(transition + after), _naive(transition + before), after)

    def _offsets(self, local: datetime.datetime) -> tuple[int, int]:
        """Offsets that hold before and after a change of clocks round a local time; equal where there is none."""
        aware = local.replace(tzinfo=self._info)
        before, after = aware.utcoffset(), aware.replace(fold=1).utcoffset()
        assert before is not None
        assert after is not None
        return int(before.total_seconds()), int(after.total_seconds())

    def _transition(self, low: int, high: int) -> int:
        """The first second of `low` < s <= `high` at which the offset of `low` no longer holds."""
        offset = self.offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high


def _naive(seconds: int) -> datetime.datetime:
    return _EPOCH + seconds * _SECOND


@lru_cache(maxsize=1024)
def find_zone(name: str) -> Zone:
    """The zone of an IANA name; `LocalProtocolError` if there is none (TIM-6)."""
    return Zone(name)


def data_version() -> str:
    """Version of the zone data in use, such as `2025b`; `unknown` where neither system nor package tell (TIM-6)."""
    for folder in TZPATH:
        listing = Path(folder) / "tzdata.zi"
        if listing.is_file():
            with listing.open(encoding="utf-8") as lines:
                found = _VERSION.match(lines.readline())
            if found is not None:
                return found[1]
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return "unknown"
