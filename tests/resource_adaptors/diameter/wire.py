"""A node whose wire a test holds in its hands."""

from __future__ import annotations

import ipaddress
import random

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, text, u32
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.message.message import Message, P, R, decode
from resource_adaptors.diameter.protocol.capabilities import capabilities_answer, capabilities_request
from resource_adaptors.diameter.protocol.events import (
    Open,
    Write,
)
from resource_adaptors.diameter.protocol.node import Node
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings, Settings
from tests.resource_adaptors.diameter.test_codec import REQUEST

HERE = (ipaddress.ip_address("127.0.0.1"),)
OURS = Settings(identity="m.example", realm="example", vendor_applications=frozenset())


def theirs(host: str, **changes: object) -> Settings:
    return Settings(
        **{"identity": host, "realm": "b.example", "vendor_applications": frozenset(), "addresses": HERE, **changes}
    )


class Bench:
    """A node of ours, whose wire a test holds in its hands."""

    def __init__(self, *hosts: str, opens: bool = True, **changes: object) -> None:
        self.now = 1000.0
        self.node = Node(
            Settings(**{"identity": "m.example", "realm": "example", "vendor_applications": frozenset(), **changes}),
            base_dictionary(),
            random.Random(1).randbytes,
            peers=[PeerSettings(host=host, opens=opens) for host in hosts],
            realms=[RealmSettings(realm="b.example", application=4, peers=hosts)] if hosts else (),
        )
        self.node.start(self.now)

    def actions(self, kind: type) -> list[object]:
        found = [action for action in self.node.actions if isinstance(action, kind)]
        self.node.actions[:] = [action for action in self.node.actions if not isinstance(action, kind)]
        return found

    def written(self, connection: int | None = None) -> list[Message]:
        return [decode(w.data) for w in self.actions(Write) if connection is None or w.connection == connection]

    def take(self, kind: type) -> list[object]:
        found = [event for event in self.node.events if isinstance(event, kind)]
        self.node.events[:] = [event for event in self.node.events if not isinstance(event, kind)]
        return found

    def receive(self, connection: int, message: Message) -> None:
        self.node.receive(connection, message.encode(), self.now)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.node.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.node.tick(self.now)
        self.now = end

    def cer(self, host: str, **changes: object) -> Message:
        return capabilities_request(theirs(host, **changes), 7, 8)

    def let_in(self, host: str, **changes: object) -> int:
        """A peer connects to us."""
        number = self.node.accept(self.now)
        self.receive(number, self.cer(host, **changes))
        return number

    def open(self, *hosts: str) -> dict[str, int]:
        """The connections that we open are accepted."""
        numbers: dict[str, int] = {}
        for wanted in self.actions(Open):
            self.node.connected(wanted.connection, self.now)
            (request,) = self.written(wanted.connection)
            answer = capabilities_answer_of(wanted.peer.host, request)
            self.receive(wanted.connection, answer)
            numbers[wanted.peer.host] = wanted.connection
        return numbers


def capabilities_answer_of(host: str, request: Message, result: int = 2001) -> Message:
    return capabilities_answer(theirs(host), request, result)


def answer_of(request: Message, *, result: int = 2001, host: str = "b.b.example", error: bool = False) -> Message:
    avps = (
        text(codes.SESSION_ID, request.session_id),
        u32(codes.RESULT_CODE, result),
        text(codes.ORIGIN_HOST, host),
        text(codes.ORIGIN_REALM, "b.example"),
        u32(codes.AUTH_APPLICATION_ID, 4),
        u32(codes.CC_REQUEST_TYPE, 1),
        u32(codes.CC_REQUEST_NUMBER, 0),
    )
    return request.answer(avps, error=error)


def arriving(bench: Bench, number: int, *more: Avp, without: int = 0, **changes: int) -> Message | None:
    """The answer to a CCR from a peer, if the node gives one itself."""
    message = REQUEST.message()
    kept = tuple(a for a in message.avps if a.code not in (without, codes.DESTINATION_REALM))
    given = {"command": 272, "application": 4, "flags": R | P, "hop_by_hop": 5, "end_to_end": 6, **changes}
    bench.receive(number, Message(**given, avps=(*kept, text(codes.DESTINATION_REALM, "example"), *more)))
    found = bench.written(number)
    return found[0] if found else None
