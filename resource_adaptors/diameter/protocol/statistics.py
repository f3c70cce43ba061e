"""What a node counts (DIA-52); label values come from closed sets (COM-15)."""

from __future__ import annotations

from collections import Counter
from typing import Final

DROPS: Final = (
    "before_capabilities",
    "closed_connection",
    "hop_unknown",
    "mismatched_answer",
    "state",
    "unreadable_answer",
)
"""Why messages get no further."""


class Statistics:
    """Counters of one node."""

    __slots__ = (
        "dropped",
        "duplicates",
        "failovers",
        "messages",
        "results",
        "rate_limited",
        "retransmissions",
        "timeouts",
    )

    def __init__(self) -> None:
        self.messages: Counter[tuple[str, str, str]] = Counter()
        """By peer, command and direction."""
        self.results: Counter[tuple[str, int, str]] = Counter()
        """By peer, thousands of the Result-Code, and direction."""
        self.dropped: Counter[str] = Counter(dict.fromkeys(DROPS, 0))
        self.timeouts: Counter[int] = Counter()
        """By application."""
        self.rate_limited = 0
        """Requests answered 3004 because their peer sent too many."""
        self.retransmissions = 0
        self.duplicates = 0
        self.failovers = 0
