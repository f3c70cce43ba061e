"""Makes requests with httpx, and connects only to addresses that are allowed (HTTP-24, HTTP-28, HTTP-29)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, cast

import anyio
import httpcore
import httpx

from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.protocol.calls import Call, Failure, Opened, Outcome, Reply, is_allowed

if TYPE_CHECKING:
    from resource_adaptors.http.config import ClientSection
    from resource_adaptors.http.outgoing import Done, Told
    from resource_adaptors.http.protocol.calls import Network
    from slee.spi import ResourceAdaptorContext

_READ: Final = 65_536
_MOST_HEAD: Final = 32_768
"""Octets of a response's header section (HTTP-28)."""


class ForbiddenAddressError(Exception):
    """A name resolves to no address that may be connected to."""


class ResponseTooLargeError(Exception):
    """A response's body is longer than is read."""


class _Guard(httpcore.AsyncNetworkBackend):
    """Resolves a name, checks every address, and connects to the very one that was checked (HTTP-29)."""

    def __init__(self, allowed: tuple[Network, ...]) -> None:
        self.allowed = allowed
        # Where anyio is not installed the library puts a class there that is no backend.
        self._backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = [str(entry[4][0]) for entry in found]
        allowed = [address for address in dict.fromkeys(addresses) if is_allowed(address, self.allowed)]
        if not allowed:
            raise ForbiddenAddressError(host)
        failure: Exception = httpcore.ConnectError(f"{host}: no address")
        for address in allowed:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class _Transport(httpx.AsyncHTTPTransport):
    """The library's transport on a pool of ours, whose connections are guarded."""

    def __init__(self, settings: ClientSection, context: ssl.SSLContext, guard: _Guard) -> None:
        super().__init__(verify=context)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,  # bounded for each target, by `Outgoing`
            keepalive_expiry=settings.idle,
            network_backend=guard,
        )


class HttpxSender:
    """Makes tries as tasks of the loop, one for each."""

    def __init__(self, context: ResourceAdaptorContext, settings: ClientSection) -> None:
        self._context = context
        self._settings = settings
        self._guard = _Guard(settings.allow_networks)
        transport = _Transport(settings, _tls(settings), self._guard)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # they would go with others' requests
        self._client = httpx.AsyncClient(transport=transport, trust_env=False, cookies=no_cookies)

    def take(self, settings: ClientSection) -> None:
        """Take a changed configuration, for the tries to come."""
        self._settings = settings
        self._guard.allowed = settings.allow_networks

    def send(self, call: Call, done: Done, told: Told) -> Callable[[], None]:
        """Begin a try; the outcome comes from a task."""

        async def work() -> None:
            done(await self._try(call, told))

        return self._context.spawn(work)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._context.spawn(self._client.aclose)

    async def _try(self, call: Call, told: Told) -> Outcome:
        try:
            return await self._exchange(call, told)
        except ForbiddenAddressError:
            return Failure("forbidden_address")
        except RemoteProtocolError:
            return Failure("bad_response")
        except ResponseTooLargeError:
            return Failure("response_too_large")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Failure("tls" if _is_tls(error) else "connect")
        except (httpx.RemoteProtocolError, httpx.LocalProtocolError) as error:
            # Closed before the first octet is a reset, and may be tried again; anything else is no HTTP.
            return Failure("reset" if "disconnected" in str(error) else "bad_response")
        except httpx.TransportError:
            return Failure("reset")

    async def _exchange(self, call: Call, told: Told) -> Outcome:
        request = self._client.build_request(
            call.method,
            call.url,
            headers=[(b"Accept-Encoding", b"identity"), *((n.encode(), v.encode("latin-1")) for n, v in call.headers)],
            content=call.body,
            timeout=httpx.Timeout(None, connect=self._settings.connect_timeout),
        )
        response = await self._client.send(request, stream=True)
        try:
            headers = tuple((name.lower(), value) for name, value in response.headers.multi_items())
            if sum(len(name) + len(value) + 4 for name, value in response.headers.raw) > _MOST_HEAD:
                raise ResponseTooLargeError
            if call.is_streamed and response.is_success:
                told(Opened(response.status_code, headers))
                async for chunk in response.aiter_raw(_READ):
                    told(chunk)
                return Reply(response.status_code, headers, b"")
            body = bytearray()
            async for chunk in response.aiter_raw(_READ):
                body += chunk
                if len(body) > self._settings.body:
                    raise ResponseTooLargeError
            return Reply(response.status_code, headers, bytes(body))
        finally:
            await response.aclose()


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _tls(settings: ClientSection) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
    context.set_alpn_protocols(["http/1.1"])
    return context
