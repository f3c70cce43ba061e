"""The programs that `bench_diameter` compares: each is one Diameter node on a socket, as a server or as a client.

`python -m benchmarks.diameter_nodes slee|core|python-diameter serve` prints its port, and grants what it is asked for.
`... slee|python-diameter ask PORT` charges sessions of an INITIAL and a TERMINATION, `WINDOW` at a time. Both go on
until they are killed. `core` is the product's protocol core and its sockets, without a SLEE.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import random
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from diameter.message import Message as TheirMessage
from diameter.message.avp.grouped import (
    GrantedServiceUnit,
    MultipleServicesCreditControl,
    RequestedServiceUnit,
    SubscriptionId,
    UsedServiceUnit,
)
from diameter.message.commands.credit_control import CreditControlAnswer, CreditControlRequest
from diameter.node import Node as TheirNode
from diameter.node.application import Application

from resource_adaptors.diameter import api
from resource_adaptors.diameter.adaptor import DiameterAdaptor
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, i32, text, u32
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.protocol.charging import CreditAnswer, read_request
from resource_adaptors.diameter.protocol.events import Close, RequestReceived, Write
from resource_adaptors.diameter.protocol.node import Node
from resource_adaptors.diameter.protocol.settings import PeerSettings, Settings
from resource_adaptors.diameter.protocol.units import Grant, Service, Units
from resource_adaptors.diameter.transport.tcp import Streams
from slee import ActivityContext, ActivityEnd, Sbb, Select, handles, initial_event, resource
from slee.api.ids import ServiceID
from slee.kernel.ports import Limits
from slee.management.management import EntityEquipment, Equipment
from slee.management.store import StateDirectory
from slee.model.descriptor import Durability, describe_service
from slee.runtime.slee import Slee

ADDRESS: Final = "127.0.0.1"
SERVER, SERVER_REALM = "b.example.net", "example.net"
CLIENT, CLIENT_REALM = "a.example", "example"
CONTEXT: Final = "32260@3gpp.org"
WINDOW: Final = 32
"""Sessions at a time."""
_GRANTS = (Grant(rating_group=100, granted=Units(time=30), validity=60),)


# The product.


class Granting(Sbb, vendor="bench", version="1.0"):
    """Grants 30 seconds to every request."""

    diameter = resource(api.DIAMETER)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_initial(self, event: api.InitialRequest, aci: ActivityContext) -> None:
        self.diameter.grant(aci, _GRANTS)

    @handles
    def on_termination(self, event: api.TerminationRequest, aci: ActivityContext) -> None:
        self.diameter.grant(aci, _GRANTS)


class Asking(Sbb, vendor="bench", version="1.0"):
    """Opens sessions, closes each when it is granted, and opens the next when it has ended."""

    diameter = resource(api.DIAMETER)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_peer(self, event: api.PeerUp, aci: ActivityContext) -> None:
        for _ in range(WINDOW):
            self._open()

    @handles
    def on_granted(self, event: api.CreditGranted, aci: ActivityContext) -> None:
        if event.kind is api.RequestType.INITIAL:
            self.diameter.close(aci, (Service(rating_group=100, used=(Units(time=17),)),))

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        if isinstance(aci.activity, api.CreditControlSession):
            self._open()

    def _open(self) -> None:
        caller = (api.Subscription(api.SubscriptionKind.E164, "43123456"),)
        asked = (Service(rating_group=100, requested=Units(time=30)),)
        self.diameter.open_session(caller, asked, realm=SERVER_REALM).attach(self)


@contextlib.asynccontextmanager
async def slee(sbb: type[Sbb], identity: str, realm: str, **section: object) -> AsyncIterator[DiameterAdaptor]:
    """A SLEE with the service, without the interfaces of management and metrics."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        given = {"identity": identity, "realm": realm, "sh": False, **section}
        made = Slee(
            store=StateDirectory(Path(folder)),
            adaptors=[DiameterAdaptor],
            sections={"diameter": given},
            limits=Limits(),
        )
        made.start(Equipment((), (EntityEquipment("diameter", "diameter", "diameter", ("diameter-main",)),), ()))
        adaptor = made.kernel.resources["diameter"].adaptor
        assert isinstance(adaptor, DiameterAdaptor)
        service = ServiceID(sbb.__name__, "bench", "1.0")
        descriptor = describe_service(service, sbb, durability=Durability.MEMORY)
        made.kernel.add_service(descriptor, {sbb.sbb_id: {"diameter": adaptor.provider(api.DIAMETER)}})
        made.kernel.activate_service(service)
        made.pump()
        yield adaptor


async def serve_slee() -> None:
    """The product as a server."""
    peers = [{"host": CLIENT, "mode": "responder"}]
    async with slee(Granting, SERVER, SERVER_REALM, peers=peers, listeners=[{"host": ADDRESS, "port": 0}]) as adaptor:
        ready(adaptor.addresses[0][1])
        await asyncio.Event().wait()


async def ask_slee(port: int) -> None:
    """The product as a client."""
    peers = [{"host": SERVER, "address": ADDRESS, "port": port}]
    realms = [{"realm": SERVER_REALM, "peers": [SERVER]}]
    async with slee(Asking, CLIENT, CLIENT_REALM, peers=peers, realms=realms, listeners=[]):
        ready(port)
        await asyncio.Event().wait()


class Core:
    """The product's protocol core on its sockets; it reads each CCR, and grants."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        here = (ipaddress.ip_address(ADDRESS),)
        settings = Settings(identity=SERVER, realm=SERVER_REALM, addresses=here)
        self._node = Node(
            settings, base_dictionary(), random.randbytes, peers=[PeerSettings(host=CLIENT, opens=False)], realms=[]
        )
        self._node.start(self._loop.time())
        self._streams = Streams(self, within=10.0)
        self.port = self._streams.listen(ADDRESS, 0, tls=None)[1]

    def accepted(self, names: frozenset[str] | None) -> int:
        return self._node.accept(self._loop.time(), names)

    def refused(self, address: str, reason: str) -> None:
        raise AssertionError(f"{address} was to shake hands of TLS: {reason}")

    def connected(self, number: int) -> None:
        raise AssertionError(f"connection {number} was opened by a server")

    def lost(self, number: int, reason: str = "") -> None:
        self._node.closed(number, self._loop.time())

    def received(self, number: int, data: bytes) -> None:
        node = self._node
        node.receive(number, data, self._loop.time())
        while node.events or node.actions or node.next_deadline() == node.now:
            for event in node.events:
                if isinstance(event, RequestReceived):
                    self._answer(event)
            node.events.clear()
            for action in node.actions:
                if isinstance(action, Write):
                    self._streams.write(action.connection, action.data)
                elif isinstance(action, Close):
                    self._streams.close(action.connection)
            node.actions.clear()
            node.tick(node.now)

    def _answer(self, event: RequestReceived) -> None:
        asked = read_request(event.message)
        self._node.answer(
            event.message, event.host, event.connection, granted(asked.session_id, asked.kind, asked.number)
        )


def granted(session_id: str, kind: int, number: int) -> tuple[Avp, ...]:
    """The AVPs that grant 30 seconds to a request."""
    head = (
        text(codes.SESSION_ID, session_id),
        u32(codes.RESULT_CODE, codes.SUCCESS),
        text(codes.ORIGIN_HOST, SERVER),
        text(codes.ORIGIN_REALM, SERVER_REALM),
        u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
        i32(codes.CC_REQUEST_TYPE, kind),
        u32(codes.CC_REQUEST_NUMBER, number),
    )
    return (*head, *CreditAnswer(result=codes.SUCCESS, grants=_GRANTS).avps())


async def serve_core() -> None:
    """The product's core as a server."""
    ready(Core().port)
    await asyncio.Event().wait()


# python-diameter. Its plain application answers on the node's own thread, which costs least.


class TheirGranting(Application):  # type: ignore[misc]  # the library has no types
    """Grants 30 seconds to every request."""

    def handle_request(self, message: TheirMessage) -> None:
        answer = self.generate_answer(message, result_code=2001)
        answer.cc_request_type, answer.cc_request_number = message.cc_request_type, message.cc_request_number
        answer.add_multiple_services_credit_control(
            granted_service_unit=GrantedServiceUnit(cc_time=30), rating_group=100, result_code=2001, validity_time=60
        )
        self.send_answer(answer)


class TheirAsking(Application):  # type: ignore[misc]  # the library has no types
    """Charges sessions one after the other, without a thread for each."""

    def open(self) -> None:
        """Ask for a new session."""
        services = MultipleServicesCreditControl(requested_service_unit=RequestedServiceUnit(cc_time=30))
        self._send(self.node.session_generator.next_id(), 1, 0, services)

    def handle_answer(self, message: TheirMessage) -> None:
        assert isinstance(message, CreditControlAnswer)
        if message.cc_request_type == 1:
            services = MultipleServicesCreditControl(used_service_unit=[UsedServiceUnit(cc_time=17)])
            self._send(message.session_id, 3, 1, services)
        else:
            self.open()

    def _send(self, session: str, kind: int, number: int, services: MultipleServicesCreditControl) -> None:
        request = CreditControlRequest()
        request.header.application_id = 4
        request.session_id = session
        request.origin_host, request.origin_realm = CLIENT.encode(), CLIENT_REALM.encode()
        request.destination_realm = SERVER_REALM.encode()
        request.auth_application_id, request.service_context_id = 4, CONTEXT
        request.cc_request_type, request.cc_request_number = kind, number
        request.subscription_id = [SubscriptionId(subscription_id_type=0, subscription_id_data="43123456")]
        services.rating_group = 100
        request.multiple_services_credit_control = [services]
        request.header.end_to_end_identifier = self.node.end_to_end_seq.next_sequence()
        peer, _ = self.node.route_request(self, request)
        self.node.send_message(peer, request)


def serve_theirs() -> None:
    """python-diameter as a server."""
    logging.disable()
    with socket.create_server((ADDRESS, 0)) as probe:
        port = int(probe.getsockname()[1])
    node = TheirNode(SERVER, SERVER_REALM, ip_addresses=[ADDRESS], tcp_port=port)
    peer = node.add_peer(
        f"aaa://{CLIENT}:3868;transport=tcp", CLIENT_REALM, ip_addresses=[ADDRESS], is_persistent=False
    )
    node.add_application(
        TheirGranting(application_id=4, is_auth_application=True), [peer], [CLIENT_REALM, SERVER_REALM]
    )
    node.start()
    ready(port)
    threading.Event().wait()


def ask_theirs(port: int) -> None:
    """python-diameter as a client."""
    logging.disable()
    node = TheirNode(CLIENT, CLIENT_REALM, ip_addresses=[ADDRESS])
    peer = node.add_peer(
        f"aaa://{SERVER}:{port};transport=tcp",
        SERVER_REALM,
        ip_addresses=[ADDRESS],
        is_persistent=True,
        is_default=True,
    )
    application = TheirAsking(application_id=4, is_auth_application=True)
    node.add_application(application, [peer], [SERVER_REALM])
    node.start()
    application.wait_for_ready(timeout=10)
    ready(port)
    for _ in range(WINDOW):
        application.open()
    threading.Event().wait()


def ready(port: int) -> None:
    """Say the port, and collect garbage from now on as the product does after its start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    print(port, flush=True)


def main(name: str, role: str, port: str = "0") -> None:
    """Run one of them."""
    match name, role:
        case "slee", "serve":
            asyncio.run(serve_slee())
        case "slee", "ask":
            asyncio.run(ask_slee(int(port)))
        case "core", "serve":
            asyncio.run(serve_core())
        case "python-diameter", "serve":
            serve_theirs()
        case "python-diameter", "ask":
            ask_theirs(int(port))
        case _:
            raise SystemExit(f"diameter_nodes: there is no {name} {role}")


if __name__ == "__main__":
    main(*sys.argv[1:])
