"""HTTP-34 to HTTP-39: who may use a route, how often, from which page, and behind which forwarder."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from resource_adaptors.http.api import GetRequest, PatchRequest, PostRequest, Principal
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.protocol.buckets import Buckets
from resource_adaptors.http.protocol.groups import chosen, parse_group
from resource_adaptors.http.protocol.origins import own_origin, parse_origin
from resource_adaptors.http.protocol.routes import Route
from resource_adaptors.http.protocol.webhooks import signature
from tests.resource_adaptors.http.kit import World

APP = "https://app.example.net"
HOME = "http://slee.example.test"


def vary(world: World, **changes: Any) -> None:
    """Change the configuration while the adaptor is active."""
    world.http.ra_configuration_update(HttpConfiguration(**(world.http.settings.model_dump() | changes)))


# Groups of routes.


@pytest.mark.parametrize(
    ("key", "route", "covers"),
    [
        ("*", "/x", True),
        ("/calls/*", "/calls/{id}", True),
        ("/calls/*", "/calls", True),
        ("/calls/*", "/callsign", False),
        ("/calls/{id}", "/calls/{id}", True),
        ("/calls/{id}", "/calls/{id}/hangup", False),
        ("POST /x", "/x", False),
        ("GET /x", "/x", True),
    ],
)
def test_http_35_a_group_covers_the_routes_that_it_names(key: str, route: str, covers: bool) -> None:
    assert parse_group(key).covers(Route("GET", route)) is covers


def test_http_35_the_most_specific_group_counts() -> None:
    sections = {"*": 1, "/calls/*": 2, "/calls/{id}": 3, "GET /calls/{id}": 4}
    route = Route("GET", "/calls/{id}")
    for expected in (4, 3, 2, 1):
        key, value = chosen(sections, route) or ("", 0)
        assert value == expected
        del sections[key]
    assert chosen(sections, route) is None


@pytest.mark.parametrize("key", ["", "x", "get /x", "/a*b", "GET POST /x"])
def test_http_35_what_is_no_group_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        HttpConfiguration(rates={key: {"source": 1}})


# Signatures and certificates.


def signed(key: bytes, identity: str, at: float, body: bytes) -> list[tuple[str, str]]:
    return [
        ("Webhook-Id", identity),
        ("Webhook-Timestamp", str(int(at))),
        ("Webhook-Signature", signature([key], identity, int(at), body)),
    ]


def test_http_34_a_signed_request_names_its_principal_once() -> None:
    auth = {"POST /x": {"signatures": {"crm": "a key", "erp": "another"}, "roles": {"crm": ["writer"]}}}
    with World(auth=auth) as world:
        world.answer(PostRequest)
        client = world.client()
        now = world.slee.clock.now
        good = signed(b"a key", "m1", now, b"hello")
        assert client.post("/x", body=b"hello", headers=good).status == 200
        assert world.events[0].request.principal == Principal("crm", frozenset({"writer"}))
        assert client.post("/x", body=b"hello", headers=good).status == 401
        assert client.post("/x", body=b"other", headers=signed(b"a key", "m2", now, b"hello")).status == 401
        assert client.post("/x", body=b"hello", headers=signed(b"no key", "m3", now, b"hello")).status == 401
        assert client.post("/x", body=b"hello", headers=signed(b"a key", "m4", now - 400, b"hello")).status == 401
        missing = client.post("/x", body=b"hello")
        assert missing.status == 401
        assert missing.header("www-authenticate") == "Webhook-Signature"
        assert len([e for e in world.events if isinstance(e, PostRequest)]) == 1


def test_http_34_a_signed_body_that_is_streamed_is_refused() -> None:
    with World(auth={"/x": {"signatures": {"crm": "k"}}}, limits={"inline_body": 10}) as world:
        body = b"x" * 20
        client = world.client()
        assert client.post("/x", body=body, headers=signed(b"k", "m", world.slee.clock.now, body)).status == 413


def test_http_34_a_certificate_names_its_principal() -> None:
    with World(auth={"GET /x": {"certificates": {"pbx": "DNS:pbx.example.net"}}}) as world:
        world.answer(GetRequest)
        client = world.client()
        assert client.get("/x").status == 401
        client.connection.certificate_names = frozenset({"CN:pbx", "DNS:pbx.example.net"})
        assert client.get("/x").status == 200
        assert world.events[0].request.principal.name == "pbx"


# Rates.


def test_http_35_a_source_that_asks_too_often_gets_429() -> None:
    with World(rates={"GET /*": {"source": 0.5, "source_burst": 2}}) as world:
        world.answer(GetRequest, PostRequest)
        client = world.client()
        assert [client.get(target).status for target in ("/x", "/calls/1")] == [200, 200]
        refused = client.get("/x")
        assert (refused.status, refused.header("retry-after")) == (429, "3")
        assert client.post("/x").status == 200  # no route of the group
        assert world.client("203.0.113.9").get("/x").status == 200
        world.slee.advance(2)
        assert client.get("/x").status == 200
        assert client.get("/x").status == 429


def test_http_35_a_principal_that_asks_too_often_gets_429_wherever_it_asks_from() -> None:
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b")}
    auth, rates = {"*": {"bearer": digests}}, {"*": {"principal": 1, "principal_burst": 1}}
    with World(auth=auth, rates=rates) as world:
        world.answer(GetRequest)
        asked = [(host, name) for host in ("198.51.100.1", "198.51.100.2") for name in ("a", "b")]
        statuses = [
            world.client(host).get("/x", headers=[("Authorization", f"Bearer {name}")]).status for host, name in asked
        ]
        assert statuses == [200, 200, 429, 429]


def test_http_35_a_change_of_other_settings_leaves_the_buckets_as_they_are() -> None:
    with World(rates={"*": {"source": 0.01, "source_burst": 1}}) as world:
        world.answer(GetRequest)
        client = world.client()
        assert client.get("/x").status == 200
        vary(world, deadlines={"response": 20})
        assert client.get("/x").status == 429
        vary(world, rates={"*": {"source": 0.01, "source_burst": 2}})
        assert client.get("/x").status == 200


def test_http_35_full_buckets_are_not_remembered() -> None:
    buckets = Buckets(1.0, 2)
    assert buckets.take("a", 0.0) == 0.0
    assert buckets.take("b", 0.9) == 0.0
    buckets.forget_full(1.0)
    assert len(buckets) == 1
    for number in range(70_000):
        buckets.take(str(number), 1.0)
    assert len(buckets) == 65_536


# Other origins.

CORS: dict[str, Any] = {
    "/x": {"origins": [APP], "methods": ["GET", "PUT"], "headers": ["x-token"], "exposed": ["etag"]}
}


def test_http_36_nothing_is_said_of_origins_unless_it_is_configured() -> None:
    with World() as world:
        world.answer(GetRequest)
        answer = world.client().get("/x", headers=[("Origin", APP)])
        assert answer.header("access-control-allow-origin") is None
        asked = [("Origin", APP), ("Access-Control-Request-Method", "PUT")]
        assert world.client().request("OPTIONS", "/x", headers=asked).header("access-control-allow-origin") is None


def test_http_36_a_page_of_a_configured_origin_may_read_the_answer() -> None:
    with World(cors=CORS) as world:
        world.answer(GetRequest)
        answer = world.client().get("/x", headers=[("Origin", APP)])
        assert answer.header("access-control-allow-origin") == APP
        assert answer.header("access-control-expose-headers") == "etag"
        assert answer.header("access-control-allow-credentials") is None
        assert answer.header("vary") == "Origin"
        other = world.client().get("/x", headers=[("Origin", "https://evil.example")])
        assert (other.header("access-control-allow-origin"), other.header("vary")) == (None, "Origin")


@pytest.mark.parametrize(
    ("origin", "method", "headers", "allowed"),
    [
        (APP, "PUT", "X-Token", True),
        (APP, "PUT", "", True),
        (APP, "DELETE", "", False),
        (APP, "PUT", "X-Token, X-Other", False),
        (APP + ".evil.example", "PUT", "", False),
        ("null", "PUT", "", False),
    ],
)
def test_http_36_a_preflight_is_answered_exactly(origin: str, method: str, headers: str, allowed: bool) -> None:
    with World(cors=CORS) as world:
        asked = [("Origin", origin), ("Access-Control-Request-Method", method)]
        if headers:
            asked.append(("Access-Control-Request-Headers", headers))
        answer = world.client().request("OPTIONS", "/x", headers=asked)
        assert answer.status == 204
        assert answer.header("access-control-allow-origin") == (APP if allowed else None)
        assert answer.header("access-control-allow-methods") == ("GET, PUT" if allowed else None)


@pytest.mark.parametrize("origins", [[], ["*"], ["null"], ["app.example.net"], ["https://a.example/path"]])
def test_http_36_only_exact_origins_can_be_configured(origins: list[str]) -> None:
    with pytest.raises(ValidationError):
        HttpConfiguration(cors={"*": {"origins": origins, "credentials": True}})


def test_http_36_a_refusal_can_be_read_by_the_page_too() -> None:
    bearer = {"a": hashlib.sha256(b"a").hexdigest()}
    with World(cors=CORS, auth={"GET /x": {"bearer": bearer}}) as world:
        answer = world.client().get("/x", headers=[("Origin", APP)])
        assert (answer.status, answer.header("access-control-allow-origin")) == (401, APP)


# Pages and cookies.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 200),  # without a cookie there is nothing to misuse
        ([("Cookie", "sid=1")], 403),
        ([("Cookie", "sid=1"), ("Origin", "https://evil.example")], 403),
        ([("Cookie", "sid=1"), ("Origin", "null")], 403),
        # What a form sends from a page with `Referrer-Policy: no-referrer`, as HTTP-37 has it (Fetch, Fetch Metadata).
        ([("Cookie", "sid=1"), ("Origin", "null"), ("Sec-Fetch-Site", "same-origin")], 200),
        ([("Cookie", "sid=1"), ("Origin", "null"), ("Sec-Fetch-Site", "same-site")], 403),
        ([("Cookie", "sid=1"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Cookie", "sid=1"), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-origin")], 403),
        ([("Cookie", "sid=1"), ("Origin", HOME)], 200),
        ([("Cookie", "sid=1"), ("Origin", HOME.replace("http:", "https:"))], 403),
        ([("Cookie", "sid=1"), ("Origin", APP)], 200),
        ([("Cookie", "sid=1; csrf=t0k"), ("X-CSRF-Token", "t0k")], 200),
        ([("Cookie", "sid=1; csrf=t0k"), ("X-CSRF-Token", "other")], 403),
        ([("Cookie", "sid=1; csrf="), ("X-CSRF-Token", "")], 403),
        ([("Cookie", "sid=1; csrf=t0k"), ("X-CSRF-Token", "t0k"), ("Origin", "https://evil.example")], 403),
    ],
)
def test_http_38_a_cookie_changes_something_only_for_pages_that_may(
    headers: list[tuple[str, str]], status: int
) -> None:
    with World(browser={"/x": {"origins": [APP]}}) as world:
        world.answer(PostRequest, PatchRequest)
        assert world.client().post("/x", headers=headers).status == status
        assert world.client().request("PATCH", "/x", headers=headers).status == status


def test_http_38_the_header_of_the_token_can_be_named_in_any_case() -> None:
    with World(browser={"/x": {"csrf_header": "X-Mine"}}) as world:
        world.answer(PostRequest)
        assert world.client().post("/x", headers=[("Cookie", "csrf=t0k"), ("X-Mine", "t0k")]).status == 200


def test_http_38_reading_needs_no_origin() -> None:
    with World(browser={"/x": {}}) as world:
        world.answer(GetRequest)
        assert world.client().get("/x", headers=[("Cookie", "sid=1"), ("Origin", "https://evil.example")]).status == 200


def test_http_38_routes_whose_sessions_are_cookies_are_protected_without_asking() -> None:
    with World(sessions={"POST /chat": {"source": "cookie", "name": "sid", "idle": 1}}) as world:
        world.answer(PostRequest)
        first = world.client().post("/chat")
        assert first.status == 200
        key = str(first.header("set-cookie")).partition(";")[0]
        assert world.client().post("/chat", headers=[("Cookie", key)]).status == 403
        assert world.client().post("/chat", headers=[("Cookie", key), ("Origin", HOME)]).status == 200
        world.slee.advance(2)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://A.example:443", "https://a.example"),
        ("http://a.example:8080", "http://a.example:8080"),
        ("http://[2001:db8::1]:80", "http://[2001:db8::1]"),
    ],
)
def test_http_38_origins_are_compared_as_browsers_write_them(text: str, origin: str) -> None:
    assert parse_origin(text) == origin
    assert own_origin("http", "not a host/") is None


def test_http_37_pages_get_the_protecting_headers_with_every_answer() -> None:
    with World(browser={"GET /x": {"content_security_policy": "default-src 'none'"}}) as world:
        world.answer(GetRequest)
        answer = world.client().get("/x")
        assert answer.header("content-security-policy") == "default-src 'none'"
        assert answer.header("referrer-policy") == "same-origin"  # no-referrer would make forms send Origin: null
        assert [name.lower() for name, _ in answer.answer.headers].count("x-content-type-options") == 1
        assert answer.header("strict-transport-security") is None
        world.http.serving.take(world.http.settings.model_copy(update={"browser": {}}))


def test_http_37_json_for_pages_is_kept_by_no_cache() -> None:
    """Unless the service says how long it is good; what is no JSON, or for no page, is the service's own affair."""
    good_for_a_minute = [("Cache-Control", "max-age=60")]
    with World(browser={"GET /x": {}}) as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.http.respond_json(aci, []))
        assert world.client().get("/x").header("cache-control") == "no-store"
        assert world.client().get("/calls/1").header("cache-control") is None
    with World(browser={"GET /x": {}}) as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.http.respond_json(aci, [], headers=good_for_a_minute))
        answer = world.client().get("/x")
        assert [value for name, value in answer.answer.headers if name.lower() == "cache-control"] == ["max-age=60"]
    with World(browser={"GET /x": {}}) as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.http.problem(aci, 404, code="gone"))
        assert world.client().get("/x").header("cache-control") == "no-store"
    with World(browser={"GET /x": {}}) as world:
        world.answer(GetRequest, body=b"page")
        assert world.client().get("/x").header("cache-control") is None


# Forwarders.

PROXY = {"trusted_forwarders": ["10.0.0.0/8", "2001:db8::/32"]}


@pytest.mark.parametrize(
    ("peer", "headers", "host", "scheme"),
    [
        ("198.51.100.7", [("X-Forwarded-For", "203.0.113.5")], "198.51.100.7", "http"),  # nobody trusts it
        ("10.0.0.1", [], "10.0.0.1", "http"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.5")], "203.0.113.5", "http"),
        ("10.0.0.1", [("X-Forwarded-For", "1.1.1.1, 203.0.113.5")], "203.0.113.5", "http"),  # the first may be a lie
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.5, 10.0.0.9")], "203.0.113.5", "http"),
        ("10.0.0.1", [("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https")], "203.0.113.5", "https"),
        ("10.0.0.1", [("Forwarded", 'for="[2001:db9::7]:99";proto=https;by=10.0.0.1')], "2001:db9::7", "https"),
        ("10.0.0.1", [("Forwarded", "for=192.0.2.1"), ("X-Forwarded-For", "203.0.113.5")], "192.0.2.1", "http"),
        ("10.0.0.1", [("Forwarded", "for=192.0.2.1"), ("Forwarded", "for=192.0.2.2")], "192.0.2.2", "http"),
        ("10.0.0.1", [("Forwarded", "for=unknown")], "10.0.0.1", "http"),
        ("10.0.0.1", [("Forwarded", "for=_hidden;proto=https")], "10.0.0.1", "http"),
        ("10.0.0.1", [("Forwarded", ";;=,")], "10.0.0.1", "http"),
        ("10.0.0.1", [("Forwarded", "for=[::1")], "10.0.0.1", "http"),
        ("2001:db8::5", [("X-Forwarded-For", "203.0.113.5:1234")], "203.0.113.5", "http"),
    ],
)
def test_http_39_a_source_is_forwarded_by_those_who_are_trusted(
    peer: str, headers: list[tuple[str, str]], host: str, scheme: str
) -> None:
    with World(**PROXY) as world:
        world.answer(GetRequest)
        assert world.client(peer).get("/x", headers=headers).status == 200
        source = world.events[0].request.source
        assert (source.host, source.scheme) == (host, scheme)


def test_http_39_rates_are_those_of_the_client_behind_the_forwarder() -> None:
    with World(**PROXY, rates={"*": {"source": 0.1, "source_burst": 1}}) as world:
        world.answer(GetRequest)
        proxy = world.client("10.0.0.1")
        statuses = [proxy.get("/x", headers=[("X-Forwarded-For", f"203.0.113.{n}")]).status for n in (1, 2, 1)]
        assert statuses == [200, 200, 429]


def test_http_39_a_forwarder_may_have_more_connections_than_others() -> None:
    with World(**PROXY, limits={"connections_per_source": 2}) as world:
        world.answer(GetRequest)
        assert [world.client("10.0.0.1").get("/x").status for _ in range(4)] == [200] * 4
        others = [world.client("203.0.113.1") for _ in range(3)]
        assert others[-1].answers[0].status == 429
