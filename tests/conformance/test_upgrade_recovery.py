"""A crash in the middle of a migration, with a journal: each tree is of one version, whole (UPG-11, UPG-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Cmp,
    Sbb,
    SbbLocal,
    ServiceID,
    TimerEvent,
    child,
    cmp,
    handles,
    initial_event,
    migrates,
)
from slee.kernel.migration import migrate_tree
from slee.kernel.states import ServiceState
from slee.stores.simulated import SimulatedDisk
from slee.testing import RecordingResource, SleeHarness
from tests.conformance.kit import RA, Do, key

V1 = ServiceID("Keeper", "test", "1.0")
V2 = ServiceID("Keeper", "test", "2.0")
TREES = 6
SAID: list[str] = []


class Kid1(Sbb, name="Kid", vendor="test", version="1.0"):
    """A child with a field."""

    note: Cmp[str] = cmp("kid")


class Keeper1(Sbb, name="Keeper", vendor="test", version="1.0"):
    """Keeps a count on a null activity, with a timer."""

    kids = child(Kid1)
    kid: Cmp[SbbLocal[Kid1] | None] = cmp(None)
    count: Cmp[int] = cmp(0)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        self.count += 1
        home = self.null_activities.create()
        home.attach(self)
        self.kid = self.kids.create()
        home.attach(self.kid)
        self.timers.set(home, after=1_000)
        aci.detach(self)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        SAID.append(f"one {self.count}")
        aci.detach(self)
        assert self.kid is not None
        aci.detach(self.kid)


class Kid2(Kid1, name="Kid", vendor="test", version="2.0"):
    """The next version of the child."""

    more: Cmp[str] = cmp()

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return {**old, "more": "kid"}


class Keeper2(Keeper1, name="Keeper", vendor="test", version="2.0"):
    """The next version."""

    kids = child(Kid2)
    word: Cmp[str] = cmp()

    @staticmethod
    @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return {**old, "word": "migrated"}

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        SAID.append(f"two {self.count} {self.word}")
        aci.detach(self)
        assert self.kid is not None
        aci.detach(self.kid)


def equip(slee: SleeHarness, active: type[Sbb]) -> None:
    slee.add_resource("test", RecordingResource(RA))
    slee.install(Keeper1, activate=active is Keeper1)
    slee.install(Keeper2, activate=active is Keeper2)


@pytest.mark.parametrize("turn", [V1, V2], ids=["rolled back", "permanent"])
@pytest.mark.parametrize("after", range(TREES + 1))
@pytest.mark.parametrize("survivors", [0, 1])
def test_upg_15_a_crash_in_the_migration_leaves_each_tree_to_one_version_whole(
    after: int, survivors: int, turn: ServiceID
) -> None:
    SAID.clear()
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    equip(slee, Keeper1)
    ra = next(iter(slee.kernel.resources.values()))
    ra.start_activity("a", "a")
    for number in range(TREES):
        ra.fire("a", Do(key=str(number)))
    slee.run()
    slee.clock.advance(1)
    slee.kernel.registry.switch([(V1, V2)])
    for root in list(slee.kernel.service(V1).roots)[:after]:
        migrate_tree(root, slee.kernel.service(V2))
    slee.recovery.journalling.flush(slee.clock.now)

    again = slee.crash(survivors=survivors)
    equip(again, Keeper1 if turn == V1 else Keeper2)
    again.kernel.registry.succeed(*((V2, V1) if turn == V1 else (V1, V2)))
    again.restart()
    one, two = again.kernel.service(V1), again.kernel.service(V2)
    moved = after if survivors else 0
    assert (len(one.roots), len(two.roots)) == (TREES - moved, moved)
    loser = two if turn == V1 else one
    assert loser.state is (ServiceState.STOPPING if loser.roots else ServiceState.INACTIVE)
    for service, kid in ((one, Kid1), (two, Kid2)):
        for root in service.roots:
            assert root.env is service.root
            assert all(k.env.descriptor.cls is kid for k in root.children["kids"])
    again.clock.advance(2_000)
    assert sorted(SAID) == ["one 1"] * (TREES - moved) + ["two 1 migrated"] * moved
    assert (one.roots, two.roots) == ({}, {})


def test_upg_1_the_journal_lets_go_of_a_service_that_is_removed() -> None:
    disk = SimulatedDisk()
    slee = SleeHarness(journal=disk, leftovers_allowed=True)
    equip(slee, Keeper1)
    ra = next(iter(slee.kernel.resources.values()))
    ra.start_activity("a", "a")
    ra.fire("a", Do(key="1"))
    slee.run()
    slee.clock.advance(1)
    schemas = [key for key in disk.entries if key.startswith(b"Ms")]
    assert schemas
    slee.clock.advance(1_001)
    slee.kernel.deactivate_service(V1)
    slee.run()
    slee.kernel.remove_service(V1)
    slee.run()
    slee.clock.advance(1)
    assert [key for key in disk.entries if key.startswith(b"Ms")] == []
    assert slee.recovery.journalling.records.schemas == {}
