"""Accounting records of Rf: ACR EVENT, START, INTERIM, STOP (DIA-38; RFC 6733 9)."""

from __future__ import annotations

import enum

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, i32, text, u32
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.settings import Settings


class RecordType(enum.IntEnum):
    """Accounting-Record-Type (RFC 6733 9.8.1)."""

    EVENT = 1
    START = 2
    INTERIM = 3
    STOP = 4


class Accounting:
    """One accounting session of ours."""

    __slots__ = ("is_over", "number", "realm", "session_id")

    def __init__(self, session_id: str, realm: str) -> None:
        self.session_id = session_id
        self.realm = realm
        self.number = 0
        """Accounting-Record-Number of the next record."""
        self.is_over = False
        """Whether its last record has been made."""


def accounting_request(
    accounting: Accounting, kind: RecordType, number: int, avps: tuple[Avp, ...], settings: Settings
) -> Message:
    """An ACR."""
    head = (
        text(codes.SESSION_ID, accounting.session_id),
        text(codes.ORIGIN_HOST, settings.identity),
        text(codes.ORIGIN_REALM, settings.realm),
        text(codes.DESTINATION_REALM, accounting.realm),
        i32(codes.ACCOUNTING_RECORD_TYPE, kind),
        u32(codes.ACCOUNTING_RECORD_NUMBER, number),
        u32(codes.ACCT_APPLICATION_ID, codes.BASE_ACCOUNTING),
    )
    return Message(codes.ACCOUNTING, codes.BASE_ACCOUNTING, R | P, 0, 0, (*head, *avps))
