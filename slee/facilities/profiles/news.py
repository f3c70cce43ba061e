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
    if kernel.state is not SleeState.RUNNING:
        return
    context = activity_of(table)
    if context is None:
        if event_class not in kernel.initial:
            return
        table.context = context = _begin_activity(table)
    identity = ProfileID(table.name, name)
    address = identity.address
    snapshots = [Snapshot(table, name, row) for row in (before, after) if row is not None]
    event = event_class(identity, address, *(snapshot.instance() for snapshot in snapshots))
    for snapshot in snapshots:
        snapshot.event = event
    context.accept(kernel.firing(event, context, address))


def activity_of(table: Table) -> Context | None:
    """The activity of a table, be it one that a recovery has brought back (DUR-6); `None` if it has none."""
    context = table.context
    if context is None and not table.has_looked:
        table.has_looked = True  # once: what a recovery brings back is there before anything is told
        handle = _handle(table)
        table.context = context = next((own for own in table.kernel.own_contexts if own.handle == handle), None)
    return context if context is not None and context.state is ContextState.ACTIVE else None


def _begin_activity(table: Table) -> Context:
    context = table.kernel.own_context(_handle(table), ProfileTableActivity(table.name))
    if table.kernel.journalling is not None:
        context.last_on()
    return context


def _handle(table: Table) -> tuple[str, object]:
    return "profile-table", table.name


__all__ = ["activity_of", "tell"]
