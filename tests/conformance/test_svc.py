"""Service state and the service's own activity (SVC-1 to SVC-13; SVC-9 is management's)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, SbbID, ServiceID, ServiceStarted
from slee.api.errors import InvalidLinkNameBindingError, InvalidStateError, UnrecognizedServiceError
from slee.kernel.context import Context
from slee.kernel.states import ServiceState, SleeState
from slee.model.descriptor import describe_service
from tests.conformance.kit import LOG, Do, Leaf, Note, Root, TracedRoot, World

UNKNOWN = ServiceID("unknown", "test", "1.0")


def moves(world: World) -> list[tuple[str, str]]:
    return [(change.old.value, change.new.value) for change in world.slee.observer.changes if change.kind == "service"]


def test_svc_1_a_service_just_installed_is_inactive() -> None:
    with World() as world:
        service = world.slee.install(Root, activate=False)
        assert world.kernel.service_state(service) is ServiceState.INACTIVE
        assert [state.value for state in ServiceState] == ["Inactive", "Active", "Stopping"]


def test_svc_2_operations_need_the_right_state_and_a_known_id() -> None:
    with World(Root) as world:
        with pytest.raises(InvalidStateError):
            world.kernel.activate_service(world.service)
        world.do("a")
        world.kernel.deactivate_service(world.service)
        for operation in (world.kernel.activate_service, world.kernel.deactivate_service):
            with pytest.raises(InvalidStateError, match="Stopping"):
                operation(world.service)
            with pytest.raises(UnrecognizedServiceError):
                operation(UNKNOWN)
            for wrong in (None, "Root", SbbID("a", "b", "c")):
                with pytest.raises(TypeError):
                    operation(wrong)


def test_svc_3_activation_needs_every_resource() -> None:
    with World() as world:
        descriptor = describe_service(UNKNOWN, Root)
        world.kernel.add_service(descriptor, {})
        with pytest.raises(InvalidLinkNameBindingError) as info:
            world.kernel.activate_service(UNKNOWN)
        for part in ("Root", "Leaf", "ra", "Recording"):
            assert part in str(info.value)
        assert world.kernel.service_state(UNKNOWN) is ServiceState.INACTIVE
        world.kernel.remove_service(UNKNOWN)


def test_svc_4_inactive_follows_the_last_tree() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)
        assert world.kernel.service_state(world.service) is ServiceState.STOPPING
        world.end("a")
        assert world.kernel.service_state(world.service) is ServiceState.INACTIVE
        world.kernel.activate_service(world.service)
        world.kernel.deactivate_service(world.service)
        assert moves(world)[-3:] == [("Inactive", "Active"), ("Active", "Stopping"), ("Stopping", "Inactive")]


def test_svc_4_inactive_follows_a_tree_that_removes_itself() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)
        world.on(Root, "on_note", lambda sbb, aci: sbb.local.remove())
        world.fire("a", Note())
        assert not world.roots()
        assert world.kernel.service_state(world.service) is ServiceState.INACTIVE


def test_svc_5_a_stopping_service_ignores_initial_events() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)
        world.do("b", key="2")
        world.fire("b", Do(key="3"), service=world.service)
        assert len(world.roots()) == 1


def test_svc_5_except_on_activities_of_work_admitted_earlier_while_there_is_no_successor() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)
        world.ra.endpoint.start_activity("b", "activity", continuing=True)
        world.do("b", key="2")
        assert len(world.roots()) == 2
        world.slee.install(Root, version="2.0")
        world.do("b", key="3")
        versions = sorted(root.service_id.version for root in world.roots())
        assert versions == ["1.0", "1.0", "2.0"]


def test_svc_6_in_stopping_everything_else_goes_on() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)

        def note(sbb: Any, aci: ActivityContext) -> None:
            aci.attach(sbb.leaves.create())
            sbb.timers.set(aci, after=1)
            if not sbb.count:
                sbb.count = 1
                sbb.note(Note(), aci)

        LOG.clear()
        world.on(Root, "on_note", note)
        world.do("a")
        world.fire("a", Note())
        assert LOG == ["Root.on_do", "Root.on_note", "Leaf.on_note", "Root.on_note", "Leaf.on_note", "Leaf.on_note"]
        world.slee.clock.advance(1)
        assert LOG[-1] == "Root.on_timer"


def test_svc_7_several_services_change_all_or_none() -> None:
    with World() as world:
        one = world.slee.install(Root, name="one", activate=False)
        two = world.slee.install(Root, name="two", activate=False)
        kernel = world.kernel
        for wrong, error in (
            ((one, UNKNOWN), UnrecognizedServiceError),
            ((), ValueError),
            ((one, one), ValueError),
            ((one, None), TypeError),
        ):
            with pytest.raises(error):
                kernel.activate_service(*wrong)
            assert kernel.service_state(one) is ServiceState.INACTIVE
        kernel.activate_service(one, two)
        kernel.deactivate_service(two)
        with pytest.raises(InvalidStateError):
            kernel.deactivate_service(one, two)
        assert kernel.service_state(one) is ServiceState.ACTIVE


def test_svc_8_each_transition_is_told_once_after_it_is_visible() -> None:
    with World() as world:
        service = world.slee.install(Root, activate=False)
        seen: list[object] = []
        world.slee.observer.state_changed = lambda change: seen.append(
            (change.id, change.new is world.kernel.service_state(service))
        )
        world.kernel.activate_service(service)
        with pytest.raises(InvalidStateError):
            world.kernel.activate_service(service)
        assert seen == [(str(service), True)]


def test_svc_10_service_started_comes_with_each_activation_and_each_start_of_the_slee() -> None:
    with World() as world:
        started: list[ServiceID] = []
        world.on(Root, "on_started", lambda sbb, event, aci: started.append(event.service))
        service = world.slee.install(Root)
        assert started == [service]
        world.kernel.stop()
        world.slee.run()
        assert world.kernel.state is SleeState.STOPPED
        world.kernel.start()
        world.slee.run()
        assert started == [service, service]
        world.kernel.deactivate_service(service)
        world.slee.run()
        world.kernel.activate_service(service)
        world.slee.run()
        assert started == [service] * 3


def test_svc_10_a_quick_deactivation_and_activation_leaves_one_activity() -> None:
    with World(Root) as world:
        first = world.kernel.services[world.service].activity
        world.kernel.deactivate_service(world.service)
        world.kernel.activate_service(world.service)
        second = world.kernel.services[world.service].activity
        assert first is not second
        world.slee.run()
        assert list(world.kernel.own_contexts) == [second]


def test_svc_11_service_started_reaches_only_its_own_service() -> None:
    with World(Root) as world:
        started: list[object] = []
        world.on(Root, "on_started", lambda sbb, event, aci: started.append(sbb.service_id))
        other = world.slee.install(Root, name="other")
        assert started == [other]
        world.slee.install(Leaf)
        assert world.kernel.events[ServiceStarted].unserved == 1


def test_svc_12_the_service_activity_ends_with_the_service_and_the_slee() -> None:
    for stop in (lambda world: world.kernel.deactivate_service(world.service), lambda world: world.kernel.stop()):
        with World() as world:
            world.on(Root, "on_started", lambda sbb, event, aci: None)  # stays attached
            world.services.append(world.slee.install(Root))
            LOG.clear()
            stop(world)
            world.slee.run()
            assert LOG == ["Root.on_end"]
            assert world.entities() == 0
            assert not world.kernel.own_contexts


def test_svc_13_an_sbb_finds_the_activity_of_its_own_service() -> None:
    with World() as world:
        one, two = world.slee.install(Root, name="one"), world.slee.install(Root, name="two")
        seen: list[Any] = []

        def act(sbb: Any, aci: ActivityContext) -> None:
            seen.append((sbb.service_id, sbb.service_activity))
            sbb.leaves.create().run(lambda leaf: seen.append((leaf.service_id, leaf.service_activity)))

        world.do("a", act)
        found = dict(seen)
        assert len(seen) == 4
        assert len(set(seen)) == 2
        assert found[one] is not found[two]
        assert isinstance(found[one], Context)
        assert found[one].activity.service == one
        world.fire("a", Do(lambda sbb, aci: None))


def test_svc_22_at_the_deadline_the_trees_that_are_left_are_removed() -> None:
    with World(Root, TracedRoot) as world:
        one, two = world.services
        world.do("a")
        world.do("b", key="other")
        others = len(world.roots(TracedRoot))
        assert others == 2
        world.kernel.deactivate_service(one, within=5)
        world.slee.advance(4.9)
        assert world.kernel.service_state(one) is ServiceState.STOPPING
        assert len(world.roots()) == 2
        world.slee.advance(0.2)
        assert world.kernel.service_state(one) is ServiceState.INACTIVE
        assert world.roots() == []
        assert len(world.roots(TracedRoot)) == others
        assert world.kernel.service_state(two) is ServiceState.ACTIVE
        assert all(not world.start(handle).is_ending for handle in ("a", "b"))


def test_svc_22_the_removal_is_the_slees_with_its_callbacks() -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        LOG.clear()
        world.kernel.deactivate_service(world.service, within=0)
        world.slee.run()
        assert world.kernel.service_state(world.service) is ServiceState.INACTIVE
        removals = [entry for entry in LOG if entry.endswith("sbb_remove")]
        assert removals == ["TracedRoot.sbb_remove", "TracedLeaf.sbb_remove"]


def test_svc_22_without_a_bound_stopping_has_no_limit() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service)
        world.slee.advance(1_000_000)
        assert world.kernel.service_state(world.service) is ServiceState.STOPPING


def test_svc_22_a_bound_that_was_not_needed_does_not_strike_later() -> None:
    with World(Root) as world:
        world.do("a")
        world.kernel.deactivate_service(world.service, within=5)
        world.end("a")
        assert world.kernel.service_state(world.service) is ServiceState.INACTIVE
        world.kernel.activate_service(world.service)
        world.slee.run()
        world.do("b")
        world.kernel.deactivate_service(world.service)
        world.slee.advance(10)
        assert world.kernel.service_state(world.service) is ServiceState.STOPPING
        assert len(world.roots()) == 1


@pytest.mark.parametrize("within", [-1.0, float("nan"), float("inf")])
def test_svc_22_a_bound_is_finite_and_not_negative(within: float) -> None:
    with World(Root) as world:
        with pytest.raises(ValueError, match="SVC-22"):
            world.kernel.deactivate_service(world.service, within=within)
        assert world.kernel.service_state(world.service) is ServiceState.ACTIVE
