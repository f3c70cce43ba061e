"""What clients order, how it becomes a schedule, and the table in which its result is kept."""

from __future__ import annotations

import datetime
import math
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from resource_adaptors.timer.api import Cron, LocalProtocolError, Once, Timing
from slee import VolatileTable

PREFIX: Final = "wake-up:"
"""Before the id, in the name of the schedule."""
FOREVER: Final = math.inf


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `PUT /v1/wake-ups/{id}`."""

    to: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    """URI of the subscriber."""
    text: Annotated[str, msgspec.Meta(max_length=1300)] = "This is your wake-up message."
    at: str | None = None
    """Once: an ISO 8601 time, such as `2026-12-24T06:45`; local to `zone` if it has no offset."""
    cron: str | None = None
    """Again and again: five fields, such as `45 6 * * mon-fri`, local to `zone`."""
    zone: str | None = None
    """IANA name of a time zone; the configured one without."""

    def timing(self, zone: str, now: float) -> Timing:
        """When it is due; `LocalProtocolError` unless it has one of `at` and `cron`, well-formed and not past."""
        if (self.at is None) == (self.cron is None):
            raise LocalProtocolError("give either at or cron")
        if self.cron is not None:
            return Cron(self.cron, self.zone or zone)
        assert self.at is not None
        try:
            at = datetime.datetime.fromisoformat(self.at)
            instant = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(self.zone or zone))
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:  # a zone may name a folder
            raise LocalProtocolError(
                f"at {self.at!r}: {error}; give an ISO 8601 time, and an IANA name as zone"
            ) from error
        if instant.timestamp() <= now:
            raise LocalProtocolError(f"at {self.at!r} is past; give a time to come")
        return Once(at, self.zone or zone) if at.tzinfo is None else Once(at.timestamp())


class WakeUp(msgspec.Struct, frozen=True):
    """A wake-up that has been ordered, and how it went the last time."""

    id: str
    to: str
    text: str
    at: str | None
    cron: str | None
    zone: str
    state: str = "ordered"
    """`ordered`; after a time has come `sending`, then `delivered`, `stored` or `failed`."""
    status: int = 0
    """SIP status of the last answer, 0 without one."""
    reason: str = ""
    attempts: int = 0
    """Messages sent the last time."""
    last: float = 0.0
    """When it was due the last time, in seconds since the epoch; 0 if it never was."""
    expires_at: float = FOREVER
    """When it is forgotten: a while after the end, never before."""


WAKE_UPS: Final = VolatileTable("wake-up", WakeUp, vendor="slee", version="1.0", expires="expires_at")
