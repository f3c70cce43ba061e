"""What the core counts: plain integers on the way, a frozen snapshot for its readers (SIP-192, SIP-196, COM-14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

METHODS: Final[tuple[str, ...]] = (
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "REFER",
    "INFO",
    "UPDATE",
    "PRACK",
    "other",
)
"""Methods counted by name; any other is `other`, so that the network cannot make labels (COM-15)."""

DROPPED: Final[tuple[str, ...]] = (
    "keep_alive",
    "stun",
    "malformed",
    "malformed_limit",
    "retransmission",
    "stray_ack",
    "stray_response",
    "late_response",
)
"""Why a datagram got no further: the closed list of COM-14."""

STRAY: Final[tuple[str, ...]] = ("ack", "response", "late_response", "cancel", "request")
"""Messages that matched nothing (B7)."""


TIMEOUTS: Final[tuple[str, ...]] = ("B", "C", "F", "H", "L", "server")
"""What ran out: a timer of RFC 3261 17, or `server`, the time for a service's answer (SIP-63)."""


class Statistics(msgspec.Struct, frozen=True):
    """A snapshot. Every datagram received is one of delivered, answered and dropped, once."""

    received: int
    """Datagrams."""
    delivered: int
    """Given to a service or to the proxy."""
    answered: int
    """Answered by the core alone: malformed, strayed, or a CANCEL."""
    dropped: Mapping[str, int]
    """By reason, out of `DROPPED`."""
    requests_in: Mapping[str, int]
    """By method."""
    requests_out: Mapping[str, int]
    """By method."""
    responses_in: Mapping[tuple[str, int], int]
    """By method and class (1 to 6)."""
    responses_out: Mapping[tuple[str, int], int]
    """By method and class (1 to 6)."""
    retransmissions_in: Mapping[str, int]
    """By kind: `request`, `response`, `ack`."""
    retransmissions_out: Mapping[str, int]
    """By kind: `request`, `response`."""
    malformed: Mapping[str, int]
    """By the parser's kind."""
    leniencies: Mapping[str, int]
    """What the parser overlooked, by its kind."""
    timeouts: Mapping[str, int]
    """By timer: `B`, `C`, `F`, `H`, `L` (a 2xx never acknowledged), `server` (no service answered)."""
    transport_errors: Mapping[str, int]
    """By reason."""
    stray: Mapping[str, int]
    """By kind, out of `STRAY`."""
    late_answers: int
    """2xx to a non-INVITE request that came after another answer had gone upstream."""
    unroutable_responses: int
    """Responses that bore no Via but ours, and so could not go upstream (SIP-54)."""
    forks: int
    """Requests forwarded to more than one target at once."""
    transactions: Mapping[tuple[str, str], int]
    """Live transactions by kind and state."""
    timers: int
    """Live timers."""


class Counters:
    """The running totals; the core writes them in place."""

    __slots__ = (
        "answered",
        "delivered",
        "dropped",
        "forks",
        "late_answers",
        "leniencies",
        "malformed",
        "received",
        "requests_in",
        "requests_out",
        "responses_in",
        "responses_out",
        "retransmissions_in",
        "retransmissions_out",
        "stray",
        "timeouts",
        "transport_errors",
        "unroutable_responses",
    )

    def __init__(self) -> None:
        self.received = 0
        self.delivered = 0
        self.answered = 0
        self.forks = 0
        self.late_answers = 0
        self.unroutable_responses = 0
        self.dropped: dict[str, int] = dict.fromkeys(DROPPED, 0)
        self.requests_in: dict[str, int] = dict.fromkeys(METHODS, 0)
        self.requests_out: dict[str, int] = dict.fromkeys(METHODS, 0)
        by_class = [(method, status_class) for method in METHODS for status_class in range(1, 7)]
        self.responses_in: dict[tuple[str, int], int] = dict.fromkeys(by_class, 0)
        self.responses_out: dict[tuple[str, int], int] = dict.fromkeys(by_class, 0)
        self.retransmissions_in: dict[str, int] = {"request": 0, "response": 0, "ack": 0}
        self.retransmissions_out: dict[str, int] = {"request": 0, "response": 0}
        self.malformed: dict[str, int] = {}
        self.leniencies: dict[str, int] = {}
        self.timeouts: dict[str, int] = dict.fromkeys(TIMEOUTS, 0)
        self.transport_errors: dict[str, int] = {}
        self.stray: dict[str, int] = dict.fromkeys(STRAY, 0)

    def count_request_in(self, method: str) -> None:
        """Count a request received."""
        try:
            self.requests_in[method] += 1
        except KeyError:
            self.requests_in["other"] += 1

    def count_request_out(self, method: str) -> None:
        """Count a request sent, retransmissions apart."""
        try:
            self.requests_out[method] += 1
        except KeyError:
            self.requests_out["other"] += 1

    def count_response_in(self, method: str, status: int) -> None:
        """Count a response received."""
        try:
            self.responses_in[method, status // 100] += 1
        except KeyError:
            self.responses_in["other", status // 100] += 1

    def count_response_out(self, method: str, status: int) -> None:
        """Count a response sent, retransmissions apart."""
        try:
            self.responses_out[method, status // 100] += 1
        except KeyError:
            self.responses_out["other", status // 100] += 1

    def count_malformed(self, kind: str) -> None:
        """Count a message that the parser refused; the kinds are the parser's closed list."""
        self.malformed[kind] = self.malformed.get(kind, 0) + 1

    def count_leniencies(self, kinds: Iterable[str]) -> None:
        """Count what the parser overlooked in a message (SIP-25)."""
        for kind in kinds:
            self.leniencies[kind] = self.leniencies.get(kind, 0) + 1

    def count_transport_error(self, reason: str) -> None:
        """Count a transaction that could not reach its destination."""
        self.transport_errors[reason] = self.transport_errors.get(reason, 0) + 1

    def snapshot(self, transactions: Iterable[tuple[str, str]], timers: int) -> Statistics:
        """Freeze the totals, with the kinds and states of the live transactions."""
        states: dict[tuple[str, str], int] = {}
        for pair in transactions:
            states[pair] = states.get(pair, 0) + 1
        return Statistics(
            received=self.received,
            delivered=self.delivered,
            answered=self.answered,
            dropped=dict(self.dropped),
            requests_in=dict(self.requests_in),
            requests_out=dict(self.requests_out),
            responses_in=_present(self.responses_in),
            responses_out=_present(self.responses_out),
            retransmissions_in=dict(self.retransmissions_in),
            retransmissions_out=dict(self.retransmissions_out),
            malformed=dict(self.malformed),
            leniencies=dict(self.leniencies),
            timeouts=dict(self.timeouts),
            transport_errors=dict(self.transport_errors),
            stray=dict(self.stray),
            late_answers=self.late_answers,
            unroutable_responses=self.unroutable_responses,
            forks=self.forks,
            transactions=states,
            timers=timers,
        )


def _present(counts: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    """Only what has happened: most pairs of method and class never do."""
    return {pair: count for pair, count in counts.items() if count}
