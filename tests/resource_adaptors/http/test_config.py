"""HTTP-37, HTTP-40 to HTTP-42: configuration, metrics and alarms of an entity."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from resource_adaptors.http.api import GetRequest, PostRequest
from resource_adaptors.http.config import HttpConfiguration
from slee.api.errors import InvalidConfigurationError
from tests.resource_adaptors.http.kit import World


@pytest.mark.parametrize(
    "given",
    [
        {"listeners": [{"host": "localhost"}]},
        {"listeners": [{"port": 1}, {"port": 1}]},
        {"limits": {"bodies": 1}},
        {"sessions": {"/chat": {"source": "header", "name": "X"}}},
        {"auth": {"GET /x": {"bearer": {"a": "short"}}}},
        {"auth": {"GET /x": {"bearer": {"a": "\xe4" * 64}}}},
        {"static": {"X": "a\nb"}},
        {"client": {"allow_networks": ["nowhere"]}},
        {"webhooks": {"targets": {"a": {"url": "http://a/", "keys": []}}}},
    ],
)
def test_http_42_a_wrong_configuration_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HttpConfiguration(**given)


def test_http_42_limits_change_while_active_and_listeners_do_not() -> None:
    with World() as world:
        world.answer(PostRequest)
        changed = world.http.settings.model_copy(
            update={"limits": world.http.settings.limits.model_copy(update={"body": 10})}
        )
        world.http.ra_verify_configuration(changed)
        world.http.ra_configuration_update(changed)
        assert world.client().post("/x", body=b"x" * 10).status == 200
        assert world.client().post("/x", body=b"x" * 11).status == 413
        with pytest.raises(InvalidConfigurationError, match="listeners"):
            world.http.ra_verify_configuration(changed.model_copy(update={"listeners": ()}))


def test_http_37_configured_headers_are_on_every_answer() -> None:
    static = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    with World(static=static) as world:
        world.answer(GetRequest)
        client = world.client()
        for answer in (client.get("/x"), client.get("/nowhere"), client.request("OPTIONS", "/x")):
            assert {name: answer.header(name) for name in static} == static


def test_http_40_labels_come_from_closed_sets() -> None:
    with World() as world:
        world.answer(GetRequest)
        client = world.client()
        client.get("/calls/1")
        client.get("/calls/2")
        client.get("/secret/path")
        client.request("MKCOL", "/x")
        figures = list(world.http.statistics().metrics())
        rows = {(name, *labels.values()): value for name, _, _, labels, value in figures}
        assert rows["slee_http_requests", "GET", "2xx"] == 2
        assert [labels for name, *_, labels, _ in figures if name == "slee_http_request_seconds"] == [
            {"route": "/calls/{id}"}
        ]
        buckets, _ = rows["slee_http_request_seconds", "/calls/{id}"]
        assert buckets[-1] == (float("inf"), 2)
        assert not [labels for *_, labels, _ in figures if "secret" in str(labels) or "MKCOL" in str(labels)]
        assert rows["slee_http_connections",] == 1


def test_http_41_a_dead_letter_raises_an_alarm_until_it_is_dropped() -> None:
    with World(webhooks={"targets": {"crm": {"url": "http://crm.test/", "keys": ["k"]}}}) as world:
        world.at(GetRequest, lambda sbb, event, aci: (sbb.http.webhook("crm", b"x"), sbb.http.respond(aci, 202)))
        world.client().get("/x")
        world.http.calls[0].answer(404)
        assert [alarm.alarm_type for alarm in world.slee.alarms] == ["http.webhook_dead_letter"]
        world.http.webhooks.drop(next(iter(world.http.webhooks.dead)))
        assert not world.slee.alarms


def test_http_28_the_interface_tells_a_response_that_was_too_large() -> None:
    with World() as world:
        world.at(
            GetRequest,
            lambda sbb, event, aci: (sbb.http.request("GET", "http://a/").attach(sbb), sbb.http.respond(aci, 202)),
        )
        world.client().get("/x")
        world.http.calls[0].fail("response_too_large")
        assert world.events[-1].reason == "response_too_large"
