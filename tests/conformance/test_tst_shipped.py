"""What the test kit ships beside the harness: strategies and the pytest plugin (TST-13)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from pydantic import Field

from slee import (
    ActivityContext,
    Address,
    Cmp,
    Profile,
    Sbb,
    SbbID,
    SbbLocal,
    ServiceID,
    attribute,
    cmp,
    event_type,
    handles,
)
from slee.api.ids import parse_id
from slee.api.profile_event import ProfileID
from slee.api.values import field_type, value_type
from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness, strategies
from slee.testing.codec import Codec
from slee.testing.store_compliance import StoreCompliance
from tests.slee.stores.storages import SimulatedStorage

ROOT = Path(__file__).parents[2]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Leg:
    name: str
    to: Leg | None = None


@event_type("test.Shipped", vendor="test", version="1.0")
class Shipped:
    text: str
    leg: Leg | None
    colour: Colour = Colour.RED


class Filled(Sbb, vendor="test", version="1.0"):
    legs: Cmp[tuple[Leg, ...]] = cmp(())
    names: Cmp[frozenset[str]] = cmp(frozenset())
    mixed: Cmp[int | str | Colour | None] = cmp(None)
    when: Cmp[datetime.datetime] = cmp()
    price: Cmp[decimal.Decimal] = cmp()
    side: Cmp[Literal["a", "b"]] = cmp()
    address: Cmp[Address] = cmp()
    service: Cmp[ServiceID] = cmp()
    me: Cmp[SbbLocal[Filled] | None] = cmp(None)
    here: Cmp[ActivityContext] = cmp()

    @handles
    def on_shipped(self, event: Shipped, aci: ActivityContext) -> None: ...


@settings(max_examples=40)
@given(strategies.cmp_states(Filled))
def test_tst_13_cmp_states_are_values_of_the_fields_and_survive_the_codec(state: dict[str, object]) -> None:
    assert "here" not in state
    assert state["me"] is None
    for name, value in state.items():
        assert field_type(Filled, name).accepts(value)


@settings(max_examples=40)
@given(strategies.events(Shipped))
def test_tst_13_events_are_of_their_class_and_survive_the_codec(event: Shipped) -> None:
    assert value_type(Shipped).accepts(event)
    assert Codec().copy(event, Shipped) == event


@settings(max_examples=40)
@given(strategies.component_ids(SbbID), strategies.addresses())
def test_tst_13_ids_and_addresses_are_valid(identity: SbbID, address: Address) -> None:
    assert parse_id(str(identity), SbbID) == identity
    assert Codec().copy(address, Address) == address


class Tariff(Profile, vendor="test", version="1.0"):
    number: str | None = attribute(None, unique=True)
    digits: Annotated[str, Field(pattern=r"^[0-9]{2,4}$")] = "00"
    label: Annotated[str, Field(min_length=3, max_length=5)] = "none"
    wait: Annotated[float, Field(gt=0, le=180)] = 20.0
    ratio: float = 0.0
    places: Annotated[int | None, Field(ge=2, lt=9)] = None
    legs: tuple[Leg, ...] = ()
    home: Address | None = None
    colour: Colour = Colour.RED
    price: Annotated[decimal.Decimal, Field(ge=0)] = decimal.Decimal(0)


@settings(max_examples=10, deadline=None)
@given(strategies.profile_values(Tariff))
def test_tst_13_profile_values_fit_the_specification_and_are_stored_and_read_back(values: dict[str, object]) -> None:
    assert values.keys() == {a.name for a in Tariff.specification_attributes}
    with SleeHarness(journal=SimulatedDisk()) as slee:
        slee.profiles.provide(Tariff)
        session = slee.profiles.create("Tariff", "one")
        for name, value in values.items():
            session.set(name, value)
        session.commit()
        slee.run()
        again = slee.crash()
        again.profiles.provide(Tariff)
        assert again.profiles.edit("Tariff", "one").values == values


def test_tst_13_profile_values_reach_the_bounds_of_the_specification() -> None:
    class Bounded(Profile, vendor="test", version="1.0"):
        places: Annotated[int | None, Field(ge=2, lt=9)] = None
        label: Annotated[str, Field(min_length=3, max_length=5)] = "none"

    values = strategies.profile_values(Bounded)
    for name, wanted in (("places", None), ("places", 2), ("places", 8)):
        assert find(values, lambda found, name=name, wanted=wanted: found[name] == wanted)[name] == wanted
    assert len(str(find(values, lambda found: len(str(found["label"])) == 5)["label"])) == 5

    class Referring(Profile, vendor="test", version="1.0"):
        text: str = ""

    Referring.specification_attributes[0].annotation = SbbLocal[Filled]
    with pytest.raises(TypeError, match="TST-13"):
        strategies.profile_values(Referring)


@settings(max_examples=40)
@given(strategies.profile_ids())
def test_tst_13_profile_ids_survive_their_text(identity: ProfileID) -> None:
    assert ProfileID.parse(str(identity)) == identity


def test_tst_13_the_compliance_suite_of_the_store_is_shipped_and_finds_what_a_store_does_wrong() -> None:
    class Forgetful(SimulatedStorage):
        """Acknowledges, and keeps nothing."""

        def crash(self, journal: Any) -> None:
            super().crash(journal)
            self.disk.entries.clear()

    suite = StoreCompliance()
    assert len([name for name in dir(suite) if name.startswith("test_")]) > 10
    suite.test_acknowledged_records_survive_a_crash(SimulatedStorage(0))
    with pytest.raises(AssertionError):
        suite.test_acknowledged_records_survive_a_crash(Forgetful(0))


def test_tst_13_strategies_reach_every_member_and_refuse_open_types() -> None:
    assert find(strategies.values(int | str | None), lambda v: isinstance(v, str)) == ""
    assert find(strategies.values(Leg), lambda leg: leg.to is not None).to is not None
    for kind in (list[int], object, SbbLocal[Filled], ActivityContext):
        with pytest.raises(TypeError):
            strategies.values(kind)
    assert isinstance(strategies.values(bool), st.SearchStrategy)


TESTS = """
import pytest
from slee import *
from slee.testing import RecordingResource, SleeHarness, recording_type

@event_type("plug.Ping", vendor="test", version="1.0")
class Ping:
    pass

RA = recording_type(Ping)

class Ponging(Sbb, vendor="test", version="1.0"):
    @initial_event()
    def on_ping(self, event: Ping, aci: ActivityContext) -> None:
        pass

def ping(slee):
    ra = slee.add_resource("test", RecordingResource(RA))
    slee.install(Ponging)
    ra.endpoint.start_activity("a", "a")
    ra.endpoint.fire("a", Ping())
    slee.run()
    return ra

def test_passes(slee):
    assert isinstance(slee, SleeHarness)
    ping(slee).endpoint.end_activity("a")
    slee.run()

def test_fails(slee):
    ping(slee)
    assert False

def test_leaves(slee):
    ping(slee)

@pytest.mark.slee(leftovers_allowed=True, seed=9)
def test_is_allowed_to(slee):
    ping(slee)
    assert slee.seed == 9
"""


def run_pytest(folder: Path, *arguments: str) -> str:
    (folder / "test_ping.py").write_text(TESTS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "slee.testing.plugin",
            "-p",
            "no:cacheprovider",
            "-rA",
            *arguments,
            folder,
        ],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
    )
    return done.stdout + done.stderr


def test_tst_13_the_plugin_prints_the_last_callbacks_and_the_seed_on_failure(tmp_path: Path) -> None:
    printed = run_pytest(tmp_path, "--slee-seed", "5", "--slee-random-schedule", "--strict-markers")
    assert "PASSED test_ping.py::test_passes" in printed
    assert "PASSED test_ping.py::test_is_allowed_to" in printed
    assert "FAILED test_ping.py::test_fails" in printed
    assert "ERROR test_ping.py::test_leaves" in printed
    assert "ERROR test_ping.py::test_fails" not in printed
    assert printed.count("last callbacks") == 2
    assert "on_ping [test:a] committed" in printed
    assert "repeat it with SleeHarness(seed=5, random_schedule=True)" in printed
    assert "activity test:a is left" in printed


def test_tst_13_the_plugin_is_an_entry_point_of_the_product() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "slee.testing.plugin" in project["entry-points"]["pytest11"].values()
