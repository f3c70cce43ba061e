"""One UDP listener: a socket drained by a reader callback, and the errors that ICMP brings back.

The only place that touches a SIP socket. Receiving and sending go straight to the socket: a datagram protocol object
costs three times as much per datagram.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Final

Address = tuple[str, int]

_IP_RECVERR: Final = 11  # Linux; Python does not name it
_MAX_DATAGRAM: Final = 65_535
_REASONS: Final = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
}


class UdpListener:
    """Receives and sends datagrams on one address."""

    def __init__(
        self, host: str, port: int, *, receive_buffer: int, send_buffer: int, drain: int, reuse: bool = False
    ) -> None:
        """Bind the socket.

        Raises:
            OSError: the address is in use or cannot be bound.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._drain = drain
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.host, self.port = self._socket.getsockname()[:2]
        self.received = 0
        self.sent = 0
        self.send_failures = 0

    def fileno(self) -> int:
        """The socket's descriptor, for a reader."""
        return self._socket.fileno()

    def receive(self, deliver: Callable[[bytes, Address], None], failed: Callable[[Address, str], None]) -> None:
        """Hand over up to `drain` waiting datagrams, and the transport errors among them (SIP-33, SIP-35)."""
        receive = self._socket.recvfrom
        for _ in range(self._drain):
            try:
                data, address = receive(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                self._read_errors(failed)
                continue
            self.received += 1
            deliver(data, address[:2])

    def send(self, data: bytes, address: Address) -> str | None:
        """Send one datagram; the reason of a failure, `None` if it went out.

        An error that belongs to an earlier datagram may surface here: the kernel reports it once, and the datagram
        is sent again.
        """
        for _ in range(2):
            try:
                self._socket.sendto(data, address)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ECONNREFUSED:
                    continue
                self.send_failures += 1
                return _REASONS.get(error.errno or 0, "send_failed")
            else:
                self.sent += 1
                return None
        self.send_failures += 1
        return "send_failed"

    def _read_errors(self, failed: Callable[[Address, str], None]) -> None:
        """Read the socket's error queue: which destinations ICMP has reported."""
        while True:
            try:
                _, ancillary, _, address = self._socket.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            except BlockingIOError:
                return
            code = 0
            for level, kind, data in ancillary:
                if level == socket.IPPROTO_IP and kind == _IP_RECVERR:
                    (code,) = struct.unpack_from("=I", data)
            failed(address[:2], _REASONS.get(code, "unreachable"))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
