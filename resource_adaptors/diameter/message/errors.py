"""Errors of the Diameter protocol: ours, and the peer's.

    ProtocolError
     +-- LocalProtocolError (also a ValueError)
     +-- RemoteProtocolError

A peer's error knows the Result-Code that it deserves and the AVP at fault, so that no other module decides on either.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """A breach of the Diameter protocol; raised as one of its two subclasses."""


class LocalProtocolError(ProtocolError, ValueError):
    """Our side asked for something that the protocol forbids; the message names rule and remedy."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol forbids."""

    def __init__(self, result: int, reason: str, *, failed: bytes = b"", closes: bool = False, vendor: int = 0) -> None:
        super().__init__(f"{result}: {reason}")
        self.result = result
        """Result-Code of the answer that it deserves."""
        self.reason = reason
        """One sentence, fit for Error-Message."""
        self.failed = failed
        """The AVP at fault as Failed-AVP holds it, encoded; empty if none is."""
        self.closes = closes
        """Whether the stream cannot be followed any further, so that the connection is closed."""
        self.vendor = vendor
        """Whose result it is, if it is no Result-Code but an Experimental-Result."""
