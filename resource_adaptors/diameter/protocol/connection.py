"""One transport connection as the core sees it: a number, a stream of messages, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resource_adaptors.diameter.message.message import Stream

if TYPE_CHECKING:
    from resource_adaptors.diameter.protocol.peer import Peer


class Connection:
    """One connection."""

    __slots__ = ("deadline", "is_closed", "names", "number", "peer", "stream", "was_opened")

    def __init__(self, number: int, largest: int, *, peer: Peer | None, deadline: float) -> None:
        self.number = number
        self.stream = Stream(largest)
        self.peer = peer
        """`None` until a CER says whose it is."""
        self.was_opened = peer is not None
        """Whether we opened it."""
        self.deadline = deadline
        """When it is closed unless a CER has come (DIA-13)."""
        self.is_closed = False
        self.names: frozenset[str] | None = None
        """The names, in lower case, in the certificate of who opened it; `None` without TLS (DIA-17)."""
