"""A light OPTIONS probe beside the load: what one more client waits, by the kernel's time stamps."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from typing import Final, Self

from tests.interop.peers import DOMAIN, HOST

_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@qq")


class Probe:
    """Sends an OPTIONS to the served domain at a steady, low rate and notes how long each answer takes.

    An answer's arrival is stamped by the kernel, so that the wait for this process's turn is not counted. Use it as a
    context manager round the load.
    """

    def __init__(self, server: tuple[str, int], rate: float) -> None:
        """Probe `server` `rate` times a second."""
        self._server: Final = server
        self._interval: Final = 1.0 / rate
        self._stopped: Final = threading.Event()
        self._waits: list[float] = []
        self._sent = 0
        self._socket: Final = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._thread: Final = threading.Thread(target=self._run, name="probe", daemon=True)

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._stopped.wait(self._interval):
                return
            self._sent += 1
            self._ask(number)

    def _ask(self, number: int) -> None:
        port = self._socket.getsockname()[1]
        call_id = f"probe-{port}-{number}@{HOST}"
        lines = [
            f"OPTIONS sip:{DOMAIN} SIP/2.0",
            f"Via: SIP/2.0/UDP {HOST}:{port};rport;branch=z9hG4bK-probe-{port}-{number}",
            "Max-Forwards: 70",
            f"From: <sip:probe@{DOMAIN}>;tag=probe{number}",
            f"To: <sip:{DOMAIN}>",
            f"Call-ID: {call_id}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
            "",
            "",
        ]
        request = "\r\n".join(lines).encode()
        deadline = time.monotonic() + 1.0
        asked = time.time_ns()
        self._socket.sendto(request, self._server)
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                answer, extra, _, _ = self._socket.recvmsg(4096, 256)
            except TimeoutError:
                return
            # The answer to an earlier question may come late.
            if call_id.encode() in answer:
                self._waits.append((_stamp(extra) - asked) / 1e6)
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    @property
    def waits(self) -> list[float]:
        """Times to the answers, in milliseconds; what was not answered within 1 s is not among them."""
        return self._waits

    @property
    def unanswered(self) -> int:
        """Questions without an answer within 1 s."""
        return self._sent - len(self._waits)


def _stamp(extra: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    raise OSError("the kernel gave no time stamp with the datagram")
