"""A bundle's manifest may give the profiles that its table begins with (DU-24)."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.builder import Built
from slee.api.errors import DeploymentError
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
    with pytest.raises(DeploymentError, match=r"people.toml:3: bob/age: 'old' is no int"):
        server.install(bundle)
    assert server.management.profiles.tables() == ()
    assert len(server.bundles.list()) == 1
    server.close()


def test_du_10_a_seed_that_is_not_there_is_told_by_the_build(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"people.toml: it cannot be read: No such file"):
        seeded(tmp_path, None)
