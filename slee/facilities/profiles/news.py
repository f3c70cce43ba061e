"""Events about profiles, on the activity of their table (PRF-40 to PRF-44)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.api.activity import ProfileTableActivity
from slee.api.profile_event import ProfileAdded, ProfileID, ProfileRemoved, ProfileUpdated
from slee.facilities.profiles.snapshot import Snapshot
from slee.kernel.states import ContextState, SleeState

if TYPE_CHECKING:
    from slee.facilities.profiles.table import Table
    from slee.kernel.context import Context
    from slee.model.profile import Row


def tell(table: Table, name: str, before: Row | None, after: Row | None) -> None:
    """Fire what a committed change of one profile is told by; `None` stands for no profile."""
    event_class = ProfileAdded if before is None else ProfileRemoved if after is None else ProfileUpdated
    kernel = table.kernel
    context = table.context
    is_known = context is not None and context.state is ContextState.ACTIVE
    if kernel.state is not SleeState.RUNNING or not (is_known or event_class in kernel.initial):
        return
    if context is None or not is_known:
        table.context = context = _begin_activity(table)
    identity = ProfileID(table.name, name)
    address = identity.address
    snapshots = [Snapshot(table, name, row) for row in (before, after) if row is not None]
    event = event_class(identity, address, *(snapshot.instance() for snapshot in snapshots))
    for snapshot in snapshots:
        snapshot.event = event
    context.accept(kernel.firing(event, context, address))


def _begin_activity(table: Table) -> Context:
    return table.kernel.own_context(("profile-table", table.name), ProfileTableActivity(table.name))


__all__ = ["tell"]
