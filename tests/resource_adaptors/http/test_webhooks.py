"""HTTP-30, HTTP-31: web-hooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from types import SimpleNamespace

import pytest

from resource_adaptors.http.api import (
    GetRequest,
    LocalProtocolError,
    ResponseSent,
    WebhookDeadLettered,
    WebhookDelivered,
)
from slee import ActivityContext
from slee.api.errors import ActivityAlreadyExistsError, NoSuchObjectError, UnrecognizedResourceAdaptorEntityError
from slee.management.letters import DeadLetters
from tests.resource_adaptors.http.kit import Desk, World

BREAKER = {"failures": 1, "open": 50}
TARGET = {"url": "https://crm.test/hook", "keys": ["new", "old"]}


def world(**given: object) -> World:
    return World(
        webhooks={"targets": {"crm": TARGET}, "timeout": 100_000, **given}, client={"breaker": {"failures": 1000}}
    )


def telling(w: World, *bodies: bytes, key: str | None = None) -> None:
    w.events.clear()

    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        for body in bodies:
            sbb.http.webhook("crm", body, ordering_key=key).attach(sbb)
        sbb.http.respond(aci, 202)

    w.at(GetRequest, act)
    assert w.client().get("/x").status == 202
    w.events[:] = [e for e in w.events if not isinstance(e, GetRequest | ResponseSent)]


def test_http_30_a_web_hook_is_signed_with_both_keys_while_they_rotate() -> None:
    with world() as w:
        telling(w, b'{"a":1}')
        (made,) = w.http.calls
        assert (made.call.method, made.call.url, made.call.body) == ("POST", "https://crm.test/hook", b'{"a":1}')
        identity, timestamp = made.headers["webhook-id"], made.headers["webhook-timestamp"]
        assert timestamp == str(int(w.slee.clock.now))
        signed = f"{identity}.{timestamp}.".encode() + b'{"a":1}'
        expected = [
            "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            for key in (b"new", b"old")
        ]
        assert made.headers["webhook-signature"] == " ".join(expected)
        made.answer(204)
        assert w.events == [WebhookDelivered(1)]


def test_http_30_a_web_hook_that_rolled_back_is_never_told() -> None:
    with World(failures_allowed=True, webhooks={"targets": {"crm": TARGET}}) as w:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            sbb.http.webhook("crm", b"x")
            raise LookupError

        w.at(GetRequest, act)
        assert w.client().get("/x").status == 500
        assert not w.http.calls


@pytest.mark.parametrize("outcome", [500, 503, 408, 425, 429, "connect", "reset"])
def test_http_30_what_may_pass_is_tried_again_by_the_schedule(outcome: int | str) -> None:
    with world() as w:
        telling(w, b"x")
        for number, delay in enumerate((1, 5, 30, 120, 600, 3600, 3600)):
            made = w.http.calls[number]
            assert made.call.body == b"x"
            assert made.headers["webhook-id"] == w.http.calls[0].headers["webhook-id"]
            made.answer(outcome) if isinstance(outcome, int) else made.fail(outcome)
            w.slee.advance(delay * 0.79)
            assert len(w.http.calls) == number + 1
            w.slee.advance(delay * 0.42)
            assert len(w.http.calls) == number + 2
        w.http.calls[7].answer(200)
        assert w.events == [WebhookDelivered(8)]


@pytest.mark.parametrize("status", [400, 401, 404, 301])
def test_http_30_what_cannot_pass_is_a_dead_letter_at_once(status: int) -> None:
    with world() as w:
        telling(w, b"x")
        w.http.calls[0].answer(status)
        assert w.events == [WebhookDeadLettered(status)]
        assert [alarm.alarm_type for alarm in w.slee.alarms] == ["http.webhook_dead_letter"]


def test_http_30_a_target_that_is_gone_is_disabled() -> None:
    with world() as w:
        telling(w, b"x")
        w.http.calls[0].answer(410)
        telling(w, b"y")
        assert len(w.http.calls) == 1
        assert len(w.http.webhooks.dead) == 2


def test_http_30_after_a_day_it_is_given_up() -> None:
    with world() as w:
        telling(w, b"x")
        for _ in range(100):
            if w.http.calls[-1].is_over:
                break
            w.http.calls[-1].answer(500)
            w.slee.advance(3600 * 1.21)
        assert w.events == [WebhookDeadLettered(500)]
        assert 18 <= len(w.http.calls) <= 32


def test_http_30_one_ordering_key_is_told_one_after_the_other() -> None:
    with world() as w:
        telling(w, b"1", b"2", b"3", key="alice")
        assert [made.call.body for made in w.http.calls] == [b"1"]
        w.http.calls[0].answer(500)
        w.slee.advance(2)
        assert [made.call.body for made in w.http.calls] == [b"1", b"1"]
        w.http.calls[1].answer(200)
        w.http.calls[2].answer(404)
        w.http.calls[3].answer(200)
        assert [made.call.body for made in w.http.calls] == [b"1", b"1", b"2", b"3"]
        assert w.events == [WebhookDelivered(2), WebhookDeadLettered(404), WebhookDelivered(1)]


@pytest.mark.parametrize(("count", "at_once"), [(4, 4), (5, 4), (40, 4)])
def test_http_31_at_most_4_are_told_at_once(count: int, at_once: int) -> None:
    with world() as w:
        telling(w, *(b"%d" % n for n in range(count)))
        assert len(w.http.calls) == at_once
        for number in range(count):
            w.http.calls[number].answer(200)
        assert w.kinds() == ["WebhookDelivered"] * count


@pytest.mark.parametrize(("octets", "fits"), [(262_144, True), (262_145, False), (2_621_440, False)])
def test_http_31_bodies_are_bounded(octets: int, fits: bool) -> None:
    with world() as w:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            if fits:
                sbb.http.webhook("crm", b"x" * octets)
            else:
                with pytest.raises(LocalProtocolError, match="HTTP-31"):
                    sbb.http.webhook("crm", b"x" * octets)
            with pytest.raises(LocalProtocolError, match="HTTP-30"):
                sbb.http.webhook("unknown", b"")
            sbb.http.respond(aci, 200)

        w.at(GetRequest, act)
        assert w.client().get("/x").status == 200
        for made in w.http.calls:
            made.answer(200)


def test_http_31_a_dead_letter_can_be_replayed_or_dropped() -> None:
    with world() as w:
        telling(w, b"x", b"y")
        for made in w.http.calls[:2]:
            made.answer(404)
        first, second = w.http.webhooks.dead
        w.http.webhooks.retry(first)
        made = w.http.calls[2]
        assert (made.call.body, made.headers["webhook-id"]) == (b"x", first)
        made.answer(200)
        w.http.webhooks.drop(second)
        assert not w.http.webhooks.dead
        assert not w.slee.alarms


def test_http_31_an_operator_who_removes_the_activity_gives_it_up() -> None:
    with world() as w:
        telling(w, b"x")
        w.http.calls[0].answer(500)
        (identity,) = w.http.webhooks.pending
        w.slee.kernel.resources["http-main"].remove_activity(identity)
        w.slee.run()
        w.slee.advance(100)
        assert len(w.http.calls) == 1
        assert list(w.http.webhooks.dead) == [identity]


def test_http_31_operators_see_retry_and_drop_dead_letters() -> None:
    with world() as w:
        telling(w, b"x", b"four", b"z")
        for made, status in zip(w.http.calls[:3], (404, 404, 410), strict=True):
            made.answer(status)
        letters = w.http.letters()
        assert [(letter.target, letter.reason, letter.octets) for letter in letters] == [
            ("crm", "status 404", 1),
            ("crm", "status 404", 4),
            ("crm", "status 410", 1),
        ]
        host = SimpleNamespace(pump=w.slee.run)
        management = DeadLetters(engine=w.slee.kernel, host=host)
        assert [info.id for info in management.list("http-main")] == [letter.id for letter in letters]
        assert management.list() == management.list("http-main")
        with pytest.raises(UnrecognizedResourceAdaptorEntityError):
            management.list("nobody")
        with pytest.raises(NoSuchObjectError):
            management.drop("http-main", "none")
        assert management.drop("http-main", letters[0].id) == 1
        assert management.retry("http-main") == 2
        assert [made.call.body for made in w.http.calls[3:]] == [b"four", b"z"]
        for made in w.http.calls[3:]:
            made.answer(200)
        assert management.list() == ()
        assert not w.slee.alarms


@pytest.mark.parametrize("status", [410, 503])
def test_http_31_any_number_may_come_out_at_once(status: int) -> None:
    """A target that is disabled, and one that is left alone: no try takes a turn of the loop."""
    with World(
        webhooks={"targets": {"crm": TARGET}, "parallel": 1, "schedule": [100], "give_up": 70},
        client={"breaker": BREAKER},
    ) as w:
        telling(w, *(b"%d" % number for number in range(400)))
        w.http.calls[0].answer(status)
        w.slee.run()
        assert len(w.http.webhooks.dead) == 400
        assert len(w.http.calls) == 1


def test_http_31_a_dead_letter_whose_activity_cannot_begin_stays_one() -> None:
    with world() as w:
        w.at(WebhookDeadLettered, lambda sbb, event, aci: sbb.event_context.suspend(timeout=5))
        telling(w, b"x")
        w.http.calls[0].answer(404)
        (identity,) = w.http.webhooks.dead
        with pytest.raises(ActivityAlreadyExistsError):
            w.http.retry_letter(identity)
        assert list(w.http.webhooks.dead) == [identity]
        w.slee.advance(6)
        w.http.retry_letter(identity)
        w.http.calls[1].answer(200)
