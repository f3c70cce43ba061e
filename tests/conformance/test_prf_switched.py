"""A table that was exchanged for one of another version of its specification, and a crash before the database followed.

The exchange is in the journal, and replayed from it at the next start (PRF-46, UPG-15).
"""

from __future__ import annotations

from typing import Any

import pytest

from slee import Profile, attribute
from slee.facilities.profiles.remaking import TableRemaking
from slee.model.profile import describe_profile
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import SleeHarness
from slee.testing.faults import JOURNAL_APPEND, JOURNAL_APPENDED, PROFILES_WRITE, PROFILES_WRITTEN, Crash

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))
LABEL = "up1"


class Old(Profile, vendor="test", version="1.0", name="Person"):
    number: str | None = attribute(None, unique=True)
    age: int = 5


class New(Profile, vendor="test", version="1.1", name="Person"):
    number: str | None = attribute(None, unique=True)
    age: int = 5
    note: str = attribute("none", indexed=True)


def put(slee: SleeHarness, name: str, **values: object) -> None:
    found = slee.profiles
    session = found.edit("people", name) if name in found.profiles("people") else found.create("people", name)
    session.edit()
    for attribute_, value in values.items():
        session.set(attribute_, value)
    session.commit()


def upgrading(disk: SimulatedDisk) -> tuple[SleeHarness, TableRemaking]:
    """A table of version 1.0 with 100 profiles, and one of 1.1 that is ready beside it."""
    slee = SleeHarness(journal=disk)
    slee.profiles.provide(Old, "people")
    for number in range(100):
        put(slee, f"p{number}", number=str(number), age=number)
    slee.profiles.add_specification(describe_profile(New))
    slee.run()
    remaking = TableRemaking(slee.profiles, "people", New.specification_id, LABEL)
    for _ in remaking.prepare():
        disk.profiles.write()
    return slee, remaking


def exchange(slee: SleeHarness, remaking: TableRemaking) -> dict[str, dict[str, object]]:
    """Change profiles under the old version, exchange, and change some under the new one; what there is then."""
    put(slee, "p1", age=1001)
    slee.profiles.remove("people", "p2")
    put(slee, "q1", number="2", age=1)
    remaking.judge()
    slee.profiles.exchange(remaking)
    put(slee, "p3", note="later")
    put(slee, "q2", number="x", note="new")
    slee.profiles.remove("people", "p4")
    return contents(slee)


def contents(slee: SleeHarness) -> dict[str, Any]:
    return {name: dict(values) for name, values in slee.profiles.read("people").items()}


def started(slee: SleeHarness, survivors: int | None = None) -> SleeHarness:
    again = slee.crash(survivors=survivors)
    for specification in (Old, New):
        again.profiles.add_specification(describe_profile(specification))
        again.profiles.load_stored(specification.specification_id)
    return again


@pytest.mark.parametrize("point", [PROFILES_WRITE, PROFILES_WRITTEN])
def test_prf_46_an_exchange_that_the_journal_has_is_made_in_the_database_at_the_next_start(point: str) -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee, remaking = upgrading(disk)
    expected = exchange(slee, remaking)
    slee.faults.inject(point, Crash())
    with pytest.raises(Crash):
        slee.run()
    again = started(slee)
    assert again.profiles.table("people").descriptor.id.version == "1.1"
    assert contents(again) == expected
    assert (expected["p3"]["note"], expected["q2"]["note"], expected["p1"]["note"]) == ("later", "new", "none")
    assert again.profiles.find_by("people", "note", "later") == ("p3",)
    assert again.profiles.find_by("people", "number", "2") == ("q1",)
    # It goes on from there: what is written now is in the database, under the new version, after another crash.
    put(again, "p5", note="after")
    again.run()
    third = started(again)
    assert contents(third)["p5"]["note"] == "after"
    assert disk.profiles.contents("people").keys() == contents(third).keys()


@pytest.mark.parametrize("survivors", [0, 1])
@pytest.mark.parametrize("point", [JOURNAL_APPEND, JOURNAL_APPENDED])
def test_upg_15_an_exchange_that_the_journal_lacks_has_not_been(point: str, survivors: int) -> None:
    disk = SimulatedDisk(faults=StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0)))
    slee, remaking = upgrading(disk)
    disk.faults = StoreFaults(delay=(1.0, 1.0), acknowledgement_delay=(1.0, 1.0), torn=0.0)
    before = contents(slee)
    expected = exchange(slee, remaking)
    slee.faults.inject(point, Crash())
    with pytest.raises(Crash):
        slee.run()
    again = started(slee, survivors)
    has_it = point == JOURNAL_APPENDED and survivors == 1
    assert again.profiles.table("people").descriptor.id.version == ("1.1" if has_it else "1.0")
    assert contents(again) == (expected if has_it else before)
    # Nothing of the attempt is left in the way of another one.
    if not has_it:
        remaking = TableRemaking(again.profiles, "people", New.specification_id, LABEL)
        for _ in remaking.prepare():
            disk.profiles.write()
        assert len(exchange(again, remaking)) == 100
