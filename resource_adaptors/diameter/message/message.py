"""Messages: the header with its rules (DIA-1), and what a stream holds (RFC 6733 3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, decode_avps, encode_avps, find
from resource_adaptors.diameter.message.errors import RemoteProtocolError

R: Final = 0x80
P: Final = 0x40
E: Final = 0x20
T: Final = 0x10
_RESERVED: Final = 0x0F
HEADER: Final = 20
LARGEST: Final = 65_536
_HEADER: Final = struct.Struct("!IIIII")


class Message(msgspec.Struct, frozen=True):
    """One message; immutable, and encoded as it was received (DIA-8)."""

    command: int
    application: int
    flags: int
    """R, P, E and T."""
    hop_by_hop: int
    end_to_end: int
    avps: tuple[Avp, ...]

    @property
    def is_request(self) -> bool:
        """Whether R is set."""
        return bool(self.flags & R)

    @property
    def is_error(self) -> bool:
        """Whether E is set: an answer of the base grammar."""
        return bool(self.flags & E)

    @property
    def is_repeated(self) -> bool:
        """Whether T is set: it may have been sent before (DIA-22)."""
        return bool(self.flags & T)

    @property
    def name(self) -> str:
        """Abbreviation such as `CCR`; `other` for commands that are not served."""
        stem = codes.COMMAND_NAMES.get(self.command)
        return "other" if stem is None else stem + ("R" if self.flags & R else "A")

    def find(self, code: int, vendor: int = 0) -> Avp | None:
        """The first AVP of a code on the top level, `None` if there is none."""
        return find(self.avps, code, vendor)

    def text(self, code: int) -> str:
        """The text of a base AVP; empty if it is missing or not UTF-8."""
        found = find(self.avps, code)
        return "" if found is None else found.data.decode(errors="replace")

    def number(self, code: int) -> int | None:
        """The number of an Unsigned32 of the base protocol, `None` if it is missing or has another size."""
        found = find(self.avps, code)
        return None if found is None or len(found.data) != 4 else int.from_bytes(found.data, "big")

    @property
    def session_id(self) -> str:
        """Session-Id, empty if there is none."""
        return self.text(codes.SESSION_ID)

    @property
    def result(self) -> int:
        """Result-Code, or the code of Experimental-Result; 0 if an answer has neither."""
        plain = self.number(codes.RESULT_CODE)
        if plain is not None:
            return plain
        experimental = find(self.avps, codes.EXPERIMENTAL_RESULT)
        if experimental is not None:
            code = find(experimental.group(), codes.EXPERIMENTAL_RESULT_CODE)
            if code is not None:
                return code.unsigned32()
        return 0

    def encode(self) -> bytes:
        """Header and AVPs."""
        body = encode_avps(self.avps)
        length = HEADER + len(body)
        return (
            _HEADER.pack(
                0x0100_0000 | length,
                self.flags << 24 | self.command,
                self.application,
                self.hop_by_hop,
                self.end_to_end,
            )
            + body
        )

    def answer(self, avps: tuple[Avp, ...], *, error: bool = False) -> Message:
        """An answer to this request with these AVPs; Proxy-Info goes back as it came (RFC 6733 6.2)."""
        proxies = tuple(avp for avp in self.avps if avp.code == codes.PROXY_INFO and not avp.vendor)
        flags = self.flags & P | (E if error else 0)
        return Message(self.command, self.application, flags, self.hop_by_hop, self.end_to_end, avps + proxies)

    def __repr__(self) -> str:
        return f"{self.name} {self.command} of application {self.application} ({self.session_id})"


class Unreadable(msgspec.Struct, frozen=True):
    """A message whose header or AVPs break the rules; `head` has what can be answered."""

    head: Message
    error: RemoteProtocolError


def decode(data: bytes) -> Message:
    """One whole message.

    Raises:
        RemoteProtocolError: it breaks a rule of DIA-1 or DIA-2.
    """
    found = read_message(data)
    if isinstance(found, Unreadable):
        raise found.error
    return found


def read_message(data: bytes) -> Message | Unreadable:
    """A message of which the header is complete, or what is wrong with it."""
    first, second, application, hop_by_hop, end_to_end = _HEADER.unpack_from(data)
    flags, command = second >> 24, second & 0xFF_FFFF
    error = _header_error(first, flags, len(data))
    avps: tuple[Avp, ...] = ()
    if error is None:
        try:
            return Message(command, application, flags, hop_by_hop, end_to_end, decode_avps(data, HEADER))
        except RemoteProtocolError as found:
            error = found
            avps = _readable(data)
    return Unreadable(Message(command, application, flags & ~_RESERVED, hop_by_hop, end_to_end, avps), error)


def _header_error(first: int, flags: int, length: int) -> RemoteProtocolError | None:
    version, said = first >> 24, first & 0xFF_FFFF
    if version != 1:
        return RemoteProtocolError(codes.UNSUPPORTED_VERSION, f"version {version} is not 1", closes=True)
    if said != length or said < HEADER or said % 4:
        return RemoteProtocolError(codes.INVALID_MESSAGE_LENGTH, f"length {said} is wrong", closes=True)
    if flags & _RESERVED:
        return RemoteProtocolError(codes.INVALID_BIT_IN_HEADER, "reserved bits of the header are set")
    if flags & R and flags & E:
        return RemoteProtocolError(codes.INVALID_HDR_BITS, "a request has the E bit set")
    return None


def _readable(data: bytes) -> tuple[Avp, ...]:
    """The AVPs before the one that cannot be read: an answer needs Session-Id and Proxy-Info, if they came."""
    offset = HEADER
    found: list[Avp] = []
    while offset + 8 <= len(data):
        length = int.from_bytes(data[offset + 5 : offset + 8], "big")
        if length < 8:  # it would not lead on to another AVP
            break
        try:
            found.extend(decode_avps(data[offset : offset + length]))
        except RemoteProtocolError:
            break
        offset += (length + 3) & ~3
    return tuple(found)


class Stream:
    """Cuts the octets of a connection into messages."""

    __slots__ = ("_buffer", "_largest", "_offset", "is_broken")

    def __init__(self, largest: int = LARGEST) -> None:
        self._buffer = bytearray()
        self._offset = 0
        """How many octets of the buffer have been read."""
        self._largest = largest
        self.is_broken = False
        """Whether it cannot be followed any further: its owner closes the connection."""

    def receive(self, data: bytes) -> Iterator[Message | Unreadable]:
        """The messages that are complete now."""
        self.feed(data)
        while (found := self.next()) is not None:
            yield found

    def feed(self, data: bytes) -> None:
        """Take octets."""
        if self._offset:
            del self._buffer[: self._offset]
            self._offset = 0
        self._buffer += data

    def next(self) -> Message | Unreadable | None:
        """The next message, `None` until there are more octets."""
        buffer, offset = self._buffer, self._offset
        if self.is_broken or len(buffer) - offset < HEADER:
            return None
        length = int.from_bytes(buffer[offset + 1 : offset + 4], "big")
        if buffer[offset] != 1 or length < HEADER or length % 4 or length > self._largest:
            return self._break(bytes(buffer[offset : offset + HEADER]), length)
        if len(buffer) - offset < length:
            return None
        self._offset = offset + length
        return read_message(bytes(buffer[offset : offset + length]))

    @property
    def has_more(self) -> bool:
        """Whether `next` has another message."""
        left = len(self._buffer) - self._offset
        if self.is_broken or left < HEADER:
            return False
        return left >= int.from_bytes(self._buffer[self._offset + 1 : self._offset + 4], "big")

    def _break(self, head: bytes, length: int) -> Message | Unreadable:
        """A header that cannot be followed: nothing after it can be read."""
        self.is_broken = True
        self._buffer.clear()
        self._offset = 0
        found = read_message(head)
        if isinstance(found, Message) or found.error.result == codes.INVALID_MESSAGE_LENGTH:
            said = RemoteProtocolError(codes.INVALID_MESSAGE_LENGTH, f"length {length} is wrong", closes=True)
            found = Unreadable(found if isinstance(found, Message) else found.head, said)
        return found
