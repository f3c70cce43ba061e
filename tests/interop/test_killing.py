"""The lane of `kill -9`: what clients and operators were promised is there after the restart (DUR-3, DUR-4, DUR-8).

Three kills here, with profiles in SQLite; `scripts/killtest --cycles 200` is the long form, also with `--postgresql`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.killing import KillLane


@pytest.mark.filterwarnings(
    "ignore:unclosed <socket.*family=1[,>]:ResourceWarning",  # httpcore leaves one when a killed server refuses it
)
def test_what_was_promised_survives_kill_9(server_name: str, tmp_path: Path, is_long: bool) -> None:
    """DUR-3, DUR-4, PRF-46: registrations, calls, state on null activities, timers and profiles, over three kills."""
    cycles, seconds = (200, 800.0) if is_long else (3, 15.0)
    with KillLane(tmp_path, seed=1) as lane:
        report = lane.run(cycles, seconds=seconds, shortest=2.0, longest=6.0)
    assert report.problems == []
    assert report.cycles >= 1
    assert report.counts["calls confirmed"] > 0
    assert report.counts["acknowledged profile writes"] > 0
