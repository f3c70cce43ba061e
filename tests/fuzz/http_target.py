"""What every input to HTTP's parsers must satisfy, for the fuzzer and for the corpus (HTTP-45, COM-22).

The first octet chooses the parser: a connection of the server and h11 beside it, multipart, an event stream, gzip, the
fields of a forwarder, a callback token, frames of a WebSocket and the fields of its handshake. Nothing but
`RemoteProtocolError` may come of any, and what is cut elsewhere reads the same.
"""

from __future__ import annotations

from typing import Final

from websockets.protocol import Side

from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.message.coding import Inflater
from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.event_stream import EventStreamReader, Message
from resource_adaptors.http.message.forwarded import forwarded_source
from resource_adaptors.http.message.json import parse_json
from resource_adaptors.http.message.multipart import MultipartReader, Part
from resource_adaptors.http.message.request import Source
from resource_adaptors.http.message.target import parse_fields, parse_target
from resource_adaptors.http.protocol.frames import Frames
from resource_adaptors.http.protocol.tokens import read_token
from resource_adaptors.http.protocol.upgrade import is_asked, judge_upgrade
from resource_adaptors.http.testing import HttpSimulator, parse_answers
from slee.testing import SleeHarness
from tests.resource_adaptors.http.test_differential import theirs

_SLEE: Final = SleeHarness(leftovers_allowed=True, failures_allowed=True)
_HTTP: Final = _SLEE.add_resource("http", HttpSimulator(), HttpConfiguration())
_TYPE: Final = "multipart/form-data; boundary=b"
_LIMIT: Final = 65_536
_MESSAGE: Final = 1000

Request = tuple[str, bytes, bytes]


def check(data: bytes) -> None:
    """Read octets with the parser that the first of them chooses."""
    if data:
        _CHECKS[data[0] % len(_CHECKS)](data[1:])


def check_connection(data: bytes) -> None:
    """A connection answers, and reads no other requests than h11 does, however the octets are cut."""
    whole, answers = _read(data, len(data) or 1)
    pieces, _ = _read(data, 7)
    assert whole == pieces, (whole, pieces)
    there = theirs(data)
    common = min(len(whole), len(there))
    assert whole[:common] == there[:common], (whole, there)
    assert all(100 <= answer.status <= 599 for answer in parse_answers(answers, [one[0] for one in whole]))
    assert not _HTTP.serving.connections
    assert not _HTTP.serving.exchanges


def _read(data: bytes, size: int) -> tuple[list[Request], bytes]:
    found: list[Request] = []
    asked: list[bytes] = []
    serving = _HTTP.serving

    def begin(exchange: Exchange) -> None:
        found.append((exchange.method, asked[len(found)], exchange.take_body()))
        exchange.answer(200)

    def admit(exchange: Exchange, url: bytes) -> None:
        parse_target(url, exchange.method)
        asked.append(url)

    serving.begin, serving.admit = begin, admit
    client = _HTTP.client()
    for place in range(0, len(data), size):
        client.send(data[place : place + size])
    client.disconnect()
    return found, bytes(client.transport.written)


def check_multipart(data: bytes) -> None:
    """A body reads the same in pieces as whole."""
    assert _joined(data, len(data) or 1) == _joined(data, 5)


def _joined(data: bytes, size: int) -> list[tuple[str, str | None, str, bytes]] | int:
    reader = MultipartReader.begin(_TYPE)
    parts: list[Part] = []
    try:
        for place in range(0, len(data), size):
            reader, found = reader.feed(data[place : place + size])
            parts += found
    except RemoteProtocolError as error:
        return error.status
    whole: list[tuple[str, str | None, str, bytes]] = []
    text = b""
    for part in parts:
        text += part.data
        if part.is_last:
            whole.append((part.name, part.filename, part.content_type, text))
            text = b""
    return whole


def check_event_stream(data: bytes) -> None:
    """A stream reads the same in pieces as whole."""
    assert _messages(data, len(data) or 1) == _messages(data, 3)


def _messages(data: bytes, size: int) -> list[Message]:
    reader = EventStreamReader()
    found: list[Message] = []
    for place in range(0, len(data), size):
        found += reader.feed(data[place : place + size])
    return found


def check_gzip(data: bytes) -> None:
    """What is decoded stays within its bounds."""
    inflater = Inflater(ratio=10, most=_LIMIT)
    written = 0
    try:
        for place in range(0, len(data), 11):
            written += len(inflater.feed(data[place : place + 11]))
    except RemoteProtocolError as error:
        assert error.status in (400, 413)
    assert written <= _LIMIT


def check_fields(data: bytes) -> None:
    """Forwarders' fields, forms, JSON and tokens."""
    name, _, value = data.partition(b":")
    fields = [(b"forwarded", name), (b"x-forwarded-for", value), (b"x-forwarded-proto", value)]
    for headers in (fields, fields[1:]):
        source = forwarded_source(headers, Source("10.0.0.1", 1), lambda host: host.startswith("10."))
        assert source.scheme in ("http", "https")
        assert 0 <= source.port < 100_000
    token = data.decode("latin-1")
    assert read_token(b"k" * 16, token, 0.0) is None
    for parse in (lambda: parse_json(data), lambda: parse_fields(token)):
        try:
            parse()
        except RemoteProtocolError as error:
            assert error.status == 400


def check_frames(data: bytes) -> None:
    """Frames make the same messages in pieces as whole, within their bound, and are answered with frames of ours."""
    whole, pieces = _framed(data, len(data) or 1), _framed(data, 3)
    assert whole == pieces
    for message in whole[0]:
        assert len(message.encode() if isinstance(message, str) else message) <= _MESSAGE


def _framed(data: bytes, size: int) -> tuple[list[str | bytes], bool]:
    frames, client = Frames(_MESSAGE), Frames(_MESSAGE, Side.CLIENT)
    found: list[str | bytes] = []
    for place in range(0, len(data), size):
        found += frames.receive(data[place : place + size])
        client.receive(frames.take())
    assert client.closed.by != "adaptor"  # what the server has said was no breach of the protocol
    return found, frames.is_open


def check_handshake(data: bytes) -> None:
    """A handshake is accepted with a subprotocol of the route, or refused with 400 or 426."""
    fields = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    try:
        upgrade = judge_upgrade(fields, ("chat.v2", "chat.v1"), has_body=not is_asked(fields))
    except RemoteProtocolError as error:
        assert error.status in (400, 426)
    else:
        assert upgrade.subprotocol in ("chat.v2", "chat.v1")
        assert upgrade.lines().count(b"\r\n") == 4


_CHECKS: Final = (
    check_connection,
    check_multipart,
    check_event_stream,
    check_gzip,
    check_fields,
    check_frames,
    check_handshake,
)
