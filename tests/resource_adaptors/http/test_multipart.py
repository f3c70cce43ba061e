"""HTTP-5: multipart/form-data, whole and piece by piece (RFC 7578)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_adaptors.http.api import BodyChunk, MultipartReader, Part, PostRequest, RemoteProtocolError
from resource_adaptors.http.message.multipart import parse_multipart
from tests.resource_adaptors.http.kit import World

TYPE = 'multipart/form-data; boundary="b 1"'


def part(name: str, data: bytes, more: str = "") -> bytes:
    return f'--b 1\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"


def joined(pieces: list[Part]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    data = b""
    for piece in pieces:
        data += piece.data
        if piece.is_last:
            found.append((piece.name, data))
            data = b""
    return found


def test_http_5_parts_have_a_name_a_file_and_a_type() -> None:
    head = b'content-type: image/png\r\nCONTENT-DISPOSITION: form-data; name="f"; filename="a\\"b.png"'
    file = b"--b 1\r\n" + head + b"\r\n\r\n\0\r\n"
    assert parse_multipart(TYPE, part("a", b"1") + file + b"--b 1--\r\nepilogue") == [
        Part("a", None, "text/plain", b"1"),
        Part("f", 'a"b.png', "image/png", b"\0"),
    ]


def test_http_5_a_request_gives_its_parts() -> None:
    with World() as world:
        world.answer(PostRequest)
        body = part("a", b"1") + b"--b 1--\r\n"
        assert world.client().post("/x", body=body, headers=[("Content-Type", TYPE)]).status == 200
        assert [(p.name, p.data) for p in world.events[0].request.parts] == [("a", b"1")]


def test_http_5_parts_are_read_while_the_body_comes() -> None:
    with World(limits={"inline_body": 10}) as world:
        readers: list[MultipartReader] = []
        found: list[Part] = []

        def begin(sbb: object, event: PostRequest, aci: object) -> None:
            readers.append(MultipartReader.begin(event.request.header("content-type") or ""))
            sbb.http.read_body(aci, 1_000)

        def read(sbb: object, event: BodyChunk, aci: object) -> None:
            reader, pieces = readers.pop().feed(event.data)
            readers.append(reader)
            found.extend(pieces)
            if reader.is_complete:
                sbb.http.respond(aci, 200)

        world.at(PostRequest, begin)
        world.at(BodyChunk, read)
        body = part("a", b"x" * 100) + part("b", b"") + b"--b 1--\r\n"
        client = world.client()
        head = f"POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        client.send(head)
        for place in range(0, len(body), 7):
            client.send(body[place : place + 7])
        assert joined(found) == [("a", b"x" * 100), ("b", b"")]
        assert client.answers[0].status == 200


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.binary(max_size=40) | st.just(b"\r\n--b") | st.just(b"\r\n--b 2"))
    ),
    st.lists(st.integers(1, 30), max_size=30),
)
def test_http_5_pieces_say_the_same_as_the_whole(fields: list[tuple[str, bytes]], cuts: list[int]) -> None:
    if any(b"\r\n--b 1" in data for _, data in fields):
        return
    body = b"".join(part(name, data) for name, data in fields) + b"--b 1--\r\n"
    assert joined(parse_multipart(TYPE, body)) == fields
    reader, found, place = MultipartReader.begin(TYPE), [], 0
    for cut in [*cuts, len(body)]:
        reader, pieces = reader.feed(body[place : place + cut])
        found += pieces
        place += cut
    assert reader.is_complete
    assert joined(found) == fields


@pytest.mark.parametrize(("count", "status"), [(64, 0), (65, 413), (640, 413)])
def test_http_5_there_are_only_so_many_parts(count: int, status: int) -> None:
    body = part("a", b"") * count + b"--b 1--"
    if not status:
        assert len(parse_multipart(TYPE, body)) == count
        return
    with pytest.raises(RemoteProtocolError) as caught:
        parse_multipart(TYPE, body)
    assert caught.value.status == status


BROKEN: dict[str, tuple[str, bytes, int]] = {
    "no multipart": ("text/plain; boundary=x", b"", 415),
    "no boundary": ("multipart/form-data", b"", 400),
    "boundary too long": (f"multipart/form-data; boundary={'x' * 71}", b"", 400),
    "cut off": (TYPE, part("a", b"1"), 400),
    "nothing": (TYPE, b"", 400),
    "no name": (TYPE, b"--b 1\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b 1--", 400),
    "no disposition": (TYPE, b"--b 1\r\n\r\n1\r\n--b 1--", 400),
    "another disposition": (TYPE, b'--b 1\r\nContent-Disposition: file; name="a"\r\n\r\n1\r\n--b 1--', 400),
    "no field": (TYPE, b"--b 1\r\nx\r\n\r\n1\r\n--b 1--", 400),
    "long head": (TYPE, b"--b 1\r\nx: " + b"y" * 5000, 400),
    "long preamble": (TYPE, b"y" * 5000, 400),
    "junk behind a boundary": (TYPE, b"--b 1junk\r\n\r\n", 400),
}


@pytest.mark.parametrize(("kind", "body", "status"), BROKEN.values(), ids=list(BROKEN))
def test_http_5_what_is_not_well_formed_is_refused(kind: str, body: bytes, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_multipart(kind, body)
    assert caught.value.status == status


def test_http_5_reading_costs_grow_with_the_length_alone() -> None:
    reader, steps = MultipartReader.begin(TYPE), 0
    reader, _ = reader.feed(part("a", b"")[:-2])
    for _ in range(100):
        reader, pieces = reader.feed(b"\r\n--b" * 100)
        steps += len(pieces)
        assert len(reader.rest) < 600
    assert steps == 100
