"""HTTP-10: content codings of answers and of requests."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from resource_adaptors.http.api import BodyChunk, GetRequest, PostRequest, RemoteProtocolError
from resource_adaptors.http.message.coding import Inflater, takes_gzip
from tests.resource_adaptors.http.kit import World

ON: dict[str, Any] = {"compression": {"responses": True, "requests": True}}
GZIP = [("Accept-Encoding", "br, gzip")]
LONG = b"a" * 2000
CODED = [("Content-Encoding", "gzip")]


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
    ],
)
def test_http_10_the_client_says_whether_it_takes_gzip(accept: str | None, takes: bool) -> None:
    assert takes_gzip(accept) is takes


@pytest.mark.parametrize(
    ("body", "kind", "headers", "coded"),
    [
        (LONG, "text/plain", [], True),
        (LONG, "Application/JSON; charset=utf-8", [], True),
        (LONG[:1023], "text/plain", [], False),
        (LONG[:1024], "text/plain", [], True),
        (LONG, "image/png", [], False),
        (LONG, None, [], False),
        (LONG, "text/plain", [("ETag", '"1"')], False),
        (LONG, "text/plain", [("Content-Encoding", "br")], False),
    ],
)
def test_http_10_an_answer_is_compressed_when_it_is_worth_it(
    body: bytes, kind: str | None, headers: list[tuple[str, str]], coded: bool
) -> None:
    with World(**ON) as world:
        world.answer(GetRequest, body=body, content_type=kind, headers=headers)
        answer = world.client().get("/x", headers=GZIP)
        assert (answer.header("content-encoding") == "gzip") is coded
        assert answer.header("content-length") == str(len(answer.body))
        assert (gzip.decompress(answer.body) if coded else answer.body) == body
        assert world.client().get("/x").body == body
        assert world.client().get("/x").header("vary") == ("Accept-Encoding" if coded else None)
        assert world.client().request("HEAD", "/x", headers=GZIP).body == b""


def test_http_10_nothing_is_compressed_unless_it_is_configured() -> None:
    with World() as world:
        world.answer(GetRequest, body=LONG, content_type="text/plain")
        assert world.client().get("/x", headers=GZIP).header("content-encoding") is None
        assert world.client().post("/x", body=gzip.compress(b"a"), headers=CODED).status == 415


def test_http_10_a_coded_body_is_decoded() -> None:
    with World(**ON) as world:
        world.answer(PostRequest)
        assert world.client().post("/x", body=gzip.compress(LONG), headers=CODED).status == 200
        assert world.events[0].request.body == LONG
        assert world.client().post("/x", body=b"a", headers=[("Content-Encoding", "br")]).status == 415
        assert world.client().post("/x", body=b"a", headers=[("Content-Encoding", "identity")]).status == 200


def test_http_10_a_long_coded_body_is_streamed_decoded() -> None:
    with World(**ON, limits={"inline_body": 1_000}) as world:
        pieces: list[bytes] = []
        world.at(PostRequest, lambda sbb, event, aci: sbb.http.read_body(aci, 100_000))

        def read(sbb: Any, event: BodyChunk, aci: Any) -> None:
            pieces.append(event.data)
            sbb.http.respond(aci, 200)

        world.at(BodyChunk, read)
        text = bytes(range(256)) * 20
        assert world.client().post("/x", body=gzip.compress(text), headers=CODED).status == 200
        assert b"".join(pieces) == text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no gzip", 400),
        (gzip.compress(b"x" * 500)[:-5], 400),
        (gzip.compress(b"x") + b"more", 400),
        (gzip.compress(b"\0" * 2_000_000), 413),  # a bomb: more than a hundred times as long
        (gzip.compress(b"\0" * 3_000), 200),  # short ones may be any number of times as long
    ],
    ids=["none", "cut", "trailing", "bomb", "short"],
)
def test_http_10_what_is_no_gzip_or_becomes_too_long_is_refused(body: bytes, status: int) -> None:
    with World(**ON) as world:
        world.answer(PostRequest)
        assert world.client().post("/x", body=body, headers=CODED).status == status


def test_http_10_the_ratio_is_kept_at_its_value() -> None:
    for length, fits in ((10_000, True), (10_001, False)):
        data = gzip.compress(b"\0" * length)
        inflater = Inflater(ratio=1, most=10_000)
        inflater._received = 10_000 - len(data)
        if fits:
            assert len(inflater.feed(data)) == length
            assert inflater.is_whole
        else:
            with pytest.raises(RemoteProtocolError):
                inflater.feed(data)
