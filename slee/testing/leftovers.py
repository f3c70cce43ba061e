"""What is left when a harness closes, with its owner (TST-10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.kernel import Kernel


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
