"""What a harness finds when it closes: the sum of events, and what is left with its owner (TST-10, CON-3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from slee.kernel.firing import Firing

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.kernel import Kernel


def unaccounted(kernel: Kernel) -> Iterator[str]:
    """Where the events accepted are not those ended and those queued, by type (CON-3)."""
    queued: dict[type, int] = {}
    for context in kernel.contexts():
        entry = context.first
        while entry is not None:
            if isinstance(entry, Firing):
                queued[entry.cls] = queued.get(entry.cls, 0) + 1
            entry = entry.next
    for event_class, figures in kernel.events.items():
        owed = figures.accepted - figures.delivered - figures.failed - figures.expired
        found = queued.get(event_class, 0)
        if owed != found:
            yield (
                f"{event_class.__name__}: {figures.accepted} accepted, {figures.delivered} delivered, "
                f"{figures.failed} failed, {figures.expired} expired, {found} queued [CON-3]"
            )


def left(kernel: Kernel) -> Iterator[str]:
    """Entities, activities, timers and outputs, each with its owner; the activities of services do not count."""
    for service in kernel.services.values():
        for root in service.roots:
            attached = ", ".join(map(str, root.contexts)) or "nothing itself"
            yield f"entity {root} is left, attached to {attached} [TST-10]"
    for context in kernel.contexts():
        if context not in kernel.own_contexts:
            yield f"activity {context} is left, {_holders(context)} [TST-10]"
    for record in kernel.timers.records.values():
        yield f"timer {record.id} is left, on {record.context} [TST-10]"
    for resource, command in kernel.take_outputs():
        yield f"output {command!r} is left, for {resource.name} [TST-10]"


def _holders(context: Context) -> str:
    held = [str(entity) for entity in context.attached]
    held += [f"name {name!r}" for name in context.names or ()]
    held += [f"{context.queued} queued"] if context.queued else []
    return f"held by {', '.join(held)}" if held else "held by nobody"
