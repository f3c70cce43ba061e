"""Events about profiles, on the activity of their table (PRF-40 to PRF-44)."""

from __future__ import annotations

from collections.abc import Iterable
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
    context = _activity_of(table)
    if context is None:
        if event_class not in kernel.initial:
            return
        table.context = context = _begin_activity(table)
    identity = ProfileID(table.name, name)
    event = news_of(table, event_class, identity, [row for row in (before, after) if row is not None])
    context.accept(kernel.firing(event, context, identity.address))


def news_of(table: Table, event_class: type, identity: ProfileID, rows: Iterable[Row]) -> object:
    """An event of a class with snapshots of these values, which it lets be read in its deliveries (PRF-41)."""
    snapshots = [Snapshot(table, identity.profile, row) for row in rows]
    event: object = event_class(identity, identity.address, *(snapshot.instance() for snapshot in snapshots))
    for snapshot in snapshots:
        snapshot.event = event
    return event


def _activity_of(table: Table) -> Context | None:
    """The activity of a table, be it one that a recovery has brought back (DUR-6); `None` if it has none."""
    context = table.context
    if context is None and not table.has_looked:
        table.has_looked = True  # once: what a recovery brings back is there before anything is told
        handle = _handle(table)
        own = (context for context in table.kernel.own_contexts if context.handle == handle)
        table.context = context = next((one for one in own if one.state is ContextState.ACTIVE), None)
    return context if context is not None and context.state is ContextState.ACTIVE else None


def end_activity(table: Table) -> None:
    """End a table's activity, after the events that are on it (PRF-44); the next event begins another one."""
    context = _activity_of(table)
    table.context = None
    if context is not None:
        context.end_now()


def _begin_activity(table: Table) -> Context:
    context = table.kernel.own_context(_handle(table), ProfileTableActivity(table.name))
    if table.kernel.journalling is not None:
        context.last_on()
    return context


def _handle(table: Table) -> tuple[str, object]:
    return "profile-table", table.name


__all__ = ["end_activity", "news_of", "tell"]
