"""CPU per CCR and CCA: the product's node beside python-diameter's codec in one run: `scripts/bench diameter`.

Both nodes talk to themselves over a wire of memory: a client node sends CCRs to a server node, which answers. Of
python-diameter the codec alone is measured, which is the least that its node spends: a request and an answer, each
written once and read once. The product's figure holds codec, peers, routing, checks and duplicate detection.
"""

from __future__ import annotations

import argparse
import ipaddress
import random
import time

from diameter.message import Message as OtherMessage
from diameter.message.avp.grouped import GrantedServiceUnit

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import i32, text, u32
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.protocol.charging import (
    CreditAnswer,
    CreditRequest,
    RequestType,
    Subscription,
    SubscriptionKind,
    read_answer,
    read_request,
)
from resource_adaptors.diameter.protocol.events import Answered, Open, RequestReceived, Write
from resource_adaptors.diameter.protocol.node import Node
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings, Settings
from resource_adaptors.diameter.protocol.units import Grant, Service, Units

HOSTS = ("a.example", "b.example.net")


def node(host: str, other: str, *, opens: bool) -> Node:
    """One of the two nodes."""
    settings = Settings(
        identity=host, realm=host.partition(".")[2], addresses=(ipaddress.ip_address("127.0.0.1"),), duplicate_time=5.0
    )
    peers = [PeerSettings(host=other, opens=opens)]
    realms = [RealmSettings(realm=other.partition(".")[2], application=4, peers=(other,))]
    return Node(settings, base_dictionary(), random.Random(1).randbytes, peers=peers, realms=realms)


def request(number: int) -> CreditRequest:
    """A CCR-Initial."""
    return CreditRequest(
        session_id=f"a.example;1;{number};sh=00",
        kind=RequestType.INITIAL,
        number=0,
        context="32260@3gpp.org",
        origin_host=HOSTS[0],
        origin_realm="example",
        realm="example.net",
        subscriptions=(Subscription(SubscriptionKind.E164, "43123456"),),
        services=(Service(rating_group=100, requested=Units(time=30)),),
    )


class Pair:
    """Two nodes on a wire of memory."""

    def __init__(self) -> None:
        self.client = node(HOSTS[0], HOSTS[1], opens=True)
        self.server = node(HOSTS[1], HOSTS[0], opens=False)
        self.answered = 0
        self.client.start(0.0)
        self.far = self.server.accept(0.0)
        self.near = next(action.connection for action in self.client.actions if isinstance(action, Open))
        self.client.actions.clear()
        self.client.connected(self.near, 0.0)
        self.carry(0.0)

    def carry(self, now: float) -> None:
        """Let everything that was written arrive, and be answered."""
        client, server = self.client, self.server
        while client.actions or server.actions:
            for source, target, number in ((client, server, self.far), (server, client, self.near)):
                actions = source.actions.copy()
                source.actions.clear()
                for action in actions:
                    if isinstance(action, Write):
                        target.receive(number, action.data, now)
            for event in server.events:
                if isinstance(event, RequestReceived):
                    self.answer(event)
            server.events.clear()
            for event in client.events:
                if isinstance(event, Answered):
                    read_answer(event.message)
                    self.answered += 1
            client.events.clear()

    def answer(self, event: RequestReceived) -> None:
        """Grant what is asked for."""
        asked = read_request(event.message)
        given = CreditAnswer(result=2001, grants=(Grant(rating_group=100, granted=Units(time=30), validity=60),))
        head = (
            text(codes.SESSION_ID, asked.session_id),
            u32(codes.RESULT_CODE, 2001),
            text(codes.ORIGIN_HOST, HOSTS[1]),
            text(codes.ORIGIN_REALM, "example.net"),
            u32(codes.AUTH_APPLICATION_ID, 4),
            i32(codes.CC_REQUEST_TYPE, asked.kind),
            u32(codes.CC_REQUEST_NUMBER, asked.number),
        )
        self.server.answer(event.message, event.host, event.connection, (*head, *given.avps()))


def ours(count: int) -> float:
    """CPU seconds per request with its answer, on both sides together."""
    pair = Pair()
    began = time.process_time()
    for number in range(count):
        now = number * 0.001
        pair.client.send(request(number).message(), number, now)
        pair.carry(now)
    spent = time.process_time() - began
    if pair.answered != count:
        raise SystemExit(f"bench diameter: {pair.answered} of {count} requests were answered")
    return spent / count


def theirs(count: int) -> float:
    """The same of python-diameter's codec: each message written once and read once."""
    data = request(1).message().encode()
    sent = OtherMessage.from_bytes(data)
    began = time.process_time()
    for _ in range(count):
        got = OtherMessage.from_bytes(sent.as_bytes())
        answer = got.to_answer()
        answer.session_id, answer.result_code = got.session_id, 2001
        answer.origin_host, answer.origin_realm = b"b.example.net", b"example.net"
        answer.cc_request_type, answer.cc_request_number = got.cc_request_type, got.cc_request_number
        answer.add_multiple_services_credit_control(
            granted_service_unit=GrantedServiceUnit(cc_time=30), rating_group=100, result_code=2001, validity_time=60
        )
        OtherMessage.from_bytes(answer.as_bytes())
    return (time.process_time() - began) / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench diameter", description="CPU per CCR and CCA")
    parser.add_argument(
        "--requests", type=int, default=10_000, help="requests of the product; python-diameter has a tenth"
    )
    arguments = parser.parse_args()
    ours(min(500, arguments.requests))
    mine = ours(arguments.requests)
    other = theirs(max(1, arguments.requests // 10))
    print("CPU per CCR and CCA, both sides together")
    print(f"  product, whole node       {mine * 1e6:8.1f} us")
    print(f"  python-diameter, codec    {other * 1e6:8.1f} us   ({other / mine:.1f} times)")


if __name__ == "__main__":
    main()
