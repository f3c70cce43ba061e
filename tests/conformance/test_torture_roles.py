"""B3 with corrections 9 and 10: each torture message, received by each role that it is for.

Proxy and registrar are the shipped services; the user agent server is a service of these tests. The server has some of
the domains of the messages, and the callee of each message is registered, so that only the message itself can keep it
from getting through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import build_response
from resource_adaptors.sip.testing import Datagram, Phone, SipSimulator
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.testing import SleeHarness
from tests.conformance.rfc4475.messages import BY_NAME
from tests.conformance.rfc4475.messages import MESSAGES as RFC_4475
from tests.conformance.rfc5118.messages import MESSAGES as RFC_5118
from tests.conformance.torture import ACCEPT, DROP, FORWARD, Outcome, TortureMessage
from tests.conformance.user_agent import UserAgent

MESSAGES: Final = (*RFC_4475, *RFC_5118)
DOMAINS: Final = frozenset(("example.com", "example.net", "example.org", "company.com", "chair-dnrc.example.com"))
NUMBERS: Final = {
    b"<sip:services.example.com": b"<sip:192.0.2.97",
    b"sip:registrar.example.com SIP/2.0": b"sip:192.0.2.98 SIP/2.0",
    b"sip:user@host.example.net SIP/2.0": b"sip:user@192.0.2.99 SIP/2.0",
}
"""Foreign names that a proxy would look up: there is no DNS yet."""
CHANGED: Final = frozenset(("", "via", "max-forwards", "route", "record-route"))
"""What a proxy may change (RFC 3261 16.6)."""


@dataclass
class Scene:
    """One server in the role under test, the sender of the message, and the callee."""

    sip: SipSimulator
    sender: Phone
    callee: Phone

    def send(self, data: bytes) -> list[Datagram]:
        """Have the server receive a datagram; what it sends then."""
        before = len(self.sip.sent)
        self.sender.send(data)
        return self.sip.sent[before:]

    def register_callee(self, data: bytes) -> None:
        """Bind the callee to the user that a request is for."""
        try:
            message = parse_message(data)
        except RemoteProtocolError:
            return
        if isinstance(message, Request) and message.uri.aor.startswith("sip:"):
            binding = [("Contact", f"<{self.callee.contact}>"), ("Expires", "60")]
            self.callee.request("REGISTER", "sip:example.com", headers=binding, to=message.uri.aor)

    def answer(self, data: bytes) -> Datagram:
        """The one final answer to a request, sent to where the request came from."""
        finals = [datagram for datagram in self.send(data) if status_of(datagram) >= 200]
        assert len(finals) == 1, finals
        assert finals[0].destination[0] == self.sender.address[0]
        return finals[0]

    def response(self, name: str) -> Response:
        """The final answer to a message of RFC 4475 that can be parsed."""
        message = self.answer(BY_NAME[name].data).message
        assert isinstance(message, Response)
        return message

    def forwarded(self, data: bytes) -> Datagram:
        """The one request that the server sends on receiving another."""
        (sent,) = (datagram for datagram in self.send(data) if not status_of(datagram))
        return sent


def status_of(datagram: Datagram) -> int:
    """The status of a response, 0 for a request."""
    return int(datagram.data[8:11]) if datagram.data.startswith(b"SIP/2.0 ") else 0


def scene(*services: type) -> Iterator[Scene]:
    with SleeHarness(leftovers_allowed=True) as slee:
        sip = slee.add_resource("sip-main", SipSimulator(), SipConfiguration(domains=DOMAINS))
        for service in services:
            slee.install(service)
        yield Scene(sip, sip.phone("caller"), sip.phone("callee"))


@pytest.fixture
def proxy() -> Iterator[Scene]:
    yield from scene(Registrar, Proxy)


@pytest.fixture
def registrar() -> Iterator[Scene]:
    yield from scene(Registrar)


@pytest.fixture
def uas() -> Iterator[Scene]:
    yield from scene(UserAgent)


def judge(role: Scene, message: TortureMessage, expected: Outcome | None) -> None:
    if expected == DROP:
        assert role.send(message.data) == []
    elif expected == FORWARD:
        data = message.data
        for name, number in NUMBERS.items():
            data = data.replace(name, number)
        expect_forwarded(role, data)
    else:
        assert status_of(role.answer(message.data)) == (200 if expected == ACCEPT else expected)


def expect_forwarded(role: Scene, data: bytes) -> None:
    """The request goes out once, and what a proxy has no business with is equal octet for octet (SIP-154)."""
    original = parse_message(data)
    forwarded = role.forwarded(data).message
    assert isinstance(original, Request)
    assert isinstance(forwarded, Request)
    assert forwarded.method == original.method
    assert forwarded.body == original.body
    assert unchanged(forwarded) == unchanged(original) + missing_length(original)
    assert [via.branch for via in forwarded.via[1:]] == [via.branch for via in original.via]
    hops = 71 if original.max_forwards is None else original.max_forwards
    assert forwarded.max_forwards == min(hops - 1, 70)


def unchanged(message: Request) -> list[str]:
    return [line for line, key in zip(message.lines, message.keys, strict=True) if key not in CHANGED]


def missing_length(message: Request) -> list[str]:
    """The Content-Length that a proxy adds where there is none (correction 7)."""
    return [] if message.has("Content-Length") or not message.body else [f"Content-Length: {len(message.body)}"]


def name_of(message: TortureMessage) -> str:
    return f"{message.section}-{message.name}"


@pytest.mark.parametrize("message", [one for one in MESSAGES if one.proxy is not None], ids=name_of)
def test_proxy(proxy: Scene, message: TortureMessage) -> None:
    proxy.register_callee(message.data)
    judge(proxy, message, message.proxy)


@pytest.mark.parametrize("message", [one for one in MESSAGES if one.registrar is not None], ids=name_of)
def test_registrar(registrar: Scene, message: TortureMessage) -> None:
    judge(registrar, message, message.registrar)


@pytest.mark.parametrize("message", [one for one in MESSAGES if one.uas is not None], ids=name_of)
def test_user_agent_server(uas: Scene, message: TortureMessage) -> None:
    judge(uas, message, message.uas)


@pytest.mark.parametrize("message", [one for one in MESSAGES if isinstance(one.parser, int)], ids=name_of)
def test_answer_to_a_malformed_request_is_stateless_and_no_worse(uas: Scene, message: TortureMessage) -> None:
    """SIP-22: its Via comes back, marked with the source (SIP-51), no transaction is made, no line is broken."""
    answer = uas.answer(message.data)
    assert uas.sip.statistics().core.transactions == {}
    head, _, body = answer.data.partition(b"\r\n\r\n")
    assert body == b""
    assert b"\n" not in head.replace(b"\r\n", b"")
    lines = head.split(b"\r\n")
    assert lines[1].startswith(b"Via: SIP/")
    assert b";received=198.51.100.1" in lines[1]
    assert lines[-1] == b"Content-Length: 0"
    assert all(b";tag=" in line for line in lines if line.startswith(b"To:"))


def test_3_1_1_4_escaped_nulls_are_distinct_users(registrar: Scene) -> None:
    answer = registrar.response("escnull")
    assert {contact.uri.text for contact in answer.contacts} == {
        "sip:%00@host5.example.com",
        "sip:%00%00@host5.example.com",
    }
    assert registrar.sender.request("REGISTER", "sip:example.com", to="sip:null-@example.com").final.contacts == ()


def test_3_1_1_8_second_message_of_a_datagram_is_not_processed(proxy: Scene) -> None:
    """SIP-26."""
    assert [status_of(datagram) for datagram in proxy.send(BY_NAME["dblreq"].data)] == [200]


def test_3_1_1_11_strict_router_gets_its_own_uri_and_the_target_last(proxy: Scene) -> None:
    """RFC 3261 16.6 step 6."""
    message = BY_NAME["mpart01"]
    proxy.register_callee(message.data)
    sent = proxy.forwarded(message.data)
    assert sent.destination == ("127.0.0.1", 5080)
    assert isinstance(sent.message, Request)
    assert sent.message.uri_text == "sip:127.0.0.1:5080"
    assert [route.uri.text for route in sent.message.routes] == [proxy.callee.contact]


@pytest.mark.parametrize("name", ["unreason", "noreason"])
def test_3_1_1_12_and_13_reason_phrases_pass_the_proxy(proxy: Scene, name: str) -> None:
    """A response with the phrase of the message reaches the caller with it; the 100 is made a 180, which is relayed."""
    status_line = BY_NAME[name].data.partition(b"\r\n")[0].replace(b" 100 ", b" 180 ")
    proxy.register_callee(BY_NAME["sdp01"].data)
    proxy.forwarded(BY_NAME["sdp01"].data)
    answer = build_response(proxy.callee.last("INVITE"), int(status_line[8:11]), to_tag="2229").raw
    proxy.callee.send(status_line + answer[answer.index(b"\r\n") :])
    assert proxy.sip.sent[-1].data.startswith(status_line + b"\r\n")


def test_3_3_1_answer_repeats_what_is_there(uas: Scene) -> None:
    lines = uas.answer(BY_NAME["insuf"].data).data.split(b"\r\n")
    assert lines[0].startswith(b"SIP/2.0 400 Missing ")
    assert b"CSeq: 193942 INVITE" in lines
    assert not [line for line in lines if line.startswith((b"From", b"To", b"Call-ID"))]


def test_3_3_5_unsupported_lists_exactly_the_tags_that_are_the_roles_own(proxy: Scene, uas: Scene) -> None:
    proxy.register_callee(BY_NAME["bext01"].data)
    assert proxy.response("bext01").values("Unsupported") == ("noProxiesSupportThis", "norDoAnyProxiesSupportThis")
    assert uas.response("bext01").values("Unsupported") == ("nothingSupportsThis", "nothingSupportsThisEither")


def test_3_3_6_answer_says_what_would_do(uas: Scene) -> None:
    assert uas.response("invut").values("Accept") == ("application/sdp",)


def test_3_3_7_realm_challenges_a_scheme_that_nobody_knows(uas: Scene) -> None:
    answer = uas.response("regaut01")
    assert answer.status == 401
    assert (answer.header("WWW-Authenticate") or "").startswith("Digest ")


def test_3_3_11_options_to_the_product_itself_is_answered(proxy: Scene) -> None:
    """Max-Forwards 0 stops nothing that is not forwarded."""
    data = BY_NAME["zeromf"].data.replace(b"OPTIONS sip:user@example.com", b"OPTIONS sip:example.com")
    assert status_of(proxy.answer(data)) == 200


@pytest.mark.parametrize(
    ("name", "contact"),
    [
        ("cparam01", "sip:+19725552222@gw1.example.net"),
        ("cparam02", "sip:+19725552222@gw1.example.net;unknownparam"),
        ("regescrt", "sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
    ],
)
def test_3_3_12_to_14_bindings_differ(registrar: Scene, name: str, contact: str) -> None:
    assert [bound.uri.text for bound in registrar.response(name).contacts] == [contact]


@pytest.mark.parametrize(("compatible", "status"), [(True, 200), (False, 400)])
def test_3_4_1_request_of_rfc_2543(*, compatible: bool, status: int) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        configuration = SipConfiguration(domains=DOMAINS, rfc2543_compat=compatible)
        sip = slee.add_resource("sip-main", SipSimulator(), configuration)
        slee.install(UserAgent)
        sip.phone("caller").send(BY_NAME["inv2543"].data)
        assert [status_of(datagram) for datagram in sip.sent if status_of(datagram) >= 200] == [status]


def test_5118_4_10_three_colons_leave_the_proxy_as_two(proxy: Scene) -> None:
    (message,) = (one for one in RFC_5118 if one.name == "ipv6-bug-abnf-3-colons")
    sent = proxy.forwarded(message.data).message
    assert isinstance(sent, Request)
    assert sent.uri_text == "sip:user@[2001:db8::192.0.2.1]"
