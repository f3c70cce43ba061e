"""One server under one load: processor time per operation, response times, memory, and what went wrong."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contenders import Contender
from benchmarks.loads import Load
from benchmarks.probe import Probe
from benchmarks.process_tree import Memory, cpu_seconds, memory
from tests.interop.peers import SippVerdict

_WARM_UP: Final = 2.0
"""Seconds of load before the measured window: imports, caches and the first growth of the heap are not the question."""
_PROBE_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a loaded window showed."""

    server: str
    asked: float
    """Operations a second that the load was to make."""
    operations: int
    seconds: float
    cpu_us: float
    """User and system time per operation in microseconds, all processes of the server."""
    probe_ms: tuple[float, float]
    """Median and 99th percentile of the answer to an OPTIONS probe beside the load."""
    setup_ms: tuple[float, float] | None
    """The same of INVITE to 200, by SIPp's clock of 1 ms; None for other loads."""
    memory: Memory
    failed: int
    retransmitted: int

    @property
    def rate(self) -> float:
        """Operations a second that were reached."""
        return self.operations / self.seconds

    @property
    def is_clean(self) -> bool:
        """Whether failed and retransmitted operations stay under 0.1 % of all."""
        return self.failed + self.retransmitted <= self.operations / 1000


def measure(contender: Contender, load: Load, seconds: float) -> Measurement:
    """Start the server, warm it up, load it for `seconds`, and end it."""
    warm, operations = round(load.rate * _WARM_UP), round(load.rate * seconds)
    with tempfile.TemporaryDirectory(prefix="bench-") as place, ExitStack() as stack:
        folder = Path(place)
        server = contender.make(folder).start()
        stack.enter_context(server.child)
        load.prepare(server, folder, warm + operations, stack)
        with load.drive(server, folder, warm) as generator:
            _tell_failure(contender.name, generator.finish())
        with Probe(server.sip, min(50.0, load.rate * _PROBE_SHARE)) as probe:
            cpu, began = cpu_seconds(server.child.pid), time.monotonic()
            generator = stack.enter_context(load.drive(server, folder, operations))
            verdict = generator.finish()
            cpu, elapsed = cpu_seconds(server.child.pid) - cpu, time.monotonic() - began
        used = memory(server.child.pid)
        _tell_failure(contender.name, verdict)
        others = load.finish()
        for other in others:
            _tell_failure(contender.name, other)
        setup = percentiles(generator.response_times.get("1", [])) if load.name == "calls" else None
    done = verdict.successful + (len(probe.waits) if load.name != "calls" else 0)
    return Measurement(
        server=contender.name,
        asked=load.rate,
        operations=verdict.successful,
        seconds=elapsed,
        cpu_us=cpu / max(done, 1) * 1e6,
        probe_ms=percentiles(probe.waits),
        setup_ms=setup,
        memory=used,
        failed=verdict.failed + (operations - verdict.calls) + sum(other.failed for other in others) + probe.unanswered,
        retransmitted=verdict.retransmissions + sum(other.retransmissions for other in others),
    )


def _tell_failure(server: str, verdict: SippVerdict) -> None:
    if verdict.status:
        print(f"{server}: {verdict.scenario}: {verdict.summary}\n{verdict.errors}", file=sys.stderr)


def percentiles(values: list[float]) -> tuple[float, float]:
    """Return median and 99th percentile; not a number where there are no values."""
    if not values:
        return float("nan"), float("nan")
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
