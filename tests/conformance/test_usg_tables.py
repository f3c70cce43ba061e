"""Profile tables count as SBBs and resource adaptor entities do (USG-4, USG-11), and keep it over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from slee import Profile, UsageParameters, counter, sample, usage_parameters
from slee.api.alarm import AlarmLevel
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidArgumentError,
    InvalidStateError,
    UnrecognizedProfileTableError,
    UnrecognizedUsageParameterSetNameError,
)
from slee.api.facilities import TraceLevel
from slee.api.profile import NOWHERE
from slee.api.source import ProfileTableSource
from slee.management.metrics import registry
from tests.conformance.kit import World
from tests.deploy.workshop import Server, build, manifest, write

SOURCE = """
from slee import Profile, UsageParameters, counter, sample, usage_parameters

class Figures(UsageParameters):
    blocked = counter("Calls that were blocked.")
    length = sample("Length of names, in characters.")

class Person(Profile, vendor="test", version="{version}"):
    age: int = 5
    usage = usage_parameters(Figures)

    def block(self) -> None:
        self.usage.blocked.increment()

    def profile_verify(self) -> None:
        self.usage.length.record(len(self.profile_name or ""))

class Silent(Profile, vendor="test", version="{version}"):
    age: int = 5
"""
TABLES = "".join(
    f'[[profile-table]]\nname = "{name}"\nspecification = "profiles.person:{specification}"\n'
    for name, specification in (("people", "Person"), ("others", "Person"), ("silent", "Silent"))
)
WAY = '[upgrade]\n"1.*" = { up = "drain", down = "drain" }\n'


def bundle(folder: Path, version: str = "1.0") -> Any:
    text = manifest("people", version, '"profiles.person"', TABLES + ("" if version == "1.0" else WAY))
    source = SOURCE.replace("{version}", version)
    return build(write(folder / version, {"bundle.toml": text, "profiles/person.py": source}))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Two tables that count, and one that does not."""
    server = Server(tmp_path / "state", database=f"sqlite:///{tmp_path}/profiles.sqlite")
    server.install(bundle(tmp_path))
    yield server
    server.close()


def figures(server: Server, table: str = "people") -> Any:
    return server.facilities.usage(ProfileTableSource(table)).default


def test_usg_4_each_profile_table_has_one_default_set_of_its_own(server: Server) -> None:
    profiles, usage = server.management.profiles, server.management.usage
    before = figures(server).length.count
    profiles.add("people", "ann")
    assert (figures(server).length.count, figures(server, "others").length.count) == (before + 1, before)
    assert usage.read("profiletable:people").source == ProfileTableSource("people")
    assert usage.sets("people") == ()
    usage.create("people", "gold")
    assert (usage.sets("people"), usage.sets("others")) == (("gold",), ())
    assert {s.source.short: s.counts for s in server.management.sources.list() if s.source.kind == "profiletable"} == {
        "people": True, "others": True, "silent": False,
    }  # fmt: skip
    with pytest.raises(InvalidArgumentError, match="USG-19"):
        usage.read("silent")


def test_usg_4_a_profile_counts_in_its_callbacks_and_methods_and_so_does_who_holds_a_reference() -> None:
    class Figures(UsageParameters):
        blocked = counter("Calls that were blocked.")
        stored = counter("Profiles that were stored.")

    class Person(Profile, vendor="test", version="1.0"):
        age: int = 5
        usage = usage_parameters(Figures)

        def block(self) -> None:
            self.usage.blocked.increment()
            self.set_rollback_only()

        def profile_initialize(self) -> None:
            self.usage.stored.increment(100)

        def profile_store(self) -> None:
            self.usage.stored.increment()

    assert isinstance(Person.usage, type(usage_parameters(Figures)))
    with World() as world:
        tables = world.slee.profiles
        tables.provide(Person)
        session = tables.create("Person", "ann")
        session.commit()
        sets = world.slee.facilities.usage(ProfileTableSource("Person"))
        count = world.slee.usage(Figures)
        assert count is sets.default
        assert count.stored.value == 102
        kernel, view = world.slee.kernel, tables.view("Person")
        tx = kernel.begin()
        person = view.get("ann")
        person.block()
        person.usage.blocked.increment(10)
        with pytest.raises(UnrecognizedUsageParameterSetNameError, match="USG-2"):
            person.usage.named("gold")
        kernel.roll_back(tx)
        assert count.blocked.value == 11
        outside: Any = Person()
        assert outside._slee is NOWHERE
        with pytest.raises(InvalidStateError, match="PRF-38"):
            outside.usage.blocked.increment()


def test_usg_11_a_reset_of_a_table_reaches_its_sets_and_no_other_tables(server: Server) -> None:
    usage = server.management.usage
    usage.create("people", "gold")

    def count() -> None:
        for one in (figures(server), figures(server).named("gold"), figures(server, "others")):
            one.blocked.increment()
            one.length.record(4)

    def counted() -> list[tuple[int, int]]:
        sets = (figures(server), figures(server).named("gold"), figures(server, "others"))
        return [(one.blocked.value, one.length.count) for one in sets]

    for source in ("people", "others"):
        usage.reset_all(source)
    count()
    usage.reset("people", "gold")
    assert counted() == [(1, 1), (0, 0), (1, 1)]
    usage.reset("people")
    assert counted() == [(0, 0), (0, 0), (1, 1)]
    count()
    assert [info.set for info in usage.reset_all(ProfileTableSource("people"))] == [None, "gold"]
    assert counted() == [(0, 0), (0, 0), (2, 2)]
    assert usage.take("others").parameters[0].value == 2
    assert counted()[2] == (0, 0)


def test_usg_2_named_sets_of_a_table_survive_a_restart_as_do_its_trace_levels_and_alarms(server: Server) -> None:
    usage = server.management.usage
    usage.create("people", "gold")
    usage.tell("people", "blocked", True)
    server.management.tracing.set_level("people", TraceLevel.FINE)
    server.facilities.alarms.facility(ProfileTableSource("people")).raise_alarm(
        "test.Full", "1", level=AlarmLevel.MINOR, message="it is full"
    )
    again = server.restart()
    assert again.management.usage.sets("people") == ("gold",)
    assert again.facilities.usage(ProfileTableSource("people")).told == {"blocked"}
    assert again.facilities.traces(ProfileTableSource("people")).level("").name == "FINE"
    assert [alarm.alarm_type for alarm in again.facilities.alarms.active(ProfileTableSource("people"))] == ["test.Full"]


def test_prf_2_a_renamed_table_keeps_its_usage_sets_over_a_restart_too(server: Server) -> None:
    usage = server.management.usage
    usage.create("people", "gold")
    held = figures(server).named("gold")
    held.blocked.increment(3)
    server.management.profiles.rename_table("people", "folk")
    held.blocked.increment()
    told = usage.read("folk", "gold")
    assert (told.source, told.parameters[0].value) == (ProfileTableSource("folk"), 4)
    with pytest.raises(UnrecognizedProfileTableError, match="USG-20"):
        usage.read(ProfileTableSource("people"))
    again = server.restart()
    assert again.management.usage.sets("folk") == ("gold",)


def test_usg_9_the_sets_of_a_removed_table_end_and_a_new_table_begins_without_them(server: Server) -> None:
    usage, profiles = server.management.usage, server.management.profiles
    usage.create("people", "gold")
    held = figures(server).named("gold")
    profiles.remove_table("people")
    with pytest.raises(UnrecognizedUsageParameterSetNameError):
        held.blocked.increment()
    profiles.create_table("people", "Person")
    assert usage.sets("people") == ()
    assert usage.read("people").parameters[0].value == 0


def test_usg_15_another_version_of_the_specification_counts_from_zero_in_sets_of_the_same_names(
    server: Server, tmp_path: Path
) -> None:
    usage = server.management.usage
    usage.create("people", "gold")
    usage.tell("people", "blocked", True)
    old = figures(server)
    old.blocked.increment(7)
    server.install(bundle(tmp_path, "1.1"))
    upgrades = server.management.upgrades
    upgrades.apply(upgrades.plan(["people"]).id)
    assert server.profiles.table("people").descriptor.id.version == "1.1"
    assert figures(server).blocked.value == 0
    assert usage.sets("people") == ("gold",)
    assert server.facilities.usage(ProfileTableSource("people")).told == {"blocked"}
    with pytest.raises(UnrecognizedUsageParameterSetNameError):
        old.blocked.increment()


def test_usg_22_the_sets_of_a_table_are_metrics(server: Server) -> None:
    server.management.usage.create("people", "gold")
    figures(server).named("gold").blocked.increment(2)
    lines = generate_latest(registry(server.kernel, server.management, lambda: ())).decode().splitlines()
    assert 'slee_usage{parameter="blocked",set="gold",source="profiletable:people"} 2.0' in lines


def test_usg_4_a_specification_declares_its_usage_parameters_once() -> None:
    class Figures(UsageParameters):
        length = sample("Length, in characters.")

    with pytest.raises(ComponentDefinitionError, match="one, two all declare usage parameters"):

        class Twice(Profile, vendor="test", version="1.0"):
            one = usage_parameters(Figures)
            two = usage_parameters(Figures)

    with pytest.raises(ComponentDefinitionError, match="the name is an attribute of Profile"):

        class Hiding(Profile, vendor="test", version="1.0"):
            tracer = usage_parameters(Figures)
