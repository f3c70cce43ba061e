"""Clients that outlive a server that is killed: they ask again until it answers, and keep what they saw.

One thread plays a callee that answers everything at once and keeps no state, telephones that register, and the client
of the keeper bundle. It writes down what was answered and when; `tests/interop/killing.py` judges that.
"""

from __future__ import annotations

import itertools
import random
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.interop.peers import DOMAIN, HOST

T1: Final = 0.5
T2: Final = 4.0
PATIENCE: Final = 32.0
PER_KEY: Final = 5
"""Serial numbers that share a key, and so a keeper."""
_VIA: Final = re.compile(rb"^Via: .*?\r\n", re.MULTILINE)
_BRANCH: Final = re.compile(rb"branch=([^;\s]+)")


@dataclass
class Ask:
    """A request until its answer."""

    data: bytes
    started: float
    due: float
    done: Callable[[int, bytes], None]
    interval: float = T1


@dataclass
class Seen:
    """What the clients saw; times are of the monotonic clock."""

    registered: dict[str, float] = field(default_factory=dict)
    """By user: when the REGISTER was answered 200."""
    kept: dict[int, float] = field(default_factory=dict)
    """By serial number: when it was answered 200."""
    asked: dict[int, float] = field(default_factory=dict)
    """By serial number: when it was first sent."""
    refused: dict[int, int] = field(default_factory=dict)
    """Answers that were no 200, by status."""
    unanswered: int = 0


class Clients(threading.Thread):
    """Runs until `close`; `pause` holds new work back."""

    def __init__(self, server: tuple[str, int], *, messages: float, registers: float, seed: int) -> None:
        """Ask `messages` and `registers` times a second."""
        super().__init__(name="clients", daemon=True)
        self.seen: Final = Seen()
        self.lock: Final = threading.Lock()
        self.on_answer: Callable[[], None] | None = None
        """Called once at the next 200 that promises something, and forgotten."""
        self._server = server
        self._lot = random.Random(seed)
        self._rates = {self._message: messages, self._register: registers}
        self._socket, self._callee = _udp(), _udp()
        self.port: Final = self._socket.getsockname()[1]
        self.callee_port: Final = self._callee.getsockname()[1]
        self._asks: dict[bytes, Ask] = {}
        self._count = itertools.count(1)
        self._serial = itertools.count(1)
        self._open = threading.Event()
        self._busy = threading.Event()
        self._open.set()

    def begin(self) -> None:
        """Make new work."""
        self._busy.set()

    def pause(self) -> None:
        """Make no new work; what is asked already is asked on."""
        self._busy.clear()

    def close(self) -> None:
        """End the thread."""
        self._open.clear()
        self.join()
        self._socket.close()
        self._callee.close()

    @property
    def waiting(self) -> int:
        """Requests without an answer yet."""
        with self.lock:
            return len(self._asks)

    def run(self) -> None:
        """Serve both sockets, repeat what is unanswered, and make new work."""
        due = dict.fromkeys(self._rates, 0.0)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ, self._answered)
            selector.register(self._callee, selectors.EVENT_READ, self._serve)
            while self._open.is_set():
                for key, _ in selector.select(0.005):
                    self._drain(key.fileobj, key.data)
                now = time.monotonic()
                with self.lock:
                    self._repeat(now)
                    for make, rate in self._rates.items():
                        if self._busy.is_set() and rate and now >= due[make]:
                            due[make] = max(due[make] + 1 / rate, now - 0.1)
                            make(now)

    def _drain(self, source: object, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        assert isinstance(source, socket.socket)
        for _ in range(50):
            try:
                data, address = source.recvfrom(65_535)
            except BlockingIOError:
                return
            with self.lock:
                take(data, address)

    # Asking.

    def _repeat(self, now: float) -> None:
        for branch, ask in list(self._asks.items()):
            if now - ask.started > PATIENCE:
                del self._asks[branch]
                self.seen.unanswered += 1
            elif now >= ask.due:
                self._socket.sendto(ask.data, self._server)
                ask.due = now + ask.interval
                ask.interval = min(2 * ask.interval, T2)

    def request(
        self, method: str, uri: str, to: str, headers: str, done: Callable[[int, bytes], None], now: float
    ) -> None:
        """Send a request, and again until it is answered; hold the lock."""
        number = next(self._count)
        branch = f"z9hG4bK-{self.port}-{number}"
        data = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{self.port};branch={branch}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:client@{DOMAIN}>;tag={number}\r\nTo: <{to}>\r\nCall-ID: {number}-{self.port}@{HOST}\r\n"
            f"CSeq: 1 {method}\r\n{headers}Content-Length: 0\r\n\r\n"
        ).encode()
        self._asks[branch.encode()] = Ask(data, now, now + T1, done, 2 * T1)
        self._socket.sendto(data, self._server)

    def _answered(self, data: bytes, _: tuple[str, int]) -> None:
        status = int(data[8:11])
        found = _BRANCH.search(data)
        if status >= 200 and found and (ask := self._asks.pop(found[1], None)) is not None:
            if status != 200:
                self.seen.refused[status] = self.seen.refused.get(status, 0) + 1
            ask.done(status, data)

    def _message(self, now: float) -> None:
        serial = next(self._serial)
        self.seen.asked[serial] = now

        def done(status: int, _: bytes) -> None:
            if status == 200:
                self._promise(self.seen.kept, serial)

        headers = f"X-Serial: {serial}\r\nX-After: {self._lot.uniform(0.2, 3.0):.3f}\r\n"
        uri = keeper_uri(serial // PER_KEY)
        self.request("MESSAGE", uri, uri, headers, done, now)

    def _register(self, now: float) -> None:
        user = f"phone{next(self._count)}"

        def done(status: int, _: bytes) -> None:
            if status == 200:
                self._promise(self.seen.registered, user)

        headers = f"Contact: <sip:{user}@{HOST}:{self.callee_port}>\r\nExpires: 3600\r\n"
        self.request("REGISTER", f"sip:{DOMAIN}", f"sip:{user}@{DOMAIN}", headers, done, now)

    def _promise(self, kind: dict[str, float] | dict[int, float], what: str | int) -> None:
        kind[what] = time.monotonic()
        if self.on_answer is not None:
            told, self.on_answer = self.on_answer, None
            told()

    def begin_ask(self, method: str, uri: str, to: str, headers: str = "") -> Callable[[float], tuple[int, bytes]]:
        """Ask from another thread; the result waits for the answer, so many seconds at most.

        It raises TimeoutError if none came.
        """
        got: list[tuple[int, bytes]] = []
        came = threading.Event()

        def done(status: int, data: bytes) -> None:
            got.append((status, data))
            came.set()

        def wait(seconds: float) -> tuple[int, bytes]:
            if not came.wait(seconds):
                raise TimeoutError(f"no answer to {method} {uri} within {seconds} s")
            return got[0]

        with self.lock:
            self.request(method, uri, to, headers, done, time.monotonic())
        return wait

    def ask(self, method: str, uri: str, to: str, headers: str = "") -> tuple[int, bytes]:
        """Ask from another thread, and wait for the answer.

        Raises:
            TimeoutError: no answer came.
        """
        return self.begin_ask(method, uri, to, headers)(PATIENCE)

    # Answering.

    def _serve(self, data: bytes, source: tuple[str, int]) -> None:
        """Answer a request as it comes, however often it does."""
        method = data[: data.index(b" ")]
        if method == b"ACK" or data.startswith(b"SIP/2.0"):
            return
        copied = [line for line in data.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:] if _is_copied(line)]
        copied = [line + b";tag=callee" if line.startswith(b"To:") and b"tag=" not in line else line for line in copied]
        contact = f"Contact: <sip:callee@{HOST}:{self.callee_port}>".encode()
        for status in (b"180 Ringing", b"200 OK") if method == b"INVITE" else (b"200 OK",):
            lines = [b"SIP/2.0 " + status, *copied, contact, b"Content-Length: 0", b"", b""]
            self._callee.sendto(b"\r\n".join(lines), source)


def _is_copied(line: bytes) -> bool:
    return line.startswith((b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:", b"Record-Route:"))


def keeper_uri(key: int) -> str:
    """Where the keeper of a key is asked."""
    return f"sip:keep-{key}@{DOMAIN}"


def _udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((HOST, 0))
    made.setblocking(False)
    return made
