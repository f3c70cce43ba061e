"""A server is killed while profiles are written, and started again: on SQLite and on PostgreSQL (PRF-46, DUR-4)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from slee.api.errors import StateDirectoryError
from slee.management.management import Equipment
from slee.model.descriptor import Durability
from slee.runtime.slee import Slee
from slee.testing import RecordingResource
from tests.profile_databases import DatabaseUnderTest
from tests.slee.runtime.counting import RA, compose, count

ROOT = Path(__file__).parents[3]
LIVES = 3


def killed(folder: Path, url: str, *arguments: str, lines: int) -> int:
    """Run the server until it has printed so many lines, and kill it; the last whole line as a number."""
    program = [sys.executable, "-m", "tests.slee.runtime.counting", str(folder), url, *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        last = ""
        try:
            for _ in range(lines):
                last = process.stdout.readline()
        finally:
            process.kill()
        rest = [line for line in process.stdout if line.endswith("\n")]
    return int((rest or [last])[-1])


async def _looked_at(folder: Path, url: str, look: Callable[[Slee], object]) -> object:
    slee = compose(folder, url, RecordingResource(RA), Durability.SYNC)
    try:
        slee.start(Equipment())
        return look(slee)
    finally:
        slee.close()


def looked_at(folder: Path, url: str, look: Callable[[Slee], object]) -> object:
    """Start the server in this process, see what it has, and close it."""
    return anyio.run(_looked_at, folder, url, look)


def counted(slee: Slee) -> tuple[object, list[object]]:
    """What the profile says, and what the entities say."""
    (service,) = slee.kernel.services.values()
    return slee.profiles.table("Total").resident.rows["all"][0], [root.state["count"] for root in service.roots]


def test_prf_46_what_was_answered_is_there_after_a_kill(database: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    told = 0
    for life in range(LIVES):
        told = max(told, killed(folder, database.url, lines=40 + 25 * life))
        total, entities = looked_at(folder, database.url, counted)
        assert total >= told
        assert max(entities) == total
        ((stored,),) = database.outside("SELECT count FROM profile_1_total WHERE profile_name = 'all'")
        assert stored == total


def test_prf_46_a_kill_within_an_import_leaves_nothing_of_it(database: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    looked_at(folder, database.url, count)
    for life in range(LIVES):
        assert killed(folder, database.url, "import", lines=30 + 20 * life) > 0
        rows = looked_at(folder, database.url, lambda slee: dict(slee.profiles.table("Total").resident.rows))
        assert rows == {"all": (1, "label 1")}
        assert database.outside("SELECT count(*) FROM profile_1_total") == [(1,)]


def test_prf_46_a_database_of_another_slee_is_refused(database: DatabaseUnderTest, tmp_path: Path) -> None:
    looked_at(tmp_path / "one", database.url, count)
    with pytest.raises(StateDirectoryError, match=r"follows the journal of another SLEE.*\[PRF-46\]"):
        looked_at(tmp_path / "two", database.url, count)
    database.outside("DELETE FROM slee_profile_owner")
    assert looked_at(tmp_path / "two", database.url, lambda slee: slee.profiles.profiles("Total")) == ("all",)


def test_prf_46_a_database_that_was_lost_is_not_taken_for_a_new_one(
    database: DatabaseUnderTest, tmp_path: Path
) -> None:
    looked_at(tmp_path / "one", database.url, count)
    looked_at(tmp_path / "one", database.url, count)  # the journal has let go of the first change by now
    with pytest.raises(StateDirectoryError, match=r"restore the database.*|same backup"):
        looked_at(tmp_path / "one", f"sqlite:///{tmp_path}/new.sqlite", count)
