"""SIP-18, SIP-204: values that may be received but must not be written do not stop the stack, and do not get out.

A header that no element has to understand is accepted with an unbalanced quote or an escaped NUL in it. Where the stack
would write such a value itself, in an answer, a CANCEL or a Route, it leaves the value or the unfit part of it out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.testing import Phone, SipSimulator
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.testing import SleeHarness

UNFIT = ['SIP;text="not closed', 'SIP;text="a\\\0b"', 'SIP;text=\udcff"']


@pytest.fixture
def sip() -> Iterator[SipSimulator]:
    with SleeHarness(leftovers_allowed=True) as slee:
        sip = slee.add_resource("sip-main", SipSimulator())
        slee.install(Registrar)
        slee.install(Proxy)
        yield sip


@pytest.fixture
def alice(sip: SipSimulator) -> Phone:
    return sip.phone("alice")


@pytest.fixture
def bob(sip: SipSimulator) -> Phone:
    phone = sip.phone("bob")
    assert phone.register().final.status == 200
    return phone


def with_header(raw: bytes, name: str, value: str) -> bytes:
    """A message with one more header, whatever its value is."""
    line = f"\r\n{name}: {value}\r\nContent-Length:".encode("utf-8", "surrogateescape")
    assert raw.count(b"\r\nContent-Length:") == 1
    return raw.replace(b"\r\nContent-Length:", line)


@pytest.mark.parametrize("reason", UNFIT)
def test_reason_of_a_cancel_is_not_passed_on(alice: Phone, bob: Phone, reason: str) -> None:
    """The CANCEL does its work without it (RFC 3326 2: Reason is optional)."""
    call = alice.request("INVITE", bob.aor)
    bob.answer(180)
    cancel = call.request.raw.replace(b"INVITE sip:", b"CANCEL sip:").replace(b"CSeq: 1 INVITE", b"CSeq: 1 CANCEL")
    alice.send(with_header(cancel, "Reason", reason))
    assert bob.methods == ["INVITE", "CANCEL"]
    assert bob.last("CANCEL").header("Reason") is None


def test_fit_reason_of_a_cancel_is_passed_on(alice: Phone, bob: Phone) -> None:
    call = alice.request("INVITE", bob.aor)
    bob.answer(180)
    cancel = call.request.raw.replace(b"INVITE sip:", b"CANCEL sip:").replace(b"CSeq: 1 INVITE", b"CSeq: 1 CANCEL")
    alice.send(with_header(cancel, "Reason", 'SIP;cause=200;text="said \\"no\\""'))
    assert bob.last("CANCEL").header("Reason") == 'SIP;cause=200;text="said \\"no\\""'


@pytest.mark.parametrize("required", ['"not closed', '"a\\\0b", known', "known, bl\udcffnk"])
def test_unsupported_lists_option_tags_only(alice: Phone, bob: Phone, required: str) -> None:
    """RFC 3261 20.40: an option tag is a token."""
    call = alice.request("OPTIONS", "sip:nobody@example.test")
    raw = call.request.raw.replace(b"nobody@", b"bob@").replace(b"branch=z9hG4bK", b"branch=z9hG4bKx")
    alice.send(with_header(raw.replace(b"Call-ID: ", b"Call-ID: x"), "Proxy-Require", required))
    refusals = [message for message in alice.received if getattr(message, "status", 0) == 420]
    assert [refusal.values("Unsupported") for refusal in refusals] == [("known",) if "known" in required else ()]
    assert bob.methods == []


@pytest.mark.parametrize("path", ["<sip:192.0.2.7;lr>,, <x", "sip:192.0.2.7;lr", '"not closed <sip:192.0.2.7;lr>'])
def test_malformed_path_is_refused_by_every_element(alice: Phone, bob: Phone, path: str) -> None:
    """RFC 3327 4: a Path value becomes a Route value, and has its grammar; else the user could not be called again."""
    register = alice.register(f"<{alice.contact}>", call_id="other").request
    raw = register.raw.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx").replace(b"CSeq: 1 ", b"CSeq: 2 ")
    alice.send(with_header(raw, "Path", path))
    assert [message.status for message in alice.received if not isinstance(message, Request)] == [200, 400]


def test_display_name_of_a_path_does_not_become_a_route(sip: SipSimulator, alice: Phone, bob: Phone) -> None:
    register = bob.register().request
    raw = register.raw.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx").replace(b"CSeq: 1 ", b"CSeq: 2 ")
    bob.send(with_header(raw, "Path", '"\\\0<a" <sip:192.0.2.7;lr>;x=y'))
    alice.request("MESSAGE", bob.aor)
    sent = sip.sent[-1]
    assert sent.destination == ("192.0.2.7", 5060)
    assert isinstance(sent.message, Request)
    assert sent.message.values("Route") == ("<sip:192.0.2.7;lr>",)


def test_display_name_of_a_route_is_no_uri(sip: SipSimulator, alice: Phone, bob: Phone) -> None:
    """The bracket in the quotes is not the one that the URI stands in; a strict router gets what is fit of the rest."""
    call = alice.request("OPTIONS", "sip:nobody@example.test")
    raw = call.request.raw.replace(b"nobody@", b"bob@")
    raw = raw.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx").replace(b"Call-ID: ", b"Call-ID: x")
    alice.send(with_header(raw, "Route", '"a<b" <sip:192.0.2.7>, "\\\0" <sip:192.0.2.9;lr>'))
    sent = sip.sent[-1]
    assert sent.destination == ("192.0.2.7", 5060)
    assert isinstance(sent.message, Request)
    assert sent.message.values("Route") == ("<sip:192.0.2.9;lr>", f"<{bob.contact}>")
