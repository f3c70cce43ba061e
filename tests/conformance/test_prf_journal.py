"""Profile changes and the journal: what a crash leaves of them, wherever it falls (PRF-46, DUR)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Cmp,
    Profile,
    Sbb,
    Select,
    attribute,
    cmp,
    event_type,
    initial_event,
    profiles,
    resource,
)
from slee.api.errors import ProfileDatabaseError, StateDirectoryError
from slee.facilities.journalwatch import JournalBounds
from slee.facilities.profiles.watch import UNWRITABLE, ProfileDatabaseWatch
from slee.model.descriptor import Durability
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import RecordingResource, SleeHarness, recording_type
from slee.testing.faults import (
    JOURNAL_ACKNOWLEDGED,
    JOURNAL_APPEND,
    JOURNAL_APPENDED,
    PROFILES_WRITE,
    PROFILES_WRITTEN,
    Crash,
)

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))
SLOW = StoreFaults(delay=(1.0, 1.0), acknowledgement_delay=(1.0, 1.0))


@event_type("prf.Count", vendor="test", version="1.0")
class Count:
    """Counts for an account."""

    account: str
    fails: bool = False


class Balance(Profile, vendor="test", version="1.0"):
    """What the service writes."""

    count: int = 0
    number: str | None = attribute(None, unique=True)


RA = recording_type(Count)


class Counting(Sbb, vendor="test", version="1.0"):
    """Counts in a profile and in itself."""

    count: Cmp[int] = cmp(0)
    balances = profiles(Balance)
    ra = resource(RA)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_count(self, event: Count, aci: ActivityContext) -> None:
        if not self.count:
            self.null_activities.create().attach(self)
        balance = self.balances.find(event.account) or self.balances.create(event.account)
        balance.count += 1
        self.count += 1
        self.ra.send(f"{event.account} {balance.count}")
        if event.fails:
            raise ValueError


def made(disk: SimulatedDisk, durability: Durability = Durability.ASYNC) -> SleeHarness:
    return furnished(SleeHarness(journal=disk, leftovers_allowed=True, failures_allowed=True), durability)


def furnished(slee: SleeHarness, durability: Durability = Durability.ASYNC) -> SleeHarness:
    slee.add_resource("ra", RecordingResource(RA))
    slee.install(Counting, durability=durability)
    return slee


def count(slee: SleeHarness, account: str = "a", *, fails: bool = False) -> None:
    endpoint = slee.kernel.resources["ra"]
    handle = f"{account}{slee.kernel.next_sequence()}"
    endpoint.start_activity(handle, "activity")
    endpoint.fire(handle, Count(account, fails))
    slee.run()


def again(slee: SleeHarness, durability: Durability = Durability.ASYNC, survivors: int | None = None) -> SleeHarness:
    """The same SLEE after a crash and a restart."""
    found = furnished(slee.crash(survivors=survivors), durability)
    found.restart()
    return found


def balances(slee: SleeHarness) -> dict[str, int]:
    return {name: row[0] for name, row in slee.profiles.table("Balance").resident.rows.items()}


def entities(slee: SleeHarness) -> list[object]:
    (service,) = slee.kernel.services.values()
    return [root.state["count"] for root in service.roots]


def profile_keys(disk: SimulatedDisk) -> list[bytes]:
    return sorted(key for key in disk.entries if key.startswith(b"P"))


CRASHES: dict[str, Callable[[SimulatedDisk], None]] = {
    "with the database written": lambda disk: None,
    "between journal and database": lambda disk: setattr(disk.profiles, "is_away", True),
}


@pytest.mark.parametrize("durability", [Durability.MEMORY, Durability.ASYNC, Durability.SYNC])
@pytest.mark.parametrize("crash", CRASHES)
def test_prf_46_a_write_is_in_the_database_after_a_crash_in_every_class(crash: str, durability: Durability) -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk, durability)
    count(slee)
    CRASHES[crash](disk)
    count(slee)
    count(slee, "b")
    slee = again(slee, durability)
    assert balances(slee) == {"a": 2, "b": 1}
    assert disk.profiles.contents("Balance") == {"a": (2, None), "b": (1, None)}
    count(slee)
    assert balances(again(slee, durability)) == {"a": 3, "b": 1}


def test_prf_46_state_and_profiles_are_of_one_record() -> None:
    for survivors in (0, 1, 2, 3):
        disk = SimulatedDisk(faults=SLOW)
        slee = made(disk)
        slee.advance(3.0)
        for _ in range(3):
            count(slee)
        slee = again(slee, survivors=survivors * 3)
        assert sum(entities(slee)) == balances(slee).get("a", 0)


def test_prf_46_the_database_gets_nothing_that_the_journal_has_not_acknowledged() -> None:
    disk = SimulatedDisk(faults=SLOW)
    slee = made(disk)
    slee.advance(3.0)
    count(slee)
    assert (balances(slee), disk.profiles.contents("Balance")) == ({"a": 1}, {})
    slee.advance(1.5)  # durable by now, and not known to be
    assert disk.profiles.contents("Balance") == {}
    slee.advance(1.0)
    assert disk.profiles.contents("Balance") == {"a": (1, None)}


def test_prf_46_outputs_of_a_sync_service_wait_for_its_profile_writes() -> None:
    disk = SimulatedDisk(faults=SLOW)
    slee = made(disk, Durability.SYNC)
    slee.advance(3.0)
    adaptor = slee.kernel.resources["ra"].adaptor
    count(slee)
    assert adaptor.commands == []
    slee.advance(2.5)
    assert adaptor.commands == ["a 1"]
    assert disk.profiles.contents("Balance") == {"a": (1, None)}


def test_prf_46_what_was_rolled_back_is_in_no_record() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    count(slee)
    before = dict(disk.entries)
    count(slee, fails=True)
    assert [key for key in disk.entries if key not in before and key.startswith(b"P")] == []
    assert balances(again(slee)) == {"a": 1}


def test_prf_46_the_journal_lets_go_of_what_the_database_has_and_only_of_that() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    count(slee)
    slee.profiles.following.let_go()
    slee.run()
    assert profile_keys(disk) == [b"Pf"]
    disk.profiles.is_away = True
    count(slee)
    slee.profiles.following.let_go()
    slee.run()
    assert len(profile_keys(disk)) == 2
    disk.profiles.is_away = False
    slee.run()
    slee.profiles.following.let_go()
    slee.run()
    assert profile_keys(disk) == [b"Pf"]


def test_prf_46_tables_come_go_and_change_their_names_over_a_crash() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    identity = Balance.specification_id
    disk.profiles.is_away = True
    tables = slee.profiles
    for name in ("first", "second", "third"):
        tables.create_table(name, identity)
    session = tables.create("second", "x")
    session.set("number", "12")
    session.commit()
    tables.rename_table("second", "fourth")
    tables.remove_table("first")
    default = tables.edit("third", None)
    default.edit()
    default.set("count", 7)
    default.commit()
    slee.run()
    slee = again(slee)
    assert set(slee.profiles.tables()) == {"Balance", "third", "fourth"}
    assert slee.profiles.edit("fourth", "x").get("number") == "12"
    assert slee.profiles.edit("third", None).get("count") == 7
    assert slee.profiles.find_by("fourth", "number", "12") == ("x",)


def test_prf_44_a_removed_table_does_not_come_back_after_a_crash() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    slee.profiles.create_table("more", Balance.specification_id)
    slee.profiles.create("more", "x").commit()
    slee.run()
    disk.profiles.is_away = True
    slee.profiles.remove_table("more")
    slee.run()
    slee = again(slee)
    assert slee.profiles.tables() == ("Balance",)
    slee.profiles.create_table("more", Balance.specification_id)
    assert slee.profiles.profiles("more") == ()


def test_prf_44_a_table_is_removed_from_the_database_with_its_profiles() -> None:
    slee = SleeHarness()
    disk = SimulatedDisk()
    slee.profiles.follow_with(disk.profiles.open())
    slee.profiles.provide(Balance)
    slee.profiles.create("Balance", "x").commit()
    disk.profiles.write()
    slee.profiles.remove_table("Balance")
    disk.profiles.write()
    assert disk.profiles.open().tables() == {}


def test_prf_46_values_swapped_between_profiles_are_replayed() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    descriptor = slee.profiles.table("Balance").descriptor
    for _ in range(3):
        slee.profiles.put_rows("Balance", {"x": descriptor.row({"number": "1"}), "y": descriptor.row({"number": "2"})})
        slee.run()
        disk.profiles.is_away = True
        slee.profiles.put_rows("Balance", {"x": descriptor.row({"number": "2"}), "y": descriptor.row({"number": "1"})})
        slee.run()
        slee = again(slee)
        assert slee.profiles.find_by("Balance", "number", "1") == ("y",)


def test_prf_46_a_database_older_than_the_journal_is_refused() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    count(slee)
    copy = disk.profiles.backup()
    count(slee)
    slee.profiles.following.let_go()
    slee.run()
    crashed = slee.crash
    disk.profiles.restore(copy)
    with pytest.raises(StateDirectoryError, match=r"up to 2.*up to 3.*same backup"):
        crashed()


def test_prf_46_a_database_a_little_older_than_the_journal_is_brought_up() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    count(slee)
    copy = disk.profiles.backup()
    count(slee)
    disk.profiles.restore(copy)
    assert balances(again(slee)) == {"a": 2}


def test_prf_46_a_crash_while_the_database_is_brought_up_changes_nothing() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    disk.profiles.is_away = True
    count(slee)
    for _ in range(3):
        slee = slee.crash()
    furnished(slee)
    slee.restart()
    assert balances(slee) == {"a": 1}


@pytest.mark.parametrize(
    ("point", "kept"),
    [
        (JOURNAL_APPEND, 1),
        (JOURNAL_APPENDED, 2),
        (JOURNAL_ACKNOWLEDGED, 2),
        (PROFILES_WRITE, 2),
        (PROFILES_WRITTEN, 2),
    ],
)
def test_tst_6_a_crash_at_each_point_between_commit_and_database(point: str, kept: int) -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    count(slee)
    slee.faults.inject(point, Crash())
    with pytest.raises(Crash):
        count(slee)
    stored = disk.profiles.contents("Balance")["a"]
    assert stored == (2 if point == PROFILES_WRITTEN else 1, None)
    slee = again(slee, survivors=9)
    assert balances(slee) == {"a": kept}
    assert disk.profiles.contents("Balance")["a"] == (kept, None)


# An import, which takes effect as a whole.


def put(slee: SleeHarness, whole: Any, **counts: int | None) -> None:
    tables = slee.profiles
    table = tables.table("Balance")
    rows = {name: None if value is None else table.descriptor.row({"count": value}) for name, value in counts.items()}
    tables.transact(lambda work: tables.put_into(work, table, rows), whole=whole)
    slee.run()


@pytest.mark.parametrize("crash", CRASHES)
def test_prf_46_a_crash_within_an_import_leaves_nothing_of_it(crash: str) -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    put(slee, None, a=1, b=2, d=4)
    whole = slee.profiles.whole()
    put(slee, whole, a=10, c=30)
    CRASHES[crash](disk)
    put(slee, whole, b=None, d=40)
    put(slee, whole, b=20, d=None)
    slee = again(slee)
    assert balances(slee) == {"a": 1, "b": 2, "d": 4}
    put(slee, None, a=5)
    assert balances(again(slee)) == {"a": 5, "b": 2, "d": 4}


@pytest.mark.parametrize("crash", CRASHES)
def test_prf_46_a_crash_after_an_import_leaves_all_of_it(crash: str) -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    put(slee, None, a=1)
    whole = slee.profiles.whole()
    CRASHES[crash](disk)
    put(slee, whole, a=10)
    put(slee, whole, b=20)
    whole.end()
    slee.run()
    assert balances(again(slee)) == {"a": 10, "b": 20}


def test_prf_46_what_others_changed_since_an_import_stays_when_it_is_taken_back() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    put(slee, None, a=1, b=2)
    put(slee, slee.profiles.whole(), a=10, b=20, c=30)
    count(slee)  # a is 11 now, and that was acknowledged
    assert balances(again(slee)) == {"a": 11, "b": 2}


def test_prf_46_without_a_journal_the_database_gets_an_import_at_its_end() -> None:
    slee = SleeHarness()
    disk = SimulatedDisk()
    slee.profiles.follow_with(disk.profiles.open())
    slee.profiles.provide(Balance)
    whole = slee.profiles.whole()
    put(slee, whole, a=1, b=1)
    put(slee, None, x=1)
    put(slee, whole, a=2)
    disk.profiles.write()
    assert disk.profiles.contents("Balance") == {}
    whole.end()
    disk.profiles.write()
    assert disk.profiles.contents("Balance") == {"a": (2, None), "b": (1, None), "x": (1, None)}


# A database that is away (DUR-13).


def test_dur_13_work_goes_on_without_the_database_up_to_the_bound() -> None:
    disk = SimulatedDisk(faults=AT_ONCE)
    slee = made(disk)
    count(slee)
    storage = slee.profiles.following.storage
    assert storage is not None
    watch = ProfileDatabaseWatch(
        slee.kernel, slee.facilities, slee.profiles, storage, JournalBounds(records=2, seconds=1e9)
    )
    disk.profiles.is_away = True
    count(slee)
    count(slee)
    watch.run()
    assert [alarm.alarm_type for alarm in slee.alarms] == [UNWRITABLE]
    count(slee)
    watch.run()
    handled = balances(slee)
    with pytest.raises(Exception, match="profile database is not written"):
        count(slee)
    with pytest.raises(ProfileDatabaseError, match="DUR-13"):
        slee.profiles.create("Balance", "new").commit()
    assert balances(slee) == handled == {"a": 4}
    disk.profiles.is_away = False
    disk.profiles.write()
    watch.run()
    assert slee.alarms == ()
    count(slee)
    assert balances(slee) == {"a": 5}
    assert disk.profiles.contents("Balance") == {"a": (5, None)}
