"""The metrics of one server, read from plain counters at scrape time (design, section 5)."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast, runtime_checkable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from slee.api.alarm import AlarmLevel
from slee.api.usage import Counter
from slee.facilities.usage import parameters_of
from slee.kernel.environment import DURATION_BOUNDS
from slee.kernel.kernel import Kernel
from slee.kernel.states import ResourceState, ServiceState, SleeState
from slee.kernel.statistics import KernelStatistics
from slee.management.management import Management
from slee.version import NAME, VENDOR, VERSION

Labels = Mapping[str, str]
Histogram = tuple[tuple[tuple[float, int], ...], float]
"""Upper bounds with cumulative counts, the last bound infinite; and the sum of all values."""
Figure = tuple[str, str, str, Labels, "float | Histogram"]
"""Name, type (`counter`, `gauge` or `histogram`), help, labels, value."""


@runtime_checkable
class Measured(Protocol):
    """A snapshot of an adaptor's counters."""

    def metrics(self) -> Iterable[Figure]:
        """Every figure; those of one name share type, help and label names."""
        ...


@runtime_checkable
class MeasuredAdaptor(Protocol):
    """An adaptor that counts."""

    def statistics(self) -> Measured:
        """A frozen picture of its counters (SIP-196)."""
        ...


class SleeCollector(Collector):
    """Reads the kernel's and the adaptors' counters; adds labels up where two rows share all of them."""

    def __init__(self, kernel: Kernel, management: Management, rows: Callable[[], Iterable[tuple[str, int]]]) -> None:
        """Take the kernel, management, and what tells names and sizes of the volatile tables."""
        self._kernel = kernel
        self._facilities = management.sources.facilities
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        families = _Families()
        for figure in self._figures():
            families.add(*figure)
        yield from families.families.values()
        version = {"name": NAME, "vendor": VENDOR, "version": VERSION}
        yield InfoMetricFamily("slee_build", "Name, vendor and version of the SLEE.", version)

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: what there is depends on what is deployed."""
        return iter(())

    def _figures(self) -> Iterator[Figure]:
        statistics = self._kernel.statistics()
        yield from _slee(statistics)
        yield from _events(statistics)
        yield from _deliveries(statistics)
        yield from _services(statistics)
        yield from _resources(statistics)
        for table, count in self._rows():
            yield "slee_table_rows", "gauge", "Rows in volatile tables.", {"table": table}, count
        yield from self._usage()
        yield from self._alarms()
        for name, entity in self._kernel.resources.items():
            adaptor: object = entity.adaptor
            if entity.is_object_active and isinstance(adaptor, MeasuredAdaptor):
                for metric, kind, text, labels, value in adaptor.statistics().metrics():
                    yield metric, kind, text, {**labels, "resource": name}, value

    def _usage(self) -> Iterator[Figure]:
        """Every parameter of every set; reading resets nothing (USG-22)."""
        for sets in self._facilities.counting:
            for set_name, parameters in sets.sets.items():
                for p in parameters_of(parameters):
                    labels = {"source": str(sets.source), "set": set_name or "", "parameter": p.name}
                    if isinstance(p, Counter):
                        yield "slee_usage", "gauge", "Usage counters.", labels, p.value
                        continue
                    yield "slee_usage_samples", "gauge", "Values in usage samples.", labels, p.count
                    yield "slee_usage_sample_accumulated", "gauge", "Sum of usage samples.", labels, p.total
                    if p.count:
                        yield "slee_usage_sample_minimum", "gauge", "Least value of usage samples.", labels, p.minimum
                        yield (
                            "slee_usage_sample_maximum",
                            "gauge",
                            "Greatest value of usage samples.",
                            labels,
                            p.maximum,
                        )

    def _alarms(self) -> Iterator[Figure]:
        active = Counts(alarm.level for alarm in self._facilities.alarms.active())
        for level in AlarmLevel:
            if level is not AlarmLevel.CLEAR:
                yield "slee_alarms", "gauge", "Active alarms.", {"level": level.name}, active[level]
        text = "Notifications that a listener failed over or a subscription had no room for."
        yield "slee_notifications_lost", "counter", text, {}, self._facilities.notifications.lost


class _Families:
    """Metric families by name, filled row by row."""

    def __init__(self) -> None:
        self.families: dict[str, Metric] = {}
        self._rows: dict[tuple[str, tuple[str, ...]], Any] = {}

    def add(self, name: str, kind: str, text: str, labels: Labels, value: float | Histogram) -> None:
        family: Any = self.families.get(name)
        if family is None:
            family = self.families[name] = _FAMILIES[kind](name, text, labels=tuple(labels))
        values = tuple(labels.values())
        before = self._rows.get((name, values))
        if kind == "histogram":
            buckets, total = cast("Histogram", value)
            if before is not None:
                raise ValueError(f"histogram {name} has {labels} twice; give each row labels of its own")
            family.add_metric(values, [(_bound(bound), count) for bound, count in buckets], total)
            self._rows[name, values] = True
        elif before is None:
            family.add_metric(values, value)
            self._rows[name, values] = len(family.samples) - 1
        else:
            sample = family.samples[before]
            family.samples[before] = sample._replace(value=sample.value + value)


_FAMILIES: Final[Mapping[str, Callable[..., Metric]]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def registry(
    kernel: Kernel, management: Management, rows: Callable[[], Iterable[tuple[str, int]]]
) -> CollectorRegistry:
    """Everything that `/metrics` shows: the SLEE, its adaptors, and the process."""
    metrics = CollectorRegistry(auto_describe=False)
    metrics.register(SleeCollector(kernel, management, rows))
    ProcessCollector(registry=metrics)
    PlatformCollector(registry=metrics)
    GCCollector(registry=metrics)
    return metrics


def _slee(s: KernelStatistics) -> Iterator[Figure]:
    contexts = s.null_activities + sum(resource.activities for resource in s.resources)
    for state in SleeState:
        yield (
            "slee_state",
            "gauge",
            "1 for the state of the SLEE.",
            {"state": state.value},
            float(state.value == s.state),
        )
    yield "slee_activity_contexts", "gauge", "Activity contexts of adaptors and of null activities.", {}, contexts
    yield "slee_null_activities", "gauge", "Null activities.", {}, s.null_activities
    yield "slee_timers", "gauge", "Timers set.", {}, s.timers
    yield "slee_queued_events", "gauge", "Events waiting or in process.", {}, s.queued
    yield "slee_ready_contexts", "gauge", "Activity contexts with an event to deliver.", {}, s.ready_contexts


def _events(s: KernelStatistics) -> Iterator[Figure]:
    for e in s.events:
        labels = {"event_type": e.event_type.name}
        yield "slee_events_accepted", "counter", "Events accepted into a queue.", labels, e.accepted
        yield "slee_events_delivered", "counter", "Events whose delivery is complete.", labels, e.delivered
        yield "slee_events_unserved", "counter", "Events delivered that no SBB received.", labels, e.unserved
        yield "slee_events_failed", "counter", "Events whose delivery could not be attempted.", labels, e.failed
        yield "slee_events_expired", "counter", "Events that waited too long.", labels, e.expired
        yield "slee_events_refused", "counter", "Events refused before they were accepted.", labels, e.refused


def _deliveries(s: KernelStatistics) -> Iterator[Figure]:
    text = "Event handlers run, by how their transaction ended."
    for d in s.deliveries:
        labels = {**_service(d.service), "sbb": d.sbb.name, "event_type": d.event_type.name}
        yield "slee_deliveries", "counter", text, {**labels, "outcome": "committed"}, d.committed
        yield "slee_deliveries", "counter", text, {**labels, "outcome": "rolled_back"}, d.rolled_back
        count = 0
        buckets: list[tuple[float, int]] = []
        for bound, number in zip((*DURATION_BOUNDS, float("inf")), d.buckets, strict=True):
            count += number
            buckets.append((bound, count))
        help_text = "Duration of deliveries, transaction included."
        yield "slee_delivery_duration_seconds", "histogram", help_text, labels, (tuple(buckets), d.seconds)


def _services(s: KernelStatistics) -> Iterator[Figure]:
    for service in s.services:
        labels = _service(service.service)
        for state in ServiceState:
            value = float(state.value == service.state)
            yield (
                "slee_service_state",
                "gauge",
                "1 for the state of a service.",
                {**labels, "state": state.value},
                value,
            )
        yield "slee_service_trees", "gauge", "Entity trees.", labels, service.trees
        yield "slee_service_entities", "gauge", "SBB entities.", labels, service.entities
        text = "Initial event selectors that raised."
        yield "slee_selector_failures", "counter", text, labels, service.selector_failures


def _resources(s: KernelStatistics) -> Iterator[Figure]:
    text = "Commands handed to adaptors after commit."
    for resource in s.resources:
        labels = {"resource": resource.name}
        for state in ResourceState:
            value = float(state.value == resource.state)
            yield (
                "slee_resource_state",
                "gauge",
                "1 for the state of an entity.",
                {**labels, "state": state.value},
                value,
            )
        yield "slee_resource_activities", "gauge", "Activities.", labels, resource.activities
        performed, failed = {**labels, "outcome": "performed"}, {**labels, "outcome": "failed"}
        yield "slee_resource_commands", "counter", text, performed, resource.performed_commands
        yield "slee_resource_commands", "counter", text, failed, resource.failed_commands


def _service(service: Any) -> dict[str, str]:
    return {"service": service.name, "version": service.version}


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(float(bound))
