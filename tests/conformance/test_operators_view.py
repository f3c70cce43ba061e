"""Activities and entity trees as an operator sees and ends them (AC-17, MGT-13, SVC-23, SVC-24)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slee.api.errors import (
    InvalidStateError,
    NoSuchObjectError,
    UnrecognizedActivityHandleError,
    UnrecognizedResourceAdaptorEntityError,
    UnrecognizedServiceError,
)
from slee.api.ids import SbbID
from slee.kernel.states import ContextState
from tests.conformance.kit import LOG, Note, Root, TracedRoot, World, boom
from tests.deploy.echo import Heard
from tests.deploy.workshop import Server, plain


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Server]:
    """A server with two entity trees on three activities."""
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    server.install(plain(tmp_path))
    server.connect()
    server.services.activate(["Plain"])
    server.fire("a", Heard("bob", "hi"))
    server.time += 10.0
    server.pump()
    server.fire("b", Heard("eve", "hi"))
    server.kernel.resources["echo"].start_activity("c", "idle")
    yield server
    server.close()


def test_svc_23_trees_are_listed_with_age_attachments_and_activities(busy: Server) -> None:
    busy.time += 5.0
    first, second = busy.services.trees("Plain")
    assert (first.sbb, first.age, first.entities, first.attachments) == (SbbID("Plain", "test", "1.0"), 15.0, 1, 1)
    assert (first.activities, second.activities, second.age) == (("echo:a",), ("echo:b",), 5.0)
    assert first.id != second.id
    with pytest.raises(UnrecognizedServiceError):
        busy.services.trees("Nobody")


def test_svc_23_one_tree_is_removed_by_the_id_of_its_root_in_any_state(busy: Server) -> None:
    first, second = busy.services.trees("Plain")
    busy.services.remove_tree("Plain", first.id)
    assert busy.services.trees("Plain") == (second,)
    assert busy.management.activities.show("echo:a").attached == ()
    with pytest.raises(NoSuchObjectError, match="SVC-23"):
        busy.services.remove_tree("Plain", first.id)
    busy.services.deactivate(["Plain"])
    assert busy.services.show("Plain").state == "Stopping"
    busy.services.remove_tree("Plain", second.id)
    assert busy.services.show("Plain").state == "Inactive"
    with pytest.raises(NoSuchObjectError):
        busy.services.remove_tree("Plain", second.id)


def test_svc_23_a_forced_removal_runs_the_cascade_and_leaves_the_activity(busy: Server) -> None:
    with World(TracedRoot) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        (root,) = world.roots(TracedRoot)
        LOG.clear()
        world.kernel.remove_tree(root)
        assert [line for line in LOG if "remove" in line] == ["TracedRoot.sbb_remove", "TracedLeaf.sbb_remove"]
        assert (world.entities(), world.roots(TracedRoot)) == (0, [])
        context = world.context("a")
        assert context is not None
        assert context.state is ContextState.ACTIVE
        assert world.told("activity_unreferenced") == [("a",)]


def test_svc_24_nothing_reaches_a_tree_that_was_forced_out_though_its_removal_failed() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.do("a", lambda sbb, aci: sbb.first.create())
        (root,) = world.roots(TracedRoot)
        world.on(TracedRoot, "sbb_remove", boom)
        world.kernel.remove_tree(root)
        assert (world.entities(), world.roots(TracedRoot)) == (0, [])
        assert [alarm.alarm_type for alarm in world.slee.alarms] == ["slee.tree-dropped"]
        LOG.clear()
        world.fire("a", Note())
        assert LOG == []
        assert world.told("activity_unreferenced") == [("a",), ("a",)]
        world.on(TracedRoot, "sbb_remove", lambda sbb: None)
        world.do("a")
        assert len(world.roots(TracedRoot)) == 1


def test_svc_23_the_age_of_a_tree_is_kept_when_its_removal_is_rolled_back() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.slee.advance(5.0)
        world.do("a")
        (root,) = world.roots(TracedRoot)
        made = world.kernel.services[world.service].roots[root]
        assert made == world.slee.clock.now
        world.slee.advance(5.0)

        def act(sbb: object, aci: object) -> None:
            sbb.local.remove()
            boom()

        world.do("a", act)
        assert world.kernel.services[world.service].roots[root] == made


def test_mgt_13_activities_are_listed_and_shown(busy: Server) -> None:
    activities = busy.management.activities
    listed = {info.id: info for info in activities.list()}
    assert {"echo:a", "echo:b", "echo:c"} < listed.keys()
    assert {info.resource for info in listed.values()} == {"echo", "slee"}
    info = listed["echo:a"]
    assert (info.state, info.kind, info.attached, info.queued) == ("Active", "str", 1, 0)
    assert [info.id for info in activities.list("echo")] == ["echo:a", "echo:b", "echo:c"]
    assert [info.id for info in activities.list("echo", limit=2)] == ["echo:a", "echo:b"]
    assert [info.kind for info in activities.list("slee")] == ["ServiceActivity"]
    with pytest.raises(UnrecognizedResourceAdaptorEntityError):
        activities.list("nobody")
    shown = activities.show("echo:a")
    tree = busy.services.trees("Plain")[0].id
    assert (shown.id, shown.handle, shown.resource, shown.queued) == ("echo:a", "a", "echo", 0)
    assert shown.attached[0].endswith(f"in tree {tree}")
    assert (shown.names, shown.timers, shown.shared) == ((), 0, 0)
    for unknown in ("echo:z", "nobody:a", "nonsense"):
        with pytest.raises(UnrecognizedActivityHandleError):
            activities.show(unknown)


def test_ac_17_an_operator_ends_an_activity_and_its_adaptor_is_told(
    busy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(busy.adaptor(), "administrative_remove", told.append)
    busy.management.activities.end("echo:a")
    assert told == ["a"]
    assert [info.id for info in busy.management.activities.list("echo")] == ["echo:b", "echo:c"]
    assert len(busy.services.trees("Plain")) == 1
    with pytest.raises(UnrecognizedActivityHandleError):
        busy.management.activities.end("echo:a")
    (service,) = busy.management.activities.list("slee")
    with pytest.raises(InvalidStateError, match="SVC-10"):
        busy.management.activities.end(service.id)


def test_mgt_13_a_null_activity_is_ended_like_others() -> None:
    with World(Root) as world:
        kept: list[object] = []

        def act(sbb: object, aci: object) -> None:
            null = sbb.null_activities.create()
            null.attach(sbb)
            kept.append(null)

        world.do("a", act)
        context = next(c for c in world.kernel.contexts() if c == kept[0])
        world.kernel.end_activity(context)
        world.slee.run()
        assert context.state is ContextState.INVALID
