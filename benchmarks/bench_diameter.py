"""CPU per CCR and CCA: the product beside python-diameter's own node in one run (`scripts/bench diameter`).

Every contender is a process of its own on processor 0, and has the same load over a socket from this one on processor
1, in turn: sessions of an INITIAL and a TERMINATION, 32 at a time. A server is asked as fast as it answers, a client
is answered at once; the figure is the processor time of its process by the requests that were answered.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import itertools
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

from benchmarks.diameter_nodes import ADDRESS, CLIENT, CLIENT_REALM, CONTEXT, SERVER, SERVER_REALM, WINDOW, granted
from benchmarks.process_tree import cpu_seconds
from benchmarks.report import table
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import u32
from resource_adaptors.diameter.message.message import Message, decode
from resource_adaptors.diameter.protocol.capabilities import capabilities_answer, capabilities_request
from resource_adaptors.diameter.protocol.charging import (
    CreditRequest,
    RequestType,
    Subscription,
    SubscriptionKind,
)
from resource_adaptors.diameter.protocol.settings import Settings
from resource_adaptors.diameter.protocol.units import Service, Units

CONTENDERS: Final = {"serve": ("slee", "core", "python-diameter"), "ask": ("slee", "python-diameter")}
_RECORD = struct.Struct("!II")
_HOP_AND_END: Final = slice(12, 20)
_SUCCESS: Final = u32(codes.RESULT_CODE, codes.SUCCESS).encode()
_PLACE: Final = b"000000000"
"""Stands for a session's number in what is encoded once."""


@dataclass(frozen=True, slots=True)
class Window:
    """One loaded window."""

    requests: int
    seconds: float
    cpu: float

    @property
    def cpu_us(self) -> float:
        """CPU of one request with its answer, in microseconds."""
        return self.cpu / max(self.requests, 1) * 1e6


class Line:
    """Whole messages on a socket."""

    def __init__(self, wire: socket.socket) -> None:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire = wire
        self._rest = b""

    def send(self, data: bytes) -> None:
        """Send messages."""
        self._wire.sendall(data)

    def read(self) -> list[bytes]:
        """The messages that have come, at least one."""
        found: list[bytes] = []
        while not found:
            self._wire.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1
            )  # who lets Nagle wait for it is not held up
            got = self._wire.recv(262_144)
            if not got:
                raise SystemExit("bench diameter: the other side has closed the connection")
            self._rest += got
            at = 0
            while len(self._rest) - at >= 20:
                length = int.from_bytes(self._rest[at + 1 : at + 4], "big")
                if len(self._rest) - at < length:
                    break
                found.append(self._rest[at : at + length])
                at += length
            self._rest = self._rest[at:]
        return found


def settings(identity: str, realm: str) -> Settings:
    """What this side says of itself in capabilities."""
    here = (ipaddress.ip_address(ADDRESS),)
    return Settings(identity=identity, realm=realm, addresses=here, vendor_applications=frozenset())


def request(kind: RequestType) -> bytes:
    """A CCR, encoded, for a session whose number stands at `_PLACE`."""
    is_initial = kind is RequestType.INITIAL
    service = Service(rating_group=100, requested=Units(time=30))
    used = Service(rating_group=100, used=(Units(time=17),))
    return (
        CreditRequest(
            session_id=f"{CLIENT};1;{_PLACE.decode()};sh=00",
            kind=kind,
            number=0 if is_initial else 1,
            context=CONTEXT,
            origin_host=CLIENT,
            origin_realm=CLIENT_REALM,
            realm=SERVER_REALM,
            subscriptions=(Subscription(SubscriptionKind.E164, "43123456"),),
            services=(service if is_initial else used,),
        )
        .message()
        .encode()
    )


def load_server(port: int) -> Generator[int, None, None]:
    """Ask a server; each step is a round of `WINDOW` sessions, and gives the requests that were answered in it."""
    with socket.create_connection((ADDRESS, port), timeout=10) as wire:
        line, identifiers = Line(wire), itertools.count(1)
        line.send(capabilities_request(settings(CLIENT, CLIENT_REALM), 1, 1).encode())
        line.read()
        kinds = [request(kind) for kind in (RequestType.INITIAL, RequestType.TERMINATION)]
        for first in itertools.count(1, WINDOW):
            for data in kinds:
                batch: list[bytes] = []
                for number in range(first, first + WINDOW):
                    one = bytearray(data.replace(_PLACE, b"%09d" % number))
                    identifier = next(identifiers)
                    one[_HOP_AND_END] = _RECORD.pack(identifier, identifier)
                    batch.append(bytes(one))
                line.send(b"".join(batch))
                left = WINDOW
                while left:
                    left -= sum(is_granted(data) for data in line.read())
            yield 2 * WINDOW


def is_granted(data: bytes) -> bool:
    """Whether a message grants; a watchdog's is let pass, and any other answer ends the program."""
    if data[4] & 0x80:
        return False
    if _SUCCESS not in data:
        raise SystemExit(f"bench diameter: a request was refused: {decode(data)}")
    return True


def answer_client(listener: socket.socket) -> Generator[int, None, None]:
    """Answer a client; each step gives the requests that were answered in it."""
    wire, _ = listener.accept()
    with wire:
        line = Line(wire)
        while True:
            answers = [answer_to(decode(data)) for data in line.read()]
            line.send(b"".join(answers))
            yield len(answers)


def answer_to(asked: Message) -> bytes:
    """The answer to whatever a client asks."""
    if asked.command == codes.CAPABILITIES_EXCHANGE:
        return capabilities_answer(settings(SERVER, SERVER_REALM), asked, codes.SUCCESS).encode()
    kind, number = asked.number(codes.CC_REQUEST_TYPE) or 0, asked.number(codes.CC_REQUEST_NUMBER) or 0
    return asked.answer(granted(asked.session_id, kind, number)).encode()


def measure(name: str, role: str, seconds: float) -> Window:
    """Start a contender, load it for a second that does not count and for those that do, and end it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((ADDRESS, 0)))
        listener.settimeout(20)
        more = [str(listener.getsockname()[1])] if role == "ask" else []
        command = ["taskset", "-c", "0", sys.executable, "-m", "benchmarks.diameter_nodes", name, role, *more]
        child = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(child.kill)
        assert child.stdout is not None
        rounds = answer_client(listener) if role == "ask" else load_server(int(child.stdout.readline()))
        stack.callback(rounds.close)
        _take(rounds, 1.0, lambda: 0.0)
        return _take(rounds, seconds, lambda: cpu_seconds(child.pid))


def _take(rounds: Generator[int, None, None], seconds: float, cpu: Callable[[], float]) -> Window:
    began, before = time.monotonic(), cpu()
    requests = 0
    for count in rounds:
        requests += count
        if time.monotonic() - began >= seconds:
            break
    return Window(requests, time.monotonic() - began, cpu() - before)


def main() -> None:
    """Measure all in turn, the best of the rounds each, and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/bench diameter", description="CPU per CCR and CCA")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    best: dict[tuple[str, str], Window] = {}
    for _ in range(options.rounds):
        for role, names in CONTENDERS.items():
            for name in names:
                window = measure(name, role, options.seconds)
                if (role, name) not in best or window.cpu_us < best[role, name].cpu_us:
                    best[role, name] = window
    rows: list[list[str]] = []
    for (role, name), one in best.items():
        ratio = best[role, "python-diameter"].cpu_us / one.cpu_us
        speed = f"{one.requests / one.seconds:.0f}"
        rows.append(["server" if role == "serve" else "client", name, speed, f"{one.cpu_us:.1f}", f"{ratio:.1f}"])
    print(table(["role", "node", "CCR/s", "CPU µs each", "python-diameter costs so many times that"], rows))


if __name__ == "__main__":
    main()
