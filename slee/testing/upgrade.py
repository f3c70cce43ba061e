"""Tries an upgrade in a harness: the switch from one version of a service to another, and the migration of trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.api.errors import VerificationError
from slee.kernel.migration import migrate_tree
from slee.model.migration import migration_issues

if TYPE_CHECKING:
    from slee.api.ids import ServiceID
    from slee.testing.harness import SleeHarness


def upgrade(
    slee: SleeHarness,
    old: ServiceID,
    new: ServiceID,
    *,
    migrate: bool = False,
    follow_convergence: bool = False,
) -> int:
    """Let a service that is Inactive take the place of one that is Active; the number of trees migrated (UPG-2).

    Args:
        slee: the harness, with both versions installed.
        old: the version that is Active.
        new: the version that takes its place.
        migrate: move the trees at once with `@migrates`; without, they drain.
        follow_convergence: let initial events go to living trees of the old version by their convergence name.

    Raises:
        VerificationError: a migration is missing; lists every change without one (UPG-10).
        Exception: what a migration raised; that tree and the ones after it are still the old version's.
    """
    before, after = slee.kernel.service(old), slee.kernel.service(new)
    if migrate and (issues := list(migration_issues(before.descriptor, after.descriptor))):
        raise VerificationError(issues)
    slee.kernel.registry.switch([(old, new)], follow=follow_convergence)
    migrated = 0
    for root in tuple(before.roots) if migrate else ():
        migrate_tree(root, after)
        migrated += 1
    slee.run()
    return migrated


__all__ = ["upgrade"]
