"""Durability: what survives a crash, and what waits for the journal (group DUR)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from slee import (
    ActivityContext,
    ActivityContextView,
    ActivityEnd,
    Cmp,
    EventContext,
    Sbb,
    SbbLocal,
    Select,
    Shared,
    TimerEvent,
    TimerID,
    child,
    cmp,
    event_type,
    handles,
    initial_event,
    resource,
    shared,
)
from slee.api.errors import FireEventError, JournalError, RecoveryError
from slee.api.ids import ServiceID
from slee.facilities.journalwatch import NOT_WRITTEN, JournalBounds, JournalWatch
from slee.kernel.recovery import RecoveryReport
from slee.kernel.states import ServiceState
from slee.model.descriptor import Durability
from slee.spi.flags import EventFlags
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import RecordingResource, SleeHarness, recording_type

ROOT = Path(__file__).parents[2]
AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))
SLOW = StoreFaults(delay=(1.0, 1.0), acknowledgement_delay=(0.0, 0.0))


@event_type("dur.Open", vendor="test", version="1.0")
class Open:
    """Makes the tree, with a null activity of its own."""

    number: int


@event_type("dur.Note", vendor="test", version="1.0")
class Note:
    """Goes to whom it may concern."""

    text: str


@event_type("dur.Hold", vendor="test", version="1.0")
class Hold:
    """Is suspended by the first who gets it."""

    seconds: float


RA = recording_type(Open, Note, Hold)


class CallView(ActivityContextView):
    """Shared attributes."""

    hops: Shared[int] = shared(0)
    label: Shared[str] = shared("", alias="label")


class Leg(Sbb, vendor="test", version="1.0"):
    """A child."""

    notes: Cmp[tuple[str, ...]] = cmp(())

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        self.notes = (*self.notes, event.text)


class Call(Sbb, vendor="test", version="1.0"):
    """Keeps one of everything that lasts."""

    number: Cmp[int] = cmp(0)
    notes: Cmp[tuple[str, ...]] = cmp(())
    ended: Cmp[bool] = cmp(False)
    own: Cmp[ActivityContext | None] = cmp(None)
    leg: Cmp[SbbLocal[Leg] | None] = cmp(None)
    timer: Cmp[TimerID | None] = cmp(None)
    fired: Cmp[tuple[float, ...]] = cmp(())
    legs = child(Leg)
    ra = resource(RA)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_open(self, event: Open, aci: CallView) -> None:
        self.number = event.number
        self.own = own = self.null_activities.create()
        own.attach(self)
        self.naming.bind(own, f"call-{event.number}")
        self.leg = leg = self.legs.create()
        leg.priority = 3
        aci.attach(leg)
        aci.hops = 7
        aci.label = "kept"
        self.timer = self.timers.set(own, after=10.0)
        self.ra.send(f"open {event.number}")

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        self.notes = (*self.notes, event.text)
        self.ra.send(event.text)

    @handles
    def on_hold(self, event: Hold, aci: ActivityContext, context: EventContext) -> None:
        self.notes = (*self.notes, "held")
        context.suspend(timeout=event.seconds)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.fired = (*self.fired, event.scheduled)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        self.ended = True


class World:
    """A harness on a disk, with one call on a durable activity."""

    def __init__(
        self, faults: StoreFaults = AT_ONCE, durability: Durability = Durability.ASYNC, *, seed: int = 0
    ) -> None:
        self.disk = SimulatedDisk(seed=seed, faults=faults)
        self.durability = durability
        self.slee = SleeHarness(journal=self.disk, leftovers_allowed=True, failures_allowed=True)
        self.equip()

    def equip(self, *, restores: bool = True) -> None:
        """Add what a process begins with."""
        self.ra = self.slee.add_resource("test", RecordingResource(RA))
        self.ra.restores = restores
        self.service = self.slee.install(Call, durability=self.durability)

    def open(self, handle: str, number: int) -> None:
        """A call on an activity that the adaptor keeps."""
        self.ra.endpoint.start_activity(handle, handle)
        self.ra.endpoint.save_activity(handle, handle.encode())
        self.fire(handle, Open(number))

    def fire(self, handle: str, event: object) -> None:
        """Fire, and run."""
        self.ra.endpoint.fire(handle, event)
        self.slee.run()

    def crash(self, *, survivors: int | None = 0, downtime: float = 0.0, restores: bool = True) -> RecoveryReport:
        """Crash, and restart with the same equipment."""
        self.slee = self.slee.crash(survivors=survivors, downtime=downtime)
        self.equip(restores=restores)
        return self.slee.restart()

    def state(self, number: int = 0) -> dict[str, object]:
        """The fields of one call."""
        return self.slee.entities(Call)[number].state


# DUR-1: classes.


def test_dur_1_a_memory_service_leaves_nothing_in_the_journal() -> None:
    world = World(durability=Durability.MEMORY)
    world.open("a", 1)
    assert not [key for key in world.disk.entries if key[:1] in b"ETM"]
    report = world.crash()
    assert report.entities == 0
    assert world.slee.entities(Call) == []


def test_dur_1_timers_names_and_attributes_of_a_memory_service_are_left_out_of_a_durable_activity() -> None:
    world = World(durability=Durability.MEMORY)
    world.open("a", 1)
    world.crash()
    assert not world.slee.kernel.timers.records
    assert not world.slee.kernel.naming.names
    assert world.slee.kernel.resources["test"].contexts["a"].shared is None


def test_dur_1_without_a_journal_every_class_is_memory() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        slee.install(Call, durability=Durability.SYNC)
        ra.endpoint.start_activity("a", "a")
        ra.endpoint.fire("a", Open(1))
        slee.run()
        assert ra.commands == ["open 1"]


def test_dur_1_a_tree_on_activities_that_end_with_the_process_costs_no_record() -> None:
    class Small(Sbb, vendor="test", version="1.0"):
        count: Cmp[int] = cmp(0)

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_open(self, event: Open, aci: ActivityContext) -> None:
            self.count = event.number

    disk = SimulatedDisk(faults=AT_ONCE)
    slee = SleeHarness(journal=disk, leftovers_allowed=True)
    ra = slee.add_resource("test", RecordingResource(RA))
    slee.install(Small)
    before = dict(disk.entries)
    ra.endpoint.start_activity("passing", "passing")
    ra.endpoint.fire("passing", Open(1))
    slee.run()
    assert slee.entities(Small)
    assert disk.entries == before


# DUR-2, DUR-3: records.


def test_dur_2_everything_that_a_commit_changed_comes_back() -> None:
    world = World()
    world.open("a", 5)
    before = world.state()
    report = world.crash()
    assert (report.entities, report.timers) == (2, 1)
    after = world.state()
    kernel = world.slee.kernel
    context = kernel.resources["test"].contexts["a"]
    own = kernel.naming.names["call-5"]
    assert after["number"] == 5
    assert after["timer"] == before["timer"]
    assert after["own"] is own
    assert str(own.handle) == str(before["own"].handle)
    assert sorted(context.shared.values(), key=str) == [7, "kept"]
    root, leg = list(context.attached)
    assert (leg.parent, leg.priority, leg.root.count) == (root, 3, 3)


def test_dur_2_what_has_come_and_gone_between_two_flushes_is_in_no_record() -> None:
    world = World()
    world.slee.kernel.journalling.flush(0.0)
    sequence = world.disk.sequence
    world.ra.endpoint.start_activity("a", "a")
    world.ra.endpoint.save_activity("a", b"")
    world.ra.endpoint.end_activity("a")
    while world.slee.kernel.step(world.slee.clock.now):
        pass
    assert world.slee.kernel.dirty
    world.slee.kernel.journalling.flush(0.0)
    assert world.disk.sequence == sequence


def test_dur_2_state_saved_by_the_adaptor_with_no_transaction_open_is_in_the_next_record() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.save_activity("a", b"newer")
    world.slee.run()
    world.crash()
    assert world.ra.restored == {"a": b"newer"}


def test_dur_2_a_save_in_a_transaction_that_rolls_back_leaves_the_earlier_state() -> None:
    world = World()
    world.open("a", 1)
    world.ra.context.transactions.begin()
    world.ra.endpoint.save_activity("a", b"newer")
    world.ra.context.transactions.rollback()
    world.slee.run()
    world.crash()
    assert world.ra.restored == {"a": b"a"}


@pytest.mark.parametrize("survivors", range(6))
def test_dur_3_recovered_state_is_a_prefix_of_the_commits(survivors: int) -> None:
    world = World(SLOW)
    world.open("a", 1)
    world.slee.advance(5)
    for number in range(5):
        world.fire("a", Note(str(number)))
    world.crash(survivors=survivors)
    notes = world.state()["notes"]
    assert notes == tuple("01234")[: len(notes)]
    assert len(notes) <= survivors


def test_dur_3_an_acknowledged_commit_is_never_missing() -> None:
    world = World(SLOW)
    world.open("a", 1)
    world.fire("a", Note("acknowledged"))
    world.slee.advance(5)
    world.fire("a", Note("not yet"))
    world.crash(survivors=0)
    assert world.state()["notes"] == ("acknowledged",)


@pytest.mark.parametrize("seed", range(12))
def test_dur_4_a_crash_at_any_step_recovers_a_boundary_of_the_commits(seed: int) -> None:
    world = World(StoreFaults(delay=(0.0, 0.4), acknowledgement_delay=(0.0, 0.2), torn=0.5), seed=seed)
    world.open("a", 1)
    sent = ["0", "1", "2", "3", "4", "5"]
    for text in sent[: seed % 6]:
        world.fire("a", Note(text))
        world.slee.advance(0.1)
    world.crash(survivors=None)
    for entity in world.slee.entities(Call):
        notes = entity.state["notes"]
        leg = next(iter(entity.children["legs"]))
        assert notes == tuple(sent[: len(notes)])
        assert len(leg.state["notes"]) <= len(sent)


def test_dur_5_what_was_cut_off_is_reported_by_the_recovery() -> None:
    world = World(StoreFaults(delay=(9.0, 9.0)))
    world.open("a", 1)
    world.disk.crash(survivors=0, torn=True)
    again = SleeHarness(journal=world.disk, start=False)
    assert "torn" in again.recovery.journal.recovery.report


# DUR-6, DUR-7: the order, and the adaptors.


def test_dur_6_adaptors_are_asked_when_they_are_active_and_before_any_event() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.fire("a", Note("queued"), flags=EventFlags.PROCESSING_SUCCESSFUL)
    world.slee.recovery.flush(world.slee.clock.now)
    world.crash()
    callbacks = [name for name, *_ in world.ra.callbacks]
    asked = callbacks.index("restore_activity")
    assert callbacks.index("ra_active") < asked < callbacks.index("event_processing_successful")


def test_dur_7_each_journalled_activity_is_asked_for_once() -> None:
    world = World()
    world.open("a", 1)
    world.open("b", 2)
    world.ra.endpoint.start_activity("passing", "passing")
    world.slee.run()
    world.crash()
    asked = [arguments for name, *arguments in world.ra.callbacks if name == "restore_activity"]
    assert sorted(asked) == [["a", b"a"], ["b", b"b"]]


def test_dur_7_an_activity_that_the_adaptor_declines_ends_for_those_attached() -> None:
    world = World()
    world.open("a", 1)
    world.crash(restores=False)
    assert world.slee.observer.not_restored == [("test", "a")]
    assert world.state()["ended"] is True
    assert "a" not in world.slee.kernel.resources["test"].contexts


def test_dur_7_an_adaptor_that_raises_declines() -> None:
    class Faulty(RecordingResource):
        def restore_activity(self, handle: object, state: bytes) -> object | None:
            raise RuntimeError("no")

    world = World()
    world.open("a", 1)
    world.slee = world.slee.crash(survivors=0)
    world.slee.add_resource("test", Faulty(RA))
    world.slee.install(Call)
    world.slee.restart()
    assert world.state()["ended"] is True
    assert [failure.kind for failure in world.slee.failures] == ["adaptor"]


def test_dur_7_an_activity_whose_entity_is_gone_or_inactive_ends() -> None:
    world = World()
    world.open("a", 1)
    world.slee = world.slee.crash(survivors=0)
    world.slee.add_resource("other", RecordingResource(RA))
    world.slee.install(Call)
    world.slee.restart()
    assert world.state()["ended"] is True


def test_dur_7_null_activities_need_no_adaptor() -> None:
    world = World()
    world.open("a", 1)
    world.crash(restores=False)
    assert world.state()["own"].state.value == "Active"


# DUR-8: timers.


def test_dur_8_overdue_timers_fire_once_in_order_within_the_window() -> None:
    world = World()
    for number in range(5):
        world.open(f"call-{number}", number)
        world.slee.advance(1.0)
    world.crash(downtime=100.0)
    world.slee.advance(1.0)
    world.slee.advance(100.0)
    entities = world.slee.entities(Call)
    assert [len(entity.state["fired"]) for entity in entities] == [1] * 5
    seconds = [entity.state["fired"][0] for entity in entities]
    assert seconds == sorted(seconds)


def test_dur_8_overdue_timers_are_spread() -> None:
    world = World()
    for number in range(4):
        world.open(f"call-{number}", number)
    world.crash(downtime=100.0)
    fired = []
    for _ in range(4):
        fired.append(sum(len(entity.state["fired"]) for entity in world.slee.entities(Call)))
        world.slee.advance(0.25)
    assert fired == sorted(set(fired))
    assert fired[0] == 1


def test_dur_8_a_timer_cancelled_in_a_recovered_commit_does_not_fire() -> None:
    world = World()
    world.open("a", 1)
    world.slee.kernel.timers.cancel(world.state()["timer"])
    world.slee.run()
    world.crash(downtime=100.0)
    world.slee.advance(10.0)
    assert world.state()["fired"] == ()


def test_dur_8_a_timer_that_fired_before_the_crash_does_not_fire_again() -> None:
    world = World()
    world.open("a", 1)
    world.slee.advance(11.0)
    world.crash(downtime=100.0)
    world.slee.advance(10.0)
    assert len(world.state()["fired"]) == 1


# DUR-9: desired states.


def test_dur_9_an_active_service_gets_a_new_service_started() -> None:
    world = World()
    world.crash()
    context = world.slee.kernel.services[world.service].activity
    assert context is not None
    assert context.state.value == "Active"


def test_svc_9_a_service_that_is_not_to_be_active_goes_on_stopping_until_its_recovered_trees_are_gone() -> None:
    world = World()
    world.open("a", 1)
    world.slee = world.slee.crash(survivors=0)
    world.slee.add_resource("test", RecordingResource(RA))
    service = world.slee.install(Call, activate=False)
    world.slee.restart()
    kernel = world.slee.kernel
    assert kernel.service_state(service) is ServiceState.STOPPING
    kernel.remove_tree(world.slee.entities(Call)[0])
    world.slee.run()
    assert kernel.service_state(service) is ServiceState.INACTIVE


# DUR-10: events.


def test_dur_10_a_suspended_event_stays_suspended_and_goes_on_with_those_not_yet_served() -> None:
    world = World()
    world.open("a", 1)
    world.fire("a", Hold(60.0))
    world.fire("a", Note("behind"))
    assert world.state()["notes"] == ("held",)
    report = world.crash(downtime=20.0)
    assert report.events == 2
    assert world.state()["notes"] == ("held",)
    world.slee.advance(39.0)
    assert world.state()["notes"] == ("held",)
    world.slee.advance(2.0)
    assert world.state()["notes"] == ("held", "behind")


def test_dur_10_an_entity_whose_delivery_was_recorded_is_not_served_again() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.fire("a", Note("once"))
    world.slee.step()  # the first of two entities
    world.slee.step()
    world.crash()
    root = world.slee.entities(Call)[0]
    leg = next(iter(root.children["legs"]))
    assert (root.state["notes"], leg.state["notes"]) == (("once",), ("once",))


def test_dur_10_an_event_in_hand_goes_on_with_the_entities_not_yet_served() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.fire("a", Note("once"))
    assert world.slee.step().kind == "delivery"
    world.crash()
    root = world.slee.entities(Call)[0]
    leg = next(iter(root.children["legs"]))
    assert (root.state["notes"], leg.state["notes"]) == (("once",), ("once",))


# DUR-11: memory trees.


def test_dur_11_an_activity_that_only_memory_trees_were_attached_to_is_unreferenced() -> None:
    world = World(durability=Durability.MEMORY)
    world.open("a", 1)
    world.crash()
    context = world.slee.kernel.resources["test"].contexts["a"]
    assert not context.attached
    assert not context.is_referenced


# DUR-12: the codec.


def test_dur_12_no_store_and_no_codec_executes_what_it_reads() -> None:
    for package in ("slee/stores", "slee/model", "slee/kernel"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
                assert not {"pickle", "marshal", "shelve", "dill"} & set(names), path
                called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
                assert called not in ("eval", "exec"), path


def test_dur_12_a_record_of_a_newer_format_stops_the_start() -> None:
    world = World()
    world.open("a", 1)
    key = next(key for key in world.disk.entries if key.startswith(b"E"))
    world.disk.entries[key] = b"\x95\x63\x01\x00\x90\x90"
    with pytest.raises(RecoveryError, match=r"format 99.*up to 1"):
        world.crash()


def test_dur_12_entities_of_another_schema_stop_the_start_with_both() -> None:
    world = World()
    world.open("a", 1)

    class Call(Sbb, vendor="test", version="1.0"):  # the same id, other fields
        number: Cmp[str] = cmp("")
        legs = child(Leg)

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_open(self, event: Open, aci: ActivityContext) -> None: ...

    world.slee = world.slee.crash(survivors=0)
    world.slee.add_resource("test", RecordingResource(RA))
    world.slee.install(Call)
    with pytest.raises(RecoveryError, match="number: int.*number: str"):
        world.slee.restart()


# DUR-13: a journal that is not written.


def failing(world: World, bounds: JournalBounds | None = None) -> JournalWatch:
    world.disk.fill()
    watch = JournalWatch(world.slee.kernel.journalling, world.slee.facilities, bounds)
    watch.look(0.0)
    return watch


def test_dur_13_initial_work_is_refused_as_overload_and_work_in_progress_goes_on() -> None:
    world = World()
    world.open("a", 1)
    failing(world)
    world.ra.endpoint.start_activity("b", "b")
    with pytest.raises(FireEventError, match="DUR-13"):
        world.ra.endpoint.fire("b", Open(2))
    world.fire("a", Note("goes on"))
    assert world.state()["notes"] == ("goes on",)
    assert [alarm.alarm_type for alarm in world.slee.alarms] == [NOT_WRITTEN]


def test_dur_13_memory_services_go_on() -> None:
    world = World(durability=Durability.MEMORY)
    failing(world, JournalBounds(records=0))
    world.ra.endpoint.start_activity("b", "b")
    world.fire("b", Open(2))
    assert world.state()["number"] == 2


def test_dur_13_no_delivery_begins_beyond_the_bound_and_all_goes_on_in_order_when_there_is_room() -> None:
    world = World()
    world.open("a", 1)
    watch = failing(world, JournalBounds(records=1))
    for text in "0123":
        world.fire("a", Note(text))
        watch.look(1.0)
    seen = world.state()["notes"]
    assert seen == tuple("0123")[: len(seen)]
    assert len(seen) < 4
    world.disk.free()
    watch.look(2.0)
    world.slee.run()
    assert world.state()["notes"] == tuple("0123")
    assert world.slee.alarms == ()
    world.ra.endpoint.start_activity("b", "b")
    world.fire("b", Open(2))
    world.crash()
    assert world.state()["notes"] == tuple("0123")


def test_dur_13_outputs_that_wait_keep_waiting() -> None:
    world = World(durability=Durability.SYNC)
    world.open("a", 1)
    failing(world)
    world.fire("a", Note("waits"))
    assert "waits" not in world.ra.commands
    world.disk.free()
    world.slee.run()
    assert world.ra.commands[-1] == "waits"


# DUR-14, DUR-16: the end.


def test_dur_14_a_journal_that_does_not_recover_in_time_or_is_lost_ends_the_process() -> None:
    world = World()
    watch = failing(world, JournalBounds(give_up=60.0))
    watch.look(59.0)
    assert not watch.is_lost
    watch.look(60.0)
    assert watch.is_lost
    other = World()
    other.slee.recovery.journal.lose("gone")
    watch = JournalWatch(other.slee.kernel.journalling, other.slee.facilities)
    watch.look(0.0)
    assert watch.is_lost


def test_dur_15_state_that_was_removed_does_not_come_back() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.end_activity("a")
    world.slee.run()
    world.slee.kernel.timers.cancel(world.state()["timer"])
    world.slee.kernel.remove_tree(world.slee.entities(Call)[0])
    world.slee.run()
    report = world.crash()
    assert (report.entities, report.timers) == (0, 0)


def test_dur_16_an_owner_that_has_lost_the_journal_can_record_nothing_more() -> None:
    world = World()
    world.open("a", 1)
    old = world.slee
    world.disk.open(now=old.clock.now)
    world.ra.endpoint.fire("a", Note("late"))
    with pytest.raises(JournalError):
        old.run()


def test_dur_16_numbers_are_never_drawn_twice_across_owners() -> None:
    world = World()
    world.open("a", 1)
    before = {entity.sequence for entity in world.slee.entities(Call)}
    world.crash()
    world.open("b", 2)
    assert world.slee.entities(Call)[-1].sequence > max(before) + 2**30
    assert isinstance(world.service, ServiceID)
