"""The message API: MESSAGE by HTTP, its outcome in the answer, as a status and by web-hook."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator, Pending
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.testing import Phone, SipSimulator
from sbbs.message_api.config import MessageApiUsage
from sbbs.message_api.sbb import MessageApi
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from tests.sbbs.orders import no_orders, refusal

BOB = "sip:bob@example.test"
CONFIG = {"senders": ["sip:desk@example.test", "sip:alarm@example.test"], "wait": 5, "webhook": "crm"}


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
        slee.install(Registrar)
        slee.install(Proxy)
        slee.install(MessageApi, configuration={**CONFIG, **config})

    def bob(self) -> Phone:
        phone = self.sip.phone("bob")
        assert phone.register().final.status == 200
        return phone

    def order(self, key: str | None = None, **fields: object) -> Pending:
        headers = [] if key is None else [("Idempotency-Key", key)]
        return self.http.client().post("/v1/messages", json={"to": BOB, "text": "Hello", **fields}, headers=headers)

    def status(self, identity: str) -> dict[str, object]:
        return self.http.client().get(f"/v1/messages/{identity}").json()

    def told(self) -> list[dict[str, object]]:
        """Bodies of the web-hooks; each is acknowledged."""
        bodies = []
        for made in self.http.calls:
            bodies.append(json.loads(made.call.body))
            if not made.is_over:
                made.answer(204)
        return bodies


@pytest.fixture
def world() -> Iterator[World]:
    with SleeHarness() as slee:
        world = World(slee)
        yield world
        world.told()
        slee.run_until_idle()


def test_delivery_is_reported_in_the_same_http_response(world: World) -> None:
    bob = world.bob()
    pending = world.order()
    message = bob.last("MESSAGE")
    assert (message.body, message.from_.uri.text) == (b"Hello", "sip:desk@example.test")
    assert not pending.is_answered
    bob.answer(200, to="MESSAGE")
    assert pending.status == 201
    shown = pending.json()
    assert (shown["state"], shown["status"], shown["to"]) == ("delivered", 200, BOB)
    assert pending.header("Location") == f"/v1/messages/{shown['id']}"
    assert world.status(shown["id"]) == shown
    assert world.told() == [{"type": "message.outcome", **shown}]
    assert world.slee.usage(MessageApiUsage).delivered.value == 1


@pytest.mark.parametrize(
    ("status", "state"),
    [(202, "stored"), (404, "failed"), (407, "failed"), (480, "failed"), (486, "failed"), (603, "failed")],
)
def test_each_answer_of_the_telephone_is_a_state(world: World, status: int, state: str) -> None:
    bob = world.bob()
    pending = world.order()
    bob.answer(status, to="MESSAGE")
    assert (pending.json()["state"], pending.json()["status"]) == (state, status)


def test_an_unknown_subscriber_is_a_failure_with_the_status_of_the_proxy(world: World) -> None:
    pending = world.order()
    assert pending.status == 201
    assert (pending.json()["state"], pending.json()["status"]) == ("failed", 404)


def test_what_takes_long_is_answered_202_and_reported_later(world: World) -> None:
    bob = world.bob()
    pending = world.order()
    world.slee.advance(5)
    assert (pending.status, pending.json()["state"]) == (202, "pending")
    identity = pending.json()["id"]
    assert world.status(identity)["state"] == "pending"
    assert world.told() == []
    world.slee.advance(1)
    bob.answer(200, to="MESSAGE")
    assert world.status(identity)["state"] == "delivered"
    assert [hook["state"] for hook in world.told()] == ["delivered"]


def test_a_telephone_that_says_nothing_is_a_failure_with_408(world: World) -> None:
    world.bob()
    identity = world.order()
    world.slee.advance(40)
    shown = world.status(identity.json()["id"])
    assert (shown["state"], shown["status"], shown["reason"]) == ("failed", 408, "timer F")


def test_without_wait_the_answer_is_202_at_once() -> None:
    with SleeHarness() as slee:
        world = World(slee, wait=0, webhook="")
        bob = world.bob()
        pending = world.order()
        assert pending.status == 202
        bob.answer(200, to="MESSAGE")
        assert world.status(pending.json()["id"])["state"] == "delivered"
        assert world.http.calls == []
        slee.run_until_idle()


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"text": 1}, 422, "invalid-order"),
        ({"colour": "red"}, 422, "invalid-order"),
        ({"to": "bob"}, 422, "invalid-recipient"),
        ({"to": "sip:bob@elsewhere.test"}, 403, "recipient-not-served"),
        ({"to": "tel:+431234"}, 403, "recipient-not-served"),
        ({"from": "sip:mallory@example.test"}, 403, "sender-not-allowed"),
        ({"text": "x" * 1300}, 422, "unfit-message"),
        ({"content_type": "text/plain\r\nVia: x"}, 422, "unfit-message"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_and_sends_nothing(
    world: World, fields: dict[str, object], status: int, code: str
) -> None:
    bob = world.bob()
    pending = world.order(**fields)
    assert pending.status == status
    assert pending.json()["code"] == code
    assert bob.methods == []


def test_the_sender_is_one_of_those_configured(world: World) -> None:
    bob = world.bob()
    world.order(**{"from": "sip:alarm@example.test"})
    assert bob.last("MESSAGE").from_.uri.text == "sip:alarm@example.test"
    bob.answer(200, to="MESSAGE")


def test_an_unknown_id_is_404(world: World) -> None:
    assert world.http.client().get("/v1/messages/nothing").status == 404


def test_http_33_a_repeated_idempotency_key_sends_nothing_again(world: World) -> None:
    bob = world.bob()
    first = world.order("k1")
    bob.answer(200, to="MESSAGE")
    again = world.order("k1")
    assert again.status == 201
    assert again.json() == first.json()
    assert len(bob.requests) == 1
    assert world.order("k1", text="Other").json()["code"] == "key-reused"
    world.order("k2")
    assert len(bob.requests) == 2
    bob.answer(200, to="MESSAGE")


def test_a_client_that_leaves_does_not_keep_the_message_from_its_outcome(world: World) -> None:
    bob = world.bob()
    client = world.http.client()
    client.post("/v1/messages", json={"to": BOB, "text": "Hello"})
    client.disconnect()
    bob.answer(200, to="MESSAGE")
    assert [hook["state"] for hook in world.told()] == ["delivered"]


def test_the_status_is_forgotten_after_its_time() -> None:
    with SleeHarness() as slee:
        world = World(slee, keep=60, webhook="")
        bob = world.bob()
        identity = world.order()
        bob.answer(200, to="MESSAGE")
        slee.advance(61)
        assert world.http.client().get(f"/v1/messages/{identity.json()['id']}").status == 404


def test_a_message_that_was_under_way_when_the_process_ended_is_unknown_after_the_restart() -> None:
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    world = World(slee)
    world.bob()
    pending = world.order()
    slee.advance(5.1)
    identity = pending.json()["id"]
    again = slee.crash(downtime=1)
    world = World(again)
    again.restart()
    assert world.status(identity)["state"] == "pending"
    again.advance(61)
    assert world.status(identity)["state"] == "unknown"
    assert {hook["state"] for hook in world.told()} == {"unknown"}


@no_orders
def test_what_is_no_order_is_refused(world: World, body: bytes, status: int) -> None:
    assert refusal(world.http.client(), "POST", "/v1/messages", body) == status


def test_an_outcome_is_known_though_the_web_hook_s_target_is_missing() -> None:
    with SleeHarness() as slee:
        world = World(slee, webhook="nobody")
        bob = world.bob()
        pending = world.order()
        bob.answer(200, to="MESSAGE")
        assert (pending.status, pending.json()["state"]) == (201, "delivered")
        assert [alarm.alarm_type for alarm in slee.alarms] == ["message_api.no_target"]
        slee.run_until_idle()
