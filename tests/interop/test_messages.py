"""Lanes of the converged services: curl orders, SIPp is the subscriber, a receiver takes the web-hooks."""

from __future__ import annotations

import collections
import datetime
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers import Sipp, free_port, program, run
from tests.interop.receiver import KEY, Receiver
from tests.interop.servers import Slee
from tests.interop.telephony import answering, refused_call, register

pytestmark = [pytest.mark.interop, pytest.mark.programs("curl")]


class Lane:
    """A server with the services, and its clients."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.port = free_port()
        """Of the receiver of web-hooks."""
        self._stack = stack
        config = folder / "slee.toml"
        config.write_text(
            'drain-timeout = 1\n[http.client]\nallow-networks = ["127.0.0.0/8"]\n'
            "[http.client.breaker]\nfailures = 1000\n"
            "[http.webhooks]\nschedule = [0.2, 0.5, 1.0]\n"
            f'[http.webhooks.targets.call-events]\nurl = "http://127.0.0.1:{self.port}/hook"\nkeys = ["{KEY}"]\n',
            encoding="utf-8",
        )
        self.slee = Slee(folder, config=config)

    def start(self, *services: str) -> None:
        """Start the server, again if it was ended; the services stay active."""
        self.slee.start()
        self._stack.enter_context(self.slee.child)
        for service in services:
            status, output = self.slee.cli("service", "activate", service)
            assert status == 0, output

    def curl(self, path: str, *options: str, body: object = None) -> tuple[int, Any]:
        """Ask the server; status and JSON value of the answer."""
        url = f"http://{self.slee.http[0]}:{self.slee.http[1]}{path}"
        command = [program("curl"), "-sS", "-w", "\n%{http_code}", *options, url]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        status, output = run(command)
        assert status == 0, output
        text, _, code = output.strip().rpartition("\n")
        return int(code), json.loads(text) if text else None

    def until(self, holds: Callable[[], bool], *, within: float = 15.0) -> None:
        """Wait until something holds; `AssertionError` if it does not in time."""
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, self.slee.child.output
            time.sleep(0.05)


@pytest.fixture
def lane(server_name: str, tmp_path: Path) -> Iterator[Lane]:
    if server_name != "slee":
        pytest.skip("about the product alone")
    with ExitStack() as stack:
        lane = Lane(tmp_path, stack)
        yield lane
        assert lane.slee.stop() == 0


def test_message_api_lane_sipp_receives_what_curl_orders(lane: Lane, tmp_path: Path) -> None:
    """The answer of the telephone is in the HTTP response: 200 delivered, 202 stored, 486 failed, nobody 404."""
    lane.start("MessageApi")
    for status, state in ((200, "delivered"), (202, "stored"), (486, "failed")):
        with Sipp("uas_message", tmp_path, calls=1, STATUS=status, TEXT="Grüße von [A-Z]+") as phone:
            register(lane.slee, tmp_path, [(f"bob{status}", phone.port)])
            to = f"sip:bob{status}@example.test"
            code, shown = lane.curl("/v1/messages", body={"to": to, "text": "Grüße von CURL"})
            assert (code, shown["state"], shown["status"]) == (201, state, status)
            phone.finish().require(1)
        assert lane.curl(f"/v1/messages/{shown['id']}") == (200, shown)
    code, shown = lane.curl("/v1/messages", body={"to": "sip:nobody@example.test", "text": "x"})
    assert (code, shown["state"], shown["status"]) == (201, "failed", 404)
    assert lane.curl("/v1/messages", body={"to": "sip:bob@example.test"})[0] == 422


def test_message_api_lane_twenty_messages_each_delivered_once(lane: Lane, tmp_path: Path) -> None:
    """Orders with an Idempotency-Key, each made twice: every message is delivered once."""
    lane.start("MessageApi")
    with Sipp("uas_message", tmp_path, calls=20, STATUS=200, TEXT="number [0-9]+") as phone:
        register(lane.slee, tmp_path, [("bob", phone.port)])
        for number in range(20):
            order = {"to": "sip:bob@example.test", "text": f"number {number}"}
            answers = [lane.curl("/v1/messages", "-H", f"Idempotency-Key: {number}", body=order) for _ in range(2)]
            assert answers[0] == answers[1]
            assert answers[0][1]["state"] == "delivered"
        phone.finish().require(20)


def test_wake_up_lane_survives_a_kill(lane: Lane, tmp_path: Path) -> None:
    """Ordered by curl, the server killed and started again before the time: the telephone is woken once."""
    lane.start("WakeUp")
    with Sipp("uas_message", tmp_path, calls=2, STATUS=200, TEXT="Good [a-z]+") as phone:
        register(lane.slee, tmp_path, [("114", phone.port)])
        now = datetime.datetime.now(datetime.UTC)
        for name, seconds in (("one", 4), ("two", 9)):
            order = {"to": "sip:114@example.test", "text": "Good morning"}
            order["at"] = (now + datetime.timedelta(seconds=seconds)).isoformat()
            assert lane.curl(f"/v1/wake-ups/{name}", "-X", "PUT", body=order)[0] == 201
        lane.slee.child.stop(signal.SIGKILL)
        time.sleep(max(0.0, 5 - (datetime.datetime.now(datetime.UTC) - now).total_seconds()))
        lane.start()
        phone.finish().require(2)
        for name in ("one", "two"):
            lane.until(lambda name=name: lane.curl(f"/v1/wake-ups/{name}")[1]["state"] == "delivered")
        assert lane.curl("/v1/wake-ups") == (200, {"wake_ups": []})


def test_call_events_lane_a_receiver_that_fails_gets_everything_once(lane: Lane, tmp_path: Path) -> None:
    """30 calls and 5 refused ones while the receiver fails: each event once by its id, in order for each call."""
    lane.start("CallEvents")
    with answering(tmp_path, 30) as callee, Receiver(lane.port, failures=25) as receiver:
        register(lane.slee, tmp_path, [("bob", callee.port)])
        with Sipp("uac_rr", tmp_path, server=lane.slee.sip, calls=30, rows=[("bob",)], rate=20, hold_ms=500) as caller:
            caller.finish().require(30)
        callee.finish().require(30)
        for _ in range(5):
            refused_call(lane.slee, tmp_path, "nobody", 404)
        received = receiver.wait(30 * 3 + 5 * 2)
    assert receiver.forged == 0
    assert receiver.tries >= 25 + len(received)
    kinds = collections.Counter(told["type"] for told in received)
    assert kinds == {"call.offered": 35, "call.answered": 30, "call.ended": 30, "call.failed": 5}
    by_call: dict[str, list[dict[str, Any]]] = {}
    for told in received:
        by_call.setdefault(told["call"], []).append(told)
    for told in by_call.values():
        assert [one["sequence"] for one in told] == sorted(one["sequence"] for one in told)
        if told[-1]["type"] == "call.ended":
            assert 0.4 < told[-1]["duration"] < 5
            assert (told[-1]["cause"], told[-1]["by"]) == ("bye", "caller")


def test_call_events_lane_the_end_of_a_call_is_told_over_a_kill(lane: Lane, tmp_path: Path) -> None:
    """The server is killed while calls are up: their ends are told with the whole duration."""
    lane.start("CallEvents")
    with answering(tmp_path, 5, timeout=60) as callee, Receiver(lane.port) as receiver:
        register(lane.slee, tmp_path, [("bob", callee.port)])
        caller = Sipp("uac_rr", tmp_path, server=lane.slee.sip, calls=5, rows=[("bob",)], rate=20, hold_ms=6000)
        with caller:
            receiver.wait(10)
            time.sleep(0.5)
            lane.slee.child.stop(signal.SIGKILL)
            lane.start()
            caller.finish()
        ended = [told for told in receiver.wait(15) if told["type"] == "call.ended"]
    assert len(ended) == 5
    assert all(5.5 < told["duration"] < 12 for told in ended)
