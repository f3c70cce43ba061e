"""HTTP-33: a repeated idempotency key gets the first answer."""

from __future__ import annotations

from typing import Any

from resource_adaptors.http.api import ClientDisconnected, GetRequest, PostRequest
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator
from slee import ActivityContext
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.resource_adaptors.http.kit import EVENTS, SCRIPT, Desk, World

ROUTES: dict[str, Any] = {"idempotency": {"/x": {"keep": 100}}}
KEY = [("Idempotency-Key", "k1")]


def posts() -> int:
    return sum(isinstance(event, PostRequest) for event in EVENTS)


def test_http_33_a_repeated_request_gets_the_first_answer_and_no_event() -> None:
    with World(**ROUTES) as world:
        world.answer(PostRequest, status=201, body=b"made", content_type="text/plain", headers=[("Location", "/x/1")])
        first = world.client().post("/x", body=b"a", headers=KEY)
        again = world.client().post("/x", body=b"a", headers=KEY)
        assert (first.status, first.header("idempotency-replayed")) == (201, None)
        assert (again.status, again.body, again.header("location")) == (201, b"made", "/x/1")
        assert again.header("idempotency-replayed") == "true"
        assert posts() == 1


def test_http_33_another_body_is_refused() -> None:
    with World(**ROUTES) as world:
        world.answer(PostRequest)
        world.client().post("/x", body=b"a", headers=KEY)
        refused = world.client().post("/x", body=b"b", headers=KEY)
        assert (refused.status, refused.json()["code"]) == (422, "idempotency_body")


def test_http_33_one_that_is_still_running_is_refused() -> None:
    with World(**ROUTES) as world:
        waiting: list[ActivityContext] = []
        world.at(PostRequest, lambda sbb, event, aci: (waiting.append(aci), sbb.timers.set(aci, after=99)))
        first = world.client().post("/x", body=b"a", headers=KEY)
        assert world.client().post("/x", body=b"a", headers=KEY).status == 409
        assert world.client().post("/x", body=b"b", headers=KEY).status == 422
        world.at(GetRequest, lambda sbb, event, aci: (sbb.http.respond(waiting[0], 200), sbb.http.respond(aci, 200)))
        world.client().get("/x")
        assert first.status == 200
        assert world.client().post("/x", body=b"a", headers=KEY).status == 200
        assert posts() == 1


def test_http_33_keys_are_those_of_a_principal_a_method_and_a_path() -> None:
    with World(idempotency={"*": {}}) as world:
        world.answer(PostRequest)
        for target in ("/x", "/calls/1/hangup", "/calls/2/hangup"):
            assert world.client().post(target, headers=KEY).status == 200
        assert posts() == 3


def test_http_33_routes_that_do_not_opt_in_take_no_notice() -> None:
    with World() as world:
        world.answer(PostRequest)
        for _ in range(2):
            world.client().post("/x", headers=KEY)
        assert posts() == 2


def test_http_33_a_key_can_be_required() -> None:
    with World(idempotency={"POST /x": {"required": True}}) as world:
        world.answer(PostRequest)
        assert world.client().post("/x").status == 400
        assert world.client().post("/x", headers=[("Idempotency-Key", "k" * 256)]).status == 400
        assert world.client().post("/x", headers=[("Idempotency-Key", "k" * 255)]).status == 200


def test_http_33_an_answer_is_kept_for_its_time() -> None:
    with World(**ROUTES) as world:
        world.answer(PostRequest)
        client = world.client()
        client.post("/x", headers=KEY)
        world.slee.advance(70)
        client.get("/y")
        world.slee.advance(28)
        client = world.client()
        client.post("/x", headers=KEY)
        assert posts() == 1
        world.slee.advance(3)
        client.post("/x", headers=KEY)
        assert posts() == 2


def test_http_33_there_are_only_so_many_answers() -> None:
    with World(**ROUTES, limits={"kept_answers": 2}) as world:
        world.answer(PostRequest)
        for number in range(3):
            world.client().post("/x", headers=[("Idempotency-Key", str(number))])
        assert len(world.http.serving.answers) == 2
        world.client().post("/x", headers=[("Idempotency-Key", "0")])
        assert posts() == 4


def test_http_33_a_failure_leaves_the_key_free() -> None:
    with World(**ROUTES, failures_allowed=True) as world:

        def fail(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
            raise RuntimeError

        world.at(PostRequest, fail)
        assert world.client().post("/x", headers=KEY).status == 500
        world.answer(PostRequest)
        assert world.client().post("/x", headers=KEY).status == 200


def test_http_33_a_client_that_went_away_gets_its_answer_when_it_asks_again() -> None:
    with World(**ROUTES) as world:
        waiting: list[ActivityContext] = []
        world.at(PostRequest, lambda sbb, event, aci: (waiting.append(aci), sbb.timers.set(aci, after=99)))
        client = world.client()
        client.post("/x", headers=KEY)
        client.disconnect()
        assert any(isinstance(event, ClientDisconnected) for event in EVENTS)

        def finish(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            sbb.http.respond(waiting[0], 201, body=b"done")
            sbb.http.respond(aci, 200)

        world.at(GetRequest, finish)
        world.client().get("/x")
        assert world.client().post("/x", headers=KEY).status == 201
        assert posts() == 1


def test_http_33_what_nobody_answers_after_the_client_has_gone_ends_at_the_deadline() -> None:
    with World(**ROUTES, deadlines={"response": 5}) as world:
        world.at(PostRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=99))
        client = world.client()
        client.post("/x", headers=KEY)
        client.disconnect()
        assert world.http.serving.exchanges
        world.slee.advance(7)
        assert not world.http.serving.exchanges
        world.answer(PostRequest)
        assert world.client().post("/x", headers=KEY).status == 200


def test_http_33_a_body_that_is_streamed_cannot_be_compared() -> None:
    with World(**ROUTES, limits={"inline_body": 10}) as world:
        assert world.client().post("/x", body=b"x" * 20, headers=KEY).status == 413


def test_http_33_answers_are_kept_over_a_crash() -> None:
    EVENTS.clear()
    SCRIPT.clear()
    SCRIPT[PostRequest] = lambda sbb, event, aci: sbb.http.respond(aci, 201, body=b"made")
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    http = slee.add_resource("http-main", HttpSimulator(), HttpConfiguration(**ROUTES))
    slee.install(Desk)
    assert http.client().post("/x", headers=KEY).status == 201
    slee.advance(1)
    slee = slee.crash(survivors=0, downtime=5.0)
    http = slee.add_resource("http-main", HttpSimulator(), HttpConfiguration(**ROUTES))
    slee.install(Desk)
    slee.restart()
    assert http.client().post("/x", headers=KEY).body == b"made"
    assert posts() == 1
