"""WebSocket over real sockets: the client of `websockets`, node's, and peers that misbehave (HTTP-11, peers 14)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect as connect_sync
from websockets.typing import Subprotocol

from resource_adaptors.http import api
from slee import ActivityContext
from tests.interop.certificates import self_signed
from tests.interop.killing import deploy
from tests.interop.peers import HOST, find_program
from tests.interop.servers import HttpSlee
from tests.interop.test_http import Server, descriptors, lane, served
from tests.resource_adaptors.http.kit import EVENTS, SCRIPT, Desk, head
from tests.resource_adaptors.http.websocket_kit import HANDSHAKE, frame

pytestmark = pytest.mark.interop
_RECEIVE_BUFFER = 4096

_NODE = """
const socket = new WebSocket(process.argv[1], ['chat.v1', 'chat.v2']);
socket.binaryType = 'arraybuffer';
const seen = [];
socket.onopen = () => { socket.send('grüße'); socket.send(new Uint8Array([0, 255])); socket.send('x'.repeat(30000)); };
socket.onmessage = event => {
  seen.push(typeof event.data === 'string' ? event.data.length : [...new Uint8Array(event.data)]);
  if (seen.length === 3) socket.close(4000, 'done');
};
socket.onclose = ({ code, reason, wasClean }) =>
  console.log(JSON.stringify([socket.protocol, seen, code, reason, wasClean]));
socket.onerror = () => process.exit(1);
"""


def echo() -> None:
    """Accept every WebSocket, and send every message back."""

    def on_message(sbb: Desk, event: api.WsMessage, aci: ActivityContext) -> None:
        sbb.http.send_message(aci, event.text if event.data is None else event.data)

    SCRIPT[api.WsRequest] = lambda sbb, event, aci: sbb.http.open_socket(aci).attach(sbb)
    SCRIPT[api.WsMessage] = on_message


def at(server: Server, path: str = "/ws") -> str:
    return server.url.replace("http", "ws", 1) + path


@contextlib.asynccontextmanager
async def raw(
    server: Server, *, receive_buffer: int | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection whose handshake is done, and whose frames are ours to write."""
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=_RECEIVE_BUFFER)
    writer.write(head("GET", "/ws", *HANDSHAKE))
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def nothing_is_left(server: Server, before: int) -> bool:
    """No connection, activity, entity, task or descriptor."""
    assert await server.is_empty()
    assert not server.adaptor.sockets.open
    await asyncio.sleep(0.05)
    gc.collect()
    assert descriptors() == before
    return len(asyncio.all_tasks()) <= 4


def closings() -> list[api.WsClosed]:
    return [event for event in EVENTS if isinstance(event, api.WsClosed)]


def test_websocket_lane_a_client_speaks_and_closes(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with served(folder) as server:
            echo()
            before = descriptors()
            subprotocols = [Subprotocol("chat.v1"), Subprotocol("chat.v2")]
            async with connect(at(server, "/rooms/tea"), subprotocols=subprotocols, proxy=None) as client:
                assert client.subprotocol == "chat.v2"
                for message in ("grüße", b"\0\xff", "x" * 65_536):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["in ", "three ", "fragments"])
                assert await client.recv() == "in three fragments"
                await asyncio.wait_for(await client.ping(), 2)
            assert closings() == [api.WsClosed(1000, "", "peer")]
            with pytest.raises(InvalidStatus, match="400"):
                await connect(at(server, "/rooms/tea"), proxy=None)
            with pytest.raises(InvalidStatus, match="404"):
                await connect(at(server, "/elsewhere"), proxy=None)
            with pytest.raises(InvalidStatus, match="403"):
                await connect(at(server), origin="https://evil.example.net", proxy=None)
            assert await nothing_is_left(server, before)

    lane(work, tmp_path)


def test_websocket_lane_over_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")

    async def work(folder: Path) -> None:
        tls = {"certificate": str(certificate), "key": str(key)}
        async with served(folder / "state", listeners=[{"port": 0, "tls": tls}]) as server:
            echo()
            before = descriptors()
            context = ssl.create_default_context(cafile=str(certificate))
            async with connect(at(server), ssl=context, proxy=None) as client:
                await client.send("x" * 60_000)
                assert await client.recv() == "x" * 60_000
            async with connect(at(server), ssl=context, proxy=None) as client:
                await client.send("x" * 70_000)
                with pytest.raises(ConnectionClosedError, match="1009"):
                    await client.recv()
            assert await nothing_is_left(server, before)

    lane(work, tmp_path)


def test_websocket_lane_node_s_client_as_browsers_have_it(tmp_path: Path) -> None:
    node = find_program("node")
    if node is None:
        pytest.skip("node is not installed")

    async def work(folder: Path) -> None:
        async with served(folder) as server:
            echo()
            process = await asyncio.create_subprocess_exec(
                node,
                "--no-warnings",
                "--experimental-websocket",  # without effect where it is no experiment any more
                "-e",
                _NODE,
                at(server, "/rooms/tea"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said, error = await asyncio.wait_for(process.communicate(), 10)
            if b"bad option" in error:
                pytest.skip("this node has no WebSocket")
            assert process.returncode == 0, error
            assert json.loads(said) == ["chat.v2", [5, [0, 255], 30_000], 4000, "done", True]
            assert closings() == [api.WsClosed(4000, "done", "peer")]
            assert await server.is_empty()

    lane(work, tmp_path)


def test_websocket_lane_hostile_clients_are_closed_and_leave_nothing(tmp_path: Path) -> None:
    hostile = [
        (frame(1, b"x", masked=False), 1002),
        (frame(1, b"x", rsv=4), 1002),
        (frame(0, b"x"), 1002),
        (frame(9, b"x", fin=False), 1002),
        (frame(1, b"\xff"), 1007),
        (frame(2, b"x" * 70_000), 1009),
        (b"\x82\xff" + struct.pack("!Q", 1 << 62), 1009),  # announced, never sent
        (frame(2, b"x" * 40_000, fin=False) + frame(0, b"x" * 40_000, fin=False), 1009),
    ]

    async def work(folder: Path) -> None:
        async with served(folder) as server:
            echo()
            before = descriptors()
            for octets, code in hostile:
                async with raw(server) as (reader, writer):
                    writer.write(octets + frame(1, b"after") * 100)
                    answer = await asyncio.wait_for(reader.read(), 5)
                    assert answer[:1] == b"\x88", answer[:20]
                    assert struct.unpack("!H", answer[2:4]) == (code,)
            assert [event.code for event in closings()] == [code for _, code in hostile]
            assert not [event for event in EVENTS if isinstance(event, api.WsMessage)]
            for _ in range(30):  # gone in the middle of a frame
                async with raw(server) as (_, writer):
                    writer.write(frame(1, b"x" * 100)[:50])
            assert await nothing_is_left(server, before)
            assert len(closings()) == len(hostile) + 30

    lane(work, tmp_path)


def test_websocket_lane_a_peer_that_has_died_is_found_out(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with served(folder, deadlines={"websocket_ping": 0.5}) as server:
            echo()
            before = descriptors()
            async with connect(at(server), proxy=None) as alive, raw(server) as (reader, _):
                answer = await asyncio.wait_for(reader.read(), 8)  # half-open: nobody answers
                assert answer == b"\x89\x00" * 2
                await alive.send("still here")
                assert await alive.recv() == "still here"
            assert closings()[0] == api.WsClosed(1006, "", "network")
            assert await nothing_is_left(server, before)

    lane(work, tmp_path)


def test_websocket_lane_a_slow_reader_is_refused_told_and_cut(tmp_path: Path) -> None:
    refusals: list[str] = []

    def flood(sbb: Desk, event: object, aci: ActivityContext) -> None:
        try:
            while True:
                sbb.http.send_message(aci, b"x" * 10_000)
        except api.LocalProtocolError as error:
            refusals.append(str(error))

    async def work(folder: Path) -> None:
        limits = {"unsent": 100_000, "stalled": 2}
        async with served(folder, limits=limits) as server:
            echo()
            before = descriptors()
            SCRIPT[api.WsMessage] = SCRIPT[api.Writable] = flood
            async with raw(server, receive_buffer=_RECEIVE_BUFFER) as (reader, writer):
                writer.write(frame(1, b"go"))
                for _ in range(300):  # reads, and the service goes on each time there is room
                    await reader.read(_RECEIVE_BUFFER)
                    if len(refusals) > 3:
                        break
                (inside,) = server.adaptor.sockets.open.values()
                assert inside.transport.get_write_buffer_size() <= 110_100
                loop = asyncio.get_running_loop()
                async with connect(at(server), proxy=None) as other:  # who is quick is not held up
                    began = loop.time()
                    await other.ping()
                    assert loop.time() - began < 0.5
                for _ in range(100):  # now it reads nothing
                    await asyncio.sleep(0.1)
                    if len(closings()) == 2:
                        break
            assert len(refusals) > 3
            assert api.WsClosed(1006, "", "network") in closings()
            assert server.adaptor.serving.counts.limits["stalled"] == 1
            assert await nothing_is_left(server, before)

    lane(work, tmp_path)


def test_websocket_lane_stopping_says_going_away(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        clients: list[ClientConnection] = []
        async with served(folder) as server:
            echo()
            clients += [await connect(at(server), proxy=None) for _ in range(5)]
        for client in clients:
            with pytest.raises(ConnectionClosed, match="1001"):
                await asyncio.wait_for(client.recv(), 3)
        assert [event.code for event in closings()] == [1001] * 5

    lane(work, tmp_path)


_ROOMS = """
[http.sessions."WEBSOCKET /rooms/{room}"]
source = "path"
name = "room"
"""


def activities(server: HttpSlee) -> list[str]:
    """Every activity of HTTP, as the server names it."""
    status, output = server.cli("activity", "list", "--json")
    assert status == 0, output
    return [str(row) for row in json.loads(output) if "http" in str(row)]


def test_websocket_lane_nothing_hangs_after_a_kill(tmp_path: Path) -> None:
    server = HttpSlee(tmp_path, _ROOMS)

    url = f"ws://{HOST}:{server.port}/rooms/tea"
    try:
        server.start()
        deploy(server, tmp_path, "speaker", "Speaker")
        for start in (0, 3):
            with contextlib.ExitStack() as room:
                protocols = [Subprotocol("count.v1")]
                clients = [room.enter_context(connect_sync(url, subprotocols=protocols, proxy=None)) for _ in range(3)]
                for number, client in enumerate(clients):
                    client.send("message")
                    assert client.recv(5) == f"message {start + number + 1}"  # the room goes on after the kill
                assert len([row for row in activities(server) if "socket" in row]) == 3
                server.child.send(signal.SIGKILL)
                server.child.wait(5.0)
                server.child.__exit__()
                for client in clients:
                    with pytest.raises(ConnectionClosed):
                        client.recv(5)
            server.start()
            assert [row for row in activities(server) if "socket" in row] == []
        assert server.stop() == 0
    finally:
        server.child.__exit__()
