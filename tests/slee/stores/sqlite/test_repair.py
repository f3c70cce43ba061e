"""Repair shows what it would drop before it drops it, and keeps what stands before the damage (DUR-5)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from slee.api.errors import JournalError, JournalInUseError
from slee.kernel.journal import Entry
from slee.stores import JOURNAL_FOLDER
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite import repair as repairing
from slee.stores.sqlite.layout import DATABASE_FILE
from slee.stores.sqlite.mark import MARK_FILE
from slee.stores.sqlite.repair import examine, repair
from tests.slee.stores.sqlite.test_damage import Sample, make


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("closed"), closed=True)


def place(sample: Sample, state_dir: Path, **changed: bytes) -> Path:
    directory = state_dir / JOURNAL_FOLDER
    directory.mkdir()
    for name, content in {**sample.files, **changed}.items():
        (directory / name).write_bytes(content)
    return directory


def damage_log(sample: Sample) -> bytes:
    """The database with one octet changed in the value of a record in the log."""
    content = bytearray(sample.files[DATABASE_FILE])
    key, value = next(
        (key, value) for key, value in sample.states[395].items() if len(value) > 200 and key in sample.states[-1]
    )
    offset = content.rfind(value[20:60])
    assert offset > 0, key
    content[offset] ^= 1
    return bytes(content)


def test_dur_5_damage_is_shown_and_the_journal_left_alone(sample: Sample, tmp_path: Path) -> None:
    directory = place(sample, tmp_path, **{DATABASE_FILE: damage_log(sample)})
    with pytest.raises(JournalError, match="damaged"):
        SqliteJournal(directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.endswith("-shm")}
    result = CliRunner().invoke(main, ["journal", "show", "--json", "--state-dir", str(tmp_path)])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert "[DUR-5]" in told["damage"]
    assert told["dropped"]
    result = CliRunner().invoke(main, ["journal", "repair", "--state-dir", str(tmp_path)], input="n\n")
    assert result.exit_code == 1
    for line in told["dropped"]:
        assert line["dropped"] in result.stdout
    assert {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.endswith("-shm")} == before


def test_dur_5_repair_keeps_what_stands_before_the_damage(sample: Sample, tmp_path: Path) -> None:
    damaged = damage_log(sample)
    directory = place(sample, tmp_path, **{DATABASE_FILE: damaged})
    result = CliRunner().invoke(main, ["journal", "repair", "--yes", "--json", "--state-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["repaired"]
    assert (Path(told["damaged_files"]) / DATABASE_FILE).read_bytes() == damaged
    journal = SqliteJournal(directory)
    recovery = journal.recovery
    assert recovery.sequence == told["last_record"] < 400
    assert len(recovery.entries) == told["keys"]
    assert journal.append([]) == recovery.sequence + 1
    journal.close()


def test_dur_5_repair_of_a_lost_mark_keeps_everything(sample: Sample, tmp_path: Path) -> None:
    directory = place(sample, tmp_path, **{MARK_FILE: b"nonsense"})
    found = examine(directory)
    assert "high-water mark" in found.problem
    assert found.dropped == ["the high-water mark, and with it the knowledge whether the last records are there"]
    done, _ = repair(directory)
    assert (done.sequence, done.entries) == (400, sample.states[400])
    journal = SqliteJournal(directory)
    assert (journal.recovery.sequence, journal.recovery.entries) == (400, sample.states[400])
    assert journal.recovery.epoch > done.epoch
    journal.close()


def test_dur_5_repair_of_anything_leaves_a_journal_that_opens(sample: Sample, tmp_path: Path) -> None:
    rng = random.Random(3)
    content = sample.files[DATABASE_FILE]
    repaired = 0
    for number in range(60):
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 20))):
            changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
        if number % 5 == 0:
            del changed[rng.randrange(len(changed)) :]
        state_dir = tmp_path / str(number)
        state_dir.mkdir()
        directory = place(sample, state_dir, **{DATABASE_FILE: bytes(changed)})
        try:
            found = examine(directory)
        except JournalError as error:
            assert "another" in str(error) or "this program reads" in str(error)
            continue
        if found.problem:
            assert found.dropped
            repair(directory)
            repaired += 1
        journal = SqliteJournal(directory)
        known = {(key, value) for state in sample.states for key, value in state.items()}
        assert set(journal.recovery.entries.items()) <= known, "nothing is invented"
        journal.close()
    assert repaired > 10


def test_dur_5_sound_journal_is_not_repaired(sample: Sample, tmp_path: Path) -> None:
    directory = place(sample, tmp_path)
    assert examine(directory).problem == ""
    with pytest.raises(JournalError, match="not damaged"):
        repair(directory)
    result = CliRunner().invoke(main, ["journal", "show", "--state-dir", str(tmp_path)])
    assert result.exit_code == 0
    assert "400" in result.stdout


def test_dur_16_repair_leaves_a_journal_that_is_open(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    with pytest.raises(JournalInUseError):
        repair(tmp_path)
    journal.close()
    assert examine(tmp_path).exists


def test_dur_16_a_journal_that_a_process_writes_to_is_not_taken_for_damaged(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path)
    journal.append([Entry(b"E1", b"value")])
    script = (
        "from pathlib import Path\nfrom slee.stores.sqlite.repair import examine\n"
        f"try: examine(Path({str(tmp_path)!r}))\nexcept Exception as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    journal.close()
    assert told.startswith("JournalInUseError")
    assert f"process {os.getpid()}" in told
    assert "[DUR-16]; stop it first" in told


def test_dur_5_damaged_files_of_an_earlier_repair_are_never_in_the_way(sample: Sample, tmp_path: Path) -> None:
    directory = place(sample, tmp_path, **{MARK_FILE: b"nonsense"})
    (directory / "damaged-2").mkdir()  # and an operator has deleted the first
    _, kept = repair(directory)
    assert kept.name == "damaged-3"


def test_dur_5_a_repair_that_was_interrupted_begins_again_with_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = make(tmp_path / "made", closed=False)
    directory = place(killed, tmp_path, **{MARK_FILE: b"nonsense"})
    before = examine(directory)
    assert before.sequence == 400

    class Kill(BaseException):
        """The process ends here."""

    def die(*_: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(repairing, "create", die)
        with pytest.raises(Kill):
            repair(directory)
    with pytest.raises(JournalError, match="slee journal repair"):
        SqliteJournal(directory)
    assert examine(directory).entries == before.entries
    done, kept = repair(directory)
    assert (done.sequence, done.entries) == (400, killed.states[400])
    assert [path.name for path in directory.glob("damaged-*")] == [kept.name]
    assert (kept / MARK_FILE).read_bytes() == b"nonsense"
    journal = SqliteJournal(directory)
    assert journal.recovery.entries == killed.states[400]
    journal.close()


def test_dur_5_a_file_that_cannot_be_read_is_told_in_a_line(sample: Sample, tmp_path: Path) -> None:
    directory = place(sample, tmp_path)
    (directory / MARK_FILE).unlink()
    (directory / MARK_FILE).mkdir()
    with pytest.raises(JournalError, match=r"it cannot be read: .*directory.* \[DUR-5\]; run this as"):
        examine(directory)
