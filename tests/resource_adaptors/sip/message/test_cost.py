"""COM-13: ten times the octets take at most twelve times the time, whatever they are."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from resource_adaptors.sip.message.checks import header_lines
from resource_adaptors.sip.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.sip.message.limits import Limits
from resource_adaptors.sip.message.multipart import split_multipart
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.uri import UriError, parse_uri
from tests.resource_adaptors.sip.message.samples import INVITE, with_header, with_line, with_request_line

NO_LIMIT = 10**9
UNLIMITED = Limits(*[NO_LIMIT] * 13)
SMALL, FACTOR = 400, 10

MESSAGES: dict[str, Callable[[int], bytes]] = {
    "lines": lambda n: with_line(b"\r\n".join([b"X-Y: z"] * n)),
    "odd lines": lambda n: with_line(b"\r\n".join([b"x-Y : z"] * n)),
    "continuation lines": lambda n: with_line(b"X-Y: z" + b"\r\n z" * n),
    "empty continuation lines": lambda n: with_header(b"From", b"<sip:a@b>" + b"\r\n \t" * n),
    "vias": lambda n: with_line(b"\r\n".join([b"Via: SIP/2.0/UDP a;branch=z9hG4bKx"] * n)),
    "vias on a line": lambda n: with_header(b"Via", b",".join([b"SIP/2.0/UDP a;branch=z9hG4bKx"] * n)),
    "via parameters": lambda n: with_header(b"Via", b"SIP/2.0/UDP a" + b";x=y" * n),
    "via parameters and a fault": lambda n: with_header(b"Via", b"SIP/2.0/UDP a" + b";x=y" * n + b";="),
    "white space in via": lambda n: with_header(b"Via", b"SIP" + b" \t" * n + b"!"),
    "contacts": lambda n: with_header(b"Contact", b", ".join([b'"a" <sip:a@b>;q=1'] * n)),
    "quotes": lambda n: with_header(b"From", b'"' + b'\\"' * n + b'" <sip:a@b>'),
    "open quotes": lambda n: with_header(b"Contact", b'"<sip:a@b>' * n),
    "odd number of quotes": lambda n: with_header(b"Contact", b'""' * n + b'"'),
    "brackets": lambda n: with_header(b"Contact", b"<" * n),
    "commas": lambda n: with_header(b"Contact", b"," * n),
    "semicolons": lambda n: with_header(b"To", b"<sip:a@b>" + b";" * n),
    "display name": lambda n: with_header(b"To", b"a " * n + b"!<sip:a@b>;"),
    "digits": lambda n: with_header(b"CSeq", b"9" * n + b" INVITE"),
    "zeros": lambda n: with_header(b"Max-Forwards", b"0" * n),
    "nul in quotes": lambda n: with_line(b"Subject: " + b'"\\\0" ' * n),
    "nul in open quotes": lambda n: with_line(b'Subject: \0"' + b'\\"' * n),
    "escaped quotes": lambda n: with_header(b"Contact", b'"' + b'\\"' * n),
    "white space before folding": lambda n: with_line(b"Subject: " + b" " * n + b"x\r\n y"),
    "white space in a folded address": lambda n: with_header(b"From", b'"x" ' + b" \t" * n + b"x\r\n y"),
    "white space before a semicolon": lambda n: with_header(b"To", b"<sip:a@b>" + b" " * n + b"x;"),
    "request line": lambda n: with_request_line(b"INVITE " * n + b"SIP/2.0"),
    "versions": lambda n: with_request_line(b"SIP/1 " * n + b"SIP/2.0 "),
    "carriage returns": lambda n: with_line(b"\r" * n),
    "line feeds": lambda n: with_line(b"\n" * n),
    "octets": lambda n: b"\xff" * n,
    "spaces": lambda n: b" " * n,
    "body": lambda n: with_header(b"Content-Length", None) + b"x" * n,
}
URIS: dict[str, Callable[[int], str]] = {
    "user": lambda n: f"sip:{'a' * n}@b",
    "user of escapes": lambda n: f"sip:{'%41' * n}@b",
    "at signs": lambda n: f"sip:{'a@' * n}b",
    "parameters": lambda n: f"sip:a@b{';x=y' * n}",
    "parameters and a fault": lambda n: f"sip:a@b{';x=y' * n};=",
    "headers": lambda n: f"sip:a@b?{'x=%20&' * n}y=z",
    "colons": lambda n: f"sip:[{':' * n}]",
    "dots": lambda n: f"sip:{'.' * n}!",
    "tel": lambda n: f"tel:{'1-' * n}{';x=y' * n}!",
}


def cost(work: Callable[[], object]) -> float:
    """Best of some runs, in seconds of this process."""
    times: list[float] = []
    gc.disable()
    for _ in range(7):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    gc.enable()
    return min(times)


def repeated(work: Callable[[], object], times: int) -> Callable[[], object]:
    """Keep all results: ten small ones then take the memory of a large one, whose price depends on the heap."""

    def run() -> object:
        return [work() for _ in range(times)]

    return run


def assert_linear(small: Callable[[], object], large: Callable[[], object]) -> None:
    for attempt in range(3):
        # Ten small ones against one large one of ten times the size: equal if cost is linear
        if cost(repeated(large, 1)) <= 1.2 * cost(repeated(small, FACTOR)) + 5e-4:
            return
        assert attempt < 2, "cost grows faster than the input"


def parsed(data: bytes, *, tolerant: bool) -> Callable[[], object]:
    def run() -> object:
        try:
            message = parse_message(data, tolerant=tolerant, limits=UNLIMITED)
        except RemoteProtocolError as error:
            return error
        return message.via, message.from_, message.to, message.contacts, message.values("subject")

    return run


@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerant"])
@pytest.mark.parametrize("name", MESSAGES)
def test_com_13_messages(name: str, tolerant: bool) -> None:
    make = MESSAGES[name]
    assert_linear(parsed(make(SMALL), tolerant=tolerant), parsed(make(SMALL * FACTOR), tolerant=tolerant))


@pytest.mark.parametrize("name", URIS)
def test_com_13_uris(name: str) -> None:
    def work(text: str) -> Callable[[], object]:
        def run() -> object:
            try:
                uri = parse_uri(text)
            except UriError as error:
                return error
            return uri.aor, uri.equivalent(uri)

        return run

    assert_linear(work(URIS[name](SMALL)), work(URIS[name](SMALL * FACTOR)))


@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', " ", "<", "<>", ";a", ",", '"",'])
@pytest.mark.parametrize("start", ["", '"', "<sip:a>"])
def test_com_13_checks(start: str, piece: str) -> None:
    def work(value: str) -> Callable[[], object]:
        def run() -> object:
            try:
                return header_lines([("Subject", value), ("Contact", value)])
            except LocalProtocolError as error:
                return error

        return run

    assert_linear(work(start + piece * SMALL), work(start + piece * SMALL * FACTOR))


@pytest.mark.parametrize("piece", [b"\r\n--x\r\n\r\n", b"\r\n--x", b"\r\n\r\n", b"--"])
def test_com_13_multipart(piece: bytes) -> None:
    def work(body: bytes) -> Callable[[], object]:
        def run() -> object:
            try:
                return split_multipart("multipart/mixed;boundary=x", body, UNLIMITED)
            except RemoteProtocolError as error:
                return error

        return run

    assert_linear(work(piece * SMALL), work(piece * SMALL * FACTOR))


def test_a_usual_request_is_cheap() -> None:
    """B28: the parser must not become the cost of a call; the bound is wide because machines differ."""
    assert cost(repeated(lambda: parse_message(INVITE), 1_000)) < 0.1
