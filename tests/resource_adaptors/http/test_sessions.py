"""HTTP-15, HTTP-16: sessions; HTTP-34: principals."""

from __future__ import annotations

import hashlib

import pytest

from resource_adaptors.http import api
from resource_adaptors.http.api import GetRequest, PostRequest, SessionIdle
from slee import ActivityContext, Cmp, Sbb, cmp, initial_event, resource
from tests.resource_adaptors.http.kit import Desk, World

TOKEN = hashlib.sha256(b"secret").hexdigest()


def by_session(event: PostRequest) -> str | None:
    return event.request.session_key


class Cart(Sbb, vendor="test", version="1.0"):
    """One entity for each session; it counts the requests."""

    http = resource(api.HTTP)
    count: Cmp[int] = cmp(0)

    @initial_event(selector=by_session, option="POST /cart")
    def on_post(self, event: PostRequest, aci: ActivityContext) -> None:
        session = self.http.session(aci)
        assert session is not None
        session.attach(self)
        self.count += 1
        self.http.respond(aci, 200, body=str(self.count))
        if event.request.body == b"end":
            self.http.end_session(session)


def test_http_15_the_requests_of_a_session_come_to_one_entity() -> None:
    with World(install=False, sessions={"POST /cart": {"source": "header", "name": "X-Cart", "idle": 60}}) as world:
        world.slee.install(Cart)
        client = world.client()
        texts = [client.post("/cart", headers=[("X-Cart", key)]).text for key in ("a", "b", "a", "a")]
        assert texts == ["1", "1", "2", "3"]
        assert len(world.http.sessions.by_handle) == 2
        assert client.post("/cart", headers=[("X-Cart", "a")], body=b"end").text == "4"
        assert client.post("/cart", headers=[("X-Cart", "a")], body=b"end").text == "1"
        world.slee.advance(61)
        assert not world.http.sessions.by_handle
        assert not world.slee.entities(Cart)


def test_http_15_a_session_in_use_does_not_end() -> None:
    with World(sessions={"POST /chat": {"source": "query", "name": "s", "idle": 60}}) as world:

        def act(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
            sbb.http.session(aci).attach(sbb)
            sbb.http.respond(aci, 200)

        world.at(PostRequest, act)
        client = world.client()
        for _ in range(4):
            client.post("/chat?s=a")
            world.slee.advance(40)
        assert "SessionIdle" not in world.kinds()
        world.slee.advance(21)
        assert world.kinds().count("SessionIdle") == 4  # each of the four entities is attached


SOURCES = {
    "header": ("X-S", {"headers": [("X-S", "key")]}, "/chat"),
    "query": ("s", {}, "/chat?s=key"),
    "json": ("/a/0", {"json": {"a": ["key"]}}, "/chat"),
    "cookie": ("sid", {"headers": [("Cookie", "other=1; sid=key"), ("Origin", "http://slee.example.test")]}, "/chat"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_http_16_the_key_comes_from_where_the_route_says(source: str) -> None:
    name, given, target = SOURCES[source]
    with World(sessions={"POST /chat": {"source": source, "name": name, "idle": 1}}) as world:
        world.answer(PostRequest)
        assert world.client().post(target, **given).status == 200
        assert world.events[0].request.session_key == "key"
        world.slee.advance(2)


@pytest.mark.parametrize(
    "cookies",
    [
        'settings={"theme": "dark"}; sid=key',  # pages set what they like: one cookie must not hide another
        "a[0]=1; sid=key; path=/else; b",
        "sid=key; sid=other",  # the one of the longest path comes first (RFC 6265 5.4)
        "xsid=1;sid=key",
        "name=grüße; sid=key",
    ],
)
def test_http_16_a_cookie_is_found_among_others_of_any_form(cookies: str) -> None:
    with World(sessions={"POST /chat": {"source": "cookie", "name": "sid", "idle": 1}}) as world:
        world.answer(PostRequest)
        headers = [("Cookie", cookies), ("Origin", "http://slee.example.test")]
        assert world.client().post("/chat", headers=headers).header("set-cookie") is None
        assert world.events[0].request.session_key == "key"
        world.slee.advance(2)


def test_http_16_a_field_of_the_path_is_a_key() -> None:
    with World(sessions={"GET /calls/{id}": {"source": "path", "name": "id", "idle": 1}}) as world:
        world.answer(GetRequest)
        world.client().get("/calls/7")
        assert world.events[0].request.session_key == "7"
        world.slee.advance(2)


def test_http_16_a_missing_cookie_is_minted_and_a_missing_key_is_400() -> None:
    with World(sessions={"POST /chat": {"source": "cookie", "name": "sid", "idle": 1}}) as world:
        world.answer(PostRequest)
        cookie = world.client().post("/chat").header("set-cookie")
        key = world.events[0].request.session_key
        assert len(bytes.fromhex(key)) == 16
        assert cookie == f"sid={key}; Path=/; HttpOnly; SameSite=Lax"
        world.slee.advance(2)
    with World(sessions={"POST /chat": {"source": "header", "name": "X-S"}}) as world:
        assert world.client().post("/chat").status == 400


@pytest.mark.parametrize(
    ("header", "status"),
    [("Bearer secret", 200), ("bearer secret", 200), ("Bearer wrong", 401), ("Basic secret", 401), ("", 401)],
)
def test_http_34_a_bearer_token_names_the_principal(header: str, status: int) -> None:
    auth = {"GET /x": {"bearer": {"ops": TOKEN}, "roles": {"ops": ["admin"]}}}
    with World(auth=auth) as world:
        world.answer(GetRequest)
        answer = world.client().get("/x", headers=[("Authorization", header)])
        assert answer.status == status
        if status == 200:
            assert world.events[0].request.principal == api.Principal("ops", frozenset({"admin"}))
        else:
            assert answer.header("www-authenticate").startswith("Bearer")
            assert not world.events
        assert world.client().get("/calls/1").status == 200


def attaching(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
    sbb.http.session(aci).attach(sbb)
    sbb.http.respond(aci, 200)


def test_http_15_sessions_are_bounded() -> None:
    routes = {"POST /chat": {"source": "cookie", "name": "s", "idle": 60}}
    with World(sessions=routes, limits={"sessions": 2}) as world:
        world.at(PostRequest, attaching)
        answers = [world.client().post("/chat") for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 503]
        assert (answers[2].header("retry-after"), world.limit("sessions")) == ("10", 1)
        known = answers[0].header("set-cookie").partition(";")[0]
        headers = [("Cookie", known), ("Origin", "http://slee.example.test")]
        assert world.client().post("/chat", headers=headers).status == 200
        world.slee.advance(61)
        assert world.client().post("/chat").status == 200
        world.slee.advance(61)


def test_http_15_a_request_that_comes_while_its_session_ends_is_to_come_again() -> None:
    with World(sessions={"POST /chat": {"source": "query", "name": "s", "idle": 50}}) as world:
        world.at(PostRequest, attaching)
        world.at(SessionIdle, lambda sbb, event, aci: sbb.event_context.suspend(timeout=20))
        assert world.client().post("/chat?s=1").status == 200
        world.slee.advance(52)
        answer = world.client().post("/chat?s=1")
        assert (answer.status, answer.json()["code"], answer.header("retry-after")) == (503, "session_ending", "10")
        world.slee.advance(20)
        assert world.client().post("/chat?s=1").status == 200
        world.slee.advance(80)
