"""AVPs and messages: octets to values and back, and what is refused (DIA-1 to DIA-4, DIA-8)."""

from __future__ import annotations

import datetime
import ipaddress
import struct
from decimal import Decimal
from pathlib import Path

import pytest
from diameter.message import Message as OtherMessage
from diameter.message.commands import CreditControlRequest as OtherRequest
from hypothesis import given
from hypothesis import strategies as st

from resource_adaptors.diameter.message import avp as avps
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, decode_avps, encode_avps
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, Stream, Unreadable, decode
from resource_adaptors.diameter.protocol.charging import CreditRequest, RequestType, Subscription, SubscriptionKind
from resource_adaptors.diameter.protocol.units import FinalUnit, Grant, Money, Service, Units

REQUEST = CreditRequest(
    session_id="a;1;2",
    kind=RequestType.INITIAL,
    number=0,
    context="32260@3gpp.org",
    origin_host="a.example",
    origin_realm="example",
    realm="b.example",
    subscriptions=(Subscription(SubscriptionKind.E164, "43123"),),
    services=(Service(rating_group=7, requested=Units(time=30, total_octets=5)),),
)

AVPS = st.builds(
    Avp,
    st.integers(0, 0xFFFF_FFFF),
    st.binary(max_size=40),
    st.integers(0, 0xFFFF_FFFF),
    st.sampled_from([0, 0x20, 0x40, 0x60]),
)
MESSAGES = st.builds(
    Message,
    st.integers(0, 0xFF_FFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.sampled_from([0, 0x80, 0x40, 0xC0, 0x20, 0x60, 0x10, 0xD0]),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 0xFFFF_FFFF),
    st.lists(AVPS, max_size=8).map(tuple),
)


@given(MESSAGES)
def test_dia_8_what_is_decoded_is_encoded_unchanged(message: Message) -> None:
    data = message.encode()
    assert decode(data) == message
    assert decode(data).encode() == data


@given(st.binary(max_size=200))
def test_com_22_any_octets_are_read_or_refused(data: bytes) -> None:
    stream = Stream()
    for found in stream.receive(data):
        assert isinstance(found, Message | Unreadable)


@given(MESSAGES, st.integers(1, 40))
def test_dia_1_a_stream_is_cut_wherever_it_breaks(message: Message, size: int) -> None:
    data = message.encode() * 3
    stream = Stream()
    found = [m for start in range(0, len(data), size) for m in stream.receive(data[start : start + size])]
    assert found == [message] * 3


@pytest.mark.parametrize(
    ("change", "result", "closes"),
    [
        (lambda d: b"\x02" + d[1:], 5011, True),
        (lambda d: d[:4] + b"\x81" + d[5:], 5013, False),
        (lambda d: d[:4] + b"\xa0" + d[5:], 3008, False),
        (lambda d: d[:1] + (16).to_bytes(3, "big") + d[4:], 5015, True),
        (lambda d: d[:1] + (21).to_bytes(3, "big") + d[4:], 5015, True),
        (lambda d: d[:1] + (65_540).to_bytes(3, "big") + d[4:], 5015, True),
    ],
    ids=["version", "reserved bit", "R with E", "too short", "no multiple of four", "too long"],
)
def test_dia_1_headers_that_break_the_rules(change: object, result: int, closes: bool) -> None:
    stream = Stream()
    (found,) = stream.receive(change(REQUEST.message().encode()))
    assert isinstance(found, Unreadable)
    assert (found.error.result, stream.is_broken) == (result, closes)


def test_dia_2_a_length_that_overruns_is_5014_with_the_header_and_zeros() -> None:
    data = struct.pack("!II", 416, 0x40 << 24 | 200) + b"\0\0\0\1"
    with pytest.raises(RemoteProtocolError) as caught:
        decode_avps(data)
    assert caught.value.result == 5014
    assert decode_avps(caught.value.failed)[0].code == 416
    for length in (0, 7):
        with pytest.raises(RemoteProtocolError, match="5014"):
            decode_avps(struct.pack("!II", 416, length) + b"\0\0\0\1")
    with pytest.raises(RemoteProtocolError, match="5014"):
        decode_avps(struct.pack("!II", 416, 0x80 << 24 | 8))


def test_dia_2_reserved_bits_are_3009() -> None:
    with pytest.raises(RemoteProtocolError, match="3009"):
        decode_avps(struct.pack("!II", 416, 0x41 << 24 | 12) + b"\0\0\0\1")


def test_dia_2_padding_of_any_content_is_taken_and_zeros_written() -> None:
    data = struct.pack("!II", 1, 0x40 << 24 | 9) + b"aXYZ"
    (found,) = decode_avps(data)
    assert found.data == b"a"
    assert encode_avps((found,)) == data[:9] + b"\0\0\0"


@pytest.mark.parametrize(
    ("made", "read", "value"),
    [
        (avps.u32(1, 0xFFFF_FFFF), Avp.unsigned32, 0xFFFF_FFFF),
        (avps.i32(1, -5), Avp.integer32, -5),
        (avps.u64(1, 2**64 - 1), Avp.unsigned64, 2**64 - 1),
        (avps.i64(1, -(2**63)), Avp.integer64, -(2**63)),
        (avps.f32(1, 0.5), Avp.floating, 0.5),
        (avps.f64(1, 0.1), Avp.floating, 0.1),
        (avps.text(1, "ü"), Avp.text, "ü"),
        (avps.address(1, ipaddress.ip_address("192.0.2.1")), Avp.address, ipaddress.ip_address("192.0.2.1")),
        (avps.address(1, ipaddress.ip_address("2001:db8::1")), Avp.address, ipaddress.ip_address("2001:db8::1")),
        (avps.address(1, "43123"), Avp.address, "43123"),
    ],
)
def test_dia_3_values_of_every_type(made: Avp, read: object, value: object) -> None:
    assert read(made) == value


@pytest.mark.parametrize("year", [1970, 2026, 2035, 2037, 2099])
def test_dia_3_times_of_both_eras(year: int) -> None:
    moment = datetime.datetime(year, 7, 1, 12, tzinfo=datetime.UTC)
    assert avps.time(55, moment).time() == moment


@pytest.mark.parametrize(
    ("broken", "read", "result"),
    [
        (Avp(1, b"123"), Avp.unsigned32, 5014),
        (Avp(1, b"12345"), Avp.integer32, 5014),
        (Avp(1, b""), Avp.unsigned64, 5014),
        (Avp(1, b"1234567"), Avp.integer64, 5014),
        (Avp(1, b"12"), Avp.floating, 5014),
        (Avp(1, b"\xff"), Avp.text, 5004),
        (Avp(1, b"\0\3abcd"), Avp.address, 5004),
        (Avp(1, b"\0\1abc"), Avp.address, 5004),
    ],
)
def test_dia_3_wrong_sizes_and_values(broken: Avp, read: object, result: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(broken)
    assert caught.value.result == result
    assert caught.value.failed == broken.encode()


@pytest.mark.parametrize(
    "call",
    [
        lambda: avps.u32(1, -1),
        lambda: avps.u32(1, 2**32),
        lambda: avps.i32(1, 2**31),
        lambda: avps.u64(1, 2**64),
        lambda: avps.i64(1, 2**63),
        lambda: avps.time(1, datetime.datetime(2026, 1, 1)),  # noqa: DTZ001
        lambda: avps.time(1, datetime.datetime(1900, 1, 1, tzinfo=datetime.UTC)),
        lambda: avps.text(1, "sip:\ud800"),
    ],
    ids=["u32 below", "u32 above", "i32", "u64", "i64", "naive", "before the era", "half a character"],
)
def test_dia_7_values_that_do_not_fit_are_refused_here(call: object) -> None:
    with pytest.raises(LocalProtocolError, match="DIA-3"):
        call()


def test_dia_4_an_independent_codec_reads_the_same() -> None:
    other = OtherMessage.from_bytes(REQUEST.message().encode())
    assert isinstance(other, OtherRequest)
    assert other.session_id == "a;1;2"
    assert other.subscription_id[0].subscription_id_data == "43123"
    assert other.multiple_services_credit_control[0].requested_service_unit.cc_time == 30
    assert decode(other.as_bytes()).session_id == "a;1;2"


def test_dia_4_files_add_definitions_and_may_not_clash(tmp_path: Path) -> None:
    good = tmp_path / "more.toml"
    good.write_text('[[avp]]\nname = "My-Own"\ncode = 9\nvendor = 4711\ntype = "Unsigned32"\n', encoding="utf-8")
    found = base_dictionary().extended(good).named("My-Own")
    assert (found.code, found.vendor, found.kind) == (9, 4711, "Unsigned32")
    for text in (
        '[[avp]]\nname = "Result-Code"\ncode = 268\ntype = "UTF8String"\n',
        '[[avp]]\nname = "X"\ncode = 1\ntype = "Strange"\n',
        '[[command]]\nname = "CCR"\ncode = 272\nrequest = true\n',
        "[[avp",
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(text, encoding="utf-8")
        with pytest.raises(LocalProtocolError, match="DIA-4"):
            base_dictionary().extended(bad)
    with pytest.raises(LocalProtocolError, match="DIA-4"):
        base_dictionary().named("No-Such-AVP")


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-20, 20), st.none() | st.integers(0, 999))
def test_dia_36_money_is_exact(digits: int, exponent: int, currency: int | None) -> None:
    money = Money(digits, exponent, currency)
    assert Money.read(money.avp()) == money
    assert money.amount == Decimal(digits).scaleb(exponent)
    assert Money.of(money.amount, currency).amount == money.amount


AMOUNTS = st.none() | st.integers(0, 2**32 - 1)
UNITS = st.builds(
    Units, time=AMOUNTS, total_octets=AMOUNTS, input_octets=AMOUNTS, output_octets=AMOUNTS, specific=AMOUNTS
)


@given(
    st.builds(
        Grant,
        rating_group=AMOUNTS,
        service_ids=st.lists(st.integers(0, 99), max_size=3).map(tuple),
        granted=st.none() | UNITS,
        validity=AMOUNTS,
        holding_time=AMOUNTS,
        time_threshold=AMOUNTS,
        volume_threshold=AMOUNTS,
        unit_threshold=AMOUNTS,
        final=st.none()
        | st.builds(
            FinalUnit,
            action=st.integers(0, 2),
            redirect=st.sampled_from(["", "sip:a@b", "http://c"]),
            filters=st.just(()),
        ),
    )
)
def test_dia_29_grants_survive_the_wire(grant: Grant) -> None:
    assert Grant.read(grant.avp().group()) == grant


@given(
    st.builds(
        Service,
        rating_group=AMOUNTS,
        service_ids=st.lists(st.integers(0, 99), max_size=3).map(tuple),
        requested=st.none() | UNITS,
        used=st.lists(UNITS, max_size=3).map(tuple),
    )
)
def test_dia_29_services_survive_the_wire(service: Service) -> None:
    assert Service.read(service.avp()) == service


def test_dia_29_units_of_a_single_service_are_read_too() -> None:
    from resource_adaptors.diameter.protocol.charging import read_answer, read_request

    plain = Message(272, 4, 0, 1, 1, (avps.u32(268, 2001), Units(time=9).avp(codes.GRANTED_SERVICE_UNIT)))
    assert read_answer(plain).grants[0].granted == Units(time=9)
    message = REQUEST.message()
    kept = tuple(a for a in message.avps if a.code != codes.MULTIPLE_SERVICES_CREDIT_CONTROL)
    single = Message(272, 4, 0xC0, 1, 1, (*kept, Units(time=4).avp(codes.USED_SERVICE_UNIT)))
    assert read_request(single).services == (Service(used=(Units(time=4),)),)
