"""The test kit and profiles: faults in callbacks of profiles and in their store, and their calls (TST-6, TST-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slee import ActivityContext, Profile, Sbb, initial_event, profiles, resource
from slee.api.errors import CreateError, TransactionRolledBackError
from slee.api.profile import PROFILE_CALLBACKS
from slee.facilities.profiles.watch import ProfileDatabaseWatch
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import Crash, Delay, RecordingResource, SleeHarness
from slee.testing.faults import POINTS, PROFILES_WRITE, PROFILES_WRITTEN
from tests.conformance.kit import RA, Boom, Note
from tests.conformance.profile_kit import CALLS, Tables

followed = pytest.mark.usefixtures("followed")

BY_COMPONENTS: dict[str, Callable[[Any], object]] = {
    "callback.profile_activate": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_load": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_method": lambda sbb: sbb.traced.get("one").use(),
    "callback.profile_store": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_passivate": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_remove": lambda sbb: sbb.traced.remove("one"),
    "callback.profile_post_create": lambda sbb: sbb.traced.create("two"),
}
"""The points that a delivery comes by, each with something that does."""


@followed
def test_tst_6_every_callback_of_a_profile_is_a_point() -> None:
    assert {f"callback.{name}" for name in PROFILE_CALLBACKS} <= POINTS
    with Tables() as world:
        for point in (*BY_COMPONENTS, "callback.profile_initialize", "callback.profile_verify"):
            world.slee.faults.inject(point, Delay(0))
        world.profiles.create_table("more", world.profiles.table("Traced").descriptor.id)
        world.add("Traced", "one")
        for act in BY_COMPONENTS.values():
            world.use(act)
            world.profiles.put_rows("Traced", {"one": (0,)})
        assert world.slee.faults.pending == []


@followed
@pytest.mark.parametrize("point", BY_COMPONENTS)
def test_tst_6_an_error_in_a_callback_of_a_profile_rolls_the_delivery_back_and_drops_the_instance(point: str) -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one")
        before = world.slee.log.last(1)[0].number
        world.slee.faults.inject(point, Boom())

        def act(sbb: Any) -> None:
            sbb.plain.create("other")
            BY_COMPONENTS[point](sbb)

        world.use(act)
        assert (world.profiles.profiles("Traced"), world.profiles.profiles("Plain")) == (("one",), ())
        assert any(isinstance(error, Boom) for failure in world.slee.failures for error in causes(failure.cause))
        calls = [entry for entry in world.slee.log if entry.number > before and entry.where.startswith("Traced/")]
        dropped = point != "callback.profile_method"
        assert calls[-1].callback == (point.removeprefix("callback.") if dropped else "profile_passivate")
        CALLS.clear()
        world.use(BY_COMPONENTS[point])
        assert CALLS, "the next delivery has an instance of its own"


@followed
@pytest.mark.parametrize(
    ("point", "refusal"),
    [
        ("callback.profile_initialize", CreateError),
        ("callback.profile_post_create", CreateError),
        ("callback.profile_store", TransactionRolledBackError),
        ("callback.profile_verify", TransactionRolledBackError),
        ("callback.profile_passivate", TransactionRolledBackError),
    ],
)
def test_tst_6_an_error_in_a_callback_refuses_what_management_does(point: str, refusal: type[Exception]) -> None:
    with Tables() as world:
        specification = world.profiles.table("Traced").descriptor.id
        world.slee.faults.inject(point, Boom())
        with pytest.raises(refusal):
            world.profiles.create_table("more", specification)
        assert "more" not in world.profiles.tables()
        world.profiles.create_table("more", specification)


@followed
@pytest.mark.parametrize("point", BY_COMPONENTS)
def test_tst_6_a_crash_in_a_callback_of_a_profile_comes_out_of_the_harness(point: str) -> None:
    with Tables() as world:
        world.add("Traced", "one")
        world.slee.faults.inject(point, Crash())
        with pytest.raises(Crash):
            world.use(BY_COMPONENTS[point])


@followed
@pytest.mark.parametrize("point", BY_COMPONENTS)
def test_tst_6_a_delay_in_a_callback_of_a_profile_lets_time_pass(point: str) -> None:
    with Tables() as world:
        world.add("Traced", "one")
        begin = world.slee.now()
        world.slee.faults.inject(point, Delay(2.5))
        world.use(BY_COMPONENTS[point])
        assert world.slee.now() - begin == 2.5
        assert world.causes() == []


@followed
def test_tst_7_calls_of_a_profiles_code_are_in_the_log_with_their_transaction() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one")
        before = world.slee.log.last(1)[0].number

        def act(sbb: Any) -> None:
            sbb.traced.get("one").use()
            raise Boom

        world.use(lambda sbb: sbb.traced.get("one").use())
        world.use(act)
        calls = [entry for entry in world.slee.log if entry.number > before and entry.where == "Traced/one"]
        handlers = [entry for entry in world.slee.log if entry.number > before and entry.callback == "on_do"]
        assert [(entry.callback, entry.outcome) for entry in calls] == [
            ("profile_activate", "committed"),
            ("profile_load", "committed"),
            ("use", "committed"),
            ("profile_store", "committed"),
            ("profile_passivate", "committed"),
            ("profile_activate", "rolled back"),
            ("profile_load", "rolled back"),
            ("use", "rolled back"),
            ("profile_passivate", "rolled back"),
        ]
        assert {(c.transaction, c.event, c.activity) for c in calls} == {
            (h.transaction, h.event, h.activity) for h in handlers
        }


@followed
def test_tst_7_calls_by_management_are_in_the_log() -> None:
    with Tables() as world:
        before = world.slee.log.last(1)[0].number
        world.change("Traced", None, number=1)
        calls = [entry for entry in world.slee.log if entry.number > before]
        assert [str(entry).split(" ", 1)[1] for entry in calls] == [
            f"tx{calls[0].transaction} - Traced/(default) {name} [-] committed"
            for name in ("profile_activate", "profile_load", "profile_store", "profile_verify", "profile_passivate")
        ]


# The profile store (TST-6, PRF-46).

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))


class Balance(Profile, vendor="test", version="1.0"):
    """What the service writes."""

    count: int = 0


class Counting(Sbb, vendor="test", version="1.0"):
    """Counts in a profile, and says so."""

    balances = profiles(Balance)
    ra = resource(RA)

    @initial_event()
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        balance = self.balances.find(event.text) or self.balances.create(event.text)
        balance.count += 1
        self.ra.send(f"{event.text} {balance.count}")


class Server:
    """A harness with a journal, a profile database and the watch over it, as a server has them."""

    def __init__(self, disk: SimulatedDisk, slee: SleeHarness | None = None) -> None:
        self.disk = disk
        self.slee = slee or SleeHarness(journal=disk, leftovers_allowed=True)
        self.ra = self.slee.add_resource("ra", RecordingResource(RA))

    def install(self) -> Server:
        self.slee.install(Counting)
        storage = self.slee.profiles.following.storage
        assert storage is not None
        self.watch = ProfileDatabaseWatch(self.slee.kernel, self.slee.facilities, self.slee.profiles, storage)
        return self

    def count(self, account: str = "a") -> None:
        handle = f"{account}{self.slee.kernel.next_sequence()}"
        self.ra.endpoint.start_activity(handle, handle)
        self.ra.endpoint.fire(handle, Note(account))
        self.slee.run()

    def alarms(self) -> list[str]:
        self.watch.run()
        return [alarm.message for alarm in self.slee.alarms]

    def crash(self) -> Server:
        """The next one, on the same disk, which is recovered."""
        found = Server(self.disk, self.slee.crash()).install()
        found.slee.restart()
        return found

    @property
    def stored(self) -> dict[str, Any]:
        return self.disk.profiles.contents("Balance")

    @property
    def resident(self) -> dict[str | None, object]:
        return dict(self.slee.profiles.table("Balance").resident.rows)


ERRORS = pytest.mark.parametrize(
    "error", [OSError("no space left"), Boom("a bug")], ids=["of the database", "of the writer"]
)


@ERRORS
def test_tst_6_an_error_in_the_profile_store_is_an_alarm_and_the_write_is_made_later(error: Exception) -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE)).install()
    server.count()
    server.slee.faults.inject(PROFILES_WRITE, error, always=True)
    server.count()
    server.count("b")
    assert server.ra.commands == ["a 1", "a 2", "b 1"], "calls do not wait for the database"
    (message,) = server.alarms()
    assert str(error) in message
    assert "2 changes wait to be written, none is lost" in message
    assert server.stored == {"a": (1,)}
    server.slee.faults.clear()
    server.count()
    assert server.stored == server.resident == {"a": (3,), "b": (1,)}
    assert server.alarms() == []


@ERRORS
def test_tst_6_a_write_of_profiles_whose_answer_is_lost_is_not_made_twice(error: Exception) -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE)).install()
    server.count()
    server.slee.faults.inject(PROFILES_WRITTEN, error)
    begin = server.slee.now()
    server.slee.faults.inject(PROFILES_WRITE, Delay(1.0), always=True)
    server.count()
    assert server.stored == {"a": (2,)}
    server.count("b")
    assert server.stored == server.resident == {"a": (2,), "b": (1,)}
    assert (server.slee.now() - begin, server.alarms()) == (2.0, [])


@pytest.mark.parametrize("point", [PROFILES_WRITE, PROFILES_WRITTEN])
def test_tst_6_an_error_as_a_table_is_made_loses_neither_table_nor_profiles(point: str) -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE))
    server.slee.faults.inject(point, OSError("connection reset"))
    server.install().count()
    server.count("b")
    assert (server.stored, server.alarms()) == ({"a": (1,), "b": (1,)}, [])
    assert server.crash().resident == {"a": (1,), "b": (1,)}


def test_tst_6_a_profile_store_that_always_fails_loses_nothing_over_a_crash() -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE)).install()
    server.count()
    server.slee.faults.inject(PROFILES_WRITE, OSError("no space left"), always=True)
    server.count()
    server.count("b")
    assert server.stored == {"a": (1,)}
    server = server.crash()
    assert server.resident == {"a": (2,), "b": (1,)}
    assert server.stored == {"a": (2,), "b": (1,)}
    server.count()
    assert (server.stored, server.alarms()) == ({"a": (3,), "b": (1,)}, [])


@pytest.mark.parametrize("point", [PROFILES_WRITE, PROFILES_WRITTEN])
def test_tst_6_a_crash_in_the_profile_store_is_made_good_at_the_restart(point: str) -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE)).install()
    server.count()
    server.slee.faults.inject(point, Crash(), nth=2)
    server.count()
    with pytest.raises(Crash):
        server.count("b")
    server = server.crash()
    assert server.resident == server.stored == {"a": (2,), "b": (1,)}
    server.count("b")
    assert server.stored == {"a": (2,), "b": (2,)}


@pytest.mark.parametrize("point", [PROFILES_WRITE, PROFILES_WRITTEN])
def test_tst_6_a_delay_in_the_profile_store_holds_nothing_else_up(point: str) -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE)).install()
    begin = server.slee.now()
    server.slee.faults.inject(point, Delay(2.5), always=True)
    server.count()
    assert server.slee.now() - begin == 2.5
    assert (server.ra.commands, server.stored, server.alarms()) == (["a 1"], {"a": (1,)}, [])


def test_tst_10_a_profile_store_that_fails_when_the_harness_closes_is_told() -> None:
    server = Server(SimulatedDisk(faults=AT_ONCE)).install()
    server.slee.faults.inject(PROFILES_WRITE, OSError("no space left"), always=True)
    server.count()
    with pytest.raises(AssertionError, match="profile database: .*no space left"):
        server.slee.check()
    server.slee.failures_allowed = True
    server.slee.check()


def causes(error: Any) -> list[BaseException]:
    """An error and what it came of."""
    found: list[BaseException] = []
    while isinstance(error, BaseException):
        found.append(error)
        error = error.__cause__
    return found
