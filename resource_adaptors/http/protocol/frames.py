"""A WebSocket after its handshake: octets to messages and back (RFC 6455 5 to 8, HTTP-11).

Frames are read and written by the library `websockets`, which does no I/O there; this joins them to messages, judges
their text, and says why it was closed.
"""

from __future__ import annotations

import codecs
import logging
from typing import Final, Literal, TypeAlias

import msgspec
from websockets.frames import Frame, Opcode
from websockets.protocol import SEND_EOF, Protocol, Side, State

from resource_adaptors.http.message.errors import LocalProtocolError

Message: TypeAlias = str | bytes
Closer: TypeAlias = Literal["peer", "service", "adaptor", "network"]

CLOSERS: Final[tuple[Closer, ...]] = ("peer", "service", "adaptor", "network")
NO_CODE: Final = 1005
"""Stands for a close frame without a code (RFC 6455 7.4.1)."""
LOST: Final = 1006
"""Stands for a connection that ended without a close frame."""
GOING_AWAY: Final = 1001
INVALID_TEXT: Final = 1007
INTERNAL_ERROR: Final = 1011
TRY_AGAIN: Final = 1013

_SENDABLE: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014})
NAMED_CODES: Final = _SENDABLE | {1005, 1006, 1010}
"""Every close code that has a meaning of its own."""
_PRIVATE: Final = range(3000, 5000)
_LONGEST_REASON: Final = 123
_LOGGER: Final = logging.getLogger(__name__)
_LOGGER.setLevel(
    logging.ERROR
)  # at lower levels the library logs whole frames, and messages belong into no log (COM-16)


class Closed(msgspec.Struct, frozen=True):
    """How a WebSocket was closed."""

    code: int
    reason: str
    by: Closer


def judge_close(code: int, reason: str) -> None:
    """Judge what a service wants to close with.

    Raises:
        LocalProtocolError: the code must not be sent (RFC 6455 7.4), or the reason is longer than a frame takes.
    """
    if code not in _SENDABLE and code not in _PRIVATE:
        raise LocalProtocolError(f"close_socket: code {code} [HTTP-11]; give 1000, 1008, 1011 or one of 3000 to 4999")
    if len(reason.encode()) > _LONGEST_REASON:
        raise LocalProtocolError(f"close_socket: the reason [HTTP-11]; give at most {_LONGEST_REASON} octets of UTF-8")


class Frames:
    """One WebSocket, without its connection."""

    def __init__(self, longest: int, side: Side = Side.SERVER) -> None:
        """Begin after the handshake; a message longer than `longest` octets is answered 1009."""
        self._protocol = Protocol(side, max_size=longest, logger=_LOGGER)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._texts: list[str] = []
        self._parts: list[bytes] = []
        self._closer: Closer | None = None
        self._octets = bytearray()
        self.is_over = False
        """Nothing follows what `take` has given: the connection can be closed."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._protocol.state is State.OPEN

    @property
    def is_concluded(self) -> bool:
        """Whether both sides have sent their close frames."""
        return self._protocol.close_rcvd is not None and self._protocol.close_sent is not None

    def receive(self, data: bytes) -> list[Message]:
        """Take what was received, and give the messages that are complete; `take` then has the answers to it."""
        protocol = self._protocol
        protocol.receive_data(data)
        found: list[Message] = []
        for frame in protocol.events_received():
            try:
                if isinstance(frame, Frame):
                    self._join(frame, found)
            except UnicodeDecodeError as error:
                protocol.fail(INVALID_TEXT, f"{error.reason} at position {error.start}")
                break
        return found

    def _join(self, frame: Frame, found: list[Message]) -> None:
        if frame.opcode is Opcode.TEXT:
            if frame.fin:
                found.append(str(frame.data, "utf-8"))
                return
            self._decoder = codecs.getincrementaldecoder("utf-8")()
            self._texts = [self._decoder.decode(bytes(frame.data))]
        elif frame.opcode is Opcode.BINARY:
            if frame.fin:
                found.append(bytes(frame.data))
                return
            self._parts = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._continue(frame, found)

    def _continue(self, frame: Frame, found: list[Message]) -> None:
        if self._decoder is not None:
            if frame.data or frame.fin:
                self._texts.append(self._decoder.decode(bytes(frame.data), frame.fin))
            if frame.fin:
                found.append("".join(self._texts))
                self._decoder, self._texts = None, []
        else:
            if frame.data:
                self._parts.append(bytes(frame.data))
            if frame.fin:
                found.append(b"".join(self._parts))
                self._parts = []

    def send(self, message: Message) -> None:
        """Put a message behind what `take` gives."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)

    def ping(self) -> None:
        """Ask whether the peer is there; whatever it sends is an answer."""
        self._protocol.send_ping(b"")

    def close(self, code: int, reason: str, by: Closer) -> None:
        """Begin the closing handshake; without effect if it has begun."""
        if self.is_open:
            self._closer = by
            self._protocol.send_close(code, reason)

    def fail(self, code: int, reason: str) -> None:
        """Say why, and read nothing further."""
        if not self.is_over and not self._protocol.eof_sent:
            self._closer = self._closer or "adaptor"
            self._protocol.fail(code, reason)

    def take(self) -> bytes:
        """The octets that have to be sent now."""
        writes = self._protocol.data_to_send()
        if writes and writes[-1] == SEND_EOF:
            self.is_over = True
        return writes[0] if len(writes) == 1 else b"".join(writes)

    def drop(self) -> None:
        """The connection is gone: let the parser go, which refers to itself and would be left to the collector."""
        self._protocol.parser.close()

    @property
    def closed(self) -> Closed:
        """How it was closed, as far as is known now."""
        protocol = self._protocol
        received, sent = protocol.close_rcvd, protocol.close_sent
        if received is not None and protocol.close_rcvd_then_sent:
            return Closed(received.code, received.reason, "peer")
        if sent is None:
            return Closed(LOST, "", "network")
        return Closed(sent.code, sent.reason, self._closer or "adaptor")
