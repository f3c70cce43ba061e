"""What the rules of other groups say of a crash and a restart, and of outputs that wait for the journal."""

from __future__ import annotations

import pytest

from slee import (
    ActivityContext,
    Cmp,
    EventContext,
    Sbb,
    Select,
    child,
    cmp,
    event_type,
    handles,
    initial_event,
    resource,
)
from slee.model.descriptor import Durability
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import RecordingResource, SleeHarness
from slee.testing.resources import Handed
from tests.conformance.test_dur import AT_ONCE, RA, SLOW, Call, Hold, Note, Open, World


@event_type("restart.Say", vendor="test", version="1.0")
class Say:
    """A command that the adaptor can repeat."""

    text: str


class Repeating(RecordingResource):
    """Performs `Say`, and repeats it after a crash."""

    recovers = (Say,)

    def perform(self, command: object) -> None:
        self.repeated.append(("first", command))


class Speaker(Sbb, vendor="test", version="1.0"):
    """Has two activities and speaks when told."""

    count: Cmp[int] = cmp(0)
    ra = resource(RA)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_open(self, event: Open, aci: ActivityContext) -> None:
        self.count = event.number

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        self.count += 1
        self.ra.send(event.text)


class Other(Speaker, vendor="test", version="1.0"):
    """Another service, of another class."""

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        self.ra.send(f"other {event.text}")


# OUT.


def test_out_6_outputs_of_a_sync_service_wait_for_the_acknowledgement() -> None:
    world = World(SLOW, Durability.SYNC)
    world.open("a", 1)
    assert world.ra.commands == []
    world.slee.advance(0.9)
    assert world.ra.commands == []
    world.slee.advance(0.2)
    assert world.ra.commands == ["open 1"]


def test_out_6_outputs_of_an_async_service_follow_the_commit() -> None:
    world = World(SLOW, Durability.ASYNC)
    world.open("a", 1)
    assert world.ra.commands == ["open 1"]


def test_out_6_an_acknowledgement_covers_all_earlier_records() -> None:
    world = World(SLOW, Durability.SYNC)
    world.open("a", 1)
    world.open("b", 2)
    journalling = world.slee.kernel.journalling
    journalling.acknowledged(journalling.flush(world.slee.clock.now))
    world.slee.run()
    assert world.ra.commands == ["open 1", "open 2"]


def held_back(world: World, text: str) -> Handed:
    command = Handed(text, None, None, 0.0)
    world.ra.context.perform_recorded(command)
    world.slee.run()
    return command


def test_out_6_what_an_adaptor_holds_back_waits_for_all_that_was_committed_before() -> None:
    world = World(SLOW, Durability.ASYNC)
    world.open("a", 1)
    command = held_back(world, "answer")
    assert command not in world.ra.handed
    world.slee.advance(0.9)
    assert command not in world.ra.handed
    world.slee.advance(0.3)
    assert world.ra.handed[-1] is command


def test_out_6_what_an_adaptor_holds_back_goes_soon_where_nothing_is_to_be_recorded() -> None:
    world = World(SLOW, Durability.ASYNC)
    world.slee.advance(3)  # the schemas have been written
    assert held_back(world, "answer") in world.ra.handed
    with SleeHarness() as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        command = Handed("answer", None, None, 0.0)
        ra.context.perform_recorded(command)
        slee.run()
        assert ra.handed == [command]


def two_services(first: Durability, second: Durability) -> tuple[SleeHarness, RecordingResource]:
    slee = SleeHarness(journal=SimulatedDisk(faults=SLOW), leftovers_allowed=True)
    ra = slee.add_resource("test", RecordingResource(RA))
    slee.install(Speaker, durability=first, default_priority=5)
    slee.install(Other, durability=second)
    for handle in "ab":
        ra.endpoint.start_activity(handle, handle)
    ra.endpoint.fire("a", Open(1))
    slee.run()
    slee.advance(3)
    return slee, ra


def test_out_7_an_output_waits_for_the_sync_transaction_before_it_on_the_same_context() -> None:
    slee, ra = two_services(Durability.SYNC, Durability.ASYNC)
    ra.endpoint.fire("a", Note("x"))
    slee.run()
    assert ra.commands == []
    slee.advance(2)
    assert ra.commands == ["x", "other x"]


def test_out_7_an_output_on_another_context_and_tree_does_not_wait() -> None:
    slee, ra = two_services(Durability.SYNC, Durability.ASYNC)
    ra.endpoint.fire("a", Note("x"))
    ra.endpoint.fire("b", Note("y"))
    slee.run()
    assert ra.commands == ["other y"]
    slee.advance(2)
    assert ra.commands == ["other y", "x", "other x"]


def test_out_16_an_unmarked_output_of_a_sync_service_is_offered_as_possibly_sent_and_a_marked_one_is_not() -> None:
    def equip(slee: SleeHarness) -> Repeating:
        ra = slee.add_resource("test", Repeating(RA))
        slee.install(Speaking, durability=Durability.SYNC)
        return ra

    class Speaking(Sbb, vendor="test", version="1.0"):
        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_note(self, event: Note, aci: ActivityContext) -> None:
            ra.context.enlist(Say(event.text))

    disk = SimulatedDisk(faults=AT_ONCE)
    slee = SleeHarness(journal=disk, leftovers_allowed=True)
    ra = equip(slee)
    ra.endpoint.start_activity("a", "a")
    ra.endpoint.fire("a", Note("one"))
    slee.run()  # handed over; the mark rides in the next record
    ra.endpoint.start_activity("b", "b")
    ra.endpoint.fire("b", Note("two"))
    slee.kernel.step(slee.clock.now)
    slee.kernel.journalling.flush(slee.clock.now)
    assert ra.repeated == [("first", Say("one"))]
    again = slee.crash(survivors=1)
    ra = equip(again)
    again.restart()
    assert ra.repeated == [Say("two")]
    third = again.crash(survivors=0)
    ra = equip(third)
    third.restart()
    assert ra.repeated == []


def in_doubt() -> tuple[SleeHarness, type[Sbb]]:
    """Twelve commands were recorded, and the process ended before the mark that they had been handed over."""

    class Speaking(Sbb, vendor="test", version="1.0"):
        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_note(self, event: Note, aci: ActivityContext) -> None:
            for number in range(12):
                ra.context.enlist(Say(f"{event.text} {number}"))

    slee = SleeHarness(journal=SimulatedDisk(faults=AT_ONCE), leftovers_allowed=True)
    ra = slee.add_resource("test", Repeating(RA))
    slee.install(Speaking, durability=Durability.SYNC)
    slee.run()
    ra.endpoint.start_activity("a", "a")
    ra.endpoint.fire("a", Note("one"))
    slee.kernel.step(slee.clock.now)
    slee.kernel.journalling.flush(slee.clock.now)
    return slee.crash(survivors=1), Speaking


def test_out_16_outputs_in_doubt_are_offered_in_the_order_of_the_calls() -> None:
    again, speaking = in_doubt()
    ra = again.add_resource("test", Repeating(RA))
    again.install(speaking, durability=Durability.SYNC)
    again.restart()
    assert ra.repeated == [Say(f"one {number}") for number in range(12)]


def test_out_16_outputs_in_doubt_of_an_adaptor_that_is_gone_leave_the_journal() -> None:
    again, speaking = in_doubt()
    again.add_resource("other", Repeating(RA))
    again.install(speaking, durability=Durability.SYNC)
    report = again.restart()
    assert report.outputs == 0
    assert "12 outputs of test, which is no RA entity" in report.dropped
    again.advance(1)
    assert [key for key in again.recovery.disk.entries if key.startswith(b"O")] == []


def test_out_16_an_output_that_cannot_be_repeated_fails_as_outcome_unknown() -> None:
    world = World(SLOW, Durability.SYNC)
    world.open("a", 1)
    world.slee.kernel.journalling.flush(world.slee.clock.now)
    world.crash(survivors=9)
    assert [failure.cause for failure in world.slee.failures] == ["outcome_unknown"]
    assert world.ra.commands == []


# CON, and events.


def test_con_13_events_of_a_recorded_commit_are_queued_again() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.fire("a", Note("queued"))
    world.slee.recovery.flush(world.slee.clock.now)
    report = world.crash()
    assert report.events == 1
    assert world.state()["notes"] == ("queued",)


def test_con_13_events_on_an_activity_that_ends_with_the_process_die_with_it() -> None:
    world = World()
    world.open("a", 1)
    world.ra.endpoint.start_activity("passing", "passing")
    world.ra.endpoint.fire("passing", Note("lost"))
    world.slee.recovery.flush(world.slee.clock.now)
    assert world.crash().events == 0


def test_ecx_19_a_suspension_with_who_was_served_and_what_waits_behind_survives() -> None:
    class Waiting(Sbb, vendor="test", version="1.0"):
        held: Cmp[EventContext | None] = cmp(None)
        notes: Cmp[tuple[str, ...]] = cmp(())

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_hold(self, event: Hold, aci: ActivityContext, context: EventContext) -> None:
            self.held = context
            context.suspend(timeout=event.seconds)

        @handles
        def on_note(self, event: Note, aci: ActivityContext) -> None:
            self.notes = (*self.notes, event.text)

    slee = SleeHarness(journal=SimulatedDisk(faults=AT_ONCE), leftovers_allowed=True)
    ra = slee.add_resource("test", RecordingResource(RA))
    slee.install(Waiting)
    ra.endpoint.start_activity("a", "a")
    ra.endpoint.save_activity("a", b"")
    for event in (Hold(30.0), Note("1"), Note("2")):
        ra.endpoint.fire("a", event)
    slee.run()
    slee = slee.crash()
    slee.add_resource("test", RecordingResource(RA))
    slee.install(Waiting)
    slee.restart()
    (entity,) = slee.entities(Waiting)
    assert entity.state["held"] is slee.kernel.resources["test"].contexts["a"].first
    assert entity.state["notes"] == ()
    slee.advance(31)
    assert entity.state["notes"] == ("1", "2")


# Activities and trees.


def test_ac_20_events_attachments_names_and_timers_survive_under_the_same_handle() -> None:
    world = World()
    world.open("a", 1)
    world.crash()
    context = world.slee.kernel.resources["test"].contexts["a"]
    own = world.slee.kernel.naming.names["call-1"]
    assert [entity.env.cls.__name__ for entity in context.attached] == ["Call", "Leg"]
    assert [record.id for record in own.timers] == [world.state()["timer"]]


@pytest.mark.parametrize("handle", ["text", 7, b"octets", ("a", 1, (b"x",))])
def test_ac_19_a_handle_is_the_same_after_a_restart(handle: object) -> None:
    world = World()
    world.ra.endpoint.start_activity(handle, "activity")
    world.ra.endpoint.save_activity(handle, b"s")
    world.fire(handle, Open(1))
    world.crash()
    assert world.ra.restored == {handle: b"s"}


def test_ra_45_a_handle_that_is_no_plain_value_needs_a_marshaller_to_last() -> None:
    world = World()
    handle = frozenset({1})
    world.ra.endpoint.start_activity(handle, "activity")
    with pytest.raises(TypeError, match="marshaller"):
        world.ra.endpoint.save_activity(handle, b"")


def test_ra_13_activities_being_restored_are_the_only_ones_told_of_at_the_start() -> None:
    world = World()
    world.open("a", 1)
    world.crash()
    names = [name for name, *_ in world.ra.callbacks]
    assert names[: names.index("restore_activity") + 1] == ["set_context", "ra_active", "restore_activity"]


def test_att_23_counts_are_those_of_the_committed_attachments() -> None:
    world = World()
    world.open("a", 1)
    before = world.slee.entities(Call)[0].count
    world.crash()
    assert world.slee.entities(Call)[0].count == before == 3


def test_att_23_a_tree_whose_reclamation_was_due_is_reclaimed_before_any_event() -> None:
    removed: list[int] = []

    class Careful(Sbb, vendor="test", version="1.0"):
        number: Cmp[int] = cmp(0)

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_open(self, event: Open, aci: ActivityContext) -> None:
            self.number = event.number

        def sbb_remove(self) -> None:
            removed.append(self.number)

    slee = SleeHarness(journal=SimulatedDisk(faults=AT_ONCE), leftovers_allowed=True)
    ra = slee.add_resource("test", RecordingResource(RA))
    slee.install(Careful)
    ra.endpoint.start_activity("passing", "passing")
    ra.endpoint.fire("passing", Open(4))
    slee.run()
    slee = slee.crash()
    slee.add_resource("test", RecordingResource(RA))
    slee.install(Careful)
    slee.restart()
    assert removed == [4]
    assert slee.entities(Careful) == []


def test_chd_6_children_come_back_in_the_order_of_their_creation() -> None:
    class Part(Sbb, vendor="test", version="1.0"):
        number: Cmp[int] = cmp(0)

    class Parent(Sbb, vendor="test", version="1.0"):
        parts = child(Part)

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_open(self, event: Open, aci: ActivityContext) -> None:
            for _ in range(event.number):
                self.parts.create()

    slee = SleeHarness(journal=SimulatedDisk(faults=AT_ONCE), leftovers_allowed=True)
    ra = slee.add_resource("test", RecordingResource(RA))
    slee.install(Parent)
    ra.endpoint.start_activity("a", "a")
    ra.endpoint.save_activity("a", b"")
    ra.endpoint.fire("a", Open(12))
    slee.run()
    before = [part.sequence for part in slee.entities(Parent)[0].children["parts"]]
    slee = slee.crash()
    slee.add_resource("test", RecordingResource(RA))
    slee.install(Parent)
    slee.restart()
    assert [part.sequence for part in slee.entities(Parent)[0].children["parts"]] == before


def test_rtr_8_the_order_among_equal_candidates_is_the_same_after_a_restart() -> None:
    world = World()
    for number in range(4):
        world.open(f"call-{number}", number)
    before = [entity.sequence for entity in world.slee.entities(Call)]
    world.crash()
    assert [entity.sequence for entity in world.slee.entities(Call)] == before


# CMP.


def test_cmp_7_fields_written_together_are_recovered_together() -> None:
    world = World(StoreFaults(delay=(0.3, 0.3), acknowledgement_delay=(0.0, 0.0)))
    world.open("a", 1)
    world.crash(survivors=1)
    for entity in world.slee.entities(Call):
        assert (entity.state["number"] == 1) == (entity.state["timer"] is not None)


def test_cmp_19_references_designate_what_was_stored() -> None:
    world = World()
    world.open("a", 1)
    world.crash()
    state = world.state()
    root = world.slee.entities(Call)[0]
    assert state["leg"].entity is next(iter(root.children["legs"]))
    assert state["own"] is world.slee.kernel.naming.names["call-1"]


def test_cmp_21_a_delivery_after_the_restart_begins_with_what_was_committed() -> None:
    world = World()
    world.open("a", 1)
    world.fire("a", Note("before"))
    world.crash()
    world.fire("a", Note("after"))
    assert world.state()["notes"] == ("before", "after")


def test_cmp_22_commit_leaves_the_same_values_with_and_without_a_journal() -> None:
    world = World()
    world.open("a", 1)
    world.fire("a", Note("x"))
    plain = SleeHarness(leftovers_allowed=True)
    ra = plain.add_resource("test", RecordingResource(RA))
    plain.install(Call)
    ra.endpoint.start_activity("a", "a")
    for event in (Open(1), Note("x")):
        ra.endpoint.fire("a", event)
    plain.run()
    kept = plain.entities(Call)[0].state
    world.crash()
    for name in ("number", "notes", "ended", "fired"):
        assert world.state()[name] == kept[name]


# Timers.


def test_tmr_32_a_timer_survives_with_schedule_options_and_counts() -> None:
    world = World()
    world.open("a", 1)
    own = world.state()["own"]
    timer = world.slee.kernel.timers.set(own, after=3.0, period=3.0, repetitions=5)
    world.slee.run()
    world.slee.advance(4.0)
    before = world.slee.kernel.timers.records[timer]
    world.crash(downtime=1.0)
    after = world.slee.kernel.timers.records[timer]
    for name in ("start", "period", "repetitions", "preserve_missed", "timeout", "number", "missed", "sequence"):
        assert getattr(after, name) == getattr(before, name)


def test_tmr_32_what_came_due_meanwhile_is_judged_by_the_time_at_which_it_runs_again() -> None:
    world = World()
    world.open("a", 1)
    own = world.state()["own"]
    due = world.slee.clock.now + 2.0
    world.slee.kernel.timers.set(own, at=due, period=2.0, repetitions=6)
    world.slee.run()
    world.crash(downtime=9.5)
    world.slee.advance(0.2)
    assert world.state()["fired"][:1] == (due + 6.0,)  # the last of those that are late, by TMR-18


# TST.


def test_tst_9_crash_forgets_what_was_not_recorded_and_restart_recovers_the_rest() -> None:
    world = World(SLOW)
    world.open("a", 1)
    world.slee.advance(2.0)
    world.fire("a", Note("forgotten"))
    report = world.crash(survivors=0)
    assert world.state()["notes"] == ()
    assert str(report).startswith("recovered ")


def test_tst_9_crash_may_happen_between_any_two_steps() -> None:
    for steps in range(6):
        world = World()
        world.open("a", 1)
        for text in "xy":
            world.ra.endpoint.fire("a", Note(text))
        for _ in range(steps):
            world.slee.step()
        world.slee.recovery.flush(world.slee.clock.now)
        world.crash()
        root = world.slee.entities(Call)[0]
        assert root.state["notes"] == ("x", "y")
        assert next(iter(root.children["legs"])).state["notes"] == ("x", "y")
