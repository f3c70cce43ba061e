"""Any sequence of provisioning leaves what a plain dictionary says, in the table and in either database (PRF-46).

A model of dictionaries judges each operation: what it refuses changes nothing, what it takes is found by a naive scan
(PRF-32). `scripts/test tests/stateful --hypothesis-profile=long` plays for long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import Field

from slee import Collation, Profile, attribute
from slee.api.errors import SleeError
from slee.management.provisioning.csv_format import csv_record
from tests.postgresql import PostgresqlServer
from tests.profile_databases import KINDS, DatabaseUnderTest, postgresql_database, sqlite_database
from tests.slee.management.provisioning.site import Site


class Person(Profile, vendor="test", version="1.0"):
    number: str | None = attribute(None, unique=True)
    nick: str = attribute("", indexed=True, collation=Collation.CASELESS)
    age: Annotated[int, Field(ge=0, le=9)] = attribute(1, indexed=True)
    tags: tuple[str, ...] = ()


Values = dict[str, Any]
NUMBERS = ("1", "12", "123", "4")
NICKS = ("", "ann", "Ann", "straße", "STRASSE", 'a"b,\n')
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda stored, asked: stored == asked,
    "!=": lambda stored, asked: stored != asked,
    "<": lambda stored, asked: stored is not None and stored < asked,
    "<=": lambda stored, asked: stored is not None and stored <= asked,
    ">": lambda stored, asked: stored is not None and stored > asked,
    ">=": lambda stored, asked: stored is not None and stored >= asked,
    "^=": lambda stored, asked: stored is not None and stored.startswith(asked),
}
names = st.sampled_from(["p", "q", "r's", 's"', "é t"])
values_of: Mapping[str, st.SearchStrategy[Any]] = {
    "number": st.none() | st.sampled_from(NUMBERS),
    "nick": st.sampled_from(NICKS),
    "age": st.integers(0, 10),  # 10 is refused
    "tags": st.lists(st.sampled_from(["x", "y"]), max_size=2),
}
values = st.fixed_dictionaries({}, optional=dict(values_of))
records = st.lists(st.tuples(names, values), max_size=8)
conditions = st.one_of(
    st.tuples(st.just("number"), st.sampled_from(list(OPERATORS)), st.sampled_from(NUMBERS)),
    st.tuples(st.just("nick"), st.sampled_from(list(OPERATORS)), st.sampled_from(NICKS[1:5])),
    st.tuples(st.just("age"), st.sampled_from(list(OPERATORS)[:-1]), st.integers(0, 9)),
)


@st.composite
def even_records(draw: st.DrawFn) -> list[tuple[str, Values]]:
    """Records that all have the same attributes, as those of a CSV do; seldom two of one name."""
    columns = draw(st.sets(st.sampled_from(list(values_of))))
    rows = st.fixed_dictionaries({name: values_of[name] for name in sorted(columns)})
    drawn = draw(st.lists(st.tuples(names, rows), max_size=5))
    return drawn if draw(st.integers(0, 4)) == 0 else list(dict(drawn).items())


def key(attribute_: str, value: Any) -> Any:
    return value.casefold() if attribute_ == "nick" else value


def fits(profiles: Mapping[str, Values]) -> bool:
    """Whether profiles may stand beside each other in a table."""
    held = [profile["number"] for profile in profiles.values() if profile["number"] is not None]
    return len(held) == len(set(held)) and all(profile["age"] <= 9 for profile in profiles.values())


class Provisioning(RuleBasedStateMachine):
    """One table of a server, and what it is to hold."""

    open_database: Callable[[], AbstractContextManager[DatabaseUnderTest]]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.site = Site(self.stack.enter_context(self.open_database()).url, Person)
        self.table = "people"
        self.default: Values = {}
        self.profiles: dict[str, Values] = {}

    @initialize()
    def create_table(self) -> None:
        self.site.profiles.create_table(self.table, "Person")
        self.default = {"number": None, "nick": "", "age": 1, "tags": []}
        self.profiles = {}

    def expect(self, act: Callable[[], object], *, done: bool) -> None:
        """Do something that is taken, or refused."""
        if done:
            act()
        else:
            with pytest.raises(SleeError):
                act()

    @rule(name=names, given=values)
    def add(self, name: str, given: Values) -> None:
        after = {**self.profiles, name: {**self.default, **given}}
        done = name not in self.profiles and fits(after)
        self.expect(lambda: self.site.profiles.add(self.table, name, given), done=done)
        self.profiles = after if done else self.profiles

    @rule(name=names, given=values)
    def set(self, name: str, given: Values) -> None:
        after = {**self.profiles, name: {**self.profiles.get(name, {}), **given}}
        done = name in self.profiles and fits(after)
        self.expect(lambda: self.site.profiles.set(self.table, given, name), done=done)
        self.profiles = after if done else self.profiles

    @rule(given=values)
    def set_default(self, given: Values) -> None:
        done = given.get("age", 0) <= 9
        self.expect(lambda: self.site.profiles.set(self.table, given), done=done)
        self.default = {**self.default, **given} if done else self.default

    @rule(name=names)
    def remove(self, name: str) -> None:
        self.expect(lambda: self.site.profiles.remove(self.table, name), done=name in self.profiles)
        self.profiles.pop(name, None)

    @rule(given=even_records(), form=st.sampled_from(["csv", "jsonl"]))
    def import_all_or_nothing(self, given: list[tuple[str, Values]], form: str) -> None:
        file = written(given, form)
        after = {**self.profiles}
        for name, row in given:
            after[name] = {**self.profiles.get(name, self.default), **row}
        done = len({name for name, _ in given}) == len(given) and fits(after)
        if not done:
            for options in ({}, {"dry_run": True}):
                with pytest.raises(SleeError):
                    self.site.load(file, self.table, format=form, **options)
            return
        changed = {name for name, profile in after.items() if self.profiles.get(name) != profile}
        for options in ({"dry_run": True}, {}):
            told = self.site.load(file, self.table, format=form, **options)
            assert (told.read, told.rejects) == (len(given), ())
            assert told.added == len(changed - self.profiles.keys())
            assert told.changed == len(changed & self.profiles.keys())
            assert told.unchanged == told.read - told.added - told.changed
        self.profiles = after

    @rule(given=records)
    def import_what_fits(self, given: list[tuple[str, Values]]) -> None:
        before = {**self.profiles}
        file = written(given, "jsonl")
        dry = self.site.load(file, self.table, format="jsonl", skip_bad=True, dry_run=True)
        told = self.site.load(file, self.table, format="jsonl", skip_bad=True)
        assert replace(dry, dry_run=False) == told
        skipped = {reject.line for reject in told.rejects}
        assert told.added + told.changed + told.unchanged + len(skipped) == len(given)
        for line, (name, row) in enumerate(given, 1):
            if line not in skipped:
                self.profiles[name] = {**before.get(name, self.default), **row}
        assert fits(self.profiles)

    @rule(asked=st.lists(conditions, max_size=3))
    def find(self, asked: list[tuple[str, str, Any]]) -> None:
        found = self.site.profiles.find(self.table, [f"{name}{operator}{value}" for name, operator, value in asked])
        assert [profile.profile for profile in found] == sorted(
            name
            for name, profile in self.profiles.items()
            if all(OPERATORS[op](key(what, profile[what]), key(what, value)) for what, op, value in asked)
        )

    @rule(form=st.sampled_from(["csv", "jsonl", "toml"]))
    def copy(self, form: str) -> None:
        """What is exported, imported elsewhere and exported again is the same."""
        file = self.site.file(self.table, form)
        self.site.profiles.create_table("copy", "Person")
        assert self.site.load(file, "copy", format=form).added == len(self.profiles)
        assert self.site.file("copy", form) == file
        self.site.profiles.remove_table("copy")

    @rule(renamed=st.sampled_from(["people", "folk", "p'p", "Ü"]))
    def rename_table(self, renamed: str) -> None:
        self.expect(lambda: self.site.profiles.rename_table(self.table, renamed), done=renamed != self.table)
        self.table = renamed

    @precondition(lambda self: len(self.profiles) > 3)
    @rule()
    def make_table_anew(self) -> None:
        self.site.profiles.remove_table(self.table)
        self.create_table()

    @rule()
    def restart(self) -> None:
        self.site.restart()

    @invariant()
    def the_table_has_what_the_model_has(self) -> None:
        if not self.default:
            return
        shown = {info.profile: as_json(info.values) for info in self.site.profiles.find(self.table)}
        assert shown == self.profiles
        assert as_json(self.site.profiles.show(self.table).values) == self.default

    def teardown(self) -> None:
        with self.stack:
            self.site.restart()
            self.the_table_has_what_the_model_has()
            self.site.database.close()


def written(given: list[tuple[str, Values]], form: str) -> str:
    """A file of records; those of a CSV have the same attributes."""
    if form == "jsonl":
        return "".join(json.dumps({"profile_name": name, **row}) + "\n" for name, row in given)
    columns = list(given[0][1]) if given else []
    cells = [[name, *(cell(row[column]) for column in columns)] for name, row in given]
    return "".join(map(csv_record, [["profile_name", *columns], *cells]))


def as_json(shown: Mapping[str, object]) -> Values:
    return json.loads(json.dumps(dict(shown)))


def cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


@contextmanager
def sqlite() -> Iterator[DatabaseUnderTest]:
    with TemporaryDirectory() as folder:
        yield sqlite_database(Path(folder) / "profiles.sqlite")


_IS_LONG = settings.get_current_profile_name() == "long"
_PLAYED = settings() if _IS_LONG else settings(stateful_step_count=25, phases=[Phase.reuse, Phase.generate])
"""The short form does not look for a shorter failure: that takes minutes, each example makes a database."""
_EXAMPLES = {"sqlite": 5_000, "postgresql": 500} if _IS_LONG else {"sqlite": 30, "postgresql": 15}


@pytest.mark.timeout(0 if _IS_LONG else 60)
@pytest.mark.parametrize("kind", KINDS)
def test_provisioning_does_what_a_plain_dictionary_says(kind: str, request: pytest.FixtureRequest) -> None:
    class Machine(Provisioning):
        open_database = staticmethod(sqlite)

    if kind == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        Machine.open_database = staticmethod(lambda: postgresql_database(server))
    run_state_machine_as_test(Machine, settings=settings(_PLAYED, max_examples=_EXAMPLES[kind]))
