"""What the core tells its owner, and what it asks the wire to do."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.settings import PeerSettings


class Open(msgspec.Struct, frozen=True):
    """Connect to a peer, and say `connected` or `closed` of that number."""

    connection: int
    peer: PeerSettings


class Write(msgspec.Struct, frozen=True):
    """Send octets."""

    connection: int
    data: bytes


class Close(msgspec.Struct, frozen=True):
    """Close a connection once what was written has left; nothing more is told of it."""

    connection: int


Action: TypeAlias = Open | Write | Close


class Up(msgspec.Struct, frozen=True):
    """A peer takes requests."""

    host: str


class Down(msgspec.Struct, frozen=True):
    """A peer takes no requests any more."""

    host: str
    reason: str


class Restarted(msgspec.Struct, frozen=True):
    """A peer's Origin-State-Id has risen: sessions that it knew are gone (DIA-16)."""

    host: str
    state: int


class Impostor(msgspec.Struct, frozen=True):
    """Somebody has introduced himself by our own name (DIA-53)."""

    host: str


class RequestReceived(msgspec.Struct, frozen=True, eq=False):
    """A request for us, judged; answer it with `Node.answer`."""

    message: Message
    host: str
    """The peer that it came from."""
    connection: int


class Answered(msgspec.Struct, frozen=True):
    """The answer to a request of ours."""

    token: object
    message: Message
    host: str
    error: int
    """0, or the Result-Code that what is wrong with the answer deserves (DIA-5)."""
    is_repeated: bool = False
    """Whether the request was sent with T: it may have been answered before, and some servers then say 5012."""


class Unanswered(msgspec.Struct, frozen=True):
    """No answer will come: `timeout`, `unroutable`, `unknown_realm` or `queue_full`."""

    token: object
    reason: str


Event: TypeAlias = Up | Down | Restarted | Impostor | RequestReceived | Answered | Unanswered
