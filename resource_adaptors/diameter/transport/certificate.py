"""When a certificate ends, read from its file (DIA-53)."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Final

_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def ends_at(path: Path) -> datetime.datetime:
    """The end of the validity of the first certificate in a PEM file (X.509, RFC 5280 4.1).

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no certificate.
    """
    text = path.read_text(encoding="ascii")
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    if begin < 0 or end < begin:
        raise ValueError(f"{path} holds no certificate [DIA-17]; give a PEM file")
    data = ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])
    signed = _content(data, _content(data, 0)[0])[0]
    at = signed
    if data[at] == _VERSION:
        at = _content(data, at)[1]
    for _ in range(3):  # serial number, signature algorithm, issuer
        at = _content(data, at)[1]
    not_before, _ = _content(data, at)
    after = _content(data, not_before)[1]
    begins, ends = _content(data, after)
    return _time(data[after], data[begins:ends].decode("ascii"))


def _content(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of a DER element begins and ends."""
    if at + 2 > len(data):
        raise ValueError("the certificate is cut off [DIA-17]; give a whole one")
    length, begins = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, begins = int.from_bytes(data[begins : begins + size], "big"), begins + size
    if begins + length > len(data):
        raise ValueError("the certificate is cut off [DIA-17]; give a whole one")
    return begins, begins + length


def _time(kind: int, text: str) -> datetime.datetime:
    if kind == _UTC_TIME:  # RFC 5280 4.1.2.5.1: two digits from 50 on are of the last century
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError("the certificate has no end [DIA-17]; give a sound one")
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)
