"""What of a kernel must survive its process, as plain values that two processes can compare.

It is read from the kernel's objects, not from the journal's codec: so it is a second opinion. The keepers of class
`memory`, and the activities of adaptors, are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from slee.kernel.context import Context
from slee.kernel.entity import SbbEntity
from slee.kernel.kernel import Kernel

DURABLE = ("sync", "async")
"""The keepers whose trees survive."""

Picture = dict[str, Any]


def picture(kernel: Kernel, bindings: dict[str, Any], ledgers: dict[str, Any]) -> Picture:
    """Trees with state, attachments and masks; timers, names, null activities that they hold; bindings; profiles."""
    roots = [
        root for identity, service in kernel.services.items() if identity.name in DURABLE for root in service.roots
    ]
    contexts = {context for root in roots for entity in root.tree() for context in entity.contexts if _lasts(context)}
    return {
        "trees": {f"{root.service_id.name}/{root.convergence_name!r}": _tree(root) for root in roots},
        "timers": {
            repr(record.id): (record.start, record.period, record.repetitions, record.number, repr(record.context))
            for record in kernel.timers.records.values()
            if record.context in contexts
        },
        "names": {repr(context): sorted(context.names or ()) for context in contexts},
        "bindings": {key: tuple(map(repr, rows)) for key, rows in bindings.items()},
        "ledgers": dict(ledgers),
    }


def _lasts(context: Context) -> bool:
    return context.resource is None


def _tree(entity: SbbEntity) -> tuple[Any, ...]:
    children = {
        name: [_tree(child) for child in sorted(members, key=lambda child: child.sequence)]
        for name, members in sorted((entity.children or {}).items())
        if members
    }
    masks = {
        repr(context): sorted(event.__name__ for event in context.attached[entity])
        for context in entity.contexts
        if _lasts(context)
    }
    state = {name: repr(value) for name, value in sorted(entity.state.items())}
    return entity.env.descriptor.id.name, entity.priority, state, masks, children


def logged(picture: Picture) -> Iterator[tuple[str, int]]:
    """Which keeper has done which work, in the picture."""
    for key, (_, _, state, _, _) in picture["trees"].items():
        keeper = key.partition("/")[0]
        for serial in ast.literal_eval(state.get("log", "()")):
            yield keeper, serial


def differences(before: Picture, after: Picture) -> list[str]:
    """What differs, part by part and key by key."""
    told: list[str] = []
    for part in before:
        keys = before[part].keys() | after[part].keys()
        told += [
            f"{part} {key}: {before[part].get(key)} in the journal's last record, {after[part].get(key)} recovered"
            for key in sorted(keys)
            if before[part].get(key) != after[part].get(key)
        ]
    return told


__all__ = ["Picture", "differences", "logged", "picture"]
