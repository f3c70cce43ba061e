"""Multipart bodies (SIP-17, RFC 5621, RFC 2046 5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resource_adaptors.sip.message.errors import KINDS, RemoteProtocolError
from resource_adaptors.sip.message.limits import DATAGRAM
from resource_adaptors.sip.message.multipart import Part, split_multipart
from tests.conformance.rfc4475.valid import MPART01_BODY, SIGNATURE

TYPE = "multipart/mixed;boundary=xyz"


def joined(*parts: bytes, boundary: bytes = b"xyz") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def test_parts_of_rfc_4475_3_1_1_11() -> None:
    one, two = split_multipart("multipart/mixed;boundary=7a9cbec02ceef655", MPART01_BODY)
    assert one == Part("text/plain", True, b"Hello", ())
    assert two.content_type == "application/octet-stream"
    assert two.body == SIGNATURE


def test_preamble_epilogue_quoted_boundary_and_padding() -> None:
    body = b"preamble\r\n--x y \t\r\n\r\nbody\r\n--x y--epilogue\r\n--x y\r\n"
    assert split_multipart('multipart/alternative; BOUNDARY="x y"', body) == (Part("text/plain", True, b"body", ()),)


def test_handling_is_required_unless_said_to_be_optional() -> None:
    parts = split_multipart(
        TYPE,
        joined(
            b"\r\na",
            b"Content-Disposition: session;handling=optional\r\n\r\nb",
            b"Content-Disposition:\r\n session ; handling = required\r\n\r\nc",
            b"Content-Disposition: render\r\n\r\nd",
        ),
    )
    assert [(part.required, part.body) for part in parts] == [(True, b"a"), (False, b"b"), (True, b"c"), (True, b"d")]


def nested(depth: int) -> tuple[str, bytes]:
    body, content_type = b"\r\ninnermost", "text/plain"
    for level in range(depth):
        boundary = b"b%d" % level
        body = b"c: " + content_type.encode() + b"\r\n\r\n" + body if level else body
        body = joined(body, boundary=boundary)
        content_type = f"multipart/mixed;boundary=b{level}"
    return content_type, body


def test_depth_at_limit_above_and_far_above() -> None:
    (part,) = split_multipart(*nested(DATAGRAM.depth))
    assert part.parts[0].parts[0].body == b"innermost"
    for depth in (DATAGRAM.depth + 1, 10 * DATAGRAM.depth):
        with pytest.raises(RemoteProtocolError, match="Too Deep") as caught:
            split_multipart(*nested(depth))
        assert (caught.value.status, caught.value.kind) == (400, "multipart")


def test_parts_at_limit_above_and_far_above() -> None:
    assert len(split_multipart(TYPE, joined(*[b"\r\na"] * DATAGRAM.parts))) == DATAGRAM.parts
    for number in (DATAGRAM.parts + 1, 10 * DATAGRAM.parts):
        with pytest.raises(RemoteProtocolError, match="Too Many Body Parts"):
            split_multipart(TYPE, joined(*[b"\r\na"] * number))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", joined(b"\r\na")),
        ("multipart/mixed;boundary=", joined(b"\r\na")),
        ('multipart/mixed;boundary=""', joined(b"\r\na")),
        (f"multipart/mixed;boundary={'x' * 71}", joined(b"\r\na", boundary=b"x" * 71)),
        (TYPE, b""),
        (TYPE, b"--xyz\r\n\r\nno end"),
        (TYPE, b"--xyz\r\nContent-Type: text/plain"),
        (TYPE, joined(b"Content-Type: text/plain")),
        (TYPE, b"--xyzzy\r\n\r\na\r\n--xyz--"),
    ],
)
def test_malformed_bodies_are_400(content_type: str, body: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        split_multipart(content_type, body)
    assert (caught.value.status, caught.value.kind) == (400, "multipart")


@settings(deadline=None)
@given(
    content_type=st.one_of(st.just(TYPE), st.text(max_size=30)),
    body=st.lists(
        st.sampled_from([b"--xyz", b"--", b"\r\n", b"a", b"c: multipart/a;boundary=xyz", b"\0", b"\xff"])
    ).map(b"".join),
)
def test_nothing_but_remote_protocol_error(content_type: str, body: bytes) -> None:
    try:
        split_multipart(content_type, body)
    except RemoteProtocolError as error:
        assert error.kind in KINDS
