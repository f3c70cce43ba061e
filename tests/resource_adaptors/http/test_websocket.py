"""HTTP-11: who gets a WebSocket, and who accepts it (RFC 6455 4)."""

from __future__ import annotations

import pytest

from resource_adaptors.http.api import (
    GetRequest,
    LocalProtocolError,
    PostRequest,
    WsClosed,
    WsMessage,
    WsRequest,
)
from resource_adaptors.http.testing import HttpSimulator
from slee import ActivityContext, Sbb, Select, TimerEvent, initial_event
from slee.api.errors import VerificationError
from slee.testing import SleeHarness
from tests.resource_adaptors.http.kit import EVENTS, Desk, World, head
from tests.resource_adaptors.http.websocket_kit import HANDSHAKE, accept, frame

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
            assert ("connection", "upgrade") in answer.headers
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


def test_http_11_one_accepted_while_the_adaptor_stops_is_told_to_go_away() -> None:
    with World() as world:
        world.at(WsRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=2))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.open_socket(aci).attach(sbb))
        socket = world.client().websocket("/ws")
        world.slee.kernel.resources["http-main"].deactivate()
        assert world.client().websocket("/ws").status == 503
        world.slee.advance(3)
        assert (socket.status, socket.closed.code) == (101, 1001)


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


@pytest.mark.parametrize(("octets", "lingers"), [(frame(8, b"\x03\xe8"), False), (frame(2, b"x" * 2_000), True)])
def test_http_11_where_one_side_cannot_close_alone_a_failed_peer_can_still_read_why(
    monkeypatch: pytest.MonkeyPatch, octets: bytes, lingers: bool
) -> None:
    """TLS has no half-close: closing at once resets the connection of a peer that is still sending (RFC 6455 7.1.1)."""
    with World(limits={"websocket_message": 1_000}) as world:
        accept(world)
        client = world.client()
        client.send(head("GET", "/ws", *HANDSHAKE))
        monkeypatch.setattr(client.transport, "can_write_eof", lambda: False)
        client.send(octets)
        assert client.is_closed is not lingers
        client.send(b"x" * 2_000)  # read, and dropped
        world.slee.advance(3)
        assert client.is_closed
