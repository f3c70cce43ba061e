"""The proxy with the registrar, by RFC 3261 16 and the SIP rules as corrected; no sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.sip.api import SIP, Invite
from resource_adaptors.sip.testing import SERVER, Phone, SipSimulator, Transaction
from sbbs.proxy.sbb import Proxy, ProxyUsage
from sbbs.registrar.sbb import Registrar
from slee import ActivityContext, Sbb, Select, initial_event, resource
from slee.testing import SleeHarness


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    with SleeHarness() as slee:
        yield slee


@pytest.fixture
def sip(slee: SleeHarness) -> SipSimulator:
    sip = slee.add_resource("sip-main", SipSimulator())
    slee.install(Registrar)
    slee.install(Proxy)
    return sip


@pytest.fixture
def alice(sip: SipSimulator) -> Phone:
    return sip.phone("alice")


@pytest.fixture
def bob(sip: SipSimulator) -> Phone:
    phone = sip.phone("bob")
    assert phone.register().final.status == 200
    return phone


def second_phone_of_bob(sip: SipSimulator) -> Phone:
    phone = sip.phone("bob")
    assert phone.register().final.status == 200
    return phone


def call(caller: Phone, callee: Phone) -> Transaction:
    return caller.request("INVITE", callee.aor)


def at_rest(slee: SleeHarness) -> None:
    """After every transaction timer nothing is left but the bindings."""
    slee.advance(70)
    figures = slee.kernel.statistics()
    assert sum(service.entities for service in figures.services) == 0
    assert [resource.activities for resource in figures.resources] == [0]


def test_call_is_set_up_and_ended_through_the_proxy(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    assert invite.statuses == [100]
    forwarded = bob.last("INVITE")
    assert forwarded.uri_text == bob.contact
    assert forwarded.max_forwards == 69
    assert [route.uri.text for route in forwarded.record_routes] == [f"sip:{SERVER[0]}:{SERVER[1]};lr"]
    assert len(forwarded.via) == 2
    bob.answer(180)
    bob.answer(200)
    assert invite.statuses == [100, 180, 200]
    assert len(invite.final.via) == 1
    invite.ack()
    assert bob.last("ACK").routes == ()
    bye = invite.bye()
    bob.answer(200, to="BYE")
    assert bye.final.status == 200
    at_rest(slee)


def test_busy_passes_to_the_caller(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    bob.answer(486)
    assert bob.methods == ["INVITE", "ACK"]
    assert invite.final.status == 486
    invite.ack()
    at_rest(slee)


def test_unknown_user_is_not_found(alice: Phone, slee: SleeHarness) -> None:
    invite = alice.request("INVITE", "sip:nobody@example.test")
    assert invite.final.status == 404
    assert invite.final.to_tag is not None
    invite.ack()
    assert slee.usage(ProxyUsage).unknown.value == 1
    at_rest(slee)


def test_unreachable_contact_is_unavailable(alice: Phone, bob: Phone, sip: SipSimulator, slee: SleeHarness) -> None:
    sip.unreachable.add(bob.address)
    invite = call(alice, bob)
    assert invite.final.status == 480
    invite.ack()
    assert slee.usage(ProxyUsage).unreachable.value == 1
    at_rest(slee)


def test_silent_callee_times_out_by_timer_b(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    slee.advance(31.9)
    assert invite.statuses == [100]
    slee.advance(0.2)
    assert invite.final.status == 408
    assert bob.methods == ["INVITE"] * 7  # timer A: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 seconds
    invite.ack()
    at_rest(slee)


def test_ringing_callee_times_out_by_timer_c(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    slee.advance(3)
    bob.answer(180)
    slee.advance(184)
    assert bob.methods.count("CANCEL") == 0
    slee.advance(1.2)
    assert bob.methods.count("CANCEL") == 1
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    assert invite.final.status == 408
    invite.ack()
    at_rest(slee)


def test_cancel_of_a_ringing_call(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    bob.answer(180)
    invite.cancel()
    assert bob.methods == ["INVITE", "CANCEL"]
    assert bob.last("CANCEL").top_via.branch == bob.last("INVITE").top_via.branch
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    assert invite.final.status == 487
    invite.ack()
    cancelled = [m for m in alice.received if getattr(m, "status", 0) == 200 and m.cseq.method == "CANCEL"]
    assert len(cancelled) == 1
    at_rest(slee)


def test_cancel_waits_for_the_first_provisional(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    invite.cancel()
    assert bob.methods == ["INVITE"]
    bob.answer(180)
    assert bob.methods == ["INVITE", "CANCEL"]
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    assert invite.final.status == 487
    invite.ack()
    at_rest(slee)


def test_answer_that_crosses_the_cancel_still_goes_upstream(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    bob.answer(180)
    invite.cancel()
    bob.answer(200)
    assert invite.final.status == 200
    at_rest(slee)


def test_fork_has_one_winner(alice: Phone, bob: Phone, sip: SipSimulator, slee: SleeHarness) -> None:
    desk = second_phone_of_bob(sip)
    invite = call(alice, bob)
    assert bob.methods == desk.methods == ["INVITE"]
    bob.answer(180)
    desk.answer(180)
    desk.answer(200)
    assert bob.methods == ["INVITE", "CANCEL"]
    assert 'text="Call completed elsewhere"' in (bob.last("CANCEL").header("Reason") or "")
    bob.answer(200, to="CANCEL")
    bob.answer(487)
    assert invite.statuses == [100, 180, 180, 200]
    invite.ack()
    assert desk.methods == ["INVITE", "ACK"]
    assert bob.methods == ["INVITE", "CANCEL", "ACK"]
    at_rest(slee)


def test_fork_answers_with_the_best_failure(alice: Phone, bob: Phone, sip: SipSimulator, slee: SleeHarness) -> None:
    desk = second_phone_of_bob(sip)
    invite = call(alice, bob)
    bob.answer(503)
    assert invite.statuses == [100]
    desk.answer(486)
    assert invite.final.status == 486
    invite.ack()
    at_rest(slee)


def test_retransmissions_are_dropped(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    invite = call(alice, bob)
    invite.repeat()
    assert bob.methods == ["INVITE"]
    bob.answer(180)
    invite.repeat()
    assert invite.statuses == [100, 100, 180, 180]
    bob.answer(486)
    bob.answer(486)
    assert bob.methods == ["INVITE", "ACK", "ACK"]
    assert invite.final.status == 486
    slee.advance(0.5)
    assert invite.statuses[-2:] == [486, 486]
    invite.ack()
    slee.advance(5)
    assert invite.statuses.count(486) == 2
    at_rest(slee)


def test_message_reaches_every_contact_and_one_answer_returns(
    alice: Phone, bob: Phone, sip: SipSimulator, slee: SleeHarness
) -> None:
    desk = second_phone_of_bob(sip)
    message = alice.request("MESSAGE", bob.aor, headers=[("Content-Type", "text/plain")], body=b"hello")
    bob.answer(404, to="MESSAGE")
    desk.answer(200, to="MESSAGE")
    assert desk.last("MESSAGE").body == b"hello"
    assert message.final.status == 200
    at_rest(slee)


def test_options_to_the_domain_is_answered(alice: Phone, slee: SleeHarness) -> None:
    answer = alice.request("OPTIONS", "sip:example.test").final
    assert answer.status == 200
    assert "INVITE" in (answer.header("Allow") or "")
    at_rest(slee)


def test_hops_are_exhausted(alice: Phone, bob: Phone, slee: SleeHarness) -> None:
    raw = call(alice, bob).request.raw.replace(b"Max-Forwards: 70", b"Max-Forwards: 0").replace(b"z9hG4bK", b"z9hG4bKx")
    alice.send(raw)
    statuses = [m.status for m in alice.received if getattr(m, "status", 100) > 100]
    assert statuses == [483]
    bob.answer(486)


def test_spiral_of_forks_ends_by_max_breadth(alice: Phone, sip: SipSimulator, slee: SleeHarness) -> None:
    """RFC 5393: users whose contacts are users of this very proxy must not multiply one INVITE without end."""
    users = [sip.phone(f"u{n}", domain=SERVER[0]) for n in range(6)]
    for user in users:
        others = [f"<{other.aor}>" for other in users if other is not user]
        assert user.register(*others).final.status == 200
    invite = alice.request("INVITE", users[0].aor)
    slee.advance(33)
    assert invite.final.status == 440
    assert sip.core.statistics().requests_out["INVITE"] <= 60 * 3
    invite.ack()
    at_rest(slee)


def test_fork_divides_max_breadth(alice: Phone, bob: Phone, sip: SipSimulator, slee: SleeHarness) -> None:
    desk = second_phone_of_bob(sip)
    invite = alice.request("INVITE", bob.aor, headers=[("Max-Breadth", "5")])
    assert bob.last("INVITE").header("Max-Breadth") == desk.last("INVITE").header("Max-Breadth") == "2"
    bob.answer(486)
    desk.answer(486)
    invite.ack()
    refused = alice.request("INVITE", bob.aor, headers=[("Max-Breadth", "1")])
    assert refused.final.status == 440
    refused.ack()
    at_rest(slee)


def test_datagram_too_long_to_send_harms_nobody_else(
    alice: Phone, bob: Phone, sip: SipSimulator, slee: SleeHarness
) -> None:
    """SIP-35: what the socket does not take is lost by itself."""
    first = call(alice, bob)
    sip.too_long = 100
    call(alice, bob)
    sip.too_long = 65_507
    bob.answer(486)
    assert first.final.status == 486
    first.ack()
    at_rest(slee)


class Hasty(Sbb, vendor="test", version="1.0"):
    """Answers with a header that the stack writes itself."""

    sip = resource(SIP)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        self.sip.respond(aci, 200, headers=[("To", "<sip:x@y>")])


def test_answer_that_cannot_be_written_is_refused_in_the_handler() -> None:
    with SleeHarness(failures_allowed=True) as slee:
        sip = slee.add_resource("sip-main", SipSimulator())
        slee.install(Hasty)
        invite = sip.request("INVITE", "sip:bob@example.test")
        assert invite.final.status == 500
        invite.ack()
        assert "LocalProtocolError" in str(slee.failures[0])
        at_rest(slee)


class DoNotDisturb(Sbb, vendor="test", version="1.0"):
    """Decides before the proxy does."""

    sip = resource(SIP)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        self.sip.reject(aci, 480)


def test_proxy_leaves_alone_what_a_service_of_higher_priority_has_answered(
    alice: Phone, bob: Phone, slee: SleeHarness
) -> None:
    slee.install(DoNotDisturb, default_priority=10)
    invite = call(alice, bob)
    assert invite.final.status == 480
    assert bob.methods == []
    invite.ack()
    at_rest(slee)


class Faulty(Sbb, vendor="test", version="1.0"):
    """Raises in the INVITE of one user, after asking for an answer."""

    sip = resource(SIP)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        self.sip.respond(aci, 200)
        raise RuntimeError("no luck")


def test_raising_sbb_gets_the_caller_500_and_leaves_no_trace() -> None:
    with SleeHarness(failures_allowed=True) as slee:
        sip = slee.add_resource("sip-main", SipSimulator())
        slee.install(Faulty)
        for _ in range(2):
            invite = sip.request("INVITE", "sip:bob@example.test")
            assert invite.final.status == 500
            invite.ack()
        assert [type(failure.cause) for failure in slee.failures] == [RuntimeError, RuntimeError]
        rolled_back = [d.rolled_back for d in slee.kernel.statistics().deliveries if d.event_type.name == "sip.Invite"]
        assert rolled_back == [2]
        at_rest(slee)


def test_method_that_no_service_receives() -> None:
    with SleeHarness() as slee:
        sip = slee.add_resource("sip-main", SipSimulator())
        slee.install(Registrar)
        answer = sip.request("INVITE", "sip:bob@example.test").final
        assert answer.status == 405
        assert answer.header("Allow") is not None
        assert sip.request("FROBNICATE", "sip:bob@example.test").final.status == 501
        assert sip.request("OPTIONS", "sip:example.test").final.status == 200
