"""From two versions of a bundle to the ordered steps of an upgrade, or every reason against it (UPG-9, SVC-21)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import msgspec
from packaging.version import InvalidVersion, Version

from slee.api.errors import InvalidArgumentError, UnrecognizedBundleError
from slee.api.ids import BundleID, ServiceID
from slee.facilities.profiles.tables import ProfileTables
from slee.management.bundles import Bundles
from slee.management.engine import Engine
from slee.management.manifest import UpgradeSection
from slee.management.services import Services
from slee.management.store import PairRecord, StateDirectory, UpgradeRecord
from slee.management.upgrade_results import PlannedPair, PlannedTable, UpgradePlan
from slee.management.upgrade_tables import in_use, planned_tables, table_records, table_steps
from slee.model.migration import migration_issues


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for."""

    bundles: tuple[BundleID, ...]
    """The bundles to come to."""
    confirm_within: float | None = None
    drain_within: float | None = None
    expected_drain: float | None = None
    follow_convergence: bool = False
    allowed_failures: int = 0


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    pairs: list[PlannedPair] = field(default_factory=list[PlannedPair])
    refusals: list[str] = field(default_factory=list[str])
    basis: list[str] = field(default_factory=list[str])
    """What the plan rests on, besides the request."""
    olds: list[BundleID] = field(default_factory=list[BundleID])
    tables: list[PlannedTable] = field(default_factory=list[PlannedTable])


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what `apply` needs besides."""

    plan: UpgradePlan
    request: Request
    olds: tuple[BundleID, ...]

    def record(self, now: float) -> UpgradeRecord:
        """The upgrade, applied now, as the state directory keeps it."""
        request = self.request
        return UpgradeRecord(
            bundles=tuple(map(str, (*self.olds, *request.bundles))),
            pairs=tuple(PairRecord(str(p.old), str(p.new), p.up, p.down) for p in self.plan.pairs),
            phase="tentative",
            applied_at=now,
            turned_at=now,
            confirm_by=None if request.confirm_within is None else now + request.confirm_within,
            drain_within=request.drain_within,
            expected_drain=request.expected_drain,
            follow_convergence=request.follow_convergence,
            allowed_failures=request.allowed_failures,
            tables=table_records(self.plan.tables),
        )


class Planner:
    """Makes plans; changes nothing."""

    def __init__(
        self, *, engine: Engine, store: StateDirectory, bundles: Bundles, services: Services, tables: ProfileTables
    ) -> None:
        self._tables = tables
        self._engine = engine
        self._store = store
        self._bundles = bundles
        self._services = services

    def request(self, bundles: Sequence[BundleID | str], options: Request) -> Request:
        """The request with its bundles known; a name stands for the highest version of it.

        Raises:
            UnrecognizedBundleError: one is not installed.
            InvalidArgumentError: none is given, or one twice, or a time is negative or endless.
        """
        chosen = tuple(self._identity(bundle) for bundle in bundles)
        if not chosen or len({(bundle.name, bundle.vendor) for bundle in chosen}) != len(chosen):
            raise InvalidArgumentError("bundles: none is given, or one twice [UPG-2]; name each once")
        for name in ("confirm_within", "drain_within", "expected_drain"):
            seconds: float | None = getattr(options, name)
            if seconds is not None and not 0 <= seconds < math.inf:
                raise InvalidArgumentError(f"{name}: {seconds} seconds [UPG-14]; give a finite number, 0 or more")
        if options.allowed_failures < 0:
            raise InvalidArgumentError(f"allowed_failures: {options.allowed_failures} [UPG-12]; give 0 or more")
        return replace(options, bundles=chosen)

    def plan(self, request: Request) -> Planned:
        """The steps, and every reason for refusal at once (UPG-9)."""
        draft = _Draft()
        for bundle in request.bundles:
            self._add(bundle, draft)
        for pair in draft.pairs:
            draft.basis.append(f"{pair.old} {pair.new} {pair.up} {pair.down}")
        draft.refusals += [str(issue) for issue in self._services.link_issues([pair.new for pair in draft.pairs])]
        draft.basis += [f"{table.table} {table.old} {table.new}" for table in draft.tables]
        identity = _fingerprint(request, draft)
        steps = (*table_steps(draft.tables), *_steps(request, draft))
        refusals = tuple(dict.fromkeys(draft.refusals))
        plan = UpgradePlan(identity, request.bundles, tuple(draft.pairs), steps, refusals, tuple(draft.tables))
        return Planned(plan, request, tuple(draft.olds))

    def _identity(self, given: BundleID | str) -> BundleID:
        if isinstance(given, BundleID):
            return self._bundles.show(given).id
        found = [info.id for info in self._bundles.list() if info.id.name == given]
        if not found:
            raise UnrecognizedBundleError(f"{given}: no bundle of that name is installed [UPG-9]; install it first")
        return max(found, key=_order)

    def _add(self, bundle: BundleID, draft: _Draft) -> None:
        """The pairs of one bundle."""
        old = self._predecessor(bundle, draft)
        if old is None:
            return
        draft.olds.append(old)
        section = way(self._bundles.manifest(bundle).upgrade, old.version)
        if section is None:
            draft.refusals.append(
                f"{bundle}: its [upgrade] names no way from {old.version} [SVC-21]; "
                f"add one to its manifest, or deactivate and activate its services"
            )
            return
        draft.basis += [self._bundles.show(old).digest, self._bundles.show(bundle).digest]
        olds, components = self._bundles.show(old).components, self._bundles.show(bundle).components
        tables, refusals = planned_tables(self._tables, olds, components)
        draft.tables += tables
        draft.refusals += refusals
        if tables and (upgrade := self._store.desired.tentative(str(old))):
            draft.refusals.append(
                f"{old}: upgrade {upgrade} of it is tentative [UPG-13]; make that permanent, or roll it back"
            )
        news = {service.name: service for service in self._services_of(bundle)}
        for service in self._services_of(old):
            if self._engine.service_state(service).value != "Active":
                continue
            new = news.get(service.name)
            if new is None:
                draft.refusals.append(
                    f"{service}: {bundle} has no service of that name [UPG-2]; deactivate it before the upgrade"
                )
            else:
                self._pair(service, new, section, draft)

    def _pair(self, old: ServiceID, new: ServiceID, section: UpgradeSection, draft: _Draft) -> None:
        trees = len(self._engine.services[old].roots)
        draft.pairs.append(PlannedPair(old, new, section.up, section.down or "drain", trees))
        state = self._engine.service_state(new).value
        if state != "Inactive":
            draft.refusals.append(f"{new}: it is {state} [SVC-14]; an upgrade starts when it is Inactive")
        for service in (old, new):
            if upgrade := self._store.desired.tentative(str(service)):
                draft.refusals.append(
                    f"{service}: upgrade {upgrade} of it is tentative [UPG-13]; make that permanent, or roll it back"
                )
        before, after = self._services.setup(old).descriptor, self._services.setup(new).descriptor
        if section.up == "migrate":
            draft.refusals += [str(issue) for issue in migration_issues(before, after)]
        if section.down == "migrate":
            draft.refusals += [str(issue) for issue in migration_issues(after, before)]

    def _predecessor(self, bundle: BundleID, draft: _Draft) -> BundleID | None:
        """The version of a bundle that is at work now."""
        others = [
            info.id
            for info in self._bundles.list()
            if (info.id.name, info.id.vendor) == (bundle.name, bundle.vendor) and info.id != bundle
        ]
        active = [other for other in others if self._is_at_work(other)]
        if len(active) == 1:
            return active[0]
        found = ", ".join(map(str, active)) or "none"
        what = "other versions with an active service or a profile table"
        draft.refusals.append(f"{bundle}: {what}: {found} [UPG-9]; one is needed to come from")
        return None

    def _is_at_work(self, bundle: BundleID) -> bool:
        if any(self._is_active(service) for service in self._services_of(bundle)):
            return True
        return in_use(self._tables, self._bundles.show(bundle).components)

    def _is_active(self, service: ServiceID) -> bool:
        return bool(self._engine.service_state(service).value == "Active")

    def _services_of(self, bundle: BundleID) -> Iterator[ServiceID]:
        return (i for i in self._bundles.show(bundle).components if isinstance(i, ServiceID))


def way(sections: dict[str, UpgradeSection], version: str) -> UpgradeSection | None:
    """What a manifest says of coming from a version: `1.1.2` goes before `1.1.*`, and that before `1.*`."""
    found = [pattern for pattern in sections if fnmatchcase(version, pattern)]
    return sections[max(found, key=lambda pattern: (pattern == version, len(pattern)))] if found else None


def _order(bundle: BundleID) -> tuple[bool, Version | str]:
    """Versions in their order; those that are none of Python's come before, in the order of letters."""
    try:
        return (True, Version(bundle.version))
    except InvalidVersion:
        return (False, bundle.version)


def _steps(request: Request, draft: _Draft) -> Iterator[str]:
    if not draft.pairs and not draft.tables:
        return
    for pair in draft.pairs:
        yield f"{pair.new} takes the place of {pair.old}; all pairs in one step"
    for pair in draft.pairs:
        done = "migrate" if pair.up == "migrate" else "drain"
        yield f"{pair.trees} entity trees of {pair.old} {done}"
    if request.drain_within is not None:
        yield f"what is left after {request.drain_within:g} seconds is removed"
    if request.confirm_within is not None:
        yield f"it is rolled back unless it is made permanent within {request.confirm_within:g} seconds"
    else:
        yield "it stays tentative until it is made permanent or rolled back"


def _fingerprint(request: Request, draft: _Draft) -> str:
    asked = msgspec.json.encode([str(request), *draft.basis])
    return hashlib.sha256(asked).hexdigest()[:12]
