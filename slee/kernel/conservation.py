"""Compares the events accepted with those ended and those that wait, as they are found in the queues (CON-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.kernel.firing import Firing

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel


def unaccounted(kernel: Kernel) -> list[str]:
    """The sums that differ, one text for each event type; empty as long as nothing is lost.

    Ask between two steps. It looks at every activity context, about 50 ns each, and at every event that waits.
    """
    queued: dict[type, int] = {}
    for context in kernel.contexts():
        entry = context.first
        while entry is not None:
            if isinstance(entry, Firing):
                queued[entry.cls] = queued.get(entry.cls, 0) + 1
            entry = entry.next
    return [
        f"{event_class.__name__}: {figures.accepted} accepted, {figures.delivered} delivered, {figures.failed} failed, "
        f"{figures.expired} expired, {queued.get(event_class, 0)} queued [CON-3]"
        for event_class, figures in kernel.events.items()
        if figures.accepted - figures.delivered - figures.failed - figures.expired != queued.get(event_class, 0)
    ]
