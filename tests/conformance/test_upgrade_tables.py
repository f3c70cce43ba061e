"""Profile tables come to another version with the upgrade of their bundle: planned, shown, applied, and taken back.

On each kind of database; a crash at any point ends in old or new (UPG-9, UPG-10, UPG-13, UPG-15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slee.api.errors import UpgradeError
from slee.management.upgrade_tables import UpgradeTables
from tests.deploy.echo import Heard
from tests.deploy.workshop import Server, build, manifest, write
from tests.profile_databases import DatabaseUnderTest

PERSON = """
import enum
from collections.abc import Mapping
from typing import Any

from slee import Profile, attribute, migrates

class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"

class Person(Profile, vendor="test", version="{version}"):
    mood: Mood = Mood.GOOD
    {body}
"""
V1 = "number: str | None = attribute(None, unique=True)\n    age: int = 5"
WIDER = f"{V1}\n    note: str = 'none'"
GONE = "number: str | None = attribute(None, unique=True)"
RENAMED = """phone: str | None = attribute(None, unique=True)

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return {"phone": old["number"], "mood": old["mood"]}

    @staticmethod
    @migrates(to_version="1.0")
    def down(new: Mapping[str, Any]) -> dict[str, object]:
        return {"number": new["phone"], "mood": new["mood"], "age": 1}
"""
NEXT = "ProfileSpecificationID[name=Person,vendor=test,version=1.1]"
TABLE = '[[profile-table]]\nname = "people"\nspecification = "profiles.person:Person"\n'
WAY = '[upgrade]\n"1.*" = { up = "drain", down = "drain" }\n'
SBB = """
from profiles.person import Person
from slee import ActivityContext, Sbb, Select, initial_event, profiles, resource
from tests.deploy.echo import ECHO, Heard

class Plain(Sbb, vendor="test", version="{version}"):
    echo = resource(ECHO)
    people = profiles(Person, table="people")

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: ActivityContext) -> None:
        self.echo.say(self.people.get("p1").{attribute})
"""
SERVICE = '[[service]]\nname = "Plain"\nroot-sbb = "sbbs.plain:Plain"\n[links]\nECHO = "echo-main"\n'


def bundle(folder: Path, version: str, body: str, upgrade: str = WAY) -> Any:
    """A bundle of a specification and its table, without services."""
    text = manifest("people", version, '"profiles.person"', TABLE + ("" if version == "1.0" else upgrade))
    source = PERSON.replace("{version}", version).replace("{body}", body)
    return build(write(folder / f"b{version}", {"bundle.toml": text, "profiles/person.py": source}))


@pytest.fixture
def start(tmp_path: Path, database: DatabaseUnderTest) -> Iterator[Callable[..., Server]]:
    """Starts a server with 200 profiles of version 1.0, and another bundle installed."""
    made: list[Server] = []

    def begin(version: str, body: str, upgrade: str = WAY) -> Server:
        server = Server(tmp_path / "state", database=database.url)
        made.append(server)
        server.kernel.start()
        server.install(bundle(tmp_path, "1.0", V1), bundle(tmp_path, version, body, upgrade))
        lines = "".join(f"p{n},{n},{n},bad\n" for n in range(200))
        profiles = server.management.profiles
        assert profiles.import_("people").run([f"profile_name,number,age,mood\n{lines}".encode()]).added == 200
        return server

    yield begin
    for server in made:
        server.close()


def person(server: Server, name: str = "p7") -> dict[str, Any]:
    return dict(server.management.profiles.show("people", name).values)


def upgraded(server: Server, **options: Any) -> str:
    plan = server.management.upgrades.plan(["people"], **options)
    assert plan.refusals == ()
    return server.management.upgrades.apply(plan.id).id


def test_upg_9_the_plan_shows_what_becomes_of_the_tables_and_changes_nothing(start: Callable[..., Server]) -> None:
    server = start("1.1", WIDER)
    plan = server.management.upgrades.plan(["people"])
    assert plan.steps[:2] == (
        "a backup of the profile tables is made",
        f"profile table people (200 profiles) comes to {NEXT}: note is new, 'none' where nothing else is said",
    )
    assert plan.refusals == ()
    assert person(server) == {"mood": "bad", "number": "7", "age": 7}


def test_upg_10_a_change_that_nothing_declares_is_refused_by_the_plan(start: Callable[..., Server]) -> None:
    server = start("1.1", GONE)
    plan = server.management.upgrades.plan(["people"])
    assert len(plan.refusals) == 1
    assert "attribute age of ProfileSpecificationID[name=Person,vendor=test,version=1.0] is gone" in plan.refusals[0]
    assert "declare @migrates for 1.0 and 1.1" in plan.refusals[0]
    with pytest.raises(UpgradeError, match="attribute age"):
        server.management.upgrades.apply(plan.id)
    assert person(server) == {"mood": "bad", "number": "7", "age": 7}


def test_upg_13_a_permanent_upgrade_is_there_after_a_restart_and_the_old_bundle_can_go(
    start: Callable[..., Server],
) -> None:
    server = start("1.1", WIDER)
    upgrade = upgraded(server)
    assert person(server) == {"mood": "bad", "number": "7", "age": 7, "note": "none"}
    server.management.profiles.set("people", {"note": "changed"}, "p7")
    server.management.profiles.add("people", "new", {"number": "n", "mood": "bad"})
    info = server.management.upgrades.make_permanent(upgrade)
    assert info.tables == ("people: ProfileSpecificationID[name=Person,vendor=test,version=1.1]",)
    server = server.restart()
    assert person(server)["note"] == "changed"
    assert person(server, "new")["mood"] == "bad"
    server.bundles.uninstall(next(b.id for b in server.bundles.list() if b.id.version == "1.0"))
    server = server.restart()
    assert person(server)["note"] == "changed"


def test_upg_13_a_rollback_brings_the_table_back_with_what_was_written_meanwhile(start: Callable[..., Server]) -> None:
    server = start("1.1", WIDER)
    upgrade = upgraded(server)
    server.management.profiles.set("people", {"number": "changed"}, "p7")
    server.management.profiles.remove("people", "p8")
    info = server.management.upgrades.rollback(upgrade)
    assert info.phase == "rolled-back"
    for _ in range(2):
        assert person(server) == {"mood": "bad", "number": "changed", "age": 7}
        assert len(server.profiles.table("people").resident.rows) == 199
        server = server.restart()
    assert upgraded(server) == upgrade
    assert person(server)["note"] == "none"


def test_upg_11_a_declared_migration_carries_profiles_up_and_down(start: Callable[..., Server]) -> None:
    server = start("2.0", RENAMED)
    upgrade = upgraded(server)
    assert person(server) == {"mood": "bad", "phone": "7"}
    assert server.profiles.find_by("people", "phone", "7") == ("p7",)
    server.management.upgrades.rollback(upgrade)
    assert person(server) == {"mood": "bad", "number": "7", "age": 1}


def test_profiles_that_do_not_fit_are_named_and_nothing_changes(start: Callable[..., Server]) -> None:
    body = "number: str | None = None\n    age: int = attribute(5, unique=True)"
    server = start("1.1", body)
    server.management.profiles.set("people", {"age": 7}, "p9")
    plan = server.management.upgrades.plan(["people"])
    assert "age is unique" in plan.steps[1]
    with pytest.raises(UpgradeError, match=r"people/p9.age: p7 and p9 have the same value \[PRF-18\]"):
        server.management.upgrades.apply(plan.id)
    assert server.management.upgrades.status() == ()
    server.management.profiles.set("people", {"age": 1_000}, "p9")
    assert person(server.restart())["number"] == "7"


def test_calls_pass_between_the_steps_and_what_they_write_is_brought_along(start: Callable[..., Server]) -> None:
    server = start("1.1", WIDER)
    plan = server.management.upgrades.plan(["people"])
    steps = server.management.upgrades.applying(plan.id)
    count = 0
    for count, wait in enumerate(steps.work(), 1):
        server.management.profiles.set("people", {"age": 1_000 + count}, "p7")
        with pytest.raises(UpgradeError, match="another upgrade is being applied|there is no such plan"):
            server.management.upgrades.apply(plan.id)
        if wait:
            wait()
    assert count > 3
    assert person(server)["age"] == 1_000 + count
    assert server.database is not None
    assert server.database.flush(15.0)
    server.management.upgrades.make_permanent(steps.result.id)
    assert person(server.restart())["age"] == 1_000 + count


@pytest.mark.parametrize("where", ["before the exchange", "after it", "database behind"])
def test_upg_15_a_crash_while_it_is_applied_ends_in_the_old_version(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    server = start("2.0", RENAMED)
    plan = server.management.upgrades.plan(["people"])

    def crash(*_: object) -> Any:
        raise KeyboardInterrupt

    if where == "before the exchange":
        monkeypatch.setattr(UpgradeTables, "exchange", crash)
    elif where == "after it":
        monkeypatch.setattr("slee.management.upgrades.written", crash)
    else:
        monkeypatch.setattr("slee.stores.profiles.remaking.SqlRemaking.switch", lambda *_: None)
        monkeypatch.setattr("slee.management.upgrades.written", crash)
    with pytest.raises(KeyboardInterrupt):
        server.management.upgrades.apply(plan.id)
    assert server.database is not None
    server.database.close()
    monkeypatch.undo()
    server = server.restart()
    for _ in range(2):
        assert server.management.upgrades.status()[0].phase == "rolled-back"
        age = 1 if where == "after it" else 7
        assert person(server) == {"mood": "bad", "number": "7", "age": age}
        server = server.restart()
    assert upgraded(server) == plan.id
    assert person(server) == {"mood": "bad", "phone": "7"}


def test_upg_13_a_restart_while_tentative_takes_lost_attributes_from_the_backup(start: Callable[..., Server]) -> None:
    only_up = RENAMED.partition("    @staticmethod\n    @migrates(to_version")[0]
    server = start("2.0", only_up)
    upgraded(server)
    server.management.profiles.set("people", {"phone": "new"}, "p7")
    server = server.restart()
    assert person(server) == {"mood": "bad", "number": "7", "age": 7}


def test_services_of_both_versions_read_the_table(tmp_path: Path, database: DatabaseUnderTest) -> None:
    def made(version: str, body: str, attribute: str) -> Any:
        text = manifest(
            "plain", version, '"profiles.person", "sbbs.plain"', SERVICE.replace("[links]", TABLE + "[links]")
        )
        files = {
            "bundle.toml": text + (WAY if version != "1.0" else ""),
            "profiles/person.py": PERSON.replace("{version}", version).replace("{body}", body),
            "sbbs/plain.py": SBB.format(version=version, attribute=attribute),
        }
        return build(write(tmp_path / version, files))

    server = Server(tmp_path / "state", database=database.url)
    server.kernel.start()
    server.install(made("1.0", V1, "number"), made("1.1", WIDER, "note"))
    server.connect()
    server.services.activate([next(i.id for i in server.services.list() if i.id.version == "1.0")])
    server.management.profiles.add("people", "p1", {"number": "one"})
    assert server.fire("a", Heard("x", "y")) == ["one"]
    plan = server.management.upgrades.plan(["plain"])
    assert [table.table for table in plan.tables] == ["people"]
    server.management.upgrades.apply(plan.id)
    assert server.fire("b", Heard("x", "y"))[1:] == ["none"]
    assert server.fire("a", Heard("x", "y"))[2:] == ["one"]
    server.management.upgrades.rollback(plan.id)
    assert server.fire("c", Heard("x", "y"))[3:] == ["one"]
    server.close()
