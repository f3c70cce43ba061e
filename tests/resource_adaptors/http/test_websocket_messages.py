"""HTTP-11: messages of a WebSocket, how it is closed, and its bounds (RFC 6455 5 to 8)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from resource_adaptors.http.api import (
    HTTP,
    LocalProtocolError,
    WebSocketActivity,
    Writable,
    WsClosed,
    WsMessage,
    WsOpened,
    WsRequest,
)
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator
from slee import ActivityContext, Sbb, Select, initial_event, resource
from slee.kernel.ports import Limits
from slee.spi import FailureReason
from slee.testing import SleeHarness
from tests.resource_adaptors.http.kit import Desk, World
from tests.resource_adaptors.http.websocket_kit import accept, closed, frame, opened

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
        world.at(WsMessage, lambda sbb, event, aci: sbb.http.close_socket(aci, 4000))
        socket.send("x")
        assert socket.closed.code == 4000


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
        other = opened(world)
        world.slee.advance(2)
        assert not world.http.sockets.left  # forgotten once nobody can know it
        world.at(WsClosed, lambda sbb, event, aci: None)
        other.disconnect()


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


class Forgetful(Sbb, vendor="test", version="1.0"):
    """Accepts, and neither attaches nor hears of what comes on the WebSocket."""

    http = resource(HTTP)

    @initial_event(Select.ACTIVITY_CONTEXT, option="WEBSOCKET /ws")
    def on_request(self, event: WsRequest, aci: ActivityContext) -> None:
        self.http.open_socket(aci)


def test_http_11_one_that_nobody_is_attached_to_is_closed_though_nobody_hears_that_it_is_open() -> None:
    with SleeHarness() as slee:
        http = slee.add_resource("http-main", HttpSimulator())
        slee.install(Forgetful)
        socket = http.client().websocket("/ws")
        assert not socket.is_open
        assert socket.closed.code == 1011


def test_http_11_what_is_neither_text_nor_octets_is_no_message() -> None:
    told: list[str] = []

    def send(sbb: Any, event: WsMessage, aci: ActivityContext) -> None:
        message: Any = {"line": 1}
        with pytest.raises(LocalProtocolError) as raised:
            sbb.http.send_message(aci, message)
        told.append(str(raised.value))

    with World() as world:
        socket = opened(world)
        world.at(WsMessage, send)
        socket.send("x")
        socket.close()
        assert told == ["send_message: a message of type dict [HTTP-11]; give text or bytes"]


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


def test_http_11_a_refusal_in_a_delivery_that_rolls_back_is_followed_by_writable() -> None:
    def fail(sbb: Desk, event: WsMessage, aci: ActivityContext) -> None:
        sbb.http.send_message(aci, b"x" * 1000)
        sbb.http.send_message(aci, b"y")

    with World(failures_allowed=True, limits={"unsent": 1000}) as world:
        socket = opened(world)
        world.at(WsMessage, fail)
        socket.send("x")
        assert socket.messages == []
        world.slee.advance(2)
        assert isinstance(world.events[-1], Writable)
        socket.disconnect()


def test_http_11_a_message_that_cannot_be_taken_closes_with_try_again() -> None:
    with World(kernel=Limits(queue=3)) as world:
        socket = opened(world)
        socket.client.send(frame(1, b"x") * 20)
        assert socket.closed.code == 1013
        assert world.kinds().count("WsMessage") == 3
        other = opened(world)
        (handle,) = world.http.sockets.open
        world.http.event_processing_failed(handle, WsMessage(text="x"), 0, FailureReason.QUEUE_TIMEOUT)
        assert other.closed.code == 1013


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
