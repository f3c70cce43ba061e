"""Initial events and convergence names (group IES; ADDRESS_PROFILE comes with profiles)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from slee import (
    ActivityContext,
    Address,
    AddressPlan,
    InitialEventSelection,
    Sbb,
    Select,
    child,
    handles,
    initial_event,
)
from slee.api.errors import ComponentDefinitionError
from slee.kernel.states import ServiceState
from slee.testing import RecordingResource
from tests.conformance.kit import LOG, SCRIPT, Do, Note, Other, Root, World, boom

ALICE = Address(AddressPlan.SIP, "sip:alice@example.net")
BOB = Address(AddressPlan.SIP, "sip:bob@example.net")

CALLS: list[InitialEventSelection[Any]] = []


class ByActivity(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("ByActivity.on_do")


class ByAddress(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ADDRESS)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...


class ByActivityAndType(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ACTIVITY_CONTEXT | Select.EVENT_TYPE)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...

    @initial_event(Select.ACTIVITY_CONTEXT | Select.EVENT_TYPE)
    def on_note(self, event: Note, aci: ActivityContext) -> None: ...


class ByActivityOfTwoTypes(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_note(self, event: Note, aci: ActivityContext) -> None: ...


class ByEvent(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.EVENT)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...


class ByNothing(Sbb, vendor="test", version="1.0"):
    @initial_event()
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...


def custom(event: Do) -> Any:
    """The custom name that the event carries, or that its function makes."""
    return event.act() if callable(event.act) else event.act


class ByCustom(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.EVENT_TYPE, selector=custom)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("ByCustom.on_do")


def judge(event: Do, selection: InitialEventSelection[Do]) -> InitialEventSelection[Do]:
    CALLS.append(selection)
    result: InitialEventSelection[Do] = event.act(selection)
    return result


class BySelection(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ADDRESS, selector=judge)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append(f"BySelection.on_do {self.event_context.address}")


class InitialChild(Sbb, vendor="test", version="1.0"):
    @initial_event()
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("InitialChild.on_do")


class Parent(Sbb, vendor="test", version="1.0"):
    children = child(InitialChild)

    @handles
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append("Parent.on_do")


def fire(world: World, handle: str, event: object, address: Address | None = None) -> None:
    world.start(handle)
    world.ra.endpoint.fire(handle, event, address)
    world.slee.run()


def test_ies_1_variables_combine_and_anything_else_is_refused() -> None:
    with pytest.raises(ComponentDefinitionError, match="IES-1"):
        initial_event("address")
    assert Select.ACTIVITY_CONTEXT | Select.ADDRESS | Select.EVENT | Select.EVENT_TYPE | Select.ADDRESS_PROFILE


def test_ies_2_the_mark_on_a_child_creates_no_entity() -> None:
    with World(Parent) as world:
        world.fire("a", Do())
        assert world.entities() == 0
        assert LOG == []


def test_ies_3_only_active_services_are_considered() -> None:
    with World(ByCustom, Root) as world:
        called: list[int] = []

        def name() -> str:
            called.append(1)
            return "x"

        world.fire("a", Do(name))
        world.kernel.deactivate_service(world.services[0])
        assert world.kernel.service_state(world.services[0]) is ServiceState.STOPPING
        called.clear()
        world.fire("b", Do(name))
        assert called == []
        world.end("a")
        assert world.kernel.service_state(world.services[0]) is ServiceState.INACTIVE
        world.fire("b", Do(name))
        assert called == []
        world.slee.failures.clear()


def test_ies_4_a_root_found_gets_the_event_and_is_attached() -> None:
    with World(Root) as world:
        world.do("a")
        world.do("b", lambda sbb, aci: setattr(sbb, "count", 1))
        (root,) = world.roots()
        assert [str(context) for context in root.contexts] == ["test:a", "test:b"]
        assert root.state["count"] == 1


def test_ies_5_a_root_is_made_with_the_priority_of_its_service() -> None:
    with World() as world:
        world.slee.install(Root, default_priority=12)
        world.do("a")
        (root,) = world.roots()
        assert root.priority == 12
        assert root.count == 1


def test_ies_6_names_are_scoped_by_service_and_version() -> None:
    with World() as world:
        world.slee.install(Root, name="one")
        world.slee.install(Root, name="two")
        world.slee.install(Root, name="two", version="2.0")
        world.do("a")
        assert len(world.roots()) == 3


@pytest.mark.parametrize(
    ("left", "right"), [(("a", "b"), "ab"), (("a,b",), ("a", "b")), ("", ()), (("a", 1), ("a", "1"))]
)
def test_ies_7_different_selections_are_never_equal(left: Any, right: Any) -> None:
    with World(ByCustom) as world:
        world.fire("a", Do(left))
        world.fire("a", Do(right))
        assert len(world.roots(ByCustom)) == 2


def test_ies_7_an_absent_entry_equals_no_value() -> None:
    with World(ByAddress) as world:
        fire(world, "a", Do())
        fire(world, "a", Do(), Address(AddressPlan.UNDEFINED, "None"))
        assert len(world.roots(ByAddress)) == 2


@pytest.mark.parametrize(("left", "right"), [("1", 1), ("x", b"x"), (1, (1,)), ("", b"")])
def test_ies_8_custom_names_of_different_types_are_not_equal(left: Any, right: Any) -> None:
    with World(ByCustom) as world:
        world.fire("a", Do(left))
        world.fire("a", Do(right))
        assert len(world.roots(ByCustom)) == 2


@pytest.mark.parametrize("name", [1.5, ["x"], True, ("x", None), (("x",),), object()])
def test_ies_8_a_custom_name_of_another_type_is_a_failed_selector(name: Any) -> None:
    with World(ByCustom, failures_allowed=True) as world:
        world.fire("a", Do(lambda: name))
        assert world.roots(ByCustom) == []
        assert [failure.kind for failure in world.slee.failures] == ["selector"]


def test_ies_8_addresses_compare_by_plan_and_text() -> None:
    with World(ByAddress) as world:
        fire(world, "a", Do(), ALICE)
        fire(world, "b", Do(), Address(AddressPlan.SIP, ALICE.text, display_name="Alice"))
        assert len(world.roots(ByAddress)) == 1
        fire(world, "c", Do(), Address(AddressPlan.URI, ALICE.text))
        assert len(world.roots(ByAddress)) == 2


def test_ies_8_an_activity_is_the_handle_of_its_adaptor() -> None:
    with World(ByActivity) as world:
        second = world.slee.add_resource("second", RecordingResource(world.ra.ra_types[0]))
        world.fire("a", Do())
        world.fire("a", Do())
        second.endpoint.start_activity("a", "activity")
        second.endpoint.fire("a", Do())
        world.slee.run()
        assert len(world.roots(ByActivity)) == 2


def test_ies_9_without_an_address_it_is_not_selected() -> None:
    with World(ByAddress) as world:
        fire(world, "a", Do())
        fire(world, "b", Do())
        fire(world, "b", Do(), BOB)
        assert len(world.roots(ByAddress)) == 2


def test_ies_12_a_selector_is_told_what_there_is_and_may_change_it() -> None:
    with World(BySelection) as world:
        CALLS.clear()
        event = Do(lambda selection: selection)
        fire(world, "a", event, ALICE)
        (selection,) = CALLS
        assert selection.event is event
        assert selection.activity == "activity a"
        assert selection.event_type.name == "test.Do"
        assert selection.address is ALICE
        assert selection.variables == Select.ADDRESS
        assert selection.custom_name is None
        assert selection.initial is True
        with pytest.raises(AttributeError):
            selection.initial = False


def test_ies_13_a_bare_name_is_added_and_a_selection_replaces() -> None:
    with World(ByCustom, BySelection) as world:
        world.kernel.deactivate_service(world.services[1])
        world.fire("a", Do("same"))
        world.fire("b", Do("same"))
        assert len(world.roots(ByCustom)) == 1
    with World(BySelection) as world:
        change = msgspec.structs.replace
        fire(world, "a", Do(lambda selection: change(selection, address=BOB)), ALICE)
        fire(world, "b", Do(lambda selection: selection), BOB)
        assert len(world.roots(BySelection)) == 1
        assert LOG[0] == f"BySelection.on_do {ALICE}"
        fire(world, "c", Do(lambda selection: change(selection, variables=Select.NONE)), BOB)
        assert len(world.roots(BySelection)) == 2


def test_ies_14_not_initial_concerns_that_service_only() -> None:
    with World(BySelection, Root) as world:
        # Root's handler is given the same function, so it has to serve both.
        def act(*arguments: Any) -> Any:
            if len(arguments) == 1:
                return msgspec.structs.replace(arguments[0], initial=False)
            return None

        world.fire("a", Do(act))
        assert world.roots(BySelection) == []
        assert LOG == ["Root.on_do"]


def test_ies_14_attached_entities_of_the_service_still_get_the_event() -> None:
    with World(BySelection) as world:
        world.fire("a", Do(lambda selection: selection))
        LOG.clear()
        world.fire("a", Do(lambda selection: msgspec.structs.replace(selection, initial=False)))
        assert LOG == ["BySelection.on_do None"]


def test_ies_15_an_empty_custom_name_takes_part() -> None:
    with World(BySelection) as world:
        change = msgspec.structs.replace
        for name in (None, "", (), None):
            world.fire(str(name), Do(lambda selection, n=name: change(selection, custom_name=n)))
        assert len(world.roots(BySelection)) == 3


def test_ies_16_a_selector_that_fails_makes_the_event_not_initial_there() -> None:
    with World(ByCustom, failures_allowed=True) as world:
        world.slee.install(ByNothing)

        def fail() -> str:
            raise LookupError("no")

        world.fire("a", Do(fail))
        world.fire("a", Do(None))
        assert world.roots(ByCustom) == []
        assert len(world.roots(ByNothing)) == 1
        assert world.causes() == [LookupError]
        figures = [s.selector_failures for s in world.kernel.statistics().services]
        assert figures == [1, 0]


def test_ies_16_a_selection_with_values_of_wrong_types_is_a_failed_selector() -> None:
    with World(BySelection, failures_allowed=True) as world:
        change = msgspec.structs.replace
        world.fire("a", Do(lambda selection: change(selection, address=["x"])))
        world.fire("a", Do(lambda selection: change(selection, variables=3)))
        assert world.roots(BySelection) == []
        assert [failure.kind for failure in world.slee.failures] == ["selector", "selector"]


def test_ies_17_a_selector_is_called_once_outside_of_everything() -> None:
    with World(ByCustom) as world:
        called: list[object] = []

        def name() -> str:
            called.append((world.kernel.transaction, world.entities()))
            return "x"

        world.fire("a", Do(name))
        assert called == [(None, 0)]


def test_ies_17_a_selector_that_is_no_module_level_function_is_refused() -> None:
    captured = "x"

    def closure(event: Do) -> str:
        return captured

    async def coroutine(event: Do) -> str:
        return "x"

    for selector in (closure, coroutine, Root.on_do, "".join, lambda self: "x"):
        with pytest.raises(ComponentDefinitionError, match="IES-17"):
            initial_event(selector=selector)


def test_ies_18_without_any_variable_one_root_takes_every_event() -> None:
    with World(ByNothing) as world:
        for handle in ("a", "b", "c"):
            world.fire(handle, Do())
        (root,) = world.roots(ByNothing)
        assert root.count == 3


def test_ies_19_event_types_separate_only_when_selected() -> None:
    with World(ByActivityAndType, ByActivityOfTwoTypes) as world:
        world.fire("a", Do())
        world.fire("a", Note())
        assert len(world.roots(ByActivityAndType)) == 2
        assert len(world.roots(ByActivityOfTwoTypes)) == 1


def test_ies_20_every_firing_has_a_root_of_its_own() -> None:
    with World(ByEvent) as world:
        event = Do()
        world.fire("a", event)
        world.fire("a", event)
        assert len(world.roots(ByEvent)) == 2


def test_ies_21_each_service_has_its_own_tree_by_its_own_declaration() -> None:
    with World(ByActivity, ByNothing) as world:
        for handle in ("a", "b"):
            world.fire(handle, Do())
        assert len(world.roots(ByActivity)) == 2
        assert len(world.roots(ByNothing)) == 1


def test_ies_22_no_entity_is_served_twice_as_root_and_as_attached() -> None:
    with World(Root) as world:
        world.do("a")
        world.do("a")
        assert LOG == ["Root.on_do", "Root.on_do"]
        # Raised above its service, the root is served as an attached entity first.
        world.do("a", lambda sbb, aci: setattr(sbb.local, "priority", 50))
        LOG.clear()
        world.do("a")
        assert LOG == ["Root.on_do"]


def test_ies_23_interleaved_deliveries_make_one_root() -> None:
    with World(Root) as world:
        world.fire("blocker", Do(lambda sbb, aci: sbb.event_context.suspend(timeout=5), key="other"))
        world.queue("blocker", Do())
        world.queue("b", Do())
        world.slee.run()
        world.slee.clock.advance(6)
        roots = [root for root in world.roots() if root.convergence_name and "root" in root.convergence_name]
        assert len(roots) == 1
        assert {str(context) for context in roots[0].contexts} >= {"test:blocker", "test:b"}


def test_ies_24_a_name_is_free_from_the_commit_of_the_removal() -> None:
    with World(Root) as world:
        world.do("a")
        (first,) = world.roots()
        world.do("b", lambda sbb, aci: sbb.local.remove())
        assert world.roots() == []
        world.do("c")
        (second,) = world.roots()
        assert second is not first

    with World(Root, failures_allowed=True) as world:
        world.do("a", boom)
        world.do("a")
        assert len(world.roots()) == 1


def test_ies_24_a_removal_that_rolls_back_keeps_the_name() -> None:
    with World(Root) as world:
        world.do("a")
        roots = world.roots()

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.local.remove()
            sbb.set_rollback_only()

        world.do("a", act)
        world.do("b")
        assert world.roots() == roots


def test_ies_25_another_event_type_does_not_trigger() -> None:
    with World(ByCustom) as world:
        world.fire("a", Other())
        assert world.roots(ByCustom) == []
    assert SCRIPT == {}
