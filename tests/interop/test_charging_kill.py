"""The server, its relay or its charging server is killed while calls are charged: each second is booked once."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop import charging
from tests.interop.charging import FAR_REALM, HOST, OCS, OURS, REALM, RELAY
from tests.interop.peers import Child, free_port
from tests.interop.servers import Slee

BUNDLE = Path(__file__).parent / "bundles" / "charged"


class Exchange:
    """A server with a charging server behind it, each of which can be killed and started again."""

    def __init__(self, folder: Path, *, relayed: bool = False) -> None:
        self.folder = folder
        self.ocs_port, relay_port = free_port(), free_port()
        self.relay: Child | None = None
        self.ocs: Child | None = None
        self._relay_port = relay_port
        self._towards = (RELAY,) if relayed else ()
        host, port = (RELAY, relay_port) if relayed else (OCS, self.ocs_port)
        self.port = port
        """Where the server writes to."""
        config = folder / "slee.toml"
        config.write_text(
            f'[diameter]\nidentity = "{OURS}"\nrealm = "{REALM}"\nsh = false\ntc = 0.2\ntx = 2\ntw = 6\n'
            f'outbox = "{folder}/outbox.db"\n'
            f'[[diameter.peers]]\nhost = "{host}"\naddress = "{HOST}"\nport = {port}\n'
            f'[[diameter.realms]]\nrealm = "{FAR_REALM}"\npeers = ["{host}"]\n',
            encoding="utf-8",
        )
        self.booked_for: dict[str, int] = {}
        """Seconds that were answered 200, by call."""
        self.server = Slee(folder, config=config)

    def start(self) -> None:
        self.start_ocs()
        if self._towards:
            self.start_relay()
        self.server.start()
        self.deploy()

    def start_ocs(self) -> None:
        self.ocs = charging.charging_server(self.folder, self.ocs_port, *self._towards, balance=100_000)
        self.ocs.wait_line("OCS ready")

    def start_relay(self) -> None:
        row = f'ConnectPeer = "{OURS}" {{ ConnectTo = "{HOST}"; Port = 1; No_TLS; TcTimer = 2; }};\n'
        self.relay = charging.free_diameter(self.folder, self._relay_port, ours=row, ocs_port=self.ocs_port)
        self.relay.wait_line(rf"'STATE_OPEN'.*{OCS}", timeout=20)

    def deploy(self) -> None:
        for arguments in (
            ("bundle", "build", str(BUNDLE), "-o", str(self.folder)),
            ("bundle", "install", str(self.folder / "charged-1.0.0-py3-none-any.whl")),
            ("service", "activate", "Charged"),
        ):
            status, output = self.server.cli(*arguments)
            assert status == 0, output

    def kill(self, child: Child) -> None:
        with child:
            child.stop(signal.SIGKILL)

    def kill_server(self) -> None:
        self.kill(self.server.child)
        self.server.start()

    def post(self, path: str) -> int:
        host, port = self.server.http
        request = urllib.request.Request(f"http://{host}:{port}{path}", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def state(self, call: str) -> str:
        host, port = self.server.http
        with urllib.request.urlopen(f"http://{host}:{port}/calls/{call}", timeout=10) as response:
            return response.read().decode()

    def begin(self, call: str) -> None:
        assert self.post(f"/calls/{call}") == 200
        self.until(lambda: self.state(call) == "granted")
        self.booked_for[call] = 0

    def talk(self, call: str, seconds: int, *, ends: bool = False) -> None:
        status = self.post(f"/calls/{call}/{'end' if ends else 'seconds'}/{seconds}")
        assert status == 200, (call, status)
        self.booked_for[call] += seconds

    def until(self, holds: Callable[[], bool], *, within: float = 30.0) -> None:
        end = time.monotonic() + within
        while not holds():
            assert time.monotonic() < end, (charging.booked(self.folder), self.booked_for)
            time.sleep(0.05)

    def close(self) -> None:
        for child in (getattr(self.server, "child", None), self.relay, self.ocs):
            if child is not None:
                with child:
                    child.stop()


@contextmanager
def exchange(folder: Path, *, relayed: bool = False) -> Iterator[Exchange]:
    """One that ends with the verdict of tshark on what the server has written."""
    made = Exchange(folder, relayed=relayed)
    with charging.judged_by_tshark(folder, made.port):
        try:
            made.start()
            yield made
        finally:
            made.close()


def play(made: Exchange, kill: Callable[[], None]) -> None:
    """Calls that are under way, and ones that end, while something is killed three times."""
    calls = [f"c{number}" for number in range(6)]
    for call in calls:
        made.begin(call)
    for turn in range(3):
        for number, call in enumerate(calls):
            made.talk(call, 31 + number + turn)
            if number == turn:
                kill()
    for call in calls:
        made.talk(call, 7, ends=True)
    wanted = sum(made.booked_for.values())
    made.until(lambda: charging.booked(made.folder) == wanted, within=60)
    time.sleep(1)
    assert charging.booked(made.folder) == wanted
    assert len(charging.by_session(made.folder)) == len(calls)


def test_kill_9_of_the_server_while_calls_are_charged(tmp_path: Path) -> None:
    with exchange(tmp_path) as made:
        play(made, made.kill_server)


def test_kill_9_of_the_charging_server_while_calls_are_charged(tmp_path: Path) -> None:
    with exchange(tmp_path) as made:

        def kill() -> None:
            assert made.ocs is not None
            made.kill(made.ocs)
            made.talk("c5", 30)  # while nobody can be asked
            made.start_ocs()

        play(made, kill)


@pytest.mark.programs("freeDiameterd")
def test_kill_9_of_the_relay_while_calls_are_charged(tmp_path: Path) -> None:
    with exchange(tmp_path, relayed=True) as made:
        assert made.relay is not None

        def kill() -> None:
            assert made.relay is not None
            made.kill(made.relay)
            made.talk("c5", 30)
            made.start_relay()

        play(made, kill)
