"""What one service of a credit-control session was granted and has used, and reports of use added up (DIA-31)."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from resource_adaptors.diameter.protocol.units import Grant, Units

Key: TypeAlias = "tuple[int | None, tuple[int, ...]]"
"""Rating group and service identifiers: what tells one service of a session from another."""

_MEASURES: Final = ("time", "total_octets", "input_octets", "output_octets", "specific")


class Quota:
    """What one service of a session has been granted, and has used of it."""

    __slots__ = ("grant", "requested", "used", "used_up")

    def __init__(self, requested: Units | None) -> None:
        self.requested = requested
        """What is asked for when it is used up."""
        self.grant: Grant | None = None
        self.used: tuple[Units, ...] = ()
        """Used since the last request that was answered."""
        self.used_up = False
        """Whether its end has been told."""

    @property
    def is_exhausted(self) -> bool:
        """Whether the use has reached what was granted, or the threshold below it (DIA-31)."""
        grant = self.grant
        if grant is None or grant.granted is None:
            return False
        thresholds = {
            "time": grant.time_threshold,
            "specific": grant.unit_threshold,
        }
        for measure in _MEASURES:
            granted: int | None = getattr(grant.granted, measure)
            if granted is None:
                continue
            used = sum(getattr(units, measure) or 0 for units in self.used)
            threshold = thresholds.get(measure, grant.volume_threshold) or 0
            if used >= max(0, granted - (0 if grant.final is not None else threshold)):
                return True
        return False


def summed(used: tuple[Units, ...]) -> tuple[Units, ...]:
    """Reports of one service added up; those before and after a change of tariff stay apart."""
    sums: dict[int | None, Units] = {}
    others: list[Units] = []
    for units in used:
        if units.money is not None:
            others.append(units)
            continue
        before = sums.get(units.change_usage)
        sums[units.change_usage] = units if before is None else _sum(before, units)
    return (*sums.values(), *others)


def _sum(one: Units, other: Units) -> Units:
    total: dict[str, int] = {}
    for measure in _MEASURES:
        values: list[int] = [v for v in (getattr(one, measure), getattr(other, measure)) if v is not None]
        if values:
            total[measure] = sum(values)
    return msgspec.structs.replace(one, **total)
