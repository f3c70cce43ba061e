"""Listeners: bound sockets whose connections uvicorn accepts on the kernel's loop (HTTP-1)."""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, cast

import uvicorn

from resource_adaptors.http.connection import Connection
from resource_adaptors.http.websocket import WebSocket
from slee.spi.certificates import load_certificates
from slee.spi.listening import bind_tcp

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

    from resource_adaptors.http.config import ListenerSection, TlsSection
    from resource_adaptors.http.gate import Gate
    from slee.spi import ResourceAdaptorContext

_BACKLOG = 2048


class _Server(uvicorn.Server):
    """A server that leaves the signals of the process to the runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class HttpListener:
    """One address; bound when it is made, accepting until `stop`."""

    def __init__(self, section: ListenerSection, gate: Gate, context: ResourceAdaptorContext) -> None:
        """Bind and listen; `OSError` if the address, `InvalidConfigurationError` if the certificates cannot be had."""
        config = uvicorn.Config(
            _no_application,
            http=cast("type[asyncio.Protocol]", functools.partial(Connection, gate)),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=1,
        )
        config.load()
        if section.tls is not None:
            config.ssl = _tls(f"http.listeners: {section.host}:{section.port}", section.tls)
        self._socket = bind_tcp(section.host, section.port, backlog=_BACKLOG)
        self.host, self.port = self._socket.getsockname()[:2]
        self.scheme = "http" if section.tls is None else "https"
        self._server = _Server(config)
        self._cancel: Callable[[], None] = context.spawn(self._serve)

    async def _serve(self) -> None:
        await self._server.serve([self._socket])

    def stop(self) -> None:
        """Accept no more; connections that do nothing close, the others after their answers (COM-18)."""
        for server in getattr(self._server, "servers", ()):
            server.close()
        self._socket.close()
        for connection in self._connections():
            connection.shutdown()

    def _connections(self) -> list[Connection | WebSocket]:
        found: list[object] = [*self._server.server_state.connections]
        return [connection for connection in found if isinstance(connection, (Connection, WebSocket))]

    def close(self) -> None:
        """Close everything."""
        self.stop()
        for connection in self._connections():
            connection.cut()
        self._server.should_exit = True


async def _no_application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Never called: connections hand their requests to the adaptor themselves."""
    raise RuntimeError(f"no ASGI application for {scope}, {receive}, {send}: Connection serves requests")


def verify_certificates(listeners: Sequence[ListenerSection]) -> None:
    """Read the certificates of listeners; `InvalidConfigurationError` if that fails."""
    for section in listeners:
        if section.tls is not None:
            _tls(f"http.listeners: {section.host}:{section.port}", section.tls)


def _tls(where: str, section: TlsSection) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificates(
        context,
        where,
        "HTTP-42",
        certificate=section.certificate,
        key=section.key,
        authorities=section.client_ca,
    )
    context.set_alpn_protocols(["http/1.1"])
    if section.client_ca is not None:
        is_required = section.client_certificate == "required"
        context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
    return context
