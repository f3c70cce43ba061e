"""Compares the events accepted with those ended and those that wait, as they are found in the queues (CON-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.kernel.firing import EventStatistics, Firing

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel


def unaccounted(kernel: Kernel) -> list[str]:
    """The sums that differ, one text for each event type and source; empty as long as nothing is lost.

    Ask between two steps. It looks at every activity context, about 50 ns each, and at every event that waits.
    """
    queued: dict[EventStatistics, int] = {}
    for context in kernel.contexts():
        entry = context.first
        while entry is not None:
            if isinstance(entry, Firing):
                queued[entry.statistics] = queued.get(entry.statistics, 0) + 1
            entry = entry.next
    return [
        f"{event_class.__name__} from {source}: {s.accepted} accepted, {s.delivered} delivered, {s.failed} failed, "
        f"{s.expired} expired, {queued.get(s, 0)} queued [CON-3]"
        for event_class, sources in kernel.sources.items()
        for source, s in sources.items()
        if s.queued != queued.get(s, 0)
    ]
