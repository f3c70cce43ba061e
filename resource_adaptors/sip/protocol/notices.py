"""Where protocol events are put for the adaptor, and which of them it wants at all."""

from __future__ import annotations

from collections.abc import Iterable

from resource_adaptors.sip.protocol.events import (
    AckReceived,
    AckTimeout,
    BranchesExhausted,
    BranchTimeout,
    CancelReceived,
    Event,
    FinalReceived,
    ProvisionalReceived,
    TransportFailure,
)


class Notices:
    """The event list, and a flag per kind of event that can be done without."""

    __slots__ = (
        "acks",
        "cancels",
        "events",
        "exhausted",
        "failures",
        "finals",
        "provisionals",
        "timeouts",
        "unacknowledged",
        "wanted",
    )

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.want(())

    def want(self, kinds: Iterable[type]) -> None:
        """Choose the kinds that are built; `RequestReceived` and `Answered` always are."""
        self.wanted = wanted = frozenset(kinds)
        self.provisionals = ProvisionalReceived in wanted
        self.finals = FinalReceived in wanted
        self.timeouts = BranchTimeout in wanted
        self.failures = TransportFailure in wanted
        self.exhausted = BranchesExhausted in wanted
        self.cancels = CancelReceived in wanted
        self.acks = AckReceived in wanted
        self.unacknowledged = AckTimeout in wanted
