"""Errors of HTTP: ours, and the client's.

    ProtocolError
     +-- LocalProtocolError (also a ValueError)
     +-- RemoteProtocolError

A client's error knows the answer that it deserves, so that no other module decides what bad input gets.
"""

from __future__ import annotations

from collections.abc import Sequence


class ProtocolError(Exception):
    """A breach of the HTTP protocol; raised as one of its two subclasses."""

    def __init__(self, message: str) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is abstract; raise LocalProtocolError or RemoteProtocolError")
        super().__init__(message)


class LocalProtocolError(ProtocolError, ValueError):
    """Our side asked for something that the protocol forbids; the message names rule and remedy."""


class RemoteProtocolError(ProtocolError):
    """The other side sent something that the protocol forbids, or more than it may."""

    def __init__(
        self, status: int, code: str, detail: str = "", *, headers: Sequence[tuple[str, str]] = (), close: bool = False
    ) -> None:
        super().__init__(f"{status} {code}" + (f": {detail}" if detail else ""))
        self.status = status
        """Status of the answer that it deserves."""
        self.code = code
        """Stable word for the problem document and the counters; never text from the network."""
        self.detail = detail
        """A sentence for the problem document, without text from the network."""
        self.headers = tuple(headers)
        """What the answer has to tell besides, such as Allow."""
        self.close = close
        """Whether the connection cannot be trusted any further."""
