"""HTTP-23: answers of others that are handed over as they come; HTTP-28: those that are too large."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_adaptors.http.api import (
    GetRequest,
    HttpBodyChunk,
    HttpStreamOpened,
    HttpSuccess,
    HttpTimeout,
    HttpTransportError,
    RemoteProtocolError,
    ResponseSent,
    SseMessage,
)
from resource_adaptors.http.config import ClientSection
from resource_adaptors.http.message.event_stream import MOST_OCTETS, EventStreamReader, Message, format_event
from resource_adaptors.http.protocol.calls import Failure, Opened, Reply, new_call
from resource_adaptors.http.sender import HttpxSender
from slee.api.errors import FireEventError
from slee.spi import FailureReason
from tests.resource_adaptors.http.kit import World


def asking(world: World, **given: Any) -> None:
    def ask(sbb: Any, event: GetRequest, aci: Any) -> None:
        sbb.http.request("GET", "https://other.test/", stream=True, **given).attach(sbb)
        sbb.http.respond(aci, 202)

    world.at(GetRequest, ask)
    world.client().get("/x")
    world.events[:] = [e for e in world.events if not isinstance(e, GetRequest | ResponseSent)]


def test_http_23_a_streamed_answer_comes_in_pieces_before_its_outcome() -> None:
    with World() as world:
        asking(world)
        (made,) = world.http.calls
        made.open(200, [("Content-Type", "text/plain")])
        made.piece(b"a")
        made.piece(b"b")
        made.answer(200)
        assert world.events[:3] == [
            HttpStreamOpened(200, (("content-type", "text/plain"),)),
            HttpBodyChunk(b"a"),
            HttpBodyChunk(b"b"),
        ]
        assert isinstance(world.events[3], HttpSuccess)
        assert len(world.events) == 4


def test_http_23_a_streamed_answer_that_breaks_off_is_not_tried_again() -> None:
    with World() as world:
        asking(world)
        (made,) = world.http.calls
        made.open()
        made.piece(b"a")
        made.fail("reset")
        assert world.events[-1] == HttpTransportError("reset", 1)
        world.slee.advance(5)
        assert len(world.http.calls) == 1


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream"])
def test_http_23_an_answer_of_which_a_piece_is_not_taken_is_a_failure(kind: str, monkeypatch: Any) -> None:
    with World() as world:
        asking(world)
        (made,) = world.http.calls
        made.open(200, [("Content-Type", kind)])
        endpoint = world.http.context.endpoint
        fire = type(endpoint).fire

        def full(self: Any, handle: Any, event: Any, *given: Any) -> None:
            if isinstance(event, HttpBodyChunk | SseMessage):
                raise FireEventError("the queue is full", FailureReason.QUEUE_FULL)
            fire(self, handle, event, *given)

        monkeypatch.setattr(type(endpoint), "fire", full)
        made.piece(b"data: a\n\ndata: b\n\n")
        assert world.events[-1] == HttpTransportError("overload", 1)
        assert made.is_over


def test_http_23_an_event_stream_comes_as_messages() -> None:
    with World() as world:
        asking(world)
        (made,) = world.http.calls
        made.open(200, [("Content-Type", "text/event-stream; charset=utf-8")])
        made.piece(b"id: 1\ndata: a\ndata: b\n\neven")
        made.piece(b"t: tick\r\ndata:c\r\n\r\n: comment\n\n")
        made.answer(200)
        assert world.events[1:3] == [SseMessage("1", "message", "a\nb"), SseMessage("1", "tick", "c")]


def test_http_23_the_time_of_a_streamed_answer_counts_from_each_piece() -> None:
    with World() as world:
        asking(world, timeout=10)
        (made,) = world.http.calls
        world.slee.advance(8)
        made.open()
        for _ in range(3):
            world.slee.advance(8)
            made.piece(b"x")
        assert not any(isinstance(event, HttpTimeout) for event in world.events)
        world.slee.advance(11)
        assert isinstance(world.events[-1], HttpTimeout)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=9),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        )
    ),
    st.lists(st.integers(1, 9)),
)
def test_http_21_what_is_written_is_read_however_it_is_cut(fields: list[tuple[str, str]], cuts: list[int]) -> None:
    stream = b"".join(format_event(data, event or None, str(place)) for place, (event, data) in enumerate(fields))
    reader, found = EventStreamReader(), []
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    expected = [
        Message(str(place), event or "message", data.replace("\r\n", "\n").replace("\r", "\n"))
        for place, (event, data) in enumerate(fields)
    ]
    assert [(m.id, m.event.lstrip(" "), m.data) for m in found] == [
        (m.id, m.event.lstrip(" "), m.data) for m in expected
    ]


def test_http_23_an_event_of_any_length_is_not_read() -> None:
    reader = EventStreamReader()
    with pytest.raises(RemoteProtocolError):
        for _ in range(20):
            reader.feed(b"data: " + b"x" * (MOST_OCTETS // 10) + b"\n")


# The library's client on a network of memory.


def tried(answer: list[bytes], *, is_streamed: bool = False, body: int = 100) -> tuple[Any, list[Any]]:
    async def run() -> tuple[Any, list[Any]]:
        context: Any = SimpleNamespace(spawn=None)
        sender = HttpxSender(context, ClientSection(body=body, allow_networks=("127.0.0.0/8",)))
        sender._guard._backend = httpcore.AsyncMockBackend(answer)
        told: list[Any] = []
        call = new_call("1", "GET", "http://127.0.0.1:8080/", (), b"", 5.0, is_streamed=is_streamed)
        outcome = await sender._try(call, told.append)
        await sender._client.aclose()
        return outcome, told

    return asyncio.run(run())


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(("length", "fits"), [(100, True), (101, False), (1000, False)])
def test_http_28_a_body_longer_than_is_read_is_a_failure(length: int, fits: bool) -> None:
    outcome, _ = tried([HEAD % length, b"x" * length])
    assert outcome == (Reply(200, (("content-length", "100"),), b"x" * 100) if fits else Failure("response_too_large"))


def test_http_28_a_body_that_is_streamed_may_be_of_any_length() -> None:
    outcome, told = tried([HEAD % 1000, b"x" * 400, b"y" * 600], is_streamed=True)
    assert outcome == Reply(200, (("content-length", "1000"),), b"")
    assert told[0] == Opened(200, (("content-length", "1000"),))
    assert b"".join(told[1:]) == b"x" * 400 + b"y" * 600


def test_http_28_a_header_section_longer_than_is_read_is_a_failure() -> None:
    for octets, outcome in ((32_764 - 23, 200), (32_765, "response_too_large")):
        found, _ = tried([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + b"y" * (octets - 1) + b"\r\n\r\n"])
        assert (found.status if isinstance(found, Reply) else found.reason) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["lengths", "chunk", "no http"],
)
def test_http_28_answers_are_framed_as_strictly_as_requests(answer: bytes) -> None:
    outcome, _ = tried([answer])
    assert outcome == Failure("bad_response")


def kept(writes: list[bytes]) -> httpcore.AsyncMockStream:
    class Stream(httpcore.AsyncMockStream):
        async def write(self, buffer: bytes, *given: Any, **named: Any) -> None:
            writes.append(buffer)

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: session=1; Path=/\r\n\r\n"
    return Stream([answer, answer])


def sent(*headers: tuple[str, str]) -> list[bytes]:
    """The octets of two requests with the same headers, one after the other."""
    writes: list[bytes] = []

    class Backend(httpcore.AsyncMockBackend):
        async def connect_tcp(self, *given: Any, **named: Any) -> httpcore.AsyncNetworkStream:
            return kept(writes)

    async def run() -> None:
        sender = HttpxSender(SimpleNamespace(spawn=None), ClientSection(allow_networks=("127.0.0.0/8",)))
        sender._guard._backend = Backend([])
        for _ in range(2):
            call = new_call("1", "GET", "http://127.0.0.1:8080/", headers, b"", 5.0)
            assert isinstance(await sender._try(call, lambda _: None), Reply)
        await sender._client.aclose()

    asyncio.run(run())
    return writes


def test_http_23_a_cookie_of_one_answer_goes_with_no_other_request() -> None:
    assert not any(b"cookie" in octets.lower() for octets in sent())


def test_http_23_a_header_of_latin_1_is_sent_as_it_is() -> None:
    assert sum(b"X-Name: Zo\xeb\r\n" in octets for octets in sent(("X-Name", "Zo\xeb"))) == 2
