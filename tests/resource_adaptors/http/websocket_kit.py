"""A service that accepts WebSockets and sends messages back, and frames of a client as octets (RFC 6455 5.2)."""

from __future__ import annotations

import struct

from resource_adaptors.http.api import WsMessage, WsRequest
from resource_adaptors.http.testing import SocketClient
from slee import ActivityContext
from tests.resource_adaptors.http.kit import Desk, World

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


def opened(world: World) -> SocketClient:
    accept(world)
    socket = world.client().websocket("/ws")
    assert socket.status == 101
    return socket
