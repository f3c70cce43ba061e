"""HTTP-43: what a crash ends, and what goes on after it."""

from __future__ import annotations

from resource_adaptors.http.api import GetRequest, PostRequest, WebhookDeadLettered, WebhookDelivered
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator
from slee import ActivityContext, TimerEvent
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.resource_adaptors.http.kit import EVENTS, SCRIPT, Desk

CONFIGURATION = HttpConfiguration(
    webhooks={"targets": {"crm": {"url": "http://crm.test/", "keys": ["k"]}}, "timeout": 100_000},
    sessions={"POST /chat": {"source": "query", "name": "s", "idle": 60}},
)


def equip(slee: SleeHarness) -> HttpSimulator:
    http = slee.add_resource("http-main", HttpSimulator(), CONFIGURATION)
    slee.install(Desk)
    return http


def begun() -> tuple[SleeHarness, HttpSimulator]:
    EVENTS.clear()
    SCRIPT.clear()
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    return slee, equip(slee)


def restarted(slee: SleeHarness) -> tuple[SleeHarness, HttpSimulator]:
    slee.advance(1)  # the journal has been written
    slee = slee.crash(survivors=0, downtime=5.0)
    http = equip(slee)
    slee.restart()
    return slee, http


def test_http_43_a_web_hook_is_sent_again_with_its_id_after_a_crash() -> None:
    slee, http = begun()

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        sbb.http.webhook("crm", b"x").attach(sbb)
        sbb.http.respond(aci, 202)

    SCRIPT[GetRequest] = act
    assert http.client().get("/x").status == 202
    before = http.calls[0]
    slee, http = restarted(slee)
    (again,) = http.calls
    assert again.headers["webhook-id"] == before.headers["webhook-id"]
    assert again.call.body == b"x"
    again.answer(200)
    slee.run()
    assert isinstance(EVENTS[-1], WebhookDelivered)
    slee, http = restarted(slee)
    assert not http.calls


def test_http_43_a_retry_goes_on_where_it_was() -> None:
    slee, http = begun()
    SCRIPT[GetRequest] = lambda sbb, event, aci: (sbb.http.webhook("crm", b"x"), sbb.http.respond(aci, 202))
    http.client().get("/x")
    for number, delay in enumerate((1, 5)):
        http.calls[number].answer(500)
        slee.advance(delay * 1.21)
    http.calls[2].answer(500)  # the next one is due in half a minute
    slee, http = restarted(slee)
    assert not http.calls
    slee.advance(37)
    assert len(http.calls) == 1
    http.calls[0].answer(200)


def test_http_43_a_session_goes_on_and_a_request_does_not() -> None:
    slee, http = begun()

    def act(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
        sbb.http.session(aci).attach(sbb)
        sbb.http.respond(aci, 200)

    SCRIPT[PostRequest] = act
    SCRIPT[GetRequest] = lambda sbb, event, aci: sbb.timers.set(aci, after=600)
    http.client().post("/chat?s=a")
    http.client().get("/x")
    slee, http = restarted(slee)
    assert list(http.sessions.by_handle) == ["session-a"]
    assert not http.serving.exchanges
    assert list(slee.kernel.resources["http-main"].contexts) == ["session-a"]
    EVENTS.clear()
    slee.advance(61)
    assert [type(event).__name__ for event in EVENTS] == ["SessionIdle"]
    assert not http.sessions.by_handle


def test_http_31_dead_letters_are_kept_over_a_crash() -> None:
    slee, http = begun()
    SCRIPT[GetRequest] = lambda sbb, event, aci: (sbb.http.webhook("crm", b"x"), sbb.http.respond(aci, 202))
    http.client().get("/x")
    http.calls[0].answer(404)
    slee, http = restarted(slee)
    (letter,) = http.letters()
    assert (letter.reason, len(slee.alarms)) == ("status 404", 1)
    assert not http.calls
    http.retry_letter(letter.id)
    (again,) = http.calls
    assert (again.headers["webhook-id"], again.call.body) == (letter.id, b"x")
    again.answer(200)
    slee, http = restarted(slee)
    assert not http.letters()


def test_http_43_web_hooks_are_kept_over_an_orderly_stop_and_none_is_given_up() -> None:
    slee, http = begun()

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        for body in (b"due later", b"under way", b"waits for its turn"):
            sbb.http.webhook("crm", body, ordering_key=None if body == b"due later" else "k").attach(sbb)
        sbb.http.respond(aci, 202)

    SCRIPT[GetRequest] = act
    http.client().get("/x")
    later, under_way = http.calls
    assert (later.call.body, under_way.call.body) == (b"due later", b"under way")
    later.answer(503)
    slee.kernel.stop(within=5.0)
    slee.run()
    assert list(slee.kernel.resources["http-main"].contexts) == [under_way.headers["webhook-id"]]
    slee.advance(6)
    assert slee.kernel.state.value == "Stopped"
    assert not http.letters()
    assert not any(isinstance(event, WebhookDeadLettered) for event in EVENTS)
    slee, http = restarted(slee)
    slee.advance(2)
    assert sorted(made.call.body for made in http.calls) == [b"due later", b"under way"]
    assert {made.headers["webhook-id"] for made in http.calls} == {
        made.headers["webhook-id"] for made in (later, under_way)
    }
    for made in http.calls[:2]:
        made.answer(200)
    assert http.calls[2].call.body == b"waits for its turn"
    http.calls[2].answer(200)
    assert not http.webhooks.pending


def test_http_43_what_is_told_while_it_stops_is_kept_for_the_next_start() -> None:
    slee, http = begun()

    def act(sbb: Desk, event: object, aci: ActivityContext) -> None:
        sbb.http.webhook("crm", type(event).__name__.encode(), ordering_key="k").attach(sbb)
        if isinstance(event, GetRequest):
            sbb.timers.set(aci, after=1)
        else:
            sbb.http.respond(aci, 202)

    SCRIPT[GetRequest] = SCRIPT[TimerEvent] = act
    http.client().get("/x")
    slee.kernel.stop(within=60.0)
    slee.run()
    slee.advance(2)
    http.calls[0].answer(200)
    slee.run()
    assert slee.kernel.state.value == "Stopped"
    slee, http = restarted(slee)
    assert [made.call.body for made in http.calls] == [b"TimerEvent"]
    http.calls[0].answer(200)


def test_http_43_a_stop_lets_a_try_that_is_under_way_come_out() -> None:
    slee, http = begun()
    SCRIPT[GetRequest] = lambda sbb, event, aci: (sbb.http.webhook("crm", b"x").attach(sbb), sbb.http.respond(aci, 202))
    http.client().get("/x")
    slee.kernel.stop(within=60.0)
    slee.run()
    http.calls[0].answer(200)
    slee.run()
    assert slee.kernel.state.value == "Stopped"
    assert WebhookDelivered(1) in EVENTS
    slee, http = restarted(slee)
    assert not http.calls


def test_http_30_a_web_hook_of_a_delivery_that_rolled_back_is_kept_nowhere() -> None:
    slee, http = begun()
    slee.failures_allowed = True

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        sbb.http.webhook("crm", b"x")
        raise RuntimeError

    SCRIPT[GetRequest] = act
    http.client().get("/x")
    slee, http = restarted(slee)
    assert not http.calls
