"""The HTTP adaptor's counters as metrics (HTTP-40); label values come from closed sets (COM-15)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from resource_adaptors.http.protocol.frames import NAMED_CODES
from resource_adaptors.http.protocol.routes import KNOWN_METHODS

if TYPE_CHECKING:
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.protocol.frames import Closed

Histogram: TypeAlias = tuple[Sequence[tuple[float, float]], float]
"""Cumulative counts by upper bound, the last one infinite, and the sum."""
Figure: TypeAlias = tuple[str, str, str, Mapping[str, str], float | Histogram]
"""Name, type, help, labels and value."""

BOUNDS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, float("inf"))
"""Upper bounds of the buckets of durations, in seconds."""


_MOST_TARGETS: Final = 256


class Durations:
    """A histogram of seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(BOUNDS)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.total += seconds
        self.counts[bisect_left(BOUNDS, seconds)] += 1

    def figure(self) -> Histogram:
        """As exported: cumulative."""
        rows: list[tuple[float, float]] = []
        count = 0
        for bound, here in zip(BOUNDS, self.counts, strict=True):
            count += here
            rows.append((bound, count))
        return rows, self.total


class Counts:
    """What an HTTP resource adaptor entity counts."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        """Answered requests by method and class of status."""
        self.seconds: dict[str, Durations] = {}
        """From header section to answer, by route."""
        self.limits: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self.connections = 0
        """Connections accepted."""
        self.unanswered = 0
        self.calls: dict[tuple[str, str], int] = {}
        """Requests of ours by target and result."""
        self.webhooks: dict[str, int] = {}
        self.messages: dict[str, int] = {}
        """Messages of WebSockets by direction, `in` and `out`."""
        self.sockets_closed: dict[tuple[str, str], int] = {}
        """WebSockets closed, by who did it and with which code."""

    def answered(self, exchange: Exchange, now: float) -> None:
        """Count an answer."""
        key = (exchange.method, exchange.status // 100)
        requests = self.requests
        count = requests.get(key)
        if count is not None:
            requests[key] = count + 1
        else:
            key = (exchange.method if exchange.method in KNOWN_METHODS else "other", key[1])
            requests[key] = requests.get(key, 0) + 1
        if exchange.match is not None:
            exchange.match.owner.durations.add(now - exchange.started)

    def durations(self, route: str) -> Durations:
        """The histogram of a route, by its template."""
        found = self.seconds.get(route)
        if found is None:
            found = self.seconds[route] = Durations()
        return found

    def drop(self, reason: str) -> None:
        """Count something that got no further."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def call_done(self, target: str, result: str) -> None:
        """Count the outcome of a request of ours."""
        if (target, result) not in self.calls and len(self.calls) >= _MOST_TARGETS:
            target = "other"  # services may ask any number of them
        self.calls[target, result] = self.calls.get((target, result), 0) + 1

    def message(self, direction: str) -> None:
        """Count a message of a WebSocket."""
        self.messages[direction] = self.messages.get(direction, 0) + 1

    def socket_closed(self, how: Closed) -> None:
        """Count a WebSocket that is closed."""
        key = (how.by, str(how.code) if how.code in NAMED_CODES else "other")  # peers may send any of 3000 to 4999
        self.sockets_closed[key] = self.sockets_closed.get(key, 0) + 1

    def webhook_done(self, result: str) -> None:
        """Count a try or an outcome of a web-hook."""
        self.webhooks[result] = self.webhooks.get(result, 0) + 1


class HttpStatistics(msgspec.Struct, frozen=True):
    """A picture of one HTTP resource adaptor entity."""

    counts: Counts
    connections: int
    in_progress: int
    event_streams: int
    sessions: int
    circuits: Mapping[str, int]
    """State by target: 0 closed, 1 open, 2 half-open."""
    websockets: int
    webhooks_pending: int
    dead_letters: int

    def metrics(self) -> Iterator[Figure]:
        """Every figure, for the exporter."""
        counts = self.counts
        text = "Requests answered, by method and class of status."
        for (method, status_class), count in counts.requests.items():
            labels = {"method": method, "class": f"{status_class}xx"}
            yield "slee_http_requests", "counter", text, labels, count
        for route, durations in counts.seconds.items():
            if not any(durations.counts):
                continue
            text = "From header section to answer, by route."
            yield "slee_http_request_seconds", "histogram", text, {"route": route}, durations.figure()
        for name, text, label, values in (
            ("slee_http_limit", "Limits that were hit.", "limit", counts.limits),
            ("slee_http_dropped", "What got no further.", "reason", counts.dropped),
            ("slee_http_webhook", "Tries and outcomes of web-hooks.", "result", counts.webhooks),
            ("slee_http_websocket_messages", "Messages of WebSockets.", "direction", counts.messages),
        ):
            for value, count in values.items():
                yield name, "counter", text, {label: value}, count
        text = "WebSockets closed, by who did it and close code."
        for (closer, code), count in counts.sockets_closed.items():
            yield "slee_http_websockets_closed", "counter", text, {"by": closer, "code": code}, count
        text = "Requests of ours, by target and result."
        for (target, result), count in counts.calls.items():
            yield "slee_http_client_requests", "counter", text, {"target": target, "result": result}, count
        yield "slee_http_connections_accepted", "counter", "Connections accepted.", {}, counts.connections
        yield "slee_http_unanswered", "counter", "Requests answered 500 because no service did.", {}, counts.unanswered
        yield from self._gauges()

    def _gauges(self) -> Iterator[Figure]:
        yield "slee_http_connections", "gauge", "Open connections.", {}, self.connections
        yield "slee_http_in_progress", "gauge", "Requests whose activity has not ended.", {}, self.in_progress
        yield "slee_http_sse_streams", "gauge", "Open event streams.", {}, self.event_streams
        yield "slee_http_websockets", "gauge", "Open WebSockets.", {}, self.websockets
        yield "slee_http_sessions", "gauge", "Live sessions.", {}, self.sessions
        yield "slee_http_webhook_pending", "gauge", "Web-hooks to be delivered.", {}, self.webhooks_pending
        yield "slee_http_webhook_dead_letters", "gauge", "Web-hooks that were given up.", {}, self.dead_letters
        text = "State of the circuit of a target: 0 closed, 1 open, 2 half-open."
        for target, state in self.circuits.items():
            yield "slee_http_circuit_state", "gauge", text, {"target": target}, state
