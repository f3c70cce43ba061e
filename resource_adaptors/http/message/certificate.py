"""Certificates: the names in a client's, and when one of ours expires (HTTP-34, HTTP-41)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The names in a certificate that the TLS library has checked: `DNS:pbx.example.net`, `URI:...`, `CN:pbx`."""
    if not certificate:
        return frozenset()
    found = [f"{kind}:{name}" for kind, name in certificate.get("subjectAltName", ())]
    found += [f"CN:{value}" for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return frozenset(found)


def expires(der: bytes) -> float:
    """When a certificate expires, in seconds since the epoch (RFC 5280 4.1.2.5).

    Raises:
        ValueError: it is no certificate.
    """
    certificate, _ = _element(der, 0, _SEQUENCE)
    body, _ = _element(certificate, 0, _SEQUENCE)
    place = _skip(body, 0) if body[:1] == bytes([_VERSION]) else 0
    for _ in ("serial number", "signature", "issuer"):
        place = _skip(body, place)
    validity, _ = _element(body, place, _SEQUENCE)
    place = _skip(validity, 0)
    kind = validity[place] if place < len(validity) else 0
    text, _ = _element(validity, place, kind)
    layout = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), layout).replace(tzinfo=UTC).timestamp()


def _element(data: bytes, place: int, kind: int) -> tuple[bytes, int]:
    """Contents of the element of DER at a place, and where the next one begins."""
    if place + 2 > len(data) or data[place] != kind:
        raise ValueError("this is no certificate")
    length, start = data[place + 1], place + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("the certificate is cut off")
    return data[start : start + length], start + length


def _skip(data: bytes, place: int) -> int:
    if place >= len(data):
        raise ValueError("the certificate is cut off")
    return _element(data, place, data[place])[1]
