"""The collector: counters read at scrape time, rows with equal labels added up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from slee.management.metrics import Figure, registry
from tests.deploy.echo import EchoAdaptor, Heard
from tests.deploy.workshop import GREETER, PLACES, Server, build, plain


class Snapshot:
    """Counters of an adaptor."""

    def metrics(self) -> Iterator[Figure]:
        yield "echo_said_total", "counter", "Words said.", {"loud": "yes"}, 3
        yield "echo_said_total", "counter", "Words said.", {"loud": "no"}, 4
        buckets = ((0.1, 1), (math.inf, 2))
        yield "echo_delay_seconds", "histogram", "Delay of the echo.", {}, (buckets, 0.7)


class MeasuredEcho(EchoAdaptor):
    """An adaptor that counts."""

    def statistics(self) -> Snapshot:
        return Snapshot()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("tests.deploy.workshop.EchoAdaptor", MeasuredEcho)
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    server.connect()
    yield server
    server.close()


def scraped(server: Server) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    def tables() -> list[tuple[str, int]]:
        return [(identity.name, table.count) for identity, table in server.tables.tables.items()]

    text = generate_latest(registry(server.kernel, server.management, tables)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_happened_is_shown(server: Server) -> None:
    places = build(PLACES)
    server.install(places, build(GREETER, places))
    server.services.activate(["Greeter"])
    server.fire("a", Heard("bob", "hi"))
    server.fire("a", Heard("eve", "hi"))
    figures = scraped(server)
    event = ("event_type", "echo.Heard")
    service = ("service", "Greeter"), ("version", "1.0.0")
    sbb = ("sbb", "Greeter")
    assert figures["slee_events_accepted_total", (event,)] == 2
    assert figures["slee_events_delivered_total", (event,)] == 2
    assert figures["slee_deliveries_total", (event, ("outcome", "committed"), sbb, *service)] == 2
    assert figures["slee_deliveries_total", (event, ("outcome", "rolled_back"), sbb, *service)] == 0
    assert figures["slee_delivery_duration_seconds_count", (event, sbb, *service)] == 2
    assert figures["slee_delivery_duration_seconds_bucket", (event, ("le", "+Inf"), sbb, *service)] == 2
    assert figures["slee_service_entities", service] == 1
    assert figures["slee_resource_activities", (("resource", "echo"),)] == 1
    assert figures["slee_resource_commands_total", (("outcome", "performed"), ("resource", "echo"))] == 2
    assert figures["slee_table_rows", (("table", "places"),)] == 2
    source = "sbb:ServiceID[name=Greeter,vendor=test,version=1.0.0]/SbbID[name=Greeter,vendor=test,version=1.0]"
    assert figures["slee_usage", (("parameter", "greeted"), ("set", ""), ("source", source))] == 2
    assert figures["slee_alarms", (("level", "CRITICAL"),)] == 0
    assert figures["slee_state", (("state", "Running"),)] == 1
    assert figures["slee_state", (("state", "Stopped"),)] == 0


def test_an_adaptors_own_figures_carry_its_entity(server: Server) -> None:
    figures = scraped(server)
    assert figures["echo_said_total", (("loud", "yes"), ("resource", "echo"))] == 3
    assert figures["echo_said_total", (("loud", "no"), ("resource", "echo"))] == 4
    assert figures["echo_delay_seconds_bucket", (("le", "0.1"), ("resource", "echo"))] == 1
    assert figures["echo_delay_seconds_sum", (("resource", "echo"),)] == 0.7


def test_events_of_two_versions_of_one_type_are_added_up(server: Server, tmp_path: Path) -> None:
    server.install(plain(tmp_path, "1.0"), plain(tmp_path, "2.0"))
    names = [name for name, _ in scraped(server)]
    assert len(names) == len([*scraped(server)])
