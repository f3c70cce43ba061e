"""HTTP-32: URLs that services give to others to be called back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resource_adaptors.http.api import CallbackReceived, GetRequest, LocalProtocolError, PostRequest
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.protocol.tokens import Token, read_token, write_token
from resource_adaptors.http.testing import HttpSimulator
from slee import ActivityContext
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.resource_adaptors.http.kit import EVENTS, SCRIPT, Desk, World, head

BASE = "https://slee.example.net"
SECTION: dict[str, Any] = {"callbacks": {"base": BASE, "key": "0123456789abcdef"}}
URLS: list[str] = []


def opened(world: World, **given: Any) -> str:
    """The path of a callback that a service has opened."""
    URLS.clear()

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        callback = sbb.http.open_callback(**given)
        callback.attach(sbb)
        URLS.append(callback.activity.url)
        sbb.http.respond(aci, 200)

    world.at(GetRequest, act)
    assert world.client().get("/x").status == 200
    assert URLS[0].startswith(f"{BASE}/callbacks/sh=0.")
    return URLS[0].removeprefix(BASE)


def received() -> list[CallbackReceived]:
    return [event for event in EVENTS if isinstance(event, CallbackReceived)]


def test_http_32_a_call_fires_on_the_activity_and_is_answered_when_it_is_processed() -> None:
    with World(**SECTION) as world:
        path = opened(world)
        answer = world.client().post(f"{path}?state=ok", body=b"hello")
        assert answer.status == 204
        (event,) = received()
        assert (event.request.body, event.request.query, event.request.method) == (b"hello", "state=ok", "POST")


def test_http_32_what_is_good_for_one_call_is_gone_after_it() -> None:
    with World(**SECTION) as world:
        path = opened(world)
        assert world.client().post(path).status == 204
        assert world.client().post(path).status in (404, 410)
        assert len(received()) == 1


def test_http_32_one_for_a_session_is_used_once_and_then_410() -> None:
    sessions = {"POST /chat": {"source": "query", "name": "s", "idle": 50}}
    with World(**SECTION, sessions=sessions) as world:

        def act(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
            session = sbb.http.session(aci)
            session.attach(sbb)
            URLS[:] = [sbb.http.callback_url(session), sbb.http.callback_url(session, single_use=False)]
            sbb.http.respond(aci, 200)

        world.at(PostRequest, act)
        world.client().post("/chat?s=1")
        once, often = (url.removeprefix(BASE) for url in URLS)
        assert [world.client().get(once).status for _ in range(2)] == [204, 410]
        assert [world.client().get(often).status for _ in range(2)] == [204, 204]
        world.slee.advance(60)
        assert world.client().get(often).status == 404


WRONG: dict[str, Callable[[str], str]] = {
    "forged": lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
    "cut": lambda token: token[:-6],
    "none": lambda token: "x",
}


@pytest.mark.parametrize("change", WRONG.values(), ids=list(WRONG))
def test_http_32_a_wrong_token_is_404(change: Any) -> None:
    with World(**SECTION) as world:
        path = opened(world, ttl=50)
        head, _, token = path.rpartition("/")
        assert world.client().post(f"{head}/{change(token)}").status == 404
        assert not received()
        world.slee.advance(60)


def test_http_32_a_token_ends_with_its_time() -> None:
    with World(**SECTION) as world:
        path = opened(world, ttl=10)
        world.slee.advance(12)
        assert world.client().post(path).status == 404


def test_http_32_a_service_that_fails_is_called_again() -> None:
    with World(**SECTION, failures_allowed=True) as world:
        path = opened(world, ttl=50)

        def fail(sbb: Desk, event: CallbackReceived, aci: ActivityContext) -> None:
            raise RuntimeError

        world.at(CallbackReceived, fail)
        assert world.client().post(path).status == 500
        world.at(CallbackReceived, lambda sbb, event, aci: None)
        assert world.client().post(path).status == 204


def test_http_32_a_service_closes_its_callback() -> None:
    with World(**SECTION) as world:
        path = opened(world, single_use=False)
        world.at(CallbackReceived, lambda sbb, event, aci: sbb.http.close_callback(aci))
        assert [world.client().post(path).status for _ in range(2)] == [204, 404]


def test_http_32_misuse_is_told_in_the_handler() -> None:
    with World() as world:
        errors: list[str] = []

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            for call in (sbb.http.open_callback, lambda: sbb.http.callback_url(aci)):
                with pytest.raises(LocalProtocolError, match="not configured") as caught:
                    call()
                errors.append(str(caught.value))
            sbb.http.respond(aci, 200)

        world.at(GetRequest, act)
        world.client().get("/x")
        assert len(errors) == 2


def test_http_32_a_token_is_read_as_it_was_written_and_never_with_another_key() -> None:
    token = Token("session-ä b", 2_000_000_000, True)
    text = write_token(b"k" * 16, token)
    assert read_token(b"k" * 16, text, 1_999_999_999) == token
    assert read_token(b"k" * 16, text, 2_000_000_000) is None
    assert read_token(b"j" * 16, text, 1.0) is None
    assert read_token(b"k" * 16, "ä" * 40, 1.0) is None
    for place in range(len(text)):
        other = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        assert read_token(b"k" * 16, other, 1.0) is None


def test_http_32_callbacks_and_used_tokens_are_kept_over_a_crash() -> None:
    EVENTS.clear()
    SCRIPT.clear()
    paths: list[str] = []

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        callback = sbb.http.open_callback(ttl=100)
        callback.attach(sbb)
        paths.append(callback.activity.url.removeprefix(BASE))
        sbb.http.respond(aci, 200)

    SCRIPT[GetRequest] = act
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)

    def equip() -> HttpSimulator:
        http = slee.add_resource("http-main", HttpSimulator(), HttpConfiguration(**SECTION))
        slee.install(Desk)
        return http

    http = equip()
    http.client().get("/x")
    http.client().get("/x")
    called = http.client().post(paths[0])
    assert not called.is_answered  # who is told 204 forgets it, so it waits for the journal
    slee.advance(1)
    assert called.status == 204
    slee = slee.crash(survivors=0, downtime=5.0)
    http = equip()
    slee.restart()
    assert http.client().post(paths[0]).status == 404
    called = http.client().post(paths[1])
    slee.advance(1)
    assert called.status == 204
    assert len(received()) == 2


def test_http_32_of_two_whose_bodies_come_at_once_one_is_taken() -> None:
    sessions = {"POST /chat": {"source": "query", "name": "s", "idle": 50}}
    with World(**SECTION, sessions=sessions) as world:

        def act(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
            session = sbb.http.session(aci)
            session.attach(sbb)
            URLS[:] = [sbb.http.callback_url(session)]
            sbb.http.respond(aci, 200)

        world.at(PostRequest, act)
        world.client().post("/chat?s=1")
        clients = world.client(), world.client()
        for client in clients:
            client.send(head("POST", URLS[0].removeprefix(BASE), "Content-Length: 2"))
        for client in clients:
            client.send(b"ab")
        assert [client.answers[0].status for client in clients] == [204, 410]
        assert len(received()) == 1
        world.slee.advance(60)
