"""What a torture message is, and how its octets are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

ACCEPT: Final = "accept"
"""Parsed; given to the service; a REGISTER is answered 200."""
FORWARD: Final = "forward"
"""Sent on towards the callee."""
DROP: Final = "drop"
"""No answer, nothing sent on."""

Outcome: TypeAlias = Literal["accept", "forward", "drop"] | int
"""One of the three, or the status of the answer."""


@dataclass(frozen=True, slots=True)
class TortureMessage:
    """One message, and what each role makes of it (protocols B3 with corrections 9 and 10)."""

    section: str
    name: str
    """Name of the message in the RFC."""
    data: bytes
    parser: Outcome
    """`accept`, `drop`, or the status hint of the error."""
    kind: str | None = None
    """Kind of the parser's error."""
    proxy: Outcome | None = None
    """What a proxy does with it that has a binding for the callee; `None` if it is not for a proxy."""
    registrar: Outcome | None = None
    """What a registrar without authentication does with it; `None` if it is no REGISTER."""
    uas: Outcome | None = None
    """What a user agent server does with it that knows no extension, only SDP, and only the methods of RFC 3261."""
    note: str = ""
    """What else the outcome must show."""


def refused(section: str, name: str, data: bytes, status: int, kind: str) -> TortureMessage:
    """A request that every element refuses with the same status."""
    registrar = status if b" REGISTER" in data or data.startswith(b"REGISTER") else None
    return TortureMessage(section, name, data, status, kind, proxy=status, registrar=registrar, uas=status)


def dropped(section: str, name: str, data: bytes, kind: str) -> TortureMessage:
    """A response that every element drops."""
    return TortureMessage(section, name, data, DROP, kind, proxy=DROP, uas=DROP)


def wire(head: str, body: bytes = b"") -> bytes:
    """Octets of a message whose header section is written with plain line ends; white space at line ends stays."""
    return head.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def sdp(origin: str, connection: str | None = None, *, time: str = "0 0") -> bytes:
    """The session description that most of the INVITEs carry."""
    return (
        f"v=0\r\no=mhandley 29739 7272939 IN IP4 {origin}\r\ns=-\r\nc=IN IP4 {connection or origin}\r\nt={time}\r\n"
        "m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"
    ).encode()
