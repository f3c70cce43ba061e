"""HTTP-23 to HTTP-29: requests to other servers."""

from __future__ import annotations

import ipaddress

import pytest

from resource_adaptors.http.api import (
    GetRequest,
    HttpClientError,
    HttpRedirect,
    HttpServerError,
    HttpSuccess,
    HttpTimeout,
    HttpTransportError,
    LocalProtocolError,
    Response,
    ResponseSent,
)
from resource_adaptors.http.protocol.calls import CLOSED, HALF_OPEN, OPEN, Circuit, is_allowed, new_call
from slee import ActivityContext
from tests.resource_adaptors.http.kit import Desk, World

URL = "http://api.test/v1"


def asking(world: World, *, count: int = 1, **given: object) -> None:
    """Have the service make requests when it gets one."""
    world.events.clear()

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        for _ in range(count):
            sbb.http.request(given.get("method", "GET"), given.get("url", URL), **rest(given)).attach(sbb)
        sbb.http.respond(aci, 202)

    world.at(GetRequest, act)
    world.client().get("/x")
    world.events[:] = [e for e in world.events if not isinstance(e, GetRequest | ResponseSent)]


def rest(given: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in given.items() if key not in ("method", "url")}


def test_http_23_an_answer_gives_its_json_value_or_says_that_it_has_none() -> None:
    assert Response(200, (), b'{"target": "sip:bob"}').json() == {"target": "sip:bob"}
    with pytest.raises(ValueError, match="JSON"):
        Response(200, (), b"sip:bob").json()


@pytest.mark.parametrize(
    ("status", "event_class"),
    [(200, HttpSuccess), (204, HttpSuccess), (302, HttpRedirect), (404, HttpClientError), (500, HttpServerError)],
)
def test_http_23_the_outcome_is_one_event_by_the_class_of_its_status(status: int, event_class: type) -> None:
    with World() as world:
        asking(world, headers=[("X-A", "b")], method="POST", body=b"ask")
        (made,) = world.http.calls
        assert (made.call.method, made.call.url, made.call.body, made.headers["x-a"]) == ("POST", URL, b"ask", "b")
        made.answer(status, b"body", [("X-B", "c")])
        (event,) = world.events
        assert type(event) is event_class
        assert (event.response.status, event.response.body, event.response.header("x-b")) == (status, b"body", "c")


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://a/"},
        {"url": "/relative"},
        {"url": "http://user:pw@a/"},
        {"url": "http://a/\r\nX: y"},
        {"url": "http://a:22/"},
        {"url": "http://192.0.2.999/"},
        {"url": "http://[v1.a]/"},
        {"url": "http://a/" + "x" * 70_000},
        {"method": "GET X"},
        {"timeout": 0.0},
        {"redirects": 6},
        {"headers": [("X", "a\nb")]},
    ],
)
def test_http_23_what_cannot_be_asked_is_refused_at_the_call(given: dict[str, object]) -> None:
    with World() as world:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            with pytest.raises(LocalProtocolError):
                sbb.http.request(given.get("method", "GET"), given.get("url", URL), **rest(given))
            sbb.http.respond(aci, 202)

        world.at(GetRequest, act)
        assert world.client().get("/x").status == 202
        assert not world.http.calls


def test_http_23_a_request_that_rolled_back_was_never_made() -> None:
    with World(failures_allowed=True) as world:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            sbb.http.request("GET", URL)
            raise LookupError

        world.at(GetRequest, act)
        assert world.client().get("/x").status == 500
        assert not world.http.calls


def test_http_23_time_is_up_for_all_tries_together() -> None:
    with World() as world:
        asking(world, timeout=5.0)
        world.slee.advance(4.9)
        assert not world.events
        world.slee.advance(0.2)
        assert world.events == [HttpTimeout(1)]
        assert world.http.calls[0].is_over


def test_http_24_connections_and_the_queue_are_bounded_for_each_target() -> None:
    with World(client={"connections": 2, "queue": 1}) as world:
        asking(world, count=4)
        assert len(world.http.calls) == 2
        assert world.events == [HttpTransportError("queue_full", 0)]
        world.http.calls[0].answer(200)
        assert len(world.http.calls) == 3
        for made in world.http.calls[1:]:
            made.answer(200)
        assert world.kinds().count("HttpSuccess") == 3


@pytest.mark.parametrize(
    ("method", "key", "outcome", "tries"),
    [
        ("GET", None, 503, 3),
        ("PUT", None, 502, 3),
        ("DELETE", None, 504, 3),
        ("GET", None, 429, 3),
        ("GET", None, "connect", 3),
        ("GET", None, "reset", 3),
        ("GET", None, 500, 1),
        ("GET", None, 404, 1),
        ("GET", None, "tls", 1),
        ("POST", None, 503, 1),
        ("POST", "k-1", 503, 3),
        ("PATCH", None, "reset", 1),
    ],
)
def test_http_25_only_what_is_safe_is_tried_again(method: str, key: str | None, outcome: int | str, tries: int) -> None:
    with World() as world:
        asking(world, method=method, idempotency_key=key)
        for number in range(tries):
            assert len(world.http.calls) == number + 1
            made = world.http.calls[number]
            if isinstance(outcome, int):
                made.answer(outcome)
            else:
                made.fail(outcome)
            world.slee.advance(1)
        assert len(world.http.calls) == tries
        (event,) = world.events
        assert (event.tries if isinstance(event, HttpTransportError) else event.response.tries) == tries
        assert {made.headers.get("idempotency-key") for made in world.http.calls} == {key}


@pytest.mark.parametrize(("asked", "calls"), [("5", 2), ("10", 2), ("11", 1), ("tomorrow", 1)])
def test_http_25_a_short_retry_after_is_waited_for(asked: str, calls: int) -> None:
    with World() as world:
        asking(world, timeout=60.0)
        world.http.calls[0].answer(429, headers=[("Retry-After", asked)])
        if calls == 2:
            world.slee.advance(float(asked) - 0.1)
            assert len(world.http.calls) == 1
        world.slee.advance(11)
        assert len(world.http.calls) == calls
        if calls == 2:
            world.http.calls[1].answer(200)


def test_http_26_a_target_that_fails_is_left_alone_and_then_probed_once() -> None:
    with World(client={"retries": {"tries": 0}, "breaker": {"failures": 3, "within": 10, "open": 10}}) as world:
        asking(world, count=3)
        for made in world.http.calls:
            made.fail("connect")
        assert [alarm.alarm_type for alarm in world.slee.alarms] == ["http.circuit_open"]
        asking(world)
        assert world.events == [HttpTransportError("circuit_open", 0)]
        assert len(world.http.calls) == 3
        world.slee.advance(10)
        asking(world, count=2)
        assert len(world.http.calls) == 4  # one probe, the other fails at once
        world.http.calls[3].answer(200)
        assert not world.slee.alarms
        asking(world)
        world.http.calls[4].answer(200)


def test_http_26_the_circuit_as_a_value() -> None:
    circuit = Circuit(2, 10.0, 5.0)
    assert circuit.allow(0)
    circuit.report(0, success=False)
    assert circuit.state == CLOSED
    circuit.report(11, success=False)
    assert circuit.state == CLOSED  # not within ten seconds
    assert circuit.report(12, success=False)
    assert circuit.state == OPEN
    assert not circuit.allow(16.9)
    assert circuit.allow(17)
    assert circuit.state == HALF_OPEN
    assert not circuit.allow(17)
    assert circuit.report(18, success=False)
    assert not circuit.allow(22)
    assert circuit.allow(23)
    assert circuit.report(23, success=True)
    assert circuit.allow(23)


def test_http_27_redirects_are_not_followed_unless_asked() -> None:
    with World() as world:
        asking(world)
        world.http.calls[0].answer(302, headers=[("Location", "/other")])
        assert world.kinds() == ["HttpRedirect"]


def test_http_27_redirects_are_followed_without_credentials_for_another_origin() -> None:
    with World() as world:
        asking(world, redirects=2, headers=[("Authorization", "x"), ("X-A", "b")], method="POST", body=b"x")
        world.http.calls[0].answer(307, headers=[("Location", "/v2")])
        second = world.http.calls[1]
        assert (second.call.url, second.call.method, second.headers["authorization"]) == (
            "http://api.test/v2",
            "POST",
            "x",
        )
        second.answer(303, headers=[("Location", "https://other.test/")])
        third = world.http.calls[2]
        assert (third.call.method, third.call.body, third.headers) == ("GET", b"", {"x-a": "b"})
        third.answer(302, headers=[("Location", "/again")])
        assert world.kinds() == ["HttpRedirect"]  # the number is used up


def test_http_27_never_from_https_to_http() -> None:
    with World() as world:
        asking(world, redirects=2, url="https://api.test/")
        world.http.calls[0].answer(302, headers=[("Location", "http://api.test/")])
        assert world.kinds() == ["HttpRedirect"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "224.0.0.1",
        "0.0.0.0",  # noqa: S104  only judged, never bound
        "::ffff:127.0.0.1",
        "100.64.0.1",
    ],
)
def test_http_29_addresses_inside_are_refused_unless_allowed(address: str) -> None:
    assert not is_allowed(address, ())
    plain = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(plain, "ipv4_mapped", None) or plain
    assert is_allowed(address, (ipaddress.ip_network(plain),))


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe"])
def test_http_29_addresses_outside_are_allowed(address: str) -> None:
    assert is_allowed(address, ())


@pytest.mark.parametrize(
    ("port", "fits"), [(80, True), (443, True), (1024, True), (81, False), (1023, False), (25, False)]
)
def test_http_29_only_some_ports_may_be_asked(port: int, fits: bool) -> None:
    try:
        new_call("h", "GET", f"http://a:{port}/", (), b"", 1.0)
    except LocalProtocolError as error:
        assert not fits
        assert "HTTP-29" in str(error)
    else:
        assert fits


def test_http_26_a_probe_that_is_given_up_leaves_the_next_one_to_probe() -> None:
    with World(client={"breaker": {"failures": 1, "open": 5}, "retries": {"tries": 0}}) as world:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            made = sbb.http.request("GET", URL)
            made.attach(sbb)
            if event.request.query == "cancel":
                sbb.http.cancel(made)
            sbb.http.respond(aci, 202)

        world.at(GetRequest, act)
        world.client().get("/x")
        world.http.calls[0].fail("connect")
        world.slee.advance(6)
        world.client().get("/x?cancel")
        world.client().get("/x")
        assert len(world.http.calls) == 3
        world.http.calls[2].answer(200)
        assert not world.slee.alarms


@pytest.mark.parametrize(("status", "tries"), [(200, 3), (503, 2)])
def test_http_26_a_probe_decides_what_becomes_of_the_queue(status: int, tries: int) -> None:
    client = {"connections": 1, "breaker": {"failures": 1, "open": 5}, "retries": {"tries": 0}, "timeout": 1000}
    with World(client=client) as world:
        asking(world)
        world.http.calls[0].fail("connect")
        world.slee.advance(6)
        asking(world, count=2)
        world.http.calls[1].answer(status)
        assert len(world.http.calls) == tries
        for made in world.http.calls[2:]:
            made.answer(200)


def test_http_26_origins_that_failed_long_ago_are_forgotten() -> None:
    with World(client={"retries": {"tries": 0}, "breaker": {"failures": 1, "open": 5}}) as world:
        for number in range(1100):
            asking(world, url=f"http://h{number}.test/")
            world.http.calls[-1].fail("connect")
            world.slee.advance(1)
        assert len(world.http.outgoing.circuits) < 100
        assert len(world.slee.alarms) == len(world.http.outgoing.circuits)


@pytest.mark.parametrize("location", ["http://[", "http://[v1.a]/", "http://a:x/", "mailto:a"])
def test_http_27_a_redirect_to_what_is_no_url_is_the_outcome(location: str) -> None:
    with World() as world:
        asking(world, redirects=1)
        world.http.calls[0].answer(302, b"", [("Location", location)])
        assert [type(event) for event in world.events] == [HttpRedirect]
