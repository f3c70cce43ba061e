"""Errors of the SIP protocol: ours, and the peer's.

    ProtocolError
     +-- LocalProtocolError (also a ValueError)
     +-- RemoteProtocolError

A peer's error knows the answer that it deserves, so that no other module decides what a malformed message gets.
"""

from __future__ import annotations

from typing import Final

import msgspec

KINDS: Final = (
    "body_too_large",
    "branch",
    "call_id",
    "contact",
    "content_length",
    "cseq",
    "cseq_method",
    "end_of_headers",
    "from",
    "header_line",
    "header_section_too_large",
    "line_end",
    "line_too_long",
    "max_forwards",
    "message_too_large",
    "missing_header",
    "multipart",
    "not_sip",
    "nul",
    "path",
    "record_route",
    "refer_to",
    "repeated_header",
    "reply_to",
    "request_uri",
    "route",
    "start_line",
    "start_line_too_long",
    "status",
    "to",
    "token_too_long",
    "too_many_lines",
    "too_many_parameters",
    "too_many_values",
    "too_many_vias",
    "uri_too_long",
    "version",
    "via",
)
"""Every `RemoteProtocolError.kind` there is: labels of `slee_sip_malformed_total` (SIP-192)."""

LENIENCIES: Final = ("extra_octets", "line_end", "uri_headers")
"""Every kind of leniency that a parsed message can have needed (SIP-16, SIP-25, RFC 4475 3.1.2.11)."""


class PartialRequest(msgspec.Struct, frozen=True):
    """What could be read of a malformed request: enough for a stateless answer (SIP-22)."""

    method: str
    """Empty if it could not be read."""
    via: tuple[bytes, ...]
    """Via lines as received but unfolded, without the name; sent-by of the first one could be read."""
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
        """Label of the counter, out of `KINDS`."""
        self.partial = partial
        """What could be read of the request; `None` if it is not to be answered."""


class ValueSyntaxError(ValueError):
    """A part of a message breaks the grammar; the parser makes a `RemoteProtocolError` of it."""

    def __init__(self, reason: str, kind: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        """Reason phrase fit for the wire."""
        self.kind = kind
        """Out of `KINDS`."""
        self.status = status
        """Status of the answer if it was a request."""
