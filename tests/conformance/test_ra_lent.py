"""Resource adaptors: what the SLEE lends them (group RA: transactions, timer, look-ups) and where it may be called."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from slee import ActivityContext
from slee.api.errors import (
    InvalidStateError,
    TransactionError,
    TransactionRequiredError,
    TransactionRolledBackError,
    UnrecognizedEventError,
    UnrecognizedServiceError,
    UnsupportedOperationError,
)
from slee.api.event import event_type_id
from slee.api.ids import EventTypeID, ServiceID
from slee.spi import EventFlags, Outcome
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import RecordingResource, SleeHarness
from tests.conformance.kit import LOG, RA, Do, Note, Root, World, boom

CALLS: Final[dict[str, Callable[[RecordingResource], object]]] = {
    "start": lambda ra: ra.endpoint.start_activity("b", "activity"),
    "start-transacted": lambda ra: ra.endpoint.start_activity_transacted("b", "activity"),
    "start-suspended": lambda ra: ra.endpoint.start_activity_suspended("b", "activity"),
    "suspend": lambda ra: ra.endpoint.suspend_activity("a"),
    "fire": lambda ra: ra.endpoint.fire("a", Note()),
    "fire-transacted": lambda ra: ra.endpoint.fire_transacted("a", Note()),
    "end": lambda ra: ra.endpoint.end_activity("a"),
    "end-transacted": lambda ra: ra.endpoint.end_activity_transacted("a"),
    "begin": lambda ra: ra.context.transactions.begin(),
    "commit": lambda ra: ra.context.transactions.commit(),
    "timer": lambda ra: ra.context.timer.call_later(1, boom),
}


class Archive(RecordingResource):
    """Finds its own activity objects, and their handles."""

    asked: int = 0

    def get_activity(self, handle: object) -> object:
        self.asked += 1
        return None if handle == "unknown" else f"found {handle}"

    def get_activity_handle(self, activity: object) -> str | None:
        text = str(activity)
        return text.removeprefix("found ") if text.startswith("found ") else None


# Order and threads.


def test_ra_28_calls_on_one_activity_take_effect_in_the_order_made() -> None:
    with World(Root) as world:
        texts = [str(n) for n in range(5)]
        world.do("a")
        seen: list[str] = []
        world.on(Root, "on_note", lambda sbb, aci: seen.append(texts[len(seen)]))
        for text in texts:
            world.ra.endpoint.fire("a", Note(text), flags=EventFlags.PROCESSING_SUCCESSFUL)
        world.ra.endpoint.end_activity("a")
        world.slee.run()
        notes = [arguments[1] for arguments in world.told("event_processing_successful")]
        assert [note.text for note in notes if isinstance(note, Note)] == texts
        assert LOG == ["Root.on_do", *["Root.on_note"] * 5, "Root.on_end"]


@pytest.mark.parametrize("call", CALLS)
def test_ra_28_a_call_from_another_thread_is_refused_and_changes_nothing(call: str) -> None:
    with World(Root) as world, ThreadPoolExecutor(1) as other:
        world.do("a")
        world.ra.context.transactions.begin()
        with pytest.raises(InvalidStateError, match="RA-28"):
            other.submit(CALLS[call], world.ra).result()
        world.ra.context.transactions.commit()
        world.slee.run()
        assert world.context("b") is None
        assert world.start("a").queued == 0
        assert not world.start("a").is_ending
        assert LOG == ["Root.on_do"]


# Look-ups.


def test_ra_39_events_and_services_are_found_by_their_ids() -> None:
    with World(Root) as world:
        context = world.ra.context
        note = event_type_id(Note)
        assert note is not None
        assert context.event_class(note) is Note
        found = context.service(world.service)
        assert found.id == world.service
        assert {event.event_class for event in found.events} >= {Do, Note}
        with pytest.raises(UnrecognizedEventError):
            context.event_class(EventTypeID("no", "such", "event"))
        with pytest.raises(UnrecognizedServiceError):
            context.service(ServiceID("no", "such", "service"))


def test_ra_40_the_adaptor_is_asked_for_the_activity_object() -> None:
    with World(Root) as world:
        archive = world.slee.add_resource("archive", Archive(RA))
        for handle in ("x", "unknown"):
            archive.endpoint.start_activity(handle, f"given {handle}")
        assert archive.asked == 0
        seen: list[object] = []
        for handle in ("x", "unknown"):
            archive.endpoint.fire(handle, Do(lambda sbb, aci: seen.append(aci.activity), key=handle))
        world.slee.run()
        assert seen == ["found x", "given unknown"]


def test_ra_40_the_handle_of_a_foreign_activity_is_none_and_no_error_follows() -> None:
    with World(Root) as world:
        archive = world.slee.add_resource("archive", Archive(RA))
        own = archive.endpoint.start_activity("x", "given x")
        world.start("x")
        assert archive.context.context_of("found x") is own
        assert archive.context.context_of("found y") is None
        assert archive.context.context_of(object()) is None
        assert world.ra.context.context_of("found x") is None


def test_ra_40_an_adaptor_that_fails_to_find_is_reported_and_the_given_object_serves() -> None:
    with World(Root, failures_allowed=True) as world:
        archive = world.slee.add_resource("archive", Archive(RA))
        archive.get_activity = boom
        archive.endpoint.start_activity("x", "given x")
        seen: list[object] = []
        archive.endpoint.fire("x", Do(lambda sbb, aci: seen.append(aci.activity)))
        world.slee.run()
        assert seen == ["given x"]
        assert [failure.where for failure in world.slee.failures] == ["archive get_activity"]


# The shared timer.


def test_ra_43_a_call_comes_once_at_its_time() -> None:
    with World() as world:
        calls: list[tuple[str, float]] = []
        timer = world.ra.context.timer
        start = world.slee.now()

        def call(name: str) -> None:
            calls.append((name, world.slee.now() - start))

        later = timer.call_later(2, call, "later")
        at = timer.call_at(start + 1, call, "at")
        assert later.is_live
        assert at.is_live
        world.slee.advance(10)
        assert calls == [("at", 1), ("later", 2)]
        assert not later.is_live


def test_ra_43_a_periodic_call_comes_at_each_period_until_it_is_cancelled() -> None:
    with World() as world:
        calls: list[float] = []
        start = world.slee.now()
        task = world.ra.context.timer.call_every(3, lambda: calls.append(world.slee.now() - start))
        world.slee.advance(10)
        assert calls == [3, 6, 9]
        task.cancel()
        task.cancel()
        assert not task.is_live
        world.slee.advance(10)
        assert calls == [3, 6, 9]


def test_ra_43_periods_that_came_too_late_are_left_out() -> None:
    with World() as world:
        calls: list[float] = []
        start = world.slee.now()
        world.ra.context.timer.call_every(3, lambda: calls.append(world.slee.now() - start))
        world.slee.clock.move_to(start + 10)
        world.slee.run()
        assert calls == [10]
        world.slee.advance(5)
        assert calls == [10, 12, 15]


def test_ra_43_the_timer_as_a_whole_cannot_be_cancelled() -> None:
    with World() as world:
        calls: list[int] = []
        world.ra.context.timer.call_later(1, calls.append, 1)
        with pytest.raises(UnsupportedOperationError):
            world.ra.context.timer.cancel()
        world.slee.advance(1)
        assert calls == [1]


def test_ra_43_cancelling_one_task_is_idempotent_and_leaves_the_others() -> None:
    with World() as world:
        calls: list[int] = []
        timer = world.ra.context.timer
        tasks = [timer.call_later(1, calls.append, n) for n in range(3)]
        tasks[1].cancel()
        tasks[1].cancel()
        timer.call_at(world.slee.now() + 1, lambda: None)
        world.slee.advance(1)
        tasks[0].cancel()
        assert calls == [0, 2]


def test_ra_43_a_task_may_cancel_another_that_is_due_at_the_same_instant() -> None:
    with World() as world:
        calls: list[int] = []
        timer = world.ra.context.timer
        timer.call_later(1, lambda: second.cancel())
        second = timer.call_later(1, calls.append, 2)
        world.slee.advance(1)
        assert calls == []


def test_ra_43_an_exception_stops_neither_the_task_nor_others() -> None:
    with World(failures_allowed=True) as world:
        calls: list[int] = []
        timer = world.ra.context.timer
        failing = timer.call_every(1, boom)
        timer.call_later(1, calls.append, 1)
        world.slee.advance(2)
        assert calls == [1]
        assert failing.is_live
        assert [failure.where for failure in world.slee.failures] == ["test timer task"] * 2


def test_ra_43_a_removed_entity_is_called_no_more() -> None:
    with World() as world:
        calls: list[int] = []
        task = world.ra.context.timer.call_every(1, calls.append, 1)
        world.kernel.resources["test"].deactivate()
        world.kernel.remove_resource("test")
        world.slee.add_resource("test", RecordingResource(RA))
        world.slee.advance(3)
        assert calls == []
        assert not task.is_live


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0])
def test_ra_43_times_that_are_none_are_refused(seconds: float) -> None:
    with World() as world:
        timer = world.ra.context.timer
        with pytest.raises(ValueError, match="RA-43"):
            timer.call_later(seconds, boom)
        with pytest.raises(ValueError, match="RA-43"):
            timer.call_every(seconds, boom)
        with pytest.raises(ValueError, match="RA-43"):
            timer.call_every(0, boom)
        with pytest.raises(ValueError, match="RA-43"):
            timer.call_at(math.nan, boom)


# Transactions.


def test_ra_46_what_is_done_in_a_transaction_takes_effect_at_its_commit() -> None:
    with World(Root) as world:
        transactions = world.ra.context.transactions
        assert transactions.current is None
        number = transactions.begin()
        assert transactions.current == number == world.ra.context.transaction_id
        world.ra.endpoint.start_activity_transacted("a", "activity")
        world.ra.endpoint.fire_transacted("a", Do())
        world.slee.run()
        assert LOG == []
        transactions.commit()
        assert transactions.current is None
        world.slee.run()
        assert LOG == ["Root.on_do"]


def test_ra_46_rollback_leaves_nothing() -> None:
    with World(Root) as world:
        transactions = world.ra.context.transactions
        transactions.begin()
        world.ra.endpoint.start_activity_transacted("a", "activity")
        transactions.rollback()
        assert transactions.current is None
        assert world.context("a") is None


def test_ra_46_no_event_is_routed_within_a_transaction_of_an_adaptor() -> None:
    with World(Root) as world:
        world.ra.context.transactions.begin()
        world.queue("a", Do())
        world.slee.run()
        assert LOG == []
        world.ra.context.transactions.rollback()
        world.slee.run()
        assert LOG == ["Root.on_do"]


def test_ra_46_begin_within_one_and_completion_without_one_are_refused() -> None:
    with World() as world:
        transactions = world.ra.context.transactions
        completions = (
            transactions.commit,
            transactions.rollback,
            transactions.commit_async,
            transactions.rollback_async,
        )
        for complete in completions:
            with pytest.raises(TransactionError):
                complete()
        number = transactions.begin()
        with pytest.raises(TransactionError):
            transactions.begin()
        assert transactions.current == number
        transactions.rollback()
        for complete in completions:
            with pytest.raises(TransactionError):
                complete()


def test_ra_46_commit_of_a_marked_transaction_rolls_back_and_says_so() -> None:
    with World() as world:
        transactions = world.ra.context.transactions
        with pytest.raises(TransactionRequiredError):
            transactions.set_rollback_only()
        with pytest.raises(TransactionRequiredError):
            _ = transactions.is_rollback_only
        transactions.begin()
        assert not transactions.is_rollback_only
        world.ra.endpoint.start_activity_transacted("a", "activity")
        transactions.set_rollback_only()
        assert transactions.is_rollback_only
        with pytest.raises(TransactionRolledBackError):
            transactions.commit()
        assert transactions.current is None
        assert world.context("a") is None


def test_ra_46_the_transaction_of_a_delivery_is_not_the_adaptors_to_complete() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            transactions = world.ra.context.transactions
            assert transactions.current is not None
            for refused in (transactions.begin, transactions.commit, transactions.rollback):
                with pytest.raises(TransactionError):
                    refused()
            sbb.count = 1

        world.do("a", act)
        assert world.state()["count"] == 1


@pytest.mark.parametrize("marked", [False, True])
def test_ra_47_the_listener_of_a_commit_is_called_once_with_no_transaction_active(marked: bool) -> None:
    with World() as world:
        transactions = world.ra.context.transactions
        told: list[tuple[Outcome, int | None]] = []
        transactions.begin()
        world.ra.endpoint.start_activity_transacted("a", "activity")
        if marked:
            transactions.set_rollback_only()
        transactions.commit_async(lambda outcome: told.append((outcome, transactions.current)))
        assert transactions.current is None
        world.slee.advance(1)
        assert told == [(Outcome.ROLLED_BACK if marked else Outcome.COMMITTED, None)]
        assert (world.context("a") is None) is marked


def test_ra_47_the_listener_of_a_rollback_is_called_once() -> None:
    with World() as world:
        transactions = world.ra.context.transactions
        told: list[Outcome] = []
        transactions.begin()
        world.ra.endpoint.start_activity_transacted("a", "activity")
        transactions.rollback_async(told.append)
        assert transactions.current is None
        world.slee.advance(1)
        assert told == [Outcome.ROLLED_BACK]
        assert world.context("a") is None


def test_ra_47_with_a_journal_the_listener_is_told_of_a_commit_once_it_is_durable() -> None:
    disk = SimulatedDisk(faults=StoreFaults(delay=(1.0, 1.0), acknowledgement_delay=(0.5, 0.5)))
    slee = SleeHarness(journal=disk, leftovers_allowed=True)
    ra = slee.add_resource("test", RecordingResource(RA))
    told: list[tuple[str, Outcome]] = []
    transactions = ra.context.transactions

    slee.advance(10)
    transactions.begin()
    ra.endpoint.start_activity_transacted("lasting", "lasting")
    ra.endpoint.save_activity("lasting", b"state")
    transactions.commit_async(lambda outcome: told.append(("lasting", outcome)))
    assert transactions.current is None
    slee.run()
    assert told == []
    slee.advance(1.25)
    assert disk.entries
    assert told == []
    slee.advance(0.5)
    assert told == [("lasting", Outcome.COMMITTED)]
    transactions.begin()
    ra.endpoint.start_activity_transacted("never", "never")
    transactions.set_rollback_only()
    transactions.commit_async(lambda outcome: told.append(("never", outcome)))
    assert told[1:] == [("never", Outcome.ROLLED_BACK)]


def test_ra_48_there_need_be_no_listener() -> None:
    with World() as world:
        transactions = world.ra.context.transactions
        transactions.begin()
        world.ra.endpoint.start_activity_transacted("a", "activity")
        transactions.commit_async(None)
        assert world.context("a") is not None
        transactions.begin()
        transactions.rollback_async(None)
        assert transactions.current is None


def test_ra_48_an_exception_of_a_listener_is_logged_and_changes_nothing() -> None:
    with World(failures_allowed=True) as world:
        transactions = world.ra.context.transactions
        transactions.begin()
        world.ra.endpoint.start_activity_transacted("a", "activity")
        transactions.commit_async(boom)
        assert world.context("a") is not None
        transactions.begin()
        world.ra.endpoint.start_activity_transacted("b", "activity")
        transactions.rollback_async(boom)
        assert world.context("b") is None
        assert [failure.where for failure in world.slee.failures] == ["test transaction listener"] * 2


@pytest.mark.parametrize("callback", ["event_processing_successful", "activity_ended", "ra_stopping", "perform"])
def test_ra_36_a_transaction_that_a_callback_leaves_open_is_rolled_back(callback: str) -> None:
    with World(Root, failures_allowed=True) as world:

        def begin(*_: object) -> None:
            world.ra.context.transactions.begin()
            world.ra.endpoint.fire_transacted("b", Note())

        world.start("b")
        setattr(world.ra, callback, begin)
        world.do("a", lambda sbb, aci: sbb.ra.send("text"))
        world.end("a")
        if callback == "ra_stopping":
            world.kernel.resources["test"].deactivate()
        assert world.kernel.transaction is None
        assert world.start("b").queued == 0
        assert TransactionError in world.causes()
        with pytest.raises(TransactionError):
            world.ra.context.transactions.commit()
        assert f"test {callback}" in {failure.where for failure in world.slee.failures}
