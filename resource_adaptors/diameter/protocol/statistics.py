"""What a node counts (DIA-52); label values come from closed sets (COM-15)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from math import inf
from typing import Final

DROPS: Final = (
    "before_capabilities",
    "closed_connection",
    "handshake",
    "hop_unknown",
    "mismatched_answer",
    "state",
    "unreadable_answer",
    "wrong_certificate",
)
"""Why messages get no further; `handshake` counts connections without TLS that do not."""


BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of answers, in seconds."""


class Latencies:
    """A histogram of how long answers took."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """One answer."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def histogram(self) -> tuple[tuple[tuple[float, int], ...], float]:
        """Cumulated buckets, as the exporter has them, and the sum."""
        return tuple(zip((*BOUNDS, inf), accumulate(self.counts), strict=True)), self.seconds


class Statistics:
    """Counters of one node."""

    __slots__ = (
        "answers",
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
        self.answers: dict[int, Latencies] = {}
        """How long answers took, by application."""
        self.timeouts: Counter[int] = Counter()
        """By application."""
        self.rate_limited = 0
        """Requests answered 3004 because their peer sent too many."""
        self.retransmissions = 0
        self.duplicates = 0
        self.failovers = 0

    def answered_in(self, application: int, seconds: float) -> None:
        """An answer has come."""
        found = self.answers.get(application)
        if found is None:
            found = self.answers[application] = Latencies()
        found.add(seconds)
