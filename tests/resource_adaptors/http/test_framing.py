"""HTTP-1 to HTTP-3, HTTP-12: connections, framing, Host and targets (RFC 9112), on the parser that serves."""

from __future__ import annotations

import pytest

from resource_adaptors.http.api import GetRequest, PostRequest
from tests.resource_adaptors.http.kit import World, head

CHUNKED = "Transfer-Encoding: chunked"


def test_http_1_a_connection_is_kept_and_closed_as_asked() -> None:
    with World() as world:
        world.answer(GetRequest, body=b"x")
        client = world.client()
        assert client.get("/x").status == 200
        assert client.get("/x").status == 200
        assert not client.is_closed
        assert client.get("/x", headers=[("Connection", "close")]).header("connection") == "close"
        assert client.is_closed


def test_http_1_a_client_of_1_0_is_answered_and_closed() -> None:
    with World() as world:
        world.answer(GetRequest, body=b"x")
        client = world.client()
        client.send(b"GET /x HTTP/1.0\r\n\r\n")
        assert client.answers[0].body == b"x"
        assert client.is_closed


def test_http_1_pipelined_requests_are_answered_in_order_whenever_they_are_answered() -> None:
    with World() as world:
        waiting: list[object] = []
        world.at(GetRequest, lambda sbb, event, aci: waiting.append((sbb, aci)) or sbb.timers.set(aci, after=1.0))
        from slee import TimerEvent

        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 200, body=aci.activity.request.query))
        client = world.client()
        client.send(b"".join(head(target=f"/x?{n}") for n in range(3)))
        assert len(world.events) == 1  # the next one is served when the one before it has its answer
        world.slee.advance(5)
        assert [answer.text for answer in client.answers] == ["0", "1", "2"]


@pytest.mark.parametrize(("count", "answers"), [(16, [200] * 16), (17, [200] * 16 + [429])])
def test_http_1_at_most_16_requests_are_pipelined(count: int, answers: list[int]) -> None:
    with World() as world:
        from slee import TimerEvent

        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=0.1))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 200))
        client = world.client()
        client.send(head() * count)
        world.slee.advance(5)
        assert [answer.status for answer in client.answers] == answers
        assert client.is_closed == (count > 16)


def test_http_1_a_client_that_waits_for_100_gets_it_before_its_body_is_read() -> None:
    with World() as world:
        world.answer(PostRequest, body=b"done")
        client = world.client()
        client.send(head("POST", "/x", "Content-Length: 2", "Expect: 100-continue"))
        assert bytes(client.transport.written) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert client.answers[0].body == b"done"


def test_http_1_a_client_that_waits_for_100_hears_a_refusal_instead() -> None:
    with World() as world:
        client = world.client()
        client.send(head("POST", "/nowhere", "Content-Length: 2", "Expect: 100-continue"))
        assert client.answers[0].status == 404
        assert b"100 Continue" not in client.transport.written


def test_http_1_any_other_expectation_is_417() -> None:
    with World() as world:
        client = world.client()
        client.send(head("POST", "/x", "Content-Length: 2", "Expect: sunshine") + b"ab")
        assert [answer.status for answer in client.answers] == [417]


MALFORMED = {
    "both lengths": head("POST", "/x", "Content-Length: 3", CHUNKED) + b"0\r\n\r\n",
    "both lengths, other order": head("POST", "/x", CHUNKED, "Content-Length: 3") + b"0\r\n\r\n",
    "two equal lengths": head("POST", "/x", "Content-Length: 3", "Content-Length: 3") + b"abc",
    "two lengths": head("POST", "/x", "Content-Length: 3", "Content-Length: 4") + b"abc",
    "length with a sign": head("POST", "/x", "Content-Length: +3") + b"abc",
    "length list": head("POST", "/x", "Content-Length: 3, 3") + b"abc",
    "length in hexadecimal": head("POST", "/x", "Content-Length: 0x3") + b"abc",
    "chunked not last": head("POST", "/x", "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    "chunked twice": head("POST", "/x", CHUNKED, CHUNKED) + b"0\r\n\r\n",
    "chunk size": head("POST", "/x", CHUNKED) + b"zz\r\nab\r\n0\r\n\r\n",
    "negative chunk size": head("POST", "/x", CHUNKED) + b"-1\r\nab\r\n0\r\n\r\n",
    "chunk size with space": head("POST", "/x", CHUNKED) + b"2 \r\nab\r\n0\r\n\r\n",
    "chunk longer than it says": head("POST", "/x", CHUNKED) + b"2\r\nabc\r\n0\r\n\r\n",
    "bare LF after the chunk size": head("POST", "/x", CHUNKED) + b"2\nab\r\n0\r\n\r\n",
    "bare LF": b"GET /x HTTP/1.1\nHost: a\n\n",
    "bare CR": b"GET /x HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "folded header": b"GET /x HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "space before the colon": b"GET /x HTTP/1.1\r\nHost : a\r\n\r\n",
    "space before the first header": b"GET /x HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL": head("GET", "/x", "X: a\0b"),
    "control character": head("GET", "/x", "X: a\x01b"),
    "no name": head("GET", "/x", ": b"),
    "codings in 1.0": b"POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("piecewise", [False, True], ids=["whole", "by octets"])
def test_http_2_what_two_parsers_could_read_differently_is_400_and_the_end(data: bytes, piecewise: bool) -> None:
    with World() as world:
        world.answer(PostRequest, GetRequest)
        client = world.client()
        smuggled = data + head("GET", "/calls/smuggled")
        for piece in [smuggled[n : n + 1] for n in range(len(smuggled))] if piecewise else [smuggled]:
            client.send(piece)
        assert [answer.status for answer in client.answers] == [400]
        assert client.answers[0].header("connection") == "close"
        world.slee.advance(3)
        assert client.is_closed
        assert not [e for e in world.events if isinstance(e, GetRequest) and "smuggled" in e.request.path]


def test_http_2_an_unknown_coding_is_501_and_the_end() -> None:
    with World() as world:
        client = world.client()
        client.send(head("POST", "/x", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n")
        assert [answer.status for answer in client.answers] == [501]


def test_http_2_a_chunked_body_is_read_and_its_trailers_are_no_headers() -> None:
    with World() as world:
        world.answer(PostRequest)
        client = world.client()
        client.send(head("POST", "/x", CHUNKED) + b"2;a=b\r\nab\r\n3\r\ncde\r\n0\r\nAuthorization: x\r\n\r\n")
        assert world.events[0].request.body == b"abcde"
        assert world.events[0].request.header("authorization") is None
        assert client.answers[0].status == 200


def test_http_2_what_follows_an_upgrade_is_not_read_as_a_request() -> None:
    with World() as world:
        world.answer(GetRequest)
        client = world.client()
        client.send(head("GET", "/x", "Connection: upgrade", "Upgrade: h2c") + head("GET", "/calls/1"))
        assert [answer.status for answer in client.answers] == [200]
        assert client.is_closed
        assert world.kinds().count("GetRequest") == 1


@pytest.mark.parametrize(
    "data",
    [b"GET /x HTTP/1.1\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
    ids=["absent", "repeated"],
)
def test_http_3_host_stands_there_exactly_once(data: bytes) -> None:
    with World() as world:
        client = world.client()
        client.send(data)
        assert [answer.status for answer in client.answers] == [400]


@pytest.mark.parametrize(("host", "status"), [("a.test", 200), ("A.TEST", 200), ("b.test", 421)])
def test_http_3_only_configured_hosts_are_served(host: str, status: int) -> None:
    with World(hosts=["a.test"]) as world:
        world.answer(GetRequest)
        client = world.client()
        assert client.get("/x", headers=[("Host", host)]).status == status


@pytest.mark.parametrize(("target", "status"), [("http://a/x?q", 200), ("HTTP://A/x", 200), ("http://b/x", 400)])
def test_http_3_an_absolute_target_names_the_same_host(target: str, status: int) -> None:
    with World() as world:
        world.answer(GetRequest)
        client = world.client()
        client.send(head("GET", target))
        assert client.answers[0].status == status


def test_http_3_the_asterisk_is_for_options_and_connect_is_not_served() -> None:
    with World() as world:
        client = world.client()
        client.send(head("OPTIONS", "*"))
        assert client.answers[0].status == 204
        assert "GET" in client.answers[0].header("allow")
        client.send(head("GET", "*"))
        assert client.answers[1].status == 400
        other = world.client()
        other.send(head("CONNECT", "a:443"))
        assert other.answers[0].status == 405


@pytest.mark.parametrize("data", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /x HTTP/2.0\r\nHost: a\r\n\r\n"])
def test_http_12_http_2_is_told_505(data: bytes) -> None:
    with World() as world:
        client = world.client()
        client.send(data)
        assert [answer.status for answer in client.answers] == [505]
        world.slee.advance(3)
        assert client.is_closed


@pytest.mark.parametrize("zeros", [0, 5000])
def test_http_2_zeros_before_a_length_are_no_matter(zeros: int) -> None:
    with World() as world:
        world.answer(PostRequest)
        client = world.client()
        client.send(head("POST", "/x", f"Content-Length: {'0' * zeros}2") + b"ab")
        assert [answer.status for answer in client.answers] == [200]
        assert world.events[0].request.body == b"ab"
