"""The registrar, by RFC 3261 10.3 and APP-1 as corrected; no sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.sip.testing import Phone, SipSimulator
from sbbs.registrar.sbb import Registrar, RegistrarUsage
from slee.model.descriptor import Durability
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import SleeHarness


@pytest.fixture
def slee() -> Iterator[SleeHarness]:
    with SleeHarness() as slee:
        yield slee


@pytest.fixture
def sip(slee: SleeHarness) -> SipSimulator:
    sip = slee.add_resource("sip-main", SipSimulator())
    slee.install(Registrar)
    return sip


@pytest.fixture
def bob(sip: SipSimulator) -> Phone:
    return sip.phone("bob")


def contacts(phone: Phone) -> list[str]:
    """What a query without Contact says is registered."""
    query = phone.request("REGISTER", "sip:example.test", to=phone.aor)
    assert query.final.status == 200
    return [contact.text for contact in query.final.contacts]


def test_binding_is_granted_with_its_remaining_time(bob: Phone, slee: SleeHarness) -> None:
    assert bob.register(expires=120).final.status == 200
    slee.advance(20)
    assert contacts(bob) == [f"<{bob.contact}>;q=1;expires=100"]


def test_several_contacts_come_back_by_preference(bob: Phone) -> None:
    assert bob.register("<sip:b@h1>;q=0.3", "<sip:b@h2>;q=0.9;expires=100", expires=200).final.status == 200
    assert contacts(bob) == ["<sip:b@h2>;q=0.9;expires=100", "<sip:b@h1>;q=0.3;expires=200"]


def test_default_and_maximum_expiry(bob: Phone) -> None:
    bob.register("<sip:b@h1>", expires=None)
    bob.register("<sip:b@h2>", expires=100_000)
    assert contacts(bob) == ["<sip:b@h1>;q=1;expires=3600", "<sip:b@h2>;q=1;expires=7200"]


def test_too_brief_is_refused_with_the_minimum(bob: Phone) -> None:
    answer = bob.register(expires=59).final
    assert (answer.status, answer.header("Min-Expires")) == (423, "60")
    assert contacts(bob) == []


def test_request_is_applied_whole_or_not_at_all(bob: Phone) -> None:
    assert bob.register("<sip:b@h1>", "<sip:b@h2>;expires=5").final.status == 423
    assert contacts(bob) == []


def test_unregister_one_and_all(bob: Phone, slee: SleeHarness) -> None:
    bob.register("<sip:b@h1>", "<sip:b@h2>")
    assert bob.register("<sip:b@h1>;expires=0").final.status == 200
    assert contacts(bob) == ["<sip:b@h2>;q=1;expires=3600"]
    assert bob.register("*", expires=0).final.status == 200
    assert contacts(bob) == []
    assert slee.usage(RegistrarUsage).removed.value == 2


@pytest.mark.parametrize(("values", "expires"), [(("*", "<sip:b@h1>"), 0), (("*",), 60), (("*",), None)])
def test_wildcard_must_be_alone_and_expire(bob: Phone, values: tuple[str, ...], expires: int | None) -> None:
    bob.register("<sip:b@h1>")
    assert bob.register(*values, expires=expires).final.status == 400
    assert len(contacts(bob)) == 1


def test_order_of_cseq_within_a_call_id(bob: Phone) -> None:
    assert bob.register(call_id="x@y", cseq=7).final.status == 200
    assert bob.register(call_id="x@y", cseq=7, expires=600).final.status == 500
    assert bob.register(call_id="x@y", cseq=7, expires=0).final.status == 500
    assert bob.register(call_id="x@y", cseq=6, expires=0).final.status == 500
    assert bob.register(call_id="other@y", cseq=1).final.status == 200
    assert bob.register(call_id="other@y", cseq=2).final.status == 200
    assert len(contacts(bob)) == 1


def test_equivalent_uris_are_one_binding(bob: Phone) -> None:
    bob.register("<sip:b@HOST.example;x=1>")
    bob.register("<sip:%62@host.example>")
    assert len(contacts(bob)) == 1


def test_binding_is_gone_when_its_time_has_come(bob: Phone, slee: SleeHarness) -> None:
    bob.register("<sip:b@h1>", expires=60)
    slee.advance(60)
    assert contacts(bob) == []
    assert all(len(table) == 0 for table in slee.tables.tables.values())


def test_retransmission_is_absorbed(bob: Phone, slee: SleeHarness) -> None:
    first = bob.register()
    first.repeat()
    assert first.statuses == [200, 200]
    assert first.responses[0].raw == first.responses[1].raw
    assert slee.usage(RegistrarUsage).accepted.value == 1


def test_too_many_contacts_are_refused(bob: Phone) -> None:
    assert bob.register(*(f"<sip:b@h{n}>" for n in range(10))).final.status == 200
    assert bob.register("<sip:b@h10>").final.status == 403
    assert bob.register("<sip:b@h3>").final.status == 200


def test_foreign_scheme_in_to_or_contact(bob: Phone) -> None:
    assert bob.request("REGISTER", "sip:example.test", to="tel:+4712345").final.status == 400
    assert bob.register("<mailto:bob@example.test>").final.status == 400


def test_nothing_stays_behind(bob: Phone, slee: SleeHarness) -> None:
    bob.register()
    slee.advance(64)
    figures = slee.kernel.statistics()
    assert [service.entities for service in figures.services] == [0]
    assert [resource.activities for resource in figures.resources] == [0]


def test_repetition_of_a_request_whose_answer_a_kill_swallowed_is_answered_and_changes_nothing() -> None:
    disk = SimulatedDisk(faults=StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0)))
    slee = SleeHarness(journal=disk, leftovers_allowed=True)
    sip = slee.add_resource("sip-main", SipSimulator())
    slee.install(Registrar, durability=Durability.SYNC)
    assert sip.phone("bob").register("<sip:b@h1>", call_id="x@y", cseq=7, expires=100).final.status == 200
    again = slee.crash(downtime=4)
    sip = again.add_resource("sip-main", SipSimulator())
    again.install(Registrar, durability=Durability.SYNC)
    again.restart()
    bob = sip.phone("bob")
    assert bob.register("<sip:b@h1>", call_id="x@y", cseq=7, expires=100).final.status == 200
    assert contacts(bob) == ["<sip:b@h1>;q=1;expires=96"]
    again.advance(40)  # longer than any client repeats a request: a client that reuses a number
    assert bob.register("<sip:b@h1>", call_id="x@y", cseq=7, expires=100).final.status == 500
