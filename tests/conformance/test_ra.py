"""Resource adaptors: endpoint, flags, callbacks (group RA; links, configuration and marshalling are management's)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Profile,
    Sbb,
    Select,
    ServiceStarted,
    TimerEvent,
    handles,
    initial_event,
)
from slee.api.errors import (
    ActivityAlreadyExistsError,
    FireEventError,
    IllegalEventError,
    InvalidStateError,
    Issue,
    TransactionError,
    TransactionRequiredError,
    UnrecognizedActivityHandleError,
    UnrecognizedProfileTableError,
    VerificationError,
)
from slee.kernel.ports import Limits
from slee.kernel.states import ResourceState, SleeState
from slee.spi import ActivityFlags, EventFlags, FailureReason, ReceivableEvent, ReceivableService
from slee.testing import RecordingResource, SleeHarness, recording_type
from tests.conformance.kit import LOG, RA, Do, Note, Other, Root, World, boom
from tests.conformance.test_rtr import Unhandled

VENDOR = 0xAB000000


def names(resource: RecordingResource) -> list[object]:
    return [callback[0] for callback in resource.callbacks]


def test_ra_1_set_context_comes_first_of_all() -> None:
    with SleeHarness() as slee:
        resource = slee.add_resource("x", RecordingResource(RA))
        assert names(resource) == ["set_context", "ra_active"]


def test_ra_5_activate_and_deactivate_need_the_right_state() -> None:
    with World() as world:
        entity = world.kernel.resources["test"]
        with pytest.raises(InvalidStateError):
            entity.activate()
        entity.deactivate()
        assert entity.state is ResourceState.INACTIVE
        with pytest.raises(InvalidStateError):
            entity.deactivate()
        assert names(world.ra).count("ra_stopping") == 1


def test_ra_6_active_is_called_when_the_slee_runs_and_the_entity_is_active() -> None:
    with World() as world:
        world.kernel.stop()
        second = RecordingResource(RA)
        entity = world.kernel.create_resource("second", second)
        entity.activate()
        assert names(second) == []
        assert not entity.is_object_active
        world.kernel.start()
        assert names(second) == []
        world.slee.run()
        assert names(second) == ["ra_active"]


def test_ra_6_inside_ra_active_the_object_is_active() -> None:
    with World(Root) as world:
        second = RecordingResource(RA)
        entity = world.kernel.create_resource("second", second)

        def active() -> None:
            entity.start_activity("a", "activity")
            entity.fire("a", Do())

        second.ra_active = active
        entity.activate()
        world.slee.run()
        assert LOG == ["Root.on_do"]


def test_ra_7_an_exception_from_ra_active_leaves_the_object_inactive() -> None:
    with World(failures_allowed=True) as world:
        second = RecordingResource(RA)
        second.ra_active = boom
        entity = world.kernel.create_resource("second", second)
        entity.activate()
        assert entity.state is ResourceState.ACTIVE
        assert not entity.is_object_active
        assert entity.failure is not None
        assert [failure.kind for failure in world.slee.failures] == ["adaptor"]
        entity.deactivate()
        assert names(second) == []
        del second.ra_active
        entity.activate()
        assert entity.is_object_active
        assert entity.failure is None


def test_ra_8_stopping_waits_for_the_last_activity() -> None:
    with World() as world:
        world.start("a")
        entity = world.kernel.resources["test"]
        entity.deactivate()
        assert entity.state is ResourceState.STOPPING
        assert names(world.ra)[-1] == "ra_stopping"
        world.end("a")
        assert names(world.ra)[-1] == "ra_inactive"
        assert entity.state is ResourceState.INACTIVE
        moves = [(c.old.value, c.new.value) for c in world.slee.observer.changes if c.id == "test"]
        assert moves == [("Inactive", "Active"), ("Active", "Stopping"), ("Stopping", "Inactive")]


def test_ra_9_a_stop_of_the_slee_leaves_the_entity_active() -> None:
    with World() as world:
        entity = world.kernel.resources["test"]
        world.kernel.stop()
        assert entity.state is ResourceState.ACTIVE
        assert names(world.ra)[-2:] == ["ra_stopping", "ra_inactive"]
        world.kernel.start()
        world.slee.run()
        assert names(world.ra)[-1] == "ra_active"


def test_ra_10_remove_is_legal_when_inactive_only() -> None:
    with World() as world:
        with pytest.raises(InvalidStateError):
            world.kernel.remove_resource("test")
        world.kernel.resources["test"].deactivate()
        world.kernel.remove_resource("test")
        assert "test" not in world.kernel.resources


def test_ra_13_no_callback_after_inactive() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.resources["test"].deactivate()
        world.end("a")
        assert names(world.ra)[-1] == "ra_inactive"
        world.kernel.deactivate_service(world.service)
        assert names(world.ra)[-1] == "ra_inactive"


def test_ra_17_starting_and_firing_need_an_active_object() -> None:
    with World() as world:
        endpoint = world.ra.endpoint
        world.start("a")
        world.kernel.resources["test"].deactivate()
        with pytest.raises(InvalidStateError):
            endpoint.start_activity("b", "activity")
        endpoint.start_activity("c", "activity", continuing=True)
        endpoint.fire("a", Note())
        for handle in ("a", "c"):
            endpoint.end_activity(handle)
        world.slee.run()
        for use in (
            lambda: endpoint.start_activity("d", "activity", continuing=True),
            lambda: endpoint.fire("a", Note()),
            lambda: endpoint.end_activity("a"),
        ):
            with pytest.raises(InvalidStateError):
                use()


def test_ra_17_an_opening_command_works_while_stopping() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.stop()
        world.do("a", lambda sbb, aci: sbb.ra.open("b").attach(sbb))
        assert world.context("b") is not None
        world.end("a")
        world.end("b")
        assert world.kernel.state is SleeState.STOPPED


def test_ra_18_unknown_known_and_missing_handles() -> None:
    with World() as world:
        endpoint = world.ra.endpoint
        world.start("a")
        with pytest.raises(ActivityAlreadyExistsError):
            endpoint.start_activity("a", "activity")
        for use in (lambda: endpoint.fire("x", Note()), lambda: endpoint.end_activity("x")):
            with pytest.raises(UnrecognizedActivityHandleError):
                use()
        for wrong in (
            lambda: endpoint.start_activity(None, "activity"),
            lambda: endpoint.start_activity("b", None),
            lambda: endpoint.fire(None, Note()),
            lambda: endpoint.fire("a", None),
            lambda: endpoint.end_activity(None),
        ):
            with pytest.raises(TypeError):
                wrong()
        assert world.context("b") is None
        assert world.kernel.events[Note].accepted == 0


def test_ra_19_variants_without_suffix_take_effect_at_once() -> None:
    with World(Root) as world:
        world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            endpoint = world.ra.endpoint
            endpoint.start_activity("c", "activity")
            endpoint.fire("c", Note())
            endpoint.end_activity("b")
            assert world.kernel.events[Note].accepted == 1
            sbb.set_rollback_only()

        world.do("a", act)
        assert world.context("c") is not None
        assert world.context("b") is None


def test_ra_20_transacted_variants_need_a_transaction_and_take_effect_at_its_commit() -> None:
    with World(Root) as world:
        endpoint = world.ra.endpoint
        world.start("a")
        for use in (
            lambda: endpoint.start_activity_transacted("b", "activity"),
            lambda: endpoint.fire_transacted("a", Note()),
            lambda: endpoint.end_activity_transacted("a"),
        ):
            with pytest.raises(TransactionRequiredError):
                use()

        def act(sbb: Any, aci: ActivityContext) -> None:
            endpoint.start_activity_transacted("b", "activity", ActivityFlags.ENDED)
            endpoint.fire_transacted("b", Note("1"))
            endpoint.fire_transacted("b", Note("2"))
            endpoint.end_activity_transacted("b")
            assert world.kernel.events[Note].accepted == 0

        order: list[object] = []
        world.ra.event_processing_successful = lambda handle, event, flags: order.append(event)
        world.do("a", act)
        assert world.kernel.events[Note].delivered == 2
        assert world.told("activity_ended") == [("b",)]


def test_ra_20_nothing_is_left_after_rollback() -> None:
    with World(Root) as world:
        endpoint = world.ra.endpoint

        def act(sbb: Any, aci: ActivityContext) -> None:
            endpoint.start_activity_transacted("b", "activity")
            endpoint.fire_transacted("a", Note())
            endpoint.end_activity_transacted("a")
            sbb.set_rollback_only()

        world.do("a", act)
        assert world.context("b") is None
        assert world.kernel.events[Note].accepted == 0
        assert world.start("a").state.value != "Ending"


def test_ra_21_an_activity_started_transacted_is_invisible_until_the_commit() -> None:
    with World(Root) as world:
        endpoint = world.ra.endpoint

        def act(sbb: Any, aci: ActivityContext) -> None:
            endpoint.start_activity_transacted("b", "activity")
            for use in (lambda: endpoint.fire("b", Note()), lambda: endpoint.end_activity("b")):
                with pytest.raises(UnrecognizedActivityHandleError):
                    use()
            with pytest.raises(ActivityAlreadyExistsError):
                endpoint.start_activity("b", "activity")

        world.do("a", act)
        endpoint.fire("b", Note())
        world.slee.run()
        assert world.kernel.events[Note].delivered == 1


@pytest.mark.parametrize("commits", [True, False])
def test_ra_22_a_barrier_holds_later_events_until_the_transaction_completes(commits: bool) -> None:
    with World(Root) as world:
        endpoint = world.ra.endpoint
        world.start("b")
        with pytest.raises(TransactionRequiredError):
            endpoint.suspend_activity("b")
        with pytest.raises(TransactionRequiredError):
            endpoint.start_activity_suspended("c", "activity")
        endpoint.fire("b", Note("before"))
        tx = world.kernel.begin()
        endpoint.suspend_activity("b")
        endpoint.start_activity_suspended("c", "activity")
        for handle in "bc":
            endpoint.fire(handle, Note("after"))
        tx_open, world.kernel.transaction = world.kernel.transaction, None  # as another source would fire meanwhile
        world.slee.run()
        assert world.kernel.events[Note].delivered == 1
        world.kernel.transaction = tx_open
        tx.marked = not commits
        world.kernel.finish(tx)
        world.slee.run()
        assert world.kernel.events[Note].delivered == 3


def test_ra_22_a_barrier_that_is_gone_leaves_no_reference() -> None:
    with World(Root) as world:
        context = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            context.attach(sbb)

        def leave(sbb: Any, aci: ActivityContext) -> None:
            world.ra.endpoint.suspend_activity("b")
            context.detach(sbb)

        world.do("a", act)
        world.do("a", leave)
        assert world.told("activity_unreferenced") == [("b",)]
        assert context.queued == 0


def test_ra_23_several_barriers_stand_in_one_queue() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for text in "12":
                world.ra.endpoint.suspend_activity("b")
                world.ra.endpoint.fire("b", Note(text))

        world.start("b")
        world.do("a", act)
        assert world.kernel.events[Note].delivered == 2


@pytest.mark.parametrize("commits", [True, False])
def test_ra_24_an_answer_that_comes_early_finds_the_attachments(commits: bool) -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            context = world.ra.endpoint.start_activity_suspended("b", "activity")
            context.attach(sbb)
            world.ra.endpoint.fire("b", Note("answer"))
            if not commits:
                sbb.set_rollback_only()

        world.do("a", act)
        assert (LOG[-1] == "Root.on_note") is commits
        assert world.context("b") is not None
        assert world.kernel.events[Note].delivered == 1


def test_ra_25_an_event_of_an_unknown_class_is_illegal() -> None:
    with World() as world:
        world.start("a")
        for event in (object(), "text", Unhandled()):
            with pytest.raises(IllegalEventError):
                world.ra.endpoint.fire("a", event)


def test_ra_26_only_declared_types_may_be_fired_unless_the_check_is_off() -> None:
    class Anything(RecordingResource):
        fires_any_event_type = True

    with World() as world:
        free = world.slee.add_resource("free", Anything(recording_type(Note)))
        free.endpoint.start_activity("a", "activity")
        free.endpoint.fire("a", Unhandled())
        with pytest.raises(IllegalEventError):
            free.endpoint.fire("a", object())
        narrow = world.slee.add_resource("narrow", RecordingResource(recording_type(Note)))
        narrow.endpoint.start_activity("a", "activity")
        with pytest.raises(IllegalEventError):
            narrow.endpoint.fire("a", Other())


def test_ra_27_a_full_queue_refuses_and_leaves_only_a_counter() -> None:
    with World(limits=Limits(queue=2)) as world:
        for _ in range(2):
            world.queue("a", Note())
        with pytest.raises(FireEventError) as info:
            world.queue("a", Note())
        assert info.value.reason == FailureReason.QUEUE_FULL
        statistics = world.kernel.events[Note]
        assert (statistics.accepted, statistics.refusals) == (2, {FailureReason.QUEUE_FULL: 1})


def test_ra_29_flags_have_their_values_and_vendor_bits_come_back() -> None:
    values = {flag.name: flag.value for flag in EventFlags}
    assert values == {
        "MAY_MARSHAL": 0x10,
        "PROCESSING_SUCCESSFUL": 0x20,
        "PROCESSING_FAILED": 0x40,
        "UNREFERENCED": 0x80,
        "SBB_PROCESSED": 0x100,
        "SBB_ROLLED_BACK": 0x200,
    }
    assert {flag.name: flag.value for flag in ActivityFlags} == {"MAY_MARSHAL": 1, "ENDED": 2, "UNREFERENCED": 4}
    with World() as world:
        world.start("a")
        world.ra.endpoint.fire("a", Note(), flags=EventFlags.PROCESSING_SUCCESSFUL | VENDOR)
        world.slee.run()
        assert world.told("event_processing_successful") == [("a", Note(), 0x20 | VENDOR)]
        for bad in (1, 0x400, 0x10000):
            with pytest.raises(ValueError, match="RA-29"):
                world.ra.endpoint.fire("a", Note(), flags=bad)
        with pytest.raises(ValueError, match="RA-29"):
            world.ra.endpoint.start_activity("b", "activity", 8)
        world.ra.endpoint.start_activity("b", "activity", VENDOR | 2)


def test_ra_30_processed_and_rolled_back_are_the_slees_own() -> None:
    with World(Root, failures_allowed=True) as world:
        world.start("a")
        for own in (EventFlags.SBB_PROCESSED, EventFlags.SBB_ROLLED_BACK):
            with pytest.raises(ValueError, match="RA-30"):
                world.ra.endpoint.fire("a", Note(), flags=own)
        good, bad = Do(), Do(boom)
        world.fire("a", Note())
        world.fire("a", good)
        world.fire("a", bad)
        assert [flags for _, _, flags in world.told("event_processing_successful")] == [0xE0, 0x1E0, 0x3E0]


def test_ra_31_callbacks_come_only_when_asked_for() -> None:
    with World(Root) as world:
        world.ra.endpoint.start_activity("a", "activity")
        world.ra.endpoint.fire("a", Do())
        world.slee.run()
        world.end("a")
        assert names(world.ra) == ["set_context", "ra_active", "service_active"]


def test_ra_32_one_outcome_and_then_unreferenced() -> None:
    with World(Root) as world:
        world.fire("a", Note())
        assert [n for n in names(world.ra) if str(n).startswith("event")] == [
            "event_processing_successful",
            "event_unreferenced",
        ]


def test_ra_33_failure_reasons() -> None:
    codes = {r.name: r.value for r in FailureReason if r.value <= 0}
    assert codes == {
        "OTHER": 0,
        "QUEUE_FULL": -1,
        "QUEUE_TIMEOUT": -2,
        "OVERLOAD": -3,
        "MARSHALLING": -4,
        "FIRING_TRANSACTION_ROLLED_BACK": -5,
    }


def test_ra_34_a_transacted_fire_that_rolled_back_gives_no_callback() -> None:
    with World(Root) as world:
        flags = EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED | EventFlags.UNREFERENCED

        def act(sbb: Any, aci: ActivityContext) -> None:
            world.ra.endpoint.fire_transacted("a", Note(), flags=flags)
            sbb.set_rollback_only()

        world.do("a", act)
        assert all(not isinstance(arguments[1], Note) for arguments in world.told("event_unreferenced"))
        assert world.told("event_processing_failed") == []


@pytest.mark.parametrize("callback", ["event_processing_successful", "event_unreferenced", "activity_ended"])
def test_ra_35_an_exception_from_a_callback_changes_nothing(callback: str) -> None:
    with World(Root, failures_allowed=True) as world:
        setattr(world.ra, callback, boom)
        world.do("a")
        world.end("a")
        assert world.context("a") is None
        assert {failure.kind for failure in world.slee.failures} == {"adaptor"}
        assert callback in world.slee.failures[0].where
        (figures,) = world.kernel.statistics().resources
        assert figures.failed_callbacks == 1
        world.do("a")


def test_ra_36_beginning_a_transaction_within_one_is_refused() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(TransactionError):
                world.kernel.begin()
            sbb.count = 1

        world.do("a", act)
        assert world.state()["count"] == 1


class Options(Sbb, vendor="test", version="1.0"):
    """Receives one type of the adaptor with an option, one as initial event, and one that is not its own."""

    @handles(option="GET /x")
    def on_note(self, event: Note, aci: ActivityContext) -> None: ...

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None: ...


def test_ra_37_services_are_told_once_per_change() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)
        world.end("a")
        told = [callback for callback in world.ra.callbacks if str(callback[0]).startswith("service")]
        assert told == [(n, world.service) for n in ("service_active", "service_stopping", "service_inactive")]


def test_ra_37_the_change_is_committed_when_it_is_told() -> None:
    with World() as world:
        states: list[object] = []
        world.ra.service_active = lambda s: states.append(world.kernel.service_state(s.id).value)
        world.ra.service_stopping = lambda s: states.append(world.kernel.service_state(s.id).value)
        world.ra.service_inactive = lambda s: states.append(world.kernel.service_state(s.id).value)
        world.kernel.deactivate_service(world.slee.install(Root))
        assert states == ["Active", "Stopping", "Inactive"]


def test_ra_37_an_adaptor_that_becomes_active_later_is_told_of_the_active_services() -> None:
    with World(Root) as world:
        world.slee.install(Root, name="inactive", activate=False)
        second = world.slee.add_resource("second", RecordingResource(RA))
        assert second.callbacks == [("set_context",), ("ra_active",), ("service_active", world.service)]
        world.stop()
        world.restart()
        assert second.callbacks[-2:] == [("ra_active",), ("service_active", world.service)]


def test_ra_37_the_events_received_are_given_with_option_and_initial_flag() -> None:
    with World() as world:
        world.slee.install(Options)
        (service,) = world.ra.receivable
        by_name = {event.event_class: event for event in service.events}
        assert by_name[Note] == ReceivableEvent(by_name[Note].event_type, Note, "GET /x", False)
        assert by_name[Note].event_type.name == "test.Note"
        assert by_name[Do].initial
        assert by_name[Do].option is None


def test_ra_37_an_adaptor_can_refuse_a_service_beside_the_active_ones_before_anything_has_changed() -> None:
    with World() as world:
        asked: list[tuple[str, list[str]]] = []

        def verify(service: ReceivableService, active: Sequence[ReceivableService]) -> None:
            asked.append((service.id.name, [other.id.name for other in active]))
            if active:
                raise VerificationError([Issue(str(service.id), "RA-37", "taken", "take another")])

        world.ra.verify_service = verify
        world.slee.install(Options, name="first")
        world.ra.callbacks.clear()
        second = world.slee.install(Options, name="second", activate=False)
        with pytest.raises(VerificationError, match="taken"):
            world.kernel.activate_service(second)
        assert asked == [("first", []), ("second", ["first"])]
        assert world.kernel.service_state(second).value == "Inactive"
        assert world.ra.callbacks == []


def test_ra_38_receivable_events_are_those_that_the_adaptor_may_fire() -> None:
    class Anything(RecordingResource):
        fires_any_event_type = True

    with World() as world:
        free = world.slee.add_resource("free", Anything(recording_type(Note)))
        narrow = world.slee.add_resource("narrow", RecordingResource(recording_type(Note)))
        world.slee.install(Options)
        assert {event.event_class for event in world.ra.receivable[0].events} == {Do, Note}
        assert {event.event_class for event in narrow.receivable[0].events} == {Note}
        assert {event.event_class for event in free.receivable[0].events} == {Do, Note, TimerEvent}


def test_ra_38_one_entry_for_each_option_over_all_sbbs_of_the_service() -> None:
    with World(Root) as world:
        (service,) = world.ra.receivable
        classes = [event.event_class for event in service.events]
        assert sorted(c.__name__ for c in classes) == ["Do", "Note", "Other"]
        assert ServiceStarted not in classes
        assert {e.event_class: e.initial for e in service.events} == {Do: True, Note: False, Other: False}


def test_ra_41_the_invoking_service_is_known_through_local_calls() -> None:
    with World(Root) as world:
        assert world.ra.context.invoking_service is None
        seen: list[object] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            seen.append(sbb.ra.caller())
            sbb.leaves.create().run(lambda leaf: seen.append(leaf.ra.caller()))

        world.do("a", act)
        assert seen == [str(world.service)] * 2
        assert world.ra.context.invoking_service is None


def test_ra_42_tracers_of_two_entities_have_their_own_source() -> None:
    with World() as world:
        second = world.slee.add_resource("second", RecordingResource(RA))
        world.ra.context.tracer.info("one")
        second.context.tracer.info("two")
        assert [message.source for message in world.slee.observer.messages] == ["raentity:test", "raentity:second"]


def test_ra_42_an_adaptor_reads_profile_tables() -> None:
    class Tariff(Profile, vendor="test", version="1.0"):
        units: int = 3

    with World() as world:
        world.slee.profiles.provide(Tariff)
        world.slee.profiles.create("Tariff", "night").commit()
        assert world.ra.context.profiles("Tariff") == {"night": {"units": 3}}
        with pytest.raises(UnrecognizedProfileTableError, match="PRF-3"):
            world.ra.context.profiles("none")


def test_ra_45_handles_are_values() -> None:
    class Handle:
        pass

    with World() as world, pytest.raises(TypeError, match="RA-45"):
        world.ra.endpoint.start_activity(Handle(), "activity")
