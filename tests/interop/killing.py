"""A server that is killed at random moments under load, and a judge of what its clients saw (DUR-3, DUR-4, DUR-8).

Each cycle the server takes calls, registrations, messages and profiles for a while, is killed with SIGKILL, is started
again at once, and is asked for everything that it had promised. What is missing, or there twice, is told with the
moment of its promise and of the kill.
"""

from __future__ import annotations

import datetime
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from slee.management.store import SOCKET
from slee.stores.profiles.database import DATABASE_FILE
from tests.interop.clients import PER_KEY, Clients, keeper_uri
from tests.interop.peers import DOMAIN, HOST, Sipp
from tests.interop.provisioner import Provisioner
from tests.interop.servers import Slee
from tests.profile_databases import DatabaseUnderTest, sqlite_database

YOUNG: Final = 0.1
"""Seconds before a kill within which what is `async` may be lost."""
LONGEST_TIMER: Final = 3.0
"""Seconds until the last timer of a message is due."""
_STAMP: Final = re.compile(r"^-{20,} (\d{4}-\d\d-\d\d[ T][\d:.]+)", re.MULTILINE)


@dataclass
class Report:
    """What a run showed."""

    cycles: int = 0
    kills: list[float] = field(default_factory=list)
    """On the monotonic clock."""
    restarts: list[float] = field(default_factory=list)
    """Seconds from the start of the process until it says that it runs."""
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What a table shows."""
        ordered = sorted(self.restarts) or [0.0]
        slow = f"{ordered[len(ordered) // 2]:.2f}, {ordered[-1]:.2f}"
        told = [(what, f"{count:,}") for what, count in self.counts.items()]
        return [("kills", str(len(self.kills))), ("restart s, median and longest", slow), *told]


class KillLane:
    """One run; use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        calls: float = 15.0,
        messages: float = 40.0,
        registers: float = 20.0,
        profiles: float = 20.0,
        database: DatabaseUnderTest | None = None,
    ) -> None:
        """Rates are of new ones in a second; without a database, profiles lie in the state directory."""
        self.server = Slee(folder, config=None if database is None else _kept_in(database, folder))
        state = self.server.state_dir
        self.report = Report()
        self._folder = folder
        self._lot = random.Random(seed)
        self._calls = calls
        self._clients = Clients(self.server.sip, messages=messages, registers=registers, seed=seed)
        self._provisioner = Provisioner(
            state / SOCKET, database or sqlite_database(state / DATABASE_FILE), rate=profiles, seed=seed
        )
        self._checked = 0.0

    def __enter__(self) -> Self:
        self.server.start()
        deploy(self.server, self._folder, "keeper", "Keeper")
        self._clients.start()
        self._provisioner.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._provisioner.close()
        self._clients.close()
        self.server.child.__exit__(*exc_info)

    def run(self, cycles: int, *, seconds: float, shortest: float = 5.0, longest: float = 20.0) -> Report:
        """Kill so often, but begin no new cycle after so many seconds; calls are held `shortest` to `longest` s."""
        began = time.monotonic()
        rows = [("callee",)]
        self._bind("callee")
        number = int(self._calls * seconds) + 1
        caller = Sipp(
            "uac_held", self._folder, server=self.server.sip, calls=number, rows=rows, rate=self._calls,
            hold_ms=int(longest * 1000), timeout=seconds + 120.0, messages=True,
            shortest=int(shortest * 1000), longest=int(longest * 1000),
        )  # fmt: skip
        with caller:
            while self.report.cycles < cycles and time.monotonic() - began < seconds:
                self._cycle()
            caller.child.send(signal.SIGUSR1)  # no new calls; the ones that are up end
            self._clients.pause()
            self._settle()
            caller.finish()
        self.judge_calls(caller)
        return self.report

    def _bind(self, user: str) -> None:
        contact = f"Contact: <sip:{user}@{HOST}:{self._clients.callee_port}>\r\nExpires: 7200\r\n"
        status, _ = self._clients.ask("REGISTER", f"sip:{DOMAIN}", f"sip:{user}@{DOMAIN}", contact)
        assert status == 200, f"REGISTER of {user} is answered {status}"

    def _cycle(self) -> None:
        """Let the clients work, kill the server at some moment, start it again, and ask for what it had promised."""
        lot, child = self._lot, self.server.child
        self._clients.begin()
        self._provisioner.begin()
        moment = lot.uniform(0.2, 1.5)
        child.pause(moment)
        time.sleep(moment)
        self._choose_kill(lambda: child.send(signal.SIGKILL))
        child.wait(10.0)
        child.__exit__()
        killed = time.monotonic()
        self.report.kills.append(killed)
        self.server.start()
        self.report.restarts.append(time.monotonic() - killed)
        self.report.cycles += 1
        self._clients.pause()
        self._provisioner.pause()
        self.report.problems += self._provisioner.judge(is_fresh=True)
        self._judge_promises(killed, self._checked)
        self._checked = killed - 5.0

    def _choose_kill(self, kill: Callable[[], None]) -> None:
        """Now, within an import, or in the instant after a promise, at which a wrong server loses it."""
        clients, provisioner = self._clients, self._provisioner
        moments = ["now", "promise"] + ["profiles promised", "import"] * provisioner.is_busy
        moment = self._lot.choice(moments)
        self.report.counts[f"kills: {moment}"] += 1
        if moment == "now":
            kill()
        elif moment == "promise":
            with clients.lock:
                clients.on_answer = kill
        elif moment == "import":
            provisioner.on_import = kill
        else:
            provisioner.on_answer = kill

    def _settle(self) -> None:
        """Wait until everything is answered and every timer has fired; then look at everything once more."""
        deadline = time.monotonic() + 40.0
        while self._clients.waiting and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(LONGEST_TIMER + 1.0)
        self._judge_promises(time.monotonic(), 0.0)
        self._judge_timers()
        self.report.problems += self._provisioner.judge(is_fresh=False)
        self.report.counts.update(self._provisioner.counts)

    # Judging.

    def _judge_promises(self, killed: float, since: float) -> None:
        """Every registration and message answered since then is there, but for messages that were too young."""
        seen = self._clients.seen
        with self._clients.lock:
            registered = [user for user, at in seen.registered.items() if since <= at <= killed]
            promised = {serial: at for serial, at in seen.kept.items() if since <= at <= killed}
        for user in registered:
            if not self._is_bound(user):
                at = seen.registered[user]
                self.report.problems.append(
                    f"{user} was registered {killed - at:.3f} s before the kill and is not bound"
                )
        kept: dict[int, Counter[int]] = {}
        for serial, at in promised.items():
            key = serial // PER_KEY
            if key not in kept:
                kept[key] = self._keeper(key)[0]
            if not kept[key][serial]:
                age = min((kill - at for kill in self.report.kills if kill >= at), default=0.0)
                if age > YOUNG:
                    self.report.problems.append(
                        f"message {serial} was answered {age:.3f} s before the kill and is lost"
                    )
                with self._clients.lock:
                    del seen.kept[serial]
                self.report.counts["messages lost within 100 ms of a kill"] += age <= YOUNG

    def _judge_timers(self) -> None:
        """Every message that is kept is kept once, and its timer has fired once."""
        seen, counts = self._clients.seen, self.report.counts
        counts["registrations acknowledged"] = len(seen.registered)
        counts["messages acknowledged and kept"] = len(seen.kept)
        for key in sorted({serial // PER_KEY for serial in seen.asked}):
            kept, fired = self._keeper(key)
            counts["timers fired"] += fired.total()
            for serial in sorted(kept | fired):
                if kept[serial] != 1 or fired[serial] != 1 or serial not in seen.asked:
                    told = f"message {serial} is kept {kept[serial]} times, its timer fired {fired[serial]} times"
                    self.report.problems.append(told)
        for status, count in sorted(seen.refused.items()):
            counts[f"answers {status}"] = count
        counts["requests without answer"] = seen.unanswered

    def _is_bound(self, user: str) -> bool:
        status, answer = self._clients.ask("REGISTER", f"sip:{DOMAIN}", f"sip:{user}@{DOMAIN}")
        return status == 200 and f"sip:{user}@{HOST}".encode() in answer.partition(b"Contact:")[2]

    def _keeper(self, key: int) -> tuple[Counter[int], Counter[int]]:
        """What the keeper of a key has, and which of its timers have fired."""
        status, answer = self._clients.ask("MESSAGE", keeper_uri(key), keeper_uri(key))
        assert status == 200, answer
        return _numbers(answer, "X-Kept"), _numbers(answer, "X-Fired")

    def judge_calls(self, caller: Sipp) -> None:
        """Every call confirmed in time before a kill ended with 200 to its BYE."""
        skew = time.time() - time.monotonic()
        confirmed: dict[str, float] = {}
        ended: set[str] = set()
        refused: Counter[int] = Counter()
        for at, direction, start, call_id, cseq in messages(caller.message_log):
            if direction == "sent" and start.startswith("ACK "):
                confirmed.setdefault(call_id, at - skew)
            elif direction == "received" and cseq.endswith("BYE") and start.startswith("SIP/2.0 200"):
                ended.add(call_id)
            elif direction == "received" and cseq.endswith("INVITE") and start[8:9] in "3456":
                refused[int(start[8:11])] += 1
        counts = self.report.counts
        counts["calls confirmed"] = len(confirmed)
        counts["calls ended by 200 to BYE"] = len(confirmed.keys() & ended)
        for status, count in sorted(refused.items()):
            counts[f"calls answered {status}"] = count
        for call_id in confirmed.keys() - ended:
            ages = [kill - confirmed[call_id] for kill in self.report.kills if kill >= confirmed[call_id]]
            if not ages or min(ages) > YOUNG:
                self.report.problems.append(
                    f"call {call_id} was confirmed and got no 200 to its BYE; kills after {ages}"
                )


def messages(log: str) -> Iterator[tuple[float, str, str, str, str]]:
    """SIPp's log of messages: time, direction, start line, Call-ID and CSeq of each."""
    places = [*_STAMP.finditer(log)]
    for place, following in zip(places, [*places[1:], None], strict=True):
        entry = log[place.end() : following.start() if following else None]
        _, _, rest = entry.partition("\n\n")
        start = rest.partition("\n")[0].strip()
        direction = "sent" if "message sent " in entry[:80] else "received"
        call_id = re.search(r"^(?:Call-ID|i): *(\S+)", rest, re.MULTILINE | re.IGNORECASE)
        cseq = re.search(r"^CSeq: *(.*?)\s*$", rest, re.MULTILINE | re.IGNORECASE)
        at = datetime.datetime.fromisoformat(place[1]).timestamp()
        yield at, direction, start, call_id[1] if call_id else "", cseq[1] if cseq else ""


def deploy(slee: Slee, folder: Path, name: str, *services: str) -> None:
    """Build and install a bundle of these lanes, and activate its services."""
    source = Path(__file__).parent / "bundles" / name
    status, output = slee.cli("bundle", "build", str(source), "-o", str(folder))
    assert status == 0, output
    (archive,) = folder.glob(f"{name}-*.whl")
    for arguments in (("bundle", "install", str(archive)), ("service", "activate", *services)):
        status, output = slee.cli(*arguments)
        assert status == 0, output


def _kept_in(database: DatabaseUnderTest, folder: Path) -> Path:
    path = folder / "slee.toml"
    path.write_text(f'[profiles]\ndatabase = "{database.url}"\n', encoding="utf-8")
    return path


def _numbers(answer: bytes, header: str) -> Counter[int]:
    found = re.search(rf"^{header}: -([\d,]*)\r$".encode(), answer, re.MULTILINE)
    return Counter(int(number) for number in found[1].split(b",") if number) if found else Counter()


__all__ = ["KillLane", "Report", "deploy"]
