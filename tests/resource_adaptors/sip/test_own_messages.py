"""MESSAGE requests of our own: the user agent client (RFC 3261 8.1, 17.1.2; RFC 3428; SIP-102, B21)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.sip import api
from resource_adaptors.sip.message.writer import build_response
from resource_adaptors.sip.testing import Phone, SipSimulator
from slee import ActivityContext, ActivityEnd, Sbb, ServiceStarted, handles, initial_event, resource
from slee.testing import SleeHarness

ASKED: list[dict[str, object]] = []
TOLD: list[object] = []


def one(event: ServiceStarted) -> str:
    return "one"


class Sender(Sbb, vendor="test", version="1.0"):
    """Sends what it is asked to when it starts, and writes down what becomes of it."""

    sip = resource(api.SIP)

    @initial_event(selector=one)
    def on_start(self, event: ServiceStarted, aci: ActivityContext) -> None:
        for asked in ASKED:
            self.sip.message(**asked).attach(self)
        aci.detach(self)

    @handles
    def on_progress(self, event: api.Progress, aci: ActivityContext) -> None:
        TOLD.append(event.response.status)

    @handles
    def on_accepted(self, event: api.Accepted, aci: ActivityContext) -> None:
        TOLD.append(event.response.status)

    @handles
    def on_challenged(self, event: api.Challenged, aci: ActivityContext) -> None:
        TOLD.append(event.response.status)

    @handles
    def on_rejected(self, event: api.Rejected, aci: ActivityContext) -> None:
        TOLD.append(event.response.status)

    @handles
    def on_timeout(self, event: api.TransactionTimeout, aci: ActivityContext) -> None:
        TOLD.append(event.timer)

    @handles
    def on_error(self, event: api.TransportError, aci: ActivityContext) -> None:
        TOLD.append(event.reason)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        if isinstance(aci.activity, api.ClientTransaction):
            TOLD.append("end")


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    TOLD.clear()
    ASKED.clear()
    with SleeHarness() as slee:
        yield slee


@pytest.fixture
def sip(slee: SleeHarness) -> SipSimulator:
    return slee.add_resource("sip-main", SipSimulator())


@pytest.fixture
def bob(sip: SipSimulator) -> Phone:
    return sip.phone("bob")


def send(slee: SleeHarness, to: str, **more: object) -> None:
    ASKED.append({"to": to, "from_": "sip:desk@example.test", "body": b"wake up", **more})
    slee.install(Sender)
    slee.run()


def ours(slee: SleeHarness) -> list[object]:
    return list(slee.kernel.resources["sip-main"].contexts)


def test_rfc3261_8_1_1_a_request_of_our_own_is_complete(slee: SleeHarness, bob: Phone) -> None:
    send(slee, "sip:bob@example.test", target=api.Target(bob.contact), headers=[("Subject", "alarm")])
    message = bob.last("MESSAGE")
    assert message.uri_text == bob.contact
    assert message.from_.uri.text == "sip:desk@example.test"
    assert message.from_tag
    assert (message.to.uri.text, message.to_tag) == ("sip:bob@example.test", None)
    assert (message.cseq.number, message.cseq.method) == (1, "MESSAGE")
    assert message.max_forwards == 70
    assert len(message.via) == 1
    assert message.top_via.branch.startswith("z9hG4bK")
    assert message.body == b"wake up"
    assert message.content_type == "text/plain;charset=UTF-8"
    assert message.header("Subject") == "alarm"
    bob.answer(200, to="MESSAGE")
    assert TOLD == [200, "end"]
    slee.advance(6)


def test_rfc3428_4_a_message_has_no_contact(slee: SleeHarness, bob: Phone) -> None:
    send(slee, bob.contact)
    assert not bob.last("MESSAGE").has("Contact")
    bob.answer(200, to="MESSAGE")
    slee.advance(6)


@pytest.mark.parametrize(
    "more",
    [
        {"headers": [("Contact", "<sip:x@192.0.2.5>")]},
        {"headers": [("m", "<sip:x@192.0.2.5>")]},
        {"body": b"x" * 1300},
        {"headers": [("Subject", "a\r\nVia: b")]},
        {"content_type": 'text/"'},
    ],
)
def test_sip_102_what_a_message_must_not_be_is_refused_in_the_handler(more: dict[str, object]) -> None:
    ASKED.clear()
    with SleeHarness(failures_allowed=True) as slee:
        sip = slee.add_resource("sip-main", SipSimulator())
        send(slee, "sip:bob@192.0.2.9", **more)
        assert sip.sent == []
        assert "LocalProtocolError" in str(slee.failures[0])


def test_rfc3261_17_1_2_timers_e_and_f(slee: SleeHarness, sip: SipSimulator, bob: Phone) -> None:
    send(slee, bob.contact)
    slee.advance(31.9)
    # E: T1 doubling up to T2, at 0, 0.5, 1.5, 3.5, 7.5, 11.5, ... 31.5 seconds
    assert len(bob.requests) == 11
    assert len({request.raw for request in bob.requests}) == 1
    assert TOLD == []
    slee.advance(0.2)
    assert TOLD == ["F", "end"]
    assert ours(slee) == []
    slee.advance(60)
    assert len(bob.requests) == 11


def test_rfc3261_17_1_2_2_a_provisional_answer_slows_the_retransmission_down(slee: SleeHarness, bob: Phone) -> None:
    send(slee, bob.contact)
    bob.answer(183, to="MESSAGE")
    assert TOLD == [183]
    before = len(bob.requests)
    slee.advance(0.6)  # E as it was set before
    assert len(bob.requests) == before + 1
    slee.advance(3.8)
    assert len(bob.requests) == before + 1
    slee.advance(0.2)
    assert len(bob.requests) == before + 2
    bob.answer(200, to="MESSAGE")
    assert TOLD == [183, 200, "end"]
    slee.advance(10)


@pytest.mark.parametrize("status", [202, 404, 401])
def test_sip_178_a_final_answer_fires_one_event_and_ends_the_activity(
    slee: SleeHarness, bob: Phone, status: int
) -> None:
    send(slee, bob.contact)
    bob.answer(status, to="MESSAGE")
    bob.answer(status, to="MESSAGE")  # repeated, absorbed by the transaction until timer K
    assert TOLD == [status, "end"]
    assert ours(slee) == []
    slee.advance(6)


def test_rfc3261_8_1_3_3_an_answer_with_a_second_via_is_discarded(slee: SleeHarness, bob: Phone) -> None:
    send(slee, bob.contact)
    message = bob.last("MESSAGE")
    raw = build_response(message, 200, to_tag="b").raw
    second = b"Via: SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKother\r\nFrom:"
    bob.send(raw.replace(b"From:", second, 1))
    assert TOLD == []
    slee.advance(33)
    assert TOLD == ["F", "end"]


def test_sip_35_an_unreachable_target_is_told(slee: SleeHarness, sip: SipSimulator, bob: Phone) -> None:
    sip.unreachable.add(bob.address)
    send(slee, bob.contact)
    assert TOLD == ["refused", "end"]
    slee.advance(40)


def test_sip_49_a_target_without_an_address_is_told(slee: SleeHarness, sip: SipSimulator) -> None:
    send(slee, "tel:+4312345")
    assert TOLD == ["no_route", "end"]
    assert sip.sent == []


def test_rfc3327_a_message_takes_the_path_of_its_target(slee: SleeHarness, sip: SipSimulator, bob: Phone) -> None:
    edge = sip.phone("edge")
    target = api.Target("sip:bob@10.0.0.7", (f"<sip:{edge.address[0]}:{edge.address[1]};lr>",))
    send(slee, "sip:bob@example.test", target=target)
    message = edge.last("MESSAGE")
    assert message.uri_text == "sip:bob@10.0.0.7"
    assert [route.uri.text for route in message.routes] == [f"sip:{edge.address[0]}:{edge.address[1]};lr"]
    edge.answer(200, to="MESSAGE")
    slee.advance(6)
