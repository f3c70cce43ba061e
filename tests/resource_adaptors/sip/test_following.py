"""`follow`: a service watches a call that another one forwards (SIP-160)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.sip import api
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.testing import SipSimulator
from sbbs.proxy.sbb import Proxy
from slee import ActivityContext, Sbb, Select, initial_event, resource
from slee.testing import SleeHarness

ASKED: list[str] = []
TOLD: list[bool] = []


def call_of(event: api.Answered) -> str:
    return event.response.call_id


class Watcher(Sbb, vendor="test", version="1.0"):
    """Wants calls followed, and keeps whether its wish was heard."""

    sip = resource(api.SIP)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: api.Invite, aci: ActivityContext) -> None:
        self._follow(aci)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_options(self, event: api.Options, aci: ActivityContext) -> None:
        self._follow(aci)

    def _follow(self, aci: ActivityContext) -> None:
        for how in ASKED:
            self.sip.follow(aci)
            if how == "fail":
                raise ValueError("changed my mind")

    @initial_event(selector=call_of)
    def on_answered(self, event: api.Answered, aci: ActivityContext) -> None:
        TOLD.append(event.dialog is not None)


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    ASKED.clear()
    TOLD.clear()
    with SleeHarness(failures_allowed=True, leftovers_allowed=True) as slee:
        yield slee


def call(slee: SleeHarness, *, priority: int = 10, method: str = "INVITE") -> SipSimulator:
    """A call through the proxy to a telephone at no domain of ours, which answers."""
    configuration = SipConfiguration.model_validate({"domains": ["example.test"]})
    sip = slee.add_resource("sip-main", SipSimulator(), configuration)
    slee.install(Proxy, configuration={"record_route": False})
    slee.install(Watcher, default_priority=priority)
    alice, bob = sip.phone("alice"), sip.phone("bob")
    alice.request(method, f"sip:bob@{bob.address[0]}")
    if method in bob.methods:
        bob.answer(200, to=method)
    slee.run()
    return sip


def test_the_dialog_of_a_call_that_another_service_forwards_is_told(slee: SleeHarness) -> None:
    ASKED.append("follow")
    sip = call(slee)
    assert TOLD == [True]
    forwarded = next(sent.message for sent in sip.sent if getattr(sent.message, "method", "") == "INVITE")
    assert len(forwarded.record_routes) == 1


def test_without_the_wish_nothing_is_followed(slee: SleeHarness) -> None:
    sip = call(slee)
    assert TOLD == [False]
    forwarded = next(sent.message for sent in sip.sent if getattr(sent.message, "method", "") == "INVITE")
    assert forwarded.record_routes == ()


def test_a_wish_that_is_said_twice_is_one(slee: SleeHarness) -> None:
    ASKED.extend(["follow", "follow"])
    call(slee)
    assert TOLD == [True]


def test_a_wish_of_a_delivery_that_rolled_back_is_none(slee: SleeHarness) -> None:
    ASKED.append("fail")
    call(slee)
    assert TOLD == [False]


@pytest.mark.parametrize(("priority", "method"), [(-10, "INVITE"), (10, "OPTIONS")])
def test_what_is_forwarded_already_or_makes_no_dialog_is_refused(slee: SleeHarness, priority: int, method: str) -> None:
    ASKED.append("follow")
    call(slee, priority=priority, method=method)
    assert "SIP-160" in str(slee.failures[0])
