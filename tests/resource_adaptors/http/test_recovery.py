"""HTTP-43: what a crash ends, and what goes on after it."""

from __future__ import annotations

from resource_adaptors.http.api import GetRequest, PostRequest, WebhookDelivered
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator
from slee import ActivityContext
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
