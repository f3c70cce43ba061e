"""HTTP-45: a second parser (h11) never sees one message where we see two, on generated and mutated requests."""

from __future__ import annotations

import os
import random

import h11
import pytest

from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.testing import HttpSimulator
from tests.resource_adaptors.http.kit import World

Message = tuple[str, bytes, bytes]
CASES = 100_000 if os.environ.get("HTTP_LONG") == "1" else 4_000
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"0",
    b"\0",
    b":",
    b";",
    b",",
    b"chunked",
    b"Content-Length: 3\r\n",
    b"+",
    b"-",
]
PIECES += [
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"GET ",
    b"\r\n\r\n",
    b"\xff",
    b"0\r\n\r\n",
    b"Expect: x\r\n",
]


def generated(rng: random.Random) -> bytes:
    """One to three requests behind one another."""
    data = b""
    for _ in range(rng.randint(1, 3)):
        body = rng.randbytes(rng.randint(0, 20))
        kind = rng.randrange(3)
        data += b"%b /x%d HTTP/1.1\r\nHost: a\r\n" % (rng.choice([b"GET", b"POST", b"PUT"]), rng.randrange(10))
        if kind == 0:
            data += b"\r\n"
        elif kind == 1:
            data += b"Content-Length: %d\r\n\r\n" % len(body) + body
        else:
            chunks = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            data += b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    return data


def mutated(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.randint(0, 3)):
        place = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data = data[:place] + rng.choice(PIECES) + data[place:]
            case 1:
                data = data[:place] + data[place + rng.randint(1, 4) :]
            case _:
                data = data[:place] + rng.choice(PIECES) + data[place + 1 :]
        data = data or b"x"
    return data


def theirs(data: bytes) -> list[Message]:
    """What h11 reads before it gives up."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    found: list[Message] = []
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                found.append((request.method.decode(), bytes(request.target), body))
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return found
                connection.start_next_cycle()
            else:
                return found
    except h11.ProtocolError:
        return found


def ours(simulator: HttpSimulator, data: bytes) -> list[Message]:
    """What we hand on."""
    found: list[Message] = []

    def begin(exchange: Exchange) -> None:
        found.append((exchange.method, exchange.connection.asked[len(found)], exchange.take_body()))
        exchange.answer(200)

    def admit(exchange: Exchange, url: bytes) -> None:
        asked = exchange.connection.__dict__.setdefault("asked", [])
        asked.append(url)

    simulator.serving.begin = begin
    simulator.serving.admit = admit
    client = simulator.client()
    client.send(data)
    client.disconnect()
    return found


@pytest.mark.timeout(600 if CASES > 10_000 else 20)
def test_http_45_two_parsers_never_read_different_messages() -> None:
    rng = random.Random(45)
    with World() as world:
        for case in range(CASES):
            data = mutated(rng, generated(rng))
            here, there = ours(world.http, data), theirs(data)
            common = min(len(here), len(there))
            assert here[:common] == there[:common], f"case {case}: {data!r}"
            # one may be stricter and stop earlier; neither may go on after the other has found the end of all input
            if len(here) > len(there):
                rest = data.count(b"HTTP/1.")
                assert len(here) <= rest, f"case {case}: {data!r}"
