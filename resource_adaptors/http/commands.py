"""What SBBs have asked of HTTP, enlisted in their transactions and carried out after the commit (COM-3)."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from resource_adaptors.http.events import CallbackActivity
from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.protocol.calls import Call
from resource_adaptors.http.protocol.frames import Message
from resource_adaptors.http.protocol.webhooks import Record
from resource_adaptors.http.websocket import WebSocket


class Answer(msgspec.Struct, frozen=True):
    """Answer a request."""

    exchange: Exchange
    status: int
    fields: bytes
    body: bytes


class OpenBody(msgspec.Struct, frozen=True):
    """Begin an answer in pieces."""

    exchange: Exchange
    status: int
    fields: bytes


class SendChunk(msgspec.Struct, frozen=True):
    """Send a piece of an answer."""

    exchange: Exchange
    data: bytes


class CloseBody(msgspec.Struct, frozen=True):
    """End an answer in pieces."""

    exchange: Exchange


class ReadBody(msgspec.Struct, frozen=True):
    """Read on in a body."""

    exchange: Exchange
    octets: int


class OpenEvents(msgspec.Struct, frozen=True):
    """Answer with an event stream."""

    exchange: Exchange
    stream: str
    key: str | None
    fields: bytes
    first: bytes


class SendEvent(msgspec.Struct, frozen=True):
    """Send an event to one stream."""

    stream: Hashable
    data: bytes


class Publish(msgspec.Struct, frozen=True):
    """Send an event to the streams of a key."""

    key: str
    data: str
    event: str | None


class CloseEvents(msgspec.Struct, frozen=True):
    """Close an event stream."""

    stream: Hashable


class OpenSocket(msgspec.Struct, frozen=True):
    """Accept an upgrade to WebSocket."""

    exchange: Exchange
    socket: WebSocket
    fields: bytes


class SendMessage(msgspec.Struct, frozen=True):
    """Send a message on a WebSocket."""

    socket: WebSocket
    message: Message
    octets: int


class CloseSocket(msgspec.Struct, frozen=True):
    """Close a WebSocket."""

    socket: WebSocket
    code: int
    reason: str


class EndSession(msgspec.Struct, frozen=True):
    """End a session."""

    session: Hashable


class StartCall(msgspec.Struct, frozen=True):
    """Ask another server."""

    call: Call


class CancelCall(msgspec.Struct, frozen=True):
    """Give up a request of ours."""

    handle: Hashable


class Tell(msgspec.Struct, frozen=True):
    """Deliver a web-hook."""

    record: Record


class Acknowledge(msgspec.Struct, frozen=True):
    """Tell a caller that its callback has been processed, so that it need not call again."""

    exchange: Exchange


class OpenCallback(msgspec.Struct, frozen=True):
    """Open a callback."""

    handle: str
    activity: CallbackActivity


class CloseCallback(msgspec.Struct, frozen=True):
    """End a callback."""

    handle: Hashable
