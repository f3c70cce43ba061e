"""A bundle's manifest may give the profiles that its table begins with (DU-24)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.builder import Built
from slee import Profile
from slee.api.errors import DeploymentError
from slee.management.profile_tables import BundleTables
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import SleeHarness
from slee.testing.faults import (
    JOURNAL_ACKNOWLEDGED,
    JOURNAL_APPEND,
    JOURNAL_APPENDED,
    PROFILES_WRITE,
    PROFILES_WRITTEN,
    Crash,
)
from tests.deploy.workshop import Server, build, manifest, write

SOURCE = """
from slee import Profile

class Person(Profile, vendor="test", version="1.0"):
    age: int = 5
"""
TABLE = '[[profile-table]]\nname = "people"\nspecification = "profiles.person:Person"\nseed = "people.toml"\n'


def seeded(folder: Path, seed: str | None) -> Built:
    files = {"bundle.toml": manifest("people", "1.0", '"profiles.person"', TABLE), "profiles/person.py": SOURCE}
    if seed is not None:
        files["people.toml"] = seed
    return build(write(folder / "source", files))


def test_du_24_a_new_table_begins_with_the_profiles_of_its_seed(tmp_path: Path) -> None:
    server = Server(tmp_path / "state", database=f"sqlite:///{tmp_path}/profiles.sqlite")
    server.install(seeded(tmp_path, '[profile."ann"]\nage = 7\n[profile."bob"]\n'))
    assert [(p.profile, p.values["age"]) for p in server.management.profiles.find("people")] == [("ann", 7), ("bob", 5)]
    server.management.profiles.remove("people", "bob")
    server.management.profiles.set("people", {"age": 8}, "ann")
    again = server.restart()
    assert [(p.profile, p.values["age"]) for p in again.management.profiles.find("people")] == [("ann", 8)]
    server.close()


def test_du_17_a_seed_that_does_not_fit_leaves_nothing_of_the_bundle(tmp_path: Path) -> None:
    server = Server(tmp_path / "state")
    bundle = seeded(tmp_path, '[profile."ann"]\nage = 7\n[profile."bob"]\nage = "old"\n')
    with pytest.raises(DeploymentError, match=r"people.toml:4: bob/age: 'old' is no int"):
        server.install(bundle)
    assert server.management.profiles.tables() == ()
    assert len(server.bundles.list()) == 1
    server.close()


def test_du_10_a_seed_that_is_not_there_is_told_by_the_build(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"people.toml: it cannot be read: No such file"):
        seeded(tmp_path, None)


def test_du_24_a_kill_between_a_table_and_its_seed_leaves_no_table_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a journal: what the database has at any moment between is no table, or all of it."""
    server = Server(tmp_path / "state", database=f"sqlite:///{tmp_path}/profiles.sqlite")
    sow = BundleTables._sow
    moments: list[Path] = []

    def copied() -> None:
        assert server.database is not None
        assert server.database.flush(5.0)
        moments.append(tmp_path / f"copy{len(moments)}.sqlite")
        with sqlite3.connect(tmp_path / "profiles.sqlite") as source, sqlite3.connect(moments[-1]) as copy:
            source.backup(copy)
        source.close()
        copy.close()

    def killed_about(tables: BundleTables, *seed: Any) -> None:
        copied()
        sow(tables, *seed)
        copied()

    monkeypatch.setattr(BundleTables, "_sow", killed_about)
    bundle = seeded(tmp_path, '[profile."ann"]\nage = 7\n[profile."bob"]\n')
    server.install(bundle)
    monkeypatch.undo()
    copied()
    server.close()
    for number, moment in enumerate(moments):
        again = Server(tmp_path / f"state{number}", database=f"sqlite:///{moment}")
        again.install(bundle)
        assert [p.profile for p in again.management.profiles.find("people")] == ["ann", "bob"], number
        again.close()
    assert len(moments) == 3


class Sown(Profile, vendor="test", version="1.0"):
    """Of a table with a seed."""

    age: int = 5


SEED = "".join(f'[profile."p{n}"]\nage = {n}\n' for n in range(200)).encode()
SOWN: Any = SimpleNamespace(
    components=[SimpleNamespace(definition=Sown)],
    tables=[("sown", Sown.specification_id)],
    seeds={"sown": ("sown.toml", SEED)},
    manifest=SimpleNamespace(id="sown"),
)
"""As much of a bundle that has been loaded as makes its tables."""


@pytest.mark.parametrize("survivors", [0, 1])
@pytest.mark.parametrize(
    "point", [JOURNAL_APPEND, JOURNAL_APPENDED, JOURNAL_ACKNOWLEDGED, PROFILES_WRITE, PROFILES_WRITTEN]
)
def test_prf_46_a_crash_wherever_it_falls_leaves_a_new_table_whole_or_lets_it_be_made_anew(
    point: str, survivors: int
) -> None:
    disk = SimulatedDisk(faults=StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0)))
    slee = SleeHarness(journal=disk)
    slee.profiles.provide(Sown, "other")
    slee.profiles.remove_table("other")
    slee.run()
    BundleTables(slee.profiles).take_in(SOWN)
    slee.faults.inject(point, Crash())
    with pytest.raises(Crash):
        slee.run()
    with slee.crash(survivors=survivors) as again:
        BundleTables(again.profiles).take_in(SOWN)
        assert len(again.profiles.profiles("sown")) == 200
        again.run()
