"""The state directory: one file that is replaced, a format, a lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slee.api.errors import StateDirectoryError
from slee.management.store import BundleRecord, Desired, ResourceRecord, StateDirectory, read_desired


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateDirectory]:
    store = StateDirectory(tmp_path / "state")
    yield store
    store.close()


SOME = Desired(
    running=False,
    equipped=True,
    bundles=(BundleRecord("a.whl", "00", 1.5, {"Sbb": {"key": [1, "x"]}}),),
    services={"ServiceID[name=a,vendor=b,version=c]": True},
    resources={"sip": ResourceRecord("adaptor", "sip", {"t1": 0.5}, True, ("sip-main",))},
)


def test_a_first_boot_should_run_and_has_nothing(store: StateDirectory) -> None:
    assert store.desired == Desired(running=True, equipped=False)


def test_what_is_changed_is_read_back(store: StateDirectory) -> None:
    with store.changing(SOME):
        assert read_desired(store.path) == SOME
    store.close()
    again = StateDirectory(store.path)
    assert again.desired == SOME
    again.close()


def test_a_change_whose_work_fails_is_taken_back(store: StateDirectory) -> None:
    with pytest.raises(RuntimeError), store.changing(SOME):
        raise RuntimeError
    assert store.desired == Desired() == read_desired(store.path)


def test_changes_made_together_are_written_at_the_end_or_never(store: StateDirectory) -> None:
    with store.together():
        with store.changing(SOME):
            pass
        assert (store.desired, read_desired(store.path)) == (SOME, Desired())
    assert read_desired(store.path) == SOME
    with pytest.raises(RuntimeError), store.together(), store.changing(Desired()):
        raise RuntimeError
    assert store.desired == SOME == read_desired(store.path)


def test_a_directory_is_held_by_one_process(store: StateDirectory) -> None:
    with pytest.raises(StateDirectoryError, match="another process runs on it"):
        StateDirectory(store.path)


def test_another_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("slee state 2\n")
    with pytest.raises(StateDirectoryError, match="another version, 'slee state 2'"):
        StateDirectory(tmp_path)
    with pytest.raises(StateDirectoryError):
        read_desired(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["format"]


def test_a_directory_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(StateDirectoryError, match="no SLEE state"):
        StateDirectory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(StateDirectoryError, match="no directory"):
        StateDirectory(tmp_path / "thesis.txt")


@pytest.mark.parametrize("text", ["{", '{"running": 1}', '{"runing": true}'])
def test_desired_state_that_cannot_be_read_is_told(store: StateDirectory, text: str) -> None:
    store.close()
    (store.path / "desired.json").write_text(text)
    with pytest.raises(StateDirectoryError, match=r"desired\.json: it cannot be read"):
        StateDirectory(store.path)
    assert (store.path / "desired.json").read_text() == text


def test_a_start_sweeps_away_archives_that_nobody_names(store: StateDirectory) -> None:
    store.write_bundle("00", b"kept")
    store.write_bundle("11", b"lost in a crash")
    (store.path / "bundles" / ".22.whl.new").write_bytes(b"half")
    with store.changing(SOME):
        pass
    store.close()
    again = StateDirectory(store.path)
    assert [path.name for path in (store.path / "bundles").iterdir()] == ["00.whl"]
    assert again.read_bundle(BundleRecord("a.whl", "00", 1.5)) == b"kept"
    with pytest.raises(StateDirectoryError):
        again.read_bundle(BundleRecord("b.whl", "11", 1.5))
    again.close()


def test_files_are_for_this_user_only(store: StateDirectory) -> None:
    with store.changing(SOME):
        store.write_bundle("00", b"x")
    assert (store.path.stat().st_mode & 0o777, (store.path / "bundles").stat().st_mode & 0o777) == (0o700, 0o700)
    for name in ("desired.json", "format", "bundles/00.whl"):
        assert (store.path / name).stat().st_mode & 0o777 == 0o600
