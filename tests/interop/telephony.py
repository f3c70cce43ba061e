"""What every lane does with SIPp: bind users to callees, and call them."""

from __future__ import annotations

import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.interop.peers import DOMAIN, HOST, Sipp, SippVerdict
from tests.interop.servers import Server


def register(
    server: Server, folder: Path, bindings: Sequence[tuple[str, int]], *, rate: float = 500.0, domain: str = DOMAIN
) -> SippVerdict:
    """Register each (user, port of its contact) with SIPp; AssertionError unless every one is answered 200."""
    calls = len(bindings)
    timeout = 20.0 + calls / rate
    with Sipp(
        "register", folder, server=server.sip, calls=calls, rows=bindings, rate=rate, timeout=timeout, domain=domain
    ) as phones:
        return phones.finish().require(calls)


def answering(
    folder: Path, calls: int, *, ring_ms: int = 0, lost_percent: int = 0, timeout: float = 60.0, messages: bool = False
) -> Sipp:
    """Start a callee that answers `calls` calls, each after ringing for `ring_ms` milliseconds."""
    return Sipp(
        "uas_rr",
        folder,
        calls=calls,
        ring=f'<pause milliseconds="{ring_ms}"/>' if ring_ms else "",
        linger=300,
        lost_percent=lost_percent,
        timeout=timeout,
        messages=messages,
    )


def refused_call(server: Server, folder: Path, user: str, status: int) -> SippVerdict:
    """Call `user` once; AssertionError unless the final answer is `status`."""
    with Sipp("uac_refused", folder, server=server.sip, calls=1, rows=[(user,)], status=status) as caller:
        return caller.finish().require(1)


@contextmanager
def silent_callee() -> Generator[tuple[socket.socket, int]]:
    """Give a bound UDP socket, and its port, that nobody reads until the lane does: a telephone that says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as telephone:
        telephone.bind((HOST, 0))
        telephone.setblocking(False)
        yield telephone, telephone.getsockname()[1]


def waiting_datagrams(telephone: socket.socket) -> list[bytes]:
    """Return all datagrams that have come so far."""
    datagrams: list[bytes] = []
    while True:
        try:
            datagrams.append(telephone.recv(65_535))
        except BlockingIOError:
            return datagrams
