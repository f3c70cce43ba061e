"""`kill -9` at any instruction of a process that appends, compacts and makes checkpoints (DUR-3, DUR-4)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from slee.kernel.journal import Entry
from slee.stores.sqlite.reading import read
from slee.testing.store_compliance import state_after
from tests.slee.stores.sqlite import appender

KILLS = int(os.environ.get("SLEE_KILLS", "10"))
pytestmark = pytest.mark.timeout(20 + 2 * KILLS)


def kill_at(place: Path, acknowledgements: int, mode: str) -> int:
    """Run the process until it has told so many acknowledgements, kill it, and return the last that it told."""
    command = [sys.executable, "-m", appender.__name__, str(place), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(acknowledgements):
            child.stdout.readline()
        child.kill()
        # A line that was cut short was never told; what was told before it counts.
        return max(
            (int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")), default=0
        )


@pytest.mark.parametrize("mode", ["normal", "full"])
def test_dur_4_killed_process_leaves_a_prefix_with_all_that_was_acknowledged(tmp_path: Path, mode: str) -> None:
    rng = random.Random(mode)
    place = tmp_path / "journal"
    records: list[list[Entry]] = []
    folded: set[int] = set()
    for _ in range(KILLS if mode == "normal" else 3):
        acknowledged = kill_at(place, rng.randrange(2, 150 if mode == "normal" else 20), mode)
        contents = read(place)
        assert contents is not None
        assert contents.sequence >= acknowledged
        assert contents.report == ""
        records += [appender.record(number) for number in range(len(records) + 1, contents.sequence + 1)]
        assert len(records) == contents.sequence
        assert contents.entries == state_after(records)
        folded.add(contents.meta.folded)
    assert len(folded) > 1 or mode == "full"
