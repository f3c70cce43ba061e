"""HTTP-41: alarms of listeners, certificates and connections."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest

from resource_adaptors.http.api import GetRequest
from resource_adaptors.http.care import Care
from resource_adaptors.http.config import ListenerSection
from resource_adaptors.http.message.certificate import certificate_names, expires
from tests.resource_adaptors.http.kit import World


def element(kind: int, *contents: bytes) -> bytes:
    data = b"".join(contents)
    length = bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2, "big")
    return bytes([kind]) + length + data


def certificate(text: bytes, *, kind: int = 0x17, version: bool = True) -> bytes:
    """As much of a certificate as says when it expires."""
    validity = element(0x30, element(0x17, b"250101000000Z"), element(kind, text))
    fields = [element(0x02, b"\1"), element(0x30), element(0x30, b"x" * 200), validity]
    body = element(0x30, *([element(0xA0, element(0x02, b"\2"))] if version else []), *fields)
    return element(0x30, body, element(0x30), element(0x03, b"\0"))


def moment(year: int, month: int, day: int) -> float:
    return datetime.datetime(year, month, day, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize("version", [True, False])
def test_http_41_a_certificate_says_when_it_expires(version: bool) -> None:
    assert expires(certificate(b"270315000000Z", version=version)) == moment(2027, 3, 15)
    assert expires(certificate(b"20510315000000Z", kind=0x18)) == moment(2051, 3, 15)


@pytest.mark.parametrize("data", [b"", b"\x30\x03\x02\x01\x01", certificate(b"270315000000Z")[:60], b"\x31\0"])
def test_http_41_what_is_no_certificate_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="certificate"):
        expires(data)


def test_http_34_the_names_of_a_certificate_are_told_by_kind() -> None:
    found = certificate_names(
        {"subject": ((("commonName", "pbx"),), (("organizationName", "x"),)), "subjectAltName": (("DNS", "a.b"),)}
    )
    assert found == {"CN:pbx", "DNS:a.b"}
    assert certificate_names(None) == frozenset()


def test_http_41_a_certificate_that_expires_soon_raises_an_alarm_until_it_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "c.pem"

    def write(year: int) -> None:
        der = certificate(b"%02d0101000000Z" % (year - 2000))
        text = base64.encodebytes(der).decode()
        place.write_text(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")

    with World() as world:
        now = world.slee.clock.now
        year = datetime.datetime.fromtimestamp(now, datetime.UTC).year
        tls: dict[str, Any] = {"certificate": place, "key": place, "warn_before": 400 * 86_400}
        care = Care(world.http.context, (ListenerSection(tls=tls),))
        write(year + 5)
        care.look(now)
        assert not world.slee.alarms
        write(year + 1)
        world.slee.advance(3601)
        (alarm,) = world.slee.alarms
        assert "expires in" in str(alarm)
        world.slee.advance(3601)
        assert len(world.slee.alarms) == 1
        write(year + 5)
        world.slee.advance(3601)
        assert not world.slee.alarms
        care.close()
        write(year + 1)
        world.slee.advance(7300)
        assert not world.slee.alarms


def test_http_41_an_address_that_cannot_be_listened_on_raises_an_alarm() -> None:
    with World() as world:
        care = Care(world.http.context, ())
        care.listener_down("127.0.0.1:80", PermissionError("not allowed"))
        (alarm,) = world.slee.alarms
        assert "127.0.0.1:80" in str(alarm)
        care.listeners_up()
        assert not world.slee.alarms


def test_http_41_connections_at_their_limit_raise_an_alarm_until_there_is_room() -> None:
    with World(limits={"connections": 10}) as world:
        world.answer(GetRequest)
        clients = [world.client(f"198.51.100.{n}") for n in range(10)]
        assert not world.slee.alarms
        refused = world.client("198.51.100.99")
        assert refused.answers[0].status == 503
        assert len(world.slee.alarms) == 1
        world.client("198.51.100.98")
        assert len(world.slee.alarms) == 1
        for client in clients[:4]:
            client.disconnect()
        assert not world.slee.alarms
