"""Accounting records of Rf: ACR EVENT, START, INTERIM, STOP (DIA-38; RFC 6733 9)."""

from __future__ import annotations

import datetime
import enum
from typing import Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, i32, text, time, u32
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.settings import Settings


class RecordType(enum.IntEnum):
    """Accounting-Record-Type (RFC 6733 9.8.1)."""

    EVENT = 1
    START = 2
    INTERIM = 3
    STOP = 4


class Realtime(enum.IntEnum):
    """Accounting-Realtime-Required: what becomes of the service while records cannot be delivered (RFC 6733 9.8.7)."""

    DELIVER_AND_GRANT = 1
    GRANT_AND_STORE = 2
    GRANT_AND_LOSE = 3


_REALTIMES: Final = frozenset(map(int, Realtime))
_LAST: Final = (RecordType.STOP, RecordType.EVENT)


class Accounting(msgspec.Struct):
    """One accounting session of ours."""

    session_id: str
    realm: str
    realtime: Realtime
    next_number: int = 0
    """Accounting-Record-Number that the next record gets."""
    made: int = 0
    """Records made; those that a service has asked for in a delivery under way are not among them."""
    is_over: bool = False
    """Whether its last record has been made."""
    is_closing: bool = False
    """Whether a service has asked for the last one."""
    avps: tuple[Avp, ...] = ()
    """What the last record said."""
    interval: int = 0
    """Seconds between interim records that the server wants; 0 for none."""
    interim_at: float | None = None
    """When the next interim record is due."""
    undelivered: int = -1
    """Number of the last record of which it was told that it was not delivered."""

    def ask(self, kind: RecordType) -> int:
        """A record is asked for; the number that it gets."""
        self.is_closing = self.is_closing or kind in _LAST
        self.next_number += 1
        return self.next_number - 1

    def take_back(self, number: int) -> None:
        """The delivery that asked for the record of a number has rolled back."""
        self.next_number, self.is_closing = min(number, self.next_number), self.is_over

    def take(self, kind: RecordType, avps: tuple[Avp, ...], now: float) -> None:
        """A record is made."""
        self.made += 1
        self.avps = avps
        if kind in _LAST:
            self.is_over = self.is_closing = True
        self.plan(now)

    def obey(self, answer: Message, now: float) -> None:
        """Do as an answer says: how often to report, and what holds while that is impossible (DIA-38)."""
        interval, realtime = (
            answer.number(codes.ACCT_INTERIM_INTERVAL),
            answer.number(codes.ACCOUNTING_REALTIME_REQUIRED),
        )
        if interval is not None:
            self.interval = interval
            self.plan(now)
        if realtime in _REALTIMES:
            self.realtime = Realtime(realtime)

    def plan(self, now: float) -> None:
        """Count the interval from now."""
        self.interim_at = now + self.interval if self.interval and not self.is_over else None


def accounting_request(
    accounting: Accounting, kind: RecordType, number: int, avps: tuple[Avp, ...], settings: Settings, now: float
) -> Message:
    """An ACR; Event-Timestamp says when the record was made, however late it is sent."""
    head: tuple[Avp, ...] = (
        text(codes.SESSION_ID, accounting.session_id),
        text(codes.ORIGIN_HOST, settings.identity),
        text(codes.ORIGIN_REALM, settings.realm),
        text(codes.DESTINATION_REALM, accounting.realm),
        i32(codes.ACCOUNTING_RECORD_TYPE, kind),
        u32(codes.ACCOUNTING_RECORD_NUMBER, number),
        u32(codes.ACCT_APPLICATION_ID, codes.BASE_ACCOUNTING),
    )
    if find(avps, codes.EVENT_TIMESTAMP) is None:
        head += (time(codes.EVENT_TIMESTAMP, datetime.datetime.fromtimestamp(now, datetime.UTC)),)
    return Message(codes.ACCOUNTING, codes.BASE_ACCOUNTING, R | P, 0, 0, (*head, *avps))
