"""Events on a profile table's activity, and a crash (PRF-40, PRF-44, DUR-2, DUR-10)."""

from __future__ import annotations

from slee import (
    ActivityContext,
    ActivityEnd,
    Cmp,
    Profile,
    ProfileAdded,
    ProfileUpdated,
    Sbb,
    cmp,
    handles,
    initial_event,
)
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import SleeHarness

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))
HEARD: list[str] = []


class Told(Profile, vendor="test", version="1.0", events=True):
    age: int = 0


class Hearing(Sbb, vendor="test", version="1.0"):
    """Stays attached to the table's activity."""

    count: Cmp[int] = cmp(0)

    @initial_event()
    def on_added(self, event: ProfileAdded, aci: ActivityContext) -> None:
        self.count += 1
        HEARD.append(f"added {event.profile.profile}")

    @handles
    def on_updated(self, event: ProfileUpdated, aci: ActivityContext) -> None:
        self.count += 1
        HEARD.append(f"updated {event.profile.profile}")

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        HEARD.append("end")


def made(disk: SimulatedDisk) -> SleeHarness:
    HEARD.clear()
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
