"""Event contexts: suspend and resume (group ECX; ECX-19 needs the journal)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from slee import ActivityContext, Address, AddressPlan, ServiceID
from slee.api.errors import InvalidStateError, TransactionRequiredError
from slee.kernel.ports import Limits
from slee.kernel.states import ContextState
from tests.conformance.kit import LOG, Do, Leaf, Note, Other, Root, World


def suspending(world: World, timeout: float | None = 5, *, handle: str = "a") -> Any:
    """Suspend an event on `handle`, whose context the root holds; two leaves wait for it."""
    kept: list[Any] = []

    def set_up(sbb: Any, aci: ActivityContext) -> None:
        for _ in range(2):
            aci.attach(sbb.leaves.create())

    def note(sbb: Any, aci: ActivityContext) -> None:
        if kept:
            return
        sbb.event_context.suspend(timeout=timeout)
        sbb.held = sbb.event_context
        kept.append(sbb.event_context)

    world.do(handle, set_up)
    world.on(Root, "on_note", note)
    LOG.clear()
    world.fire(handle, Note())
    assert LOG == ["Root.on_note"]
    return kept[0]


def test_ecx_1_the_context_tells_what_was_given_at_the_fire() -> None:
    with World(Root) as world:
        seen: list[Any] = []
        address = Address(AddressPlan.SIP, "sip:a@b")
        world.start("a")
        event = Do(lambda sbb, aci: seen.append(sbb.event_context))
        world.ra.endpoint.fire("a", event, address, world.service)
        world.ra.endpoint.fire("a", event)
        world.slee.run()
        first, second = seen
        assert (first.event, first.activity_context) == (event, world.context("a"))
        assert (first.address, first.service) == (address, world.service)
        assert (second.address, second.service) == (None, None)
        assert first != second
        assert first == first
        assert isinstance(first.service, ServiceID)


def test_ecx_2_nobody_else_gets_a_suspended_event() -> None:
    with World(Root) as world:
        suspending(world)
        world.slee.clock.advance(4.9)
        assert LOG == ["Root.on_note"]


def test_ecx_3_the_default_timeout_and_a_given_one() -> None:
    with World(Root, limits=Limits(suspension_timeout=7)) as world:
        suspending(world, None)
        world.slee.clock.advance(6.9)
        assert LOG == ["Root.on_note"]
        world.slee.clock.advance(0.2)
        assert LOG == ["Root.on_note", "Leaf.on_note", "Leaf.on_note"]
    assert Limits().suspension_timeout == 60


def test_ecx_4_a_timeout_that_makes_no_sense_is_refused() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            context = sbb.event_context
            for bad in (0, -1, math.nan, math.inf):
                with pytest.raises(ValueError, match="ECX-4"):
                    context.suspend(timeout=bad)
            for wrong in ("5", True):
                with pytest.raises(TypeError, match="ECX-4"):
                    context.suspend(timeout=wrong)
            assert not context.is_suspended

        world.do("a", act)


def test_ecx_5_suspend_and_resume_need_the_other_state() -> None:
    with World(Root) as world:
        kept: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            context = sbb.event_context
            kept.append(context)
            with pytest.raises(InvalidStateError):
                context.resume()
            context.suspend()
            with pytest.raises(InvalidStateError):
                context.suspend()
            context.resume()
            with pytest.raises(InvalidStateError):
                context.resume()

        def late(sbb: Any, aci: ActivityContext) -> None:
            for use in (kept[0].suspend, kept[0].resume):
                with pytest.raises(InvalidStateError, match="ended"):
                    use()

        world.do("a", act)
        world.do("a", late)


def test_ecx_6_operations_need_a_delivery() -> None:
    with World(Root) as world:
        context = suspending(world)
        for use in (context.suspend, context.resume, lambda: context.is_suspended):
            with pytest.raises(TransactionRequiredError):
                use()


def test_ecx_7_is_suspended_follows_the_calls_of_its_transaction() -> None:
    with World(Root) as world:
        context = suspending(world)
        seen: list[bool] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            seen.append(context.is_suspended)
            context.resume()
            seen.append(context.is_suspended)

        world.do("b", act)
        world.do("b", lambda sbb, aci: seen.append(context.is_suspended))
        assert seen == [True, False, False]


def test_ecx_8_the_timeout_goes_on_with_those_not_served() -> None:
    with World(Root) as world:
        suspending(world)
        world.do("b", lambda sbb, aci: next(iter(sbb.leaves)).remove())
        LOG.clear()
        world.slee.clock.advance(5)
        assert LOG == ["Leaf.on_note"]


def test_ecx_9_resume_cancels_the_timeout_and_each_suspension_has_its_own() -> None:
    with World(Root) as world:
        context = suspending(world, 5)
        times: list[float] = []
        start = world.slee.now()

        def leaf(sbb: Any, aci: ActivityContext) -> None:
            times.append(world.slee.now() - start)
            if len(times) == 1:
                sbb.event_context.suspend(timeout=5)

        world.on(Leaf, "on_note", leaf)
        world.slee.clock.advance(3)
        world.do("b", lambda sbb, aci: context.resume())
        world.slee.clock.advance(10)
        assert times == [3, 8]


def test_ecx_10_events_behind_wait_in_order_and_other_contexts_go_on() -> None:
    with World(Root) as world:
        suspending(world)
        order: list[str] = []
        world.on(Root, "on_other", lambda sbb, aci, context: order.append(context.event.text))
        world.on(Root, "on_timer", lambda sbb, event, aci: order.append("timer"))

        def elsewhere(sbb: Any, aci: ActivityContext) -> None:
            sbb.timers.set(world.context("a"), after=1)
            sbb.other(Other("2"), world.context("a"))
            order.append("b")

        world.queue("a", Other("1"))
        world.do("b", elsewhere)
        world.queue("a", Do(lambda sbb, aci: order.append("3")))
        world.slee.clock.advance(4)
        assert order == ["b"]
        world.slee.clock.advance(1)
        assert order == ["b", "1", "2", "3", "timer"]


def test_ecx_11_suspend_and_resume_are_undone_by_rollback() -> None:
    with World(Root) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())

        def note(sbb: Any, aci: ActivityContext) -> None:
            sbb.event_context.suspend()
            sbb.set_rollback_only()

        world.do("a", set_up)
        LOG.clear()
        world.on(Root, "on_note", note)
        world.fire("a", Note())
        assert LOG == ["Root.on_note", "Leaf.on_note"]

    with World(Root) as world:
        context = suspending(world, 5)
        world.do("b", lambda sbb, aci: context.resume() or sbb.set_rollback_only())
        LOG.clear()
        world.slee.clock.advance(4.9)
        assert LOG == []
        world.slee.clock.advance(0.2)
        assert LOG == ["Leaf.on_note", "Leaf.on_note"]


def test_ecx_12_suspend_and_resume_in_one_transaction() -> None:
    with World(Root) as world:

        def note(sbb: Any, aci: ActivityContext) -> None:
            sbb.event_context.suspend()
            sbb.event_context.resume()

        world.do("a", lambda sbb, aci: aci.attach(sbb.leaves.create()))
        LOG.clear()
        world.on(Root, "on_note", note)
        world.fire("a", Note())
        assert LOG == ["Root.on_note", "Leaf.on_note"]
        world.slee.clock.advance(120)
        assert LOG == ["Root.on_note", "Leaf.on_note"]


def test_ecx_13_resume_works_from_any_delivery_and_delivers_after_its_commit() -> None:
    with World(Root) as world:
        other = world.slee.install(Root, name="other")
        context = suspending(world)

        def act(sbb: Any, aci: ActivityContext) -> None:
            context.resume()
            LOG.append("resumed")

        world.fire("b", Do(act), service=other)
        assert LOG[1:3] == ["Root.on_do", "resumed"]
        assert LOG.count("Leaf.on_note") == 4


def test_ecx_13_resume_works_from_a_timer_handler_through_cmp() -> None:
    with World(Root) as world:
        suspending(world, 50)
        world.do("b", lambda sbb, aci: sbb.timers.set(aci, after=1))
        world.on(Root, "on_timer", lambda sbb, event, aci: sbb.held.resume())
        LOG.clear()
        world.slee.clock.advance(1)
        assert LOG == ["Root.on_timer", "Leaf.on_note", "Leaf.on_note"]


def test_ecx_14_suspend_works_from_any_delivery_while_the_event_is_in_process() -> None:
    with World(Root) as world:
        context = suspending(world, 5)

        def act(sbb: Any, aci: ActivityContext) -> None:
            context.resume()
            context.suspend(timeout=10)

        world.do("b", act)
        LOG.clear()
        world.slee.clock.advance(9.9)
        assert LOG == []
        world.slee.clock.advance(0.2)
        assert LOG == ["Leaf.on_note", "Leaf.on_note"]


def test_ecx_15_removal_of_the_suspender_does_not_strand_the_event() -> None:
    with World(Root) as world:
        world.slee.install(Root, name="other")
        suspending(world, 5)
        world.kernel.deactivate_service(world.service)
        world.fire("b", Do(lambda sbb, aci: aci.detach(sbb)))
        world.end("b")
        world.slee.clock.advance(5)
        context = world.context("a")
        assert context is not None
        assert context.first is None


def test_ecx_16_an_end_waits_behind_the_suspended_event() -> None:
    with World(Root) as world:
        suspending(world, 5)
        world.queue("a", Other())
        world.ra.endpoint.end_activity("a")
        world.slee.run()
        context = world.context("a")
        assert context is not None
        assert context.state is ContextState.ENDING
        LOG.clear()
        world.slee.clock.advance(5)
        assert LOG == ["Leaf.on_note", "Leaf.on_note", "Root.on_other", "Root.on_end", "Leaf.on_end", "Leaf.on_end"]


def test_ecx_17_callbacks_come_after_the_last_candidate() -> None:
    with World(Root) as world:
        suspending(world, 5)
        before = len(world.told("event_processing_successful"))
        world.slee.clock.advance(4)
        assert len(world.told("event_processing_successful")) == before
        assert ("a",) not in world.told("activity_unreferenced")
        world.slee.clock.advance(1)
        assert len(world.told("event_processing_successful")) == before + 1
        assert len(world.told("event_unreferenced")) == before + 1


def test_ecx_18_a_stored_event_context_counts_as_no_value_once_processing_has_ended() -> None:
    with World(Root) as world:
        suspending(world, 5)
        seen: list[object] = []
        world.do("b", lambda sbb, aci: seen.append(sbb.held is None))
        world.slee.clock.advance(5)
        world.do("b", lambda sbb, aci: seen.append(sbb.held is None))
        assert seen == [False, True]
