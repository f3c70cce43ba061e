"""Upgrade: the switch from one version of a service to another while activities are up (group UPG)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Cmp,
    Sbb,
    SbbLocal,
    ServiceID,
    TimerEvent,
    TimerID,
    child,
    cmp,
    handles,
    initial_event,
    migrates,
)
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    UnrecognizedServiceError,
    UpgradeError,
    VerificationError,
)
from slee.kernel.migration import migrate_tree
from slee.kernel.states import ServiceState
from slee.model.descriptor import describe_service
from tests.conformance.kit import LOG, RA, Do, Note, Other, World, key, play

V1 = ServiceID("Call", "test", "1.0")
V2 = ServiceID("Call", "test", "2.0")
UNKNOWN = ServiceID("unknown", "test", "1.0")


class Old(Sbb, name="Call", vendor="test", version="1.0"):
    """The first version: one tree for each key."""

    count: Cmp[int] = cmp(0)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append(f"Old.on_do {event.key}")
        if event.act is not None:
            event.act(self, aci)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        play(self, "on_note", aci)


class New(Old, name="Call", vendor="test", version="2.0"):
    """The second version."""

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append(f"New.on_do {event.key}")
        if event.act is not None:
            event.act(self, aci)


class Kid(Sbb, name="Kid", vendor="test", version="1.0"):
    count: Cmp[int] = cmp(1)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        LOG.append(f"Kid {self.count}")


class Parent(Sbb, name="Parent", vendor="test", version="1.0"):
    kids = child(Kid)
    kid: Cmp[SbbLocal[Kid] | None] = cmp(None)
    timer: Cmp[TimerID | None] = cmp(None)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        self.kid = self.kids.create()
        self.kid.priority = 9
        aci.attach(self.kid)
        self.timer = self.timers.set(aci, after=5)
        aci.mask_events(self, [Note])

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        LOG.append("Parent note")

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        LOG.append(f"{type(self).__name__} timer {event.timer_id == self.timer}")


class Kid2(Kid, name="Kid", vendor="test", version="2.0"):
    label: Cmp[str] = cmp()

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return {"count": old["count"] + 1, "label": "moved"}


class Parent2(Parent, name="Parent", vendor="test", version="2.0"):
    kids = child(Kid2)

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return dict(old)


@pytest.fixture
def world() -> Iterator[World]:
    """Both versions installed, the first one Active."""
    with World() as world:
        world.slee.install(Old, name="Call", version="1.0")
        world.slee.install(New, name="Call", version="2.0", activate=False)
        yield world


def switch(world: World, old: ServiceID = V1, new: ServiceID = V2, **how: Any) -> None:
    world.kernel.registry.switch([(old, new)], **how)


def states(world: World) -> tuple[ServiceState, ServiceState]:
    return world.kernel.service_state(V1), world.kernel.service_state(V2)


def test_upg_2_the_switch_is_one_step(world: World) -> None:
    world.do("a")
    seen = []
    world.slee.observer.changes.clear()
    real = world.slee.observer.state_changed
    world.slee.observer.state_changed = lambda change: (seen.append(states(world)), real(change))
    switch(world)
    assert states(world) == (ServiceState.STOPPING, ServiceState.ACTIVE)
    assert set(seen) == {states(world)}
    moved = [(c.id, c.old.value, c.new.value) for c in world.slee.observer.changes]
    assert moved == [(str(V1), "Active", "Stopping"), (str(V2), "Inactive", "Active")]


def test_svc_14_and_15_a_failure_changes_nothing(world: World) -> None:
    other = world.slee.install(Old, name="Other", version="1.0")
    world.slee.observer.changes.clear()
    registry: Any = world.kernel.registry
    for pairs, error in (
        ([], ValueError),
        ([(V1, V1)], ValueError),
        ([(V1, V2), (V2, V1)], ValueError),
        ([(V1, V2), (other, V2)], ValueError),
        ([(V2, V1)], InvalidStateError),
        ([(V1, other)], InvalidStateError),
        ([(V1, UNKNOWN)], UnrecognizedServiceError),
        ([(V1, V2), (other, UNKNOWN)], UnrecognizedServiceError),
        ([(UNKNOWN, V2)], UnrecognizedServiceError),
        ([(V1, None)], TypeError),
    ):
        with pytest.raises(error):
            registry.switch(pairs)
        assert states(world) == (ServiceState.ACTIVE, ServiceState.INACTIVE)
    with pytest.raises(ValueError, match="SVC-22"):
        switch(world, within=-1.0)
    assert world.slee.observer.changes == []


def test_upg_3_initial_events_go_to_the_new_version(world: World) -> None:
    world.do("a", key="1")
    switch(world)
    world.do("b", key="2")
    world.do("c", key="1")
    assert LOG == ["Old.on_do 1", "New.on_do 2", "New.on_do 1"]


def test_upg_4_an_activity_stays_with_the_version_that_is_attached(world: World) -> None:
    world.do("a", key="1")
    switch(world)
    world.do("a", key="2")
    assert LOG == ["Old.on_do 1", "Old.on_do 2"]
    assert len(world.roots(Old)) == 1
    assert not world.roots(New)


def test_upg_4_a_masked_entity_keeps_the_event_from_the_new_version(world: World) -> None:
    world.do("a", lambda sbb, aci: aci.mask_events(sbb, [Do]))
    switch(world)
    world.do("a")
    assert LOG == ["Old.on_do root"]
    assert not world.roots(New)


def test_upg_4_an_entity_that_does_not_declare_the_type_keeps_nothing(world: World) -> None:
    class Quiet(Sbb, name="Quiet", vendor="test", version="1.0"):
        @initial_event(selector=lambda event: event.text)
        def on_other(self, event: Other, aci: ActivityContext) -> None: ...

    class Loud(Sbb, name="Quiet", vendor="test", version="2.0"):
        @initial_event(selector=key)
        def on_do(self, event: Do, aci: ActivityContext) -> None:
            LOG.append("Loud")

    old = world.slee.install(Quiet)
    new = world.slee.install(Loud, activate=False)
    world.fire("q", Other("1"))
    world.kernel.registry.switch([(old, new)])
    world.do("q")
    assert "Loud" in LOG


@pytest.mark.parametrize("priority", [0, 100])
def test_upg_4_the_new_version_takes_what_no_old_entity_was_left_to_take(world: World, priority: int) -> None:
    """One of higher priority detaches the old entity before its turn, and after that of the new version."""

    class Bouncer(Sbb, name="Bouncer", vendor="test", version="1.0"):
        @initial_event(selector=key)
        def on_do(self, event: Do, aci: ActivityContext) -> None:
            LOG.append("Bouncer")
            for entity in [e for e in aci.attached if e.env.descriptor.cls is Old]:
                aci.detach_entity(entity, world.kernel.transaction)

    new = world.slee.install(New, name="Call", version="3.0", default_priority=priority, activate=False)
    world.do("a", key="1")
    switch(world, V1, new)
    world.slee.install(Bouncer, default_priority=50)
    world.do("a", key="2")
    assert LOG == ["Old.on_do 1", "Bouncer", "New.on_do 2"]


def test_svc_19_an_old_entity_that_was_served_and_left_has_taken_the_event(world: World) -> None:
    world.do("a", key="1")
    switch(world)
    world.do("a", lambda sbb, aci: aci.detach(sbb), key="2")
    assert LOG == ["Old.on_do 1", "Old.on_do 2"]
    assert states(world) == (ServiceState.INACTIVE, ServiceState.ACTIVE)
    world.do("a", key="3")
    assert LOG[-1] == "New.on_do 3"


def test_svc_17_an_event_in_routing_that_the_old_version_has_not_taken_goes_to_the_new_one(world: World) -> None:
    class First(Sbb, name="First", vendor="test", version="1.0"):
        @initial_event(selector=key)
        def on_do(self, event: Do, aci: ActivityContext) -> None:
            self.event_context.suspend(timeout=10)

    world.slee.install(First, default_priority=50)
    world.do("a", key="1")
    assert LOG == []
    switch(world)
    assert states(world) == (ServiceState.INACTIVE, ServiceState.ACTIVE)
    world.slee.clock.advance(11)
    assert LOG == ["New.on_do 1"]


def test_svc_17_one_that_the_old_version_has_taken_is_not_offered_to_the_new_one(world: World) -> None:
    world.do("a", lambda sbb, aci: sbb.event_context.suspend(timeout=10), key="1")
    switch(world)
    world.slee.clock.advance(11)
    assert LOG == ["Old.on_do 1"]
    assert not world.roots(New)


def test_svc_18_calls_in_progress_go_on_until_the_last_is_gone(world: World) -> None:
    world.do("a")
    switch(world)
    world.fire("a", Note())
    assert LOG[-1] == "Old.on_note"
    world.end("a")
    assert states(world) == (ServiceState.INACTIVE, ServiceState.ACTIVE)


def test_svc_20_a_convergence_name_of_the_old_version_designates_none_of_the_new(world: World) -> None:
    world.do("a", key="1")
    switch(world)
    world.do("b", key="1")
    (old,), (new,) = world.roots(Old), world.roots(New)
    assert old.convergence_name == new.convergence_name


def test_upg_6_followed_convergence_goes_to_the_living_old_tree_and_makes_none(world: World) -> None:
    world.do("a", key="1")
    switch(world, follow=True)
    world.do("b", key="1")
    world.do("c", key="2")
    assert LOG == ["Old.on_do 1", "Old.on_do 1", "New.on_do 2"]
    assert len(world.roots(Old)) == 1
    assert [str(context.handle) for context in world.roots(Old)[0].contexts] == ["a", "b"]


def test_upg_13_the_way_back_takes_a_version_that_still_drains(world: World) -> None:
    world.do("a", key="1")
    switch(world)
    world.do("b", key="2")
    with pytest.raises(InvalidStateError):
        switch(world, V2, V1)
    switch(world, V2, V1, resume=True)
    assert states(world) == (ServiceState.ACTIVE, ServiceState.STOPPING)
    world.do("a", key="1")
    world.do("b", key="1")
    world.do("c", key="3")
    assert LOG == ["Old.on_do 1", "New.on_do 2", "Old.on_do 1", "New.on_do 1", "Old.on_do 3"]


def test_upg_14_a_deadline_removes_the_trees_that_are_left(world: World) -> None:
    for number in range(600):
        world.do(str(number), key=str(number))
    switch(world, within=30.0)
    world.slee.clock.advance(29)
    assert len(world.roots(Old)) == 600
    world.slee.clock.advance(2)
    assert states(world) == (ServiceState.INACTIVE, ServiceState.ACTIVE)
    assert len(world.kernel.service(V1).forced) == 600


def test_upg_14_a_deadline_of_0_removes_at_once(world: World) -> None:
    world.do("a")
    switch(world, within=0.0)
    world.slee.run()
    assert states(world) == (ServiceState.INACTIVE, ServiceState.ACTIVE)


def test_upg_3_an_event_for_the_old_version_by_name_goes_to_its_successor(world: World) -> None:
    world.do("a", key="1")
    world.queue("a", Do(key="1"), V1)
    world.queue("b", Do(key="2"), V1)
    switch(world)
    world.slee.run()
    assert LOG == ["Old.on_do 1", "Old.on_do 1", "New.on_do 2"]


def test_svc_16_each_event_of_a_stream_across_the_switch_makes_or_finds_one_root(world: World) -> None:
    for number in range(300):
        world.queue(f"h{number}", Do(key=str(number % 100)))
        if number % 7 == 0:
            world.slee.step()
        if number == 150:
            switch(world)
    world.slee.run()
    assert len(LOG) == 300
    served = {context.handle: {e.service_id for e in context.attached} for context in world.kernel.contexts()}
    assert all(len(found) == 1 for handle, found in served.items() if isinstance(handle, str))


def test_svc_15_several_pairs_move_in_one_step(world: World) -> None:
    others = [world.slee.install(Old, name="Other", version=v, activate=v == "1.0") for v in ("1.0", "2.0")]
    changes = world.slee.observer.changes
    changes.clear()
    world.kernel.registry.switch([(V1, V2), (others[0], others[1])])
    assert [world.kernel.service_state(service).value for service in (V1, V2, *others)] == [
        "Inactive",
        "Active",
        "Inactive",
        "Active",
    ]
    assert [change.new.value for change in changes] == [
        "Stopping",
        "Active",
        "Stopping",
        "Active",
        "Inactive",
        "Inactive",
    ]


def test_upg_5_timers_names_and_suspended_events_stay_with_the_old_version(world: World) -> None:
    class Busy(Old, name="Busy", vendor="test", version="1.0"):
        @initial_event(selector=key)
        def on_do(self, event: Do, aci: ActivityContext) -> None:
            null = self.null_activities.create()
            null.attach(self)
            self.naming.bind(null, f"busy {event.key}")
            self.timers.set(null, after=5)
            self.event_context.suspend(timeout=3)

        @handles
        def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
            LOG.append(f"{self.service_id.version} timer")
            assert self.naming.find("busy 1") is aci

    class Busier(Busy, name="Busy", vendor="test", version="2.0"): ...

    old, new = world.slee.install(Busy), world.slee.install(Busier, activate=False)
    world.on(Busy, "on_note", lambda sbb, aci: LOG.append(f"{sbb.service_id.version} note"))
    world.do("b", key="1")
    world.queue("b", Note())
    world.kernel.registry.switch([(old, new)])
    world.slee.run()
    LOG.clear()
    world.slee.clock.advance(10)
    assert [line for line in LOG if "Old" not in line] == ["Busy.on_note", "1.0 note", "1.0 timer"]


def test_upg_11_masks_timers_priorities_children_and_identity_stay() -> None:
    with World() as world:
        old, new = world.slee.install(Parent), world.slee.install(Parent2, activate=False)
        world.do("a", key="1")
        (root,) = world.roots(Parent)
        before = root.id, root.convergence_name, list(root.contexts.items()), root.count
        world.kernel.registry.switch([(old, new)])
        migrate_tree(root, world.kernel.service(new))
        assert (root.id, root.convergence_name, list(root.contexts.items()), root.count) == before
        assert world.roots(Parent2) == [root]
        assert world.kernel.service_state(old) is ServiceState.INACTIVE
        (kid,) = root.children["kids"]
        assert (kid.priority, kid.state, root.state["kid"].entity) == (9, {"count": 2, "label": "moved"}, kid)
        LOG.clear()
        world.fire("a", Note())
        world.slee.clock.advance(6)
        assert LOG == ["Kid 2", "Parent2 timer True"]
        world.end("a")
        assert not world.roots(Parent2)
        assert world.entities() == 0


@pytest.mark.parametrize(
    "made", [{"count": "text"}, {"nothing": 1}, {"label": None}], ids=["type", "unknown", "another type"]
)
def test_upg_11_what_the_new_schema_does_not_hold_leaves_the_tree_as_it_was(made: dict[str, object]) -> None:
    class First(Old, name="First", vendor="test", version="1.0"): ...

    class Second(Old, name="First", vendor="test", version="2.0"):
        label: Cmp[str] = cmp("")

        @staticmethod
        @migrates(from_version="1.0")
        def up(old: Mapping[str, Any]) -> Mapping[str, object]:
            return made

    with World() as world:
        old, new = world.slee.install(First), world.slee.install(Second, activate=False)
        world.do("a")
        (root,) = world.roots(First)
        before = root.env, root.state, dict(world.kernel.service(old).roots), dict(world.kernel.service(old).names)
        world.kernel.registry.switch([(old, new)])
        with pytest.raises(UpgradeError, match="UPG-11"):
            migrate_tree(root, world.kernel.service(new))
        service = world.kernel.service(old)
        assert (root.env, root.state, dict(service.roots), dict(service.names)) == before
        assert not world.kernel.service(new).roots
        assert world.kernel.transaction is None
        assert (root.env.entities, world.kernel.service(new).root.entities) == (1, 0)


@pytest.mark.parametrize("fails", [False, True])
def test_out_15_what_a_migration_step_enlists_is_handed_over_after_its_commit_or_dropped(fails: bool) -> None:
    seen: list[object] = []

    class First(Old, name="First", vendor="test", version="1.0"): ...

    class Second(Old, name="First", vendor="test", version="2.0"):
        @staticmethod
        @migrates(from_version="1.0")
        def up(old: Mapping[str, Any]) -> Mapping[str, object]:
            world.ra.provider(RA).send("moved")
            seen.extend(world.ra.commands)
            return {"count": "text"} if fails else {**old, "count": 7}

    with World(failures_allowed=True) as world:
        old, new = world.slee.install(First), world.slee.install(Second, activate=False)
        world.do("a")
        (root,) = world.roots(First)
        world.kernel.registry.switch([(old, new)])
        with pytest.raises(UpgradeError) if fails else nullcontext():
            migrate_tree(root, world.kernel.service(new))
        world.slee.run()
        world.do("b")
        assert seen == []
        assert world.ra.commands == ([] if fails else ["moved"])
        assert world.ra.dropped == (["moved"] if fails else [])


def test_upg_10_a_migration_is_a_static_method_of_one_argument_and_one_for_each_version() -> None:
    with pytest.raises(ComponentDefinitionError, match="UPG-10"):
        migrates()
    with pytest.raises(ComponentDefinitionError, match="UPG-10"):
        migrates(from_version="1.0", to_version="2.0")

    class Wrong(Sbb, name="Wrong", vendor="test", version="2.0"):
        @migrates(from_version="1.0")
        def up(self, old: Mapping[str, Any]) -> dict[str, object]:
            return {}

        @staticmethod
        @migrates(from_version="1.1")
        def one(old: Mapping[str, Any]) -> dict[str, object]:
            return {}

        @staticmethod
        @migrates(from_version="1.1")
        def two(old: Mapping[str, Any]) -> dict[str, object]:
            return {}

    with pytest.raises(VerificationError) as info:
        describe_service(ServiceID("Wrong", "test", "2.0"), Wrong)
    assert [issue.rule for issue in info.value.issues] == ["UPG-10", "UPG-10"]
