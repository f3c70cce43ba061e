"""What the services of a credit-control session were granted and have used, and reports of use added up (DIA-31)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from resource_adaptors.diameter.protocol.units import Grant, Service, Units

Key: TypeAlias = "tuple[int | None, tuple[int, ...]]"
"""Rating group and service identifiers: what tells one service of a session from another."""

_MEASURES: Final = ("time", "total_octets", "input_octets", "output_octets", "specific")


class Quota(msgspec.Struct):
    """What one service of a session has been granted, and has used of it."""

    requested: Units | None = None
    """What is asked for when it is used up."""
    grant: Grant | None = None
    used: tuple[Units, ...] = ()
    """Used since the last request that was answered."""
    is_told: bool = False
    """Whether its end has been told."""
    sent: int = 0
    """How many reports of use the request under way carries."""
    idle_at: float | None = None
    """When it counts as unused, and is given back (Quota-Holding-Time)."""
    is_given_back: bool = False
    """Whether nothing is asked for until it is used again."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more is asked for after it."""
        return self.grant is not None and self.grant.final is not None

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

    def hold(self, now: float) -> None:
        """It was granted or used now."""
        self.is_given_back = False
        holding = None if self.grant is None else self.grant.holding_time
        self.idle_at = now + holding if holding else None


class Quotas:
    """The quotas of one session, by service."""

    __slots__ = ("entries", "valid_until")

    def __init__(self) -> None:
        self.entries: dict[Key, Quota] = {}
        self.valid_until: float | None = None
        """When the grants are over (Validity-Time)."""

    def note(self, services: Iterable[Service], now: float) -> bool:
        """Keep what was used and is wanted; whether something is wanted anew."""
        wants = False
        for service in services:
            key = service.rating_group, service.service_ids
            quota = self.entries.get(key)
            if quota is None:
                quota = self.entries[key] = Quota(service.requested)
                wants = True
            elif service.requested is not None:
                quota.requested = service.requested
                wants = True
            quota.used += service.used
            quota.hold(now)
        return wants

    def take(self, grants: Iterable[Grant], now: float) -> None:
        """An answer has come: units that were reported are done with, those granted begin."""
        self.stored()
        validities: list[int] = []
        for grant in grants:
            quota = self.entries.setdefault((grant.rating_group, grant.service_ids), Quota())
            quota.grant = grant
            quota.is_told = False
            quota.hold(now)
            if grant.validity:
                validities.append(grant.validity)
        self.valid_until = now + min(validities) if validities else None

    def stored(self) -> None:
        """The request under way is answered or in the outbox: what it reports need not be reported again."""
        for quota in self.entries.values():
            quota.used = quota.used[quota.sent :]
            quota.sent = 0

    @property
    def deadline(self) -> float | None:
        """When use is to be reported in any case, `None` if the grants have no end."""
        times = [quota.idle_at for quota in self.entries.values() if quota.idle_at is not None]
        if self.valid_until is not None:
            times.append(self.valid_until)
        return min(times, default=None)

    def give_back(self, now: float) -> None:
        """Let go of what has not been used for its holding time; it is reported without asking for more (DIA-31)."""
        for quota in self.entries.values():
            if quota.idle_at is not None and quota.idle_at <= now:
                quota.is_given_back, quota.idle_at = True, None

    def exhausted(self) -> list[Key]:
        """The services whose quota is used up."""
        return [key for key, quota in self.entries.items() if quota.is_exhausted]

    def services(self, *, asks: bool, is_last: bool) -> tuple[Service, ...]:
        """What a request says of each service; `asks` for more, or `is_last` of the session."""
        found: list[Service] = []
        for key, quota in self.entries.items():
            quota.sent = len(quota.used)
            wants = asks and not quota.is_final and not quota.is_given_back
            requested = (quota.requested or Units()) if wants else None
            has_news = requested is not None or bool(quota.used) or quota.is_given_back
            if has_news or (is_last and quota.grant is not None):
                found.append(
                    Service(rating_group=key[0], service_ids=key[1], requested=requested, used=summed(quota.used))
                )
        return tuple(found)


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
