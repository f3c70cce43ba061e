"""Upgrades: from a version of a bundle to the next while calls are up, and back (UPG-9 to UPG-16).

`Desired` holds which services should be Active and which upgrades were applied, and both change in one durable write.
So after a crash at any instruction exactly one version of each pair is Active: that of the last write. A restart finds
a tentative upgrade and rolls it back, in one more such write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import msgspec

from slee.api.errors import SleeError, UpgradeError
from slee.api.ids import BundleID, ServiceID
from slee.facilities.notifications import UpgradeNotification
from slee.facilities.profiles.remaking import TableRemaking
from slee.management.engine import Engine, Host
from slee.management.services import Services
from slee.management.steps import Pauses, Steps, advance
from slee.management.store import StateDirectory, UpgradeRecord
from slee.management.upgrade_alarms import DRAIN, ROLLBACK, SOURCE, UpgradeAlarms
from slee.management.upgrade_migration import Migration
from slee.management.upgrade_plan import Planned, Planner, Request
from slee.management.upgrade_progress import Pair, Progress, info, listed, trees_left, turn
from slee.management.upgrade_results import UpgradeInfo, UpgradePlan
from slee.management.upgrade_tables import UpgradeTables, abandoned_if_failed, table_records, written

_LOG = logging.getLogger(__name__)
_PLANS: Final = 16
"""Plans remembered for `apply`."""
_RETRY: Final = 5.0
"""Seconds until a rollback that failed is tried again."""
_LOOK: Final = 1.0
"""Seconds between two looks whether a drain beyond its expected duration is over."""


class Upgrades:
    """The upgrades of one server."""

    def __init__(
        self, *, planner: Planner, engine: Engine, store: StateDirectory, services: Services, host: Host
    ) -> None:
        self._planner = planner
        self._engine = engine
        self._store = store
        self._services = services
        self._host = host
        self._plans: dict[str, Request] = {}
        self._progress: dict[str, Progress] = {}
        self._tables = UpgradeTables(host.profiles)
        self._alarms = UpgradeAlarms(host.facilities)
        self._is_turning = False

    # What operators call.

    def plan(
        self,
        bundles: Sequence[BundleID | str],
        confirm_within: float | None = None,
        drain_within: float | None = None,
        expected_drain: float | None = None,
        allowed_failures: int = 0,
        *,
        follow_convergence: bool = False,
    ) -> UpgradePlan:
        """Say what an upgrade to other versions of bundles would do, and every reason against it (UPG-9).

        Args:
            bundles: the bundles to come to, by id, or by name for the highest version installed.
            confirm_within: seconds after which it is rolled back by itself, unless it is made permanent.
            drain_within: seconds after which the trees that are left of the old version are removed.
            expected_drain: seconds after which an alarm tells that trees are left.
            allowed_failures: how many trees may fail to migrate before the rollback begins.
            follow_convergence: let an initial event go to the living tree of the old version that it names.

        Raises:
            UnrecognizedBundleError: a bundle is not installed.
            InvalidArgumentError: no bundle is given, or one twice, or a number is out of range.
        """
        options = Request((), confirm_within, drain_within, expected_drain, follow_convergence, allowed_failures)
        planned = self._planner.plan(self._planner.request(bundles, options))
        self._plans.pop(planned.plan.id, None)
        self._plans[planned.plan.id] = planned.request
        while len(self._plans) > _PLANS:
            del self._plans[next(iter(self._plans))]
        return planned.plan

    def apply(self, plan: str) -> UpgradeInfo:
        """Do exactly what a plan says; the upgrade is tentative until it is made permanent (UPG-9, UPG-13).

        Raises:
            UpgradeError: there is no such plan, it is refused, what it rested on has changed since, another upgrade
                is being applied, or profiles do not fit; each is named.
        """
        return self.applying(plan).run()

    def applying(self, plan: str) -> Steps[UpgradeInfo]:
        """`apply` in steps: profile tables may be large."""
        return Steps(self._apply(plan))

    def _apply(self, plan: str) -> Pauses[UpgradeInfo]:
        planned = self._confirmed(plan)
        with self._alone(plan):
            remakings = yield from self._tables.prepare(plan, table_records(planned.plan.tables))
            with abandoned_if_failed(remakings):
                self._switch(plan, self._confirmed(plan), remakings)
        self._host.pump()
        yield from written(remakings)
        return self._info(plan)

    @contextmanager
    def _alone(self, upgrade: str) -> Generator[None]:
        if self._is_turning:
            raise UpgradeError(f"{upgrade}: another upgrade is being applied or rolled back [UPG-9]; wait for its end")
        self._is_turning = True
        try:
            yield
        finally:
            self._is_turning = False

    def _switch(self, plan: str, planned: Planned, remakings: Sequence[TableRemaking]) -> None:
        """The one step: the versions at work and the tables are exchanged, all or none."""
        pairs = [(pair.old, pair.new) for pair in planned.plan.pairs]
        record = planned.record(self._now())
        with self._store.changing(self._turned(plan, record, pairs)):
            self._services.renew([new for _, new in pairs])
            if pairs:  # a bundle may have nothing but profile tables
                self._engine.registry.switch(pairs, within=record.drain_within, follow=record.follow_convergence)
        self._tables.exchange(plan, remakings)
        del self._plans[plan]
        self._progress[plan] = Progress()
        self._begin(plan, record)
        self._tell(plan, "applied", listed(pairs, record))

    def status(self, upgrade: str | None = None) -> tuple[UpgradeInfo, ...]:
        """How far the applied upgrades are, or one of them (UPG-16).

        Raises:
            UpgradeError: there is none of that id.
        """
        self._host.pump()
        if upgrade is not None:
            self._record(upgrade)
            return (self._info(upgrade),)
        return tuple(self._info(name) for name in self._store.desired.upgrades)

    def make_permanent(self, upgrade: str) -> UpgradeInfo:
        """Let a tentative upgrade hold for good; the old bundle can be uninstalled once its trees are gone (UPG-13).

        Raises:
            UpgradeError: there is none of that id, or it is not tentative.
        """
        self._host.pump()
        record = self._tentative(upgrade, "make-permanent")
        self._tables.require_written(upgrade)
        permanent = msgspec.structs.replace(record, phase="permanent", confirm_by=None)
        with self._store.changing(self._with(upgrade, permanent)):
            timer = self._progress[upgrade].timers.pop("confirm", None)
            if timer is not None:
                timer.cancel()
        self._tables.forget(upgrade)
        self._tell(upgrade, "permanent", "it holds from now on")
        return self._info(upgrade)

    def rollback(self, upgrade: str) -> UpgradeInfo:
        """Bring the old versions of a tentative upgrade back to Active in one step (UPG-13).

        Raises:
            UpgradeError: there is none of that id, it is not tentative, or its tables cannot be brought back now.
        """
        return self.rolling_back(upgrade).run()

    def rolling_back(self, upgrade: str) -> Steps[UpgradeInfo]:
        """`rollback` in steps: profile tables may be large."""
        return Steps(self._rollback(upgrade))

    def _rollback(self, upgrade: str) -> Pauses[UpgradeInfo]:
        self._host.pump()
        yield from self._roll_back(upgrade, "an operator asked for it")
        self._host.pump()
        return self._info(upgrade)

    def force(self, upgrade: str) -> UpgradeInfo:
        """Remove the trees that are left of the version that was replaced, at once (UPG-14).

        Raises:
            UpgradeError: there is none of that id.
        """
        record = self._record(upgrade)
        self._host.pump()
        for migration in self._progress[upgrade].migrations.values():
            migration.stop()
        for old, _ in turn(record):
            if self._state(old) == "Stopping":
                self._engine.registry.force(old)
        self._tell(upgrade, "forced", "what is left of the version that was replaced is removed")
        self._host.pump()
        return self._info(upgrade)

    # Restarts.

    def settle(self) -> None:
        """Roll back what a restart finds tentative, before any service is activated (UPG-13, UPG-15)."""
        for upgrade, record in self._store.desired.upgrades.items():
            if record.phase == "tentative":
                with self._store.changing(self._rolled_back(upgrade, record, "the server was restarted")):
                    self._tell(upgrade, "rolled-back", "the server was restarted while it was tentative")
        for upgrade, error in self._tables.settle(self._store.desired.upgrades):
            self._alarms.raise_rollback(upgrade, f"its profile tables stay in the newer version: {error}")

    def resume(self) -> None:
        """Go on with drains and migrations that a restart has interrupted; services are Active as desired.

        Trees are there, and services that are not to be Active are Stopping, once the SLEE runs.
        """
        for upgrade, record in self._store.desired.upgrades.items():
            self._progress[upgrade] = Progress()
            for old, new in turn(record):
                if old in self._engine.services and new in self._engine.services:
                    self._engine.registry.succeed(old, new, follow=record.follow_convergence)
            self._at(upgrade, "begin", self._engine.now, partial(self._begin, upgrade, record))

    def _now(self) -> float:
        self._host.pump()
        return self._host.now()

    def _confirmed(self, plan: str) -> Planned:
        """The plan made anew: what it rests on must be the same."""
        request = self._plans.get(plan)
        if request is None:
            raise UpgradeError(f"{plan}: there is no such plan [UPG-9]; make one with upgrade plan")
        try:
            planned = self._planner.plan(request)
        except SleeError as error:
            raise UpgradeError(f"{plan}: what it rests on has changed: {error} [UPG-9]; make a new plan") from error
        if planned.plan.id != plan:
            raise UpgradeError(f"{plan}: what it rests on has changed [UPG-9]; make a new plan")
        if planned.plan.refusals:
            raise UpgradeError("\n".join(planned.plan.refusals))
        return planned

    def _roll_back(self, upgrade: str, reason: str) -> Pauses[None]:
        with self._alone(upgrade):
            record = self._tentative(upgrade, "rollback")
            remakings = yield from self._tables.prepare_back(upgrade, record.tables)
            record = self._tentative(upgrade, "rollback")
            desired = self._rolled_back(upgrade, record, reason)
            with abandoned_if_failed(remakings):
                self._turn_back(record, desired)
            self._tables.exchange(upgrade, remakings)
            self._tables.forget(upgrade)
        self._progress[upgrade].stop()
        self._begin(upgrade, desired.upgrades[upgrade])
        self._tell(upgrade, "rolled-back", reason)

    def _turn_back(self, record: UpgradeRecord, desired: Any) -> None:
        pairs = [(new, old) for old, new in turn(record)]
        with self._store.changing(desired):
            idle = [old for _, old in pairs if self._engine.service_state(old).value == "Inactive"]
            self._services.renew(idle)
            if pairs:
                self._engine.registry.switch(
                    pairs, within=record.drain_within, follow=record.follow_convergence, resume=True
                )

    def _rolled_back(self, upgrade: str, record: UpgradeRecord, reason: str) -> Any:
        pairs = [(new, old) for old, new in turn(record)]
        back = msgspec.structs.replace(
            record, phase="rolled-back", confirm_by=None, turned_at=self._host.now(), reason=reason
        )
        return self._turned(upgrade, back, pairs)

    def _turned(self, upgrade: str, record: UpgradeRecord, pairs: Sequence[Pair]) -> Any:
        """What is desired when the second of each pair has taken the place of the first."""
        desired = self._with(upgrade, record)
        services = {**desired.services, **{str(o): False for o, _ in pairs}, **{str(n): True for _, n in pairs}}
        return msgspec.structs.replace(desired, services=services)

    def _with(self, upgrade: str, record: UpgradeRecord) -> Any:
        """What is desired with one upgrade written anew; it replaces those of the same bundles that are over.

        None is known to be over before `resume`: its trees may be in the journal still.
        """
        desired = self._store.desired
        others = {
            name: other
            for name, other in desired.upgrades.items()
            if name != upgrade
            and not (
                name in self._progress
                and set(other.bundles) & set(record.bundles)
                and not trees_left(other, self._engine.services)
            )
        }
        return msgspec.structs.replace(desired, upgrades={**others, upgrade: record})

    def _state(self, service: ServiceID) -> str | None:
        """The state of a service; `None` if the start could not restore its bundle."""
        return self._engine.service_state(service).value if service in self._engine.services else None

    def _begin(self, upgrade: str, record: UpgradeRecord) -> None:
        """What goes on by itself in the phase of an upgrade that has just begun, or goes on after a restart."""
        progress, now = self._progress[upgrade], self._host.now()
        pairs = turn(record)
        for pair, (old, new) in zip(record.pairs, pairs, strict=True):
            mode = pair.down if record.phase == "rolled-back" else pair.up
            if mode == "migrate" and (self._state(old), self._state(new)) == ("Stopping", "Active"):
                progress.migrations[old, new] = Migration(
                    self._engine,
                    old,
                    new,
                    failed=partial(self._failed, upgrade),
                    done=partial(self._tell, upgrade, "migrated", f"of {old} no tree is left to migrate"),
                )
        if record.confirm_by is not None:
            unconfirmed = partial(self._try_rollback, upgrade, "it was not made permanent in time")
            self._at(upgrade, "confirm", record.confirm_by, unconfirmed)
        if record.expected_drain is not None:
            self._at(upgrade, "drain", record.turned_at + record.expected_drain, partial(self._overdue, upgrade))
        if record.drain_within is not None:
            left = max(record.turned_at + record.drain_within - now, 0.0)
            for old, _ in pairs:
                if self._state(old) == "Stopping":
                    self._engine.registry.force(old, left)

    def _at(self, upgrade: str, what: str, time: float, function: Callable[[], None]) -> None:
        self._progress[upgrade].timers[what] = self._engine.schedule.call_at(time, function, self._engine.now)

    def _failed(self, upgrade: str, tree: str, cause: BaseException) -> None:
        """A tree could not be migrated; too many of those begin the rollback (UPG-12)."""
        progress, record = self._progress[upgrade], self._record(upgrade)
        problem = f"{type(cause).__name__}: {cause}"
        progress.problems.append(f"{tree}: {problem}")
        failures = sum(migration.failures for migration in progress.migrations.values())
        trace = cause if failures == 1 else None  # where in the migration, once for perhaps thousands of trees
        _LOG.error("%s stays with its version: %s", tree, problem, exc_info=trace, extra={"component": upgrade})
        if failures > record.allowed_failures and record.phase == "tentative":
            for migration in progress.migrations.values():
                migration.stop()
            reason = f"{failures} trees failed to migrate, {record.allowed_failures} are allowed"
            self._at(upgrade, "rollback", self._engine.now, partial(self._try_rollback, upgrade, reason))

    def _try_rollback(self, upgrade: str, reason: str, work: Pauses[None] | None = None) -> None:
        """Roll back without an operator, in slices; what fails is told by an alarm, and tried again."""
        work = work or self._roll_back(upgrade, reason)
        try:
            pause = advance(work, self._engine.ticks)
        except SleeError as error:
            self._alarms.raise_rollback(upgrade, f"{reason}: {error}")
            pause, work = _RETRY, None
        if pause is None:
            self._alarms.clear(upgrade, ROLLBACK)
        else:
            again = partial(self._try_rollback, upgrade, reason, work)
            self._at(upgrade, "rollback", self._engine.now + pause, again)

    def _overdue(self, upgrade: str) -> None:
        """Tell of a drain beyond its expected duration until it is over (UPG-16)."""
        record = self._record(upgrade)
        left = trees_left(record, self._engine.services)
        if not left:
            self._alarms.clear(upgrade, DRAIN)
            return
        message = f"{left} entity trees are left after the {record.expected_drain:g} seconds that were expected"
        self._alarms.raise_drain(upgrade, message)
        self._at(upgrade, "drain", self._engine.now + _LOOK, partial(self._overdue, upgrade))

    def _tell(self, upgrade: str, step: str, message: str) -> None:
        """One notification for each step; it goes to the log too (UPG-16)."""
        notifications = self._host.facilities.notifications
        number = notifications.next_number("upgrade", SOURCE)
        notifications.emit(UpgradeNotification(SOURCE, number, self._host.now(), upgrade, step, message))

    def _record(self, upgrade: str) -> UpgradeRecord:
        record = self._store.desired.upgrades.get(upgrade)
        if record is None:
            raise UpgradeError(f"{upgrade}: there is no such upgrade [UPG-16]; list them with upgrade status")
        return record

    def _tentative(self, upgrade: str, verb: str) -> UpgradeRecord:
        record = self._record(upgrade)
        if record.phase != "tentative":
            raise UpgradeError(f"{upgrade}: it is {record.phase} [UPG-13]; {verb} is possible while it is tentative")
        return record

    def _info(self, upgrade: str) -> UpgradeInfo:
        record, now = self._record(upgrade), self._host.now()
        return info(upgrade, record, self._progress[upgrade], self._engine, now, self._tables.current(record))
