"""Flags and reasons that a resource adaptor exchanges with the SLEE (RA-29 to RA-33)."""

from __future__ import annotations

import enum
from typing import Final


class EventFlags(enum.IntFlag):
    """What an adaptor wants to be told of an event, and what it is told."""

    NONE = 0
    MAY_MARSHAL = 0x10
    PROCESSING_SUCCESSFUL = 0x20
    PROCESSING_FAILED = 0x40
    UNREFERENCED = 0x80
    SBB_PROCESSED = 0x100
    """Set by the SLEE alone: at least one handler was called (RA-30)."""
    SBB_ROLLED_BACK = 0x200
    """Set by the SLEE alone: handlers were called and every one rolled back."""


class ActivityFlags(enum.IntFlag):
    """What an adaptor wants to be told of an activity."""

    NONE = 0
    MAY_MARSHAL = 1
    ENDED = 2
    UNREFERENCED = 4


VENDOR_BITS: Final = 0xFF000000
"""Bits 24 to 31 belong to the vendor and are handed back unchanged (RA-29)."""


class FailureReason(enum.IntEnum):
    """Why an event failed or was refused; codes above 0 are the product's own (RA-33)."""

    OTHER = 0
    QUEUE_FULL = -1
    QUEUE_TIMEOUT = -2
    OVERLOAD = -3
    MARSHALLING = -4
    FIRING_TRANSACTION_ROLLED_BACK = -5
    INTERNAL_ERROR = 1
    STOPPING = 2
    CONTEXT_GONE = 3
    EVENT_TYPE_GONE = 4
    SERVICE_GONE = 5
    RESTART = 6
