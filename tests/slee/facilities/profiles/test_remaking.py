"""A profile table comes to another version of its specification: whole, beside its use, in memory and database alike.

On each database; a restart in the middle finds the old table, and one after it the new one (UPG-15).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from slee import Profile, attribute, migrates
from slee.api.errors import NoSuchObjectError, SchemaMismatchError, UpgradeError
from slee.api.ids import ProfileSpecificationID
from slee.facilities.profiles.remaking import TableRemaking
from slee.facilities.profiles.tables import ProfileTables
from slee.model.profile import describe_profile
from slee.model.profile_migration import profile_changes, profile_migration_issues
from slee.stores.profiles.database import open_profile_database
from slee.testing import SleeHarness
from tests.profile_databases import DatabaseUnderTest


class Mood(enum.Enum):
    GOOD = "good"


class OtherMood(enum.Enum):
    """What the next version's own module makes of the same enumeration."""

    GOOD = "good"
    BAD = "bad"


OtherMood.__name__ = OtherMood.__qualname__ = "Mood"


class Old(Profile, vendor="test", version="1.0", name="Person"):
    number: str | None = attribute(None, unique=True)
    age: int = 0
    mood: Mood = Mood.GOOD


class Wider(Profile, vendor="test", version="1.1", name="Person"):
    """An attribute more, in another order, and one that may be None now."""

    note: str = "none"
    mood: OtherMood = OtherMood.GOOD
    age: int | None = attribute(0, indexed=True)
    number: str | None = attribute(None, unique=True)


class Renamed(Profile, vendor="test", version="2.0", name="Person"):
    """An attribute is renamed, another is gone."""

    phone: str | None = attribute(None, unique=True)
    mood: OtherMood = OtherMood.GOOD

    @staticmethod
    @migrates(from_version="1.0")
    def from_1_0(old: Mapping[str, Any]) -> dict[str, object]:
        return {"phone": old["number"], "mood": old["mood"]}


class Adult(Profile, vendor="test", version="1.2", name="Person"):
    number: str | None = None
    age: Annotated[int, Field(ge=18)] = attribute(18, unique=True)
    mood: OtherMood = OtherMood.GOOD


SPECIFICATIONS = {"1.0": Old, "1.1": Wider, "2.0": Renamed, "1.2": Adult}


class Site:
    """A SLEE on a profile database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.start()

    def start(self) -> None:
        harness = SleeHarness()
        self.database = open_profile_database(self.url, Path("/nowhere"))
        self.tables = ProfileTables(harness.kernel, harness.facilities, self.database)
        for specification in SPECIFICATIONS.values():
            self.tables.add_specification(describe_profile(specification))
        for specification in SPECIFICATIONS.values():
            self.tables.load_stored(specification.specification_id)

    def restart(self) -> None:
        self.database.close()
        self.start()

    def put(self, name: str, **values: object) -> None:
        table = self.tables.table("people")
        self.tables.put_rows("people", {name: table.descriptor.row(values, table.resident.rows.get(name))})

    def prepared(self, version: str, **options: Any) -> TableRemaking:
        remaking = TableRemaking(self.tables, "people", identity(version), "up1", **options)
        for wait in remaking.prepare():
            if wait is not None:
                wait()
        return remaking

    def exchange(self, remaking: TableRemaking) -> None:
        remaking.judge()
        self.tables.exchange(remaking)

    def rows(self) -> dict[str, dict[str, object]]:
        table = self.tables.table("people")
        return {name: table.descriptor.values(row) for name, row in sorted(table.resident.rows.items())}


def identity(version: str) -> ProfileSpecificationID:
    return SPECIFICATIONS[version].specification_id


@pytest.fixture
def site(database: DatabaseUnderTest) -> Iterator[Site]:
    site = Site(database.url)
    site.tables.create_table("people", identity("1.0"))
    for number in range(300):
        site.put(f"p{number}", number=str(number), age=number)
    yield site
    site.database.close()


def test_a_table_comes_to_another_version_and_is_the_same_after_a_restart(site: Site) -> None:
    site.tables.put_rows("people", {"odd \0 name'\"": site.tables.table("people").descriptor.row({"number": "x"})})
    site.exchange(site.prepared("1.1"))
    rows = site.rows()
    assert len(rows) == 301
    assert rows["p7"] == {"note": "none", "mood": OtherMood.GOOD, "age": 7, "number": "7"}
    assert site.tables.find_by("people", "number", "7") == ("p7",)
    site.put("p7", note="changed", age=None)
    site.put("new", number="new", note="n")
    rows = site.rows()
    site.restart()
    assert site.rows() == rows
    assert site.tables.table("people").descriptor.id == identity("1.1")


def test_what_changes_meanwhile_is_brought_along(site: Site) -> None:
    remaking = site.prepared("2.0")
    site.put("p1", number="changed")
    site.tables.remove("people", "p2")
    site.put("new", number="2")
    assert site.rows()["p1"]["number"] == "changed"
    site.exchange(remaking)
    site.put("p3", phone="p3's")
    rows = site.rows()
    assert "p2" not in rows
    assert [rows[name]["phone"] for name in ("p1", "p3", "new")] == ["changed", "p3's", "2"]
    site.restart()
    assert site.rows() == rows


def test_a_restart_before_the_exchange_finds_the_old_table(site: Site, database: DatabaseUnderTest) -> None:
    site.prepared("2.0")
    rows = site.rows()
    site.restart()
    assert site.rows() == rows
    assert site.tables.table("people").descriptor.id == identity("1.0")
    assert database.outside("SELECT * FROM slee_profile_remakes") == []
    site.exchange(site.prepared("2.0"))
    assert site.rows()["p1"] == {"phone": "1", "mood": OtherMood.GOOD}


def test_profiles_that_do_not_fit_are_named_and_nothing_changes(site: Site) -> None:
    with pytest.raises(UpgradeError) as refused:
        site.prepared("1.2")
    assert "people/p0.age: Input should be greater than or equal to 18 [UPG-15]" in str(refused.value)
    assert site.tables.table("people").descriptor.id == identity("1.0")
    for number in range(20):
        site.put(f"p{number}", age=100)
    with pytest.raises(UpgradeError, match=r"people/p\d+.age: p\d+ and p\d+ have the same value \[PRF-18\]"):
        site.prepared("1.2")
    rows = site.rows()
    site.restart()
    assert site.rows() == rows


def test_a_profile_that_stops_to_fit_meanwhile_is_named_at_the_exchange(site: Site) -> None:
    for number in range(300):
        site.put(f"p{number}", age=1_000 + number)
    remaking = site.prepared("1.2")
    site.put("p5", age=3)
    with pytest.raises(UpgradeError, match=r"people/p5.age: Input should be greater"):
        remaking.judge()
    remaking.abandon()
    site.put("p5", age=5)
    assert site.database.flush(15.0)
    assert site.database.status().reason == ""
    rows = site.rows()
    site.restart()
    assert site.rows() == rows


def test_the_way_back_takes_from_the_backup_what_the_version_between_did_not_know(site: Site) -> None:
    site.put("p1", age=77)
    site.exchange(site.prepared("2.0"))
    site.put("p1", phone="new")
    site.put("later", phone="l")
    assert site.database.flush(15.0)
    earlier = site.database.backup("up1", "people", site.tables.descriptor(identity("1.0")))
    assert earlier["p1"] == ("1", 77, Mood.GOOD)
    remaking = site.prepared("1.0", earlier=earlier, mends=True)
    site.exchange(remaking)
    rows = site.rows()
    assert rows["p1"] == {"number": "1", "age": 77, "mood": Mood.GOOD}
    assert rows["later"] == {"number": None, "age": 0, "mood": Mood.GOOD}
    site.restart()
    assert site.rows() == rows


def test_a_reference_from_before_the_exchange_is_refused(site: Site) -> None:
    old = site.tables.table("people")
    reference = old.refer(old, "p1", False)
    site.exchange(site.prepared("1.1"))
    kernel = old.kernel
    tx = kernel.begin()
    with pytest.raises(NoSuchObjectError, match="find it anew"):
        _ = reference.age
    assert not reference.is_valid
    kernel.roll_back(tx)


def test_a_table_of_another_version_is_not_loaded_unseen(site: Site) -> None:
    site.exchange(site.prepared("1.1"))
    assert site.database.flush(15.0)
    with pytest.raises(SchemaMismatchError):
        list(site.database.load("people", site.tables.descriptor(identity("1.0"))))


def test_upg_10_what_is_gone_or_of_another_type_needs_a_declaration() -> None:
    old, wider, renamed, adult = (describe_profile(s) for s in SPECIFICATIONS.values())
    assert list(profile_migration_issues(old, wider)) == []
    assert list(profile_migration_issues(old, renamed)) == []
    remedy = "and no migration from 1.1 [UPG-10]; declare @migrates for 1.1 and 1.2"
    assert [str(issue) for issue in profile_migration_issues(wider, adult)] == [
        f"{adult.id}: attribute note of {wider.id} is gone, {remedy}",
        f"{adult.id}: attribute age becomes int, it was int | None, {remedy}",
    ]
    assert list(profile_changes(old, wider)) == [
        "note is new, 'none' where nothing else is said",
        "age becomes int | None, it was int",
        "age is indexed",
    ]


def test_the_old_table_is_kept_as_a_backup(site: Site, database: DatabaseUnderTest, tmp_path: Path) -> None:
    site.database.back_up("up1")
    site.exchange(site.prepared("2.0"))
    assert site.database.flush(15.0)
    [(kept,)] = database.outside("SELECT sql_name FROM slee_profile_remakes WHERE state = 'backup'")
    assert database.outside(f"SELECT count(*) FROM {kept}") == [(300,)]
    copy = tmp_path / "profiles.sqlite.up1.backup"
    if database.server is None:
        again = open_profile_database(f"sqlite:///{copy}", tmp_path)
        assert len(dict(again.load("people", site.tables.descriptor(identity("1.0"))))) == 301
        again.close()
    site.database.forget_backup("up1")
    assert site.database.flush(15.0)
    assert site.database.status().reason == ""
    assert database.outside("SELECT * FROM slee_profile_remakes") == []
