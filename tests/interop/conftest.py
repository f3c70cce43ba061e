"""Fixtures of the interop lanes.

Every lane has a server of its own, whose traffic is recorded and judged when the lane ends. The server is the product;
`--server=kamailio` (or INTEROP_SERVER=kamailio) runs the same lanes against the yardstick. `--long` (or
INTEROP_LONG=1) runs them in their long form. A program that is missing skips the lane, and fails it under CI=true.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import pytest

from tests.interop.capture import Capture, CaptureRefused
from tests.interop.peers import find_program
from tests.interop.servers import Kamailio, Server, Slee, Timers

_HERE: Final = Path(__file__).parent
_ALWAYS: Final = ("sipp", "tshark", "dumpcap")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two choices of the lanes; the environment serves runs that start above this folder."""
    parser.addoption("--server", choices=["slee", "kamailio"], default=None, help="server under the interop lanes")
    parser.addoption("--long", action="store_true", default=False, help="interop lanes in their long form")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark by which a lane names its programs."""
    config.addinivalue_line("markers", "programs(*names): programs that the lane needs besides SIPp and tshark")


def _is_long(config: pytest.Config) -> bool:
    return bool(config.getoption("--long", default=False)) or os.environ.get("INTEROP_LONG") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as a lane, which may take longer than a unit test."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)
            item.add_marker(pytest.mark.timeout(900 if _is_long(item.config) else 150))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail under CI=true, a lane whose programs are missing."""
    if _HERE not in item.path.parents:
        return
    named = [str(name) for mark in item.iter_markers("programs") for name in mark.args]
    if missing := [name for name in (*_ALWAYS, *named) if find_program(name) is None]:
        reason = f"{', '.join(missing)} missing (scripts/peers installs the peers where it may)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def server_name(request: pytest.FixtureRequest) -> str:
    """Which server the lanes run against: slee or kamailio."""
    return str(request.config.getoption("--server", default=None) or os.environ.get("INTEROP_SERVER", "slee"))


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether the lanes run in their long form."""
    return _is_long(request.config)


class StartServer(Protocol):
    """Start the server under test, at most once in a lane."""

    def __call__(self, *, timers: Timers | None = None) -> Server: ...


@pytest.fixture
def start_server(server_name: str, tmp_path: Path) -> Iterator[StartServer]:
    """Start a recorded server; at the end it must exit 0 on SIGTERM and must have written flawless SIP only."""
    with ExitStack() as stack:
        started: list[tuple[Server, Capture | None]] = []

        def start(*, timers: Timers | None = None) -> Server:
            new = Slee(tmp_path, timers=timers) if server_name == "slee" else Kamailio(tmp_path, timers=timers)
            capture = _record(stack, tmp_path, new.sip[1])
            new.start()
            stack.enter_context(new.child)
            started.append((new, capture))
            return new

        yield start
        for server, capture in started:
            _judge(server, capture)


def _record(stack: ExitStack, folder: Path, port: int) -> Capture | None:
    try:
        return stack.enter_context(Capture(folder, port))
    except CaptureRefused:
        # Not the lane's fault; test_capture.py says so once, and fails under CI=true.
        return None


def _judge(server: Server, capture: Capture | None) -> None:
    died = not server.child.is_running
    status = server.stop()
    assert not died, f"{server.name} ended with {status} during the lane:\n{server.child.output}"
    assert status == 0, f"{server.name} exits {status} on SIGTERM:\n{server.child.output}"
    if capture is not None:
        capture.stop()
        assert capture.malformed() == []


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """The server under test with the timers of RFC 3261."""
    return start_server()


@pytest.fixture
def slee(server_name: str, tmp_path: Path) -> Iterator[Callable[[], Slee]]:
    """Start the product, as often as the lane likes, in one state directory; skipped against the yardstick."""
    if server_name != "slee":
        pytest.skip("about the product alone")
    with ExitStack() as stack:

        def start() -> Slee:
            new = Slee(tmp_path).start()
            stack.enter_context(new.child)
            return new

        yield start
