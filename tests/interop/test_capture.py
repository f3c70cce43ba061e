"""The lanes' own instruments: a lane that cannot fail proves nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.capture import Capture, CaptureRefused
from tests.interop.peers import HOST, PeerError, Sipp, free_port, program, run

_GOOD = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:a@example.test>;tag=1\r\n"
    b"To: <sip:b@example.test>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Capture]:
    """A recording of one port; where the kernel allows none, this is the place that says so."""
    try:
        with Capture(tmp_path, free_port()) as running:
            yield running
    except CaptureRefused as refused:
        if os.environ.get("CI") == "true":
            pytest.fail(f"loopback traffic cannot be recorded: {refused}", pytrace=False)
        pytest.skip(f"loopback traffic cannot be recorded, so no lane judges what the server writes: {refused}")


def _write(port: int, datagram: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, port))
        server.sendto(datagram, (HOST, 9))


@pytest.mark.parametrize(
    ("datagram", "flaws"),
    [
        (_GOOD, 0),
        (b"nonsense", 1),
        (_GOOD.replace(b"CSeq: 1", b"CSeq: one"), 1),
        (_GOOD.replace(b"Call-ID: 1\r\n", b""), 1),
        (_GOOD.replace(b"SIP/2.0 200 OK", b"SIP/2.0 OK"), 1),
        (_GOOD.replace(b"SIP/2.0 200 OK", b"SIP/2.0 400 Missing Call-ID").replace(b"Call-ID: 1\r\n", b""), 0),
    ],
)
def test_flaws_of_the_server_are_seen(capture: Capture, datagram: bytes, flaws: int) -> None:
    """tshark passes a flawless message and names one that is none."""
    _write(capture.port, datagram)
    capture.stop()
    assert len(capture.malformed()) == flaws


def test_a_call_that_goes_astray_fails_its_lane(tmp_path: Path) -> None:
    """SIPp that calls where nobody answers is a failed verdict, not a pass."""
    with Sipp("options", tmp_path, server=(HOST, free_port()), calls=1, timeout=2.0) as prober:
        verdict = prober.finish()
    assert verdict.successful == 0
    with pytest.raises(AssertionError, match="options: exit"):
        verdict.require(1)


def test_a_scenario_with_an_open_field_is_refused(tmp_path: Path) -> None:
    """A forgotten @NAME@ would reach the wire as text."""
    with pytest.raises(PeerError, match="@STATUS@"):
        Sipp("uac_refused", tmp_path, server=(HOST, 9), calls=1)


@pytest.mark.programs("promtool")
def test_promtool_has_something_to_say_about_a_bad_metric(tmp_path: Path) -> None:
    """The silence that the metrics lane asks for is no accident."""
    (tmp_path / "metrics").write_text("# TYPE calls counter\ncalls 1\n", encoding="utf-8")
    status, output = run(["/bin/sh", "-c", f"{program('promtool')} check metrics < {tmp_path / 'metrics'}"])
    assert status == 3, output
