"""CMP state (group CMP)."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import types
from typing import Any

import msgspec
import pytest

from slee import (
    ActivityContext,
    Address,
    Cmp,
    EventContext,
    Sbb,
    SbbLocal,
    Select,
    ServiceID,
    TimerID,
    cmp,
    initial_event,
)
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    NoSuchObjectError,
    TransactionRequiredError,
    TransactionRolledBackError,
    UnsetFieldError,
    VerificationError,
)
from slee.model.descriptor import describe_sbb
from tests.conformance.kit import LOG, Do, Leaf, Root, Traced, World, boom


class Colour(enum.Enum):
    RED = "red"


class Frozen(msgspec.Struct, frozen=True):
    numbers: tuple[int, ...] = ()


class Thawed(msgspec.Struct):
    number: int = 0


class Holder(msgspec.Struct, frozen=True):
    """Frozen, and holds what is not."""

    numbers: list[int]


@dataclasses.dataclass(frozen=True)
class Nested:
    inner: Frozen
    next: Nested | None = None


@dataclasses.dataclass
class Loose:
    number: int = 0


class Fields(Sbb, vendor="test", version="1.0"):
    """One field of each kind of type, without default."""

    truth: Cmp[bool] = cmp()
    whole: Cmp[int] = cmp()
    real: Cmp[float] = cmp()
    text: Cmp[str] = cmp()
    octets: Cmp[bytes] = cmp()
    several: Cmp[tuple[int, ...]] = cmp()
    members: Cmp[frozenset[str]] = cmp()
    perhaps: Cmp[int | None] = cmp()
    given: Cmp[int] = cmp(42)
    colour: Cmp[Colour] = cmp()
    frozen: Cmp[Frozen] = cmp()
    nested: Cmp[Nested] = cmp()
    pair: Cmp[tuple[int, str]] = cmp()
    money: Cmp[decimal.Decimal] = cmp()
    moment: Cmp[datetime.datetime] = cmp()
    leaf: Cmp[SbbLocal[Leaf]] = cmp()
    context: Cmp[ActivityContext] = cmp()
    held: Cmp[EventContext] = cmp()
    timer: Cmp[TimerID] = cmp()
    address: Cmp[Address] = cmp()
    service: Cmp[ServiceID] = cmp()
    union: Cmp[int | str | None] = cmp()
    leaves: Cmp[tuple[SbbLocal[Leaf], ...]] = cmp()

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("Fields.on_do")
        event.act(self, aci)


ZEROS = {
    "truth": False,
    "whole": 0,
    "real": 0.0,
    "text": "",
    "octets": b"",
    "several": (),
    "members": frozenset(),
    "perhaps": None,
    "given": 42,
    "union": None,
    "leaves": (),
}
UNSET = [name for name in Fields.sbb_declarations if name not in ZEROS]


def test_cmp_1_a_new_entity_begins_with_defaults_and_zero_values() -> None:
    with World(Fields) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for name, value in ZEROS.items():
                assert getattr(sbb, name) == value
                assert type(getattr(sbb, name)) is type(value)

        world.do("a", act)


def test_cmp_2_a_field_of_another_type_has_no_value_until_written() -> None:
    with World(Fields, failures_allowed=True) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            for name in UNSET:
                with pytest.raises(UnsetFieldError, match=name):
                    getattr(sbb, name)
            sbb.colour = Colour.RED
            assert sbb.colour is Colour.RED

        world.do("a", act)
        assert world.causes() == []
        world.do("a", lambda sbb, aci: sbb.frozen)
        assert world.causes() == [UnsetFieldError]


def test_cmp_3_reads_and_writes_need_a_delivery() -> None:
    with World(Root) as world:
        kept: list[Any] = []
        world.do("a", lambda sbb, aci: kept.append(sbb))
        with pytest.raises(TransactionRequiredError):
            _ = kept[0].count
        with pytest.raises(TransactionRequiredError):
            kept[0].count = 1


@pytest.mark.parametrize("callback", ["sbb_activate", "sbb_passivate"])
def test_cmp_3_a_write_outside_the_transaction_is_found(callback: str) -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        world.on(Traced, callback, lambda sbb: setattr(sbb, "count", 9))
        world.do("a")
        assert world.causes() == [TypeError]
        assert "CMP-3" in str(world.slee.failures[0].cause)
        assert world.state(Traced)["count"] == 0


def test_cmp_4_what_is_written_in_sbb_create_is_the_new_entitys_state() -> None:
    with World(Traced) as world:
        world.on(Traced, "sbb_create", lambda sbb: setattr(sbb, "count", sbb.count + 5))
        world.do("a")
        assert world.state(Traced)["count"] == 5


def test_cmp_5_a_write_is_seen_by_every_later_read() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            node = sbb.nodes.create()
            node.run(lambda n: setattr(n, "count", 3))
            assert node.run(lambda n: n.count) == 3

        world.do("a", act)


def test_cmp_6_a_write_is_seen_by_others_after_the_commit_only() -> None:
    with World(Root, failures_allowed=True) as world:
        world.do("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 5
            assert world.state()["count"] == 0

        world.do("a", act)
        assert world.state()["count"] == 5
        world.do("a", lambda sbb, aci: setattr(sbb, "count", 6) or boom())
        assert world.state()["count"] == 5


def test_cmp_7_fields_change_together() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: (setattr(sbb, "count", 1), setattr(sbb, "text", "1")))
        assert (world.state()["count"], world.state()["text"]) == (1, "1")


VALUES: dict[str, object] = {
    "truth": True,
    "whole": 2**63 - 1,
    "real": 1.5,
    "text": "x",
    "octets": b"x",
    "several": (1, 2),
    "members": frozenset({"x"}),
    "perhaps": 3,
    "colour": Colour.RED,
    "frozen": Frozen((1,)),
    "nested": Nested(Frozen(), Nested(Frozen())),
    "pair": (1, "x"),
    "money": decimal.Decimal("1.10"),
    "moment": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "timer": TimerID("t"),
    "service": ServiceID("a", "b", "c"),
    "union": "x",
}


@pytest.mark.parametrize("name", VALUES)
def test_cmp_8_immutable_values_are_kept(name: str) -> None:
    with World(Fields) as world:
        world.do("a", lambda sbb, aci: setattr(sbb, name, VALUES[name]))
        assert world.state(Fields)[name] == VALUES[name]


def test_cmp_8_an_int_is_a_float_as_the_type_checkers_say() -> None:
    with World(Fields) as world:
        world.do("a", lambda sbb, aci: setattr(sbb, "real", 5))
        assert world.state(Fields)["real"] == 5


def test_cmp_9_references_are_kept() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf = sbb.needed = sbb.leaves.create()
            sbb.context = aci
            sbb.held = sbb.event_context
            sbb.timer = sbb.timers.set(aci, after=60)
            sbb.event_context.suspend(timeout=5)

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.leaf == sbb.needed == next(iter(sbb.leaves))
            assert sbb.context is world.context("a")
            assert sbb.held.event.key == "root"
            LOG.append("seen")

        world.do("a", act)
        world.do("b", look)
        assert LOG[-1] == "seen"


MUTABLE = [
    (list[int], "tuple"),
    (dict[str, int], "frozen struct"),
    (set[int], "frozenset"),
    (bytearray, "bytes"),
    (Thawed, "frozen"),
    (Loose, "frozen"),
    (tuple[list[int], ...], "tuple"),
    (Holder, "tuple"),
    (Any, "open"),
    (object, "open"),
    (SbbLocal, "SbbLocal"),
    (types.SimpleNamespace, "frozen"),
]


@pytest.mark.parametrize(("annotation", "instead"), MUTABLE, ids=str)
def test_cmp_10_mutable_and_open_types_are_refused_when_the_class_is_created(annotation: Any, instead: str) -> None:
    with pytest.raises(ComponentDefinitionError, match="CMP-10") as info:
        make({"field": cmp()}, {"field": Cmp[annotation]})
    assert "field" in str(info.value)
    assert instead in str(info.value)


def make(members: dict[str, Any], annotations: dict[str, Any], *bases: type) -> type[Sbb]:
    body = {**members, "__annotations__": annotations, "__module__": __name__}
    made: type[Sbb] = types.new_class(
        "Made", bases or (Sbb,), {"vendor": "test", "version": "1.0"}, lambda n: n.update(body)
    )
    return made


def test_cmp_10_an_annotation_that_does_not_resolve_is_judged_at_verification() -> None:
    made = make({"field": cmp()}, {"field": "Cmp[Missing]"})
    with pytest.raises(VerificationError, match="CMP-10"):
        describe_sbb(made)
    made = make({"field": cmp()}, {"field": "Cmp[Later]"})
    globals()["Later"] = list
    try:
        with pytest.raises(VerificationError, match="CMP-10"):
            describe_sbb(made)
    finally:
        del globals()["Later"]


def test_cmp_10_a_field_needs_an_annotation() -> None:
    with pytest.raises(ComponentDefinitionError, match="annotation"):
        make({"field": cmp(1)}, {})
    with pytest.raises(ComponentDefinitionError, match=r"not Cmp\[...\]"):
        make({"field": cmp(1)}, {"field": int})


def test_cmp_11_a_wrong_default_or_a_taken_name_is_refused() -> None:
    with pytest.raises(ComponentDefinitionError, match="CMP-11"):
        make({"field": cmp("x")}, {"field": Cmp[int]})
    with pytest.raises(ComponentDefinitionError, match="CMP-11"):
        make({"timers": cmp(1)}, {"timers": Cmp[int]})
    base = make({"field": cmp(1)}, {"field": Cmp[int]})
    with pytest.raises(ComponentDefinitionError, match="CMP-11"):
        make({"field": cmp("x")}, {"field": Cmp[str]}, base)


WRONG = [
    ("whole", "x"),
    ("whole", 2**63),
    ("whole", True),
    ("truth", 1),
    ("several", [1]),
    ("several", ("x",)),
    ("pair", (1,)),
    ("members", {"x"}),
    ("perhaps", "x"),
    ("colour", "red"),
    ("frozen", Thawed()),
    ("frozen", Frozen([1])),
    ("nested", Nested(Frozen(), Thawed())),
    ("leaf", object()),
    ("union", 1.5),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_cmp_12_a_wrong_value_fails_the_delivery(name: str, value: object) -> None:
    with World(Fields, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: None)

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.given = 1
            setattr(sbb, name, value)

        world.do("a", act)
        (failure,) = world.slee.failures
        assert isinstance(failure.cause, TypeError)
        assert f".{name} " in str(failure.cause)
        assert world.state(Fields)["given"] == 42


def test_cmp_12_the_check_follows_store_and_counts_as_an_exception_of_the_sbb() -> None:
    with World(Traced, failures_allowed=True) as world:
        world.do("a")
        LOG.clear()
        once = [True]

        def store(sbb: Any) -> None:
            if once and once.pop():
                sbb.count = "x"

        world.on(Traced, "sbb_store", store)
        world.do("a")
        assert LOG[:5] == [
            f"Traced.{name}" for name in ("sbb_activate", "sbb_load", "on_do", "sbb_store", "sbb_exception_thrown")
        ]
        assert world.state(Traced)["count"] == 0


def test_cmp_13_an_undeclared_attribute_fails_the_delivery() -> None:
    with World(Root, failures_allowed=True) as world:
        world.do("a")
        world.do("a", lambda sbb, aci: setattr(sbb, "undeclared", 1))
        world.do("a", lambda sbb, aci: setattr(sbb, "ra", 1))
        assert world.causes() == [AttributeError, AttributeError]
        assert "undeclared" in str(world.slee.failures[0].cause)
        assert "undeclared" not in world.state()


def test_cmp_14_deleting_a_field_brings_its_initial_value_back() -> None:
    with World(Fields) as world:

        def write(sbb: Any, aci: ActivityContext) -> None:
            sbb.given = 1
            sbb.colour = Colour.RED
            sbb.pair = (1, "x")

        def delete(sbb: Any, aci: ActivityContext) -> None:
            del sbb.given, sbb.colour
            assert sbb.given == 42
            with pytest.raises(UnsetFieldError):
                _ = sbb.colour

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.given == 42
            assert sbb.pair == (1, "x")
            with pytest.raises(UnsetFieldError):
                _ = sbb.colour

        def roll_back(sbb: Any, aci: ActivityContext) -> None:
            del sbb.pair
            sbb.set_rollback_only()

        for act in (write, delete, look, roll_back, look):
            world.do("a", act)


def test_cmp_15_only_assignment_changes_an_entity() -> None:
    with World(Fields) as world:
        kept: list[Any] = []
        world.do("a", lambda sbb, aci: setattr(sbb, "frozen", Frozen((1,))))
        world.do("a", lambda sbb, aci: kept.append(sbb.frozen))
        with pytest.raises(AttributeError):
            kept[0].numbers = ()
        world.do("a", lambda sbb, aci: setattr(sbb, "frozen", Frozen((2,))))
        assert kept[0] == Frozen((1,))


def test_cmp_16_a_reference_to_a_removed_entity_counts_as_no_value() -> None:
    with World(Root) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf = sbb.needed = sbb.leaves.create()

        def remove(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf.remove()
            assert sbb.leaf is not None
            assert not sbb.leaf.is_valid
            with pytest.raises(NoSuchObjectError):
                _ = sbb.leaf.priority

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.leaf is None
            with pytest.raises(UnsetFieldError):
                _ = sbb.needed
            LOG.append("seen")

        for act in (set_up, remove, look):
            world.do("a", act)
        assert LOG[-1] == "seen"


def test_cmp_17_a_context_that_is_invalid_counts_as_no_value() -> None:
    with World(Root) as world:
        b = world.start("b")
        world.do("a", lambda sbb, aci: setattr(sbb, "context", b))
        world.end("b")
        seen: list[object] = []
        world.do("a", lambda sbb, aci: seen.append(sbb.context))
        assert seen == [None]


def test_cmp_18_a_reference_inside_a_tuple_stays_in_place() -> None:
    class_leaves: list[Any] = []
    with World(Root, Fields) as world:
        world.kernel.deactivate_service(world.services[1])

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            class_leaves.extend(sbb.leaves.create() for _ in range(2))

        world.do("a", set_up)
        world.kernel.activate_service(world.services[1])
        world.fire("b", Do(lambda sbb, aci: setattr(sbb, "leaves", tuple(class_leaves))), service=world.services[1])
        world.fire("a", Do(lambda sbb, aci: class_leaves[0].remove()), service=world.services[0])

        def look(sbb: Any, aci: ActivityContext) -> None:
            first, second = sbb.leaves
            assert not first.is_valid
            assert second.is_valid
            with pytest.raises(TransactionRolledBackError):
                first.run(lambda leaf: None)
            LOG.append("seen")

        world.fire("b", Do(look), service=world.services[1])
        assert "seen" in LOG


def test_cmp_19_a_reference_read_back_designates_what_was_stored() -> None:
    with World(Root) as world:

        def set_up(sbb: Any, aci: ActivityContext) -> None:
            sbb.leaf = sbb.leaves.create()
            sbb.leaf.run(lambda leaf: setattr(leaf, "text", "mine"))

        seen: list[object] = []
        world.do("a", set_up)
        world.do("a", lambda sbb, aci: seen.append(sbb.leaf.run(lambda leaf: leaf.text)))
        assert seen == ["mine"]


def test_cmp_20_entities_do_not_share_state() -> None:
    with World(Root) as world:
        world.slee.install(Root, name="other")
        for key in ("1", "2"):
            world.do(key, lambda sbb, aci, k=key: setattr(sbb, "text", sbb.text + k), key=key)
        assert sorted(str(root.state["text"]) for root in world.roots()) == ["1", "1", "2", "2"]


def test_cmp_21_state_survives_from_instance_to_instance() -> None:
    with World(Root) as world:
        for _ in range(3):
            world.do("a", lambda sbb, aci: setattr(sbb, "count", sbb.count + 1))
        assert world.state()["count"] == 3


def test_cmp_22_the_check_accepts_only_what_the_codec_carries() -> None:
    class Sub(str):
        __slots__ = ()

    with World(Fields, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: setattr(sbb, "text", Sub("x")))
        world.do("a", lambda sbb, aci: setattr(sbb, "whole", 2**64))
        assert world.causes() == [TypeError, TypeError]


def test_loc_8_cmp_is_out_of_reach_after_the_own_removal() -> None:
    with World(Root, failures_allowed=True) as world:

        def read(sbb: Any, aci: ActivityContext) -> None:
            sbb.count = 1
            sbb.local.remove()
            with pytest.raises(InvalidStateError):
                _ = sbb.count

        world.do("a", read)
        assert world.causes() == []
        world.do("a")
        world.do("a", lambda sbb, aci: sbb.local.remove() or setattr(sbb, "count", 1))
        assert world.causes() == [InvalidStateError]
        assert len(world.roots()) == 1
