"""What lies between a connection and the SLEE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from resource_adaptors.http.config import LimitSection
    from resource_adaptors.http.connection import Connection
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.message.errors import RemoteProtocolError


class Gate(Protocol):
    """What a connection asks of the adaptor."""

    limits: LimitSection
    buffer: memoryview
    """What connections are read into, one after the other."""
    moment: float
    """Seconds since the epoch, as of the last thing that happened."""

    def now(self) -> float:
        """Seconds since the epoch; becomes the moment."""
        ...

    def common(self) -> bytes:
        """Header lines of every answer: Date, and what is configured."""
        ...

    def opened(self, connection: Connection) -> RemoteProtocolError | None:
        """Count a connection in; an error refuses it."""

    def closed(self, connection: Connection) -> None:
        """Count a connection out."""

    def admit(self, exchange: Exchange, url: bytes) -> None:
        """Judge a request by its target and header section; `RemoteProtocolError` refuses it."""

    def refuse_unread(self, exchange: Exchange, error: RemoteProtocolError) -> None:
        """Answer a request that no service sees, and count it."""

    def is_forwarder(self, host: str) -> bool:
        """Whether the address may say whom it asks for (HTTP-39)."""
        ...

    def begin(self, exchange: Exchange) -> None:
        """Have a request served whose turn has come."""

    def body_arrived(self, exchange: Exchange) -> None:
        """Something of a streamed body, or its end, has arrived."""

    def gone(self, exchange: Exchange) -> None:
        """The client has gone before its answer."""

    def writable(self, exchange: Exchange) -> None:
        """An answer that had filled the buffer can go on."""

    def limit_hit(self, limit: str) -> None:
        """Count a limit that was hit (COM-12)."""

    def read_all(self) -> None:
        """All that was read has been taken in: let the SLEE work."""
