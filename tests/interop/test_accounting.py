"""Accounting records over outages: the charging data function and the server are killed (DIA-38 to DIA-40)."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.interop.charging import FAR_REALM, OURS, REALM, judged_by_tshark
from tests.interop.peers import HOST, Child, free_port
from tests.interop.servers import Slee

CDF = "cdf.fd.test"
BUNDLE = Path(__file__).parent / "bundles" / "recorded"
START, INTERIM, STOP = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record as it came to the charging data function."""

    session: str
    number: int
    kind: int
    user: str
    is_flagged: bool


class AccountingLane:
    """A server whose calls make records, and a charging data function, each of which may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._stack = contextlib.ExitStack()
        config = folder / "slee.toml"
        config.write_text(
            f'[diameter]\nidentity = "{OURS}"\nrealm = "{REALM}"\nsh = false\ntc = 0.2\ntx = 2\ntw = 6\n'
            f'outbox = "{folder}/outbox.db"\n'
            f'[[diameter.peers]]\nhost = "{CDF}"\naddress = "{HOST}"\nport = {self._port}\n'
            f'[[diameter.realms]]\nrealm = "{FAR_REALM}"\napplication = 3\npeers = ["{CDF}"]\n',
            encoding="utf-8",
        )
        self.server = Slee(folder, config=config)
        self.cdf: Child
        self.asked: dict[str, int] = defaultdict(int)
        """Records that were answered 200, by call."""

    def __enter__(self) -> Self:
        self._stack.enter_context(judged_by_tshark(self._folder, self._port))
        self._stack.callback(lambda: self._end(self.cdf))
        self.start_cdf()
        self._stack.callback(lambda: self._end(self.server.child))
        self.server.start()
        for arguments in (
            ("bundle", "build", str(BUNDLE), "-o", str(self._folder)),
            ("bundle", "install", str(self._folder / "recorded-1.0.0-py3-none-any.whl")),
            ("service", "activate", "Recorded"),
        ):
            status, output = self.server.cli(*arguments)
            assert status == 0, output
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def start_cdf(self, *, dies_after: int = 0) -> None:
        """Start the charging data function on its ledger."""
        script = str(Path(__file__).with_name("cdf.py"))
        self.cdf = Child(
            [sys.executable, script, str(self._folder / "cdf.db"), str(self._port)],
            env={"CDF_DIES_AFTER": str(dies_after)},
        )
        self.cdf.wait_line("CDF ready")

    def kill_cdf(self) -> None:
        """Kill the charging data function."""
        self._end(self.cdf, signal.SIGKILL)

    def kill_server(self) -> None:
        """Kill the server, and start it again."""
        self._end(self.server.child, signal.SIGKILL)
        self.server.start()

    def order(self, call: str, what: str = "") -> None:
        """Begin a call, make a record of it (`/record`), or end it (`/end`)."""
        host, port = self.server.http
        request = urllib.request.Request(f"http://{host}:{port}/calls/{call}{what}", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                assert response.status == 200
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{call}{what}: {error.code}, {error.read().decode()}") from error
        self.asked[call] += 1

    def arrivals(self) -> list[Arrival]:
        """All records, in the order of their arrival."""
        with contextlib.closing(sqlite3.connect(self._folder / "cdf.db")) as book:
            rows = book.execute("SELECT session, number, kind, user, flagged FROM arrival ORDER BY place").fetchall()
        return [Arrival(session, number, kind, user, bool(flagged)) for session, number, kind, user, flagged in rows]

    def wait_for(self, records: int, within: float = 40.0) -> None:
        """Wait until so many different records have arrived, or for so many seconds."""
        deadline = time.monotonic() + within
        while len({(one.session, one.number) for one in self.arrivals()}) < records and time.monotonic() < deadline:
            time.sleep(0.1)

    def problems(self) -> list[str]:
        """What does not hold: each record there, once but for repetitions with the T flag, and in order."""
        found: list[str] = []
        by_session: dict[str, list[Arrival]] = defaultdict(list)
        for one in self.arrivals():
            if any(one.number == other.number for other in by_session[one.session]):
                if not one.is_flagged:
                    found.append(f"{one} came again without T")
            else:
                by_session[one.session].append(one)
        calls = [records[0].user for records in by_session.values()]
        if sorted(calls) != sorted(self.asked):
            found.append(f"calls {sorted(self.asked)} have the sessions {sorted(calls)}")
        for records in by_session.values():
            count = self.asked[records[0].user]
            kinds = [START, *[INTERIM] * (count - 2), STOP]
            if [one.number for one in records] != [*range(count)] or [one.kind for one in records] != kinds:
                found.append(f"of {count} records in order there are {records}")
        return found

    def settle(self) -> None:
        """Wait until all has arrived; nothing may come after that."""
        self.wait_for(sum(self.asked.values()))
        before = len(self.arrivals())
        time.sleep(1.5)
        assert len(self.arrivals()) == before, "answered records came again"
        assert self.problems() == []

    @staticmethod
    def _end(child: Child, how: signal.Signals = signal.SIGTERM) -> None:
        with child:
            if child.is_running:
                child.stop(how)


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[AccountingLane]:
    with AccountingLane(tmp_path) as made:
        yield made


CALLS = [f"c{number}" for number in range(5)]


def test_records_are_complete_after_an_outage(lane: AccountingLane) -> None:
    """Calls begin, go on and end while nobody takes records; new ones too."""
    for call in CALLS[:3]:
        lane.order(call)
    lane.wait_for(3)
    lane.kill_cdf()
    for call in CALLS[3:]:
        lane.order(call)
    for call in CALLS:
        lane.order(call, "/record")
        lane.order(call, "/record")
    for call in CALLS[::2]:
        lane.order(call, "/end")
    assert len(lane.arrivals()) == 3
    lane.start_cdf()
    for call in CALLS[1::2]:
        lane.order(call, "/end")
    lane.settle()


def test_a_record_that_was_kept_and_not_answered_comes_again_with_t(lane: AccountingLane) -> None:
    """The charging data function dies between the two, three times."""
    lane.kill_cdf()
    for call in CALLS:
        lane.order(call)
    for turn in range(3):
        lane.start_cdf(dies_after=3)
        for call in CALLS:
            lane.order(call, "/record" if turn < 2 else "/end")
        lane.cdf.wait(20)
        lane.kill_cdf()
    lane.start_cdf()
    lane.settle()
    assert any(one.is_flagged for one in lane.arrivals())


def test_records_are_complete_though_the_server_is_killed(lane: AccountingLane) -> None:
    """With the charging data function there, without it, and with records waiting."""
    for call in CALLS:
        lane.order(call)
    lane.kill_server()
    for call in CALLS:
        lane.order(call, "/record")
    lane.kill_cdf()
    for call in CALLS:
        lane.order(call, "/record")
    lane.kill_server()
    for call in CALLS:
        lane.order(call, "/end")
    lane.kill_server()
    lane.start_cdf()
    lane.settle()
