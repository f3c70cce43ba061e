"""What the operations of upgrades return."""

from __future__ import annotations

from dataclasses import dataclass

from slee.management.identities import BundleRef, ServiceRef, SpecificationRef


@dataclass(frozen=True, slots=True)
class PlannedPair:
    """A service and the version that would replace it."""

    old: ServiceRef
    new: ServiceRef
    up: str
    """`drain` or `migrate`."""
    down: str
    """The same for the way back."""
    trees: int
    """Entity trees of the old version now."""


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A profile table and the version of its specification that it would come to."""

    table: str
    old: SpecificationRef
    new: SpecificationRef
    profiles: int
    """Profiles of the table now."""
    changes: tuple[str, ...]
    """What becomes of its attributes."""


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What `upgrade apply` would do (UPG-9)."""

    id: str
    bundles: tuple[BundleRef, ...]
    """The bundles to come to."""
    pairs: tuple[PlannedPair, ...]
    steps: tuple[str, ...]
    """In their order."""
    refusals: tuple[str, ...]
    """Every reason for which it cannot be applied; empty if it can."""
    tables: tuple[PlannedTable, ...] = ()


@dataclass(frozen=True, slots=True)
class PairInfo:
    """How far the upgrade of one service is (UPG-16)."""

    old: ServiceRef
    new: ServiceRef
    old_state: str
    new_state: str
    old_trees: int
    new_trees: int
    old_events: int
    """Deliveries to the old version since the process began."""
    new_events: int
    migrated: int
    """Trees that the present version took over with their state."""
    failed: int
    """Trees whose migration failed; they stay where they are, and drain."""
    removed: int
    """Trees that the SLEE removed, because a deadline passed or an operator forced them."""


@dataclass(frozen=True, slots=True)
class UpgradeInfo:
    """One applied upgrade (UPG-16)."""

    id: str
    phase: str
    """`tentative`, `permanent` or `rolled-back`."""
    reason: str
    """Why it was rolled back; else empty."""
    draining: float | None
    """Seconds for which trees of the version that was replaced have been left; `None` when there are none."""
    confirm_within: float | None
    """Seconds after which it is rolled back by itself, unless it is made permanent."""
    pairs: tuple[PairInfo, ...]
    problems: tuple[str, ...]
    """The tree of each migration that failed, with the cause."""
    removed: tuple[str, ...]
    """Each tree that the SLEE removed, by service and id."""
    tables: tuple[str, ...] = ()
    """The profile tables that take part, each with the specification that it has now."""
