"""SIP-199, COM-22: whatever arrives at a server with services, nothing is raised, and all that it sends is well-formed.

Calls, registrations and torture messages are played in any order, their octets changed on the way. Each play is one
seed, which is named in the failure.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import pytest

from resource_adaptors.sip.message.message import Request
from resource_adaptors.sip.testing import Datagram, Phone, SipSimulator
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee.testing import SleeHarness
from tests.conformance.rfc4475.messages import MESSAGES as RFC_4475
from tests.conformance.rfc5118.messages import MESSAGES as RFC_5118

PLAYS: Final = 12
SEEDS_OF_A_PLAY: Final = 15
TORTURE: Final = tuple(message.data for message in (*RFC_4475, *RFC_5118))
NAMES: Final = (
    b"Route Record-Route Path Proxy-Require Require Reason Timestamp Contact Expires Via v Max-Forwards Supported "
    b"Warning Content-Type X-Odd To From CSeq Subject Authorization WWW-Authenticate Proxy-Authenticate"
).split(b" ")
PIECES: Final = (
    *(b'"', b"\\", b"\0", b"\xff", b",", b";", b"<", b">", b"=", b"*", b"?", b":", b" ", b"\t", b"\r\n ", b"%00"),
    *(b"tag", b";tag=x", b";expires=0", b";q=0.3", b";lr", b";maddr=192.0.2.1", b"?a=b", b"0", b"70", b"256"),
    *(b"<sip:192.0.2.1;lr>", b"<sip:192.0.2.1:5060;lr>", b"<sip:198.51.100.1;lr>", b"<sip:192.0.2.9>"),
    *(b"<sips:a@b>", b"<tel:+1;x=y>", b"<sip:a@[::1]:99;transport=tcp>", b"sip:bob@example.test"),
    b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx",
)
REPEATING: Final = frozenset((400, 413, 414, 483, 501, 505, 513))
"""Statuses of answers that repeat what was malformed (SIP-22)."""


class Play:
    """A server, two telephones, and a wire that changes what they send."""

    def __init__(self, slee: SleeHarness, seed: int) -> None:
        self.draw: Final = random.Random(seed)
        self.slee: Final = slee
        self.sip: Final = slee.add_resource("sip-main", SipSimulator())
        slee.install(Registrar)
        slee.install(Proxy)
        self.alice: Final = self.sip.phone("alice")
        self.bob: Final = self.sip.phone("bob")
        self.bob.register()
        self.taken: Final[list[bytes]] = []
        for phone in (self.alice, self.bob):
            phone.send = self.wire(phone)

    def wire(self, phone: Phone) -> Callable[..., None]:
        send = phone.send

        def changed(message: Request | bytes) -> None:
            data = message if isinstance(message, bytes) else message.raw
            if self.draw.random() < 0.6:
                data = self.mutate(data)
            self.taken.append(data)
            send(data)

        return changed

    def pieces(self) -> bytes:
        return b"".join(self.draw.choices(PIECES, k=self.draw.randint(1, 5)))

    def with_header(self, data: bytes, name: bytes) -> bytes:
        line, end, rest = data.partition(b"\r\n")
        return b"".join((line, end, name, b": ", self.pieces(), b"\r\n", rest))

    def mutate(self, data: bytes) -> bytes:
        for _ in range(self.draw.randint(0, 3)):
            match self.draw.randrange(5):
                case 0 | 1:
                    data = self.with_header(data, self.draw.choice(NAMES))
                case 2:
                    lines = data.split(b"\r\n")
                    lines[self.draw.randrange(len(lines))] += self.pieces()
                    data = b"\r\n".join(lines)
                case 3:
                    lines = data.split(b"\r\n")
                    del lines[self.draw.randrange(len(lines))]
                    data = b"\r\n".join(lines)
                case _:
                    at = self.draw.randrange(len(data) + 1)
                    data = data[:at] + self.draw.choice(PIECES) + data[at + self.draw.randint(0, 2) :]
        return data

    def step(self) -> None:
        """Something that a peer might do next."""
        draw = self.draw
        earlier = draw.choice(self.taken) if self.taken else b""
        match draw.randrange(13):
            case 0 | 1 | 2:
                self.alice.send(draw.choice(TORTURE))
            case 3 | 4 | 5:
                self.alice.request(draw.choice(("INVITE", "MESSAGE", "BYE", "OPTIONS")), self.bob.aor)
            case 6 | 7 if self.bob.requests:
                status = draw.choice((180, 200, 302, 401, 404, 486, 603))
                self.bob.answer(status, to=draw.choice(self.bob.requests).method)
            case 8:
                self.alice.register("<sip:x@192.0.2.5>")
            case 9:
                self.alice.send(earlier.replace(b"INVITE", b"CANCEL"))
            case 11:
                # A call that rings and is cancelled, with a header of the CANCEL that goes on to the callee.
                call = self.alice.request("INVITE", self.bob.aor).request
                if "INVITE" in self.bob.methods:
                    self.bob.answer(180)
                cancel = call.raw.replace(b"INVITE", b"CANCEL")
                self.sip.deliver(self.with_header(cancel, b"Reason"), self.alice.address)
            case 10:
                self.alice.send(earlier.replace(b"INVITE", b"ACK"))
            case _:
                self.slee.advance(draw.choice((0.1, 1, 40, 200)))


def is_well_formed(datagram: Datagram) -> bool:
    if datagram.data.startswith(b"SIP/2.0 ") and int(datagram.data[8:11]) in REPEATING:
        return b"\n" not in datagram.data.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"")
    return bool(datagram.message.call_id)


@pytest.mark.parametrize("play", range(PLAYS))
def test_nothing_is_raised_and_all_that_is_sent_is_well_formed(play: int) -> None:
    for seed in range(play * SEEDS_OF_A_PLAY, (play + 1) * SEEDS_OF_A_PLAY):
        try:
            with SleeHarness() as slee:
                scene = Play(slee, seed)
                for _ in range(scene.draw.randint(3, 12)):
                    scene.step()
                slee.advance(400)
                assert all(map(is_well_formed, scene.sip.sent))
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
