"""Lanes of credit control: the ledger of the charging server equals the records of the calls (APP-9, DIA-56)."""

from __future__ import annotations

import time
from pathlib import Path

from tests.interop.charged_calls import ChargedLane


def test_ledger_equals_the_call_records(tmp_path: Path, is_long: bool) -> None:
    """10,000 calls (300 in the short form) of which each tenth is denied."""
    calls, rate = (10_000, 50.0) if is_long else (300, 30.0)
    timeout = 60.0 + calls / rate
    with ChargedLane(tmp_path) as lane:
        denied = calls // 10
        callee = lane.callee(calls - denied, timeout * 2)
        with callee, lane.caller(calls, rate=rate, shortest_ms=1300, longest_ms=1400, timeout=timeout) as caller:
            caller.finish().require(calls)
            callee.finish().require(calls - denied)
        lane.wait_closed(10)
        books = lane.books(caller)
        assert lane.outcomes(books) == {"answered": calls - denied, "refused 402": denied}
        assert books.problems(slack=0.5) == []
        assert sum(account.seconds for account in books.accounts.values()) == 2 * (calls - denied)


def test_every_call_is_charged_once_though_the_charging_server_is_killed(tmp_path: Path, is_long: bool) -> None:
    """Calls in progress go on, those that end meanwhile are charged later, new ones are refused."""
    calls, rate = (1_000, 20.0) if is_long else (100, 10.0)
    with ChargedLane(tmp_path) as lane:
        with (
            lane.callee(calls, 200 + calls / rate),
            lane.caller(calls, rate=rate, shortest_ms=500, longest_ms=4000, timeout=100 + calls / rate) as caller,
        ):
            for _ in range(6 if is_long else 2):
                time.sleep(3.0)
                lane.kill_ocs()
                time.sleep(1.0)
                lane.start_ocs()
            verdict = caller.finish()
        lane.wait_closed(60)
        books = lane.books(caller)
        assert books.problems(slack=0.5) == [], (lane.outcomes(books), verdict.summary)
        assert len(books.answered) > calls // 3


def test_every_call_is_charged_once_though_the_server_is_killed(tmp_path: Path, is_long: bool) -> None:
    """Calls that are up go on over kill -9, and are charged to their end; who hangs up meanwhile pays a little more."""
    calls, rate = (1_000, 20.0) if is_long else (100, 10.0)
    with ChargedLane(tmp_path) as lane:
        with (
            lane.callee(calls, 200 + calls / rate),
            lane.caller(calls, rate=rate, shortest_ms=500, longest_ms=6000, timeout=100 + calls / rate) as caller,
        ):
            for _ in range(6 if is_long else 2):
                time.sleep(3.5)
                lane.kill_server()
            verdict = caller.finish()
        lane.wait_closed(60)
        books = lane.books(caller)
        # a BYE that found nobody is repeated after up to 4 s (timer E)
        assert books.problems(slack=12.0) == [], (lane.outcomes(books), verdict.summary)
        assert len(books.answered) > calls // 3
