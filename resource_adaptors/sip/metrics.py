"""The SIP adaptor's counters as metrics (SIP-192, SIP-193); label values come from closed sets (COM-15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from resource_adaptors.sip.protocol.statistics import Statistics

Figure: TypeAlias = tuple[str, str, str, Mapping[str, str], float]
"""Name, type, help, labels and value."""


class SipStatistics(msgspec.Struct, frozen=True):
    """A frozen picture of one SIP resource adaptor entity."""

    core: Statistics
    unanswered: int
    """Requests that no service answered though one took them (COM-8)."""
    unsent: int
    """Datagrams that the socket did not take."""
    activities: Mapping[str, int]
    """Live activities by kind."""

    def metrics(self) -> Iterator[Figure]:
        """Every figure, for the exporter."""
        yield from self._messages()
        yield from self._troubles()
        core = self.core
        for (kind, state), count in core.transactions.items():
            labels = {"kind": kind, "state": state}
            yield "slee_sip_transactions", "gauge", "Live transactions.", labels, count
        for kind, count in self.activities.items():
            yield "slee_sip_activities", "gauge", "Live activities.", {"kind": kind}, count
        yield "slee_sip_timers", "gauge", "Live transaction timers.", {}, core.timers
        yield "slee_sip_forks", "counter", "Requests forwarded to more than one target.", {}, core.forks
        yield "slee_sip_datagrams_unsent", "counter", "Datagrams that the socket did not take.", {}, self.unsent
        yield "slee_sip_unanswered", "counter", "Requests answered 500 because no service did.", {}, self.unanswered

    def _messages(self) -> Iterator[Figure]:
        core = self.core
        text = "Requests by method, retransmissions apart."
        for direction, requests in (("in", core.requests_in), ("out", core.requests_out)):
            for method, count in requests.items():
                yield "slee_sip_requests", "counter", text, {"method": method, "dir": direction}, count
        text = "Responses by class and method, retransmissions apart."
        for direction, responses in (("in", core.responses_in), ("out", core.responses_out)):
            for (method, status_class), count in responses.items():
                labels = {"class": f"{status_class}xx", "method": method, "dir": direction}
                yield "slee_sip_responses", "counter", text, labels, count
        text = "Messages sent or received once more."
        for direction, repeated in (("in", core.retransmissions_in), ("out", core.retransmissions_out)):
            for kind, count in repeated.items():
                yield "slee_sip_retransmissions", "counter", text, {"kind": kind, "dir": direction}, count

    def _troubles(self) -> Iterator[Figure]:
        core = self.core
        yield "slee_sip_datagrams_received", "counter", "Datagrams received.", {}, core.received
        for name, text, label, counts in (
            ("slee_sip_dropped", "Datagrams that got no further.", "reason", core.dropped),
            ("slee_sip_malformed", "Messages that the parser refused.", "kind", core.malformed),
            ("slee_sip_stray", "Messages that matched nothing.", "kind", core.stray),
            ("slee_sip_transaction_timeouts", "Transactions that ran out of time, by timer.", "kind", core.timeouts),
            ("slee_sip_transport_errors", "Targets that could not be reached.", "reason", core.transport_errors),
        ):
            for value, count in counts.items():
                yield name, "counter", text, {label: value}, count
