"""Errors of the SIP protocol: ours, and the peer's.

A peer's error knows the answer that it deserves, so that no other module decides what a malformed message gets.
"""

from __future__ import annotations

import msgspec


class PartialRequest(msgspec.Struct, frozen=True):
    """What could be read of a malformed request: enough for a stateless answer (SIP-22)."""

    method: str
    via: tuple[bytes, ...]
    """Via values, the topmost first. It can be read, though perhaps not all of its parameters; so can the others."""
    from_: bytes | None
    to: bytes | None
    call_id: bytes | None
    cseq: bytes | None
    host: str
    """Host of the top Via."""
    port: int | None
    """Port of the top Via."""
    has_rport: bool
    """Whether the top Via asks for the answer to go to the source port (RFC 3581)."""


class ProtocolError(Exception):
    """A breach of the SIP protocol; raised as one of its two subclasses."""

    def __init__(self, message: str) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is abstract; raise LocalProtocolError or RemoteProtocolError")
        super().__init__(message)


class LocalProtocolError(ProtocolError, ValueError):
    """Our side asked for something that the protocol forbids; the message names rule and remedy."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol forbids."""

    def __init__(self, status: int, reason: str, kind: str, partial: PartialRequest | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        """Status of the answer that it deserves; 0 means that it is dropped."""
        self.reason = reason
        """Reason phrase fit for the wire (SIP-24)."""
        self.kind = kind
        """Label of the counter, from a closed set."""
        self.partial = partial
