"""Calls through the proxy with credit control on: a charging server, SIPp on both sides, and the books compared."""

from __future__ import annotations

import contextlib
import datetime
import math
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.interop.charging import OCS, OURS, charging_server, judged_by_tshark
from tests.interop.peers import HOST, Child, Sipp, free_port
from tests.interop.servers import ROOT, Slee
from tests.interop.telephony import register

REALM: Final = "fd.test"
_STAMP: Final = re.compile(r"^-{20,} (\d{4}-\d\d-\d\d[ T][\d:.]+)", re.MULTILINE)
_CONFIGURATION: Final = """
[diameter]
identity = "{ours}"
realm = "our.test"
listeners = []
sh = false
tc = 0.2
tx = 3
outbox = "{outbox}"

[[diameter.peers]]
host = "{ocs}"
address = "{host}"
port = {port}

[[diameter.realms]]
realm = "{realm}"
peers = ["{ocs}"]
"""


@dataclass
class Call:
    """What the caller's side knows of one call."""

    payer: str = ""
    refused: int = 0
    """Status of the refusal, 0 without one."""
    answered_at: float | None = None
    hung_up_at: float | None = None
    is_over: bool = False
    """Whether its BYE was answered."""

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        assert self.answered_at is not None
        assert self.hung_up_at is not None
        return self.hung_up_at - self.answered_at


@dataclass
class Account:
    """What the charging server knows of one payer."""

    sessions: int = 0
    closed: int = 0
    seconds: int = 0


@dataclass
class Books:
    """Both sides' records, by payer."""

    calls: dict[str, Call] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)

    @property
    def answered(self) -> dict[str, Call]:
        """The calls that were answered."""
        return {payer: call for payer, call in self.calls.items() if call.answered_at is not None}

    def problems(self, *, slack: float) -> list[str]:
        """What does not agree: each answered call is charged once, for its time and at most `slack` seconds more."""
        found: list[str] = []
        for payer, call in self.answered.items():
            account = self.accounts.get(payer, Account())
            if call.hung_up_at is None or not call.is_over:
                found.append(f"{payer}: the call was left hanging ({call})")
                continue
            least, most = math.ceil(call.seconds - 0.02), math.ceil(call.seconds + slack)
            if (account.sessions, account.closed) != (1, 1) or not least <= account.seconds <= most:
                found.append(f"{payer}: {call.seconds:.3f} s are in the ledger as {account}")
        for payer, account in self.accounts.items():
            if payer not in self.answered and account.seconds:
                found.append(f"{payer}: charged without a call, {account}")
            if account.closed != account.sessions:
                found.append(f"{payer}: {account}, not closed once each")
        return found


class ChargedLane:
    """A server with credit control before its proxy, and a charging server, each of which may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        config = folder / "slee.toml"
        text = _CONFIGURATION.format(
            ours=OURS, ocs=OCS, host=HOST, port=self._port, realm=REALM, outbox=folder / "outbox.db"
        )
        config.write_text(text, encoding="utf-8")
        self.server = Slee(folder, config=config)
        self.ocs: Child
        self._judge = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._judge.enter_context(judged_by_tshark(self._folder, self._port))
        self.start_ocs()
        self.server.start()
        self._deploy()
        time.sleep(1.0)  # the connection to the charging server comes up
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.server.stop()
        self.server.child.__exit__()
        self.ocs.stop()
        self.ocs.__exit__()
        self._judge.close()

    def start_ocs(self) -> None:
        """Start the charging server on its ledger."""
        self.ocs = charging_server(self._folder, self._port)
        self.ocs.wait_line("OCS ready")

    def kill_ocs(self) -> None:
        """Kill the charging server."""
        self.ocs.send(signal.SIGKILL)
        self.ocs.wait(5.0)
        self.ocs.__exit__()

    def kill_server(self) -> None:
        """Kill the SLEE, and start it again."""
        child = self.server.child
        child.send(signal.SIGKILL)
        child.wait(5.0)
        child.__exit__()
        self.server.start()

    def _deploy(self) -> None:
        """Build the bundle with the realm of this lane, install and activate it."""
        source = self._folder / "sbbs" / "credit_control"
        shutil.copytree(ROOT / "sbbs" / "credit_control", source)
        manifest = source / "bundle.toml"
        text = manifest.read_text(encoding="utf-8").replace("operator.net", REALM)
        manifest.write_text(text + "request_seconds = 30\nanswer_within = 5\nsetup_within = 15\n", encoding="utf-8")
        for arguments in (
            ("bundle", "build", str(source), "-o", str(self._folder)),
            ("bundle", "install", str(self._folder / "credit_control-1.0.0-py3-none-any.whl")),
            ("service", "activate", "CreditControl"),
        ):
            status, output = self.server.cli(*arguments)
            assert status == 0, output

    def callee(self, calls: int, timeout: float) -> Sipp:
        """A callee, registered as `bob`, who answers at once."""
        callee = Sipp("uas_rr", self._folder, calls=calls, ring="", linger=300, lost_percent=0, timeout=timeout)
        register(self.server, self._folder, [("bob", callee.port)])
        return callee

    def caller(
        self, calls: int, *, denied_each: int = 10, rate: float, shortest_ms: int, longest_ms: int, timeout: float
    ) -> Sipp:
        """A caller with another identity for each call; each so-manieth has no credit."""
        names = [f"{'poor' if n % denied_each == 0 else 'rich'}{n}" for n in range(calls)]
        return Sipp(
            "uac_charged",
            self._folder,
            server=self.server.sip,
            calls=calls,
            rows=[("bob", name) for name in names],
            rate=rate,
            hold_ms=longest_ms,
            timeout=timeout,
            messages=True,
            shortest=shortest_ms,
            longest=longest_ms,
        )

    def books(self, caller: Sipp) -> Books:
        """The records of both sides."""
        books = Books(calls={call.payer: call for call in _calls(caller.message_log).values()})
        with sqlite3.connect(self._folder / "ledger.db") as ledger:
            for payer, closed, seconds in ledger.execute(
                "SELECT payer, closed, (SELECT coalesce(sum(seconds), 0) FROM used WHERE session = id) FROM session"
            ):
                account = books.accounts.setdefault(payer, Account())
                account.sessions += 1
                account.closed += min(closed, 1)
                account.seconds += seconds
        return books

    def wait_closed(self, within: float) -> None:
        """Wait until the charging server has no open session, or for so many seconds."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with sqlite3.connect(self._folder / "ledger.db") as ledger:
                (count,) = ledger.execute("SELECT count(*) FROM session WHERE closed = 0").fetchone()
            if not count:
                return
            time.sleep(0.2)

    def outcomes(self, books: Books) -> Counter[str]:
        """What became of the calls, in numbers."""
        return Counter(
            "answered" if call.answered_at is not None else f"refused {call.refused}" if call.refused else "lost"
            for call in books.calls.values()
        )


def _calls(log: str) -> dict[str, Call]:
    """The calls in SIPp's log of messages, by Call-ID."""
    calls: dict[str, Call] = {}
    places = [*_STAMP.finditer(log)]
    for place, following in zip(places, [*places[1:], None], strict=True):
        entry = log[place.end() : following.start() if following else None]
        rest = entry.partition("\n\n")[2]
        start = rest.partition("\n")[0].strip()
        found = re.search(r"^Call-ID: *(\S+)", rest, re.MULTILINE)
        sequence = re.search(r"^CSeq: *\d+ (\w+)", rest, re.MULTILINE)
        sender = re.search(r"^From: *<(sip:[^>]+)>", rest, re.MULTILINE)
        if found is None or sequence is None or sender is None or not sender[1].startswith(("sip:rich", "sip:poor")):
            continue
        call = calls.setdefault(found[1], Call(payer=sender[1]))
        at = datetime.datetime.fromisoformat(place[1]).timestamp()
        is_sent = "message sent " in entry[:80]
        if is_sent and start.startswith("BYE ") and call.hung_up_at is None:
            call.hung_up_at = at
        elif not is_sent and start.startswith("SIP/2.0 "):
            _note_answer(call, int(start[8:11]), sequence[1], at)
    return calls


def _note_answer(call: Call, status: int, method: str, at: float) -> None:
    if method == "BYE" and status >= 200:
        call.is_over = True
    elif method == "INVITE" and status >= 300:
        call.refused = status
    elif method == "INVITE" and status >= 200 and call.answered_at is None:
        call.answered_at = at
