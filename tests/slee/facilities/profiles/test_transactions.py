"""Profile tables against a model: what commits and rolls back, and what sessions see (PRF-15 to PRF-22)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slee import Profile, attribute, where
from slee.api.errors import (
    ProfileAlreadyExistsError,
    StaleProfileError,
    UniqueAttributeViolationError,
)
from slee.facilities.facilities import Facilities
from slee.facilities.profiles.reference import work_of
from slee.facilities.profiles.session import EditSession
from slee.facilities.profiles.tables import ProfileTables
from slee.kernel.kernel import Kernel
from slee.model.profile import describe_profile
from slee.testing.observer import RecordingObserver


class Item(Profile, vendor="test", version="1.0"):
    unique: int | None = attribute(None, unique=True)
    group: str = attribute("", indexed=True)
    count: int = 0


NAMES = st.sampled_from("abcd")
UNIQUE = st.none() | st.integers(0, 2)
GROUPS = st.sampled_from(["", "x", "xy"])
Values = dict[str, Any]
Model = dict[str, Values]
NEW: Values = {"unique": None, "group": "", "count": 0}


class TableMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        facilities = Facilities(now=lambda: 0.0, random=bytes)
        self.kernel = Kernel(observer=RecordingObserver(facilities), random=bytes, ticks=lambda: 0.0)
        self.tables = ProfileTables(self.kernel, facilities)
        self.tables.add_specification(describe_profile(Item))
        self.tables.create_table("items", Item.specification_id)
        self.view = self.tables.view("items")
        self.committed: Model = {}
        self.working: Model = {}
        self.tx: Any = None
        self.session: EditSession | None = None
        self.base: Values | None = None
        self.edited: Values = {}

    # A component's transaction.

    @precondition(lambda self: self.tx is None)
    @rule()
    def begin(self) -> None:
        self.tx = self.kernel.begin()
        self.working = {name: dict(values) for name, values in self.committed.items()}

    @precondition(lambda self: self.tx is not None)
    @rule(name=NAMES)
    def create(self, name: str) -> None:
        try:
            self.view.create(name)
        except ProfileAlreadyExistsError:
            assert name in self.working
        else:
            assert name not in self.working
            self.working[name] = dict(NEW)

    @precondition(lambda self: self.tx is not None)
    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        assert self.view.remove(name) is (self.working.pop(name, None) is not None)

    @precondition(lambda self: self.tx is not None)
    @rule(name=NAMES, unique=UNIQUE, group=GROUPS | st.just(7))
    def write(self, name: str, unique: int | None, group: Any) -> None:
        found = self.view.find(name)
        assert (found is None) is (name not in self.working)
        if found is not None:
            found.unique, found.group = unique, group
            found.count += 1
            self.working[name] = {"unique": unique, "group": group, "count": self.working[name]["count"] + 1}

    @precondition(lambda self: self.tx is not None)
    @rule(fails=st.booleans())
    def finish(self, fails: bool) -> None:
        tx, self.tx = self.tx, None
        work_of(tx, self.tables._committed)
        tx.marked = fails
        assert self.kernel.finish(tx) is (not fails and self.fits(self.working))
        if not fails and self.fits(self.working):
            for name, values in self.working.items():
                if self.committed.get(name) == values:
                    self.working[name] = self.committed[name]
            self.committed = self.working

    def fits(self, model: Model) -> bool:
        held = [values["unique"] for values in model.values() if values["unique"] is not None]
        wrong = [name for name, v in model.items() if not isinstance(v["group"], str)]
        return len(held) == len(set(held)) and not wrong

    # An operator's session.

    @precondition(lambda self: self.tx is None and self.session is None)
    @rule(name=NAMES)
    def open(self, name: str) -> None:
        if name in self.committed:
            self.session = self.tables.edit("items", name)
            self.session.edit()
            self.base = self.committed[name]
            self.edited = dict(self.base)
        else:
            self.session = self.tables.create("items", name)
            self.base = None
            self.edited = dict(NEW)

    @precondition(lambda self: self.session is not None)
    @rule(unique=UNIQUE, group=GROUPS)
    def edit(self, unique: int | None, group: str) -> None:
        assert self.session is not None
        self.session.set("unique", unique)
        self.session.set("group", group)
        self.edited.update(unique=unique, group=group)
        assert self.session.values == self.edited

    @precondition(lambda self: self.tx is None and self.session is not None)
    @rule()
    def commit(self) -> None:
        assert self.session is not None
        name = self.session.name
        assert name is not None
        try:
            self.session.commit()
        except StaleProfileError:
            assert self.base is not None
            assert self.committed.get(name) is not self.base
        except ProfileAlreadyExistsError:
            assert self.base is None
            assert name in self.committed
        except UniqueAttributeViolationError:
            assert not self.fits({**self.committed, name: self.edited})
        else:
            assert self.fits({**self.committed, name: self.edited})
            self.committed[name] = dict(self.edited)
            self.session = None
            return
        assert self.session.is_writeable
        assert self.session.values == self.edited

    @precondition(lambda self: self.session is not None)
    @rule()
    def give_up(self) -> None:
        assert self.session is not None
        self.session.restore()
        self.session = None

    # What everybody sees.

    @invariant()
    def tables_agree(self) -> None:
        model = self.committed if self.tx is None else self.working
        assert {name: self.tables.edit("items", name).values for name in self.tables.profiles("items")} == model
        for group in ("", "x", "xy"):
            expected = {name for name, values in model.items() if values["group"] == group}
            assert set(self.tables.find_by("items", "group", group)) == expected
        prefixed = {n for n, v in model.items() if isinstance(v["group"], str) and v["group"].startswith("x")}
        assert set(self.tables.select("items", where("group").has_prefix("x"))) == prefixed

    def teardown(self) -> None:
        if self.tx is not None:
            self.kernel.roll_back(self.tx)


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
