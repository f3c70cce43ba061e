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


def retire(kernel: Kernel, event_class: type) -> None:
    """Mark the counters of an event type that is being uninstalled, and let go of those that are spent (UPG-1).

    Counters go when no event of the type waits; those of events that still wait, when the next type is uninstalled.
    """
    kernel.event_statistics(event_class)
    for statistics in kernel.sources[event_class].values():
        statistics.installed = False
    for retired, sources in tuple(kernel.sources.items()):
        if sources and not any(statistics.installed or statistics.queued for statistics in sources.values()):
            del kernel.sources[retired]
