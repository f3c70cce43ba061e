"""The server's journal on its loop: flushed, recovered, and given up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest

from slee import ActivityContext, Cmp, Sbb, Select, cmp, event_type, initial_event
from slee.api.ids import ServiceID
from slee.api.source import ResourceSource
from slee.kernel.journal import JournalCondition, JournalStatus
from slee.kernel.states import SleeState
from slee.management.management import Equipment
from slee.management.store import StateDirectory
from slee.model.descriptor import Durability, describe_service
from slee.runtime.slee import Slee
from slee.stores import open_store
from slee.testing import RecordingResource, recording_type


@event_type("runtime.Begin", vendor="test", version="1.0")
class Begin:
    """Makes the entity."""

    number: int


RA = recording_type(Begin)


class Keeping(Sbb, vendor="test", version="1.0"):
    """Keeps a number on an activity of its own."""

    number: Cmp[int] = cmp(0)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_begin(self, event: Begin, aci: ActivityContext) -> None:
        self.number = event.number
        self.null_activities.create().attach(self)


def compose(path: Path) -> Slee:
    """A server with one service and one adaptor, as its operator would have it."""
    slee = Slee(store=StateDirectory(path), adaptors=(), sections={}, open_journal=partial(open_store, "sqlite", path))
    adaptor = RecordingResource(RA)
    entity = slee.kernel.create_resource("test", adaptor)
    slee.facilities.add(ResourceSource("test"))
    adaptor.set_context(slee.context("test", entity))
    entity.activate()
    identity = ServiceID("Keeping", "test", "1.0")
    slee.kernel.add_service(describe_service(identity, Keeping, durability=Durability.ASYNC), {})
    slee.kernel.activate_service(identity)
    return slee


def begin(slee: Slee, number: int) -> None:
    """Have the service make an entity."""
    endpoint = slee.kernel.resources["test"]
    endpoint.start_activity(number, "activity")
    endpoint.fire(number, Begin(number))
    slee.pump()


def numbers(slee: Slee) -> list[object]:
    """What the entities keep."""
    (service,) = slee.kernel.services.values()
    return [root.state["number"] for root in service.roots]


async def restarted(path: Path, body: Callable[[Slee], None]) -> None:
    slee = compose(path)
    try:
        slee.start(Equipment())
        body(slee)
    finally:
        slee.close()


def test_sle_12_the_end_of_the_process_flushes_the_journal(tmp_path: Path) -> None:
    async def run() -> None:
        await restarted(tmp_path, lambda slee: begin(slee, 7))
        found: list[object] = []
        await restarted(tmp_path, lambda slee: found.extend(numbers(slee)))
        assert found == [7]

    anyio.run(run)


def test_sle_3_running_is_entered_when_the_journal_is_recovered(tmp_path: Path) -> None:
    async def run() -> None:
        await restarted(tmp_path, lambda slee: begin(slee, 7))
        slee = compose(tmp_path)
        try:
            seen: list[tuple[object, list[object]]] = []
            slee.observer.listeners.append(lambda change: seen.append((change.new, numbers(slee))))
            slee.start(Equipment())
            assert (SleeState.RUNNING, [7]) in seen
        finally:
            slee.close()

    anyio.run(run)


def test_dur_14_a_lost_journal_asks_for_the_end_of_the_process(tmp_path: Path) -> None:
    async def run() -> None:
        slee = compose(tmp_path)
        try:
            slee.start(Equipment())
            assert slee.keeper is not None
            lost = JournalStatus(JournalCondition.LOST, "taken over", 0, 0, 0.0)
            slee.keeper.journal.status = lambda: lost
            slee.keeper._on_status(lost)
            await slee.shutdown_asked.wait()
            assert slee.has_lost_journal
        finally:
            slee.close()

    anyio.run(run)


def test_what_was_recovered_is_not_kept_beside_the_living_state(tmp_path: Path) -> None:
    async def run() -> None:
        await restarted(tmp_path, lambda slee: begin(slee, 7))
        slee = compose(tmp_path)
        try:
            assert slee.keeper is not None
            assert slee.keeper.journal.recovery.entries
            slee.start(Equipment())
            assert slee.keeper.journal.recovery.entries == {}
        finally:
            slee.close()

    anyio.run(run)


def test_dur_14_a_flush_that_was_due_when_the_journal_was_lost_is_not_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        slee = compose(tmp_path)
        try:
            slee.start(Equipment())
            assert slee.keeper is not None
            begin(slee, 7)
            slee.keeper.journal._writer.is_fenced = True
            lost = JournalStatus(JournalCondition.LOST, "taken over", 0, 0, 0.0)
            slee.keeper.journal.status = lambda: lost
            slee.keeper._look()
            slee.keeper._flush_in_time()
            told = [record.message for record in caplog.records if record.name == "slee.runtime.journal"]
            assert told == ["journal: taken over [DUR-14]; the process ends"]
        finally:
            slee.close()

    anyio.run(run)
