"""Events on a profile table's activity, and a crash (PRF-40, PRF-44, DUR-2, DUR-10)."""

from __future__ import annotations

import pytest

from slee import (
    ActivityContext,
    ActivityEnd,
    Cmp,
    Profile,
    ProfileAdded,
    ProfileRemoved,
    ProfileUpdated,
    Sbb,
    cmp,
    handles,
    initial_event,
)
from slee.api.errors import InvalidStateError, ReadOnlyProfileError
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import SleeHarness

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))
HEARD: list[str] = []
READ: list[tuple[int, ...]] = []
"""The ages that the handlers read in the snapshots."""
KEPT: list[Told] = []
"""The snapshot of each `ProfileAdded`."""


class Told(Profile, vendor="test", version="1.0", events=True):
    age: int = 0


class Hearing(Sbb, vendor="test", version="1.0"):
    """Stays attached to the table's activity."""

    count: Cmp[int] = cmp(0)

    @initial_event()
    def on_added(self, event: ProfileAdded, aci: ActivityContext) -> None:
        self.count += 1
        HEARD.append(f"added {event.profile.profile}")
        READ.append((event.added.age,))
        KEPT.append(event.added)

    @handles
    def on_updated(self, event: ProfileUpdated, aci: ActivityContext) -> None:
        self.count += 1
        HEARD.append(f"updated {event.profile.profile}")
        READ.append((event.before.age, event.after.age))

    @handles
    def on_removed(self, event: ProfileRemoved, aci: ActivityContext) -> None:
        HEARD.append(f"removed {event.profile.profile}")
        READ.append((event.removed.age,))

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        HEARD.append("end")


def made(disk: SimulatedDisk) -> SleeHarness:
    for seen in (HEARD, READ, KEPT):
        seen.clear()
    return furnished(SleeHarness(journal=disk, leftovers_allowed=True))


def furnished(slee: SleeHarness) -> SleeHarness:
    slee.profiles.provide(Told)
    slee.install(Hearing)
    return slee


def add(slee: SleeHarness, name: str) -> None:
    slee.profiles.create("Told", name).commit()


def change(slee: SleeHarness, name: str, age: int) -> None:
    session = slee.profiles.edit("Told", name)
    session.edit()
    session.set("age", age)
    session.commit()


def test_dur_6_an_entity_that_is_attached_to_a_tables_activity_hears_of_changes_after_a_restart() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    add(slee, "ann")
    slee.run()
    assert HEARD == ["added ann"]
    again = furnished(slee.crash())
    again.restart()
    again.run()
    change(again, "ann", 7)
    again.run()
    assert HEARD == ["added ann", "updated ann"]
    again.profiles.remove_table("Told")
    again.run()
    assert HEARD[-1] == "end"


def crashed(slee: SleeHarness) -> SleeHarness:
    """The same SLEE after a crash, with everything that had been committed in its journal."""
    again = furnished(recorded(slee).crash())
    again.restart()
    return again


def recorded(slee: SleeHarness) -> SleeHarness:
    """What was committed is in the journal, and nothing has been delivered since."""
    assert slee.recovery is not None
    slee.recovery.flush(slee.kernel.now)
    return slee


def test_dur_2_events_that_no_handler_has_had_are_delivered_after_a_crash_with_their_snapshots() -> None:
    slee = made(SimulatedDisk(faults=AT_ONCE))
    add(slee, "ann")
    change(slee, "ann", 7)
    slee.profiles.remove("Told", "ann")
    assert HEARD == []
    again = crashed(slee)
    again.run()
    assert HEARD == ["added ann", "updated ann", "removed ann"]
    assert READ == [(0,), (0, 7), (7,)]


def test_prf_41_a_snapshot_that_came_back_is_read_only_and_for_its_handler_alone() -> None:
    slee = made(SimulatedDisk(faults=AT_ONCE))
    add(slee, "ann")
    again = crashed(slee)
    again.run()
    (kept,) = KEPT
    with pytest.raises(InvalidStateError, match="PRF-41"):
        print(kept.age)
    with pytest.raises(ReadOnlyProfileError, match="PRF-41"):
        kept.age = 1


def test_prf_44_the_removal_events_of_a_removed_table_and_its_end_outlast_a_crash() -> None:
    slee = made(SimulatedDisk(faults=AT_ONCE))
    add(slee, "ann")
    slee.run()
    slee.profiles.remove_table("Told")
    again = crashed(slee)
    again.run()
    assert HEARD == ["added ann", "removed ann", "end"]
    assert READ == [(0,), (0,)]


def test_prf_44_a_renamed_table_has_a_new_activity_and_the_old_one_ends() -> None:
    """An activity of the old name that went on would be met by a new table of that name."""
    slee = made(SimulatedDisk(faults=AT_ONCE))
    add(slee, "ann")
    slee.run()
    slee.profiles.rename_table("Told", "Retold")
    slee.run()
    assert HEARD == ["added ann", "end"]
    slee.profiles.create("Retold", "bea").commit()
    slee.run()
    assert HEARD == ["added ann", "end", "added bea"]
    again = crashed(slee)
    session = again.profiles.edit("Retold", "bea")
    session.edit()
    session.set("age", 3)
    session.commit()
    again.run()
    assert HEARD[-1] == "updated bea"


def test_dur_2_an_event_whose_specification_is_not_installed_any_more_is_told_of() -> None:
    slee = made(SimulatedDisk(faults=AT_ONCE))
    add(slee, "ann")
    again = recorded(slee).crash()
    again.install(Hearing)
    report = again.restart()
    assert HEARD == []
    (told,) = report.dropped
    assert "slee.ProfileAdded" in told
    assert "specification is gone" in told
