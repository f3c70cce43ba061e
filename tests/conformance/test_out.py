"""Output commit (group OUT; OUT-6, OUT-7 and OUT-16 need the journal)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, RolledBackContext
from slee.api.errors import ComponentDefinitionError, TransactionRequiredError
from slee.spi import ResourceInterface, command
from slee.testing import RecordingResource
from tests.conformance.kit import LOG, RA, Boom, Note, Root, Traced, World, boom


def test_out_1_an_operation_that_is_not_declared_is_refused_at_class_creation() -> None:
    with pytest.raises(ComponentDefinitionError, match="OUT-1"):

        class Undeclared(ResourceInterface):
            @command
            def declared(self) -> None: ...

            def undeclared(self) -> None: ...


def test_out_2_a_command_reaches_the_adaptor_after_the_commit() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.ra.send("x")
            assert world.ra.commands == []

        world.do("a", act)
        assert world.ra.commands == ["x"]


def test_out_3_outputs_keep_the_order_of_the_calls_over_sbbs_and_adaptors() -> None:
    with World(Root) as world:
        second = world.slee.add_resource("second", RecordingResource(RA))
        order: list[object] = []
        world.ra.perform = lambda command: order.append(("test", command.command))
        second.perform = lambda command: order.append(("second", command.command))
        other = second.provider(RA)

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.ra.send("1")
            leaf = sbb.leaves.create()
            leaf.run(lambda child: child.ra.send("2"))
            other.send("3")
            sbb.ra.send("4")

        world.do("a", act)
        world.do("a", lambda sbb, aci: sbb.ra.send("5"))
        assert order == [("test", "1"), ("test", "2"), ("second", "3"), ("test", "4"), ("test", "5")]


@pytest.mark.parametrize("how", ["raise", "mark", "store", "check"])
def test_out_4_a_rollback_at_any_instant_drops_every_output(how: str) -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.ra.send("never")
            if how == "raise":
                raise Boom
            if how == "mark":
                sbb.set_rollback_only()
            if how == "check":
                sbb.count = "no int"

        once = [True] if how == "store" else []

        def store(sbb: Any) -> None:
            if once and once.pop():
                raise Boom

        world.on(Traced, "sbb_store", store)
        world.do("a", act)
        assert world.ra.commands == []
        assert world.ra.dropped == ["never"]


def test_out_4_what_the_failure_callbacks_send() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        world.on(Traced, "sbb_exception_thrown", lambda sbb, *_: sbb.ra.send("dropped"))
        world.on(Traced, "sbb_rolled_back", lambda sbb, context: sbb.ra.send("sent"))
        world.do("a", boom)
        assert world.ra.commands == ["sent"]
        assert RolledBackContext


def test_out_5_an_answer_during_the_hand_over_finds_everything_in_place() -> None:
    with World(Root) as world:

        def perform(command: object) -> None:
            world.ra.endpoint.fire("a", Note("answer"))

        world.ra.perform = perform

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.ra.send("request")
            sbb.count = 1
            sbb.timer = sbb.timers.set(aci, after=9)
            sbb.note(Note("fired"), aci)

        def note(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.count == 1
            assert sbb.timers.find_context(sbb.timer) is aci
            LOG.append(sbb.event_context.event.text)

        world.on(Root, "on_note", note)
        world.do("a", act)
        assert [entry for entry in LOG if "." not in entry] == ["fired", "answer"]


def test_out_8_an_opening_command_gives_a_context_to_work_with_at_once() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            opened = sbb.ra.open("new")
            opened.attach(sbb)
            opened.mask_events(sbb, ())
            sbb.naming.bind(opened, "name")
            sbb.timers.set(opened, after=5)
            sbb.context = opened

        world.do("a", act)
        assert world.ra.commands == [("open", "new")]
        assert world.state()["context"] is world.context("new")
        world.fire("new", Note())
        assert LOG[-1] == "Root.on_note"


def test_out_8_after_a_rollback_the_handle_never_existed() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.ra.open("new").attach(sbb)
            sbb.set_rollback_only()

        world.do("a", act)
        assert world.context("new") is None
        assert world.ra.commands == []
        assert world.told("activity_unreferenced") == [("a",)]
        assert world.told("activity_ended") == []
        world.start("new")


def test_out_9_randomness_comes_from_the_injected_source() -> None:
    with World(seed=3) as one, World(seed=3) as two, World(seed=4) as three:
        drawn = [world.ra.context.random_bytes(8) for world in (one, two, three)]
        assert drawn[0] == drawn[1] != drawn[2]


def test_out_10_arguments_that_could_change_are_refused_at_the_call() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(TypeError):
                sbb.ra.send(["mutable"])
            sbb.ra.send("text")

        world.do("a", act)
        assert world.ra.commands == ["text"]


def test_out_11_a_refusal_at_the_call_enlists_nothing_and_does_not_mark() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(TypeError):
                sbb.ra.send(None)
            assert not sbb.is_rollback_only

        world.do("a", act)
        assert world.ra.enlisted == []
        assert len(world.roots()) == 1
        with pytest.raises(TransactionRequiredError):
            world.ra.context.enlist("outside")


def test_out_12_a_send_that_fails_leaves_the_others_alone() -> None:
    with World(Root, failures_allowed=True) as world:
        sent: list[object] = []

        def perform(command: Any) -> None:
            if command.command == "2":
                raise OSError
            sent.append(command.command)

        world.ra.perform = perform

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            for text in "123":
                sbb.ra.send(text)

        world.do("a", act)
        assert sent == ["1", "3"]
        assert world.state()["count"] == 1


def test_out_13_a_failed_output_is_counted_and_reported() -> None:
    with World(Root, failures_allowed=True) as world:
        world.ra.perform = boom
        world.do("a", lambda sbb, aci: sbb.ra.send("x", on=aci))
        (failure,) = world.slee.failures
        assert (failure.kind, type(failure.cause)) == ("command", Boom)
        assert "'x'" in failure.where
        assert "'a'" in failure.where
        (figures,) = world.kernel.statistics().resources
        assert (figures.performed_commands, figures.failed_commands) == (0, 1)


def test_out_14_an_output_to_an_adaptor_that_is_gone_fails_as_unavailable() -> None:
    with World(Root, failures_allowed=True) as world:
        second = world.slee.add_resource("second", RecordingResource(RA))
        other = second.provider(RA)

        def act(sbb: Any, aci: ActivityContext) -> None:
            other.send("late")
            world.kernel.resources["second"].deactivate()

        world.do("a", act)
        assert second.commands == []
        (failure,) = world.slee.failures
        assert failure.cause == "unavailable"
        assert [r.failed_commands for r in world.kernel.statistics().resources] == [0, 1]


def test_out_15_the_rules_hold_for_transactions_that_are_no_deliveries() -> None:
    with World(Root) as world:
        tx = world.kernel.begin()
        provider: Any = world.ra.provider(RA)
        provider.send("committed")
        world.ra.endpoint.start_activity_transacted("new", "activity")
        assert world.kernel.finish(tx)
        tx = world.kernel.begin()
        provider.send("dropped")
        tx.marked = True
        assert not world.kernel.finish(tx)
        for resource, output in world.kernel.take_outputs():
            resource.perform(output)
        assert world.ra.commands == ["committed"]
        assert world.ra.dropped == ["dropped"]
        assert world.context("new") is not None
