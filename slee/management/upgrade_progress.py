"""How far an applied upgrade is (UPG-16)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slee.api.ids import ServiceID, parse_id
from slee.management.upgrade_migration import Migration
from slee.management.upgrade_results import PairInfo, UpgradeInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slee.management.engine import Engine
    from slee.management.store import UpgradeRecord
    from slee.spi.wheel import Timer

Pair = tuple[ServiceID, ServiceID]
"""The version that ends, and the one that takes its place."""


@dataclass(slots=True)
class Progress:
    """What is known of an upgrade in this process only."""

    migrations: dict[Pair, Migration] = field(default_factory=dict[Pair, Migration])
    problems: list[str] = field(default_factory=list[str])
    timers: dict[str, Timer[Any]] = field(default_factory=dict[str, "Timer[Any]"])

    def stop(self) -> None:
        """Nothing of the phase that ends goes on."""
        for migration in self.migrations.values():
            migration.stop()
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()


def turn(record: UpgradeRecord) -> list[Pair]:
    """The version that was replaced and the one that is at work, of each pair."""
    pairs = [(parse_id(pair.old, ServiceID), parse_id(pair.new, ServiceID)) for pair in record.pairs]
    return [(new, old) for old, new in pairs] if record.phase == "rolled-back" else pairs


def info(
    upgrade: str, record: UpgradeRecord, progress: Progress, engine: Engine, now: float, tables: tuple[str, ...]
) -> UpgradeInfo:
    """What is to be told of an upgrade now."""
    services: Mapping[ServiceID, Any] = engine.services
    gone = [old for old, _ in turn(record)]
    return UpgradeInfo(
        id=upgrade,
        phase=record.phase,
        reason=record.reason,
        draining=now - record.turned_at if trees_left(record, services) else None,
        confirm_within=None if record.confirm_by is None else record.confirm_by - now,
        pairs=tuple(
            _pair(record, progress, services, (parse_id(pair.old, ServiceID), parse_id(pair.new, ServiceID)))
            for pair in record.pairs
        ),
        problems=tuple(progress.problems),
        removed=tuple(f"{old} {tree}" for old in gone if old in services for tree in services[old].forced),
        tables=tables,
    )


def listed(pairs: Sequence[Pair], record: UpgradeRecord) -> str:
    """What takes the place of what, for people."""
    told = [f"{new} for {old}" for old, new in pairs]
    return ", ".join((*told, *(f"profile table {table.table} to {table.new}" for table in record.tables)))


def trees_left(record: UpgradeRecord, services: Mapping[ServiceID, Any]) -> int:
    """Trees of the versions that were replaced."""
    return sum(len(services[old].roots) for old, _ in turn(record) if old in services)


def _pair(record: UpgradeRecord, progress: Progress, services: Mapping[ServiceID, Any], pair: Pair) -> PairInfo:
    migration = progress.migrations.get((pair[1], pair[0]) if record.phase == "rolled-back" else pair)
    # A service whose bundle the start could not restore is not there.
    old, new = (services.get(identity) for identity in pair)
    ended = new if record.phase == "rolled-back" else old
    return PairInfo(
        old=pair[0],
        new=pair[1],
        old_state=old.state.value if old else "-",
        new_state=new.state.value if new else "-",
        old_trees=len(old.roots) if old else 0,
        new_trees=len(new.roots) if new else 0,
        old_events=_events(old) if old else 0,
        new_events=_events(new) if new else 0,
        migrated=migration.migrated if migration else 0,
        failed=migration.failures if migration else 0,
        removed=len(ended.forced) if ended else 0,
    )


def _events(service: Any) -> int:
    handlers = (h for env in service.environments.values() for h in env.handlers.values())
    return sum(handler.statistics.committed + handler.statistics.rolled_back for handler in handlers)
