"""The soak in little: that every event is accounted for does not need a million of them."""

from __future__ import annotations

import pytest

from benchmarks.bench_soak import main


def test_the_soak_accounts_for_every_event(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--events", "20000", "--parts", "1"]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    accepted, ended = row.split("|")[2].split("=")
    assert int(accepted.replace(",", "")) >= 20_000
    assert accepted.strip() == ended.split("+")[0].strip()  # all delivered
