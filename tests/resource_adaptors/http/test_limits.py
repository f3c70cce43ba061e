"""HTTP-13: every limit at its value, beyond it, and far beyond it; and HTTP-8's words for what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from resource_adaptors.http.api import GetRequest, PostRequest
from slee import TimerEvent
from tests.resource_adaptors.http.kit import World, head


def request_line(octets: int) -> bytes:
    return head("GET", "/x?" + "q" * (octets - len("GET /x? HTTP/1.1\r\n")))


def header_section(octets: int) -> bytes:
    each = octets // 20
    fields = [f"X-{n}: " + "v" * (each - 10) for n in range(19)]
    used = sum(len(field) + 2 for field in fields) + len("Host: a\r\n")
    return head("GET", "/x", *fields, "Y: " + "v" * (octets - used - 5))


def fields(count: int) -> bytes:
    return head("GET", "/x", *(f"X-{n}: v" for n in range(count - 1)))


def announced(octets: int) -> bytes:
    return head("POST", "/x", f"Content-Length: {octets}") + b"x" * min(octets, 2000)


def chunked(octets: int) -> bytes:
    return head("POST", "/x", "Transfer-Encoding: chunked") + b"%x\r\n" % octets + b"x" * octets + b"\r\n0\r\n\r\n"


def trailers(octets: int) -> bytes:
    return head("POST", "/x", "Transfer-Encoding: chunked") + b"0\r\nX: " + b"v" * (octets - 5) + b"\r\n\r\n"


LIMITS = {
    "request line": (request_line, "request_line", 8192, 414),
    "header section": (header_section, "header_section", 16_384, 431),
    "header fields": (fields, "header_fields", 100, 431),
    "announced body": (announced, "body", 2000, 413),
    "chunked body": (chunked, "body", 2000, 413),
    "trailers": (trailers, "trailers", 4096, 431),
}


@pytest.mark.parametrize(("make", "name", "limit", "status"), LIMITS.values(), ids=LIMITS.keys())
@pytest.mark.parametrize("factor", [1, 0, 10], ids=["at the limit", "one more", "ten times"])
def test_http_13_sizes_are_bounded(make: object, name: str, limit: int, status: int, factor: int) -> None:
    with World(limits={"body": 2000}) as world:
        world.answer(GetRequest, PostRequest)
        client = world.client()
        size = limit * factor if factor else limit + 1
        client.send(make(size))
        assert [answer.status for answer in client.answers] == [200 if size == limit else status]
        assert world.limit(name) == (size != limit)
        if size != limit:
            world.slee.advance(3)
            assert client.is_closed


@pytest.mark.parametrize("octets", [8193, 80_000])
def test_http_13_a_line_that_never_ends_is_refused_before_it_ends(octets: int) -> None:
    with World() as world:
        client = world.client()
        for _ in range(0, octets + 18_000, 1000):
            client.send(
                (b"GET /" + b"x" * 995) if not client.transport.written and not client.connection.url else b"x" * 1000
            )
        assert [answer.status for answer in client.answers] == [414]


def test_http_13_a_header_that_never_ends_is_refused_before_it_ends() -> None:
    with World() as world:
        client = world.client()
        client.send(b"GET /x HTTP/1.1\r\nHost: a\r\nX: ")
        for _ in range(30):
            client.send(b"v" * 1000)
        assert [answer.status for answer in client.answers] == [431]


def test_http_13_a_slow_header_section_is_408() -> None:
    with World() as world:
        client = world.client()
        for octet in b"GET /x HTTP/1.1\r\nH":
            client.send(bytes([octet]))
            world.slee.advance(0.5)
        assert not client.answers
        world.slee.advance(3)
        assert [answer.status for answer in client.answers] == [408]
        world.slee.advance(3)
        assert client.is_closed
        assert world.limit("header_time") == 1


def test_http_13_a_slow_body_is_408_after_its_grace() -> None:
    with World() as world:
        client = world.client()
        client.send(head("POST", "/x", "Content-Length: 100000"))
        for _ in range(9):
            client.send(b"x" * 100)
            world.slee.advance(1)
        assert not client.answers
        world.slee.advance(3)
        assert [answer.status for answer in client.answers] == [408]
        assert world.limit("body_rate") == 1


def test_http_13_a_body_that_keeps_its_rate_is_taken() -> None:
    with World() as world:
        world.answer(PostRequest)
        client = world.client()
        client.send(head("POST", "/x", "Content-Length: 9000"))
        for _ in range(30):
            client.send(b"x" * 300)
            world.slee.advance(1)
        assert [answer.status for answer in client.answers] == [200]


@pytest.mark.parametrize(("seconds", "closed"), [(74, False), (77, True)])
def test_http_13_an_idle_connection_is_closed(seconds: int, closed: bool) -> None:
    with World() as world:
        world.answer(GetRequest)
        client, silent = world.client(), world.client()
        client.get("/x")
        world.slee.advance(seconds)
        assert (client.is_closed, silent.is_closed) == (closed, closed)


def test_http_13_the_last_request_of_a_connection_closes_it() -> None:
    with World(limits={"requests_per_connection": 3}) as world:
        world.answer(GetRequest)
        client = world.client()
        answers = [client.get("/x").header("connection") for _ in range(3)]
        assert answers == [None, None, "close"]
        assert client.is_closed


@pytest.mark.parametrize("count", [3, 4, 30])
def test_http_13_connections_of_one_source_are_bounded(count: int) -> None:
    with World(limits={"connections_per_source": 3}) as world:
        clients = [world.client() for _ in range(count)]
        refused = [client.answers[0].status for client in clients if client.answers]
        assert refused == [429] * (count - 3)
        assert not world.client("198.51.100.8").answers
        clients[0].disconnect()
        assert len(world.http.serving.connections) <= count


def test_http_13_connections_are_bounded_and_free_again() -> None:
    with World(limits={"connections": 2}) as world:
        world.answer(GetRequest)
        first, _, third = world.client(), world.client(), world.client()
        assert [answer.status for answer in third.answers] == [503]
        world.slee.advance(3)
        first.disconnect()
        assert world.client().get("/x").status == 200


@pytest.mark.parametrize("count", [2, 3, 20])
def test_http_13_requests_in_progress_are_bounded(count: int) -> None:
    with World(limits={"in_progress": 2}) as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=1))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 200))
        answers = [world.client().get("/x") for _ in range(count)]
        world.slee.advance(1)
        assert [answer.status for answer in answers] == [200, 200] + [503] * (count - 2)
        assert all(answer.header("retry-after") == "10" for answer in answers[2:])


def test_http_13_a_client_that_takes_nothing_is_cut_off() -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.http.open_body(aci))
        client = world.client()
        client.get("/x")
        client.stall()
        world.slee.advance(28)
        assert not client.is_closed
        world.slee.advance(4)
        assert client.is_closed
        assert world.kinds()[-1] == "ClientDisconnected"


def test_http_13_a_stopping_adaptor_answers_503_and_lets_the_rest_end() -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=1))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 200))
        waiting, other = world.client(), world.client()
        answer = waiting.get("/x")
        world.slee.kernel.resources["http-main"].deactivate()
        assert other.get("/x").status == 503
        world.slee.advance(1)
        assert answer.status == 200
        assert answer.header("connection") is None or waiting.is_closed
        assert world.slee.resource_state("http-main").value == "Inactive"


def test_http_13_a_refused_client_can_read_its_answer_where_one_side_cannot_close_alone(monkeypatch: Any) -> None:
    """TLS has no half-close: closing at once resets the connection of a client that is still sending its body."""
    with World(limits={"body": 1_000}) as world:
        client = world.client()
        monkeypatch.setattr(client.transport, "can_write_eof", lambda: False)
        client.send(head("POST", "/x", "Content-Length: 100000") + b"x" * 10_000)
        assert client.answers[0].status == 413
        assert not client.is_closed
        client.send(b"x" * 90_000)  # read, and dropped
        assert len(client.answers) == 1
        world.slee.advance(1)
        assert not client.is_closed
        world.slee.advance(3)
        assert client.is_closed
