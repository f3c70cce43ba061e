"""Wake-up: a MESSAGE at the time ordered, again until it is accepted (APP-11)."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest

from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator, Pending
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.testing import Phone, SipSimulator
from resource_adaptors.timer.testing import TimerSimulator
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from sbbs.wake_up.config import WakeUpUsage
from sbbs.wake_up.sbb import WakeUps
from slee.model.descriptor import Durability
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.sbbs.orders import no_orders, refusal

BOB = "sip:bob@example.test"
START = 1_000_000_000
"""Where the clock of the harness begins."""
CONFIG = {"sender": "sip:wake-up@example.test", "zone": "Europe/Vienna", "attempts": 3, "webhook": "crm"}


class World:
    """The service with its neighbours."""

    def __init__(self, slee: SleeHarness, **config: object) -> None:
        self.slee = slee
        sip = SipConfiguration.model_validate({"domains": ["example.test"]})
        self.sip = slee.add_resource("sip-main", SipSimulator(), sip)
        http = HttpConfiguration.model_validate(
            {"webhooks": {"targets": {"crm": {"url": "https://crm.test/hook", "keys": ["secret"]}}}}
        )
        self.http = slee.add_resource("http-main", HttpSimulator(), http)
        self.timer = slee.add_resource("timer-main", TimerSimulator())
        slee.install(Registrar, durability=Durability.SYNC)
        slee.install(Proxy)
        slee.install(WakeUps, configuration={**CONFIG, **config}, durability=Durability.SYNC)

    def bob(self) -> Phone:
        phone = self.sip.phone("bob")
        registration = phone.register(expires=7200)
        self.slee.advance(0.01)  # until the journal has it
        assert registration.final.status == 200
        return phone

    def local(self, seconds: float) -> str:
        """The local time in so many seconds."""
        zone = datetime.timezone(datetime.timedelta(hours=2))
        return datetime.datetime.fromtimestamp(self.slee.clock.now + seconds, zone).isoformat()

    def order(self, identity: str = "114", **fields: object) -> Pending:
        return self.http.client().request("PUT", f"/v1/wake-ups/{identity}", json={"to": BOB, "text": "Up!", **fields})

    def get(self, identity: str = "114") -> Pending:
        return self.http.client().get(f"/v1/wake-ups/{identity}")

    def told(self) -> list[dict[str, object]]:
        """Bodies of the web-hooks; each is acknowledged."""
        for made in self.http.calls:
            if not made.is_over:
                made.answer(204)
        return [json.loads(made.call.body) for made in self.http.calls]


def messages(phone: Phone) -> int:
    """How many messages the telephone has received, repetitions apart."""
    return len({request.call_id for request in phone.requests})


@pytest.fixture
def world() -> Iterator[World]:
    with SleeHarness(leftovers_allowed=True) as slee:
        yield World(slee)


def test_a_message_is_sent_at_the_time_ordered(world: World) -> None:
    bob = world.bob()
    ordered = world.order(at=world.local(600))
    assert ordered.status == 201
    assert ordered.header("Location") == "/v1/wake-ups/114"
    assert world.get().json()["next"] == pytest.approx(world.slee.clock.now + 600)
    world.slee.advance(599)
    assert bob.methods == []
    world.slee.advance(1.1)
    message = bob.last("MESSAGE")
    assert (message.body, message.from_.uri.text) == (b"Up!", "sip:wake-up@example.test")
    bob.answer(200, to="MESSAGE")
    shown = world.get().json()
    assert (shown["state"], shown["status"], shown["attempts"]) == ("delivered", 200, 1)
    assert "next" not in shown
    assert [hook["state"] for hook in world.told()] == ["delivered"]
    assert world.slee.usage(WakeUpUsage).delivered.value == 1
    world.slee.advance(100)
    assert messages(bob) == 1


def test_a_local_time_is_of_the_zone(world: World) -> None:
    # the clock of the harness starts on 2001-09-09 at 01:46:40 UTC, which is 03:46:40 in Vienna
    bob = world.bob()
    assert world.order(at="2001-09-09T04:00").status == 201
    assert world.get().json()["next"] == START + 800
    assert world.order("115", at="2001-09-09T04:00", zone="Europe/London").status == 201
    assert world.get("115").json()["next"] == START + 800 + 3600
    world.slee.advance(801)
    assert messages(bob) == 1


def test_a_cron_order_comes_again(world: World) -> None:
    bob = world.bob()
    assert world.order(cron="0 4 * * *").status == 201
    for day in range(3):
        world.slee.advance(700 if day == 0 else 86_300)
        assert bob.register(expires=7200, call_id="again", cseq=day + 1).final.status == 200
        world.slee.advance(101 if day == 0 else 100)
        assert messages(bob) == day + 1
        bob.answer(200, to="MESSAGE")
    shown = world.get().json()
    assert (shown["cron"], shown["state"]) == ("0 4 * * *", "delivered")
    assert shown["next"] > world.slee.clock.now
    assert sum(service.entities for service in world.slee.kernel.statistics().services) == 0


def test_a_refused_message_is_sent_again_and_the_result_is_told_once(world: World) -> None:
    bob = world.bob()
    world.order(at=world.local(10))
    world.slee.advance(10.1)
    bob.answer(486, to="MESSAGE")
    assert world.get().json()["state"] == "sending"
    world.slee.advance(59)
    assert messages(bob) == 1
    world.slee.advance(2)
    assert messages(bob) == 2
    bob.answer(200, to="MESSAGE")
    assert world.get().json()["attempts"] == 2
    assert [hook["state"] for hook in world.told()] == ["delivered"]


def test_after_the_last_attempt_it_has_failed_with_an_alarm(world: World) -> None:
    world.order(at=world.local(10))
    world.slee.advance(10 + 2 * 60 + 1)
    shown = world.get().json()
    assert (shown["state"], shown["status"], shown["attempts"]) == ("failed", 404, 3)
    assert [alarm.alarm_type for alarm in world.slee.alarms] == ["wake_up.undelivered"]
    assert [hook["state"] for hook in world.told()] == ["failed"]


def test_an_order_is_changed_and_cancelled(world: World) -> None:
    bob = world.bob()
    world.order(at=world.local(10))
    assert world.order(at=world.local(20), text="Later").status == 200
    world.slee.advance(11)
    assert bob.methods == []
    client = world.http.client()
    assert [one["text"] for one in client.get("/v1/wake-ups").json()["wake_ups"]] == ["Later"]
    assert client.request("DELETE", "/v1/wake-ups/114").status == 204
    assert world.slee.kernel.resources["timer-main"].contexts == {}
    assert client.request("DELETE", "/v1/wake-ups/114").status == 404
    world.slee.advance(20)
    assert bob.methods == []
    assert world.get().status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"at": "tomorrow"},
        {"at": "2001-09-09T01:00:00Z"},
        {"at": "2030-01-01T00:00", "cron": "* * * * *"},
        {"cron": "61 * * * *"},
        {"cron": "0 4 * * *", "zone": "Mars/Base"},
        {"cron": "0 4 * * *", "to": "bob"},
        {"cron": "0 4 * * *", "to": "sip:bob@elsewhere.test"},
        {"cron": "0 4 * * *", "text": "x" * 900},
        {"cron": "0 4 * * *", "colour": "red"},
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(world: World, fields: dict[str, object]) -> None:
    refused = world.order(**fields)
    assert (refused.status, refused.json()["code"]) == (422, "invalid-order")
    assert world.get().status == 404
    assert world.http.client().get("/v1/wake-ups").json() == {"wake_ups": []}


def late(world: World) -> dict[str, object]:
    """The wake-up, asked for with a journal that takes its time."""
    asked = world.get()
    world.slee.advance(0.01)
    return asked.json()


def test_an_order_survives_a_restart_and_fires_when_the_server_was_down_at_its_time() -> None:
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    world = World(slee)
    world.bob()
    orders = [world.order(at=world.local(100)), world.order("115", at=world.local(200))]
    slee.advance(50)
    assert [order.status for order in orders] == [201, 201]
    again = slee.crash(downtime=100)
    world = World(again)
    bob = world.sip.phone("bob")  # at the address that is registered
    again.restart()
    again.advance(0.1)
    assert messages(bob) == 1
    bob.answer(200, to="MESSAGE")
    again.advance(0.1)
    assert late(world)["state"] == "delivered"
    again.advance(51)
    assert messages(bob) == 2


def test_a_message_whose_outcome_a_crash_has_lost_is_sent_again() -> None:
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    world = World(slee)
    world.bob()
    world.order(at=world.local(10))
    slee.advance(10.5)
    again = slee.crash(downtime=1)
    world = World(again)
    bob = world.sip.phone("bob")
    again.restart()
    again.advance(41)
    assert late(world)["state"] == "sending"
    again.advance(61)
    assert messages(bob) == 1
    bob.answer(200, to="MESSAGE")
    again.advance(0.1)
    assert late(world)["state"] == "delivered"


@no_orders
def test_what_is_no_order_is_refused(world: World, body: bytes, status: int) -> None:
    assert refusal(world.http.client(), "PUT", "/v1/wake-ups/114", body) == status


@pytest.mark.parametrize("zone", ["Europe", "x" * 300, "../zone"])
def test_a_zone_that_is_none_is_refused(world: World, zone: str) -> None:
    assert world.order(at="2026-12-24T06:45", zone=zone).status == 422
    assert world.order(cron="45 6 * * *", zone=zone).status == 422


def test_a_result_is_known_though_the_web_hook_s_target_is_missing() -> None:
    with SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True) as slee:
        world = World(slee, webhook="nobody")
        bob = world.bob()
        world.order(at=world.local(60))
        slee.advance(61)
        bob.answer(200, to="MESSAGE")
        slee.advance(0.1)
        shown = world.get()
        slee.advance(0.1)
        assert shown.json()["state"] == "delivered"
        assert [alarm.alarm_type for alarm in slee.alarms] == ["wake_up.no_target"]
