"""AVPs: a sequence of them from octets and back, unchanged (DIA-2, DIA-8), and their values (DIA-3; RFC 6733 4)."""

from __future__ import annotations

import datetime
import ipaddress
import struct
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError

V: Final = 0x80
M: Final = 0x40
P: Final = 0x20
_RESERVED: Final = 0x1F
DEEPEST: Final = 16
MOST: Final = 4096
"""AVPs of a message, all levels together."""

_HEAD: Final = struct.Struct("!II")
_VENDOR: Final = struct.Struct("!III")
_U32: Final = struct.Struct("!I")
_I32: Final = struct.Struct("!i")
_U64: Final = struct.Struct("!Q")
_I64: Final = struct.Struct("!q")
_F32: Final = struct.Struct("!f")
_F64: Final = struct.Struct("!d")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_ERA: Final = 2_208_988_800
"""Seconds from 1900, where NTP time begins, to 1970."""

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Avp(msgspec.Struct, frozen=True, gc=False):
    """One AVP; its data are octets until they are asked for as a value."""

    code: int
    data: bytes
    vendor: int = 0
    flags: int = M
    """V follows from `vendor`; M and P."""

    @property
    def is_mandatory(self) -> bool:
        """Whether a receiver that does not know it must refuse the message."""
        return bool(self.flags & M)

    def encode(self) -> bytes:
        """Header, data, and padding of zeros."""
        data = self.data
        length = len(data)
        if self.vendor:
            head = _VENDOR.pack(self.code, (self.flags | V) << 24 | length + 12, self.vendor)
        else:
            head = _HEAD.pack(self.code, (self.flags & ~V) << 24 | length + 8)
        return head + data + _PADDING[length & 3]

    # Values. Each raises `RemoteProtocolError` if the data are none of that type.

    def unsigned32(self) -> int:
        """Unsigned32, and the number of an Enumerated that is not negative."""
        if len(self.data) != 4:
            raise self.wrong_size()
        return int.from_bytes(self.data, "big")

    def integer32(self) -> int:
        """Integer32, Enumerated."""
        if len(self.data) != 4:
            raise self.wrong_size()
        return int.from_bytes(self.data, "big", signed=True)

    def unsigned64(self) -> int:
        """Unsigned64."""
        if len(self.data) != 8:
            raise self.wrong_size()
        return int.from_bytes(self.data, "big")

    def integer64(self) -> int:
        """Integer64."""
        if len(self.data) != 8:
            raise self.wrong_size()
        return int.from_bytes(self.data, "big", signed=True)

    def floating(self) -> float:
        """Float32 or Float64."""
        if len(self.data) not in (4, 8):
            raise self.wrong_size()
        found: float = (_F32 if len(self.data) == 4 else _F64).unpack(self.data)[0]
        return found

    def text(self) -> str:
        """UTF8String, DiameterIdentity, DiameterURI."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            raise self.wrong_value("it is not UTF-8") from None

    def time(self) -> datetime.datetime:
        """Time, which counts from 1900 below 2^31 and from 2036 on (RFC 6733 4.3.1, RFC 5905)."""
        seconds = self.unsigned32()
        if seconds < 0x8000_0000:
            seconds += 0x1_0000_0000
        return datetime.datetime.fromtimestamp(seconds - _ERA, datetime.UTC)

    def address(self) -> IPAddress | str:
        """Address: IP of family 1 or 2, or the digits of E.164, family 8."""
        family, data = self.data[:2], self.data[2:]
        if family == b"\0\1" and len(data) == 4:
            return ipaddress.IPv4Address(data)
        if family == b"\0\2" and len(data) == 16:
            return ipaddress.IPv6Address(data)
        if family == b"\0\x08" and data.isdigit():
            return data.decode("ascii")
        raise self.wrong_value("it is no address of family 1, 2 or 8")

    def group(self) -> tuple[Avp, ...]:
        """The AVPs within."""
        try:
            return decode_avps(self.data)
        except RemoteProtocolError as error:
            within = self.within(error.failed) if error.failed else self.encode()
            raise RemoteProtocolError(error.result, error.reason, failed=within) from None

    def within(self, encoded: bytes) -> bytes:
        """The header of this one round another, as Failed-AVP shows where something lies (DIA-51)."""
        return Avp(self.code, encoded, self.vendor, self.flags).encode()

    def wrong_size(self) -> RemoteProtocolError:
        """The error of data whose length does not fit the type (DIA-3)."""
        reason = f"AVP {self.code} has {len(self.data)} octets of data"
        return RemoteProtocolError(codes.INVALID_AVP_LENGTH, reason, failed=self.encode())

    def wrong_value(self, why: str) -> RemoteProtocolError:
        """The error of data that are no value of the type (DIA-3)."""
        return RemoteProtocolError(codes.INVALID_AVP_VALUE, f"AVP {self.code}: {why}", failed=self.encode())


def decode_avps(data: bytes, offset: int = 0) -> tuple[Avp, ...]:
    """The AVPs that octets hold from `offset` to their end.

    Raises:
        RemoteProtocolError: a length overruns (5014), reserved bits are set (3009), V without room for a vendor, or
            there are too many (5004).
    """
    end = len(data)
    found: list[Avp] = []
    add = found.append
    unpack = _HEAD.unpack_from
    while offset < end:
        if end - offset < 8:
            raise _overrun(data[offset:])
        code, word = unpack(data, offset)
        flags, length = word >> 24, word & 0xFF_FFFF
        if flags & _RESERVED:
            raise RemoteProtocolError(
                codes.INVALID_AVP_BITS, f"AVP {code} has reserved bits set", failed=data[offset : offset + length]
            )
        stop = offset + length
        if flags & V:
            if length < 12 or stop > end:
                raise _overrun(data[offset : offset + 12])
            vendor = int.from_bytes(data[offset + 8 : offset + 12], "big")
            if not vendor:
                reason = f"AVP {code} has the V bit and no vendor"
                raise RemoteProtocolError(codes.INVALID_AVP_BIT_COMBO, reason, failed=data[offset:stop])
            add(Avp(code, data[offset + 12 : stop], vendor, flags & 0x60))
        else:
            if length < 8 or stop > end:
                raise _overrun(data[offset : offset + 8])
            add(Avp(code, data[offset + 8 : stop], 0, flags & 0x60))
        offset = (stop + 3) & ~3
    if offset != (end + 3) & ~3:
        raise _overrun(found[-1].encode())
    if len(found) > MOST:
        raise RemoteProtocolError(codes.INVALID_AVP_VALUE, f"more than {MOST} AVPs on one level")
    return tuple(found)


def _overrun(head: bytes) -> RemoteProtocolError:
    """5014, with the header of the AVP and a value of zeros, as much as is needed (RFC 6733 7.1.5, 7.5)."""
    code = int.from_bytes(head[:4].ljust(4, b"\0"), "big")
    flags = head[4] if len(head) > 4 else 0
    vendor = int.from_bytes(head[8:12], "big") if flags & V and len(head) >= 12 else 0
    example = Avp(code, b"", vendor, flags & (M | P)).encode()
    return RemoteProtocolError(codes.INVALID_AVP_LENGTH, f"AVP {code}: its length does not fit", failed=example)


def encode_avps(avps: Iterable[Avp]) -> bytes:
    """AVPs in order, padded."""
    return b"".join([avp.encode() for avp in avps])


def find(avps: Iterable[Avp], code: int, vendor: int = 0) -> Avp | None:
    """The first AVP of a code, `None` if there is none."""
    for avp in avps:
        if avp.code == code and avp.vendor == vendor:
            return avp
    return None


def find_all(avps: Iterable[Avp], code: int, vendor: int = 0) -> Iterator[Avp]:
    """All AVPs of a code, in order."""
    return (avp for avp in avps if avp.code == code and avp.vendor == vendor)


def u32(code: int, value: int, *, vendor: int = 0, flags: int = M) -> Avp:
    """Unsigned32; `LocalProtocolError` if the number does not fit."""
    if not 0 <= value <= 0xFFFF_FFFF:
        raise LocalProtocolError(f"AVP {code}: {value} [DIA-3]; give 0 to 2^32 - 1")
    return Avp(code, value.to_bytes(4, "big"), vendor, flags)


def i32(code: int, value: int, *, vendor: int = 0, flags: int = M) -> Avp:
    """Integer32 or Enumerated; `LocalProtocolError` if the number does not fit."""
    if not -0x8000_0000 <= value <= 0x7FFF_FFFF:
        raise LocalProtocolError(f"AVP {code}: {value} [DIA-3]; give -2^31 to 2^31 - 1")
    return Avp(code, value.to_bytes(4, "big", signed=True), vendor, flags)


def u64(code: int, value: int, *, vendor: int = 0, flags: int = M) -> Avp:
    """Unsigned64; `LocalProtocolError` if the number does not fit."""
    if not 0 <= value <= 0xFFFF_FFFF_FFFF_FFFF:
        raise LocalProtocolError(f"AVP {code}: {value} [DIA-3]; give 0 to 2^64 - 1")
    return Avp(code, value.to_bytes(8, "big"), vendor, flags)


def i64(code: int, value: int, *, vendor: int = 0, flags: int = M) -> Avp:
    """Integer64; `LocalProtocolError` if the number does not fit."""
    if not -(2**63) <= value < 2**63:
        raise LocalProtocolError(f"AVP {code}: {value} [DIA-3]; give -2^63 to 2^63 - 1")
    return Avp(code, value.to_bytes(8, "big", signed=True), vendor, flags)


def f32(code: int, value: float, *, vendor: int = 0, flags: int = M) -> Avp:
    """Float32."""
    return Avp(code, _F32.pack(value), vendor, flags)


def f64(code: int, value: float, *, vendor: int = 0, flags: int = M) -> Avp:
    """Float64."""
    return Avp(code, _F64.pack(value), vendor, flags)


def text(code: int, value: str, *, vendor: int = 0, flags: int = M) -> Avp:
    """UTF8String, DiameterIdentity or DiameterURI; `LocalProtocolError` for half a character, which UTF-8 has not."""
    try:
        return Avp(code, value.encode(), vendor, flags)
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"AVP {code}: {error.reason} in {value!r} [DIA-3]; give whole characters") from error


def octets(code: int, value: bytes, *, vendor: int = 0, flags: int = M) -> Avp:
    """OctetString."""
    return Avp(code, value, vendor, flags)


def group(code: int, avps: Iterable[Avp], *, vendor: int = 0, flags: int = M) -> Avp:
    """Grouped."""
    return Avp(code, encode_avps(avps), vendor, flags)


def time(code: int, value: datetime.datetime, *, vendor: int = 0, flags: int = M) -> Avp:
    """Time: 1968 to 2104; `LocalProtocolError` if it is naive or beyond."""
    if value.tzinfo is None:
        raise LocalProtocolError(f"AVP {code}: {value} has no time zone [DIA-3]; give one")
    seconds = int(value.timestamp()) + _ERA
    if not 0x8000_0000 <= seconds < 0x1_8000_0000:
        raise LocalProtocolError(f"AVP {code}: {value} [DIA-3]; give a time from 1968 to 2104")
    return Avp(code, (seconds & 0xFFFF_FFFF).to_bytes(4, "big"), vendor, flags)


def address(code: int, value: IPAddress | str, *, vendor: int = 0, flags: int = M) -> Avp:
    """Address: of IP, or the digits of E.164."""
    if isinstance(value, ipaddress.IPv4Address):
        return Avp(code, b"\0\1" + value.packed, vendor, flags)
    if isinstance(value, ipaddress.IPv6Address):
        return Avp(code, b"\0\2" + value.packed, vendor, flags)
    return Avp(code, b"\0\x08" + value.encode("ascii"), vendor, flags)
