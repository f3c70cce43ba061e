"""Shared attributes of activity contexts (group SHR)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slee import (
    ActivityContext,
    ActivityContextView,
    Cmp,
    Sbb,
    SbbLocal,
    Shared,
    child,
    cmp,
    handles,
    initial_event,
    local,
    resource,
    shared,
)
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    TransactionRequiredError,
    VerificationError,
)
from slee.kernel.states import ContextState
from tests.conformance.kit import LOG, RA, Do, Leaf, Note, World, key, play
from tests.deploy.workshop import Server, build, manifest, write


class Call(ActivityContextView):
    """The view of Seer."""

    hops: Shared[int] = shared(0)
    callee: Shared[str] = shared("nobody", alias="shr.callee")
    leg: Shared[ActivityContext | None] = shared(None)
    leaf: Shared[SbbLocal[Leaf] | None] = shared(None)
    label = shared("plain")


class Seer(Sbb, vendor="test", version="1.0"):
    """Sees contexts through Call, in a handler and by making views."""

    ra = resource(RA)
    leaves = child(Leaf)
    kept: Cmp[ActivityContext | None] = cmp(None)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("Seer.on_do")
        event.act(self, aci)

    @handles
    def on_note(self, event: Note, aci: Call) -> None:
        play(self, "on_note", aci)


class OtherCall(ActivityContextView):
    """Declares the same names for another SBB type."""

    hops: Shared[int] = shared(7)
    destination: Shared[str] = shared("nobody", alias="shr.callee")


class Onlooker(Sbb, vendor="test", version="1.0"):
    """Another SBB type."""

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: OtherCall) -> None:
        LOG.append("Onlooker.on_do")
        event.act(self, aci)


class Successor(Call):
    """The same attributes, for another SBB type."""


class Follower(Sbb, vendor="test", version="1.0"):
    """Uses a subclass of the view of Seer."""

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: Successor) -> None:
        event.act(self, aci)


def test_shr_1_a_view_is_equal_to_its_context_and_serves_in_its_place() -> None:
    with World(Seer) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            view = Call(aci)
            assert view == aci
            assert aci == view
            assert view == Call(view)
            assert view != sbb.null_activities.create()
            assert hash(view) == hash(aci)
            assert view in sbb.activities
            assert view.activity == "activity a"
            assert not view.is_ending
            assert view.is_attached(sbb)
            view.detach(sbb)
            assert not aci.is_attached(sbb)
            view.attach(sbb)
            view.mask_events(sbb, [Note])
            assert aci.event_mask(sbb) == view.event_mask(sbb) == frozenset((Note,))
            view.mask_events(sbb, [])
            sbb.naming.bind(view, "name")
            assert sbb.naming.find("name") == view
            sbb.timers.set(view, after=1.0)
            sbb.ra.send("hello", on=view)
            sbb.kept = view

        world.do("a", act)
        assert world.ra.handed[-1].activity == "a"
        seen: list[Any] = []
        world.on(Seer, "on_note", lambda sbb, aci: seen.append((type(aci), aci, sbb.kept)))
        world.fire("a", Note())
        assert seen == [(Call, world.context("a"), world.context("a"))]


def test_shr_1_making_and_reading_a_view_need_a_delivery() -> None:
    with World(Seer) as world:
        kept: list[Any] = []
        world.do("a", lambda sbb, aci: kept.append(Call(aci)))
        context = world.context("a")
        assert context is not None

        def write() -> None:
            kept[0].hops = 1

        for use in (lambda: Call(context), lambda: kept[0].hops, write):
            with pytest.raises(TransactionRequiredError):
                use()
        assert kept[0] == context
        make: Any = Call
        for nothing in (None, "a"):
            with pytest.raises(TypeError, match="SHR-1"):
                make(nothing)


def test_shr_1_a_cmp_field_may_hold_a_view_and_loses_it_with_its_context() -> None:
    with World(Seer) as world:
        b = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.kept = Call(b)

        world.do("a", act)
        world.do("a", lambda sbb, aci: LOG.append(str(sbb.kept == b)))
        world.end("b")
        world.do("a", lambda sbb, aci: LOG.append(str(sbb.kept)))
        assert [line for line in LOG if "." not in line] == ["True", "None"]


def test_shr_2_an_attribute_belongs_to_one_sbb_type_in_all_services() -> None:
    with World(Onlooker) as world:
        one, two = world.slee.install(Seer, name="one"), world.slee.install(Seer, name="two")

        def write(sbb: Any, aci: ActivityContext) -> None:
            Call(aci).hops = 3

        world.fire("a", Do(write), service=one)
        seen: list[int] = []
        world.fire("a", Do(lambda sbb, aci: seen.append(Call(aci).hops)), service=two)
        world.fire("a", Do(lambda sbb, aci: seen.append(Call(aci).hops), "second"), service=one)
        world.fire("a", Do(lambda sbb, aci: seen.append(aci.hops)), service=world.service)
        assert (len(seen) >= 3, set(seen[:-1]), seen[-1]) == (True, {3}, 7)


def test_shr_3_a_view_belongs_to_one_sbb_type() -> None:
    with pytest.raises(ComponentDefinitionError, match=r"SHR-3.*subclass"):

        class Thief(Sbb, vendor="test", version="1.0"):
            @handles
            def on_note(self, event: Note, aci: Call) -> None: ...

    with World(Onlooker) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(ComponentDefinitionError, match="SHR-3"):
                Call(aci)

        world.do("a", act)


def test_shr_3_a_subclass_of_a_view_has_attributes_of_its_own() -> None:
    with World(Seer, Follower) as world:

        def write(sbb: Any, aci: ActivityContext) -> None:
            Call(aci).hops = 3
            Call(aci).callee = "bob"

        world.fire("a", Do(write), service=world.services[0])
        seen: list[object] = []
        world.fire("a", Do(lambda sbb, aci: seen.append((aci.hops, aci.callee))), service=world.services[1])
        assert seen == [(0, "bob")]


def test_shr_4_one_alias_is_one_attribute_whatever_its_names() -> None:
    with World(Seer, Onlooker) as world:

        def write(sbb: Any, aci: ActivityContext) -> None:
            Call(aci).callee = "bob"

        def back(sbb: Any, aci: Any) -> None:
            seen.append(aci.destination)
            aci.destination = "carol"

        seen: list[str] = []
        world.fire("a", Do(write), service=world.services[0])
        world.fire("a", Do(back), service=world.services[1])
        world.fire("a", Do(lambda sbb, aci: seen.append(Call(aci).callee)), service=world.services[0])
        assert seen == ["bob", "carol"]


def test_shr_5_one_alias_has_one_type_within_a_view() -> None:
    with pytest.raises(ComponentDefinitionError, match=r"Torn\.two and .*Torn\.one.*SHR-5"):

        class Torn(ActivityContextView):
            one: Shared[int] = shared(0, alias="x")
            two: Shared[str] = shared("", alias="x")


VIEW = """
from slee import ActivityContextView, Sbb, Select, Shared, initial_event, shared
from tests.deploy.echo import Heard

class {name}View(ActivityContextView):
    attribute: Shared[{type}] = shared({default}, alias="shr.common")

class {name}(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: {name}View) -> None: ...
"""


def _bundle(tmp_path: Path, name: str, *views: tuple[str, str, str]) -> Any:
    files = {f"sbbs/m{n}.py": VIEW.format(name=v[0], type=v[1], default=v[2]) for n, v in enumerate(views)}
    modules = ", ".join(f'"sbbs.m{n}"' for n in range(len(views)))
    return build(write(tmp_path / name, {"bundle.toml": manifest(name, modules=modules), **files}))


def test_shr_5_one_alias_has_one_type_within_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"(AView|BView)\.attribute and (AView|BView)\.attribute.*SHR-5"):
        _bundle(tmp_path, "torn", ("A", "int", "0"), ("B", "str", "''"))


def test_shr_5_one_alias_has_one_type_among_all_that_is_installed(tmp_path: Path, server: Server) -> None:
    first = _bundle(tmp_path, "first", ("A", "int", "0"))
    server.install(first)
    with pytest.raises(VerificationError, match=r"BView\.attribute and AView\.attribute.*SHR-5"):
        server.install(_bundle(tmp_path, "second", ("B", "str", "''")))
    server.install(_bundle(tmp_path, "third", ("C", "int", "0")))
    for bundle in (first, _bundle(tmp_path, "third", ("C", "int", "0"))):
        server.bundles.uninstall(bundle.manifest.id)
    server.install(_bundle(tmp_path, "second", ("B", "str", "''")))


def test_shr_6_defaults_are_those_of_the_view_and_equal_for_one_alias(tmp_path: Path) -> None:
    with World(Seer) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            view = Call(aci)
            assert (view.hops, view.callee, view.leg, view.label) == (0, "nobody", None, "plain")

        world.do("a", act)
    with pytest.raises(ComponentDefinitionError, match="SHR-6"):

        class Torn(ActivityContextView):
            one: Shared[int] = shared(0, alias="x")
            two: Shared[int] = shared(1, alias="x")

    with pytest.raises(VerificationError, match="SHR-6"):
        _bundle(tmp_path, "torn", ("A", "int", "0"), ("B", "int", "1"))


def test_shr_7_types_are_immutable_and_judged_when_the_class_is_created() -> None:
    for annotation, default in (
        ("Shared[list[int]]", None),
        ("Shared[int]", "text"),
        ("int", 0),
        ("Shared[Nonsense]", 0),
        ("Shared[object]", 0),
    ):
        with pytest.raises(ComponentDefinitionError, match="SHR-7"):
            type("Wrong", (ActivityContextView,), {"__annotations__": {"x": annotation}, "x": shared(default)})
    with pytest.raises(ComponentDefinitionError, match="SHR-7"):
        type("Wrong", (ActivityContextView,), {"x": shared(None)})
    with pytest.raises(ComponentDefinitionError, match="SHR-10"):
        type("Wrong", (ActivityContextView,), {"activity": shared(0)})


def test_shr_7_a_value_of_another_type_is_refused_at_the_write() -> None:
    with World(Seer) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            view: Any = Call(aci)
            view.hops = 2
            for wrong in ("3", None, True, 3.0, 2**63):
                with pytest.raises(TypeError, match="SHR-7"):
                    view.hops = wrong
            assert view.hops == 2
            assert not sbb.is_rollback_only

        world.do("a", act)


def test_shr_8_a_write_is_seen_in_its_transaction_and_undone_by_rollback() -> None:
    with World(Seer) as world:

        def write(value: int, *, keep: bool) -> Any:
            def act(sbb: Any, aci: ActivityContext) -> None:
                view = Call(aci)
                view.hops = value
                view.hops += 1
                assert Call(aci).hops == value + 1
                if not keep:
                    sbb.set_rollback_only()

            return act

        seen: list[int] = []
        world.do("a", write(10, keep=False))
        world.do("a", lambda sbb, aci: seen.append(Call(aci).hops))
        world.do("a", write(20, keep=True))
        world.do("a", write(30, keep=False))
        world.do("a", lambda sbb, aci: seen.append(Call(aci).hops))
        assert seen == [0, 21]


def test_shr_9_each_context_has_its_own_values_until_it_is_invalid() -> None:
    with World(Seer) as world:
        b = world.start("b")

        def write(sbb: Any, aci: ActivityContext) -> None:
            Call(aci).hops = 5
            assert Call(b).hops == 0
            aci.detach(sbb)

        kept: list[Any] = []
        world.do("a", write)
        assert world.roots(Seer) == []
        world.do("a", lambda sbb, aci: kept.extend((Call(aci), Call(aci).hops)))
        assert kept[1] == 5
        world.end("a")
        assert kept[0].context.state is ContextState.INVALID

        def use(sbb: Any, aci: ActivityContext) -> None:
            assert Call(aci).hops == 0
            with pytest.raises(InvalidStateError):
                _ = kept[0].hops
            with pytest.raises(InvalidStateError):
                kept[0].hops = 1

        world.do("a", use)


def test_shr_10_what_no_view_declares_is_no_attribute() -> None:
    with World(Seer) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            view: Any = Call(aci)
            with pytest.raises(AttributeError):
                _ = view.jumps
            with pytest.raises(AttributeError, match=r"Call declares no jumps \[SHR-10\]; it shares hops"):
                view.jumps = 1
            for name in ("context", "hops"):
                with pytest.raises(AttributeError):
                    delattr(view, name)

        world.do("a", act)


def test_shr_11_attributes_keep_nothing_alive() -> None:
    with World(Seer) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            null = sbb.null_activities.create()
            view = Call(aci)
            view.leg = Call(null)
            view.leaf = sbb.leaves.create()
            assert view.leg == null
            kept.append(null)

        kept: list[Any] = []
        world.do("a", act)
        assert kept[0].state is ContextState.INVALID
        seen: list[object] = []
        world.do("a", lambda sbb, aci: seen.append((Call(aci).leg, Call(aci).leaf is None)))
        world.do("a", lambda sbb, aci: sbb.leaves.clear())
        world.do("a", lambda sbb, aci: seen.append(Call(aci).leaf))
        assert seen == [(None, False), None]


def test_shr_11_an_attribute_is_no_reference_to_its_own_context() -> None:
    with World(Seer) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            Call(aci).hops = 1
            aci.detach(sbb)

        world.do("a", act)
        assert world.told("activity_unreferenced") == [("a",)]


class Passed(Sbb, vendor="test", version="1.0"):
    """Makes a view in a local method; nothing but the call says whose the view is."""

    @local
    def look(self, aci: ActivityContext) -> int:
        return Lookout(aci).hops


class Lookout(ActivityContextView):
    """No handler is annotated with it: it becomes the view of the SBB type that makes one first."""

    hops: Shared[int] = shared(0)


class Parent(Sbb, vendor="test", version="1.0"):
    """Has Passed for a child."""

    passed = child(Passed)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.act(self, aci)


def test_shr_3_a_view_made_only_by_call_belongs_to_the_sbb_type_that_makes_it() -> None:
    with World(Parent) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.passed.create().look(aci) == 0
            with pytest.raises(ComponentDefinitionError, match="Passed"):
                Lookout(aci)

        world.do("a", act)
