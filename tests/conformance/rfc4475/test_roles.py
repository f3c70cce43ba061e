"""B3 with corrections 9 and 10: each torture message, received by each role that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.sip.message.errors import RemoteProtocolError
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.testing import Datagram, Phone, SipSimulator
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.testing import SleeHarness
from tests.conformance.rfc4475.messages import MESSAGES, VERDICTS
from tests.conformance.rfc4475.roles import UserAgent

CHANGED: Final = frozenset(("", "via", "max-forwards", "route", "record-route"))
"""What a proxy may change (RFC 3261 16.6)."""


@dataclass
class Scene:
    """One server in the role under test, the sender of the message, and the callee."""

    slee: SleeHarness
    sip: SipSimulator
    sender: Phone
    callee: Phone

    def send(self, data: bytes) -> list[Datagram]:
        """Have the server receive a datagram; what it sends then."""
        before = len(self.sip.sent)
        self.sender.send(data)
        return self.sip.sent[before:]

    def registers_callee(self, data: bytes) -> None:
        """Bind the callee to the user that a request is for."""
        try:
            message = parse_message(data)
        except RemoteProtocolError:
            return
        if isinstance(message, Request) and message.uri.aor.startswith("sip:"):
            self.callee.request(
                "REGISTER",
                "sip:example.com",
                headers=[("Contact", f"<{self.callee.contact}>"), ("Expires", "60")],
                to=message.uri.aor,
            )

    def answer(self, data: bytes) -> Datagram:
        """The one final answer to a request, sent to where the request came from."""
        finals = [datagram for datagram in self.send(data) if status_of(datagram) >= 200]
        assert len(finals) == 1, finals
        assert finals[0].destination[0] == self.sender.address[0]
        return finals[0]

    def response(self, name: str) -> Response:
        """The final answer to a request that can be parsed."""
        message = self.answer(MESSAGES[name]).message
        assert isinstance(message, Response)
        return message


def status_of(datagram: Datagram) -> int:
    """The status of a response, 0 for a request."""
    return int(datagram.data[8:11]) if datagram.data.startswith(b"SIP/2.0 ") else 0


def scene(*services: type, configuration: SipConfiguration | None = None) -> Iterator[Scene]:
    with SleeHarness() as slee:
        sip = slee.add_resource("sip-main", SipSimulator(), configuration)
        for service in services:
            slee.install(service)
        yield Scene(slee, sip, sip.phone("caller"), sip.phone("callee"))


@pytest.fixture
def proxy() -> Iterator[Scene]:
    yield from scene(Registrar, Proxy)


@pytest.fixture
def registrar() -> Iterator[Scene]:
    yield from scene(Registrar)


@pytest.fixture
def uas() -> Iterator[Scene]:
    yield from scene(UserAgent, configuration=SipConfiguration(domains=frozenset(("chair-dnrc.example.com",))))


def judge(role: Scene, name: str, expected: int | str | None) -> None:
    data = MESSAGES[name]
    if expected == 0:
        assert role.send(data) == []
    elif expected == "forwarded":
        # there is no DNS yet: the one Route value with a name is given a number
        expect_forwarded(role, data.replace(b"services.example.com", b"192.0.2.99"))
    else:
        assert status_of(role.answer(data)) == expected


def expect_forwarded(role: Scene, data: bytes) -> None:
    """The request goes out once, and what a proxy has no business with is equal octet for octet (SIP-154)."""
    original = parse_message(data)
    assert isinstance(original, Request)
    (sent,) = (datagram for datagram in role.send(data) if not status_of(datagram))
    forwarded = sent.message
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


def names(role: str) -> list[str]:
    return [name for name, verdict in VERDICTS.items() if getattr(verdict, role) is not None]


@pytest.mark.parametrize("name", names("proxy"))
def test_proxy(proxy: Scene, name: str) -> None:
    proxy.registers_callee(MESSAGES[name])
    judge(proxy, name, VERDICTS[name].proxy)


@pytest.mark.parametrize("name", names("registrar"))
def test_registrar(registrar: Scene, name: str) -> None:
    judge(registrar, name, VERDICTS[name].registrar)


@pytest.mark.parametrize("name", names("uas"))
def test_user_agent_server(uas: Scene, name: str) -> None:
    judge(uas, name, VERDICTS[name].uas)


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if verdict.parser])
def test_answer_to_a_malformed_request_is_stateless_and_well_formed(uas: Scene, name: str) -> None:
    """SIP-22: its Via comes back, marked with the source (SIP-51), no transaction is made, no header breaks it."""
    answer = uas.answer(MESSAGES[name])
    assert uas.sip.statistics().core.transactions == {}
    head, _, body = answer.data.partition(b"\r\n\r\n")
    assert body == b""
    lines = head.split(b"\r\n")
    assert lines[1].startswith(b"Via: SIP/")
    assert lines[1].endswith(b";received=198.51.100.1")
    assert lines[-1] == b"Content-Length: 0"
    assert b"\n" not in head.replace(b"\r\n", b"")
    if b"\nTo" in head:
        assert b";tag=" in head.partition(b"\nTo")[2].partition(b"\r\n")[0]


def test_3_1_1_4_escaped_nulls_are_distinct_users(registrar: Scene) -> None:
    answer = registrar.response("3.1.1.4 escnull")
    assert {contact.uri.text for contact in answer.contacts} == {
        "sip:%00@host5.example.com",
        "sip:%00%00@host5.example.com",
    }
    plain = registrar.sender.request("REGISTER", "sip:example.com", to="sip:null-@example.com").final
    assert plain.contacts == ()


def test_3_1_1_8_second_message_of_a_datagram_is_not_processed(proxy: Scene) -> None:
    """SIP-26."""
    assert [status_of(datagram) for datagram in proxy.send(MESSAGES["3.1.1.8 dblreq"])] == [200]


def test_3_1_1_11_strict_router_gets_its_uri_and_the_request_uri_last(proxy: Scene) -> None:
    proxy.registers_callee(MESSAGES["3.1.1.11 mpart01"])
    (sent,) = (datagram for datagram in proxy.send(MESSAGES["3.1.1.11 mpart01"]) if not status_of(datagram))
    assert sent.destination == ("127.0.0.1", 5080)
    forwarded = sent.message
    assert isinstance(forwarded, Request)
    assert forwarded.uri_text == "sip:127.0.0.1:5080"
    assert [route.uri.text for route in forwarded.routes] == [proxy.callee.contact]


def test_3_3_1_answer_repeats_what_is_there(uas: Scene) -> None:
    answer = uas.answer(MESSAGES["3.3.1 insuf"])
    assert answer.data.split(b"\r\n")[:3] == [
        b"SIP/2.0 400 Missing From",
        b"Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf;received=198.51.100.1",
        b"CSeq: 193942 INVITE",
    ]


def test_3_3_5_unsupported_lists_exactly_the_tags_that_are_the_roles_own(proxy: Scene, uas: Scene) -> None:
    proxy.registers_callee(MESSAGES["3.3.5 bext01"])
    assert proxy.response("3.3.5 bext01").values("Unsupported") == (
        "noProxiesSupportThis",
        "norDoAnyProxiesSupportThis",
    )
    assert uas.response("3.3.5 bext01").values("Unsupported") == ("nothingSupportsThis", "nothingSupportsThisEither")


def test_3_3_6_and_7_answers_say_what_would_do(uas: Scene) -> None:
    assert "application/sdp" in uas.response("3.3.6 invut").values("Accept")
    assert (uas.response("3.3.7 regaut01").header("WWW-Authenticate") or "").startswith("Digest ")


def test_3_3_11_options_to_the_product_itself_is_answered(proxy: Scene) -> None:
    """Max-Forwards 0 stops nothing that is not forwarded."""
    data = MESSAGES["3.3.11 zeromf"].replace(b"OPTIONS sip:user@example.com", b"OPTIONS sip:example.com")
    assert status_of(proxy.answer(data)) == 200


@pytest.mark.parametrize(
    ("name", "contact"),
    [
        ("3.3.12 cparam01", "sip:+19725552222@gw1.example.net"),
        ("3.3.13 cparam02", "sip:+19725552222@gw1.example.net;unknownparam"),
        ("3.3.14 regescrt", "sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
    ],
)
def test_3_3_12_to_14_bindings_differ(registrar: Scene, name: str, contact: str) -> None:
    assert [bound.uri.text for bound in registrar.response(name).contacts] == [contact]


@pytest.mark.parametrize(("compatible", "status"), [(True, 200), (False, 400)])
def test_3_4_1_request_of_rfc_2543(compatible: bool, status: int) -> None:  # noqa: FBT001 (a column of the table)
    with SleeHarness() as slee:
        sip = slee.add_resource("sip-main", SipSimulator(), SipConfiguration(rfc2543_compat=compatible))
        slee.install(UserAgent)
        sip.phone("caller").send(MESSAGES["3.4.1 inv2543"])
        assert [status_of(datagram) for datagram in sip.sent if status_of(datagram) >= 200] == [status]


def test_5118_three_colons_leave_the_proxy_as_two(proxy: Scene) -> None:
    proxy.registers_callee(MESSAGES["5118-4.10 three-colons"])
    answer = proxy.sender.request("REGISTER", "sip:example.com", to="sip:user@[2001:db8::192.0.2.1]").final
    assert [contact.uri.text for contact in answer.contacts] == [proxy.callee.contact]
