"""The two servers that `bench_http` compares: the product with one SBB that answers at once, and a bare uvicorn app.

`python -m benchmarks.http_servers slee|uvicorn asyncio|uvloop` prints its port, and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

from resource_adaptors.http import api
from resource_adaptors.http.adaptor import HttpAdaptor
from slee import ActivityContext, Sbb, Select, initial_event, resource
from slee.api.ids import ServiceID
from slee.kernel.ports import Limits
from slee.management.management import EntityEquipment, Equipment
from slee.management.store import StateDirectory
from slee.model.descriptor import Durability, describe_service
from slee.runtime.slee import Slee

BODY = b"Hello, world!"


class Hello(Sbb, vendor="bench", version="1.0"):
    """Answers at once."""

    http = resource(api.HTTP)

    @initial_event(Select.ACTIVITY_CONTEXT, option="GET /hello")
    def on_hello(self, event: api.GetRequest, aci: ActivityContext) -> None:
        self.http.respond(aci, 200, body=BODY, content_type="text/plain")


async def serve_slee() -> None:
    """Run a SLEE with the service, without the interfaces of management and metrics."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sections = {"http": {"listeners": [{"port": 0}], "static": {}}}
        slee = Slee(store=StateDirectory(Path(folder)), adaptors=[HttpAdaptor], sections=sections, limits=Limits())
        slee.start(Equipment((), (EntityEquipment("http", "http", "http", ("http-main",)),), ()))
        adaptor = slee.kernel.resources["http"].adaptor
        assert isinstance(adaptor, HttpAdaptor)
        service = ServiceID("Hello", "bench", "1.0")
        descriptor = describe_service(service, Hello, durability=Durability.MEMORY)
        slee.kernel.add_service(descriptor, {Hello.sbb_id: {"http": adaptor.provider(api.HTTP)}})
        slee.kernel.activate_service(service)
        slee.pump()
        quieten()
        print(adaptor.listeners[0].port, flush=True)
        await asyncio.Event().wait()


async def hello(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """The same answer as an ASGI application."""
    del scope, receive
    length = str(len(BODY)).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def serve_uvicorn() -> None:
    """Run uvicorn with the application, on httptools."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio then sets TCP_NODELAY
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    config = uvicorn.Config(
        hello, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    quieten()
    print(listener.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve([listener])


def quieten() -> None:
    """Both servers collect garbage as the product does after its start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def run(main: Callable[[], Coroutine[Any, Any, None]], loop: str) -> None:
    """Run on the loop of that name."""
    if loop == "uvloop":
        importlib.import_module("uvloop").run(main())
    else:
        asyncio.run(main())


if __name__ == "__main__":
    run({"slee": serve_slee, "uvicorn": serve_uvicorn}[sys.argv[1]], sys.argv[2])
