"""What authors of resource adaptors use."""

from slee.spi.adaptor import (
    ReceivableEvent,
    ReceivableService,
    ResourceAdaptor,
    ResourceAdaptorContext,
)
from slee.spi.endpoint import SleeEndpoint
from slee.spi.flags import ActivityFlags, EventFlags, FailureReason
from slee.spi.interface import ResourceInterface, command, opening_command, query
from slee.spi.kept import KeptRecords
from slee.spi.marshaller import Marshaller
from slee.spi.properties import ConfigurationProperties, ConfigurationProperty
from slee.spi.timer import SharedTimer, TimerTask
from slee.spi.transactions import Outcome, Transactions

__all__ = [
    "ActivityFlags",
    "ConfigurationProperties",
    "ConfigurationProperty",
    "EventFlags",
    "FailureReason",
    "KeptRecords",
    "Marshaller",
    "Outcome",
    "ReceivableEvent",
    "ReceivableService",
    "ResourceAdaptor",
    "ResourceAdaptorContext",
    "ResourceInterface",
    "SharedTimer",
    "SleeEndpoint",
    "TimerTask",
    "Transactions",
    "command",
    "opening_command",
    "query",
]
