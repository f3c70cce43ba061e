"""The test kit: clock, steps, and the recording and scripted adaptors (TST-1 to TST-5)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from slee import ActivityContext
from slee.kernel.kernel import Kernel
from slee.testing import ManualClock, RecordingResource, ScriptedResource, SleeHarness, Step
from tests.conformance.kit import ALL_ACTIVITY_FLAGS, LOG, RA, SCRIPT, Boom, Do, Note, Other, Root, Traced, World

ROOT = Path(__file__).parents[2]
CLOCKS = {"time", "random", "secrets", "uuid"}


def test_tst_1_advance_fires_everything_due_in_between_each_at_its_own_instant() -> None:
    with World(Root) as world:
        begin = world.slee.now()
        seen: list[float] = []

        def fired(sbb: Any, event: Any, aci: ActivityContext) -> None:
            seen.append(sbb.now - begin)
            if len(seen) == 1:
                sbb.timers.set(aci, after=1)

        world.on(Root, "on_timer", fired)
        world.do("a", lambda sbb, aci: [sbb.timers.set(aci, after=after) for after in (3, 1)])
        world.slee.clock.advance(2.5)
        assert seen == [1, 2]
        assert world.slee.now() - begin == 2.5
        with pytest.raises(ValueError, match="TST-1"):
            world.slee.clock.advance(-1)
        with pytest.raises(ValueError, match="TST-1"):
            ManualClock(5).move_to(4)


def test_tst_1_time_jumps_by_itself_to_the_next_deadline() -> None:
    with World(Root) as world:
        begin = world.slee.now()
        world.do("a", lambda sbb, aci: sbb.timers.set(aci, after=100, period=50, repetitions=3))
        world.slee.run_until_idle()
        assert LOG.count("Root.on_timer") == 3
        assert world.slee.now() - begin == 200


def test_tst_1_no_product_module_reads_a_clock_or_randomness_but_the_runtimes() -> None:
    found: list[str] = []
    for package in ("api", "spi", "model", "kernel", "facilities", "stores", "testing"):
        for path in (ROOT / "slee" / package).rglob("*.py"):
            if path.parent.name == "sqlite" or path.parts[-3:-1] == (
                "stores",
                "profiles",
            ):  # a thread and a disk have a clock of their own; `stores.simulated` has not
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                found += [f"{path.name}: {name}" for name in names if name.partition(".")[0] in CLOCKS]
    # Seeded sources that reproduce what they do: the harness's, the simulated store's, the records of the store kit.
    assert sorted(found) == ["harness.py: random", "simulated.py: random", "store_compliance.py: random"]


def test_tst_2_a_step_makes_one_delivery_and_says_what_it_did() -> None:
    with World(Root) as world:
        assert world.slee.step() is None
        world.do("a", lambda sbb, aci: aci.attach(sbb.leaves.create()))
        world.queue("a", Note())
        LOG.clear()
        steps = []
        while (step := world.slee.step()) is not None:
            steps.append((step.kind, len(LOG)))
        assert steps == [("delivery", 1), ("delivery", 2), ("end", 2)]
        world.queue("a", Other())
        assert world.slee.step() == Step("delivery", Other(), world.context("a"))


def test_tst_2_running_past_the_limit_is_an_error() -> None:
    with World(Root) as world:
        world.on(Root, "on_note", lambda sbb, aci: sbb.note(Note(), aci))
        world.do("a")
        world.queue("a", Note())
        with pytest.raises(RuntimeError, match="TST-2"):
            world.slee.run(limit=100)
        with pytest.raises(RuntimeError, match="TST-2"):
            world.slee.run_until_idle(limit=100)


def test_tst_2_equal_inputs_and_seed_give_an_equal_log() -> None:
    def history() -> str:
        with World(Traced, failures_allowed=True, seed=5) as world:
            lines: list[object] = []
            for number in range(10):
                key = str(number % 2)
                world.do(f"{number % 3}", lambda sbb, aci: lines.append(sbb.null_activities.create()), key)
            return repr((LOG, lines, [callback[0] for callback in world.ra.callbacks]))

    assert history() == history()


def test_tst_3_the_kit_runs_the_products_own_kernel() -> None:
    with SleeHarness() as slee:
        assert isinstance(slee.kernel, Kernel)
        assert type(slee.tables).__module__ == "slee.facilities.volatile"
        with pytest.raises(RuntimeError, match="TST-3"):
            slee.spawn_reader(0, lambda: None)


def test_tst_4_a_recording_resource_keeps_what_it_was_handed_apart_from_what_was_rolled_back() -> None:
    with World(Root, failures_allowed=True) as world:
        numbers: list[object] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            numbers.append(world.ra.context.transaction_id)
            sbb.ra.send("kept", on=aci)
            sbb.ra.send("free")

        def fail(sbb: Any, aci: ActivityContext) -> None:
            sbb.ra.send("dropped")
            raise Boom

        world.do("a", act)
        world.do("a", fail)
        kept, free = world.ra.handed
        assert (kept.command, kept.activity, kept.transaction, kept.time) == ("kept", "a", numbers[0], world.slee.now())
        assert (free.command, free.activity) == ("free", None)
        assert world.ra.dropped == ["dropped"]


def test_tst_4_it_records_every_callback() -> None:
    with World(Root) as world:
        second = world.slee.add_resource("second", RecordingResource(RA))
        world.kernel.resources["second"].deactivate()
        world.kernel.remove_resource("second")
        assert [callback[0] for callback in second.callbacks] == [
            "set_context",
            "ra_active",
            "service_active",
            "ra_stopping",
            "ra_inactive",
        ]


class Scripted:
    """A root that sends what it is told, on an adaptor with a script."""

    def __init__(self) -> None:
        SCRIPT.clear()
        self.slee = SleeHarness(leftovers_allowed=True, failures_allowed=True)
        self.ra = self.slee.add_resource("test", ScriptedResource(RA))
        self.slee.install(Root)
        LOG.clear()

    def send(self, *texts: str) -> None:
        if self.ra.context.activity_context("a") is None:
            self.ra.endpoint.start_activity("a", "activity", ALL_ACTIVITY_FLAGS)
        self.ra.endpoint.fire("a", Do(lambda sbb, aci: [sbb.ra.send(text, on=aci) for text in texts]))
        self.slee.run()


def test_tst_5_a_matching_command_fires_events_at_once_and_later_on_the_clock() -> None:
    world = Scripted()
    texts: list[str] = []
    SCRIPT["Root", "on_note"] = lambda sbb, aci: texts.append(sbb.event_context.event.text)
    world.ra.expect("dial").fires(Note("ringing")).fires(Note("answered"), after=4)
    world.send("dial")
    assert texts == ["ringing"]
    world.slee.advance(3.9)
    assert texts == ["ringing"]
    world.slee.advance(0.1)
    assert texts == ["ringing", "answered"]
    world.slee.check()


def test_tst_5_a_matching_command_fails_or_ends_the_activity_or_has_a_callback_throw() -> None:
    world = Scripted()
    world.ra.expect(lambda command: command == "lost").fails(OSError("no route"))
    world.ra.expect("over", times=2).ends().throws(Boom(), "activity_ended")
    world.send("lost")
    assert [(f.kind, str(f.cause)) for f in world.slee.failures] == [("command", "no route")]
    for _ in range(2):
        world.send("over")
        assert world.ra.context.activity_context("a") is None
    assert [type(f.cause) for f in world.slee.failures if f.kind == "adaptor"] == [Boom, Boom]
    world.slee.check()


def test_tst_5_unmet_and_unexpected_commands_fail_the_test_at_close_which_shows_both() -> None:
    world = Scripted()
    world.ra.expect("dial", times=2)
    world.send("dial", "hang up")
    with pytest.raises(AssertionError, match=r"'dial' was to come 1 times more; unexpected: 'hang up'"):
        world.slee.check()


def test_tst_5_a_script_that_cannot_be_is_refused() -> None:
    script = ScriptedResource(RA)
    with pytest.raises(ValueError, match="TST-5"):
        script.expect("x", times=0)
    with pytest.raises(ValueError, match="TST-5"):
        script.expect("x").fires(Note(), after=-1)
    with pytest.raises(ValueError, match="TST-5"):
        script.throw(Boom(), "activity_lost")
