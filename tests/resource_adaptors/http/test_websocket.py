"""HTTP-11: WebSocket (RFC 6455) on declared routes."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from resource_adaptors.http.api import (
    GetRequest,
    LocalProtocolError,
    PostRequest,
    WebSocketActivity,
    Writable,
    WsClosed,
    WsMessage,
    WsOpened,
    WsRequest,
)
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator, SocketClient
from slee import ActivityContext, Sbb, Select, TimerEvent, initial_event
from slee.api.errors import VerificationError
from slee.testing import SleeHarness
from tests.resource_adaptors.http.kit import EVENTS, Desk, World, head

HANDSHAKE = (
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def accept(world: World, greeting: str | None = None) -> None:
    """Accept every WebSocket, and send every message back."""

    def on_request(sbb: Desk, event: WsRequest, aci: ActivityContext) -> None:
        socket = sbb.http.open_socket(aci)
        socket.attach(sbb)
        if greeting is not None:
            sbb.http.send_message(socket, greeting)

    def on_message(sbb: Desk, event: WsMessage, aci: ActivityContext) -> None:
        sbb.http.send_message(aci, event.text if event.data is None else event.data)

    world.at(WsRequest, on_request)
    world.at(WsMessage, on_message)


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """A client's frame (RFC 6455 5.2), masked with zeros, which leave the data as it is."""
    first = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size = len(data)
    bit = 0x80 if masked else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 65_536:
        length = bytes([bit | 126]) + struct.pack("!H", size)
    else:
        length = bytes([bit | 127]) + struct.pack("!Q", size)
    return first + length + (bytes(4) if masked else b"") + data


def closed(code: int) -> bytes:
    return frame(8, struct.pack("!H", code))


def opened(world: World, **limits: Any) -> SocketClient:
    accept(world)
    socket = world.client().websocket("/ws")
    assert socket.status == 101
    return socket


# The handshake.


def test_http_11_the_handshake_is_answered_as_the_rfc_computes_it() -> None:
    with World() as world:
        accept(world)
        client = world.client()
        client.send(head("GET", "/ws", *HANDSHAKE))
        lines = client.transport.written.decode().lower().split("\r\n")
        assert lines[0] == "http/1.1 101 switching protocols"
        assert {"upgrade: websocket", "connection: upgrade"} <= set(lines)
        assert "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in lines  # RFC 6455 1.3
        assert not [line for line in lines if line.startswith(("sec-websocket-extensions", "sec-websocket-protocol"))]
        client.disconnect()


def test_http_11_permessage_deflate_is_not_accepted() -> None:
    with World() as world:
        accept(world)
        socket = world.client().websocket("/ws", headers=[("Sec-WebSocket-Extensions", "permessage-deflate")])
        assert socket.status == 101
        assert socket.header("sec-websocket-extensions") is None
        socket.client.send(frame(1, b"compressed", rsv=4))
        assert socket.closed.code == 1002


def test_http_11_an_undeclared_route_is_404() -> None:
    with World() as world:
        accept(world)
        assert world.client().websocket("/elsewhere").status == 404


def test_http_11_a_request_without_upgrade_is_426() -> None:
    with World() as world:
        for lines in ([], ["Connection: Upgrade", "Upgrade: h2c"]):
            client = world.client()
            client.send(head("GET", "/ws", *lines))
            (answer,) = client.answers
            assert answer.status == 426
            assert answer.header("upgrade") == "websocket"
            assert answer.header("sec-websocket-version") == "13"
            assert "upgrade" in [value for name, value in answer.headers if name == "connection"]
        assert not world.events


def test_http_11_another_method_is_405() -> None:
    with World() as world:
        answer = world.client().post("/ws")
        assert (answer.status, answer.header("allow")) == (405, "GET, OPTIONS")
        options = world.client().request("OPTIONS", "/ws")
        assert (options.status, options.header("allow")) == (204, "GET, OPTIONS")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"Sec-WebSocket-Version": "8"}, 426, "websocket_version"),
        ({"Sec-WebSocket-Version": "13, 8"}, 426, "websocket_version"),
        ({"Sec-WebSocket-Version": None}, 400, "websocket_version"),
        ({"Sec-WebSocket-Key": None}, 400, "websocket_key"),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400, "websocket_key"),
        ({"Sec-WebSocket-Key": "not base64 at all"}, 400, "websocket_key"),
        ({"Content-Length": "3"}, 400, "websocket_body"),
        ({"Upgrade": "h2c"}, 426, "upgrade"),
        ({"Connection": "keep-alive"}, 426, "upgrade"),
    ],
)
def test_http_11_a_bad_handshake_is_refused(change: dict[str, str | None], status: int, code: str) -> None:
    fields: dict[str, str | None] = dict(line.split(": ") for line in HANDSHAKE) | change
    with World() as world:
        accept(world)
        client = world.client()
        client.send(head("GET", "/ws", *(f"{name}: {value}" for name, value in fields.items() if value is not None)))
        if "Content-Length" in change:
            client.send(b"abc")
        (answer,) = client.answers
        assert (answer.status, answer.json()["code"]) == (status, code)
        if status == 426:
            assert (answer.header("sec-websocket-version"), answer.header("upgrade")) == ("13", "websocket")
        assert not world.events
        client.disconnect()


def test_http_11_http_1_0_has_no_upgrade() -> None:
    with World() as world:
        accept(world)
        client = world.client()
        client.send(head("GET", "/ws", *HANDSHAKE).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert client.answers[0].status == 426


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["chat.v1", "chat.v2"], "chat.v2"), (["chat.v1", "other"], "chat.v1"), (["other"], None), ([], None)],
)
def test_http_11_the_route_chooses_the_subprotocol(offered: list[str], chosen: str | None) -> None:
    with World() as world:
        accept(world)
        socket = world.client().websocket("/rooms/tea", subprotocols=offered)
        if chosen is None:
            assert (socket.status, socket.answer.json()["code"]) == (400, "websocket_protocol")
            return
        assert (socket.status, socket.subprotocol) == (101, chosen)
        socket.disconnect()


def test_http_11_a_route_without_subprotocols_speaks_none() -> None:
    with World() as world:
        accept(world)
        socket = world.client().websocket("/ws", subprotocols=["chat.v1"])
        assert (socket.status, socket.subprotocol) == (101, None)
        socket.disconnect()


def test_http_11_a_get_of_the_same_path_is_another_route() -> None:
    with World() as world:
        accept(world)
        world.answer(GetRequest, body=b"page")
        for _ in range(2):  # the second time from what was found the first time
            assert world.client().get("/calls/1").text == "page"
            socket = world.client().websocket("/calls/1")
            assert socket.status == 101
            socket.disconnect()


def test_http_11_an_upgrade_on_a_route_that_declares_none_is_answered_as_http() -> None:
    with World() as world:
        world.answer(GetRequest, body=b"page")
        world.client().get("/x")
        socket = world.client().websocket("/x")
        assert (socket.status, socket.answer.text) == (200, "page")


@pytest.mark.parametrize("option", ["WEBSOCKET /ws chat/v1", "WEBSOCKET /ws a a", "GET /ws"])
def test_http_11_an_option_names_template_and_subprotocols(option: str) -> None:
    class Bad(Sbb, vendor="test", version="1.0"):
        @initial_event(Select.ACTIVITY_CONTEXT, option=option)
        def on_request(self, event: WsRequest, aci: ActivityContext) -> None:
            """Never called."""

    with SleeHarness() as slee, pytest.raises(VerificationError, match="HTTP-14"):
        slee.add_resource("http-main", HttpSimulator())
        slee.install(Bad)


def test_http_11_two_services_cannot_claim_one_route() -> None:
    class Other(Sbb, vendor="test", version="1.0"):
        @initial_event(Select.ACTIVITY_CONTEXT, option="WEBSOCKET /rooms/{any} other")
        def on_request(self, event: WsRequest, aci: ActivityContext) -> None:
            """Never called."""

    with World() as world, pytest.raises(VerificationError, match="HTTP-14"):
        world.slee.install(Other)


# Who may connect.


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("http://slee.example.test", 101),
        ("https://app.example.net", 101),
        ("https://slee.example.test", 403),
        ("https://evil.example.net", 403),
        ("null", 403),
    ],
)
def test_http_11_pages_of_other_origins_cannot_connect_unless_configured(origin: str | None, status: int) -> None:
    with World(cors={"/ws": {"origins": ["https://app.example.net"]}}) as world:
        accept(world)
        socket = world.client().websocket("/ws", origin=origin)
        assert socket.status == status
        socket.disconnect()


def test_http_11_without_configuration_only_own_pages_connect() -> None:
    with World() as world:
        accept(world)
        assert world.client().websocket("/ws", origin="https://app.example.net").status == 403
        own = world.client().websocket("/ws", origin="http://slee.example.test")
        assert own.status == 101
        own.disconnect()


def test_http_11_routes_authenticate_as_others_do() -> None:
    token = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"
    with World(auth={"/ws": {"bearer": {"shop": token}}}) as world:
        accept(world)
        assert world.client().websocket("/ws").status == 401
        socket = world.client().websocket("/ws", headers=[("Authorization", "Bearer test")])
        assert socket.status == 101
        (request,) = [event.request for event in EVENTS if isinstance(event, WsRequest)]
        assert request.principal is not None
        assert request.principal.name == "shop"
        socket.disconnect()


def test_http_11_upgrades_are_limited_in_rate() -> None:
    with World(rates={"/ws": {"source": 1, "source_burst": 1}}) as world:
        accept(world)
        first = world.client().websocket("/ws")
        assert (first.status, world.client().websocket("/ws").status) == (101, 429)
        first.disconnect()


# The service decides.


def test_http_11_a_service_denies_with_a_status() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: sbb.http.problem(aci, 403, code="full"))
        socket = world.client().websocket("/ws")
        assert (socket.status, socket.answer.json()["code"]) == (403, "full")
        assert socket.client.is_closed
        assert world.kinds() == ["WsRequest", "ResponseSent"]


def test_http_11_a_request_that_nobody_answers_is_500_or_504() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: aci.detach(sbb))
        assert world.client().websocket("/ws").status == 500
        world.at(WsRequest, lambda sbb, event, aci: None)
        late = world.client().websocket("/ws")
        world.slee.advance(32)
        assert late.status == 504


def test_http_11_a_service_can_accept_later() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=2))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.open_socket(aci).attach(sbb))
        socket = world.client().websocket("/ws")
        assert not socket.is_accepted
        world.slee.advance(3)
        assert socket.status == 101
        socket.disconnect()


def test_http_11_a_rollback_accepts_nothing() -> None:
    def fail(sbb: Desk, event: WsRequest, aci: ActivityContext) -> None:
        socket = sbb.http.open_socket(aci)
        socket.attach(sbb)
        sbb.http.send_message(socket, "hello")
        raise RuntimeError("no")

    with World(failures_allowed=True) as world:
        world.at(WsRequest, fail)
        assert world.client().websocket("/ws").status == 500
        assert world.kinds() == ["WsRequest"]


def test_http_11_a_client_that_goes_before_the_answer_is_told() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=2))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.open_socket(aci).attach(sbb))
        socket = world.client().websocket("/ws")
        socket.disconnect()
        assert world.kinds() == ["WsRequest", "ClientDisconnected"]


def test_http_11_accepting_a_client_that_has_gone_is_a_closed_socket() -> None:
    from resource_adaptors.http.api import ClientDisconnected

    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: None)
        world.at(ClientDisconnected, lambda sbb, event, aci: sbb.http.open_socket(aci).attach(sbb))
        world.client().websocket("/ws").disconnect()
        assert world.events[-1] == WsClosed(1006, "", "network")


def test_http_11_a_client_that_sends_before_the_101_is_cut_off() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: None)
        together, later = world.client(), world.client()
        together.send(head("GET", "/ws", *HANDSHAKE) + frame(1, b"early"))
        later.send(head("GET", "/ws", *HANDSHAKE))
        later.send(frame(1, b"early"))
        assert together.is_closed
        assert later.is_closed
        assert not [event for event in world.events if isinstance(event, WsMessage)]


def test_http_11_only_a_ws_request_can_be_accepted_and_once() -> None:
    errors: list[str] = []

    def act(sbb: Desk, event: object, aci: ActivityContext) -> None:
        for _ in range(2):
            try:
                sbb.http.open_socket(aci).attach(sbb)
            except LocalProtocolError as error:
                errors.append(str(error))

    def greet(sbb: Desk, event: PostRequest, aci: ActivityContext) -> None:
        act(sbb, event, aci)
        for call in (lambda: sbb.http.send_message(aci, "x"), lambda: sbb.http.close_socket(aci)):
            with pytest.raises(LocalProtocolError, match="no WebSocket"):
                call()
        sbb.http.respond(aci, 204)

    with World() as world:
        world.at(PostRequest, greet)
        world.at(WsRequest, act)
        world.client().post("/x")
        world.client().websocket("/ws").disconnect()
        assert ["asks for no WebSocket" in error for error in errors] == [True, True, False]
        assert "has its answer" in errors[2]


def test_http_11_headers_of_the_101_are_the_service_s_except_the_handshake_s() -> None:
    def act(sbb: Desk, event: WsRequest, aci: ActivityContext) -> None:
        with pytest.raises(LocalProtocolError, match="handshake"):
            sbb.http.open_socket(aci, headers=[("Sec-WebSocket-Extensions", "permessage-deflate")])
        sbb.http.open_socket(aci, headers=[("X-Room", "tea")]).attach(sbb)

    with World() as world:
        world.at(WsRequest, act)
        socket = world.client().websocket("/ws")
        assert socket.header("x-room") == "tea"
        assert socket.header("date") is not None
        socket.disconnect()


# Messages.


def test_http_11_messages_go_both_ways_as_text_and_octets() -> None:
    with World() as world:
        accept(world, greeting="welcome")
        socket = world.client().websocket("/ws")
        socket.send("grüße")
        socket.send(b"\x00\xff")
        assert socket.messages == ["welcome", "grüße", b"\x00\xff"]
        assert world.kinds() == ["WsRequest", "WsOpened", "ResponseSent", "WsMessage", "WsMessage"]
        assert world.events[-2:] == [WsMessage(text="grüße"), WsMessage(data=b"\x00\xff")]
        socket.close(1000, "done")
        assert world.events[-1] == WsClosed(1000, "done", "peer")
        assert socket.client.is_closed


def test_http_11_the_activity_knows_its_request_and_subprotocol() -> None:
    seen: list[object] = []
    with World() as world:
        accept(world)
        world.at(WsOpened, lambda sbb, event, aci: seen.append(aci.activity))
        socket = world.client().websocket("/rooms/tea", subprotocols=["chat.v1"])
        (activity,) = seen
        assert isinstance(activity, WebSocketActivity)
        assert (activity.request.fields, activity.subprotocol) == ({"room": "tea"}, "chat.v1")
        socket.disconnect()
        assert world.events[-1] == WsClosed(1006, "", "network")


def test_http_11_a_message_in_fragments_is_one_with_pings_between() -> None:
    with World() as world:
        socket = opened(world)
        euro = "€".encode()
        pieces = frame(1, b"a" + euro[:1], fin=False) + frame(9, b"?") + frame(0, euro[1:], fin=False) + frame(0, b"b")
        pieces += frame(2, b"1", fin=False) + frame(0, b"", fin=False) + frame(0, b"2")
        for octet in pieces:
            socket.client.send(bytes([octet]))
        assert [event for event in world.events if isinstance(event, WsMessage)] == [
            WsMessage(text="a€b"),
            WsMessage(data=b"12"),
        ]
        assert socket.messages == ["a€b", b"12"]
        assert b"\x8a\x01?" in socket.client.transport.written
        socket.disconnect()


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frame(1, b"x", masked=False), 1002),
        (frame(1, b"x", rsv=4), 1002),
        (frame(3, b"x"), 1002),
        (frame(11, b"x"), 1002),
        (frame(0, b"x"), 1002),
        (frame(1, b"x", fin=False) + frame(1, b"y"), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(9, b"x", fin=False), 1002),
        (frame(8, b"x"), 1002),
        (closed(1005), 1002),
        (closed(999), 1002),
        (frame(1, b"\xff"), 1007),
        (frame(1, b"\xe2", fin=False) + frame(0, b"\x82"), 1007),
        (frame(1, b"\xe2\x82", fin=False) + frame(0, b"x", fin=False), 1007),
        (frame(8, struct.pack("!H", 1000) + b"\xff"), 1007),
    ],
)
def test_http_11_what_breaks_the_protocol_is_closed_with_its_code(octets: bytes, code: int) -> None:
    with World() as world:
        socket = opened(world)
        socket.client.send(octets)
        assert (socket.closed.code, socket.closed.by) == (code, "peer")
        (event,) = [event for event in world.events if isinstance(event, WsClosed)]
        assert (event.code, event.by) == (code, "adaptor")
        assert not [event for event in world.events if isinstance(event, WsMessage)]
        assert socket.client.is_closed


@pytest.mark.parametrize(("size", "code"), [(1000, None), (1001, 1009), (10_000, 1009)])
def test_http_11_messages_are_bounded(size: int, code: int | None) -> None:
    with World(limits={"websocket_message": 1000}) as world:
        for pieces in (frame(2, b"x" * size), frame(2, b"x" * 500, fin=False) + frame(0, b"x" * (size - 500))):
            socket = opened(world)
            socket.client.send(pieces)
            if code is None:
                assert socket.messages == [b"x" * size]
                socket.disconnect()
            else:
                assert socket.closed.code == code


@pytest.mark.parametrize(("count", "refused"), [(2, 0), (3, 1)])
def test_http_11_open_websockets_are_bounded(count: int, refused: int) -> None:
    with World(limits={"websockets": 2}) as world:
        accept(world)
        sockets = [world.client().websocket("/ws") for _ in range(count)]
        assert [socket.status for socket in sockets] == [101, 101] + [503] * refused
        assert world.limit("websockets") == refused
        for socket in sockets:
            socket.disconnect()
        assert world.kinds().count("WsClosed") == count


# Closing.


def test_http_11_a_service_closes_after_what_it_has_sent() -> None:
    def bye(sbb: Desk, event: WsMessage, aci: ActivityContext) -> None:
        sbb.http.send_message(aci, "bye")
        sbb.http.close_socket(aci, 4001, "enough")
        for call in (lambda: sbb.http.send_message(aci, "x"), lambda: sbb.http.close_socket(aci)):
            with pytest.raises(LocalProtocolError, match="has closed"):
                call()

    with World() as world:
        socket = opened(world)
        world.at(WsMessage, bye)
        socket.send("hello")
        assert socket.messages == ["bye"]
        assert (socket.closed.code, socket.closed.reason) == (4001, "enough")
        assert world.events[-1] == WsClosed(4001, "enough", "service")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1010, 1015, 2999, 5000])
def test_http_11_a_service_closes_with_codes_that_may_be_sent(code: int) -> None:
    def act(sbb: Desk, event: WsMessage, aci: ActivityContext) -> None:
        with pytest.raises(LocalProtocolError, match="HTTP-11"):
            sbb.http.close_socket(aci, code)
        with pytest.raises(LocalProtocolError, match="123"):
            sbb.http.close_socket(aci, 1000, "ü" * 62)

    with World() as world:
        socket = opened(world)
        world.at(WsMessage, act)
        socket.send("x")
        assert socket.is_open
        socket.disconnect()


def test_http_11_a_close_that_rolls_back_leaves_it_open() -> None:
    def fail(sbb: Desk, event: WsMessage, aci: ActivityContext) -> None:
        sbb.http.send_message(aci, "never")
        sbb.http.close_socket(aci)
        raise RuntimeError("no")

    with World(failures_allowed=True) as world:
        socket = opened(world)
        world.at(WsMessage, fail)
        socket.send("x")
        assert (socket.is_open, socket.messages) == (True, [])
        assert not next(iter(world.http.sockets.open.values())).held
        socket.disconnect()


def test_http_11_a_peer_that_does_not_answer_the_close_is_cut() -> None:
    with World() as world:
        socket = opened(world)
        socket.is_silent = True
        world.at(WsMessage, lambda sbb, event, aci: sbb.http.close_socket(aci, 1000))
        socket.send("x")
        assert not socket.client.is_closed
        world.slee.advance(7)
        assert socket.client.is_closed
        assert world.events[-1] == WsClosed(1000, "", "service")
        assert world.limit("websocket_close") == 1


def test_http_11_what_a_peer_sends_before_it_answers_the_close_is_delivered() -> None:
    with World() as world:
        socket = opened(world)
        socket.is_silent = True
        world.at(WsMessage, lambda sbb, event, aci: None if event.text == "last" else sbb.http.close_socket(aci, 1000))
        socket.send("x")
        socket.client.send(frame(1, b"last") + closed(1000))
        assert world.events[-2:] == [WsMessage(text="last"), WsClosed(1000, "", "service")]


def test_http_11_a_message_to_a_client_that_has_gone_is_dropped() -> None:
    with World() as world:
        socket = opened(world)
        world.at(WsClosed, lambda sbb, event, aci: sbb.http.send_message(aci, "too late"))
        socket.disconnect()
        assert world.http.serving.counts.dropped["message_to_gone_client"] == 1


def test_http_11_the_adaptor_says_going_away_when_it_stops() -> None:
    with World() as world:
        socket, silent = opened(world), opened(world)
        silent.is_silent = True
        world.slee.kernel.resources["http-main"].deactivate()
        world.slee.run()
        assert socket.closed.code == 1001
        world.slee.advance(7)
        assert silent.client.is_closed
        assert world.kinds().count("WsClosed") == 2
        assert world.events[-1] == WsClosed(1001, "going away", "adaptor")


def test_http_11_an_operator_removes_one() -> None:
    with World() as world:
        socket = opened(world)
        (handle,) = world.http.sockets.open
        world.slee.kernel.resources["http-main"].remove_activity(handle)
        world.slee.run()
        assert socket.closed.code == 1001
        assert world.events[-1] == WsClosed(1001, "removed by an operator", "adaptor")


def test_http_11_one_that_nobody_is_attached_to_is_closed() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: sbb.http.open_socket(aci))
        socket = world.client().websocket("/ws")
        assert socket.closed.code == 1011
        socket = opened(world)
        world.at(WsMessage, lambda sbb, event, aci: aci.detach(sbb))
        socket.send("x")
        assert socket.closed.code == 1011


# Time and buffers.


def test_http_11_a_silent_peer_is_pinged_and_given_up() -> None:
    with World() as world:
        alive, dead = opened(world), opened(world)
        dead.is_silent = True
        world.slee.advance(24)
        assert b"\x89\x00" not in dead.client.transport.written
        world.slee.advance(3)
        assert dead.client.transport.written.endswith(b"\x89\x00")
        world.slee.advance(60)
        assert (alive.is_open, dead.client.is_closed) == (True, True)
        assert dead.client.transport.written.count(b"\x89\x00") == 2
        assert world.events[-1] == WsClosed(1006, "", "network")
        assert world.limit("websocket_ping") == 1
        alive.disconnect()


def test_http_11_a_buffer_that_is_full_refuses_until_writable() -> None:
    refused: list[bool] = []

    def flood(sbb: Desk, event: WsMessage, aci: ActivityContext) -> None:
        try:
            for _ in range(10):
                sbb.http.send_message(aci, b"x" * 400)
        except LocalProtocolError:
            refused.append(sbb.http.is_writable(aci))

    with World(limits={"unsent": 1000}) as world:
        socket = opened(world)
        world.at(WsMessage, flood)
        socket.send("once")  # what one delivery sends is bounded even while the client takes it all
        assert socket.messages == [b"x" * 400] * 3
        assert refused == [False]
        assert isinstance(world.events[-1], Writable)
        socket.client.stall()
        world.at(WsMessage, lambda sbb, event, aci: refused.append(sbb.http.is_writable(aci)))
        socket.client.drain()
        socket.send("again")
        assert refused[-1] is True
        socket.disconnect()


def test_http_11_a_client_that_takes_nothing_is_not_read_and_cut() -> None:
    with World(limits={"stalled": 30}) as world:
        socket = opened(world)
        socket.client.stall()
        assert socket.client.transport.is_paused
        socket.client.send(frame(9) * 1000)
        assert socket.client.transport.get_write_buffer_size() == 0
        world.slee.advance(32)
        assert socket.client.is_closed
        assert world.limit("stalled") == 1
        assert world.events[-1] == WsClosed(1006, "", "network")


def test_http_11_a_client_is_read_as_fast_as_its_messages_are_handled() -> None:
    most: list[int] = []
    with World(limits={"unhandled_messages": 4}) as world:
        socket = opened(world)
        (inside,) = world.http.sockets.open.values()
        world.at(WsMessage, lambda sbb, event, aci: most.append(inside.unhandled))
        socket.client.send(frame(1, b"x") * 20)
        assert len(most) == 20
        assert max(most) == 4
        assert not socket.client.transport.is_paused
        socket.disconnect()


# Sessions, counters, recovery.


def test_http_11_a_websocket_belongs_to_its_session_and_keeps_it() -> None:
    section = {"WEBSOCKET /rooms/{room}": {"source": "path", "name": "room", "idle": 60}}
    found: list[object] = []
    with World(sessions=section) as world:
        accept(world)
        world.at(WsOpened, lambda sbb, event, aci: found.append(sbb.http.session(aci)))
        sockets = [world.client().websocket("/rooms/tea", subprotocols=["chat.v1"]) for _ in range(2)]
        assert found[0] is not None
        assert found[0] == found[1]
        world.slee.advance(300)
        assert len(world.http.sessions.by_handle) == 1
        for socket in sockets:
            socket.disconnect()
        world.slee.advance(70)
        assert not world.http.sessions.by_handle


def test_http_11_a_session_cookie_is_set_by_the_101() -> None:
    section = {"WEBSOCKET /ws": {"source": "cookie", "name": "sid"}}
    with World(sessions=section) as world:
        accept(world)
        socket = world.client().websocket("/ws")
        assert (socket.header("set-cookie") or "").startswith("sid=")
        socket.disconnect()
        (session,) = world.http.sessions.by_handle
        world.http.sessions.end(session)
        world.slee.run()


def test_http_40_websockets_are_counted_by_closed_sets_of_labels() -> None:
    with World() as world:
        socket = opened(world)
        socket.send("x")
        figures = {name: value for name, _, _, labels, value in world.http.statistics().metrics() if not labels}
        assert figures["slee_http_websockets"] == 1
        socket.close(4321)
        rows = {(name, *labels.items()): value for name, _, _, labels, value in world.http.statistics().metrics()}
        assert rows["slee_http_websockets_closed", ("by", "peer"), ("code", "other")] == 1
        assert rows["slee_http_websocket_messages", ("direction", "in")] == 1
        assert rows["slee_http_websocket_messages", ("direction", "out")] == 1


def test_http_11_limits_change_while_active() -> None:
    with World() as world:
        socket = opened(world)
        world.http.ra_configuration_update(HttpConfiguration(deadlines={"websocket_ping": 2}))
        world.slee.advance(3.5)
        assert b"\x89\x00" in socket.client.transport.written
        socket.disconnect()
