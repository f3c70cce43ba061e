"""A disk that is full or read-only while the journal is open, with real files (DUR-13)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slee.api.errors import JournalError
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite.reading import read
from tests.slee.stores.sqlite import failing


def in_namespace(directory: Path, script: str) -> list[str]:
    """The beginning of a command that runs with a small disk of its own on a directory; skips where that is barred."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare on this machine")
    mount = f"mount -t tmpfs -o size=3m none '{directory}' && {script}"
    start = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    probe = subprocess.run([*start, f"mount -t tmpfs none '{directory}'"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no disk of its own can be mounted in a user namespace: {probe.stderr.strip()}")
    return [*start, f'{mount} && exec "$@"', "sh"]


def run(kind: str, place: Path, *, mended: bool = True, before: list[str] | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", failing.__name__, kind, str(place), "mended" if mended else "closed"]
    done = subprocess.run([*(before or []), *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["limit", "read-only", "full"])
def test_dur_13_goes_on_by_itself_when_the_disk_takes_writes_again(tmp_path: Path, kind: str) -> None:
    keep = tmp_path / "kept"
    if kind == "full":
        disk = tmp_path / "disk"
        disk.mkdir()
        before = in_namespace(disk, f"trap 'cp -r {disk}/journal {keep}' EXIT")
        before[-2] = before[-2].replace('exec "$@"', '"$@"')
        found = run(kind, disk / "journal", before=before)
    else:
        found = run(kind, keep)
    assert found["told"] == ["failing", "writing"]
    assert found["before"] == failing.RECORDS // 3
    assert 0 < found["waiting"] <= 2 * failing.RECORDS // 3
    assert found["octets"] >= found["waiting"] * 1000
    assert found["age"] > 0.0
    assert found["reason"]
    assert found["acknowledged"] == failing.RECORDS
    contents = read(keep)
    assert contents is not None
    assert contents.entries == {b"E%d" % number: b"%d" % number * 1000 for number in range(1, failing.RECORDS + 1)}
    assert contents.report == ""


def test_dur_13_closing_on_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    found = run("limit", tmp_path / "journal", mended=False)
    assert found["told"] == ["failing"]
    contents = read(tmp_path / "journal")
    assert contents is not None
    assert found["acknowledged"] <= contents.sequence < failing.RECORDS
    assert len(contents.entries) == contents.sequence


def test_dur_13_start_on_a_read_only_disk_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "disk" / "journal"
    place.mkdir(parents=True)
    code = f"""
from pathlib import Path
from slee.api.errors import JournalError
from slee.stores.sqlite import SqliteJournal
try:
    SqliteJournal(Path({str(place)!r}))
except JournalError as error:
    print(error)
"""
    if os.geteuid() != 0:
        place.chmod(0o500)
        with pytest.raises(JournalError, match=r"cannot be written.*\[DUR-13\]; make room"):
            SqliteJournal(place)
        return
    before = in_namespace(place.parent, f"mkdir {place} && mount -o remount,ro {place.parent}")
    done = subprocess.run([*before, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot be written" in done.stdout, done.stderr
    assert "[DUR-13]; make room" in done.stdout
