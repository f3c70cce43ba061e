"""The Diameter adaptor's counters as metrics (DIA-52); label values come from closed sets (COM-15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from resource_adaptors.diameter.protocol.watchdog import STATES

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor

Histogram: TypeAlias = tuple[tuple[tuple[float, int], ...], float]
Figure: TypeAlias = tuple[str, str, str, Mapping[str, str], float | Histogram]
"""Name, type, help, labels and value; a histogram's value is its cumulated buckets and the sum."""


class DiameterStatistics(msgspec.Struct, frozen=True):
    """A frozen picture of one Diameter resource adaptor entity."""

    messages: Mapping[tuple[str, str, str], int]
    """By peer, command and direction."""
    results: Mapping[tuple[str, int, str], int]
    """By peer, thousands of the Result-Code, and direction."""
    dropped: Mapping[str, int]
    timeouts: Mapping[int, int]
    """By application."""
    answers: Mapping[int, Histogram]
    """How long answers took, by application."""
    rate_limited: int
    peers: Mapping[str, tuple[str, int]]
    """Watchdog state and requests owed, by host."""
    retransmissions: int
    duplicates: int
    failovers: int
    sessions: Mapping[tuple[str, str], int]
    """Live sessions by application and role."""
    lost_records: int
    unanswered: int
    outbox: int

    @classmethod
    def of(cls, adaptor: DiameterAdaptor) -> DiameterStatistics:
        """The picture of now."""
        node = adaptor.node
        counted = node.statistics
        return cls(
            messages=dict(counted.messages),
            results=dict(counted.results),
            dropped=dict(counted.dropped),
            timeouts=dict(counted.timeouts),
            answers={number: found.histogram() for number, found in counted.answers.items()},
            rate_limited=counted.rate_limited,
            peers={host: (peer.watch, len(peer.pending)) for host, peer in node.peers.items() if not peer.is_dynamic},
            retransmissions=counted.retransmissions,
            duplicates=counted.duplicates,
            failovers=counted.failovers,
            sessions={
                ("credit control", "client"): len(adaptor.clients.sessions),
                ("credit control", "server"): len(adaptor.servers.activities),
                ("accounting", "client"): len(adaptor.accounting.sessions),
                ("user data", "client"): len(adaptor.user_data.subscriptions),
            },
            lost_records=adaptor.accounting.lost,
            unanswered=adaptor.servers.unanswered,
            outbox=len(adaptor.outbox),
        )

    def metrics(self) -> Iterator[Figure]:
        """Every figure, for the exporter; peers that are not configured count as `other`."""
        for (peer, command, direction), count in self.messages.items():
            labels = {"peer": self._label(peer), "command": command, "dir": direction}
            yield "slee_dia_messages", "counter", "Messages by peer and command.", labels, count
        for (peer, thousand, direction), count in self.results.items():
            labels = {"peer": self._label(peer), "class": f"{min(thousand, 6)}xxx", "dir": direction}
            yield "slee_dia_results", "counter", "Answers by class of their Result-Code.", labels, count
        for reason, count in self.dropped.items():
            yield "slee_dia_dropped", "counter", "Messages that got no further.", {"reason": reason}, count
        for application, count in self.timeouts.items():
            labels = {"application": str(application)}
            yield "slee_dia_timeouts", "counter", "Requests without an answer.", labels, count
        for host, (state, owed) in self.peers.items():
            for name in STATES:
                labels = {"peer": host, "state": name}
                yield "slee_dia_peer_state", "gauge", "1 for the state of a peer.", labels, float(name == state)
            yield "slee_dia_pending", "gauge", "Requests that wait for a peer's answer.", {"peer": host}, owed
        for name, text, value in (
            ("slee_dia_retransmissions", "Requests sent once more, to another peer.", self.retransmissions),
            ("slee_dia_duplicates", "Requests that came once more.", self.duplicates),
            ("slee_dia_failovers", "Requests taken from a peer that was lost.", self.failovers),
            ("slee_dia_rate_limited", "Requests refused because their peer sent too many.", self.rate_limited),
            ("slee_dia_lost_records", "Accounting records given up, as their server allowed.", self.lost_records),
            ("slee_dia_unanswered", "Requests answered 5012 because no service did.", self.unanswered),
        ):
            yield name, "counter", text, {}, value
        for (kind, role), sessions in self.sessions.items():
            labels = {"application": kind, "role": role}
            yield "slee_dia_sessions", "gauge", "Live sessions.", labels, sessions
        for number, histogram in self.answers.items():
            labels = {"application": str(number)}
            yield "slee_dia_answer_seconds", "histogram", "How long answers took.", labels, histogram
        yield "slee_dia_outbox", "gauge", "Requests stored until they are answered.", {}, self.outbox

    def _label(self, peer: str) -> str:
        return peer if peer in self.peers else "other"
