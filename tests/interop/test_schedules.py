"""Schedules in a real server that is killed, stopped, frozen, and whose wall clock stands (TIM-13, TIM-16, TIM-24).

In short with the other tests; for longer: `SLEE_TIMER_LANE=10 scripts/test tests/interop/test_schedules.py`
repeats every fault ten times.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import msgspec
import pytest
from click.testing import CliRunner

from deploy.cli import main
from slee.stores import open_store

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("SLEE_TIMER_LANE", "1"))
VIENNA = ZoneInfo("Europe/Vienna")
CHANGE = datetime.datetime(2026, 3, 29, 1, tzinfo=datetime.UTC).timestamp()
"""When clocks go from 02:00 to 03:00."""
SCHEDULES = [
    *({"name": policy, "cron": "* * * * * *", "missed": policy} for policy in ("all", "last", "skip")),
    {"name": "gap", "cron": "30 2 * * *"},
    {"name": "three", "cron": "0 3 * * *"},
]
Line = tuple[float, float, int, int, bool]


class Lane:
    """The server, its wall clock, and when something happened to it."""

    def __init__(self, folder: Path, wall: float) -> None:
        self.state = folder / "state"
        self.clock = folder / "clock"
        self.show(f"={wall:f}")  # it stands until the server runs, however long that takes
        self.began = wall
        self.process = self.start()
        self.show(f"{wall - time.time():+f}")

    def show(self, text: str) -> None:
        """Change what the wall clock shows, in one step."""
        draft = self.clock.with_suffix(".new")
        draft.write_text(text, encoding="ascii")
        draft.replace(self.clock)

    @property
    def ahead(self) -> float:
        """What the wall clock shows more than the system's."""
        return float(self.clock.read_text(encoding="ascii"))

    def start(self) -> subprocess.Popen[str]:
        settings = {
            "state-dir": str(self.state),
            "metrics.listen": "127.0.0.1:0",
            "timer.zone-default": "Europe/Vienna",
            "timer.missed-after": 0.4,
            "timer.schedules": SCHEDULES,
        }
        arguments = [
            f"{key}={json.dumps(value) if not isinstance(value, list) else toml(value)}"
            for key, value in settings.items()
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.interop.ledger_server", *arguments],
            cwd=ROOT,
            env=os.environ | {"SLEE_TEST_CLOCK": str(self.clock)},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if "SLEE running" not in line:
            raise AssertionError(line + process.communicate(timeout=10)[1])
        return process

    def end(self, number: int) -> None:
        """End the process by a signal."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=15)
        assert "Traceback" not in errors, errors
        assert self.process.returncode == (-number if number == signal.SIGKILL else 0), errors

    def slee(self, *arguments: str) -> Any:
        """What a command answers."""
        result = CliRunner().invoke(main, [*arguments[:2], "--state-dir", str(self.state), *arguments[2:], "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def lines(self) -> dict[str, list[Line]]:
        """The ledger, read from the journal of a server that has ended."""
        journal = open_store("sqlite", self.state)
        try:
            found: dict[str, list[Line]] = {}
            for key, octets in journal.recovery.entries.items():
                if key[:1] == b"V":
                    table, name = msgspec.msgpack.decode(key[1:])
                    assert "ledger" in table
                    _, rows = msgspec.msgpack.decode(octets)
                    found[name] = [(r["due"], r["fired"], r["index"], r["missed"], r["is_dropped"]) for r in rows]
            return found
        finally:
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate(timeout=10)


def toml(schedules: list[dict[str, str]]) -> str:
    """An array of inline tables."""
    return "[" + ", ".join("{" + ", ".join(f'{k} = "{v}"' for k, v in each.items()) + "}" for each in schedules) + "]"


def kill(lane: Lane, pause: float) -> None:
    lane.end(signal.SIGKILL)
    time.sleep(pause)
    lane.process = lane.start()


def stop(lane: Lane, pause: float) -> None:
    lane.end(signal.SIGTERM)
    time.sleep(pause)
    lane.process = lane.start()


def restart(lane: Lane, pause: float) -> None:
    """The SLEE stops and starts within one process."""
    lane.slee("state", "stop")
    time.sleep(pause)
    lane.slee("state", "start")


def freeze(lane: Lane, pause: float) -> None:
    lane.process.send_signal(signal.SIGSTOP)
    time.sleep(pause)
    lane.process.send_signal(signal.SIGCONT)


def stand(lane: Lane, pause: float) -> None:
    """The wall clock stands for a while, and shows the right time then."""
    ahead = lane.ahead
    lane.show(f"={time.time() + ahead:f}")
    time.sleep(pause)
    lane.show(f"{ahead:+f}")


def step_back(lane: Lane, pause: float) -> None:
    lane.show(f"{lane.ahead - pause:+f}")


def step_on(lane: Lane, pause: float) -> None:
    lane.show(f"{lane.ahead + pause:+f}")


FAULTS: dict[str, Callable[[Lane, float], None]] = {
    fault.__name__: fault for fault in (kill, stop, restart, freeze, stand, step_back, step_on)
}


@pytest.mark.timeout(60 + 60 * ROUNDS)
def test_every_occurrence_is_fired_or_missed_exactly_once_as_its_policy_says(tmp_path: Path) -> None:
    """A change of clocks, every fault, and the ledger that a kill does not touch."""
    lot = random.Random(20_260_329)
    with Lane(tmp_path, CHANGE - 2.3) as lane:
        time.sleep(3.2)
        for _ in range(ROUNDS):
            for fault in lot.sample(list(FAULTS.values()), len(FAULTS)):
                fault(lane, lot.uniform(1.1, 1.7))
                time.sleep(lot.uniform(1.1, 1.5))
        schedules = {info["name"]: info for info in lane.slee("schedule", "list")}
        lane.end(signal.SIGTERM)
        ended = time.time() + lane.ahead
        ledger = lane.lines()
    judge(ledger, schedules, lane.began, ended)


def judge(ledger: dict[str, list[Line]], schedules: dict[str, Any], began: float, ended: float) -> None:
    """What each policy promises."""
    for name in ("all", "bundle"):
        dues = [due for due, *_ in ledger[name]]
        assert dues == [dues[0] + n for n in range(len(dues))], name
        assert [index for _, _, index, _, _ in ledger[name]] == list(range(len(dues))), name
        assert dues[0] - began < 6, name
        assert ended - dues[-1] < 3.5, name
    last = ledger["last"]
    assert [index for _, _, index, _, _ in last] == list(accumulated(last))
    assert len(last) + sum(missed for _, _, _, missed, _ in last) == schedules["last"]["fired"] + late(
        last, schedules["last"]
    )
    assert max(missed for _, _, _, missed, _ in last) >= 1
    assert strictly_rising([due for due, *_ in last])
    skip = ledger["skip"]
    fired = [(due, at) for due, at, _, _, is_dropped in skip if not is_dropped]
    covered = [due for due, _ in fired]
    for first, to, _, count, is_dropped in skip:
        if is_dropped:
            assert round(to - first) + 1 == count
            covered += [first + n for n in range(count)]
    assert sorted(covered) == [min(covered) + n for n in range(len(covered))]
    assert all(0 <= at - due < 2 for due, at in fired)
    assert len(covered) > len(fired)
    own = [index for _, _, index, _, _ in ledger["own"]]
    assert own == list(range(len(own)))
    assert [due for due, *_ in ledger["gap"]] == [CHANGE]
    assert [due for due, *_ in ledger["three"]] == [CHANGE]
    for lines in ledger.values():
        assert all(at >= due for due, at, _, _, is_dropped in lines if not is_dropped), "never early"


def accumulated(lines: list[Line]) -> list[int]:
    """The index that each occurrence must have, by the ones it stands for."""
    index, found = -1, []
    for _, _, _, missed, _ in lines:
        index += missed + 1
        found.append(index)
    return found


def late(lines: list[Line], info: dict[str, Any]) -> int:
    """Occurrences that fired between the look at the schedule and the end of the server."""
    return lines[-1][2] + 1 - info["fired"]


def strictly_rising(numbers: list[float]) -> bool:
    return all(one < other for one, other in itertools.pairwise(numbers))


@pytest.mark.timeout(60)
def test_every_command_reaches_a_server_and_says_what_is_wrong(tmp_path: Path) -> None:
    """What Python offers is the same by HTTP and on the command line, which this goes through."""
    with Lane(tmp_path, CHANGE) as lane:
        slee = lane.slee
        names = ["all", "bundle", "gap", "last", "skip", "three"]
        assert [info["name"] for info in slee("schedule", "list") if info["name"] != "own"] == names
        assert [info["name"] for info in slee("schedule", "list", "--prefix", "g")] == ["gap"]
        made = slee("schedule", "create", "once", "--set", 'at="2027-06-01T12:00:00"', "--set", 'payload="x"')
        assert (made["timing"], made["origin"]) == ("2027-06-01 12:00:00 Europe/Vienna", "operator")
        assert slee("schedule", "suspend", "once")["state"] == "suspended"
        assert slee("schedule", "show", "once", "--resource", "timer")["state"] == "suspended"
        assert slee("schedule", "resume", "once")["state"] == "active"
        assert slee("schedule", "fire", "once")["fired"] == 0
        assert slee("schedule", "cancel", "once") is None
        wrong = {
            ("show", "once"): 4,
            ("show", "all", "--resource", "nobody"): 4,
            ("cancel", "all"): 3,
            ("create", "all", "--set", 'cron="* * * * *"'): 7,
            ("create", "x", "--set", 'cron="99 * * * *"'): 2,
        }
        for arguments, status in wrong.items():
            command = ["schedule", arguments[0], "--state-dir", str(lane.state), *arguments[1:]]
            result = CliRunner().invoke(main, command)
            assert result.exit_code == status, result.output
            assert "TIM-" in result.output
        shown = CliRunner().invoke(main, ["schedule", "show", "--state-dir", str(lane.state), "gap"])
        assert "2026-03-30T00:30:00Z" in shown.output
        lane.end(signal.SIGTERM)
        assert [index for _, _, index, _, _ in lane.lines()["once"]] == [-1]


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_killed_at_random_moments_no_occurrence_is_lost_or_repeated(tmp_path: Path) -> None:
    """Ten occurrences a second of four schedules, so that each step of fire, commit and arming anew is met."""
    lot = random.Random()
    with Lane(tmp_path, CHANGE + 5) as lane:
        for number in range(3):
            lane.slee(
                "schedule",
                "create",
                f"tick{number}",
                "--set",
                f'every="R/{instant(number)}/PT0.1S"',
                "--set",
                'missed="all"',
            )
        for _ in range(3 * ROUNDS):
            time.sleep(lot.uniform(0.2, 0.9))
            kill(lane, 0.0)
        time.sleep(1.0)
        lane.end(signal.SIGTERM)
        ledger = lane.lines()
    for name in ("tick0", "tick1", "tick2", "own", "all", "bundle"):
        indexes = [index for _, _, index, _, _ in ledger[name]]
        assert indexes == list(range(len(indexes))), name
        assert len(indexes) >= 3, name


def instant(number: int) -> str:
    begin = datetime.datetime.fromtimestamp(CHANGE + 7 + number / 30, datetime.UTC)
    return begin.isoformat()
