"""HTTP over real sockets: curl, wrk, httpx and raw sockets against the adaptor on the product's loop (peers 14)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from resource_adaptors.http import api
from resource_adaptors.http.adaptor import HttpAdaptor
from slee import ActivityContext
from slee.api.ids import ServiceID
from slee.management.management import EntityEquipment, Equipment
from slee.management.store import StateDirectory
from slee.model.descriptor import Durability, describe_service
from slee.runtime.slee import Slee
from tests.interop.certificates import self_signed
from tests.interop.peers import find_program
from tests.resource_adaptors.http.kit import EVENTS, SCRIPT, Desk, head

pytestmark = pytest.mark.interop
HELLO = head("GET", "/x")


class Server:
    """A SLEE on the running loop."""

    def __init__(self, slee: Slee, adaptor: HttpAdaptor) -> None:
        self.slee = slee
        self.adaptor = adaptor
        self.port = adaptor.listeners[0].port

    @property
    def url(self) -> str:
        return self.adaptor.addresses[0]

    async def raw(self, *pieces: bytes) -> bytes:
        """Send, and read until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer

    async def is_empty(self) -> bool:
        """Wait until no connection, request, activity or entity is left."""
        for _ in range(300):
            await asyncio.sleep(0.02)
            serving, kernel = self.adaptor.serving, self.slee.kernel
            contexts = kernel.resources["http"].contexts
            roots = [root for service in kernel.services.values() for root in service.roots]
            if not serving.connections and not serving.exchanges and not contexts and not roots:
                return True
        return False


@contextlib.asynccontextmanager
async def served(folder: Path, **section: Any) -> AsyncIterator[Server]:
    EVENTS.clear()
    SCRIPT.clear()
    sections = {"http": {"listeners": [{"port": 0}], **section}}
    slee = Slee(store=StateDirectory(folder), adaptors=[HttpAdaptor], sections=sections)
    slee.start(Equipment((), (EntityEquipment("http", "http", "http", ("http-main",)),), ()))
    adaptor = slee.kernel.resources["http"].adaptor
    assert isinstance(adaptor, HttpAdaptor)
    service = ServiceID("Desk", "test", "1.0")
    descriptor = describe_service(service, Desk, durability=Durability.MEMORY)
    slee.kernel.add_service(descriptor, {Desk.sbb_id: {"http": adaptor.provider(api.HTTP)}})
    slee.kernel.activate_service(service)
    slee.pump()
    try:
        yield Server(slee, adaptor)
    finally:
        await slee.stop(1.0)
        await asyncio.sleep(0.3)  # uvicorn looks every tenth of a second whether it should end
        slee.close()


def lane(work: Callable[[Path], Awaitable[None]], folder: Path) -> None:
    asyncio.run(asyncio.wait_for(work(folder), 18))


def descriptors() -> int:
    """How many files and sockets the process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def answer_at_once(body: bytes = b"hello") -> None:
    SCRIPT[api.GetRequest] = lambda sbb, event, aci: sbb.http.respond(aci, 200, body=body)
    SCRIPT[api.PostRequest] = lambda sbb, event, aci: sbb.http.respond(aci, 200, body=event.request.body)


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def test_http_lane_curl_asks_posts_and_streams(tmp_path: Path) -> None:
    curl = find_program("curl")
    if curl is None:
        pytest.skip("curl is not installed")

    async def work(folder: Path) -> None:
        async with served(folder) as server:
            answer_at_once()
            assert await run(curl, "-sS", f"{server.url}/x") == "hello"
            big = folder / "big"
            big.write_bytes(b"x" * 60_000)
            assert (
                len(await run(curl, "-sS", "-H", "Expect: 100-continue", "--data-binary", f"@{big}", f"{server.url}/x"))
                == 60_000
            )
            assert "405" in await run(
                curl, "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", f"{server.url}/calls/1"
            )
            assert await server.is_empty()

    lane(work, tmp_path)


def test_http_lane_a_client_certificate_names_its_principal(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    theirs, their_key = self_signed(tmp_path, "pbx", "DNS:pbx.example.net")

    async def work(folder: Path) -> None:
        tls = {"certificate": str(certificate), "key": str(key), "client_ca": str(theirs)}
        tls |= {"client_certificate": "optional", "warn_before": 3 * 86_400}
        auth = {"*": {"certificates": {"exchange": "DNS:pbx.example.net"}}}
        async with served(folder / "state", listeners=[{"port": 0, "tls": tls}], auth=auth) as server:
            answer_at_once()
            context = ssl.create_default_context(cafile=str(certificate))
            async with httpx.AsyncClient(trust_env=False, verify=context) as nobody:
                assert (await nobody.get(f"{server.url}/x")).status_code == 401
            context.load_cert_chain(theirs, their_key)
            async with httpx.AsyncClient(trust_env=False, verify=context) as client:
                body = b"y" * 60_000  # comes in several records, through the buffer that connections share
                assert (await client.post(f"{server.url}/x", content=body)).content == body
            assert EVENTS[0].request.principal.name == "exchange"
            assert len(server.slee.management.alarms.list()) == 1  # the certificate expires in two days
            assert await server.is_empty()

    lane(work, tmp_path)


def test_http_lane_tls_with_alpn(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")

    async def work(folder: Path) -> None:
        tls = {"certificate": str(certificate), "key": str(key)}
        async with served(folder / "state", listeners=[{"port": 0, "tls": tls}]) as server:
            answer_at_once()
            context = ssl.create_default_context(cafile=str(certificate))
            context.set_alpn_protocols(["h2", "http/1.1"])
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.write(head("GET", "/x", "Connection: close"))
            assert (await reader.read()).endswith(b"hello")
            writer.close()
            assert EVENTS[0].request.source.scheme == "https"
            assert await server.is_empty()

    lane(work, tmp_path)


def test_http_lane_hostile_clients_get_a_clear_status_and_leave_nothing(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        limits = {"header_time": 1.0, "body_grace": 1.0, "idle": 2.0}
        async with served(folder, limits=limits) as server:
            answer_at_once()
            before = descriptors()
            statuses = [
                (await server.raw(data)).split(b" ")[1]
                for data in (
                    b"GET /x HTTP/1.1\r\nHo",  # slow-loris: never ends
                    head("POST", "/x", "Content-Length: 5000") + b"x",  # nor does this body
                    b"GET /" + b"x" * 20_000,
                    head("GET", "/x", "X: " + "v" * 30_000),
                    head("POST", "/x", "Content-Length: 99999999"),
                    head("POST", "/x", "Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + HELLO,
                    b"\x16\x03\x01\x02\x00\x01\x00",
                )
            ]
            assert statuses == [b"408", b"408", b"414", b"431", b"413", b"400", b"400"]
            for _ in range(50):  # gone in the middle of it
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(HELLO[:20])
                writer.transport.abort()
            assert await server.is_empty()
            gc.collect()
            assert descriptors() == before
            # the listener is there still, and its server, and this task
            assert len(asyncio.all_tasks()) <= 4

    lane(work, tmp_path)


def test_http_lane_a_slow_client_delays_nobody(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with served(folder) as server:
            answer_at_once()
            slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
            loop = asyncio.get_running_loop()
            waits: list[float] = []
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"{server.url}/x")
                for octet in HELLO[:-1]:
                    for _, writer in slow:
                        writer.write(bytes([octet]))
                    began = loop.time()
                    assert (await client.get(f"{server.url}/x")).text == "hello"
                    waits.append(loop.time() - began)
            assert sorted(waits)[len(waits) // 2] < 0.1
            for _, writer in slow:
                writer.transport.abort()
            assert await server.is_empty()

    lane(work, tmp_path)


def test_http_lane_a_client_that_hangs_up_ends_its_activity(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        async with served(folder) as server:
            SCRIPT[api.GetRequest] = lambda sbb, event, aci: sbb.timers.set(aci, after=60)
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(HELLO)
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.transport.abort()
            assert await server.is_empty()
            assert sum(isinstance(e, api.ClientDisconnected) for e in EVENTS) == 20

    lane(work, tmp_path)


def test_http_lane_a_request_of_ours_reaches_only_where_it_may(tmp_path: Path) -> None:
    async def work(folder: Path) -> None:
        outcomes: list[object] = []
        done = asyncio.Event()

        async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            body = b"y" * 3000 if b"/long" in request else b"ok"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            writer.close()

        def note(sbb: Desk, event: object, aci: ActivityContext) -> None:
            outcomes.append(event)
            done.set()

        other = await asyncio.start_server(upstream, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        for number, (networks, path) in enumerate([((), "/"), (("127.0.0.0/8",), "/"), (("127.0.0.0/8",), "/long")]):
            client = {"allow_networks": list(networks), "body": 2000}
            async with served(folder / str(number), client=client) as server:

                def ask(sbb: Desk, event: object, aci: ActivityContext, path: str = path) -> None:
                    sbb.http.request("GET", url + path).attach(sbb)
                    sbb.http.respond(aci, 202)

                done.clear()
                SCRIPT[api.GetRequest] = ask
                SCRIPT[api.HttpSuccess] = SCRIPT[api.HttpTransportError] = note
                async with httpx.AsyncClient(trust_env=False) as asker:
                    assert (await asker.get(f"{server.url}/x")).status_code == 202
                await asyncio.wait_for(done.wait(), 5)
                assert await server.is_empty()
        other.close()
        refused, answered, long = outcomes
        assert refused == api.HttpTransportError("forbidden_address", 1)
        assert answered.response.body == b"ok"
        assert long == api.HttpTransportError("response_too_large", 1)

    lane(work, tmp_path)


def test_http_lane_wrk_finds_no_wrong_answer(tmp_path: Path) -> None:
    wrk = find_program("wrk")
    if wrk is None:
        pytest.skip("wrk is not installed")

    async def work(folder: Path) -> None:
        async with served(folder) as server:
            SCRIPT[api.GetRequest] = lambda sbb, event, aci: (EVENTS.clear(), sbb.http.respond(aci, 200, body=b"hello"))
            said = await run(wrk, "-t1", "-c64", "-d2s", f"{server.url}/x")
            assert "Non-2xx" not in said
            assert "Socket errors" not in said
            assert await server.is_empty()

    lane(work, tmp_path)
