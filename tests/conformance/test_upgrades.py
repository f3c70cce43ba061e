"""Upgrade as an operator meets it: plan, apply, confirm, roll back, and what a crash leaves (group UPG)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slee.api.errors import InvalidStateError, UpgradeError
from slee.api.ids import ServiceID
from slee.management import store as store_module
from tests.deploy.echo import Heard
from tests.deploy.workshop import Server, build, manifest, sbb, service, write

V1 = ServiceID("Plain", "test", "1.0")
V2 = ServiceID("Plain", "test", "2.0")
DRAIN = '[upgrade]\n"1.*" = { up = "drain", down = "drain" }\n'
MIGRATE = '[upgrade]\n"1.*" = { up = "migrate", down = "migrate" }\n'

STATE = """
from slee import ActivityContext, Cmp, Sbb, Select, cmp, initial_event, migrates, resource
from tests.deploy.echo import ECHO, Heard

class Plain(Sbb, vendor="test", version="1.0"):
    echo = resource(ECHO)
    count: Cmp[int] = cmp(0)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: ActivityContext) -> None:
        self.count += 1
        self.echo.say(f"one {self.count}")
"""
NEW_FIELD = """
from collections.abc import Mapping
from typing import Any

from slee import ActivityContext, Cmp, Sbb, Select, cmp, initial_event, migrates, resource
from tests.deploy.echo import ECHO, Heard

class Plain(Sbb, vendor="test", version="2.0"):
    echo = resource(ECHO)
    count: Cmp[int] = cmp(0)
    word: Cmp[str] = cmp()

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        if old["count"] == 13:
            raise ValueError("unlucky")
        return {**old, "word": "migrated"}

    @staticmethod
    @migrates(to_version="1.0")
    def down(new: Mapping[str, Any]) -> dict[str, object]:
        return {"count": new["count"]}

    def sbb_create(self) -> None:
        self.word = "new"

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: ActivityContext) -> None:
        self.count += 1
        self.echo.say(f"two {self.count} {self.word}")
"""


def bundle(folder: Path, version: str, source: str, upgrade: str = "") -> Any:
    text = manifest("plain", version, more=service() + upgrade)
    return build(write(folder / f"bundle{version}", {"bundle.toml": text, "sbbs/plain.py": source}))


def started(tmp_path: Path, *bundles: Any) -> Server:
    """A running server with bundles installed, of which the first one's service is Active."""
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    server.install(*bundles)
    server.connect()
    server.services.activate([V1])
    return server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Two versions without state, the first Active."""
    server = started(
        tmp_path,
        bundle(tmp_path, "1.0", sbb(words="one")),
        bundle(tmp_path, "2.0", sbb(version="2.0", words="two"), DRAIN),
    )
    yield server
    server.close()


@pytest.fixture
def migrating(tmp_path: Path) -> Iterator[Server]:
    """Two versions with state, of which the second has a field more."""
    server = started(tmp_path, bundle(tmp_path, "1.0", STATE), bundle(tmp_path, "2.0", NEW_FIELD, MIGRATE))
    yield server
    server.close()


def states(server: Server) -> dict[str, str]:
    return {info.id.version: info.state for info in server.services.list()}


def upgraded(server: Server, **options: Any) -> str:
    """Plan and apply; the id."""
    plan = server.management.upgrades.plan(["plain"], **options)
    assert plan.refusals == ()
    return server.management.upgrades.apply(plan.id).id


def wait(server: Server, seconds: float) -> None:
    for _ in range(round(seconds / 0.01)):
        server.time += 0.01
        server.pump()


def test_upg_9_a_plan_changes_nothing_and_tells_steps_trees_and_mode(server: Server) -> None:
    server.fire("a", Heard("bob", "hi"))
    desired = server.management.store.desired
    plan = server.management.upgrades.plan(["plain"], drain_within=60.0)
    assert server.management.store.desired == desired
    assert states(server) == {"1.0": "Active", "2.0": "Inactive"}
    (pair,) = plan.pairs
    assert (pair.old, pair.new, pair.up, pair.down, pair.trees) == (V1, V2, "drain", "drain", 1)
    assert len(plan.steps) == 4
    assert plan.refusals == ()


def test_upg_9_every_reason_for_refusal_is_told_at_once(tmp_path: Path) -> None:
    old = bundle(tmp_path, "1.0", STATE)
    source = NEW_FIELD.replace('"1.0"', '"0.9"').replace("ECHO)", "ECHO)\n    more: Cmp[int] = cmp(0)", 1)
    server = started(tmp_path, old, bundle(tmp_path, "2.0", source, MIGRATE))
    plan = server.management.upgrades.plan(["plain"])
    text = "\n".join(plan.refusals)
    assert "field word is new" in text
    assert "field more is new" in text
    with pytest.raises(UpgradeError, match="UPG-10"):
        server.management.upgrades.apply(plan.id)
    assert states(server) == {"1.0": "Active", "2.0": "Inactive"}
    server.close()


def test_svc_21_a_version_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    other = DRAIN.replace("1.*", "0.*")
    server = started(tmp_path, bundle(tmp_path, "1.0", sbb()), bundle(tmp_path, "2.0", sbb(version="2.0"), other))
    plan = server.management.upgrades.plan(["plain"])
    assert "SVC-21" in plan.refusals[0]
    with pytest.raises(UpgradeError):
        server.management.upgrades.apply(plan.id)
    server.close()


def test_upg_9_apply_refuses_when_what_the_plan_rested_on_has_changed(server: Server) -> None:
    plan = server.management.upgrades.plan(["plain"])
    server.services.deactivate([V1])
    with pytest.raises(UpgradeError, match="changed"):
        server.management.upgrades.apply(plan.id)
    with pytest.raises(UpgradeError, match="no such plan"):
        server.management.upgrades.apply("nonsense")


def test_upg_13_applied_is_tentative_and_the_old_bundle_stays(server: Server) -> None:
    server.fire("a", Heard("bob", "hi"))
    upgrade = upgraded(server)
    assert states(server) == {"1.0": "Stopping", "2.0": "Active"}
    assert server.fire("b", Heard("bob", "hi")) == ["one", "two"]
    assert server.fire("a", Heard("bob", "hi")) == ["one", "two", "one"]
    for bundle_info in server.bundles.list()[1:]:
        with pytest.raises(InvalidStateError, match="tentative"):
            server.bundles.uninstall(bundle_info.id)
    with pytest.raises(InvalidStateError, match="tentative"):
        server.services.deactivate([V2])
    (info,) = server.management.upgrades.status()
    (pair,) = info.pairs
    assert (info.phase, pair.old_trees, pair.new_trees, pair.old_events, pair.new_events) == ("tentative", 1, 1, 2, 1)
    assert server.management.upgrades.make_permanent(upgrade).phase == "permanent"
    with pytest.raises(UpgradeError, match="permanent"):
        server.management.upgrades.rollback(upgrade)
    server.kernel.resources["echo"].end_activity("a")
    server.pump()
    assert states(server) == {"1.0": "Inactive", "2.0": "Active"}
    server.bundles.uninstall(server.bundles.list()[1].id)
    assert server.management.upgrades.status() == ()


def test_upg_13_a_rollback_brings_the_old_version_back_in_one_step(server: Server) -> None:
    server.fire("a", Heard("bob", "hi"))
    upgrade = upgraded(server)
    server.fire("b", Heard("bob", "hi"))
    assert server.management.upgrades.rollback(upgrade).phase == "rolled-back"
    assert states(server) == {"1.0": "Active", "2.0": "Stopping"}
    for handle in ("a", "b", "c"):
        server.fire(handle, Heard("bob", "hi"))
    assert server.adaptor().said == ["one", "two", "one", "two", "one"]


def test_upg_13_without_confirmation_it_is_rolled_back(server: Server) -> None:
    upgraded(server, confirm_within=30.0)
    wait(server, 29)
    assert states(server) == {"1.0": "Inactive", "2.0": "Active"}
    wait(server, 2)
    assert states(server) == {"1.0": "Active", "2.0": "Inactive"}
    (info,) = server.management.upgrades.status()
    assert (info.phase, info.reason) == ("rolled-back", "it was not made permanent in time")


def test_upg_13_a_restart_while_tentative_brings_the_old_version_back(server: Server) -> None:
    upgraded(server)
    again = server.restart()
    assert states(again) == {"1.0": "Active", "2.0": "Inactive"}
    assert states(again.restart()) == {"1.0": "Active", "2.0": "Inactive"}


def test_upg_13_a_permanent_one_survives_the_restart(server: Server) -> None:
    server.management.upgrades.make_permanent(upgraded(server))
    assert states(server.restart()) == {"1.0": "Inactive", "2.0": "Active"}


def test_upg_16_an_upgrade_whose_bundle_the_start_cannot_restore_is_shown_all_the_same(server: Server) -> None:
    server.management.upgrades.make_permanent(upgraded(server))
    digest = server.bundles.list()[1].digest
    (server.path / "bundles" / f"{digest}.whl").write_bytes(b"damaged")
    again = server.restart()
    again.pump()
    (info,) = again.management.upgrades.status()
    assert (info.pairs[0].old_state, info.pairs[0].new_state) == ("-", "Active")


def test_upg_14_a_drain_may_have_a_deadline_and_can_be_forced(server: Server) -> None:
    for number in range(3):
        server.fire(str(number), Heard("bob", "hi"))
    upgrade = upgraded(server, drain_within=60.0)
    wait(server, 10)
    (info,) = server.management.upgrades.status(upgrade)
    assert info.draining == pytest.approx(10, abs=0.1)
    assert info.removed == ()
    forced = server.management.upgrades.force(upgrade)
    assert len(forced.removed) == 3
    assert states(server) == {"1.0": "Inactive", "2.0": "Active"}


def test_upg_14_what_the_deadline_removes_is_named(server: Server) -> None:
    server.fire("a", Heard("bob", "hi"))
    upgraded(server, drain_within=5.0)
    wait(server, 6)
    (info,) = server.management.upgrades.status()
    assert len(info.removed) == 1
    assert info.draining is None


def test_upg_16_a_drain_beyond_its_expected_duration_raises_an_alarm(server: Server) -> None:
    server.fire("a", Heard("bob", "hi"))
    upgraded(server, expected_drain=5.0)
    wait(server, 4)
    assert server.facilities.alarms.active() == ()
    wait(server, 2)
    (alarm,) = server.facilities.alarms.active()
    assert alarm.alarm_type == "slee.upgrade-drain"
    server.kernel.resources["echo"].end_activity("a")
    wait(server, 2)
    assert server.facilities.alarms.active() == ()


def test_upg_11_a_tree_is_migrated_whole_with_its_attachments(migrating: Server) -> None:
    server = migrating
    server.fire("a", Heard("bob", "hi"))
    server.fire("a", Heard("bob", "hi"))
    upgrade = upgraded(server)
    wait(server, 1)
    (info,) = server.management.upgrades.status(upgrade)
    assert info.pairs[0].migrated == 1
    assert states(server) == {"1.0": "Inactive", "2.0": "Active"}
    assert server.fire("a", Heard("bob", "hi"))[-1] == "two 3 migrated"
    server.management.upgrades.rollback(upgrade)
    wait(server, 1)
    assert states(server) == {"1.0": "Active", "2.0": "Inactive"}
    assert server.fire("a", Heard("bob", "hi"))[-1] == "one 4"


def test_upg_12_a_tree_whose_migration_raises_drains_with_the_old_version(migrating: Server) -> None:
    server = migrating
    for _ in range(13):
        server.fire("a", Heard("bob", "hi"))
    server.fire("b", Heard("bob", "hi"))
    upgraded(server, allowed_failures=1)
    wait(server, 1)
    (info,) = server.management.upgrades.status()
    assert (info.pairs[0].migrated, info.pairs[0].failed) == (1, 1)
    assert "unlucky" in info.problems[0]
    assert server.fire("a", Heard("bob", "hi"))[-1] == "one 14"
    assert server.fire("b", Heard("bob", "hi"))[-1] == "two 2 migrated"


def test_upg_12_more_failures_than_allowed_begin_the_rollback(migrating: Server) -> None:
    server = migrating
    for _ in range(13):
        server.fire("a", Heard("bob", "hi"))
    server.fire("b", Heard("bob", "hi"))
    upgraded(server)
    wait(server, 1)
    (info,) = server.management.upgrades.status()
    assert info.phase == "rolled-back"
    assert "1 trees failed" in info.reason
    assert states(server) == {"1.0": "Active", "2.0": "Inactive"}
    assert server.fire("a", Heard("bob", "hi"))[-1] == "one 14"


def test_upg_16_each_step_is_told_once(migrating: Server) -> None:
    server = migrating
    told = server.facilities.notifications.subscribe("upgrade")
    server.fire("a", Heard("bob", "hi"))
    upgrade = upgraded(server)
    wait(server, 1)
    server.management.upgrades.rollback(upgrade)
    wait(server, 1)
    server.management.upgrades.force(upgrade)
    server.management.upgrades.make_permanent(upgraded(server))
    steps = [(n.upgrade, n.step, n.sequence) for n in told.take()]
    assert [step for _, step, _ in steps] == [
        "applied", "migrated", "rolled-back", "migrated", "forced", "applied", "migrated", "permanent",
    ]  # fmt: skip
    assert [number for _, _, number in steps] == list(range(1, 9))


def test_upg_16_a_migration_that_is_given_up_is_not_told_as_done(migrating: Server) -> None:
    server = migrating
    for _ in range(13):
        server.fire("a", Heard("bob", "hi"))
    told = server.facilities.notifications.subscribe("upgrade")
    upgraded(server)
    wait(server, 1)
    assert [notification.step for notification in told.take()] == ["applied", "rolled-back"]


def test_upg_12_the_log_says_where_in_the_migration_it_failed(
    migrating: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(13):
        migrating.fire("a", Heard("bob", "hi"))
    upgraded(migrating)
    wait(migrating, 1)
    (record,) = [record for record in caplog.records if "stays with its version" in record.message]
    assert record.message.endswith("ValueError: unlucky")
    assert record.exc_info is not None


def test_upg_15_a_restart_keeps_the_upgrade_before_a_tentative_one_whose_trees_may_be_in_the_journal(
    tmp_path: Path,
) -> None:
    way = '[upgrade]\n"*" = { up = "drain", down = "drain" }\n'
    versions = [bundle(tmp_path, f"{n}.0", sbb(version=f"{n}.0", words=f"{n}"), way) for n in (1, 2, 3)]
    server = started(tmp_path, *versions[:2])
    server.fire("a", Heard("bob", "hi"))
    first = upgraded(server)
    server.management.upgrades.make_permanent(first)
    server.install(versions[2])
    second = upgraded(server)
    again = server.restart()
    assert states(again) == {"1.0": "Inactive", "2.0": "Active", "3.0": "Inactive"}
    assert {name: record.phase for name, record in again.management.store.desired.upgrades.items()} == {
        first: "permanent", second: "rolled-back",
    }  # fmt: skip
    one = again.kernel.services[ServiceID("Plain", "test", "1.0")]
    assert one.successor is again.kernel.services[ServiceID("Plain", "test", "2.0")]
    server.close()


class Crash(BaseException):
    """The process ends here."""


STEPS: dict[str, Callable[[Server, str], object]] = {
    "apply": lambda server, _: upgraded(server),
    "make_permanent": lambda server, upgrade: server.management.upgrades.make_permanent(upgrade),
    "rollback": lambda server, upgrade: server.management.upgrades.rollback(upgrade),
    "force": lambda server, upgrade: server.management.upgrades.force(upgrade),
}


@pytest.mark.parametrize("moment", ["before", "torn", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", range(3))
def test_upg_15_a_crash_at_any_write_ends_in_old_or_new(
    server: Server, monkeypatch: pytest.MonkeyPatch, moment: str, step: str, at: int
) -> None:
    server.fire("a", Heard("bob", "hi"))
    upgrade = "" if step == "apply" else upgraded(server)
    real, writes = store_module.replace_file, 0

    def write(path: Path, data: bytes, mode: int = 0o666) -> None:
        nonlocal writes
        writes += 1
        if writes - 1 < at:
            real(path, data, mode)
        elif moment == "before":
            raise Crash
        elif moment == "torn":
            path.with_name(f".{path.name}.new").write_bytes(data[: len(data) // 2])
            raise Crash
        elif writes - 1 == at:
            real(path, data, mode)
            raise Crash
        else:
            raise Crash

    monkeypatch.setattr(store_module, "replace_file", write)
    crashed = False
    try:
        STEPS[step](server, upgrade)
    except Crash:
        crashed = True
    monkeypatch.setattr(store_module, "replace_file", real)
    assert crashed or writes <= at
    again = server.restart()
    found = states(again)
    assert sorted(found.values()) == ["Active", "Inactive"]
    assert found["1.0" if step != "make_permanent" or (crashed and moment != "after") else "2.0"] == "Active"
    assert states(again.restart()) == found
