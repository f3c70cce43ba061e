"""SLEE state (group SLE; SLE-12, SLE-13 and SLE-15 are management's)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from slee import ActivityContext, ServiceID
from slee.api.errors import InvalidStateError
from slee.kernel.kernel import Kernel
from slee.kernel.lifecycle import AGAIN
from slee.kernel.states import ServiceState, SleeState
from slee.testing import RecordingObserver, RecordingResource
from tests.conformance.kit import LOG, RA, Note, Root, World, boom


def kernel() -> tuple[Kernel, RecordingObserver]:
    observer = RecordingObserver()
    return Kernel(observer=observer, random=lambda count: b"x" * count, ticks=lambda: 0.0), observer


def moves(observer: RecordingObserver) -> list[tuple[str, str]]:
    return [(change.old.value, change.new.value) for change in observer.changes if change.kind == "slee"]


def test_sle_1_after_boot_the_slee_is_stopped() -> None:
    slee, _ = kernel()
    assert slee.state is SleeState.STOPPED
    assert [state.value for state in SleeState] == ["Stopped", "Starting", "Running", "Stopping"]


def test_sle_2_operations_are_accepted_in_their_state_only() -> None:
    slee, observer = kernel()
    with pytest.raises(InvalidStateError, match="Stopped"):
        slee.stop()
    slee.start()
    for operation in (slee.start, slee.stop):
        with pytest.raises(InvalidStateError, match="Starting"):
            operation()
    slee.step(1.0)
    with pytest.raises(InvalidStateError, match="Running"):
        slee.start()
    assert moves(observer) == [("Stopped", "Starting"), ("Starting", "Running")]


def test_sle_3_start_returns_in_starting_and_running_follows_by_itself() -> None:
    slee, _ = kernel()
    slee.start()
    assert slee.state is SleeState.STARTING
    assert slee.next_deadline() is not None
    slee.step(1.0)
    assert slee.state is SleeState.RUNNING


def test_sle_4_what_waits_in_starting_is_routed_from_running_on() -> None:
    with World(Root) as world:
        world.stop()
        world.kernel.start()
        assert LOG == []
        world.slee.run()
        world.do("a")
        assert LOG == ["Root.on_do"]


def test_sle_5_an_entity_that_cannot_begin_keeps_nobody_else() -> None:
    with World(failures_allowed=True) as world:
        world.kernel.stop()
        broken, good = RecordingResource(RA), RecordingResource(RA)
        broken.ra_active = boom
        world.kernel.create_resource("broken", broken).activate()
        world.kernel.create_resource("good", good).activate()
        world.kernel.start()
        world.slee.run()
        assert world.kernel.state is SleeState.RUNNING
        assert good.callbacks == [("ra_active",)]
        assert "broken" in world.slee.failures[0].where


def test_sle_6_in_stopped_nothing_is_accepted_and_nothing_runs() -> None:
    with World(Root) as world:
        world.stop()
        assert world.kernel.state is SleeState.STOPPED
        for use in (
            lambda: world.ra.endpoint.start_activity("a", "activity"),
            lambda: world.ra.endpoint.fire("a", Note()),
        ):
            with pytest.raises(InvalidStateError):
                use()
        world.slee.clock.advance(100)
        assert LOG == []


def test_sle_7_stop_ends_the_slees_own_activities_and_tells_the_adaptors() -> None:
    with World(Root) as world:
        world.do("a")
        activity = world.kernel.services[world.service].activity
        assert activity is not None
        world.kernel.stop()
        assert world.kernel.state is SleeState.STOPPING
        assert activity.is_ending
        assert ("ra_stopping",) in world.ra.callbacks
        with pytest.raises(InvalidStateError):
            world.ra.endpoint.start_activity("b", "activity")
        world.end("a")


def test_sle_8_in_stopping_existing_activities_go_on() -> None:
    with World(Root) as world:
        fired: list[object] = []
        world.on(Root, "on_timer", lambda sbb, event, aci: fired.append(event))

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            null.attach(sbb)
            sbb.timers.set(null, after=1)
            sbb.context = null

        world.start("a")
        world.kernel.stop()
        world.do("a", act)
        assert len(world.roots()) == 1  # an initial event, after the stop
        world.slee.clock.advance(1)
        assert len(fired) == 1
        world.do("a", lambda sbb, aci: sbb.context.activity.end())
        assert world.kernel.state is SleeState.STOPPING
        world.end("a")
        assert world.kernel.state is SleeState.STOPPED


def test_sle_9_stopped_comes_with_the_last_activity_and_stopping_is_told_in_any_case() -> None:
    slee, observer = kernel()
    slee.start()
    slee.step(1.0)
    slee.stop()
    assert moves(observer)[-2:] == [("Running", "Stopping"), ("Stopping", "Stopped")]


def test_sle_10_at_the_deadline_every_activity_is_ended() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=100))
        world.queue("a", Note())
        world.start("b")
        for bad in (-1, math.nan):
            with pytest.raises(ValueError, match="SLE-10"):
                world.kernel.stop(within=bad)
        world.kernel.stop(within=10)
        world.slee.clock.advance(9)
        assert world.kernel.state is SleeState.STOPPING
        LOG.clear()
        world.slee.clock.advance(1)
        assert LOG == ["Root.on_note", "Root.on_end"]
        assert world.kernel.state is SleeState.STOPPED
        assert world.kernel.statistics().queued == 0


def test_sle_10_what_starts_after_the_deadline_is_ended_too() -> None:
    with World(Root) as world:

        def on_end(sbb: Any, aci: ActivityContext) -> None:
            if sbb.count < 3:
                sbb.count += 1
                null = sbb.null_activities.create()
                null.attach(sbb)
                sbb.timers.set(null, after=1000)

        world.on(Root, "on_end", on_end)
        world.do("a")
        world.kernel.stop(within=1)
        world.slee.clock.advance(1 + 4 * AGAIN)
        assert world.kernel.state is SleeState.STOPPED


def test_sle_10_a_deadline_that_was_not_needed_does_not_strike_later() -> None:
    with World(Root) as world:
        world.stop(within=10)
        world.restart()
        world.do("a")
        world.slee.clock.advance(20)
        assert len(world.roots()) == 1
        assert world.kernel.state is SleeState.RUNNING


def test_sle_11_each_change_is_told_once_after_it_is_visible() -> None:
    slee, observer = kernel()
    seen: list[object] = []
    observer.state_changed = lambda change: seen.append((change.new, slee.state, change.time))
    slee.start()
    slee.step(5.0)
    slee.stop()
    with pytest.raises(InvalidStateError):
        slee.stop()
    assert seen == [
        (SleeState.STARTING, SleeState.STARTING, 0.0),
        (SleeState.RUNNING, SleeState.RUNNING, 5.0),
        (SleeState.STOPPING, SleeState.STOPPING, 5.0),
        (SleeState.STOPPED, SleeState.STOPPED, 5.0),
    ]


def test_sle_14_services_and_entities_may_be_activated_while_stopped() -> None:
    with World() as world:
        world.kernel.stop()
        service = world.slee.install(Root)
        assert world.kernel.service_state(service) is ServiceState.ACTIVE
        started: list[ServiceID] = []
        world.on(Root, "on_started", lambda sbb, event, aci: started.append(event.service))
        world.slee.run()
        assert started == []
        world.kernel.start()
        world.slee.run()
        assert started == [service]
