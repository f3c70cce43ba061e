"""Requests of our own, as services send them and hear of them (SIP-178, SIP-181; corrections 4 and 7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from resource_adaptors.sip import api
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.testing import Phone, SipSimulator
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee import ActivityContext, ActivityEnd, Sbb, handles, initial_event, resource
from slee.api.event import event_type
from slee.testing import RecordingResource, SleeHarness, recording_type

DESK: Final = "sip:desk@example.test"


@event_type("test.Order", vendor="test", version="1.0")
class Order:
    """Ask the service below to send something."""

    command: str
    to: str
    fails: bool = False


ORDERS = recording_type(Order)
HEARD: list[object] = []


class Sender(Sbb, vendor="test", version="1.0"):
    """Sends what it is ordered to, and keeps what it hears."""

    sip = resource(api.SIP)
    orders = resource(ORDERS)

    @initial_event()
    def on_order(self, event: Order, aci: ActivityContext) -> None:
        if event.command == "message":
            sent = self.sip.message(event.to, from_=DESK, body="Grüße")
        elif event.command == "options":
            sent = self.sip.options(event.to, from_=DESK, target=api.Target(event.to))
        else:
            sent = self.sip.send(event.command, event.to, from_=DESK, target=api.Target(event.to))
        sent.attach(self)
        if event.fails:
            raise ValueError("changed my mind")

    @handles
    def on_trying(self, event: api.Trying, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_accepted(self, event: api.Accepted, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_redirected(self, event: api.Redirected, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_challenged(self, event: api.Challenged, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_busy(self, event: api.Busy, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_unavailable(self, event: api.Unavailable, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_declined(self, event: api.Declined, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_rejected(self, event: api.Rejected, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_failed(self, event: api.Failed, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_timeout(self, event: api.TransactionTimeout, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_error(self, event: api.TransportError, aci: ActivityContext) -> None:
        HEARD.append(event)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        if isinstance(aci.activity, api.ClientTransaction):
            HEARD.append("end")


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    HEARD.clear()
    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        yield slee


@pytest.fixture
def sip(slee: SleeHarness) -> SipSimulator:
    configuration = SipConfiguration.model_validate({"domains": ["example.test"]})
    sip = slee.add_resource("sip-main", SipSimulator(), configuration)
    slee.install(Registrar)
    slee.install(Proxy)
    slee.add_resource("orders", RecordingResource(ORDERS))
    slee.install(Sender)
    return sip


@pytest.fixture
def bob(sip: SipSimulator) -> Phone:
    phone = sip.phone("bob")
    assert phone.register().final.status == 200
    return phone


def order(slee: SleeHarness, command: str, to: str, *, fails: bool = False) -> None:
    orders = slee.kernel.resources["orders"].adaptor
    assert isinstance(orders, RecordingResource)
    orders.endpoint.start_activity("order", "an order")
    orders.endpoint.fire("order", Order(command, to, fails))
    slee.run()


def test_a_message_to_a_served_user_reaches_the_registered_contact(slee: SleeHarness, bob: Phone) -> None:
    order(slee, "message", bob.aor)
    received = bob.last("MESSAGE")
    assert received.uri_text == bob.contact
    assert received.body.decode() == "Grüße"
    assert received.content_type == "text/plain;charset=UTF-8"
    assert received.from_.uri.text == DESK
    assert received.max_forwards == 69
    bob.answer(200, to="MESSAGE")
    assert [type(heard) for heard in HEARD] == [api.Accepted, str]
    assert isinstance(HEARD[0], api.Accepted)
    assert HEARD[0].response.status == 200


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (202, api.Accepted),
        (302, api.Redirected),
        (407, api.Challenged),
        (404, api.Rejected),
        (480, api.Unavailable),
        (486, api.Busy),
        (500, api.Failed),
        (603, api.Declined),
    ],
)
def test_sip_178_each_answer_fires_one_event_of_its_class_and_ends_the_activity(
    slee: SleeHarness, bob: Phone, status: int, event: type
) -> None:
    order(slee, "MESSAGE", bob.contact)
    bob.answer(status, to="MESSAGE")
    bob.answer(status, to="MESSAGE")
    assert [type(heard) for heard in HEARD] == [event, str]
    assert slee.kernel.resources["sip-main"].contexts == {}


def test_an_unknown_user_is_a_rejection(slee: SleeHarness, sip: SipSimulator) -> None:
    order(slee, "message", "sip:nobody@example.test")
    assert isinstance(HEARD[0], api.Rejected)
    assert HEARD[0].response.status == 404


def test_sip_62_a_silent_contact_of_a_served_user_is_a_timeout_too(slee: SleeHarness, bob: Phone) -> None:
    order(slee, "message", bob.aor)
    slee.advance(40)
    assert HEARD[-2:] == [api.TransactionTimeout("F"), "end"]


def test_a_name_that_has_no_address_is_a_transport_error(slee: SleeHarness, sip: SipSimulator) -> None:
    order(slee, "message", "sip:bob@elsewhere.test")
    assert HEARD == [api.TransportError("no_route"), "end"]


def test_com_3_a_rollback_sends_nothing_and_opens_nothing(slee: SleeHarness, bob: Phone) -> None:
    order(slee, "MESSAGE", bob.contact, fails=True)
    assert bob.requests == []
    assert slee.kernel.resources["sip-main"].contexts == {}


def test_other_requests_come_the_same_way(slee: SleeHarness, bob: Phone) -> None:
    order(slee, "options", bob.contact)
    assert bob.last("OPTIONS").header("Accept") == "application/sdp"
    bob.answer(200, to="OPTIONS", headers=[("Allow", "INVITE")])
    assert isinstance(HEARD[0], api.Accepted)
    assert HEARD[0].response.header("Allow") == "INVITE"


def test_an_operator_who_removes_the_activity_ends_the_interest_in_the_answer(slee: SleeHarness, bob: Phone) -> None:
    order(slee, "MESSAGE", bob.contact)
    entity = slee.kernel.resources["sip-main"]
    (handle,) = entity.contexts
    entity.remove_activity(handle)
    slee.run()
    bob.answer(200, to="MESSAGE")
    assert HEARD == ["end"]


def test_requests_of_ours_are_counted_among_the_activities(slee: SleeHarness, sip: SipSimulator, bob: Phone) -> None:
    order(slee, "MESSAGE", bob.contact)
    assert sip.statistics().activities["ClientTransaction"] == 1
    bob.answer(200, to="MESSAGE")
    assert sip.statistics().activities["ClientTransaction"] == 0
