"""A server is killed while profiles are written, and started again: on SQLite and on PostgreSQL (PRF-46, DUR-4)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from slee.api.errors import StateDirectoryError
from slee.kernel.journal import Entry
from slee.kernel.profile_storage import RowChange
from slee.management.management import Equipment
from slee.model.descriptor import Durability
from slee.runtime.slee import Slee
from slee.stores import open_store
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


async def _looked_at(folder: Path, url: str, look: Callable[[Slee], object], journal: bool) -> object:
    slee = compose(folder, url, RecordingResource(RA), Durability.SYNC, journal=journal)
    try:
        slee.start(Equipment())
        return look(slee)
    finally:
        slee.close()


def looked_at(folder: Path, url: str, look: Callable[[Slee], object], *, journal: bool = True) -> object:
    """Start the server in this process, see what it has, and close it; without a journal as store.kind = "memory"."""
    return anyio.run(_looked_at, folder, url, look, journal)


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


def left_in_journal(folder: Path, url: str, key: bytes) -> None:
    """Leave a change in the journal that the database has not got, as a kill between the two does."""

    def change(slee: Slee) -> tuple[int, bytes]:
        following, table = slee.profiles.following, slee.profiles.table("Total")
        assert following.storage is not None
        row = table.descriptor.row({"count": 77})
        if key == b"P":
            return following.target + 1, following.storage.encoded([RowChange("Total", "all", row)])
        return 1, following.storage.encoded_undo("Total", table.descriptor, {"all": (row, (1, "label 1"))})

    position, octets = looked_at(folder, url, change)
    journal = open_store("sqlite", folder)
    journal.append([Entry(b"%b%d" % (key, position), octets)])
    journal.close()


@pytest.mark.parametrize("key", [b"P", b"Pu"])
def test_prf_46_the_store_is_not_changed_to_memory_while_changes_wait_in_the_journal(
    key: bytes, database: DatabaseUnderTest, tmp_path: Path
) -> None:
    folder, url = tmp_path / "state", database.url
    looked_at(folder, url, count)
    left_in_journal(folder, url, key)
    with pytest.raises(StateDirectoryError, match=r"lacks \[PRF-46\]; start once with store.kind = \"sqlite\""):
        looked_at(folder, url, counted, journal=False)
    # What the message says helps, and nothing was lost by the attempt.
    assert looked_at(folder, url, lambda slee: slee.profiles.table("Total").resident.rows["all"][0]) == 77
    looked_at(folder, url, count, journal=False)


def test_prf_46_the_store_may_be_memory_for_a_while_and_what_was_written_meanwhile_stays(
    database: DatabaseUnderTest, tmp_path: Path
) -> None:
    folder, url = tmp_path / "state", database.url

    def write(label: str) -> Callable[[Slee], None]:
        return lambda slee: slee.profiles.put_rows("Total", {label: (1, label)})

    def labels(slee: Slee) -> set[str]:
        return set(slee.profiles.profiles("Total"))

    looked_at(folder, url, write("journalled"))
    for number in range(5):
        looked_at(folder, url, write(f"memory {number}"), journal=False)
    looked_at(folder, url, write("journalled again"))
    expected = {"journalled", "journalled again", *(f"memory {number}" for number in range(5))}
    assert looked_at(folder, url, labels) == expected
    assert looked_at(folder, url, labels, journal=False) == expected


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
