"""TCP and TLS connections of a Diameter node on the running event loop (DIA-9, DIA-17)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterable, Mapping
from typing import Final, Protocol

from slee.spi.listening import bind_tcp

_READ_SIZE: Final = 65_536


class Wire(Protocol):
    """Who is told what happens on connections; numbers are the core's."""

    def accepted(self, names: frozenset[str] | None) -> int:
        """Somebody has connected to us, over TLS with the names of his certificate; returns the connection's number."""
        ...

    def refused(self, address: str, reason: str) -> None:
        """Somebody has connected to a port of TLS, and there was no handshake (DIA-17); the reason is for operators."""

    def connected(self, number: int) -> None:
        """A connection that was asked for is there."""

    def received(self, number: int, data: bytes) -> None:
        """Octets have come."""

    def lost(self, number: int, reason: str = "") -> None:
        """A connection has gone, or could not be opened; the reason, if one is known, is for operators."""


class _Link(asyncio.BufferedProtocol):
    """One connection; all read into one buffer, since asyncio's own is made anew for each read, which costs more."""

    def __init__(self, streams: Streams, number: int | None) -> None:
        self._streams = streams
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._early = b""
        """What has come together with the end of the handshake."""
        self._has_gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._has_gone:
            return
        if self._number is None:
            self._number = self._streams.wire.accepted(_names(transport))
            self._streams.links[self._number] = transport
            if self._early:
                self._streams.wire.received(self._number, self._early)
            return
        if self._number not in self._streams.opening:
            transport.abort()  # given up meanwhile
            return
        self._streams.opening.discard(self._number)
        self._streams.links[self._number] = transport
        self._streams.wire.connected(self._number)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._streams.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._streams.buffer[:nbytes])
        if self._number is None:
            self._early += data
        elif self._number in self._streams.links:
            self._streams.wire.received(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_gone = True
        if self._number is not None and self._streams.links.pop(self._number, None) is not None:
            self._streams.wire.lost(self._number, "" if exc is None else str(exc))


class _Guest(asyncio.Protocol):
    """Somebody at a port of TLS, before the handshake."""

    def __init__(self, streams: Streams, tls: ssl.SSLContext) -> None:
        self._streams = streams
        self._tls = tls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # what comes is the handshake's
        self._streams.secure(transport, self._tls)


class Streams:
    """All connections and listeners of one adaptor."""

    def __init__(self, wire: Wire, *, within: float) -> None:
        """Make it on a running loop; a connection may take `within` seconds to be there, a handshake of TLS too."""
        self.wire = wire
        self._within = within
        self.links: dict[int, asyncio.Transport] = {}
        self.opening: set[int] = set()
        """Numbers of connections that are being opened."""
        self.buffer = memoryview(bytearray(_READ_SIZE))
        self._unsent: dict[int, list[bytes]] = {}
        """What was written in this turn of the loop, by connection."""
        self._loop = asyncio.get_running_loop()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> tuple[str, int]:
        """Listen; returns the address, with the port that was chosen if 0 was asked for.

        Args:
            host: address.
            port: TCP port.
            tls: `None` for plain TCP.

        Raises:
            OSError: the address cannot be bound.
        """
        listener = bind_tcp(host, port, is_v6_only=True)

        def protocol() -> asyncio.BaseProtocol:
            return _Link(self, None) if tls is None else _Guest(self, tls)

        async def begin() -> None:
            self._servers.append(await self._loop.create_server(protocol, sock=listener))

        self._spawn(begin())
        found: tuple[str, int] = listener.getsockname()[:2]
        return found

    def open(self, number: int, host: str, port: int, *, tls: ssl.SSLContext | None, name: str) -> None:
        """Connect; the wire is told of the outcome.

        Args:
            number: of the connection.
            host: name or address.
            port: TCP port.
            tls: `None` for plain TCP.
            name: the identity that the certificate must show (DIA-17).
        """

        async def begin() -> None:
            try:
                async with asyncio.timeout(self._within):
                    await self._loop.create_connection(
                        lambda: _Link(self, number), host, port, ssl=tls, server_hostname=name if tls else None
                    )
            except OSError as error:  # certificates that are refused and time that is over among them
                if number in self.opening:
                    self.opening.discard(number)
                    self.wire.lost(number, str(error) or f"no connection within {self._within:g} s")

        self.opening.add(number)
        self._spawn(begin())

    def secure(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        """Shake hands with who has connected; a server of asyncio's own tells nobody when that fails."""
        self._spawn(self._shake_hands(transport, tls))

    async def _shake_hands(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> None:
        link = _Link(self, None)
        host, port = transport.get_extra_info("peername", ("somebody", 0))[:2]
        try:
            secured = await self._loop.start_tls(
                transport, link, tls, server_side=True, ssl_handshake_timeout=self._within
            )
        except OSError as error:  # of TLS, or it has gone, or time is over
            self.wire.refused(f"{host}:{port}", str(error) or "it has gone")
        else:
            assert secured is not None
            link.connection_made(secured)

    def write(self, number: int, data: bytes) -> None:
        """Send octets, together with all others of this turn of the loop.

        Those for a connection that has gone are dropped, which `lost` has told.
        """
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.setdefault(number, []).append(data)

    def close(self, number: int) -> None:
        """Close a connection once what was written has left; the wire is told nothing more of it."""
        self._flush()
        self.opening.discard(number)
        transport = self.links.pop(number, None)
        if transport is not None:
            transport.close()

    def close_all(self) -> None:
        """Close everything."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for number in (*self.links, *self.opening):
            self.close(number)
        for task in tuple(self._tasks):
            task.cancel()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, {}
        for number, pieces in unsent.items():
            transport = self.links.get(number)
            if transport is not None:
                transport.write(b"".join(pieces))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            task.result()  # what nobody foresaw goes to the loop's exception handler


def _names(transport: asyncio.Transport) -> frozenset[str] | None:
    """The DNS names in the certificate that the other side has shown, `None` without TLS (DIA-17)."""
    certificate: Mapping[str, Iterable[tuple[str, str]]] | None = transport.get_extra_info("peercert")
    if certificate is None:
        return None
    return frozenset(value.lower() for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")
