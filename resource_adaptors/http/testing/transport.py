"""A connection made of memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resource_adaptors.http.testing.simulator import HttpSimulator


class MemoryTransport(asyncio.Transport):
    """A connection made of memory; the test reads what was written."""

    def __init__(self, simulator: HttpSimulator, peer: tuple[str, int]) -> None:
        super().__init__({"peername": peer})
        self._simulator = simulator
        self.written = bytearray()
        self.is_full = False
        """Set it with `HttpClient.stall`: nothing is taken any more."""
        self.is_paused = False
        """The adaptor does not read for the moment; what the test sends waits."""
        self.protocol: asyncio.BaseProtocol | None = None
        self._untaken = 0
        self._closing = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self._closing:
            self.written += data
            self._untaken += len(data) if self.is_full else 0

    def get_write_buffer_size(self) -> int:
        return self._untaken

    def take_all(self) -> None:
        """The client takes what has waited."""
        self.is_full, self._untaken = False, 0

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._simulator.closing.append(self)

    def abort(self) -> None:
        self.close()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The peer sees the end of what is written."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The buffer has no limit."""

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
