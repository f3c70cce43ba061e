"""The test kit: faults, callback log, round trips, what is left, schedules, misuse (TST-6 to TST-12)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest

from slee import (
    ActivityContext,
    ActivityContextView,
    Address,
    AddressPlan,
    Cmp,
    Sbb,
    SbbID,
    SbbLocal,
    Shared,
    TimerID,
    cmp,
    event_type,
    fires,
    initial_event,
    shared,
)
from slee.api.errors import SleeError
from slee.api.ids import ComponentID
from slee.kernel.kernel import Kernel
from slee.kernel.ports import Limits
from slee.testing import Crash, Delay, RecordingResource, SerialisationError, SleeHarness, recording_type
from slee.testing.codec import Codec
from slee.testing.faults import POINTS
from tests.conformance.kit import RA, Act, Boom, Do, Note, Root, Traced, TracedRoot, World

# Faults (TST-6).


def test_tst_6_a_fault_before_commit_rolls_back_once_or_always() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count += 1
            sbb.ra.send("x")

        world.do("a", act)
        world.slee.faults.inject("commit.before", OSError("disk full"), nth=2)
        world.do("a", act)
        world.do("a", act)
        world.do("a", act)
        assert (world.state()["count"], world.ra.dropped) == (3, ["x"])
        world.slee.faults.inject("commit.before", OSError("disk full"), always=True)
        world.do("a", act)
        world.do("a", act)
        assert world.state()["count"] == 3
        world.slee.faults.clear()
        world.do("a", act)
        assert world.state()["count"] == 4


def test_tst_6_a_fault_at_the_nth_output_fails_that_command_alone() -> None:
    with World(Root, failures_allowed=True) as world:
        world.slee.faults.inject("output", OSError("no route"), nth=2)
        world.do("a", lambda sbb, aci: [sbb.ra.send(text) for text in "123"])
        assert world.ra.commands == ["1", "3"]
        assert [failure.kind for failure in world.slee.failures] == ["command"]


@pytest.mark.parametrize("name", ["sbb_create", "sbb_post_create", "sbb_load", "sbb_store", "handler"])
def test_tst_6_a_fault_in_a_callback_is_the_failure_of_that_callback(name: str) -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        if name == "sbb_load":
            world.do("a")
        world.slee.faults.inject(f"callback.{name}", Boom())
        world.do("a")
        assert world.causes() == [Boom]


def test_tst_6_every_kind_of_callback_is_a_point() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        reached: set[str] = set()

        class Spy(Delay):
            pass

        for point in POINTS:
            world.slee.faults.inject(point, Spy(0), nth=1)
        world.do("a", lambda sbb, aci: sbb.first.create().run(lambda leaf: None))
        world.do("a", lambda sbb, aci: sbb.ra.send("x"))
        world.do("a", lambda sbb, aci: 1 / 0)
        world.end("a")
        world.ra.endpoint.start_activity("b", "b", 2)
        world.start("b2")
        world.kernel.resources["test"].query_liveness("b2")
        world.kernel.resources["test"].remove_activity("b2")
        world.slee.run()
        reached = POINTS - set(world.slee.faults.pending)
        assert {f"callback.{name}" for name in (
            "handler", "local", "selector", "sbb_create", "sbb_post_create", "sbb_activate", "sbb_passivate",
            "sbb_load", "sbb_store", "sbb_remove", "sbb_exception_thrown", "sbb_rolled_back",
        )} <= reached  # fmt: skip
        assert {"commit.before", "output", "adaptor.activity_ended", "adaptor.event_processing_successful"} <= reached
        assert {"adaptor.query_liveness", "adaptor.administrative_remove", "adaptor.event_unreferenced"} <= reached


def test_tst_6_a_crash_comes_out_of_the_harness_and_nothing_of_the_transaction_stays() -> None:
    with World(Root) as world:
        world.do("a")
        world.slee.faults.inject("commit.before", Crash())
        with pytest.raises(Crash):
            world.do("a", lambda sbb, aci: setattr(sbb, "count", 5))
        assert world.state()["count"] == 0


def test_tst_6_a_delay_lets_time_pass_at_the_point() -> None:
    with World(Root) as world:
        begin = world.slee.now()
        world.slee.faults.inject("callback.handler", Delay(2.5))
        world.do("a")
        assert world.slee.now() - begin == 2.5


def test_tst_6_a_name_that_is_no_point_is_refused() -> None:
    with World() as world:
        with pytest.raises(ValueError, match="TST-6"):
            world.slee.faults.inject("commit.after", Boom())
        with pytest.raises(ValueError, match="TST-6"):
            world.slee.faults.inject("output", Boom(), nth=0)


# The callback log (TST-7).


def test_tst_7_one_entry_for_each_call_with_transaction_event_entity_activity_and_outcome() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        numbers: list[object] = []

        def fail(sbb: Any, aci: ActivityContext) -> None:
            numbers.append(world.ra.context.transaction_id)
            raise Boom

        world.do("a")
        before = len(world.slee.log)
        world.do("a", fail)
        entries = list(world.slee.log)[before:]
        assert [(e.callback, e.outcome) for e in entries if not e.where.startswith(("test", "Service"))] == [
            ("sbb_activate", "rolled back"),
            ("sbb_load", "rolled back"),
            ("on_do", "rolled back"),
            ("sbb_exception_thrown", "rolled back"),
            ("sbb_activate", "committed"),
            ("sbb_load", "committed"),
            ("sbb_rolled_back", "committed"),
            ("sbb_store", "committed"),
            ("sbb_passivate", "committed"),
        ]
        (handler,) = [e for e in entries if e.callback == "on_do"]
        (root,) = world.roots(TracedRoot)
        assert (handler.transaction, handler.where, handler.activity) == (numbers[0], str(root), "test:a")
        first = next(e for e in world.slee.log if e.callback == "on_do")
        assert handler.event is not None
        assert first.event is not None
        assert handler.event > first.event
        assert [e.number for e in world.slee.log] == list(range(1, len(world.slee.log) + 1))


def test_tst_7_selectors_business_methods_and_adaptor_callbacks_are_calls_of_an_authors_code() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.leaves.create().run(lambda leaf: None))
        world.end("a")
        names = world.slee.log.names()
        assert names.index("key") < names.index("on_do") < names.index("run") < names.index("activity_ended")
        (run,) = [entry for entry in world.slee.log if entry.callback == "run"]
        assert (run.where.startswith("SbbID[name=Leaf"), run.outcome) == (True, "committed")


def test_tst_7_equal_histories_have_an_equal_text() -> None:
    def history() -> str:
        with World(Traced, seed=3) as world:
            for number in range(6):
                world.do(str(number % 2), lambda sbb, aci: sbb.note(Note(), aci))
            return str(world.slee.log)

    text = history()
    assert text == history()
    assert " on_do [test:0] committed" in text


# Round trips (TST-8).


class Colour(enum.Enum):
    RED = object()


class Mode(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass(frozen=True)
class Leg:
    name: str
    to: Leg | None = None


@dataclasses.dataclass(frozen=True)
class Moody:
    """Reads otherwise than it was written."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text + "!")


class Point(msgspec.Struct, frozen=True):
    x: int
    y: float = 0.0


UTC = datetime.UTC
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=UTC)

VALUES: list[tuple[object, object]] = [
    (int, 2**63 - 1), (float, math.inf), (float, math.nan), (float, 3), (str, "é"), (bytes, b"\xff"), (bool, True),
    (int | None, None), (int | str | None, "1"), (str | bytes, b"a"), (decimal.Decimal, decimal.Decimal("1.10")),
    (datetime.datetime, NOW), (datetime.date, NOW.date()), (datetime.time, datetime.time(1, 2)),
    (datetime.timedelta, datetime.timedelta(days=-1, microseconds=3)), (datetime.timezone, UTC),
    (tuple[int, ...], (1, 2)), (tuple[int, str], (1, "a")), (frozenset[str], frozenset("abc")),
    (tuple[frozenset[Point], ...], (frozenset({Point(1), Point(2)}),)), (Literal["a", 1], 1), (Colour, Colour.RED),
    (Mode, Mode.A | Mode.B), (Leg, Leg("a", Leg("b"))), (Leg | Point, Point(1, 2.5)), (TimerID, TimerID("t")),
    (Address, Address(AddressPlan.SIP, "sip:a@b")), (ComponentID, SbbID("a", "b", "c")), (SbbID, SbbID("a", "b", "c")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_tst_8_what_a_field_may_hold_survives_the_round_trip(kind: object, value: object) -> None:
    copy = Codec().copy(value, kind)
    assert copy == value or value != value
    assert type(copy) is type(value)


@pytest.mark.parametrize(("kind", "value"), [(str, "\ud800"), (Moody, Moody("a"))], ids=["text", "class"])
def test_tst_8_what_does_not_survive_is_found(kind: object, value: object) -> None:
    with pytest.raises(ValueError, match="read"):
        Codec().copy(value, kind)


@event_type("test.Go", vendor="test", version="1.0")
class Go:
    text: str = ""


@event_type("test.Told", vendor="test", version="1.0")
class Told:
    leg: Leg = Leg("")
    moody: Moody | None = None


@event_type("test.Loose", vendor="test", version="1.0")
class Loose:
    anything: Any


class LegView(ActivityContextView):
    leg: Shared[Leg] = shared(Leg(""))
    moody: Shared[Moody | None] = shared(None)


ACTS: list[Callable[..., object]] = []


class Carrying(Sbb, vendor="test", version="1.0"):
    told = fires(Told)
    loose = fires(Loose)
    leg: Cmp[Leg] = cmp(Leg(""))
    text: Cmp[str] = cmp("")
    moody: Cmp[Moody | None] = cmp(None)
    me: Cmp[SbbLocal[Carrying] | None] = cmp(None)
    here: Cmp[ActivityContext | None] = cmp(None)

    @initial_event()
    def on_go(self, event: Go, aci: LegView) -> None:
        ACTS.pop()(self, aci)

    @initial_event()
    def on_told(self, event: Told, aci: ActivityContext) -> None:
        ACTS.append(lambda: event)


GO = recording_type(Go)


def carry(act: Act, *, serialise: bool = True) -> SleeHarness:
    slee = SleeHarness(failures_allowed=True, leftovers_allowed=True, serialise=serialise)
    ra = slee.add_resource("test", RecordingResource(GO))
    slee.install(Carrying)
    ACTS[:] = [act]
    ra.endpoint.start_activity("a", "a")
    ra.endpoint.fire("a", Go())
    slee.run()
    return slee


def test_tst_8_commit_goes_on_with_the_decoded_copy_of_fields_shared_attributes_and_events() -> None:
    leg = Leg("a", Leg("b"))

    def act(sbb: Any, aci: Any) -> None:
        sbb.leg = aci.leg = leg
        sbb.me = sbb.local
        sbb.here = aci
        sbb.told(Told(leg), aci)

    slee = carry(act)
    (root,) = slee.entities(Carrying)
    assert root.state["leg"] == leg
    assert root.state["leg"] is not leg
    me: Any = root.state["me"]
    assert me.entity is root
    (context,) = root.contexts
    assert root.state["here"] == context
    (held,) = (context.shared or {}).values()
    assert held == leg
    assert held is not leg
    event: Any = ACTS.pop()()
    assert event == Told(leg)
    assert event.leg is not leg


@pytest.mark.parametrize(
    ("act", "names"),
    [
        (lambda sbb, aci: setattr(sbb, "text", "\ud800"), "Carrying,vendor=test,version=1.0].text"),
        (lambda sbb, aci: setattr(sbb, "moody", Moody("a")), "Carrying,vendor=test,version=1.0].moody"),
        (lambda sbb, aci: setattr(aci, "moody", Moody("a")), "LegView.moody"),
        (lambda sbb, aci: sbb.told(Told(moody=Moody("a")), aci), "event Told"),
    ],
    ids=["text", "field", "shared", "event"],
)
def test_tst_8_a_failure_names_component_and_field_and_rolls_back(act: Act, names: str) -> None:
    slee = carry(act)
    (failure,) = slee.failures
    assert isinstance(failure.cause, SerialisationError)
    assert names in str(failure.cause)
    assert "TST-8" in str(failure.cause)
    assert slee.entities(Carrying) == []


def test_tst_8_it_is_on_by_default_and_can_be_left_out() -> None:
    moody = Moody("a")
    slee = carry(lambda sbb, aci: setattr(sbb, "moody", moody), serialise=False)
    (root,) = slee.entities(Carrying)
    assert root.state["moody"] is moody
    assert SleeHarness().watch.serialisation is not None


def test_tst_8_event_types_that_the_codec_does_not_carry_are_listed() -> None:
    def act(sbb: Any, aci: Any) -> None:
        sbb.told(Told(), aci)
        sbb.loose(Loose(act), aci)

    serialisation = carry(act).watch.serialisation
    assert serialisation is not None
    assert serialisation.not_carried == {Loose}


# What is left (TST-10).


def test_tst_10_a_harness_that_closes_lists_entities_activities_timers_and_outputs_with_their_owners() -> None:
    world = World(Root, leftovers_allowed=False)
    world.do("a", lambda sbb, aci: sbb.timers.set(aci, after=5))
    world.do("b", lambda sbb, aci: sbb.null_activities.create().attach(sbb), key="b")
    world.queue("a", Do(lambda sbb, aci: sbb.ra.send("last")))
    world.kernel.step(world.slee.now())
    with pytest.raises(AssertionError) as caught:
        world.slee.check()
    text = str(caught.value)
    entity = str(world.roots()[0])
    assert f"entity {entity} is left, attached to test:a" in text
    assert f"activity test:a is left, held by {entity}" in text
    assert "activity slee:null-" in text
    assert "timer TimerID" in text
    assert "is left, on test:a" in text
    assert "is left, for test" in text


def test_tst_10_nothing_is_said_where_nothing_is_left_or_the_test_allows_it() -> None:
    with World(Root, leftovers_allowed=False) as world:
        world.do("a", lambda sbb, aci: sbb.timers.set(aci, after=5))
        world.end("a")
    with World(Root, leftovers_allowed=True) as world:
        world.do("a")
    with pytest.raises(AssertionError, match="activity test:a is left"), SleeHarness() as slee:
        slee.add_resource("test", RecordingResource(RA)).endpoint.start_activity("a", "a")


def test_tst_10_conservation_and_failures_are_checked_at_close() -> None:
    world = World(Root)
    world.kernel.event_statistics(Note).accepted += 1
    with pytest.raises(AssertionError, match=r"Note from slee: 1 accepted, 0 delivered.*CON-3"), world:
        pass
    with pytest.raises(AssertionError, match="Boom"), World(Root) as world:
        world.do("a", lambda sbb, aci: (_ for _ in ()).throw(Boom()))


# Schedules (TST-11).


def order(seed: int, *, random_schedule: bool = True) -> list[str]:
    with World(Root, seed=seed, random_schedule=random_schedule) as world:
        seen: list[str] = []
        for number in range(3):
            for handle in "abcd":
                text = f"{handle}{number}"
                world.queue(handle, Do(lambda sbb, aci, text=text: seen.append(text), key=handle))
        world.slee.run()
        return seen


def test_tst_11_a_seed_chooses_the_context_and_keeps_the_order_within_each() -> None:
    plain = order(1, random_schedule=False)
    orders = [order(seed) for seed in range(5)]
    assert len({tuple(o) for o in orders}) == 5
    assert plain not in orders
    assert orders == [order(seed) for seed in range(5)]
    for found in orders:
        assert sorted(found) == sorted(plain)
        for handle in "abcd":
            assert [text for text in found if text[0] == handle] == [f"{handle}{n}" for n in range(3)]


def test_tst_11_a_failure_prints_the_seed_that_repeats_it() -> None:
    slee = SleeHarness(seed=7, random_schedule=True)
    slee.kernel.event_statistics(Note).accepted += 1
    with pytest.raises(AssertionError, match=r"SleeHarness\(seed=7, random_schedule=True\)"), slee:
        pass
    with pytest.raises(Boom) as caught, SleeHarness(seed=8):
        raise Boom
    assert caught.value.__notes__ == ["repeat it with SleeHarness(seed=8, random_schedule=False)"]


# Misuse (TST-12).


class Bare(SleeHarness):
    """The same set-up round the kernel of production."""

    def _engine(self, limits: Limits | None) -> Kernel:
        return Kernel(observer=self.observer, random=self.random.randbytes, ticks=lambda: self.clock.now, limits=limits)


class Misused(Sbb, vendor="test", version="1.0"):
    """Does what it must not."""

    note = fires(Note)
    count: Cmp[int] = cmp(0)

    @initial_event()
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.act(self, aci)

    def sbb_store(self) -> None:
        if self.count == 7:
            WRONG[0](self)


KEPT: list[Any] = []
WRONG: list[Any] = [lambda sbb: sbb.note(Do(), None)]


MISUSES: list[Act] = [
    lambda sbb, aci: setattr(sbb, "count", "text"),
    lambda sbb, aci: setattr(sbb, "other", 1),
    lambda sbb, aci: setattr(sbb, "count", 7),
    lambda sbb, aci: sbb.note(Do(), aci),
    lambda sbb, aci: sbb.note(Note(), "no context"),
    lambda sbb, aci: aci.attach("no entity"),
    lambda sbb, aci: aci.mask_events(sbb, [Note]),
    lambda sbb, aci: sbb.timers.set(aci, after="soon"),
    lambda sbb, aci: sbb.event_context.resume(),
    lambda sbb, aci: sbb.local.priority.missing,
    lambda sbb, aci: KEPT.append(sbb),
]


@pytest.mark.parametrize("act", MISUSES, ids=[str(number) for number in range(len(MISUSES))])
def test_tst_12_misuse_gives_the_error_that_production_gives(act: Act) -> None:
    wrong: Any = Misused.sbb_id

    def errors(harness: type[SleeHarness]) -> list[object]:
        KEPT.clear()
        with harness(failures_allowed=True, leftovers_allowed=True) as slee:
            ra = slee.add_resource("test", RecordingResource(RA))
            slee.install(Misused)
            ra.endpoint.start_activity("a", "a")
            ra.endpoint.fire("a", Do(act))
            slee.run()
            found: list[object] = [(f.kind, type(f.cause), strip(str(f.cause))) for f in slee.failures]
            for use in (
                lambda: KEPT[0].count,
                lambda: ra.endpoint.fire("b", Note()),
                lambda: ra.endpoint.fire("a", "text"),
                lambda: ra.endpoint.fire_transacted("a", Note()),
                lambda: slee.kernel.activate_service(wrong),
                lambda: slee.kernel.start(),
            ):
                try:
                    use()
                except (SleeError, TypeError, IndexError) as error:
                    found.append((type(error), strip(str(error))))
                else:
                    found.append("no error")
            return found

    assert errors(SleeHarness) == errors(Bare)


def strip(text: str) -> str:
    """Without the numbers of entities, which the kit's own transaction ids move on."""
    return "".join(letter for letter in text if not letter.isdigit())
