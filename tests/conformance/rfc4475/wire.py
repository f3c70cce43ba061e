"""How the torture messages are typed: lines as they are printed, octets as they travel."""

from __future__ import annotations


def wire(head: str, body: bytes = b"") -> bytes:
    """Octets of a message: each printed line of the header section ends in CRLF, an empty line follows, then the body.

    The first and the last line break of `head` belong to the Python literal.
    """
    lines = head.strip("\n").split("\n")
    return "\r\n".join((*lines, "", "")).encode() + body


def sdp(origin: str, connection: str | None = None, *, time: str = "0 0") -> bytes:
    """The session description that most of the messages carry (RFC 4475 3.1.1.1); 150 octets for a short address."""
    lines = (
        "v=0",
        f"o=mhandley 29739 7272939 IN IP4 {origin}",
        "s=-",
        f"c=IN IP4 {connection or origin}",
        f"t={time}",
        "m=audio 49217 RTP/AVP 0 12",
        "m=video 3227 RTP/AVP 31",
        "a=rtpmap:31 LPC",
        "",
    )
    return "\r\n".join(lines).encode()
