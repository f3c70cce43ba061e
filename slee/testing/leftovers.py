"""What is left when a harness closes, with its owner (TST-10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from slee.api.event import ActivityEnd

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.kernel import Kernel
    from slee.spi.adaptor import ResourceAdaptor
    from slee.testing.crash import CrashableJournal


def left(kernel: Kernel) -> Iterator[str]:
    """Entities, activities, timers and outputs, each with its owner.

    The activities of services do not count, nor do those that last as long as their adaptor works.
    """
    for service in kernel.services.values():
        for root in service.roots:
            attached = ", ".join(map(str, root.contexts)) or "nothing itself"
            yield f"entity {root} is left, attached to {attached} [TST-10]"
    for context in kernel.contexts():
        if context not in kernel.own_contexts and not _lasts(context):
            yield f"activity {context} is left, {_holders(context)} [TST-10]"
    for record in kernel.timers.records.values():
        yield f"timer {record.id} is left, on {record.context} [TST-10]"
    for resource, command in kernel.take_outputs():
        yield f"output {command!r} is left, for {resource.name} [TST-10]"


def unserved(kernel: Kernel, events: Iterable[tuple[type, str]]) -> Iterator[str]:
    """Events that reached nobody although an SBB waits for their like: the author may have forgotten to attach it."""
    sbbs = {sbb.id: sbb for service in kernel.services.values() for sbb in service.descriptor.sbbs.values()}
    for cls, activity in events:
        if cls is ActivityEnd:  # what only tells of an end is missed by nobody
            continue
        for sbb in sbbs.values():
            handler = sbb.handlers.get(cls)
            if handler is not None and not handler.mark.initial:
                event = f"{cls.__name__} on {activity} reached nobody"
                yield f"{event}, and {sbb.id.name}.{handler.method} waits for it [ATT-1]; attach the entity"


def busy(kernel: Kernel, links: Mapping[str, ResourceAdaptor], recovery: CrashableJournal | None) -> str:
    """Who has something due that ends by itself: the SLEE with its timers, adaptors by their links, the journal."""
    found = ["the SLEE"] if kernel.next_deadline() is not None else []
    found += [link for link, adaptor in links.items() if not adaptor.is_idle()]
    found += ["the journal"] if recovery is not None and recovery.journal.due is not None else []
    return ", ".join(found)


def _lasts(context: Context) -> bool:
    return context.resource is not None and context.resource.adaptor.lasts(context.handle)


def _holders(context: Context) -> str:
    held = [str(entity) for entity in context.attached]
    held += [f"name {name!r}" for name in context.names or ()]
    held += [f"{context.queued} queued"] if context.queued else []
    return f"held by {', '.join(held)}" if held else "held by nobody"
