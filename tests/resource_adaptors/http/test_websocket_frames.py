"""HTTP-11: octets to messages and back, without a connection (RFC 6455 5 to 8)."""

from __future__ import annotations

import gc
import logging
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import Side

from resource_adaptors.http.api import RemoteProtocolError
from resource_adaptors.http.protocol.frames import Closed, Frames, Message
from resource_adaptors.http.protocol.upgrade import judge_upgrade
from tests.resource_adaptors.http.websocket_kit import frame

MESSAGES = st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=8)


@given(MESSAGES, st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_http_11_what_one_side_sends_the_other_reads_however_it_is_cut(
    messages: list[Message], cuts: list[int]
) -> None:
    client, server = Frames(10_000, Side.CLIENT), Frames(10_000)
    for message in messages:
        client.send(message)
    client.close(1000, "done", "service")
    data = client.take()
    found: list[Message] = []
    place = turn = 0
    while place < len(data):
        size = cuts[turn % len(cuts)]
        found += server.receive(data[place : place + size])
        place, turn = place + size, turn + 1
    assert found == messages
    assert server.closed == Closed(1000, "done", "peer")
    client.receive(server.take())
    assert server.is_over
    assert client.is_concluded
    assert client.closed == Closed(1000, "done", "service")


def test_http_11_who_closes_first_is_who_closed_it() -> None:
    server = Frames(100)
    assert server.closed == Closed(1006, "", "network")
    server.close(4000, "enough", "service")
    server.close(4001, "again", "adaptor")
    assert server.take() == b"\x88\x08\x0f\xa0enough"
    server.receive(frame(8, b"\x03\xe8"))
    assert (server.closed, server.is_over) == (Closed(4000, "enough", "service"), False)
    server.take()
    assert server.is_over


def test_http_11_what_is_dropped_is_freed_without_the_collector() -> None:
    server = Frames(100)
    server.receive(frame(1, b"x")[:3])
    protocol = weakref.ref(server._protocol)
    gc.disable()
    try:
        server.drop()
        del server
        assert protocol() is None
    finally:
        gc.enable()


def test_http_11_a_close_without_a_code_is_1005() -> None:
    server = Frames(100)
    server.receive(frame(8))
    assert server.take() == b"\x88\x00"
    assert server.closed == Closed(1005, "", "peer")


def test_http_11_messages_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = Frames(100)
    server.receive(frame(1, b"secret") + frame(1, b"\xff"))
    server.take()
    assert not caplog.records


def test_http_11_the_time_to_read_fragments_grows_as_their_number() -> None:
    def seconds(count: int) -> float:
        data = frame(1, b"x", fin=False) + frame(0, b"x", fin=False) * count + frame(0, b"x")
        best = 1e9
        for _ in range(3):
            server = Frames(1_000_000)
            began = time.perf_counter()
            assert len(server.receive(data)) == 1
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(20_000) < 20 * seconds(2_000)


def test_http_11_the_first_of_the_routes_subprotocols_that_is_offered_is_chosen() -> None:
    fields = [
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"sec-websocket-protocol", b"a"),
        (b"sec-websocket-protocol", b"B, c"),  # a list in several fields; names differ by case (RFC 6455 11.3.4)
    ]
    assert judge_upgrade(fields, ("b", "c", "a"), has_body=False).subprotocol == "c"
    with pytest.raises(RemoteProtocolError, match="400 websocket_protocol"):
        judge_upgrade(fields, ("b",), has_body=False)
    with pytest.raises(RemoteProtocolError, match="400 websocket_key"):
        judge_upgrade([*fields, fields[1]], (), has_body=False)
