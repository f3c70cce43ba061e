"""Requests to other servers: what may be asked, tried again and followed (HTTP-23 to HTTP-29)."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from resource_adaptors.http.message.errors import LocalProtocolError
from resource_adaptors.http.message.headers import is_token

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
REPEATED_STATUSES: Final = frozenset({429, 502, 503, 504})
REPEATED_REASONS: Final = frozenset({"connect", "reset"})
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
MOST_REDIRECTS: Final = 5


class Call(msgspec.Struct, frozen=True):
    """A request to be made."""

    handle: str
    method: str
    url: str
    origin: str
    """Scheme, host and port: what a pool and a circuit are for."""
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float
    """Seconds for all tries together."""
    redirects: int
    """How many more are followed."""
    is_streamed: bool = False
    """The body of a 2xx is handed over as it comes."""

    @property
    def may_repeat(self) -> bool:
        """Whether it can be sent twice without harm (HTTP-25)."""
        return self.method in SAFE_TO_REPEAT or any(name.lower() == "idempotency-key" for name, _ in self.headers)


class Reply(msgspec.Struct, frozen=True):
    """What a server answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tries: int = 1

    def header(self, name: str) -> str | None:
        """The first value of a field by its name in lower case."""
        return next((value for key, value in self.headers if key == name), None)


class Opened(msgspec.Struct, frozen=True):
    """A streamed answer has begun."""

    status: int
    headers: tuple[tuple[str, str], ...]

    @property
    def is_event_stream(self) -> bool:
        """Whether what follows are server-sent events."""
        kind = next((value for name, value in self.headers if name == "content-type"), "")
        return kind.partition(";")[0].strip().lower() == "text/event-stream"


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer: one of `REASONS`, or `timeout`."""

    reason: str
    tries: int = 0


Outcome = Reply | Failure


def new_call(
    handle: str,
    method: str,
    url: str,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    timeout: float,
    redirects: int = 0,
    *,
    is_streamed: bool = False,
) -> Call:
    """A call that can be made.

    Raises:
        LocalProtocolError: method, URL, timeout or number of redirects are not fit (HTTP-23, HTTP-27, HTTP-29).
    """
    if not is_token(method) or method == "CONNECT":
        raise LocalProtocolError(f"request: method {method!r} [HTTP-23]; give one such as GET")
    if not 0 < timeout < 1e6:
        raise LocalProtocolError(f"request: timeout {timeout} [HTTP-23]; give seconds, more than 0")
    if not 0 <= redirects <= MOST_REDIRECTS:
        raise LocalProtocolError(f"request: {redirects} redirects [HTTP-27]; give 0 to {MOST_REDIRECTS}")
    return Call(handle, method, url, origin_of(url), headers, body, timeout, redirects, is_streamed)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that may be asked.

    Raises:
        LocalProtocolError: it is not absolute, not http or https, has credentials, or a port that is refused.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        httpx.URL(url)  # the client's library is to take it too
    except (ValueError, httpx.InvalidURL) as error:
        raise LocalProtocolError(f"request: {url[:200]!r} is no URL [HTTP-23]: {error}") from error
    if not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise LocalProtocolError(f"request: {url!r} has unfit characters [HTTP-23]; encode them")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise LocalProtocolError(f"request: {url!r} [HTTP-23]; give an absolute URL of http or https")
    if parts.username is not None or parts.password is not None:
        raise LocalProtocolError("request: a URL with credentials [HTTP-23]; send them as Authorization")
    if port not in (80, 443) and not 1024 <= port <= 65_535:
        raise LocalProtocolError(f"request: port {port} [HTTP-29]; 80, 443 and 1024 to 65535 may be asked")
    return f"{parts.scheme}://{parts.hostname}:{port}"


def retry_delay(
    call: Call, outcome: Outcome, tries: int, *, most: int, backoff: float, longest: float, jitter: float
) -> float | None:
    """Seconds until the next try; `None` if there is none (HTTP-25).

    Args:
        call: what was tried.
        outcome: of the last try.
        tries: so far.
        most: tries after the first one.
        backoff: seconds before the second try, doubled for each further one.
        longest: the longest Retry-After that is waited for.
        jitter: 0 to 1, drawn by the caller; the delay is between half and all of the backoff.
    """
    if tries > most or not call.may_repeat:
        return None
    delay = backoff * (1 << (tries - 1)) * (0.5 + jitter / 2)
    if isinstance(outcome, Failure):
        return delay if outcome.reason in REPEATED_REASONS else None
    if outcome.status not in REPEATED_STATUSES:
        return None
    asked = outcome.header("retry-after")
    if asked is None:
        return delay
    if not asked.isascii() or not asked.isdecimal() or int(asked) > longest:
        return None
    return max(delay, float(asked))


def redirected(call: Call, reply: Reply) -> Call | None:
    """The call that a redirect asks for; `None` if it is not followed (HTTP-27)."""
    location = reply.header("location")
    if reply.status not in _REDIRECTS or not call.redirects or location is None:
        return None
    try:
        url = urljoin(call.url, location).partition("#")[0]
        origin = origin_of(url)
    except ValueError:  # what it names is no URL, or none that may be asked
        return None
    if call.origin.startswith("https:") and not origin.startswith("https:"):
        return None
    headers, method, body = call.headers, call.method, call.body
    if origin != call.origin:
        headers = tuple((name, value) for name, value in headers if name.lower() not in _CREDENTIALS)
    if reply.status == 303 or (reply.status in (301, 302) and method == "POST"):
        method, body = ("HEAD" if method == "HEAD" else "GET"), b""
    return msgspec.structs.replace(
        call, url=url, origin=origin, headers=headers, method=method, body=body, redirects=call.redirects - 1
    )


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a resolved address may be connected to (HTTP-29)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip.version == network.version and ip in network for network in allowed):
        return True
    return ip.is_global and not ip.is_multicast


CLOSED, OPEN, HALF_OPEN = 0, 1, 2


class Circuit:
    """Leaves a target alone that fails again and again (HTTP-26)."""

    __slots__ = ("_failures", "_opened", "most", "open_for", "state", "within")

    def __init__(self, most: int, within: float, open_for: float) -> None:
        """Make a closed circuit.

        Args:
            most: failures that open it,
            within: this many seconds,
            open_for: for this many seconds; then one probe decides.
        """
        self.most = most
        self.within = within
        self.open_for = open_for
        self.state = CLOSED
        self._failures: deque[float] = deque(maxlen=most)
        self._opened = 0.0

    @property
    def is_calm(self) -> bool:
        """Whether there is nothing to remember."""
        return self.state == CLOSED and not self._failures

    def is_past(self, now: float) -> bool:
        """Whether its failures matter no more: a request would be sent, and what failed is older than is counted."""
        if self.state == OPEN:
            return now >= self._opened + self.open_for
        return self.state == CLOSED and (not self._failures or self._failures[-1] < now - self.within)

    def abandon(self) -> None:
        """A request was given up: if it was the probe, the next one is."""
        if self.state == HALF_OPEN:
            self.state = OPEN

    def allow(self, now: float) -> bool:
        """Whether a request may be sent now; the first one after the rest is the probe."""
        if self.state == OPEN and now >= self._opened + self.open_for:
            self.state = HALF_OPEN
            return True
        return self.state == CLOSED

    def report(self, now: float, *, success: bool) -> bool:
        """Note how a request came out; `True` if that opened or closed the circuit."""
        before = self.state
        if success:
            self.state = CLOSED
            self._failures.clear()
            return before != CLOSED
        self._failures.append(now)
        is_full = len(self._failures) == self.most and self._failures[0] >= now - self.within
        if self.state == HALF_OPEN or (self.state == CLOSED and is_full):
            self.state = OPEN
            self._opened = now
        return self.state != before
