"""What authors of resource adaptors use."""

from slee.spi.adaptor import (
    ReceivableEvent,
    ReceivableService,
    ResourceAdaptor,
    ResourceAdaptorContext,
    SleeEndpoint,
)
from slee.spi.flags import ActivityFlags, EventFlags, FailureReason
from slee.spi.interface import ResourceInterface, command, opening_command, query

__all__ = [
    "ActivityFlags",
    "EventFlags",
    "FailureReason",
    "ReceivableEvent",
    "ReceivableService",
    "ResourceAdaptor",
    "ResourceAdaptorContext",
    "ResourceInterface",
    "SleeEndpoint",
    "command",
    "opening_command",
    "query",
]
